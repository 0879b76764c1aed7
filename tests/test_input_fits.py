"""Holes and categories in fits that go on, other layouts, copies and workers."""

from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
from input_corners import MISSING, WAYS, N, labels, make, model, total
from refusals import refused
from sklearn.model_selection import GridSearchCV, KFold

from sk_mtrnn import (
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
)
from sk_mtrnn.augmentation import Jitter, WindowCrop
from sk_mtrnn.inspection import gradient_similarity
from sk_mtrnn.metrics import multitask_scorer

# ---------------------------------------------------------------- fits that go on


@pytest.mark.parametrize("missing", MISSING)
def test_chunks_of_which_one_has_other_holes(missing):
    """What is told was settled by the first chunk; later holes are filled like all others."""
    X = make(missing, categories=True)
    y, whole = total(X), [np.nan_to_num(x) for x in X]
    options = {"missing": missing, "categorical_features": [2]}
    fitted = model(MultiTaskRNNRegressor, **options).partial_fit(whole[:20], y[:20])
    settled = deepcopy(fitted._inputs.__dict__)
    fitted.partial_fit(X[20:], y[20:])
    np.testing.assert_array_equal(fitted._inputs.mean, settled["mean"])
    assert list(fitted._inputs.with_holes) == list(settled["with_holes"]) == []
    assert np.isfinite(fitted.predict(X)).all()
    unseen = [np.column_stack([x[:, :2], x[:, 2] + 7]) for x in X]
    fitted.partial_fit(unseen, y)  # codes that the first chunk lacked are unknown
    assert fitted.categories_[2].tolist() == [0, 1, 2, 3]
    assert np.abs(fitted.embeddings_[2][-1]).max() > 0  # and are learned as such


@pytest.mark.parametrize("missing", MISSING)
def test_chunks_take_the_steps_of_one_fit(missing):
    X = make(missing, categories=True, time=True)
    options = {"missing": missing, "categorical_features": [2], "time_feature": 3}
    in_one = model(MultiTaskRNNRegressor, **options, max_epochs=1).fit(X, total(X))
    chunk = model(MultiTaskRNNRegressor, **options).partial_fit(X, total(X))
    np.testing.assert_array_equal(in_one.predict(X), chunk.predict(X))


@pytest.mark.parametrize("missing", MISSING)
def test_a_warm_start_goes_on_with_what_was_learned(missing):
    X = make(missing, categories=True)
    options = {"missing": missing, "categorical_features": [2], "warm_start": True}
    fitted = model(MultiTaskRNNRegressor, **options).fit(X, total(X))
    mean, known = fitted._inputs.mean.copy(), fitted.embeddings_[2].copy()
    shifted = [np.column_stack([x[:, :2] + 5, x[:, 2] + 2]) for x in X]
    fitted.set_params(learning_rate=1e-30).fit(shifted, total(X))
    np.testing.assert_array_equal(fitted._inputs.mean, mean)
    np.testing.assert_allclose(fitted.embeddings_[2], known, atol=1e-12)
    with refused("warm_start", "parameter categorical_features changed", "found [1]"):
        fitted.set_params(categorical_features=[1]).fit(X, total(X))


@pytest.mark.parametrize("missing", MISSING)
def test_what_is_held_out_is_not_learned_from(missing, monkeypatch):
    X = make(missing, categories=True)
    y = labels(X)
    for x in X[30:]:
        x[:, :2] *= 100
        x[:, 2] += 9
    scorer = multitask_scorer({"sign": "accuracy", "level": "neg_mean_absolute_error"})
    fitted = model(missing=missing, categorical_features=[2], early_stopping=True, scoring=scorer)
    parts = np.arange(30), np.arange(30, N)
    with monkeypatch.context() as patched:
        patched.setattr("sk_mtrnn._base.hold_out", lambda *args: parts)
        fitted.fit(X, y)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    rows = np.concatenate(X[:30])[:, :2]
    np.testing.assert_allclose(fitted._inputs._mean, np.nanmean(rows, axis=0))
    np.testing.assert_allclose(fitted._inputs._std, np.nanstd(rows, axis=0))
    assert fitted.categories_[2].tolist() == [0, 1, 2, 3]
    alone = model(missing=missing, categorical_features=[2]).fit(X[:30], y[:30])
    np.testing.assert_allclose(alone._inputs.mean, fitted._inputs.mean, rtol=1e-12)
    np.testing.assert_allclose(alone._inputs.scale, fitted._inputs.scale, rtol=1e-12)


