"""Deep ensembles in every layout of y."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.metrics import task_scores

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 2}


def ensemble_of(estimator, n_estimators=2):
    return DeepEnsemble(estimator, n_estimators, random_state=0)


@pytest.fixture
def equal():
    return np.random.default_rng(1).normal(size=(30, 5, 2))


def same_layout(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            same_layout(*pair)
    elif isinstance(expected, pd.DataFrame):
        assert (found.dtypes == expected.dtypes).all()
        assert found.index.equals(expected.index)
        assert found.columns.equals(expected.columns)
    else:
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)


def targets(X):
    """Quantities of the sequences in every layout."""
    total = [x.cumsum(axis=0) for x in X]
    boxed = np.empty(len(X), dtype=object)
    boxed[:] = [t[:, 0] for t in total]
    table = np.empty((len(X), 2), dtype=object)
    table[:, 0], table[:, 1] = boxed, [x[0, 0] for x in X]
    return {
        "1d": np.array([x.mean() for x in X]),
        "2d": np.array([x.mean(axis=0) for x in X]),
        "series": pd.Series([x.mean() for x in X], name="mean"),
        "frame": pd.DataFrame([x.mean(axis=0) for x in X], columns=["a", "b"]),
        "3d": np.stack(total),
        "steps": total,
        "flat steps": [t[:, 0] for t in total],
        "boxes": boxed,
        "boxes and numbers": table,
    }


@pytest.mark.parametrize("kind", list(targets(np.zeros((2, 2, 2)))))
def test_quantities_in_every_layout(equal, kind):
    y = targets(equal)[kind]
    ensemble = ensemble_of(MultiTaskRNNRegressor(**SMALL), 2).fit(equal, y)
    predictions = [member.predict(equal) for member in ensemble.estimators_]
    found, std = ensemble.predict(equal, return_std=True)
    for part in (found, std, ensemble.predict(equal)):
        same_layout(part, predictions[0])
    mine, *others = (np.ravel(flatten(p)) for p in (found, *predictions))
    assert_allclose(mine, np.mean(others, axis=0))
    assert_allclose(np.ravel(flatten(std)), np.std(others, axis=0), atol=1e-12)
    assert np.isfinite(ensemble.score(equal, y))
    same_layout(ensemble.predict(equal[:1]), ensemble.estimators_[0].predict(equal[:1]))


def flatten(part):
    """All entries of a prediction in one row."""
    if isinstance(part, pd.DataFrame):
        part = part.to_numpy()
    cells = part if isinstance(part, list) else part.ravel()
    return np.hstack([np.ravel(cell) for cell in cells])


@pytest.mark.parametrize("kind", list(targets(np.zeros((2, 2, 2)))))
@pytest.mark.parametrize("words", [False, True])
def test_classes_in_every_layout(equal, kind, words):
    y = classified(targets(equal)[kind], words)
    ensemble = ensemble_of(MultiTaskRNNClassifier(**SMALL), 2).fit(equal, y)
    members = ensemble.estimators_
    same_layout(ensemble.predict(equal), members[0].predict(equal))
    found, own = ensemble.predict_proba(equal), [m.predict_proba(equal) for m in members]
    same_layout(found, own[0])
    assert_allclose(nested(found), (nested(own[0]) + nested(own[1])) / 2)
    voted = ensemble_of(MultiTaskRNNClassifier(**SMALL), 1).fit(equal, y)
    assert_array_equal(flatten(voted.predict(equal)), flatten(voted.estimators_[0].predict(equal)))
    with pytest.raises(ValueError, match="return_std=True needs a regression task"):
        ensemble.predict(equal, return_std=True)


def classified(y, words):
    """The signs of quantities, in their layout."""
    if isinstance(y, list):
        return [classified(part, words) for part in y]
    if isinstance(y, (pd.Series, pd.DataFrame)):
        return y.map(lambda cell: ["down", "up"][int(cell > 0)] if words else int(cell > 0))
    if y.dtype == object:
        cells = np.empty(y.shape, dtype=object)
        for place, cell in np.ndenumerate(y):
            sign = classified(np.asarray(cell), words)
            cells[place] = sign if sign.ndim else sign.item()
        return cells
    return np.where(y > 0, "up", "down").astype(object) if words else (y > 0).astype(int)


def nested(proba):
    """Probabilities of all tasks and steps below one another."""
    if isinstance(proba, list):
        return np.concatenate([nested(part) for part in proba])
    return proba.reshape(-1, proba.shape[-1])


@pytest.mark.parametrize("kind", ["2d", "3d", "steps", "frame"])
def test_both_types_of_task_in_one_array(equal, kind):
    y = targets(equal)[kind]
    if kind == "frame":
        y["a"] = (y["a"] > 0).astype(float)
    else:
        for part in y:
            part[..., 0] = part[..., 0] > 0
    ensemble = ensemble_of(MultiTaskRNN(**SMALL)).fit(equal, y)
    assert list(ensemble.task_types_.values()) == ["classification", "regression"]
    predictions = [member.predict(equal) for member in ensemble.estimators_]
    found, std = ensemble.predict(equal, return_std=True)
    same_layout(found, predictions[0])
    found, std, *each = (flatten(part).reshape(-1, 2) for part in (found, std, *predictions))
    assert_allclose(found[:, 1], np.mean([part[:, 1] for part in each], axis=0))
    assert_allclose(std[:, 1], np.std([part[:, 1] for part in each], axis=0), atol=1e-12)
    assert np.isnan(std[:, 0]).all()
    (proba,) = ensemble.predict_proba(equal).values()
    assert_array_equal(found[:, 0], nested(proba).argmax(axis=1))


def test_ragged_sequences_with_missing_labels(ragged):
    y = [np.column_stack([x[:, 0] > 0, x[:, 1] > 0]).astype(float) for x in ragged]
    y[3][:] = np.nan
    y[5][1:, 0] = np.nan
    ensemble = ensemble_of(MultiTaskRNNClassifier(**SMALL), 2).fit(ragged, y)
    same_layout(ensemble.predict(ragged), ensemble.estimators_[0].predict(ragged))
    table = task_scores(ensemble, ragged, y, metrics="accuracy")
    assert_allclose(ensemble.score(ragged, y), table["score"].mean())
    with pytest.raises(ValueError, match="y must hold at least one label to score, found none"):
        ensemble.score(ragged[:1], [np.full((len(ragged[0]), 2), np.nan)])
