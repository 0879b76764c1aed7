"""Values of sequences as numbers, where each sequence starts, and whose features they are."""

from contextlib import suppress

import numpy as np
import pandas as pd


def as_numeric(values, where=""):
    """Read values as an array of float32 or float64, the only dtypes sequences are kept in.

    Masked entries and NA become NaN, dates and time differences `seconds`.
    """
    try:
        array = np.asarray(masked_as_nan(values))
    except ValueError as error:
        raise ValueError(f"X must be numeric and rectangular{where}: {error}") from error
    if np.iscomplexobj(array):
        raise ValueError(f"Complex data not supported{where}, found {array.dtype}.")
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind in "mM":
        return seconds(array.ravel()).reshape(array.shape)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype == object:
        array = np.where(pd.isna(array), np.nan, array)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"X must be numeric{where}, found {array.dtype}: {error}. Symbols are read from those "
            "columns of DataFrames that categorical_features names, words from lists of strings "
            "by sk_mtrnn.preprocessing.TokenEncoder."
        ) from error


def masked_as_nan(values):
    """Masked entries of a masked array as NaN; what holds none stays as it is."""
    if not isinstance(values, np.ma.MaskedArray) or not np.ma.is_masked(values):
        return values  # pandas has masked arrays of its own, which know their NA
    return values.astype(np.result_type(values.dtype, np.float32)).filled(np.nan)


def seconds(dates):
    """Dates as seconds since 1970 in UTC, time differences as seconds; NaT as NaN.

    Parameters
    ----------
    dates : one-dimensional array, Series or Index of datetime64 or timedelta64

    Returns
    -------
    ndarray of float64
    """
    if dates.dtype.kind == "m":
        since = pd.TimedeltaIndex(dates).to_numpy()
    else:
        index = pd.DatetimeIndex(dates)
        since = index.tz_convert(None).to_numpy() if index.tz is not None else index.to_numpy()
        since = since - np.datetime64(0, "s")
    return since / np.timedelta64(1, "s")


def numeric_columns(frame):
    """The values of a DataFrame, NA as NaN; a column that is not numeric is named."""
    if not any(dtype.kind in "mM" for dtype in frame.dtypes):  # beside them integers become such
        with suppress(TypeError, ValueError):  # nullable or other extension types, or no numbers
            return as_numeric(frame.to_numpy(dtype=np.result_type(*frame.dtypes), na_value=np.nan))
    columns = []
    for name, column in frame.items():  # names may stand twice
        if column.dtype.kind in "mM":
            columns.append(seconds(column))
            continue
        try:
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"X must be numeric, found {column.dtype} in column {name!r}: {error}"
            ) from error
    return np.column_stack(columns)


def offsets_of(lengths):
    """Offsets of sequences of these lengths, stored end to end."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def check_same_columns(sequences, names):
    """Refuse DataFrames among the sequences that have other columns.

    Parameters
    ----------
    sequences : list
        One entry a sample.
    names : list
        What the columns have to be.

    Raises
    ------
    ValueError
    """
    for sample, sequence in enumerate(sequences):
        if isinstance(sequence, pd.DataFrame) and list(sequence.columns) != names:
            raise ValueError(
                "All DataFrames in X must have the same columns in the same order, found "
                f"{names} at first and {list(sequence.columns)} in sample {sample}."
            )


def check_same_names(names):
    """Refuse to join features of different names, which would end up in one column."""
    for other in names[1:]:
        if other != names[0]:
            raise ValueError(
                f"All X must have the same feature names in the same order, found {names[0]} and "
                f"{other}."
            )