@pytest.mark.parametrize("missing", WAYS)
def test_a_channel_that_only_the_held_out_part_observes_counts_for_nothing(missing, monkeypatch):
    X = make(missing)
    X = [np.column_stack([x, np.full(len(x), np.nan if i < 30 else 1.0)]) for i, x in enumerate(X)]
    fitted = model(MultiTaskRNNRegressor, missing=missing, early_stopping=True)
    parts = np.arange(30), np.arange(30, N)
    with monkeypatch.context() as patched:
        patched.setattr("sk_mtrnn._base.hold_out", lambda *args: parts)
        fitted.fit(X, total(X))
    other = [x * [1, 1, 1000] for x in X]
    np.testing.assert_array_equal(fitted.predict(other), fitted.predict(X))


# ---------------------------------------------------------------- layouts, copies, workers


@pytest.mark.parametrize("missing", WAYS)
@pytest.mark.parametrize("estimator", [MultiTaskRNNClassifier, MultiTaskRNNRegressor])
def test_tables(estimator, missing):
    table = np.random.default_rng(0).normal(size=(N, 5))
    y = table[:, ::2].sum(axis=1)
    table[::3, 2] = table[1::4, 0] = np.nan
    y = (y > 0).astype(int) if estimator is MultiTaskRNNClassifier else y
    fitted = model(estimator, missing=missing).fit(table, y)
    frame = pd.DataFrame(table, columns=list("abcde"), index=range(100, 100 + N))
    named = model(estimator, missing=missing).fit(frame, y)
    np.testing.assert_array_equal(fitted.predict(table), named.predict(frame))
    assert fitted.n_features_in_ == 5
    nullable = frame.convert_dtypes()  # pandas' own missing values
    np.testing.assert_array_equal(named.predict(nullable), named.predict(frame))
    gone = table.copy()
    gone[:, 3] = np.nan  # a step that training had
    assert np.isfinite(fitted.predict(gone).astype(float)).all()


@pytest.mark.parametrize("missing", WAYS)
def test_arrays_lists_and_panels_are_one(missing):
    X = np.stack([x[:2] for x in make(missing, categories=True, time=True)])
    options = {"missing": missing, "categorical_features": [2], "time_feature": 3}
    y = total(X)
    expected = model(MultiTaskRNNRegressor, **options).fit(X, y).predict(X)
    names = ["a", "b", "word", "hour"]
    panel = pd.concat({i: pd.DataFrame(x, columns=names) for i, x in enumerate(X)})
    for other in (list(X), tuple(X), Ragged.from_padded(X), pd.Series(list(X)), panel):
        fitted = model(MultiTaskRNNRegressor, **options).fit(other, y)
        np.testing.assert_allclose(fitted.predict(other), expected, rtol=1e-9)
    boxed = [[[None if v != v else v for v in step] for step in x] for x in X.tolist()]
    fitted = model(MultiTaskRNNRegressor, **options).fit(boxed, y)
    np.testing.assert_allclose(fitted.predict(boxed), expected, rtol=1e-9)


@pytest.mark.parametrize("missing", MISSING)
def test_data_that_may_not_be_written(missing):
    """Workers get memory maps: nothing may fill a hole in X itself."""
    X = Ragged.from_list(make(missing, categories=True, time=True))
    X = X.with_values(X.values, None, [False, False, True, False])
    before = X.values.copy()
    X.values.setflags(write=False)
    y = labels(list(X))
    options = {"missing": missing, "time_feature": 3, "augmentation": [Jitter(), WindowCrop()]}
    model(**options).fit(X, y).predict(X)
    model(**options, early_stopping=True).fit(X, y)
    np.testing.assert_array_equal(X.values, before)


@pytest.mark.slow
def test_workers_find_what_one_process_finds():
    X = Ragged.from_list(make("mask", categories=True, time=True))
    X = X.with_values(X.values, None, [False, False, True, False])
    grid = {"missing": list(WAYS), "unknown_rate": [0.0, "frequency"]}
    options = {"time_feature": 3, "augmentation": [Jitter()], "sampler": "balanced"}
    searches = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            model(**options), grid, cv=KFold(2), n_jobs=n_jobs, error_score="raise", refit=False
        )
        with joblib.parallel_config(max_nbytes=1000):  # so that workers read memory maps
            searches.append(search.fit(X, labels(list(X))).cv_results_["mean_test_score"])
    np.testing.assert_allclose(searches[1], searches[0], atol=1e-6)
    assert len(set(np.round(searches[0], 9))) > 4


@pytest.mark.parametrize("missing", MISSING)
def test_what_looks_into_a_fitted_model(missing):
    X = make(missing, categories=True, time=True)
    options = {"missing": missing, "categorical_features": [2], "time_feature": 3}
    fitted = model(**options, pooling="attention").fit(X, labels(X))
    attention = np.array([weights.sum(axis=0) for weights in fitted.attention_weights(X)])
    np.testing.assert_allclose(attention[:, :2], 1)  # of the tasks per sequence
    similar = gradient_similarity(fitted, X, labels(X))
    assert np.isfinite(similar.to_numpy()).all()
