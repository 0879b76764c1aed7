"""DataFrames of series, one a sample or with series in their cells, packed."""

import numpy as np
import pandas as pd

from ..sequences import Ragged


def is_nested(column):
    return column.dtype == object and any(isinstance(x, (pd.Series, np.ndarray)) for x in column)


def from_frames(frames, ordered):
    """Pack DataFrames whose rows are time steps."""
    names = list(frames[0].columns)
    for sample, frame in enumerate(frames):
        if list(frame.columns) != names:
            raise ValueError(
                "All DataFrames in X must have the same channels in the same order, found "
                f"{names} at first and {list(frame.columns)} in sample {sample}; channels in "
                f"{'rows: from_aeon' if ordered else 'columns: from_sktime'} reads them."
            )
        if ordered:
            _check_times(frame.index, f"sample {sample}")
    coded = {c for frame in frames for c, dtype in enumerate(frame.dtypes) if _is_coded(dtype)}
    steps = pd.concat(frames, ignore_index=True)
    if coded:  # frames of different categories lose them
        columns = [steps.iloc[:, c] for c in range(len(names))]
        columns = [x.astype("category") if c in coded else x for c, x in enumerate(columns)]
        steps = pd.concat(columns, axis=1).set_axis(steps.columns, axis=1)
    return _pack(steps, [len(frame) for frame in frames])


def from_nested(X):
    """Pack a DataFrame of one row a sample, whose cells are the series of its columns."""
    nested = [is_nested(X.iloc[:, c]) for c in range(X.shape[1])]
    first = X.iloc[:, nested.index(True)]
    lengths = [_length(x) for x in first]
    columns = []
    for c, name in enumerate(X.columns):
        cells = X.iloc[:, c]
        if not nested[c]:  # one number a sample
            columns.append(cells.repeat(lengths).reset_index(drop=True))
            continue
        for sample, (cell, other) in enumerate(zip(cells, first, strict=True)):
            _check_cell(cell, other, sample, name)
        values = pd.Series(np.concatenate([np.asarray(cell) for cell in cells]))
        coded = any(_is_coded(getattr(cell, "dtype", None)) for cell in cells)
        columns.append(values.astype("category") if coded else values)
    steps = pd.concat(columns, axis=1).set_axis(X.columns, axis=1)
    return _pack(steps, lengths, X.index)


def _length(cell):
    return len(cell) if isinstance(cell, (pd.Series, np.ndarray)) and np.ndim(cell) == 1 else 0


def _check_cell(cell, other, sample, name):
    """Refuse a cell that is no series, or is not of the same times as the first of its sample."""
    where = f"sample {sample}, column {name!r}"
    if not isinstance(cell, (pd.Series, np.ndarray)) or np.ndim(cell) != 1:
        raise ValueError(
            f"X must hold a Series or a 1-D array in every cell of a nested column, found "
            f"{type(cell).__name__} in {where}."
        )
    if len(cell) != _length(other):
        raise ValueError(
            "All series of a sample must be of equal length, found "
            f"{_length(other)} at first and {len(cell)} in {where}."
        )
    if isinstance(cell, pd.Series):
        _check_times(cell.index, where)
        if isinstance(other, pd.Series) and not cell.index.equals(other.index):
            raise ValueError(
                f"All series of a sample must be of the same times, found others in {where}."
            )


def _check_times(times, where):
    if not times.is_monotonic_increasing or not times.is_unique:
        raise ValueError(
            f"The time index must run forwards, found one that does not in {where}; sort_index() "
            "sorts it."
        )


def _pack(steps, lengths, index=None):
    """A DataFrame of the time steps of all samples, one after another, as Ragged."""
    if 0 in lengths:
        raise ValueError(
            "Every series in X must hold at least one time step, found 0 in sample "
            f"{lengths.index(0)} (an empty sequence)."
        )
    samples = np.repeat(np.arange(len(lengths)), lengths)
    keys = pd.MultiIndex.from_arrays([samples, np.arange(len(steps))])
    packed = Ragged.from_panel(steps.set_axis(keys))
    return Ragged(packed.values, packed.offsets, packed.feature_names, index, packed.categorical)


def _is_coded(dtype):
    return isinstance(dtype, pd.CategoricalDtype)
