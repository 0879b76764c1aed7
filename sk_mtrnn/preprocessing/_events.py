"""A long table of events, one observation of one variable a row, as sequences with holes."""

import numbers
import warnings

import numpy as np
import pandas as pd

from ..sequences import Ragged, offsets_of
from ._aggregate import AGGREGATES, aggregate_cells
from ._containers import described


def from_events(
    df, *, sample, time, variable, value, variables=None, samples=None, aggregate="last"
):
    """Turn a long table of irregular events into sequences with holes.

    An event is one observation of one variable, a row of the table; rows may be in any order. Each
    sample becomes a sequence with one step for each of its distinct time stamps, in order of time::

        x_t = (time_t, v_t1, ..., v_tF)

    with v_tj the value of variable j observed at time_t, NaN where there is none.

    Parameters
    ----------
    df : DataFrame
        The events.
    sample, time, variable, value : str or int
        The columns that hold an event's sample, time stamp, variable and value: each the name of a
        column or of a level of the index, or else the number of a column. Time stamps are numbers,
        kept as they are, dates, which become seconds since the first event of the sample (of any
        variable), or time differences, which become seconds. Values are numbers, or text of
        numbers; NaN is an event without observation, which only makes a step.
    variables : array-like, default=None
        The variables, in the order of the channels, so that training and test data have the same;
        one without events is a channel of NaN. Events of other variables are left out with a
        warning. None: all that occur, sorted.
    samples : array-like, default=None
        The samples, in order; one without events becomes a single step at time 0, all NaN. Events
        of other samples are left out; a warning if all are. None: all that occur, in order of
        their first appearance.
    aggregate : str or dict from variable to str, default="last"
        What stands for several values of a variable at one time stamp: "mean", "last" (row of the
        table), "first", "min", "max", "median", "sum" or "count". Variables that the dict does not
        name: "last".

    Returns
    -------
    Ragged
        ``feature_names`` are "time" and the variables as text, ``index`` the samples. The
        estimators read the first channel as clock with ``time_feature="time"``.

    Raises
    ------
    ValueError
        If there is no such column, one is named for two parameters, there is no event (unless
        ``variables`` and ``samples`` are given), a sample, time stamp or variable is missing, a
        time stamp is no time, a value is no finite number (these name the row), ``variables`` or
        ``samples`` hold something twice, a variable is called "time", or ``aggregate`` is not as
        above.

    Notes
    -----
    With ``samples`` and ``variables`` fixed, events can be read inside a `Pipeline`, whose X is
    then the samples alone, in any order and split as one likes::

        def read(samples):
            return from_events(events, ..., samples=samples, variables=variables)

        make_pipeline(FunctionTransformer(read), MultiTaskRNN(missing="mask", time_feature="time"))

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mtrnn.preprocessing import from_events
    >>> events = pd.DataFrame(
    ...     [["ann", 0, "pulse", 71], ["ann", 0, "temp", 36.8], ["ann", 4, "pulse", 75],
    ...      ["bob", 2, "temp", 39.1]],
    ...     columns=["who", "hour", "what", "value"],
    ... )
    >>> X = from_events(events, sample="who", time="hour", variable="what", value="value")
    >>> X.feature_names.tolist()
    ['time', 'pulse', 'temp']
    >>> X[0]
    array([[ 0. , 71. , 36.8],
           [ 4. , 75. ,  nan]])
    """
    if not isinstance(df, pd.DataFrame):
        raise ValueError(f"df must be a DataFrame of events, found {type(df).__name__}.")
    if len(df) == 0 and (variables is None or samples is None):
        raise ValueError(
            "df must hold at least one event unless variables and samples are given, found none."
        )
    _check_different(df, {"sample": sample, "time": time, "variable": variable, "value": value})
    owner = _find_column(df, sample, "sample")
    sample_codes, names = _codes(owner, "sample", samples, "samples", df, sort=False)
    # from all events: the clock of a sample does not depend on what is selected
    times = _seconds(_find_column(df, time, "time"), pd.factorize(owner)[0], df)
    kind = _find_column(df, variable, "variable")
    variable_codes, channels = _codes(kind, "variable", variables, "variables", df, sort=True)
    values = _numbers(_find_column(df, value, "value"), "value", df)
    _refuse(np.isinf(values), "value must hold finite numbers, found infinity", df)
    channel_names = _channel_names(channels)
    methods = _methods(aggregate, channels)
    kept = _kept(sample_codes, variable_codes, kind)
    sample_codes, variable_codes = sample_codes[kept], variable_codes[kept]
    times, values = times[kept], values[kept]

    # one step for each (sample, time), and one for each sample without events
    silent = np.setdiff1d(np.arange(len(names)), sample_codes)
    samples_of = np.concatenate([sample_codes, silent])
    times_of = np.concatenate([times, np.zeros(len(silent))])
    order = np.lexsort((times_of, samples_of))  # stable: "last" is the last row of the table
    samples_of, times_of = samples_of[order], times_of[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(samples_of) != 0) | (np.diff(times_of) != 0)
    lengths = np.bincount(samples_of[new], minlength=len(names))

    # the events of each variable, in order of time, and the steps they belong to
    is_event = order < len(values)
    rows, cells = order[is_event], (np.cumsum(new) - 1)[is_event]
    by_variable = np.argsort(variable_codes[rows], kind="stable")
    bounds = offsets_of(np.bincount(variable_codes, minlength=len(channels)))
    table = np.empty((lengths.sum(), 1 + len(channels)))
    table[:, 0] = times_of[new]
    for channel, how in enumerate(methods):
        mine = by_variable[bounds[channel] : bounds[channel + 1]]
        table[:, 1 + channel] = aggregate_cells(cells[mine], values[rows[mine]], how, len(table))
    return Ragged(table, offsets_of(lengths), ["time", *channel_names], names)


