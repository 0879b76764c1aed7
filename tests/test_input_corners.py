"""Holes, categories and variation beside every other choice: together, or refused."""

import pickle
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn.augmentation import ChannelMask, Jitter, Scale, TimeMask, TimeWarp, WindowCrop
from sk_mtrnn.inspection import gradient_similarity
from sk_mtrnn.metrics import multitask_scorer

MISSING = ("error", "mean", "forward", "mask", "decay")
WAYS = MISSING[1:]
SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}
N = 40


def make(missing, *, categories=False, time=False):
    """Sequences of two channels; holes, codes in a third and time stamps in a last if wanted."""
    rng = np.random.default_rng(0)
    X = []
    for n in rng.integers(2, 8, size=N):
        x = rng.normal(size=(n, 2))
        if missing != "error":
            x[rng.random((n, 2)) < 0.3] = np.nan
        codes, stamps = rng.integers(0, 4, size=(n, 1)), rng.uniform(0.1, 2, size=(n, 1)).cumsum(0)
        X.append(np.hstack([x, *([codes] if categories else []), *([stamps] if time else [])]))
    return X


def labels(X):
    """A task of each kind, with labels missing from one of each."""
    filled = [np.nan_to_num(x) for x in X]
    y = pd.DataFrame(
        {
            "sign": ["up" if x[:, 0].sum() > 0 else "down" for x in filled],
            "level": [100 + 10 * x[:, 1].mean() for x in filled],
            "positive": [(x[:, 1] > 0).astype(int) for x in filled],
            "total": [x[:, 0].cumsum() for x in filled],
        }
    )
    y.loc[3:5, "sign"] = None
    y["total"] = [total if i % 5 else None for i, total in enumerate(y["total"])]
    return y


def total(X):
    return np.array([np.nansum(x[:, :2]) for x in X])


def model(estimator=MultiTaskRNN, **params):
    return estimator(**{**SMALL, **params})


def same(one, other):
    """Whether predictions, arrays in cells included, agree."""
    for task in one:
        for a, b in zip(one[task], other[task], strict=True):
            if np.asarray(a).dtype.kind == "f":
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
            else:
                np.testing.assert_array_equal(a, b)


def check(fitted, X):
    """What any fitted model owes its user, whatever it was fitted on."""
    assert np.isfinite(fitted.loss_curve_).any(axis=0).all()  # of every task, though not each turn
    predicted = fitted.predict(X)
    assert np.isfinite(predicted["level"]).all()
    assert [len(t) for t in predicted["total"]] == [len(x) for x in X]
    assert all(np.isfinite(t).all() for t in predicted["total"])
    order = np.random.default_rng(1).permutation(len(X))[:9]  # other batch mates, other padding
    same(fitted.predict([X[i] for i in order]), predicted.iloc[order].reset_index(drop=True))
    same(pickle.loads(pickle.dumps(fitted)).predict(X), predicted)
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities["sign"].sum(axis=1), 1)


def gru(input_size, hidden_size):
    return torch.nn.GRU(input_size, hidden_size)


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
