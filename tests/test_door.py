"""The door: any layout of X and y either fits or is refused in words, never anything else."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, Ragged

ESTIMATORS = [MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN]
NAMES = ["a", "b", 0, 1, ("x", 1), None]


def small(estimator):
    return estimator(hidden_layer_sizes=(2,), max_epochs=1, random_state=0)


def door(max_examples):
    """The same examples in every run: a failure elsewhere is one that can be had here."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=max_examples, deadline=None, derandomize=True, suppress_health_check=slow
    )


REFUSED = object()


def attempt(call):
    """Call, where a refusal in words is as good as a result; anything else is an error."""
    with warnings.catch_warnings():
        # many classes, a loss that diverges; anything else (an overflow) is an error here too
        warnings.simplefilter("ignore", UserWarning)
        try:
            return call()
        except (ValueError, TypeError) as refusal:
            text = str(refusal)
    assert text.strip(), "a refusal must say why"
    return REFUSED


# ---------------------------------------------------------------------------- what may come

numbers = st.one_of(st.integers(-3, 3), st.floats(-5, 5, width=32), st.just(float("nan")))
strange = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=2),
    st.sampled_from([float("inf"), -1e39, 1e300, 2**70, 1j, b"a", slice(None), np.float16(1)]),
    st.sampled_from([pd.NA, pd.NaT, pd.Timestamp("2020"), np.datetime64("2020"), np.array(3.0)]),
    st.builds(dict),
    st.builds(object),
    st.builds(lambda: sparse.csr_array(np.eye(2))),
)
cell = st.one_of(numbers, numbers, strange)


def nested(leaf):
    def rows(inner):
        return st.lists(inner, max_size=4).flatmap(lambda row: st.sampled_from([row, tuple(row)]))

    return st.recursive(leaf, rows, max_leaves=16)


DTYPES = ["f8", "f4", "f2", "i8", "i1", "u8", "?", "c16", "U2", "S2", "O", "M8[ns]", "m8[s]", ">i4"]


@st.composite
def arrays(draw):
    """Arrays of zero to four axes, of any dtype, now and then with an entry that is not finite."""
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 4, 4]), max_size=4)))
    dtype = draw(
        st.sampled_from(
            [
                "f8",
                "f4",
                "f2",
                "i8",
                "i1",
                "u8",
                "?",
                "c16",
                "U2",
                "S2",
                "O",
                "M8[ns]",
                "m8[s]",
                "g",
                ">f8",
                ">i4",
            ]
        )
    )
    size = int(np.prod(shape, dtype=int))
    array = (np.arange(size) % draw(st.sampled_from([1, 2, 3, 7]))).reshape(shape).astype(dtype)
    if array.dtype.kind == "f" and size and draw(st.booleans()):
        odd = draw(st.sampled_from([np.nan, np.inf, 0.5, -1e4]))
        array.flat[draw(st.integers(0, size - 1))] = odd
    return array


@st.composite
def object_arrays(draw):
    cells = draw(st.lists(nested(cell), max_size=5))
    array = np.empty(len(cells), dtype=object)
    for i, content in enumerate(cells):
        array[i] = np.asarray(content, dtype=object) if draw(st.booleans()) else content
    return array


COLUMNS = {
    "float": lambda n: np.linspace(0, 1, n),
    "int": lambda n: np.arange(n),
    "Int64": lambda n: pd.array(([1, None, 2] * 3)[:n], dtype="Int64"),
    "string": lambda n: pd.array((["a", None, "b"] * 3)[:n], dtype="string"),
    "boolean": lambda n: pd.array(([True, None, False] * 3)[:n], dtype="boolean"),
    "category": lambda n: pd.Categorical((["a", "b", None] * 3)[:n]),
    "date": lambda n: pd.date_range("2020", periods=n),
    "period": lambda n: pd.period_range("2020", periods=n, freq="D"),
    "sparse": lambda n: pd.arrays.SparseArray(np.arange(n) * 1.0),
    "steps": lambda n: pd.Series([np.arange(3.0)] * n, dtype=object),
    "ragged": lambda n: pd.Series([np.arange(i + 1.0) for i in range(n)], dtype=object),
}


