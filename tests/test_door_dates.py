"""Dates and time differences in X: seconds, whatever their unit; a missing one is a hole."""

import numpy as np
import pandas as pd
import pytest
from refusals import refused

from sk_mtrnn import MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import Resample

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}
DATES = ["2020-01-01", None, "2020-01-03"]
SECONDS = [1577836800.0, np.nan, 1578009600.0]


@pytest.fixture
def panel():
    """Samples of five hours, one channel the clock and the other with holes."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2020-01-01", periods=5, freq="h")
    values = [np.where(rng.random(5) < 0.4, np.nan, rng.normal(size=5)) for _ in range(12)]
    frames = [pd.DataFrame({"t": hours, "a": a}) for a in values]
    return pd.concat(frames, keys=range(12), names=["id", "row"])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_are_seconds_whatever_their_unit(unit):
    dates = pd.Series(pd.to_datetime(DATES)).astype(f"datetime64[{unit}]")
    index = pd.MultiIndex.from_product([[0], range(3)])
    columns = {
        "plain": dates,
        "zoned": dates.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
        "since": (dates - pd.Timestamp(0)).astype(f"timedelta64[{unit}]"),
    }
    for frame in (pd.DataFrame(columns), pd.DataFrame(columns).assign(a=1.0)):
        panel = frame.set_index(index)
        for read in (Ragged.from_panel(panel), Ragged.from_list([frame])):
            assert read.dtype == np.float64
            for name in columns:
                channel = list(read.feature_names).index(name)
                np.testing.assert_array_equal(read.values[:, channel], SECONDS)
    block = dates.to_numpy()
    np.testing.assert_array_equal(Ragged.from_list([block]).values[:, 0], SECONDS)
    np.testing.assert_array_equal(Ragged.from_padded(block[None, :, None]).values[:, 0], SECONDS)
    since = (block - np.datetime64(0, "s"))[None, :, None]
    np.testing.assert_array_equal(Ragged.from_padded(since).values[:, 0], SECONDS)


def test_numbers_beside_time_differences_stay_what_they_are():
    """numpy would make integers time differences too."""
    since = pd.to_timedelta([1, 2, 3], unit="h")
    frame = pd.DataFrame({"since": since, "n": [5, 6, 7], "on": [True, False, True]})
    expected = np.array([[3600, 5, 1], [7200, 6, 0], [10800, 7, 1]])
    for columns in ([0, 1], [0, 2], [0, 1, 2]):
        part = frame.iloc[:, columns]
        panel = part.set_index(pd.MultiIndex.from_product([[0], range(3)]))
        for read in (Ragged.from_list([part]), Ragged.from_panel(panel)):
            np.testing.assert_array_equal(read.values, expected[:, columns])


def test_a_missing_date_is_a_hole(panel):
    panel.loc[(3, 2), "t"] = pd.NaT
    y = np.arange(12.0)
    with refused("NaN", "sample 0", "'a'"):
        MultiTaskRNNRegressor(**SMALL).fit(panel, y)
    with refused("NaN", "sample 3", "time step 2", "'t'"):
        MultiTaskRNNRegressor(**SMALL).fit(panel.assign(a=1.0), y)
    with refused("time_feature='t'", "NaN", "sample 3"):
        MultiTaskRNNRegressor(**SMALL, missing="mask", time_feature="t").fit(panel, y)
    MultiTaskRNNRegressor(**SMALL, missing="mask").fit(panel, y)


def test_predictions_do_not_depend_on_the_unit_of_the_clock(panel):
    y = np.arange(12.0)
    model = MultiTaskRNNRegressor(**SMALL, missing="mask", time_feature="t").fit(panel, y)
    seconds = panel.assign(t=(panel["t"] - pd.Timestamp(0)).dt.total_seconds())
    for other in (panel.astype({"t": "datetime64[s]"}), panel.astype({"t": "datetime64[ns]"})):
        np.testing.assert_array_equal(model.predict(other), model.predict(seconds))
    hourly = Resample(7200, time_feature="t").fit_transform(Ragged.from_panel(panel))
    np.testing.assert_array_equal(hourly.lengths, 3)
    np.testing.assert_array_equal(hourly[0][:, 0] - hourly[0][0, 0], [0, 7200, 14400])


def test_a_table_of_dates_is_refused():
    """A table is one channel a row, and sklearn would read its dates as whole numbers."""
    table = pd.DataFrame({"a": pd.to_datetime(DATES), "b": pd.to_datetime(DATES)})
    model = MultiTaskRNNRegressor(**SMALL)
    for X in (table, table.to_numpy()):
        with refused("X must be numeric", "datetime64"):
            model.fit(X, [1.0, 2.0, 3.0])
    model.fit(np.ones((3, 2)), [1.0, 2.0, 3.0])
    with refused("X must be numeric", "datetime64"):
        model.predict(table)
