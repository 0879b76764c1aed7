"""Earlier steps beside each step: against a loop, in every container, with names and marks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from refusals import refused
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import TimeDelayEmbedding

LENGTHS = [3, 1, 6]


def sequences(n_features=2, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_features)) for length in lengths]


def embedded(sequence, delays, fill=np.nan):
    """The definition, step by step."""
    blank = np.full(sequence.shape[1], np.nan if fill == "edge" else fill)
    before = sequence[0] if fill == "edge" else blank
    return np.array(
        [
            np.concatenate([sequence[t - d] if t >= d else before for d in delays])
            for t in range(len(sequence))
        ]
    )


@pytest.mark.parametrize("transformer", [TimeDelayEmbedding(), TimeDelayEmbedding((2,), "edge")])
def test_scikit_learns_checks(transformer):
    results = check_estimator(transformer, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("delays", [(0,), (1,), (0, 1), [2, 0, 5], range(0, 9, 3), np.array([7])])
@pytest.mark.parametrize("fill", [np.nan, 0.0, -1, "edge"])
def test_step_by_step(delays, fill):
    X = sequences()
    out = TimeDelayEmbedding(delays, fill).fit_transform(X)
    for part, sequence in zip(out, X, strict=True):
        assert_array_equal(part, embedded(sequence, delays, fill))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 6))
def test_a_delay_of_a_delay_is_their_sum(lengths, first, second):
    X = Ragged.from_list(sequences(1, lengths))
    twice = make_pipeline(TimeDelayEmbedding([first]), TimeDelayEmbedding([second]))
    once = TimeDelayEmbedding([first + second])
    assert_array_equal(twice.fit_transform(X).values, once.fit_transform(X).values)


def test_no_sequence_sees_another():
    X = sequences()
    together = TimeDelayEmbedding((1, 4)).fit_transform(X)
    for part, sequence in zip(together, X, strict=True):
        assert_array_equal(TimeDelayEmbedding((1, 4)).fit_transform([sequence])[0], part)


def test_a_mask_is_a_hole():
    X = np.ones((2, 3, 1))
    masked = np.ma.array(X, mask=np.arange(6).reshape(X.shape) % 3 == 1)
    out = TimeDelayEmbedding((0, 1)).fit_transform(masked)
    assert_array_equal(out, TimeDelayEmbedding((0, 1)).fit_transform(masked.filled(np.nan)))
    assert np.isnan(out[0]).sum() == 3  # and the row before the first
    assert not np.ma.is_masked(out)


def test_the_input_stays_as_it_was():
    X = Ragged.from_list(sequences())
    before = X.values.copy()
    TimeDelayEmbedding((0, 1), fill=7).fit_transform(X)
    assert_array_equal(X.values, before)


# ------------------------------------------------------------------ containers and names


def test_ragged_keeps_names_index_and_marks():
    marks = np.array([False, True])
    X = Ragged([[0.5, 3], [0.7, 4]], [0, 2], ["time", "code"], pd.Index(["a"]), marks)
    model = TimeDelayEmbedding((0, 1)).fit(X)
    out = model.transform(X)
    assert list(out.feature_names) == ["time", "code", "time_lag1", "code_lag1"]
    assert list(out.feature_names) == list(model.get_feature_names_out())
    assert_array_equal(out.categorical, [False, True, False, True])
    assert list(out.index) == ["a"]


@pytest.mark.parametrize("kind", ["list", "object", "series", "panel", "3d"])
def test_every_container_comes_back(kind):
    parts = sequences(lengths=[4, 4, 4] if kind == "3d" else LENGTHS)
    keys = [(f"s{i}", t) for i, part in enumerate(parts) for t in range(len(part))]
    panel = pd.DataFrame(np.concatenate(parts), index=pd.MultiIndex.from_tuples(keys))
    panel.columns = ["u", "v"]
    box = np.empty(3, dtype=object)
    box[:] = parts
    X = {
        "list": parts,
        "object": box,
        "series": pd.Series(parts, index=list("abc")),
        "panel": panel.sample(frac=1, random_state=0),
        "3d": np.array(parts) if kind == "3d" else None,
    }[kind]
    out = TimeDelayEmbedding((0, 2)).fit_transform(X)
    assert type(out) is type(X)
    expected = [embedded(part, (0, 2)) for part in parts]
    if kind == "panel":
        assert out.index.equals(X.index)
        assert list(out.columns) == ["u", "v", "u_lag2", "v_lag2"]
        assert_array_equal(out.loc[keys], np.concatenate(expected))
    else:
        for one, other in zip(out, expected, strict=True):
            assert_array_equal(one, other)


def test_a_table():
    table = np.random.default_rng(0).normal(size=(3, 4))
    frame = pd.DataFrame(table, index=list("abc"), columns=list("wxyz"))
    out = TimeDelayEmbedding([1]).fit(frame).transform(frame)
    pd.testing.assert_frame_equal(out, frame.shift(1, axis=1))
    model = TimeDelayEmbedding((0, 3)).fit(table)
    wide = model.transform(table)
    assert wide.shape == (3, 4, 2)
    assert_array_equal(wide, np.stack([embedded(row[:, None], (0, 3)) for row in table]))
    assert list(model.get_feature_names_out()) == ["x0", "x0_lag3"]


# ------------------------------------------------------------------ with a model


def test_delays_are_searched():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(12, 1)) for _ in range(60)]
    y = [np.concatenate([[0, 0, 0], x[:-3, 0]]) for x in X]  # the input of three steps ago
    model = make_pipeline(
        TimeDelayEmbedding(fill=0.0),
        MultiTaskRNNRegressor(hidden_layer_sizes=(4,), max_epochs=8, random_state=0),
    )
    grid = {"timedelayembedding__delays": [(0,), (0, 3)]}
    search = GridSearchCV(model, grid, cv=KFold(2), error_score="raise").fit(X, y)
    assert search.best_params_ == {"timedelayembedding__delays": (0, 3)}


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("delays", [[], [-1], [0, 0], [0.5], [[0, 1]], [True, False], ["a"]])
def test_delays_that_are_none(delays):
    with refused("delays must be different nonnegative integers, at least one, found"):
        TimeDelayEmbedding(delays).fit(sequences())


def test_fills_that_are_none():
    with refused("The 'delays' parameter of TimeDelayEmbedding must be an array-like"):
        TimeDelayEmbedding(3).fit(sequences())
    with refused("The 'fill' parameter of TimeDelayEmbedding must be"):
        TimeDelayEmbedding(fill="first").fit(sequences())
    with refused("fill must be finite, NaN or 'edge', found inf"):
        TimeDelayEmbedding(fill=np.inf).fit(sequences())
    X = Ragged([[1.0], [2.0]], [0, 2], categorical=np.array([True]))
    for fill in (-1, 0.5):
        with refused("fill must be a code, an integer from 0 on", f"found {fill}"):
            TimeDelayEmbedding(fill=fill).fit(X)


def test_another_width():
    with refused("X has 3 features, but TimeDelayEmbedding is expecting 2"):
        TimeDelayEmbedding().fit(sequences()).transform(sequences(3))


def test_category_columns_of_a_panel_stay_such():
    index = pd.MultiIndex.from_product([["a"], range(3)])
    frame = pd.DataFrame({"v": [0.5, 1.5, 2.5], "c": pd.Categorical([3, 5, 3])}, index=index)
    out = TimeDelayEmbedding((0, 1), fill=4).fit_transform(frame)
    kinds = [isinstance(dtype, pd.CategoricalDtype) for dtype in out.dtypes]
    assert kinds == [False, True, False, True]
    pd.testing.assert_series_equal(out["c"], frame["c"])
    assert out["c_lag1"].tolist() == [4, 3, 5]  # fill is a category of its own
    with refused(
        "delays must be different nonnegative integers", "found an ndarray of shape (100,)"
    ):
        TimeDelayEmbedding(-np.arange(100)).fit(frame)