@st.composite
def frames(draw):
    """DataFrames with columns of many types, named twice at times, with any index."""
    n, kinds = draw(st.integers(0, 5)), draw(st.lists(st.sampled_from(sorted(COLUMNS)), max_size=3))
    columns = [pd.Series(COLUMNS[kind](n)) for kind in kinds]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(n))
    frame.columns = pd.Index([draw(st.sampled_from(NAMES)) for _ in kinds], dtype=object)
    index = draw(st.sampled_from(["range", "pairs", "strings", "twice"]))
    if index == "pairs" and n:
        frame.index = pd.MultiIndex.from_arrays([np.arange(n) // 2, np.arange(n) % 2])
    elif index != "range":
        frame.index = list("qwert")[:n] if index == "strings" else [1] * n
    return frame


class Sized:
    """Something that has a length and nothing else."""

    def __len__(self):
        return 4


others = st.sampled_from(
    [
        lambda: (row for row in [[0.0, 1.0]] * 4),
        lambda: {"a": [1, 2], "b": [3, 4]},
        lambda: {1, 2, 3},
        lambda: range(4),
        lambda: memoryview(np.arange(4.0)),
        lambda: np.ma.masked_array(np.ones((4, 3)), mask=np.eye(4, 3)),
        lambda: pd.Index([1, 2, 3, 4]),
        lambda: pd.Series([np.arange(3.0)] * 4, index=list("abcd")),
        lambda: [pd.DataFrame({"a": [1.0, 2.0]})] * 4,
        lambda: [np.arange(3.0), np.arange(2.0), None, "ab"],
        lambda: [[1, 2], None, 3],
        lambda: sparse.csr_array(np.eye(4)),
        lambda: sparse.coo_matrix(np.eye(4)),
        lambda: "abcd",
        lambda: b"abcd",
        lambda: np.ones,
        lambda: int,
        Sized,
        object,
    ]
).map(lambda make: make())


def anything():
    series = frames().filter(lambda f: f.shape[1] > 0).map(lambda f: f.iloc[:, 0])
    return st.one_of(cell, nested(cell), arrays(), object_arrays(), frames(), series, others)


@st.composite
def sequences(draw, n=None):
    """X as it should be, of equal lengths or not."""
    n = draw(st.integers(1, 5)) if n is None else n
    n_features = draw(st.integers(1, 2))
    lengths = [draw(st.integers(1, 4)) for _ in range(n)]
    ragged = [np.arange(T * n_features).reshape(T, n_features) * 0.1 for T in lengths]
    equal = np.arange(n * 3 * n_features).reshape(n, 3, n_features) * 0.1
    boxed = np.empty(n, dtype=object)
    boxed[:] = ragged
    return draw(
        st.sampled_from(
            [
                equal,
                equal[:, :, 0],
                equal[:, :, 0].tolist(),
                pd.DataFrame(equal[:, :, 0]),
                ragged,
                tuple(ragged),
                boxed,
                pd.Series(ragged, index=range(5, 5 + n)),
                Ragged.from_list(ragged),
                [sequence[:, 0] for sequence in ragged],
            ]
        )
    )


def sized(X):
    return hasattr(X, "__len__") and not isinstance(X, type)


def half_of_them(good):
    """Good ones as often as anything at all."""
    return st.booleans().flatmap(lambda well: good if well else anything())


def lengths_of(X):
    """The number of time steps of each sequence, whatever the container."""
    return [len(x) for x in (X.to_numpy() if isinstance(X, pd.DataFrame) else X)]


# -------------------------------------------------------------------------------- properties


@door(250)
@given(st.sampled_from(ESTIMATORS), half_of_them(sequences()), anything())
def test_any_X_and_y_fit_or_are_refused(estimator, X, y):
    attempt(lambda: small(estimator).fit(X, y))


@door(250)
@given(st.sampled_from(ESTIMATORS), st.one_of(anything(), st.lists(nested(cell), min_size=2)))
def test_any_X_with_as_many_labels_fits_or_is_refused(estimator, X):
    n_samples = (np.shape(X) or (4,))[0] if hasattr(X, "shape") else len(X) if sized(X) else 4
    y = np.arange(n_samples)
    model = attempt(lambda: small(estimator).fit(X, y))
    if model is not REFUSED:
        assert model.predict(X).shape == y.shape


@door(250)
@given(
    st.sampled_from(ESTIMATORS),
    sequences(n=4),
    st.one_of(
        st.lists(cell, min_size=4, max_size=4),
        st.lists(st.lists(cell, min_size=2, max_size=2), min_size=4, max_size=4),
        st.lists(nested(cell), min_size=4, max_size=4),
    ),
    st.booleans(),
)
def test_any_y_of_the_right_length_fits_or_is_refused(estimator, X, y, boxed):
    if boxed:
        rows, y = y, np.empty(4, dtype=object)
        for i, row in enumerate(rows):
            y[i] = row
    model = attempt(lambda: small(estimator).fit(X, y))
    if model is not REFUSED:
        assert len(model.predict(X)) == 4
        attempt(lambda: model.score(X, y))


@door(100)
@given(sequences(n=4), st.one_of(anything(), st.lists(nested(cell), min_size=4, max_size=4)))
def test_any_sample_weight_fits_or_is_refused(X, weight):
    attempt(lambda: small(MultiTaskRNNRegressor).fit(X, [0, 1, 2, 3], sample_weight=weight))


KINDS = {
    "table": lambda X: X[:, :, 0],
    "frame": lambda X: pd.DataFrame(X[:, :, 0], columns=list("abc")),
    "array": lambda X: X,
    "list": lambda X: [x[: i % 3 + 1] for i, x in enumerate(X)],
}


@cache
def fitted(kind, per_step):
    X = KINDS[kind](np.random.default_rng(0).normal(size=(8, 3, 1)))
    y = pd.DataFrame({"u": np.arange(8) % 2, "v": np.arange(8) / 3})
    if per_step:
        y["v"] = [np.linspace(0, 1, n) for n in lengths_of(X)]
    return small(MultiTaskRNN).fit(X, y)


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@door(60)
@given(X=half_of_them(sequences()), y=anything())
def test_predict_and_score_answer_or_refuse(kind, per_step, X, y):
    model = fitted(kind, per_step)
    prediction = attempt(lambda: model.predict(X))
    attempt(lambda: model.score(X, y))
    if prediction is not REFUSED:
        assert len(prediction) == len(X)
        assert list(prediction.columns) == ["u", "v"]


@st.composite
def labelled(draw):
    """X and y that belong together, with missing labels, in the layouts the estimators take."""
    n = draw(st.integers(3, 6))
    X = draw(sequences(n))
    lengths = lengths_of(X)
    scalar = np.array([0.5, 1.25, *draw(st.lists(numbers, min_size=n - 2, max_size=n - 2))])
    per_step = [np.linspace(0.25, 1.25, length) for length in lengths]
    for steps in per_step[2:]:
        steps[draw(st.integers(0, len(steps) - 1))] = draw(st.sampled_from([np.nan, 2.0]))
    layout = draw(st.sampled_from(["1d", "list", "2d", "frame", "steps", "3d", "mixed", "series"]))
    if layout == "3d" and len(set(lengths)) == 1:
        return X, np.stack(per_step)[:, :, None]
    tables = {
        "1d": scalar,
        "list": [None if np.isnan(label) else label for label in scalar],
        "series": pd.Series(scalar).convert_dtypes(),
        "2d": np.column_stack([scalar, scalar[::-1]]),
        "frame": pd.DataFrame({"a": scalar, ("b", 1): scalar[::-1]}),
        "mixed": pd.DataFrame({"a": scalar, 0: pd.Series(per_step, dtype=object)}),
    }
    return X, tables.get(layout, [np.column_stack([steps, -steps]) for steps in per_step])


@door(150)
@given(st.sampled_from([MultiTaskRNNRegressor, MultiTaskRNN]), labelled())
def test_what_belongs_together_fits(estimator, data):
    X, y = data
    model = small(estimator).set_params(tasks="regression").fit(X, y)
    prediction = model.predict(X)
    assert len(prediction) == len(y)
    assert isinstance(prediction, pd.DataFrame) == isinstance(y, pd.DataFrame)
    if isinstance(y, np.ndarray):
        assert np.shape(prediction) == y.shape
    if isinstance(y, list) and np.ndim(y[0]) == 2:
        assert [np.shape(part) for part in prediction] == [part.shape for part in y]
    assert np.isfinite(model.loss_curve_).all()
