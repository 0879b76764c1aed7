"""Windows of long series: what lies in them, which labels are theirs, and that nothing leaks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, TimeSeriesSplit, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import SequenceTransformer, SlidingWindow

T, F = 20, 2
SERIES = np.random.default_rng(0).normal(size=(T, F))
LABELS = np.arange(T) * 10.0
SEVERAL = [SERIES, SERIES[:4] + 1, SERIES[:9] + 2]
LABELS_OF_SEVERAL = [LABELS, LABELS[:4] + 1, LABELS[:9] + 2]
GRID = [(3, 0, 1), (3, 1, 1), (5, 4, 2), (1, 0, 1), (4, 2, 7), (20, 0, 1)]


def by_hand(series, labels, width, horizon, stride, per_step=False):
    """The definition, window by window."""
    X, y, start = [], [], 0
    while start + width - 1 + horizon < len(series):
        X.append(series[start : start + width])
        label = labels[start + horizon : start + horizon + width]
        y.append(label if per_step else label[-1])
        start += stride
    return np.array(X), np.array(y)


# ------------------------------------------------------------------ scikit-learn's checks


def test_scikit_learns_checks():
    one_series = "one series of feature vectors is what X is here, so that rows are not samples"
    flat = "a 1-D X is one univariate series"
    reasons = {
        "check_transformer_data_not_an_array": one_series,
        "check_transformer_general": one_series,
        "check_methods_sample_order_invariance": one_series,
        "check_methods_subset_invariance": one_series,
        "check_fit1d": flat,
        "check_fit2d_predict1d": flat,
    }
    results = check_estimator(SlidingWindow(2), expected_failed_checks=reasons, on_skip=None)
    outcomes = {(result["check_name"], result["status"]) for result in results}
    assert {name for name, status in outcomes if status == "xfail"} == set(reasons)
    assert sum(result["status"] == "passed" for result in results) > 38


# ------------------------------------------------------------------ the definition


@pytest.mark.parametrize(("width", "horizon", "stride"), GRID)
@pytest.mark.parametrize("per_step", [False, True])
def test_window_by_window(width, horizon, stride, per_step):
    cutter = SlidingWindow(width, horizon, stride, per_step).fit(SERIES)
    X, y = cutter.windows(SERIES, LABELS)
    expected_X, expected_y = by_hand(SERIES, LABELS, width, horizon, stride, per_step)
    assert_array_equal(X, expected_X)
    assert_array_equal(y, expected_y[:, :, None] if per_step else expected_y)
    unlabelled = cutter.transform(SERIES)
    assert_array_equal(unlabelled, by_hand(SERIES, LABELS, width, 0, stride)[0])
    assert_array_equal(unlabelled[: len(X)], X)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 25), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(1, 4),
)
@pytest.mark.filterwarnings("ignore:.*are shorter than")
def test_located_windows_hold_what_they_say(lengths, width, horizon, stride):
    series = [np.arange(length) + 100.0 * i for i, length in enumerate(lengths)]
    cutter = SlidingWindow(width, horizon, stride).fit(series)
    if max(lengths) < width + horizon:
        with refused(f"at least {width + horizon} time steps"):
            cutter.windows(series, series)
        return
    X, y = cutter.windows(series, series)
    where = cutter.locate(series, labelled=True)
    assert_array_equal(X[:, 0, 0], where["first"] + 100 * where["series"])
    assert_array_equal(X[:, -1, 0], where["last"] + 100 * where["series"])
    assert_array_equal(y, where["target"] + 100 * where["series"])
    assert_array_equal(X[:, -1, 0] - X[:, 0, 0], np.full(len(X), width - 1))  # no gap, no seam
    assert_array_equal(y - X[:, -1, 0], np.full(len(X), horizon))
    expected = sum(max(0, (t - width - horizon) // stride + 1) for t in lengths)
    assert len(X) == expected


@pytest.mark.parametrize(("width", "horizon", "stride"), GRID[:-1])
def test_gap_is_the_least_that_keeps_folds_apart(width, horizon, stride):
    series = np.arange(400.0)
    cutter = SlidingWindow(width, horizon, stride).fit(series)
    where = cutter.locate(series, labelled=True)
    apart = [
        where["target"].iloc[train].max() < where["first"].iloc[test].min()
        for train, test in TimeSeriesSplit(3, gap=cutter.gap).split(where)
    ]
    assert all(apart)
    if cutter.gap:
        train, test = next(TimeSeriesSplit(3, gap=cutter.gap - 1).split(where))
        assert where["target"].iloc[train].max() >= where["first"].iloc[test].min()


def test_the_gap_is_what_keeps_a_memory_from_knowing_the_test_part():
    noise = np.random.default_rng(0).normal(size=300)
    walk = np.convolve(noise, np.ones(8), mode="valid")  # neighbours alike, nothing to forecast
    cutter = SlidingWindow(8, horizon=8).fit(walk)
    X, y = cutter.windows(walk, walk)
    model = make_pipeline(FunctionTransformer(flat), LinearRegression())
    honest = cross_val_score(model, X, y, cv=TimeSeriesSplit(5, gap=cutter.gap))
    assert honest.mean() < 0.1


# ------------------------------------------------------------------ X in every form


@pytest.mark.parametrize("index", [None, "dates", "names", "numbers"])
def test_a_frame_keeps_names_and_times(index):
    frame = pd.DataFrame(SERIES, columns=["u", "v"])
    if index == "dates":
        frame.index = pd.date_range("2024-01-01", periods=T, freq="h")
    elif index == "names":
        frame.index = [f"step {t % 7}" for t in range(T)]
    elif index == "numbers":
        frame.index = np.cumsum(np.arange(T) % 3)
    target = frame["u"].rename("next")
    cutter = SlidingWindow(4, horizon=2, stride=3).fit(frame)
    X, y = cutter.windows(frame, target)
    expected_X, expected_y = by_hand(SERIES, SERIES[:, 0], 4, 2, 3)
    assert isinstance(X, Ragged)
    assert_array_equal(X.to_padded(), expected_X)
    assert list(X.feature_names) == ["u", "v"] == list(cutter.get_feature_names_out())
    last = np.arange(3, T - 2, 3)
    assert list(X.index) == list(frame.index[last]) == list(y.index)
    assert_array_equal(y, expected_y)
    assert y.name == "next"
    assert list(cutter.locate(frame, labelled=True).index) == list(X.index)


def test_lists_of_numbers_of_several_lengths_are_several_series():
    lists = [[1, 2, 3, 4], [3, 4, 5]]
    found, expected = (
        SlidingWindow(2).fit_transform(X) for X in (lists, [np.array(x, float) for x in lists])
    )
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_one_univariate_series():
    flat = SERIES[:, 0]
    expected = by_hand(flat[:, None], LABELS, 3, 0, 2)[0]
    cutter = SlidingWindow(3, stride=2)
    for X in (flat, list(flat), flat[:, None], pd.Series(flat), pd.Series(flat).astype("Float64")):
        out = cutter.fit_transform(X)
        assert_array_equal(out.to_padded() if isinstance(out, Ragged) else out, expected)


def boxed(parts):
    box = np.empty(len(parts), dtype=object)
    box[:] = parts
    return box


@pytest.mark.parametrize("kind", ["list", "object", "series", "ragged", "panel"])
def test_several_series(kind):
    names = pd.Index(["c", "a", "b"])
    keys = [(name, t) for name, x in zip(names, SEVERAL, strict=True) for t in range(len(x))]
    panel = pd.DataFrame(np.concatenate(SEVERAL), index=pd.MultiIndex.from_tuples(keys))
    marks = np.array([False, True])
    offsets = [0, 20, 24, 33]
    X = {
        "list": SEVERAL,
        "object": boxed(SEVERAL),
        "series": pd.Series(SEVERAL, index=names),
        "ragged": Ragged(np.concatenate(SEVERAL), offsets, ["u", "v"], names, marks),
        "panel": panel,
    }[kind]
    y = LABELS_OF_SEVERAL
    if kind == "panel":  # rows in disorder, as packing sorts them
        X = panel.set_axis(["u", "v"], axis=1).iloc[np.lexsort((np.arange(33) % 5,))]
        X = X.loc[["c", "a", "b"]]
        y = pd.Series(np.concatenate(y), index=panel.index).loc[X.index]
    cutter = SlidingWindow(3, horizon=1, stride=2).fit(X)
    X_windows, y_windows = cutter.windows(X, y)
    parts = [
        by_hand(x, labels, 3, 1, 2) for x, labels in zip(SEVERAL, LABELS_OF_SEVERAL, strict=True)
    ]
    expected = np.concatenate([part[0] for part in parts])
    if kind in ("list", "object"):
        assert_array_equal(X_windows, expected)
    else:
        assert_array_equal(X_windows.to_padded(), expected)
        owners = np.repeat(names, [len(part[0]) for part in parts])
        assert list(X_windows.index) == list(owners)
        assert_array_equal(cutter.locate(X, labelled=True)["series"], owners)
    if kind == "ragged":
        assert_array_equal(X_windows.categorical, marks)
    assert_array_equal(y_windows, np.concatenate([part[1] for part in parts]))


def test_a_3d_array_is_several_series():
    array = np.random.default_rng(0).normal(size=(3, 6, 2))
    X, y = SlidingWindow(4).fit(array).windows(array, array[:, :, :1])
    assert_array_equal(X, np.concatenate([by_hand(x, x, 4, 0, 1)[0] for x in array]))
    assert_array_equal(y, X[:, -1, :1])


# ------------------------------------------------------------------ y in every form


def test_labels_keep_their_kind():
    words = np.array(["on", "off"] * 10)
    cutter = SlidingWindow(3, horizon=1).fit(SERIES)
    for y in (words, list(words), pd.Series(words), pd.Series(words, dtype="category")):
        assert_array_equal(cutter.windows(SERIES, y)[1], words[3:])
    with_hole = [*words[:-1], np.nan]
    out = cutter.windows(SERIES, with_hole)[1]
    assert list(out[:-1]) == list(words[3:-1])
    assert pd.isna(out[-1])
    assert_array_equal(cutter.windows(SERIES, SERIES)[1], SERIES[3:])


def test_labels_per_step_of_frames_are_cells():
    frame = pd.DataFrame({"level": LABELS, "state": ["on", "off"] * 10})
    cutter = SlidingWindow(3, horizon=1, stride=4, per_step=True).fit(SERIES)
    y = cutter.windows(SERIES, frame)[1]
    assert list(y.columns) == ["level", "state"]
    for name in frame:
        expected = by_hand(SERIES, frame[name].to_numpy(), 3, 1, 4, per_step=True)[1]
        assert_array_equal(np.stack(y[name]), expected)
    alone = cutter.windows(SERIES, frame["state"])[1]
    assert alone.name == "state"
    assert_array_equal(np.stack(alone), np.stack(y["state"]))
    table = cutter.windows(SERIES, SERIES)[1]
    assert_array_equal(table, by_hand(SERIES, SERIES, 3, 1, 4, per_step=True)[1])


@pytest.mark.filterwarnings("ignore:1 of 3 series are shorter than")
def test_labels_of_series_and_of_steps_beside_one_another():
    frame = pd.DataFrame({"who": ["c", "a", "b"], "level": LABELS_OF_SEVERAL})
    cutter = SlidingWindow(5, per_step=False).fit(SEVERAL)
    y = cutter.windows(SEVERAL, frame)[1]
    where = cutter.locate(SEVERAL)
    assert_array_equal(y["who"], np.array(["c", "a", "b"])[where["series"]])
    assert_array_equal(y["level"], where["last"] * 10 + where["series"])


# ------------------------------------------------------------------ with a model


def flat(X):
    return X.to_padded().reshape(len(X), -1) if isinstance(X, Ragged) else X.reshape(len(X), -1)


def test_forecast_under_cross_validation():
    frame = pd.DataFrame({"wave": np.sin(np.arange(120) / 5)})
    target = frame[["wave"]].rename(columns={"wave": "later"})
    cutter = SlidingWindow(6, horizon=2).fit(frame)
    X, y = cutter.windows(frame, target)
    model = make_pipeline(FunctionTransformer(flat), LinearRegression())
    cv = TimeSeriesSplit(3, gap=cutter.gap)
    scores = cross_validate(model, X, y, cv=cv, error_score="raise")["test_score"]
    assert_allclose(scores, 1)  # two steps of a wave tell the next ones
    ahead = model.fit(X, y).predict(cutter.transform(frame))
    assert_allclose(ahead[:, 0], np.sin(np.arange(7, 122) / 5), atol=1e-6)


def test_forecasts_of_a_network_carry_the_time_they_are_made_at():
    index = pd.date_range("2024-01-01", periods=T, freq="h")
    frame = pd.DataFrame(SERIES, columns=["u", "v"], index=index)
    cutter = SlidingWindow(4, horizon=1, stride=2).fit(frame)
    model = MultiTaskRNNRegressor(hidden_layer_sizes=(2,), max_epochs=1, random_state=0)
    model.fit(*cutter.windows(frame, frame))
    ahead = model.predict(cutter.transform(frame))
    assert list(ahead.columns) == ["u", "v"]
    assert list(ahead.index) == list(index[3::2])


def test_groups_keep_series_together():
    series = [SERIES + i for i in range(4)]
    cutter = SlidingWindow(4, horizon=1).fit(series)
    X, y = cutter.windows(series, [x[:, 0] for x in series])
    groups = cutter.locate(series, labelled=True)["series"]
    for train, test in GroupKFold(4).split(X, y, groups):
        assert not set(groups[train]) & set(groups[test])
    model = make_pipeline(FunctionTransformer(flat), DummyRegressor())
    assert len(cross_val_score(model, X, y, cv=GroupKFold(4), groups=groups)) == 4


def test_cut_windows_go_through_sequence_transformers():
    out = make_pipeline(
        SlidingWindow(3), SequenceTransformer(FunctionTransformer(np.abs))
    ).fit_transform(SERIES)
    assert_array_equal(out, np.abs(by_hand(SERIES, LABELS, 3, 0, 1)[0]))


def test_holes_stay():
    holed = SERIES.copy()
    holed[4, 1] = np.nan
    assert np.isnan(SlidingWindow(3).fit_transform(holed)).sum() == 3


# ------------------------------------------------------------------ refusals


def test_series_that_are_too_short():
    message = r"1 of 3 series are shorter than width=5 and left out: the first is sample 1, of 4 "
    with pytest.warns(UserWarning, match=message):
        X = SlidingWindow(5).fit_transform(SEVERAL)
    assert_array_equal(X, SlidingWindow(5).fit_transform([SEVERAL[0], SEVERAL[2]]))
    with refused("X must hold a series of at least 21 time steps (width=21), found 20 at most"):
        SlidingWindow(21).fit_transform(SERIES)
    cutter = SlidingWindow(19, horizon=2).fit(SERIES)
    assert len(cutter.transform(SERIES)) == 2
    with refused("at least 21 time steps (width=19 plus horizon=2), found 20 at most"):
        cutter.windows(SERIES, LABELS)


DATES = pd.date_range("2024-03-29", periods=T, freq="h")
STEPS = "horizon and width count rows; found steps from 1h to 50h; asfreq or Resample make them"
DATED = pd.DataFrame(SERIES, index=DATES).rename(columns=str)


@pytest.mark.parametrize("kind", ["frame", "series", "panel"])
def test_uneven_dates_are_told_of_once(kind):
    jumps = DATES[:5].append(DATES[5:] + pd.Timedelta("49h"))
    even, uneven = DATED, DATED.set_axis(jumps)
    if kind == "series":
        even, uneven = even["0"], uneven["0"]
    if kind == "panel":
        even, uneven = (pd.concat({"a": DATED, "b": X}) for X in (even, uneven))
    with pytest.warns(UserWarning, match=STEPS) as caught:
        cutter = SlidingWindow(3).fit(uneven)
    assert caught[0].filename == __file__
    cutter.windows(uneven, uneven)  # without a warning
    cutter.locate(uneven)
    with pytest.warns(UserWarning, match=STEPS):
        SlidingWindow(3).fit(even).transform(uneven)


def test_repeated_stamps_are_told_of():
    with pytest.warns(UserWarning, match="found the stamp 2024-03-29 03:00:00 more than once"):
        SlidingWindow(3).fit(DATED.iloc[[0, 1, 2, 3, 3, 4]])


@pytest.mark.parametrize("freq", ["D", "B", "MS", "h", "QS"])
def test_steps_of_a_calendar_are_even(freq):
    dates = pd.date_range("2024-03-20", periods=T, freq=freq, tz="Europe/Berlin")  # summer time
    for index in (dates, pd.DatetimeIndex(dates.to_list()), dates[:2], dates[:1]):
        SlidingWindow(1).fit(DATED[: len(index)].set_axis(index))


def test_labels_of_other_dates():
    later = DATED["0"].set_axis(DATES + pd.Timedelta("1h"))
    with refused("y must have the dates of X, found 2024-03-29 01:00:00 in row 0, where X has 2"):
        SlidingWindow(3).fit(DATED).windows(DATED, later)
    with refused("y must have the dates of X, found no row in row 12, where X has 2024-03-29 12"):
        SlidingWindow(3).fit(DATED).windows(DATED, DATED["0"][:12])
    X, y = SlidingWindow(3).fit(DATED).windows(DATED, later.to_numpy())
    assert len(X) == len(y)


@pytest.mark.parametrize("kind", ["frame", "series", "panel"])
def test_category_columns_are_categories(kind):
    frame = DATED.assign(kind=pd.Categorical(np.arange(T) % 3 + 4))
    X = {"frame": frame, "series": frame["kind"], "panel": pd.concat({"a": frame})}[kind]
    windows = SlidingWindow(3).fit_transform(X)
    assert windows.categorical.tolist() == ([True] if kind == "series" else [False, False, True])
    assert windows[0][:, -1].tolist() == [4, 5, 6]
    with refused("X must be numeric, found category in column 'kind'"):
        SlidingWindow(3).fit(frame.assign(kind=pd.Categorical(list("ab") * 10)))


@pytest.mark.parametrize("index", [np.arange(T), pd.date_range("2024", periods=T, freq="h")])
def test_time_that_runs_backwards(index):
    frame = pd.DataFrame(SERIES, index=index).rename(columns=str)
    shuffled = frame.iloc[[0, 1, 3, 2, *range(4, T)]]
    message = (
        "The index of X must hold time stamps that do not run backwards",
        f"found {index[2]} after {index[3]} in sample 0, time step 3; sort_index()",
    )
    with refused(*message):
        SlidingWindow(3).fit(shuffled)
    with refused(*message):
        SlidingWindow(3).fit(frame).transform(shuffled)
    with refused(*message):
        SlidingWindow(3).fit(shuffled["0"])


def test_labels_that_do_not_fit():
    cutter = SlidingWindow(3).fit(SERIES)
    with refused("y must have one row for each of the 20 time steps of X", "found shape (19,)"):
        cutter.windows(SERIES, LABELS[1:])
    with refused("y must have one row for each of the 20 time steps of X", "found shape ()"):
        cutter.windows(SERIES, None)
    with refused("y must hold the labels of the 3 series of X, found 2"):
        cutter.windows(SEVERAL, LABELS_OF_SEVERAL[:2])
    short = [LABELS, LABELS[:3], LABELS[:9]]
    with refused("one row for each of the 4 time steps of sample 1, found shape (3,)"):
        cutter.windows(SEVERAL, short)
    with refused("y of task 'level' must have one row for each", "sample 1, found shape (3,)"):
        cutter.windows(SEVERAL, pd.DataFrame({"level": short}))
    frame = pd.DataFrame(SERIES, index=pd.date_range("2024", periods=T)).rename(columns=str)
    with refused("y must hold the samples in the order of X"):
        SlidingWindow(3).fit(frame).windows(frame, frame["0"][::-1])
    index = pd.MultiIndex.from_product([["a", "b"], range(10)])
    panel = pd.DataFrame(SERIES, index=index).rename(columns=str)
    with refused("y must have the (sample, time) index of X, in the same order"):
        SlidingWindow(3).fit(panel).windows(panel, panel["0"][::-1])


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 0), ("width", 2.5), ("horizon", -1), ("stride", 0), ("per_step", "yes")],
)
def test_bad_parameters(name, value):
    with refused(f"The '{name}' parameter of SlidingWindow must be"):
        SlidingWindow(**{"width": 3, name: value}).fit(SERIES)


def test_another_width():
    with refused("X has 1 features, but SlidingWindow is expecting 2"):
        SlidingWindow(3).fit(SERIES).transform(SERIES[:, :1])
