"""A DataFrame with a (sample, time) index, taken apart."""

import numpy as np
import pandas as pd

from ._numeric import numeric_columns, offsets_of


def read_panel(frame):
    """Read the parts of a `Ragged` from a DataFrame with a (sample, time) index.

    Parameters
    ----------
    frame : DataFrame with a MultiIndex of two levels

    Returns
    -------
    values : ndarray of shape (sum_T, n_features)
    offsets : ndarray of int, shape (n_samples + 1,)
    names : list
        The columns.
    samples : Index of length n_samples
    categorical : ndarray of bool, shape (n_features,), or None
        Which columns are of dtype "category"; None if none is.

    Raises
    ------
    ValueError
        See `Ragged.from_panel`.
    """
    if not isinstance(frame, pd.DataFrame) or frame.index.nlevels != 2:
        raise ValueError(
            "frame must be a DataFrame with a (sample, time) MultiIndex, found "
            f"{type(frame).__name__}"
            + (f" with {frame.index.nlevels} index level(s)." if hasattr(frame, "index") else ".")
        )
    if frame.index.has_duplicates:
        sample, time = frame.index[frame.index.duplicated()][0]
        raise ValueError(
            f"frame must hold each (sample, time) once, found ({_shown(sample)}, {_shown(time)}) "
            "twice."
        )
    codes, samples = pd.factorize(frame.index.get_level_values(0))
    if (codes < 0).any():
        raise ValueError("frame must name the sample of every row, found a missing one.")
    times = frame.index.get_level_values(1)
    if times.hasnans:
        sample = frame.index.get_level_values(0)[times.isna()][0]
        raise ValueError(
            "frame must hold the time of every row in its index, found a missing one in sample "
            f"{_shown(sample)}."
        )
    _refuse_text(times)
    order = np.lexsort((pd.factorize(times, sort=True)[0], codes))
    samples = pd.Index(samples, name=frame.index.names[0])
    marks = np.array([isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes], dtype=bool)
    offsets = offsets_of(np.bincount(codes, minlength=len(samples)))
    names = list(frame.columns)
    return _numbers(frame)[order], offsets, names, samples, marks if marks.any() else None


def _shown(label):
    """A label as text, without numpy's name around a number."""
    if isinstance(label, (pd.Timestamp, pd.Timedelta, pd.Period)):
        return str(label)
    return repr(label.item() if isinstance(label, np.generic) else label)


def _refuse_text(times):
    """Refuse time stamps that are text, which would be sorted as text: "10" before "9"."""
    if isinstance(times, pd.CategoricalIndex):
        if times.ordered:  # sorted as their categories are
            return
        times = times.categories
    if times.dtype != object and not isinstance(times.dtype, pd.StringDtype):
        return
    text = next((time for time in times if isinstance(time, (str, bytes))), None)
    if text is not None:
        raise ValueError(
            "The index of frame must hold numbers, dates or time differences as time, found the "
            f"text {text!r}, which would be sorted as text; pd.to_datetime, pd.to_timedelta or "
            "pd.to_numeric read it."
        )


def _numbers(frame):
    """The columns as numbers; what is none is named, and who reads it."""
    for name, dtype in zip(frame.columns, frame.dtypes, strict=True):
        if isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype.kind in "mM":
            raise ValueError(_not_numeric(dtype.categories.dtype, name))
    try:
        return numeric_columns(frame)
    except ValueError:
        for k, name in enumerate(frame.columns):  # names may stand twice
            column = frame.iloc[:, [k]]
            try:
                numeric_columns(column)
            except ValueError as error:
                raise ValueError(_not_numeric(column.dtypes.iloc[0], name)) from error
        raise


def _not_numeric(dtype, name):
    return (
        f"X must be numeric, found {dtype} in column {name!r}. An estimator that gets the "
        "DataFrame itself, or a list of DataFrames (one a sample), reads such columns if "
        "categorical_features names them; a transformer needs numbers, as "
        "sklearn.preprocessing.OrdinalEncoder gives them."
    )
