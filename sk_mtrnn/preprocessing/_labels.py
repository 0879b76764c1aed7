"""Labels of series in every form people have them, one row a step."""

import numpy as np
import pandas as pd

from ._containers import packed_rows


def labels_of_one(y, n_steps):
    """The labels of one series, one row a step, as an array, Series or DataFrame."""
    y = y if isinstance(y, (pd.Series, pd.DataFrame)) else _as_array(y)
    if y.ndim not in (1, 2) or len(y) != n_steps:
        raise ValueError(
            f"y must have one row for each of the {n_steps} time steps of X, shape ({n_steps},) or "
            f"({n_steps}, n_tasks), found shape {y.shape}."
        )
    return y


def _as_array(labels):
    """Labels as an array, without numpy's turning ["a", nan] into text."""
    if isinstance(labels, (list, tuple)) and all(np.ndim(label) == 0 for label in labels):
        return pd.Series(labels).to_numpy()
    return np.asarray(labels)


def labels_of_many(y, X, sequences):
    """The labels of several series, one row a step, as an array, Series or DataFrame."""
    if isinstance(y, (pd.DataFrame, pd.Series)):
        if y.index.nlevels == 2:
            if not isinstance(X, pd.DataFrame) or not y.index.equals(X.index):
                raise ValueError(
                    "y must have the (sample, time) index of X, in the same order, found another."
                )
            return y.iloc[packed_rows(X)]
        if isinstance(y, pd.Series):
            return pd.Series(_spread(y, sequences, f" of task {y.name!r}", 1), name=y.name)
        columns = {name: _spread(y[name], sequences, f" of task {name!r}", 1) for name in y}
        return pd.DataFrame(columns)
    return _spread(y, sequences, "", 2)


def _spread(cells, sequences, task, max_ndim):
    """One row a step from one array, or one label, a series."""
    cells = list(cells)
    if len(cells) != len(sequences):
        raise ValueError(
            f"y must hold the labels of the {len(sequences)} series of X, found {len(cells)}."
        )
    parts = []
    for sample, (cell, length) in enumerate(zip(cells, sequences.lengths, strict=True)):
        if np.ndim(cell) == 0:
            part = np.full(length, cell, dtype=object if isinstance(cell, str) else None)
        else:
            part = _as_array(cell)
        if part.ndim > max_ndim or len(part) != length:
            raise ValueError(
                f"y{task} must have one row for each of the {length} time steps of sample {sample},"
                f" found shape {part.shape}."
            )
        parts.append(part)
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1 and kinds - set("iuf"):  # so that numpy turns no number into text
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)
