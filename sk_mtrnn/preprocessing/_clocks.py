"""Time stamps: read as numbers, and refused or remarked on where they mislead."""

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd

from ..sequences import check_times, seconds

DATES = (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)
_UNITS = (("D", 86400), ("h", 3600), ("min", 60), ("s", 1))


def check_index(index):
    """Refuse an index of numbers or dates that runs backwards: rows out of order leak."""
    if isinstance(index, DATES):
        times = np.where(index.isna(), np.nan, index.asi8.astype(np.float64))
    elif pd.api.types.is_numeric_dtype(index.dtype):
        times = index.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        return
    check_times(times, np.array([0, len(times)]), "The index of X", index)


def check_same_dates(index, y):
    """Refuse labels of other dates than those of the series, naming the first."""
    other = getattr(y, "index", None)
    if not isinstance(index, pd.DatetimeIndex) or not isinstance(other, pd.DatetimeIndex):
        return
    n = min(len(index), len(other))
    differs = np.append(index[:n] != other[:n], len(index) != len(other))
    if not differs.any():
        return
    row = int(np.argmax(differs))
    found = [str(dates[row]) if row < len(dates) else "no row" for dates in (index, other)]
    raise ValueError(
        f"y must have the dates of X, found {found[1]} in row {row}, where X has {found[0]}."
    )


def unevenness(index, offsets):
    """What makes rows other than steps of time: stamps that repeat, or steps that differ.

    Parameters
    ----------
    index : pandas.Index of length sum_T
        In order of time within each series.
    offsets : ndarray of shape (n_series + 1,)

    Returns
    -------
    str
        Empty if there is nothing, or ``index`` holds no dates. Steps of a calendar, days, months or
        working days, are even whatever their length.
    """
    if not isinstance(index, pd.DatetimeIndex):
        return ""
    least, most = [], []
    for start, stop in pairwise(offsets):
        dates = index[start:stop]
        if dates.has_duplicates:
            return f"the stamp {dates[dates.duplicated()][0]} more than once"
        if not _is_regular(dates):
            steps = np.diff(dates.asi8)
            unit = pd.Timedelta(1, unit=dates.unit)
            least.append(steps.min() * unit)
            most.append(steps.max() * unit)
    return f"steps from {_short(min(least))} to {_short(max(most))}" if least else ""


def warn_uneven(found, stacklevel):
    """Tell that rows are counted, not hours."""
    cure = "asfreq or Resample make them even"
    warnings.warn(
        f"The index of X is uneven: horizon and width count rows; found {found}; {cure}.",
        UserWarning,
        stacklevel=stacklevel,
    )


def index_seconds(index):
    """Time stamps of an index as numbers."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return seconds(index)
    try:
        return index.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The index of X must hold numbers, dates or time differences as time, found "
            f"{index.dtype}: {error}"
        ) from error


def as_index(times, old):
    """Numbers as time stamps of the kind of the old index."""
    if isinstance(old, (pd.DatetimeIndex, pd.PeriodIndex)):
        index = pd.to_datetime(np.rint(times * 1e6).astype(np.int64), unit="us")
        tz = getattr(old, "tz", None)
        return index if tz is None else index.tz_localize("UTC").tz_convert(tz)
    if isinstance(old, pd.TimedeltaIndex):
        return pd.to_timedelta(np.rint(times * 1e6).astype(np.int64), unit="us")
    return pd.Index(times)


def _is_regular(dates):
    """Whether dates are one step apart, by the clock, the wall clock or the calendar."""
    clocks = [dates] if dates.tz is None else [dates, dates.tz_localize(None)]
    if any(len(np.unique(np.diff(clock.asi8))) < 2 for clock in clocks):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 4, about what is given
        return pd.infer_freq(dates) is not None


def _short(step):
    seconds = step.total_seconds()
    for unit, size in _UNITS:
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