def _find_column(df, key, parameter):
    """A column by its name, a level of the index by its name, or a column by its number."""
    kind, place = _place(df, key, parameter)
    if kind == "column":
        return df.iloc[:, place].reset_index(drop=True)
    return df.index.get_level_values(place).to_series().reset_index(drop=True)


def _check_different(df, keys):
    """Refuse parameters that mean the same column."""
    taken = {}
    for parameter, key in keys.items():
        place = _place(df, key, parameter)
        if place in taken:
            raise ValueError(
                f"{parameter} must name another column than {taken[place]}, found {key!r} for both."
            )
        taken[place] = parameter


def _place(df, key, parameter):
    """Whether a key means a column or a level of the index, and the number of it."""
    columns = list(df.columns)
    hashable = pd.api.types.is_hashable(key)
    if hashable and key in columns:
        if columns.count(key) > 1:
            raise ValueError(f"{parameter} must name one column of df, found {key!r} twice.")
        return "column", columns.index(key)
    if hashable and key is not None and key in list(df.index.names):
        return "level", list(df.index.names).index(key)
    number = isinstance(key, numbers.Integral) and not isinstance(key, bool)
    if number and -df.shape[1] <= key < df.shape[1]:
        return "column", int(key) % df.shape[1]
    raise ValueError(
        f"{parameter} must name a column of df, one of {list(df.columns)}, or a level of its index,"
        f" or give the number of a column, found {described(key)}."
    )


def _refuse(bad, message, df, column=None, cure=""):
    """Raise an error that names the first bad row, and what its column holds there."""
    if bad.any():
        row = int(np.argmax(bad))
        found = "" if column is None else f" {column.iloc[row]!r}"
        plain = df.index.equals(pd.RangeIndex(len(df)))
        label = "" if plain else f" (index {df.index[row]})"
        raise ValueError(f"{message}{found} in row {row}{label}{cure}.")


