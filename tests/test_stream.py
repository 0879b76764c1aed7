"""A stream says after every step what `predict` says of all steps so far."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused
from torch.utils._python_dispatch import TorchDispatchMode

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    RegressionTask,
    StreamingPredictor,
)

CELLS = {
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "activation": "relu"},
    "gru": {"cell": "gru"},
    "lstm": {"cell": "lstm"},
}
NETWORKS = {
    "one layer, float32": {"hidden_layer_sizes": (6,), "dtype": "float32"},
    "two layers, float64": {"hidden_layer_sizes": (5, 3), "dtype": "float64", "dropout": 0.3},
    "not scaled": {"hidden_layer_sizes": 4, "standardize": False},
}
RNG = np.random.default_rng(0)
N, T, F = 30, 7, 3
X = RNG.normal(size=(N, T, F)) * [1.0, 10.0, 0.1] + [0.0, 100.0, 5.0]
SUMS = np.column_stack([X[:, :, 0].sum(1), X[:, :, 1].mean(1), X[:, -1, 2]])
CLASSES = np.column_stack([SUMS[:, 0] > 0, np.digitize(SUMS[:, 1], [98, 100, 102])]).astype(int)
STEPS = X[:, :, :2].cumsum(1)
SIGNS = (X[:, :, :2] > [0.0, 100.0]).astype(int)
FRAME = pd.DataFrame(
    {
        "sign": np.where(SUMS[:, 0] > 0, "up", "down"),
        "level": SUMS[:, 1],
        "above": list(SIGNS[:, :, 1]),
        "total": list(STEPS[:, :, 0]),
    }
)
MIXED = FRAME[["sign", "level"]].to_numpy(dtype=object)
LAYOUTS = {
    "one class": (MultiTaskRNNClassifier, CLASSES[:, 0]),
    "one string": (MultiTaskRNN, FRAME["sign"].to_numpy()),
    "one quantity": (MultiTaskRNNRegressor, SUMS[:, 0]),
    "classes": (MultiTaskRNNClassifier, CLASSES),
    "one column of classes": (MultiTaskRNNClassifier, CLASSES[:, :1]),
    "booleans": (MultiTaskRNNClassifier, CLASSES > 0),
    "quantities": (MultiTaskRNNRegressor, SUMS),
    "mixed columns": (MultiTaskRNN, MIXED),
    "frame": (MultiTaskRNN, FRAME),
    "frame of classes": (MultiTaskRNNClassifier, FRAME[["sign", "above"]]),
    "frame of quantities": (MultiTaskRNNRegressor, FRAME[["total", "level"]]),
    "3-D classes": (MultiTaskRNNClassifier, SIGNS),
    "3-D quantities": (MultiTaskRNNRegressor, STEPS),
    "list of steps": (MultiTaskRNN, list(STEPS)),
    "flat list of steps": (MultiTaskRNNClassifier, list(SIGNS[:, :, 0])),
}


def small(estimator=MultiTaskRNN, **params):
    return estimator(
        **{"hidden_layer_sizes": (5,), "max_epochs": 2, "learning_rate": 0.05, "random_state": 0}
        | params
    )


def last(answer):
    """The newest label of a per-step answer, or the one label."""
    return answer[-1] if np.ndim(answer) else answer


def rows_of(model, prefixes):
    """What `predict` says of each sequence at its last step, one list of K labels each."""
    y = model.predict(prefixes)
    if isinstance(y, pd.DataFrame):
        y = y.to_numpy(dtype=object)
    if isinstance(y, np.ndarray) and y.ndim < 3:
        return [[last(cell) for cell in np.atleast_1d(row)] for row in y]
    return [np.atleast_1d(steps[-1]).tolist() for steps in y]


def by_task(model, probabilities):
    """Probabilities in the form of ``classes_`` as a list of tasks."""
    if isinstance(model.classes_, dict):
        return list(probabilities.values())
    return probabilities if isinstance(model.classes_, list) else [probabilities]


def probabilities_of(model, prefixes):
    """What `predict_proba` says of each sequence at its last step, one array a task each."""
    tasks = by_task(model, model.predict_proba(prefixes))
    return [[task[i] if task[i].ndim == 1 else task[i][-1] for task in tasks] for i in range(T)]


def assert_rows_equal(found, expected):
    found = list(found.values()) if isinstance(found, dict) else np.atleast_1d(found)
    for a, b in zip(found, expected, strict=True):
        if isinstance(b, (float, np.floating)):
            assert_allclose(float(a), b, rtol=1e-5, atol=1e-5)
        else:
            assert a == b


def check_every_prefix(model, x, stream=None):
    """The promise: step by step, a stream predicts as the model does for all steps so far."""
    stream = model.stream() if stream is None else stream
    prefixes = [x[: t + 1] for t in range(len(x))]
    expected = rows_of(model, prefixes)
    probabilities = probabilities_of(model, prefixes) if hasattr(model, "predict_proba") else None
    for t, step in enumerate(x):
        assert_rows_equal(stream.step(step), expected[t])
        assert stream.n_steps_ == t + 1
        if probabilities is not None:
            found = by_task(model, stream.predict_proba())
            for a, b in zip(found, probabilities[t], strict=True):
                assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    return small().fit(X, FRAME)


# ------------------------------------------------------------------------- equal to predict


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_network(cell, pooling, network):
    model = small(**CELLS[cell], pooling=pooling, **NETWORKS[network]).fit(X, FRAME)
    check_every_prefix(model, X[0])
    check_every_prefix(model, X[1])


@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(layout, pooling):
    estimator, y = LAYOUTS[layout]
    model = small(estimator, pooling=pooling).fit(X, y)
    check_every_prefix(model, X[0])
    row = model.stream().step(X[0, 0])
    whole = model.predict(X[:1])
    if isinstance(whole, pd.DataFrame):
        assert list(row) == list(whole.columns)
        return
    per_step = isinstance(whole, list) or whole.ndim == 3
    assert np.shape(row) == np.shape(whole[0][-1] if per_step else whole[0])
    assert np.asarray(row).dtype.kind == np.asarray(whole[0]).dtype.kind


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sequences_in_lock_step(layout, pooling):
    estimator, y = LAYOUTS[layout]
    model = small(estimator, pooling=pooling).fit(X, y)
    together, alone = model.stream(n_sequences=4), [model.stream() for _ in range(4)]
    for t in range(T):
        found = together.step(X[:4, t])
        for i, stream in enumerate(alone):
            row = {k: v[i] for k, v in found.items()} if isinstance(found, dict) else found[i]
            expected = stream.step(X[i, t])
            expected = expected.values() if isinstance(expected, dict) else np.atleast_1d(expected)
            assert_rows_equal(row, expected)
            if hasattr(together, "predict_proba"):
                pairs = [by_task(model, s.predict_proba()) for s in (together, stream)]
                for a, b in zip(*pairs, strict=True):
                    assert_allclose(a[i], b, rtol=1e-5, atol=1e-6)


def test_one_sequence_in_lock_step_keeps_its_axis(fitted):
    stream = fitted.stream(n_sequences=1)
    assert stream.step(X[:1, 0])["level"].shape == (1,)
    assert stream.predict_proba()["sign"].shape == (1, 2)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "gaussian", "poisson"])
def test_every_kind_of_head(loss):
    model = small(MultiTaskRNNRegressor, tasks=RegressionTask(loss)).fit(X, np.exp(SUMS / 100))
    check_every_prefix(model, X[0])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_large_offsets_lose_no_more_digits_than_in_predict(kind):
    far = (X + 1e4).astype(kind)
    check_every_prefix(small().fit(far, FRAME), far[0])


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_rows_of_a_table_step_by_step(pooling):
    table = X[:, :, 0]
    y = FRAME[["sign", "level"]]
    model = small(pooling=pooling).fit(table, y)
    twin = small(pooling=pooling).fit(table[:, :, None], y)  # which predicts shorter ones too
    check_every_prefix(twin, table[0, :, None], stream=model.stream())
    stream, both = model.stream(), model.stream(n_sequences=2)
    for t in range(T):
        row = stream.step(table[0, t])
        together = both.step(table[:2, t])
    assert_rows_equal(row, model.predict(table[:1]).iloc[0])
    assert_rows_equal({k: v[0] for k, v in together.items()}, row.values())


def test_univariate_sequences_take_numbers():
    model = small(MultiTaskRNNRegressor).fit([x[:, 0] for x in X], SUMS[:, 0])
    one, other = model.stream(), model.stream()
    for value in X[0, :, 0]:
        assert one.step(float(value)) == other.step([value])


def test_attention_stays_finite_whatever_its_scores():
    model = small(pooling="attention", dtype="float64").fit(X, FRAME)
    with torch.no_grad():
        model.net_.module_.readings[0].pooling.query[:] = torch.linspace(
            -4e3, 4e3, 5, dtype=torch.float64
        )
    check_every_prefix(model, X[0])


def test_a_long_stream_does_not_drift():
    model = small(pooling="mean").fit(X, FRAME)
    long = np.tile(X[0], (300, 1))
    stream = model.stream()
    for x in long:
        row = stream.step(x)
    assert_rows_equal(row, rows_of(model, [long])[0])


def test_whole_numbers_lists_and_series_are_read():
    frames = [pd.DataFrame(np.round(x), columns=["a", "b", "c"]) for x in X]
    panel = pd.concat(frames, keys=range(N))
    model = small().fit(panel, FRAME)
    rows = [
        model.stream().step(x)
        for x in (
            frames[0].iloc[0],
            frames[0].iloc[0].to_numpy().astype(int),
            frames[0].iloc[0].tolist(),
            frames[0].iloc[0].to_numpy().astype(np.float16),
        )
    ]
    for row in rows[1:]:
        assert_rows_equal(row, rows[0].values())
    stream = model.stream()
    with refused("feature names of x should match", "['a', 'b', 'c']", "['c', 'b', 'a']"):
        stream.step(frames[0].iloc[0][["c", "b", "a"]])
    with refused("Input x contains NaN: feature 'b'"):
        stream.step([0.0, np.nan, 0.0])
    together = model.stream(n_sequences=2)
    assert_rows_equal(
        {k: v[0] for k, v in together.step(frames[0].iloc[:2]).items()}, rows[0].values()
    )


# ------------------------------------------------------------------------------ the object


def test_it_is_what_the_method_says(fitted):
    stream = fitted.stream(n_sequences=2)
    assert isinstance(stream, StreamingPredictor)
    assert (stream.n_sequences, stream.n_steps_) == (2, 0)


def test_streams_are_independent(fitted):
    one, other, third = fitted.stream(), fitted.stream(), fitted.stream()
    for a, b in zip(X[0], X[1], strict=True):
        found, _ = one.step(a), other.step(b)
        assert found == third.step(a)


def test_answers_given_do_not_change_later(fitted):
    stream = fitted.stream(n_sequences=2)
    row = stream.step(X[:2, 0])
    proba = stream.predict_proba()["sign"]
    before = {name: column.copy() for name, column in row.items()}, proba.copy()
    stream.step(X[2:4, 1])
    for name, column in row.items():
        assert_array_equal(column, before[0][name])
    assert_array_equal(proba, before[1])


def test_the_step_given_is_not_written_to(fitted):
    x = X[0, 0].astype(np.float32)
    before = x.copy()
    fitted.stream().step(x)
    assert_array_equal(x, before)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_reset_starts_again(pooling):
    model = small(pooling=pooling, cell="lstm").fit(X, FRAME)
    stream = model.stream()
    first = [stream.step(x) for x in X[0]]
    assert stream.reset() is stream
    assert stream.n_steps_ == 0
    with refused("predict_proba needs at least one step, found n_steps_=0"):
        stream.predict_proba()
    assert [stream.step(x) for x in X[0]] == first


@pytest.mark.parametrize("trip", [lambda s: pickle.loads(pickle.dumps(s)), copy.deepcopy])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_a_stream_goes_on_after_a_round_trip(pooling, trip):
    model = small(pooling=pooling, hidden_layer_sizes=(4, 3), cell="lstm").fit(X, FRAME)
    stream = model.stream()
    for x in X[0, :3]:
        stream.step(x)
    other = trip(stream)
    assert_array_equal(other.predict_proba()["sign"], stream.predict_proba()["sign"])
    assert other.n_steps_ == 3
    for x in X[0, 3:]:
        assert other.step(x) == stream.step(x)


@pytest.mark.parametrize("warm_start", [False, True])
def test_later_training_changes_no_running_stream(warm_start):
    tasks = dict(zip(FRAME, ("classification", "regression") * 2, strict=True))
    model = small(warm_start=warm_start, tasks=tasks).fit(X, FRAME)
    running, whole = model.stream(), model.stream()
    expected = [whole.step(x) for x in X[0]]
    assert running.step(X[0, 0]) == expected[0]
    model.partial_fit(X, FRAME)
    assert model.stream().step(X[0, 0]) != expected[0]
    model.set_params(random_state=1).fit(X[:, :, ::-1] * 7, FRAME)
    assert [running.step(x) for x in X[0, 1:]] == expected[1:]


def test_a_task_that_learns_its_units_later_does_not_in_a_running_stream():
    y = FRAME[["sign", "level"]]
    model = small(tasks={"sign": "classification", "level": "regression"})
    model.partial_fit(X, y.assign(level=np.nan), classes={"sign": ["down", "up"]})
    stream = model.stream()
    model.partial_fit(X, y)
    assert np.isnan(stream.step(X[0, 0])["level"])
    assert np.isfinite(model.stream().step(X[0, 0])["level"])


def test_a_step_calls_no_torch(fitted):
    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise AssertionError(f"{func} was called")

    stream = fitted.stream()
    with Refuse():
        stream.step(X[0, 0])
        stream.predict_proba()
