"""A long table of events as sequences: a pivot table, with fixed channels, samples and clocks."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_mtrnn.preprocessing import from_events

COLUMNS = {"sample": "who", "time": "when", "variable": "what", "value": "value"}
EVENTS = pd.DataFrame(
    [
        ["b", 5.0, "pulse", 71.0],
        ["a", 3.0, "temp", 36.5],
        ["b", 2.0, "temp", 38.0],
        ["a", 3.0, "pulse", 60.0],
        ["b", 5.0, "pulse", 75.0],
        ["b", 2.0, "pulse", np.nan],
    ],
    columns=["who", "when", "what", "value"],
)


def made(n_events=300, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "who": rng.integers(0, 12, n_events),
            "when": rng.integers(0, 9, n_events),
            "what": np.array(["x", "y", "z"], dtype=object)[rng.integers(0, 3, n_events)],
            "value": rng.normal(size=n_events),
        }
    )


def read(events, **options):
    return from_events(events, **{**COLUMNS, **options})


# ------------------------------------------------------------------ values


def test_by_hand():
    X = read(EVENTS)
    assert X.feature_names.tolist() == ["time", "pulse", "temp"]
    assert list(X.index) == ["b", "a"]
    assert X.index.name == "who"
    assert_array_equal(X[0], [[2, np.nan, 38], [5, 75, np.nan]])
    assert_array_equal(X[1], [[3, 60, 36.5]])


@pytest.mark.parametrize("how", ["mean", "last", "first", "min", "max", "median", "sum", "count"])
def test_a_pivot_table(how):
    events = made()
    keys = ["who", "when"]
    expected = events.pivot_table(index=keys, columns="what", values="value", aggfunc=how)
    if how == "count":
        expected = expected.fillna(0)
    X = read(events, aggregate=how, samples=sorted(events["who"].unique()))
    assert_allclose(X.values[:, 1:], expected.to_numpy(), atol=1e-12)
    assert_array_equal(X.values[:, 0], expected.index.get_level_values(1))


def test_a_method_for_each_variable():
    events = made()
    X = read(events, aggregate={"y": "max", "z": "count"})
    for channel, (name, how) in enumerate([("x", "last"), ("y", "max"), ("z", "count")], start=1):
        alone = read(events, aggregate=how).values[:, channel]
        assert_array_equal(X.values[:, channel], alone, err_msg=name)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 60))
def test_the_order_of_rows_does_not_matter(seed, n_events):
    events = made(n_events, seed)
    shuffled = events.sample(frac=1, random_state=seed)
    samples = list(range(12))
    one, other = (read(e, aggregate="mean", samples=samples) for e in (events, shuffled))
    assert_array_equal(one.offsets, other.offsets)
    assert list(one.feature_names) == list(other.feature_names)
    assert_allclose(one.values, other.values)


def test_every_event_comes_back():
    events = made().drop_duplicates(["who", "when", "what"])
    X = read(events)
    found = sum(np.isfinite(X.values[:, 1:]).ravel())
    assert found == len(events)
    lookup = {name: sample for sample, name in enumerate(X.index)}
    for row in events.itertuples():
        sequence = X[lookup[row.who]]
        channel = list(X.feature_names).index(row.what)
        assert sequence[sequence[:, 0] == row.when, channel] == [row.value]


# ------------------------------------------------------------------ selection


def test_fixed_variables_give_fixed_channels():
    X = read(EVENTS, variables=["temp", "pulse", "lactate"])
    assert X.feature_names.tolist() == ["time", "temp", "pulse", "lactate"]
    assert np.isnan(X.values[:, 3]).all()
    assert_array_equal(X.values[:, [0, 2, 1]], read(EVENTS).values)


def test_events_of_other_variables_are_left_out_with_a_warning():
    message = r"4 event\(s\) are left out: variables does not hold \['pulse'\]"
    with pytest.warns(UserWarning, match=message):
        X = read(EVENTS, variables=["temp"])
    assert_array_equal(X.values, [[2, 38], [3, 36.5]])


def test_fixed_samples_have_a_fixed_order():
    X = read(EVENTS, samples=["nobody", "a"])
    assert list(X.index) == ["nobody", "a"]
    assert_array_equal(X[0], [[0, np.nan, np.nan]])
    assert_array_equal(X[1], read(EVENTS)[1])


def test_no_event_at_all():
    fixed = {"samples": ["n", "m"], "variables": ["temp"]}
    for events in (EVENTS[:0], EVENTS[:0].astype(object)):
        X = read(events, **fixed)
        assert_array_equal(X.values, [[0, np.nan], [0, np.nan]])
        assert list(X.index) == ["n", "m"]
    with pytest.warns(UserWarning, match="none belongs to a sample in samples"):
        assert_array_equal(read(EVENTS, **fixed).values, X.values)


def test_training_and_test_tables_agree():
    events = made()
    whole = read(events, samples=range(12))
    parts = [
        read(events[events["who"].isin(who)], variables=["x", "y", "z"], samples=who)
        for who in (range(8), range(8, 12))
    ]
    assert_array_equal(np.concatenate([part.values for part in parts]), whole.values)


def levels(samples, events, how):
    """What a pipeline calls on the samples of a fold: the last step of each, without holes."""
    X = read(events, samples=samples, variables=["x", "y", "z"], aggregate=how)
    return np.nan_to_num(np.stack([sequence[-1, 1:] for sequence in X]))


def test_samples_are_an_x_for_pipelines():
    rng = np.random.default_rng(0)
    events = made(400).drop_duplicates(["who", "when", "what"])
    events = pd.concat([events.assign(who=events["who"] + 12 * k) for k in range(6)])
    events["value"] = rng.normal(size=len(events))
    samples = rng.permutation(72)
    y = levels(samples, events, "last").sum(axis=1)
    reader = FunctionTransformer(levels, kw_args={"events": events, "how": "last"})
    pipeline = make_pipeline(reader, LinearRegression())
    cv = KFold(3, shuffle=True, random_state=0)
    options = [{"events": events, "how": how} for how in ("count", "last")]
    grid = {"functiontransformer__kw_args": options}
    search = GridSearchCV(pipeline, grid, cv=cv, error_score="raise").fit(samples, y)
    assert search.best_params_["functiontransformer__kw_args"]["how"] == "last"
    assert_allclose(search.best_score_, 1)


# ------------------------------------------------------------------ clocks


def test_dates_are_seconds_since_the_first_event():
    events = EVENTS.assign(
        when=pd.Timestamp("2024-03-01 10:00") + EVENTS["when"] * pd.Timedelta("1h")
    )
    for when in (
        events["when"],
        events["when"].dt.tz_localize("Europe/Paris"),
        events["when"].astype(object),
        events["when"].dt.to_period("s"),
    ):
        X = read(events.assign(when=when))
        assert_array_equal(X.values[:, 0], [0, 3 * 3600, 0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the variable that is left out
            X = read(events.assign(when=when), variables=["pulse"])
        assert_array_equal(X.values[:, 0], [0, 3 * 3600, 0])  # bob's first event is still his first


def test_the_clock_does_not_depend_on_the_variables_selected():
    when = pd.to_datetime(["2024-01-01 08:00", "2024-01-01 08:10"])
    events = pd.DataFrame({"who": 0, "when": when, "what": ["x", "y"], "value": 1.0})
    with pytest.warns(UserWarning, match="left out"):
        assert_array_equal(read(events, variables=["y"]).values, [[600, 1]])


def test_time_differences_are_seconds():
    X = read(EVENTS.assign(when=pd.to_timedelta(EVENTS["when"], unit="min")))
    assert_array_equal(X.values[:, 0], [120, 300, 180])


# ------------------------------------------------------------------ columns


def test_columns_by_level_and_number():
    expected = read(EVENTS)
    for events in (
        EVENTS.set_index("who"),
        EVENTS.set_index(["who", "when"]),
        EVENTS.set_index(np.arange(6) * 7),
    ):
        X = read(events)
        assert_array_equal(X.values, expected.values)
        assert list(X.index) == list(expected.index)
    X = from_events(EVENTS, sample=0, time=1, variable=2, value=-1)
    assert_array_equal(X.values, expected.values)


def test_columns_of_other_dtypes():
    expected = read(EVENTS)
    for other in (
        EVENTS.assign(value=EVENTS["value"].astype(str).replace("nan", None)),
        EVENTS.assign(value=EVENTS["value"].astype("Float64")),
        EVENTS.assign(when=EVENTS["when"].astype("Int64")),
        EVENTS.astype({"who": "category", "what": "category"}),
        EVENTS.convert_dtypes(),
    ):
        X = read(other)
        assert_array_equal(X.values, expected.values)
        assert list(X.index) == list(expected.index)
        assert list(X.feature_names) == list(expected.feature_names)


def test_variables_that_are_numbers_have_names_all_the_same():
    X = read(EVENTS.assign(what=[3, 10, 10, 3, 3, 3]))
    assert X.feature_names.tolist() == ["time", "3", "10"]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("parameter", ["sample", "time", "variable", "value"])
@pytest.mark.parametrize("column", ["nobody", None, 4, -5, True])
def test_no_such_column(parameter, column):
    with refused(f"{parameter} must name a column of df, one of ['who', 'when'", f"{column!r}"):
        read(EVENTS, **{parameter: column})


def test_a_column_that_stands_twice():
    with refused("value must name one column of df, found 'value' twice"):
        read(pd.concat([EVENTS, EVENTS["value"]], axis=1))


def test_one_column_for_two_parameters():
    with refused("value must name another column than time, found 'when' for both"):
        read(EVENTS, value="when")
    with refused("variable must name another column than sample, found 0 for both"):
        read(EVENTS, variable=0)
    named = EVENTS.set_index(EVENTS["who"].rename(3))  # a level called 3, and a column of number 3
    assert len(read(named, value=-1)) == len(read(EVENTS))


@pytest.mark.parametrize(
    ("column", "bad", "message"),
    [
        ("value", "high", "value must hold numbers, found 'high' in row 3 (index 30)"),
        ("value", np.inf, "value must hold finite numbers, found infinity in row 3 (index 30)"),
        ("when", None, "time must hold the time stamp of every event, found None in row 3"),
        ("when", -np.inf, "time must hold the time stamp of every event, found -inf in row 3"),
        (
            "when",
            "noon",
            "time must hold numbers, dates or time differences, found 'noon' in row 3 (index 30); "
            "pd.to_timedelta or pd.to_datetime reads text",
        ),
        ("who", None, "sample must not be missing, found None in row 3 (index 30)"),
        ("what", np.nan, "variable must not be missing, found nan in row 3 (index 30)"),
    ],
)
def test_a_bad_cell_is_named(column, bad, message):
    events = EVENTS.astype(object).set_index(np.arange(6) * 10)
    events.iloc[3, list(events.columns).index(column)] = bad
    with refused(message):
        read(events)


def test_a_missing_date_is_named():
    when = pd.to_datetime(pd.Series(["2024", "2024", None, "2024", "2024", "2024"]))
    with refused("time must hold the time stamp of every event, found NaT in row 2"):
        read(EVENTS.assign(when=when))


def test_dates_as_values():
    with refused("value must hold numbers, found datetime64"):
        read(EVENTS.assign(value=pd.Timestamp("2024")))


def test_complex_values():
    with refused("value must hold numbers, found complex128"):
        read(EVENTS.assign(value=EVENTS["value"] + 1j))


@pytest.mark.parametrize("other", ["2024-01-02 00:00+01:00", "2024-01-02 00:00"])
def test_dates_of_several_time_zones(other):
    stamps = [pd.Timestamp("2024-01-01 00:00", tz="UTC")] * 5 + [pd.Timestamp(other)]
    with refused("time must hold dates of one time zone, or of none", "utc=True"):
        read(EVENTS.assign(when=pd.Series(stamps, dtype=object)))


@pytest.mark.parametrize("df", [None, EVENTS.to_numpy(), [EVENTS]])
def test_no_table(df):
    with refused("df must be a DataFrame of events, found"):
        read(df)


def test_lists_that_are_none():
    with refused("df must hold at least one event unless variables and samples are given"):
        read(EVENTS[:0], samples=["a"])
    for parameter in ("variables", "samples"):
        for found in ("pulse", [], 3):
            with refused(f"{parameter} must be a 1-D array-like with at least one entry"):
                read(EVENTS, **{parameter: found})
        with refused(f"{parameter} must hold each entry once, found 'a' twice"):
            read(EVENTS, **{parameter: ["a", "b", "a"]})


def test_names_that_are_taken():
    with refused("variable must not be 'time', which is the channel of the time stamps"):
        read(EVENTS.replace({"what": {"temp": "time"}}))
    with refused("variable must differ as text, found ['1', '1']"):
        read(EVENTS.assign(what=pd.Series([1, "1", 1, 1, 1, 1], dtype=object)))


def test_methods_that_are_none():
    for aggregate in ("mode", None, np.mean, {"temp": "mode"}):
        with refused("aggregate must be one of ['mean', 'last'"):
            read(EVENTS, aggregate=aggregate)
    with refused("aggregate must name variables, some of ['pulse', 'temp'], found ['lactate']"):
        read(EVENTS, aggregate={"lactate": "mean"})
