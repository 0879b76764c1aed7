"""A regular grid: what each interval holds, in every container, on every clock."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNN, Ragged
from sk_mtrnn.preprocessing import (
    Concatenate,
    OutlierMasker,
    Resample,
    SequenceTransformer,
    from_events,
)

METHODS = {
    "mean": np.mean,
    "last": lambda seen: seen[-1],
    "first": lambda seen: seen[0],
    "min": np.min,
    "max": np.max,
    "median": np.median,
    "sum": np.sum,
    "count": len,
}


def timed(lengths=(6, 1, 9), seed=0):
    """Sequences of (time, two values with holes)."""
    rng = np.random.default_rng(seed)
    parts = []
    for length in lengths:
        time = np.sort(rng.uniform(0, 8, length))
        values = rng.normal(size=(length, 2))
        values[rng.random((length, 2)) < 0.3] = np.nan
        parts.append(np.column_stack([time, values]))
    return parts


def gridded(sequence, interval, how, start=None, end=None):
    """The definition, interval by interval."""
    time = sequence[:, 0]
    start = np.floor(time[0] / interval) * interval if start is None else start
    stop = time[-1] if end is None else end
    n_steps = (
        int((stop - start) // interval) + 1
        if end is None
        else int(np.ceil((stop - start) / interval))
    )
    rows = []
    for k in range(n_steps):
        left, right = start + k * interval, start + (k + 1) * interval
        inside = (left <= time) & (time < right)
        if end is not None:
            inside &= time < end
            inside |= (time == end) & (k == n_steps - 1)
        row = [left]
        for channel in sequence[inside, 1:].T:
            seen = channel[~np.isnan(channel)]
            row.append(METHODS[how](seen) if len(seen) else 0 if how == "count" else np.nan)
        rows.append(row)
    return np.array(rows)


# ------------------------------------------------------------------ scikit-learn's checks


@pytest.mark.parametrize("transformer", [Resample(1), Resample(2, "last")])
def test_scikit_learns_checks(transformer):
    results = check_estimator(transformer, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# ------------------------------------------------------------------ the definition


@pytest.mark.parametrize("how", METHODS)
@pytest.mark.parametrize("bounds", [(None, None), (1.5, 5.0), (0.0, None), (-1, 10), (2, 2.5)])
def test_interval_by_interval(how, bounds):
    X = timed()
    start, end = bounds
    out = Resample(0.75, how, time_feature=0, start=start, end=end).fit_transform(X)
    for part, sequence in zip(out, X, strict=True):
        expected = gridded(sequence, 0.75, how, start, end)
        if len(expected):
            assert_allclose(part, expected, atol=1e-12)
        else:  # nothing after start
            assert_array_equal(part[0, 0], start)
            assert np.isnan(part[:, 1:]).all() or how == "count"


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.1, 5))
def test_no_observation_is_lost_or_seen_twice(seed, interval):
    X = timed(seed=seed)
    out = Resample(interval, "count", time_feature=0).fit_transform(X)
    for part, sequence in zip(out, X, strict=True):
        assert_array_equal(part[:, 1:].sum(axis=0), (~np.isnan(sequence[:, 1:])).sum(axis=0))
        assert part[0, 0] <= sequence[0, 0] + 1e-9
        assert part[-1, 0] <= sequence[-1, 0] + 1e-9 < part[-1, 0] + interval + 2e-9


def test_a_grid_resampled_on_itself_stays():
    grid = Resample(0.5, time_feature=0).fit_transform(timed())
    again = Resample(0.5, time_feature=0).fit_transform(grid)
    for one, other in zip(grid, again, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("interval", [0.1, 0.3, 1 / 3, 0.7])
def test_rounding_errors_move_nothing(dtype, interval):
    time = (np.arange(100) * interval).astype(dtype)
    sequence = np.column_stack([time, np.arange(100)]).astype(dtype)
    for model in (
        Resample(interval, "count", time_feature=0),
        Resample(interval, "count", time_feature=0, start=0.0, end=100 * interval),
    ):
        out = model.fit_transform([sequence])[0]
        assert out.dtype == dtype
        assert_array_equal(out[:, 1], np.ones(100))


def test_a_method_for_each_channel():
    X = Ragged.from_list(timed(), ["t", "u", "v"])
    out = Resample(2, {"u": "max", -1: "count"}, time_feature="t").fit_transform(X)
    assert_array_equal(
        out.values[:, 1], Resample(2, "max", time_feature=0).fit_transform(X).values[:, 1]
    )
    assert_array_equal(
        out.values[:, 2], Resample(2, "count", time_feature=0).fit_transform(X).values[:, 2]
    )
    assert list(out.feature_names) == ["t", "u", "v"]


def test_what_lies_outside_is_left_out_and_all_are_of_one_length():
    X = [*timed(), np.array([[20.0, 1.0, 2.0]])]
    out = Resample(1, time_feature=0, start=2, end=6).fit_transform(np.array(X, dtype=object))
    assert out.dtype == object
    assert [part.shape for part in out] == [(4, 3)] * 4
    assert_array_equal(out[3], [[k, np.nan, np.nan] for k in (2, 3, 4, 5)])


def test_the_end_belongs_to_the_last_interval():
    X = [np.array([[0.0, 1.0], [4.0, 2.0], [4.5, 3.0]])]
    out = Resample(2, time_feature=0, start=0, end=4).fit_transform(X)[0]
    assert_array_equal(out, [[0, 1], [2, 2]])
    out = Resample(3, time_feature=0, start=0, end=4).fit_transform(X)[0]
    assert_array_equal(out, [[0, 1], [3, 2]])


def test_categories_are_never_averaged():
    values = [[0, 1.0, 5], [0.5, 3.0, 2], [1.5, np.nan, np.nan]]
    marks = np.array([False, False, True])
    X = Ragged(values, [0, 3], ["t", "v", "code"], pd.Index(["a"]), marks)
    out = Resample(1, time_feature="t").fit_transform(X)
    assert_array_equal(out[0], [[0, 2, 2], [1, np.nan, np.nan]])
    assert_array_equal(out.categorical, marks)
    assert list(out.index) == ["a"]
    first = Resample(1, {"code": "first"}, time_feature="t").fit_transform(X)
    assert first[0][0, 2] == 5
    counted = Resample(1, {"code": "count"}, time_feature="t").fit_transform(X)
    assert not counted.categorical.any()  # a count is no code
    with refused("aggregate of the categorical channel 'code' must be one of", "found 'mean'"):
        Resample(1, {"code": "mean"}).fit(X)


# ------------------------------------------------------------------ containers


def test_category_columns_of_a_panel_are_never_averaged():
    index = pd.MultiIndex.from_product([["b", "a"], [0.0, 0.5, 2.5]], names=["who", "when"])
    frame = pd.DataFrame({"v": [1.0, 3, 5, 7, 9, 11]}, index=index)
    frame["code"] = pd.Categorical([2, 9, 2, 9, 2, 2], categories=[2, 5, 9])
    out = Resample(1).fit_transform(frame)
    assert out["code"].dtype == frame["code"].dtype
    assert_array_equal(out["code"].astype(float), [9, np.nan, 2, 2, np.nan, 2])
    assert_array_equal(out["v"], [2, np.nan, 5, 8, np.nan, 11])
    with refused("aggregate of the categorical channel 'code' must be one of", "found 'mean'"):
        Resample(1, {"code": "mean"}).fit(frame)
    counts = Resample(1, {"code": "count"}).fit_transform(frame)
    assert counts["code"].tolist() == [2, 0, 1, 2, 0, 1]


def test_steps_without_a_clock():
    X = [part[:, 1:] for part in timed()]
    out = Resample(2, "sum").fit_transform(X)
    for part, sequence in zip(out, X, strict=True):
        clock = np.arange(len(sequence))[:, None]
        assert_allclose(part, gridded(np.hstack([clock, sequence]), 2, "sum")[:, 1:])


@pytest.mark.parametrize("kind", ["list", "tuple", "object", "series", "ragged"])
def test_every_container_comes_back(kind):
    parts = timed()
    expected = Resample(2, time_feature=0).fit_transform(parts)
    box = np.empty(3, dtype=object)
    box[:] = parts
    X = {
        "list": parts,
        "tuple": tuple(parts),
        "object": box,
        "series": pd.Series(parts, index=list("abc")),
        "ragged": Ragged.from_list(parts, index=pd.Index(list("abc"))),
    }[kind]
    out = Resample(2, time_feature=0).fit_transform(X)
    assert type(out) is (list if kind == "tuple" else type(X))
    for one, other in zip(out, expected, strict=True):
        assert_array_equal(one, other)
    if kind in ("series", "ragged"):
        assert list(out.index) == list("abc")


def test_arrays():
    array = np.random.default_rng(0).normal(size=(5, 7, 3))
    out = Resample(3).fit_transform(array)
    assert out.shape == (5, 3, 3)
    assert_allclose(out[:, :2], array[:, :6].reshape(5, 2, 3, 3).mean(axis=2))
    assert_allclose(out[:, 2], array[:, 6])
    array[:, :, 0] = np.cumsum(np.abs(array[:, :, 0]), axis=1)
    assert isinstance(Resample(1, time_feature=0).fit_transform(array), Ragged)
    fixed = Resample(1, time_feature=0, start=0, end=4).fit_transform(array)
    assert isinstance(fixed, np.ndarray)
    assert fixed.shape == (5, 4, 3)


def test_flat_sequences_stay_flat():
    out = Resample(2).fit_transform([np.arange(4.0), np.arange(3.0)])
    assert_array_equal(out[0], [0.5, 2.5])
    assert_array_equal(out[1], [0.5, 2])


def test_a_table_stays_one():
    table = np.random.default_rng(0).normal(size=(4, 5))
    frame = pd.DataFrame(table, index=list("abcd"), columns=list("vwxyz"))
    model = Resample(2, "max").fit(frame)
    out = model.transform(frame)
    assert list(out.columns) == list(model.get_feature_names_out())
    assert list(out.columns) == ["resample0", "resample1", "resample2"]
    assert list(out.index) == list("abcd")
    expected = np.column_stack([table[:, :2].max(1), table[:, 2:4].max(1), table[:, 4]])
    assert_array_equal(out, expected)
    assert_array_equal(Resample(2, "max").fit_transform(table), expected)


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_the_index_of_a_panel_is_its_clock(zone):
    times = pd.date_range("2024-01-01 00:20", periods=8, freq="25min", tz=zone)
    index = pd.MultiIndex.from_product([["b", "a"], times], names=["who", "when"])
    frame = pd.DataFrame({"u": np.arange(16.0), "v": np.arange(16.0) ** 2}, index=index)
    out = Resample("1h").fit_transform(frame.sample(frac=1, random_state=0))
    level = pd.Grouper(level="when", freq="1h")
    expected = frame.groupby([pd.Grouper(level="who", sort=False), level]).mean()
    expected = expected.loc[out.index.get_level_values(0).unique()]
    assert_allclose(out, expected)
    assert out.index.names == ["who", "when"]
    assert list(out.index.get_level_values(1)) == list(expected.index.get_level_values(1))


def test_other_clocks_of_a_panel():
    index = pd.MultiIndex.from_arrays([[0, 0, 0], [0.0, 1.0, 3.5]])
    frame = pd.DataFrame({"u": [1.0, 3.0, 5.0]}, index=index)
    out = Resample(2).fit_transform(frame)
    assert_array_equal(out["u"], [2, 5])
    assert list(out.index) == [(0, 0.0), (0, 2.0)]
    spans = index.set_levels(pd.to_timedelta(index.levels[1], unit="h"), level=1)
    for interval in ("2h", pd.Timedelta("2h"), np.timedelta64(2, "h"), 7200):
        out = Resample(interval).fit_transform(frame.set_axis(spans))
        assert_array_equal(out["u"], [2, 5])
    assert list(out.index.get_level_values(1)) == [pd.Timedelta(0), pd.Timedelta("2h")]
    words = pd.MultiIndex.from_product([[0], ["a", "b", "c"]])
    with refused("must hold numbers, dates or time differences as time, found the text 'a'"):
        Resample(2).fit(frame.set_axis(words))
    days = pd.MultiIndex.from_product([[0], [datetime.date(2024, 1, day) for day in (1, 2, 4)]])
    with refused("interval='1D'", "found a clock of objects", "pd.to_datetime"):
        Resample("1D").fit(frame.set_axis(days))


# ------------------------------------------------------------------ together


def test_events_to_a_grid_in_a_pipeline():
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "who": rng.integers(0, 9, 400),
            "hour": rng.uniform(0, 48, 400),
            "what": np.array(["x", "y"], dtype=object)[rng.integers(0, 2, 400)],
            "value": rng.normal(size=400),
        }
    )
    X = from_events(events, sample="who", time="hour", variable="what", value="value")
    grid = Resample(6, time_feature="time", start=0, end=48)
    out = make_pipeline(clone(grid), SequenceTransformer(StandardScaler())).fit_transform(X)
    assert_array_equal(out.lengths, np.full(9, 8))
    mean = events.groupby(["who", events["hour"] // 6, "what"])["value"].mean().unstack()
    mean = mean.reindex(pd.MultiIndex.from_product([X.index, np.arange(8)]))
    assert_allclose(grid.fit_transform(X).values[:, 1:], mean)


def test_events_to_predictions_under_a_search():
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "who": rng.integers(0, 20, 600),
            "hour": rng.uniform(0, 48, 600),
            "what": np.array(["x", "y"], dtype=object)[rng.integers(0, 2, 600)],
            "value": rng.normal(size=600),
        }
    )
    columns = {"sample": "who", "time": "hour", "variable": "what", "value": "value"}
    X = from_events(events, **columns, samples=range(21))  # the last one has no event
    static = pd.DataFrame({"age": rng.normal(size=21), "sex": pd.Categorical(list("mfm") * 7)})
    y = pd.DataFrame({"level": rng.normal(size=21), "sign": rng.integers(0, 2, 21)})
    network = MultiTaskRNN(
        tasks={"level": "regression", "sign": "classification"},
        missing="mask",
        time_feature="time",
        hidden_layer_sizes=(3,),
        max_epochs=2,
        random_state=0,
    )
    pipeline = make_pipeline(
        OutlierMasker(IsolationForest(n_estimators=3), per_channel=True, time_feature="time"),
        Resample(6, time_feature="time", start=0, end=48),
        Concatenate(static),
        network,
    )
    grid = {
        "resample__interval": [6, 12],
        "multitaskrnn__task_weights": [{"level": 1.0, "sign": 1.0}, {"level": 1.0, "sign": 3.0}],
    }
    cv = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(pipeline, grid, cv=cv, error_score="raise").fit(X, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    pd.testing.assert_frame_equal(again.predict(X[::-1]), search.predict(X)[::-1])


# ------------------------------------------------------------------ refusals


def test_time_that_runs_backwards():
    X = [part.copy() for part in timed()]
    X[2][4, 0] = X[2][3, 0] - 1
    with refused("time_feature 0 must hold time stamps that do not run backwards", "in sample 2, "):
        Resample(1, time_feature=0).fit(X)
    X[2][4, 0] = np.nan
    with refused("time_feature 0 must hold the time stamp of every step, found NaN in sample 2, "):
        Resample(1, time_feature=0).fit(X)
    X[2][4, 0] = X[2][3, 0]
    model = Resample(1, time_feature=0).fit(X)  # twice at once is no step back
    with refused("do not run backwards", "in sample 0, time step 1"):
        model.transform([X[0][::-1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "The 'interval' parameter of Resample must be"),
        ({"interval": -1.0}, "The 'interval' parameter of Resample must be"),
        ({"interval": "soon"}, "interval must be a number or a time difference such as '1h'"),
        ({"interval": "-1h"}, "interval must be positive and finite, found '-1h'"),
        ({"interval": np.inf}, "The 'interval' parameter of Resample must be"),
        ({"aggregate": "mode"}, "The 'aggregate' parameter of Resample must be"),
        ({"aggregate": {1: "max"}, "time_feature": 1}, "aggregate must name no clock, found 1"),
        ({"aggregate": {0: "mode"}}, "aggregate must be one of ['mean',"),
        ({"aggregate": {5: "mean"}}, "aggregate must name a channel of X, one of ['x0', 'x1',"),
        ({"time_feature": "when"}, "time_feature must name a channel of X, one of ['x0', 'x1',"),
        ({"start": 2, "end": 2}, "end must be after start=2, found 2"),
        ({"end": np.nan}, "end must be finite, found nan"),
    ],
)
def test_bad_parameters(options, message):
    with refused(message):
        Resample(**{"interval": 1, **options}).fit(timed())


def test_a_table_has_no_clock():
    with refused("time_feature must be None for a table", "found 0"):
        Resample(1, time_feature=0).fit(np.eye(3))


@pytest.mark.parametrize("interval", ["1h", pd.Timedelta("1h"), np.timedelta64(1, "h")])
def test_text_is_no_interval_of_numbers(interval):
    index = pd.MultiIndex.from_product([["a"], [0.0, 1.0]])
    frame = pd.DataFrame({"t": [0.0, 1.0]}, index=index)
    message = "is for dates and time differences; found a clock of numbers: give the interval in"
    for X in (frame, Ragged.from_panel(frame), np.ones((2, 3, 1)), np.ones((2, 3))):
        with refused("interval=", message):
            Resample(interval).fit(X)
    dates = index.set_levels(pd.to_datetime(index.levels[1], unit="h"), level=1)
    with refused("interval=", message):
        Resample(interval, time_feature="t").fit(frame.set_axis(dates))
    with refused("interval=", message):
        Resample(interval).fit(frame.set_axis(dates)).transform(frame)


def test_a_grid_of_absurdly_many_steps():
    index = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2024", periods=2, freq="365D")])
    frame = pd.DataFrame({"v": np.ones(4)}, index=index)
    with refused("interval=0.001 gives 6.31e+10 steps in all, more than 1e+08"):
        Resample(0.001).fit(frame)
    with refused("interval=1e-320 gives inf steps in all"):
        Resample(1e-320, time_feature=0).fit([np.array([[1.0], [1e9]])])
    with refused("interval=1e-300 gives", "steps in all"):
        Resample(1e-300, start=0, end=1).fit([np.ones((2, 1))])
