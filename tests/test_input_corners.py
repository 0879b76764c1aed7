"""Holes, categories and variation beside every other choice: together, or refused."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from input_corners import MISSING, WAYS, N, check, gru, labels, make, model, same, total
from refusals import refused
from sklearn.base import clone

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn.augmentation import ChannelMask, Jitter, Scale, TimeMask, TimeWarp, WindowCrop

SYSTEMS = {
    "plain": {},
    **{f"sharing={s}": {"sharing": s} for s in ("shared_private", "cross_stitch", "mmoe", "none")},
    **{f"relation={r}": {"task_relation": r} for r in ("gcn", "attention", "chain")},
    "input_skip": {"input_skip": True},
    "time_delays": {"time_delays": (0, 1, -1)},
    "bidirectional": {"bidirectional": True},
    "two layers": {"hidden_layer_sizes": (4, 3), "dropout": 0.2, "input_dropout": 0.2},
    "attention": {"pooling": "attention"},
    "max": {"pooling": "max", "bidirectional": True, "cell": "lstm"},
    "torch": {"recurrence": "torch", "cell": "rnn"},
    "packed": {"recurrence": "packed", "cell": "lstm", "bidirectional": True},
    "unscaled": {"standardize": False},
    "weights": {"task_weights": "uncertainty"},
    "turns": {"batching": "alternate", "max_epochs": 12},
    "everything": {
        "sharing": "mmoe",
        "task_relation": "chain",
        "input_skip": True,
        "time_delays": (0, 1),
        "bidirectional": True,
        "hidden_layer_sizes": (4, 3),
        "pooling": "attention",
    },
}


# ---------------------------------------------------------------- together with every system


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("missing", MISSING)
def test_holes_go_with_every_system(missing, system):
    X = make(missing)
    fitted = model(missing=missing, **SYSTEMS[system]).fit(X, labels(X))
    check(fitted, X)


@pytest.mark.parametrize("system", ["sharing=none", "time_delays", "bidirectional", "everything"])
@pytest.mark.parametrize("missing", ["error", "mask", "decay"])
def test_categories_go_with_every_system(missing, system):
    X = make(missing, categories=True, time=True)
    options = {"categorical_features": [2], "time_feature": 3, "unknown_rate": 0.2}
    fitted = model(missing=missing, **options, **SYSTEMS[system]).fit(X, labels(X))
    check(fitted, X)
    other = [x.copy() for x in X]
    for x in other:
        x[:, 2] = (x[:, 2] + 1) % 4
    assert not np.allclose(fitted.predict(other)["level"], fitted.predict(X)["level"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_all_that_decays_learns(system):
    """No part of the decay is left out of the gradient, whatever stands above it."""
    X = make("decay")
    fitted = model(missing="decay", **SYSTEMS[system]).fit(X, labels(X))
    still = clone(fitted).set_params(max_epochs=1, learning_rate=1e-30).fit(X, labels(X))
    before = still.net_.module_.state_dict()
    decaying = [name for name in before if ".decay." in name]
    assert decaying
    after = fitted.net_.module_.state_dict()
    assert all(not torch.equal(after[name], before[name]) for name in decaying)


@pytest.mark.parametrize("missing", MISSING)
def test_a_cell_of_ones_own(missing):
    X = make(missing)
    estimator = model(missing=missing, cell=gru)
    if missing == "decay":
        with refused(
            "missing='decay' needs cell to be 'rnn', 'gru' or 'lstm', found <function gru"
        ):
            estimator.fit(X, labels(X))
        assert not hasattr(estimator, "net_")
    else:
        check(estimator.fit(X, labels(X)), X)


@pytest.mark.parametrize("missing", MISSING)
def test_packed_and_torch_agree(missing):
    X = make(missing, categories=True)
    for cell in ("gru", "lstm"):
        options = {"missing": missing, "cell": cell, "categorical_features": [2], "max_epochs": 1}
        one, two = (
            model(recurrence=recurrence, **options).fit(X, labels(X))
            for recurrence in ("packed", "torch")
        )
        np.testing.assert_allclose(one.predict(X)["level"], two.predict(X)["level"], rtol=1e-9)


@pytest.mark.parametrize("missing", MISSING)
def test_float32_is_float64_but_rounded(missing):
    X = make(missing, categories=True, time=True)
    options = {"missing": missing, "categorical_features": [2], "time_feature": 3, "max_epochs": 1}
    exact = model(**options).fit(X, labels(X)).predict(X)["level"]
    rounded = model(**options, dtype="float32").fit(X, labels(X)).predict(X)["level"]
    assert rounded.dtype == np.float64
    np.testing.assert_allclose(rounded, exact, rtol=1e-3)
    single = [x.astype(np.float32) for x in X]
    given = model(**options).fit(single, labels(X)).predict(single)["level"]
    np.testing.assert_allclose(given, exact, rtol=1e-3)


@pytest.mark.parametrize("missing", MISSING)
def test_unscaled_is_scaled_for_data_that_is_standardised(missing):
    """Holes tell the same of channels of zero mean and unit variance, whoever made them so."""
    X = make(missing)
    rows = np.concatenate(X)
    mean, std = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    X = [(x - mean) / std for x in X]
    y = total(X)
    y = (y - y.mean()) / y.std()
    one, two = (
        model(MultiTaskRNNRegressor, missing=missing, standardize=standardize).fit(X, y).predict(X)
        for standardize in (True, False)
    )
    np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-9)


def test_what_decays_towards_the_mean_has_no_origin():
    """Without scaling too: the mean is where inputs decay to, wherever it lies."""
    X = make("decay")
    y = total(X)
    fits = [
        model(MultiTaskRNNRegressor, missing="decay", standardize=False)
        .fit(given, y)
        .predict(given)
        for given in (X, [x + np.array([5.0, -3.0]) for x in X])
    ]
    np.testing.assert_allclose(fits[1], fits[0], rtol=1e-6)


# ---------------------------------------------------------------- features, new tasks, streams


@pytest.mark.parametrize("missing", MISSING)
def test_features_of_a_task(missing):
    X = make(missing, categories=True, time=True)
    tasks = {
        "sign": ClassificationTask(features=[0]),
        "level": RegressionTask(features=[1, 2]),
        "total": RegressionTask(features=[-2]),
    }
    options = {"categorical_features": [2], "time_feature": 3, "tasks": tasks}
    estimator = model(missing=missing, **options)
    if missing == "decay":
        with refused("features of task 'sign' must be None with missing='decay'", "found [0]"):
            estimator.fit(X, labels(X))
        return
    fitted = estimator.fit(X, labels(X))
    check(fitted, X)
    before_all, moved = fitted.predict_proba(X)["sign"], {}
    for channel in range(3):
        other = [x.copy() for x in X]
        for x in other:
            x[:, channel] = (x[:, channel] + 1) % 4 if channel == 2 else x[:, channel] * 3 + 1
        moved[channel] = [not np.array_equal(fitted.predict_proba(other)["sign"], before_all)]
        before, after = fitted.predict(X), fitted.predict(other)
        moved[channel].append(not np.array_equal(before["level"], after["level"]))
        moved[channel].append(not all(map(np.array_equal, before["total"], after["total"])))
    assert moved == {0: [True, False, False], 1: [False, True, False], 2: [False, True, True]}
    if missing != "error":  # nor do other channels tell by their holes
        gone = [np.column_stack([x[:, 0], np.full((len(x), 2), np.nan), x[:, 3]]) for x in X]
        np.testing.assert_array_equal(fitted.predict_proba(gone)["sign"], before_all)
    with refused("features of task 'sign' must be inputs", "3 is the time_feature"):
        model(
            missing=missing,
            categorical_features=[2],
            time_feature=3,
            tasks={"sign": ClassificationTask(features=[3])},
        ).fit(X, labels(X))


@pytest.mark.parametrize("categories", [False, True])
@pytest.mark.parametrize("missing", MISSING)
def test_a_new_task_leaves_the_others_as_they_were(missing, categories):
    X = make(missing, categories=categories, time=True)
    options = {"categorical_features": [2] if categories else None, "time_feature": -1}
    fitted = model(missing=missing, **options).fit(X, labels(X))
    states, before = fitted.transform(X), fitted.predict(X)
    assert states.shape == (N, 4)
    assert np.isfinite(states).all()
    fitted.add_task(X[:20], total(X[:20]), name="new")
    np.testing.assert_array_equal(fitted.transform(X), states)
    after = fitted.predict(X)
    assert list(after) == [*before, "new"]
    same(before, after[list(before)])
    unfrozen = deepcopy(fitted).add_task(X, total(X), name="newer", freeze_trunk=False)
    assert not np.allclose(unfrozen.transform(X), states)
    assert np.isfinite(unfrozen.predict(X)["newer"]).all()


@pytest.mark.parametrize(
    ("params", "streams"),
    [
        ({}, True),
        *(({"missing": missing}, False) for missing in WAYS),
        ({"time_feature": 3}, False),
        ({"categorical_features": [2]}, False),
    ],
)
def test_streams_are_there_where_steps_are_read_as_they_are(params, streams):
    X = make("error", categories=True, time=True)
    estimator = model(MultiTaskRNNRegressor, **params)
    assert hasattr(estimator, "stream") == streams
    fitted = estimator.fit(X, total(X))
    assert hasattr(fitted, "stream") == streams
    if not streams:
        with pytest.raises(AttributeError) as caught:
            fitted.stream()
        assert "needs missing='error', time_feature=None and no categ" in str(
            caught.value.__cause__
        )


def test_marked_channels_stream_no_more_than_named_ones():
    """Before fit nothing tells that X will mark channels."""
    X = Ragged.from_list(make("error", categories=True))
    X = X.with_values(X.values, None, [False, False, True])
    fitted = model(MultiTaskRNNRegressor)
    assert hasattr(fitted, "stream")
    assert not hasattr(fitted.fit(X, total(X)), "stream")


# ---------------------------------------------------------------- variation

KINDS = [Jitter(), Scale(), TimeMask(), ChannelMask(), TimeWarp(), WindowCrop()]


@pytest.mark.parametrize(
    ("kinds", "missing", "categories"),
    [
        *(([kind], "mask", True) for kind in KINDS),
        *((KINDS, missing, categories) for missing in MISSING for categories in (False, True)),
    ],
)
def test_augmentation_goes_with_holes_and_categories(kinds, missing, categories):
    X = make(missing, categories=categories, time=True)
    options = {"categorical_features": [2] if categories else None, "time_feature": -1}
    fitted = model(missing=missing, augmentation=kinds, **options).fit(X, labels(X))
    check(fitted, X)
    plain = model(missing=missing, **options).fit(X, labels(X))
    assert not np.array_equal(fitted.loss_curve_, plain.loss_curve_)
    np.testing.assert_array_equal(fitted._inputs.mean, plain._inputs.mean)


@pytest.mark.parametrize("sampler", [None, "balanced"])
@pytest.mark.parametrize("batching", ["mixed", "alternate"])
@pytest.mark.parametrize("missing", ["error", "mask", "decay"])
def test_draws_go_with_turns(missing, batching, sampler):
    X = make(missing, categories=True, time=True)
    options = {"categorical_features": [2], "time_feature": 3, "augmentation": KINDS}
    options |= {"sampler": sampler, "batching": batching, "missing": missing, "max_epochs": 8}
    links = {"positive": ClassificationTask(transitions="learned")}
    check(model(**options, batch_size=8, tasks=links).fit(X, labels(X)), X)


@pytest.mark.parametrize("sampler", [None, "balanced"])
def test_draws_and_turns_of_chunks(sampler):
    X = make("mask", categories=True)
    y = labels(X)
    classes = {"sign": ["down", "up"], "positive": [0, 1]}
    fitted = model(
        missing="mask",
        categorical_features=[2],
        sampler=sampler,
        augmentation=KINDS,
        tasks={"level": "regression", "total": "regression"},
    )
    fitted.partial_fit(X[:20], y[:20], classes=classes).partial_fit(X[20:], y[20:])
    check(fitted, X)