def _codes(column, parameter, fixed, fixed_parameter, df, sort):
    """Number the entries of a column by those of a fixed list, -1 where it lacks them."""
    _refuse(column.isna().to_numpy(), f"{parameter} must not be missing, found", df, column)
    if fixed is None:
        codes, entries = pd.factorize(column, sort=sort)
        return codes, pd.Index(np.asarray(entries), name=column.name)
    if isinstance(fixed, str) or np.ndim(fixed) != 1 or len(fixed) == 0:
        raise ValueError(
            f"{fixed_parameter} must be a 1-D array-like with at least one entry, found "
            f"{described(fixed)}."
        )
    entries = pd.Index(fixed, name=column.name)
    if not entries.is_unique:
        twice = entries[entries.duplicated()][0]
        raise ValueError(f"{fixed_parameter} must hold each entry once, found {twice!r} twice.")
    kinds, found = pd.factorize(column)
    return entries.get_indexer(pd.Index(np.asarray(found)))[kinds], entries


def _seconds(column, sample_codes, df):
    """Time stamps as numbers; dates as seconds since the first one of their sample."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    kind = pd.api.types.infer_dtype(column, skipna=True) if column.dtype == object else ""
    if kind in ("datetime", "datetime64", "date"):
        try:
            column = pd.to_datetime(column)
        except ValueError as error:
            raise ValueError(
                "time must hold dates of one time zone, or of none, found others "
                f"({error}); pd.to_datetime(..., utc=True) brings them into one."
            ) from error
    elif kind == "timedelta":
        column = pd.to_timedelta(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column - column.groupby(sample_codes).transform("min")
    if pd.api.types.is_timedelta64_dtype(column):
        times = column.dt.total_seconds().to_numpy()
    else:
        times = _numbers(column, "time", df, "numbers, dates or time differences")
    message = "time must hold the time stamp of every event, found"
    _refuse(~np.isfinite(times), message, df, column)
    return times


def _numbers(column, parameter, df, expected="numbers"):
    """A column as float64, text of numbers included; any other text is refused with its row."""
    if pd.api.types.is_complex_dtype(column):
        raise ValueError(f"{parameter} must hold {expected}, found {column.dtype}.")
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    is_date = pd.api.types.is_datetime64_any_dtype(column)
    if is_date or pd.api.types.is_timedelta64_dtype(column):
        raise ValueError(f"{parameter} must hold {expected}, found {column.dtype}.")
    column = column.astype(object)
    read = pd.to_numeric(column, errors="coerce")
    bad = (read.isna() & ~column.isna()).to_numpy()
    cure = "; pd.to_timedelta or pd.to_datetime reads text" if parameter == "time" else ""
    _refuse(bad, f"{parameter} must hold {expected}, found", df, column, cure)
    return read.to_numpy(dtype=np.float64, na_value=np.nan)


def _channel_names(channels):
    """Names of variables as text, which is what the estimators keep."""
    names = [str(channel) for channel in channels]
    if "time" in names:
        raise ValueError(
            "variable must not be 'time', which is the channel of the time stamps, found it."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"variable must differ as text, found {sorted(names)}.")
    return names


def _methods(aggregate, channels):
    """How each variable is aggregated."""
    given = aggregate if isinstance(aggregate, dict) else dict.fromkeys(channels, aggregate)
    unknown = [key for key in given if key not in channels]
    if unknown:
        raise ValueError(
            f"aggregate must name variables, some of {list(channels)}, found {unknown}."
        )
    for how in given.values():
        if not isinstance(how, str) or how not in AGGREGATES:
            raise ValueError(f"aggregate must be one of {list(AGGREGATES)}, found {how!r}.")
    return [given.get(channel, "last") for channel in channels]


def _kept(sample_codes, variable_codes, variable):
    """Which events are selected; what is not may be a slip of the pen, and is not lost silently."""
    kept = (sample_codes >= 0) & (variable_codes >= 0)
    other = (sample_codes >= 0) & (variable_codes < 0)
    if other.any():
        warnings.warn(
            f"{other.sum()} event(s) are left out: variables does not hold "
            f"{sorted(map(str, variable[other].unique()))}.",
            UserWarning,
            stacklevel=3,
        )
    elif len(kept) and not kept.any():
        warnings.warn(
            "All events are left out: none belongs to a sample in samples.",
            UserWarning,
            stacklevel=3,
        )
    return kept
