"""One data set per task, stacked into one X and one partly labelled y."""

import numpy as np
import pandas as pd

from ._inputs import _as_sequences
from ._labels import read_labels
from ._numeric import check_same_names
from ._ragged import Ragged


def stack_tasks(datasets):
    """Stack one labelled data set per task into a single X and y.

    Each sample is labelled for the task whose data set it comes from, and unlabelled for all
    others: the disjoint label sets that every estimator here trains on.

    Parameters
    ----------
    datasets : dict of task name to (X, y)
        Each X in any layout the estimators take, all of one width; each y the labels of that one
        task, one a sequence or one a time step.

    Returns
    -------
    X : ndarray, DataFrame or Ragged
        All samples, data set by data set. A table stays one (a DataFrame if all are); anything
        else becomes Ragged.
    y : DataFrame of shape (n_samples, n_tasks)
        One column a task, missing where a sample belongs to another.

    Raises
    ------
    ValueError
        If ``datasets`` is empty, widths differ, a y holds several tasks or not one label for each
        sample of its X.

    Examples
    --------
    >>> from sk_mtrnn import stack_tasks
    >>> X, y = stack_tasks({"a": ([[1, 2], [3, 4]], ["yes", "no"]), "b": ([[5, 6]], [0.5])})
    >>> X
    array([[1, 2],
           [3, 4],
           [5, 6]])
    >>> y
         a    b
    0  yes  NaN
    1   no  NaN
    2  NaN  0.5
    """
    if not isinstance(datasets, dict) or not datasets:
        raise ValueError(
            "datasets must be a dict from task name to (X, y) with at least one task, found "
            f"{datasets!r}."
        )
    parts, columns, tabular = [], {}, True
    for name, pair in datasets.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(
                f"datasets[{name!r}] must be a pair (X, y), found {type(pair).__name__}."
            )
        X, y = pair
        sequences = _as_sequences(X)
        tabular = tabular and sequences is None
        if sequences is None:
            table = X if isinstance(X, pd.DataFrame) else np.asarray(X)
            if table.ndim != 2:
                raise ValueError(
                    f"datasets[{name!r}] must hold sequences or a table, found shape {table.shape}."
                )
            lengths = np.full(len(table), table.shape[1])
        else:
            table, lengths = sequences, sequences.lengths
        labels = read_labels(y, lengths)
        if len(labels.columns) != 1:
            raise ValueError(
                f"datasets[{name!r}] must hold the labels of one task, found {len(labels.columns)}."
            )
        parts.append(table)
        columns[name] = (labels.columns[0], lengths)
    return _stack_inputs(parts, tabular), _stack_labels(columns)


def _stack_inputs(parts, tabular):
    if tabular:
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise ValueError(f"All X in datasets must have the same width, found {sorted(widths)}.")
        if all(isinstance(part, pd.DataFrame) for part in parts):
            check_same_names([list(part.columns) for part in parts])
            return pd.concat(parts, ignore_index=True)
        return np.concatenate([np.asarray(part) for part in parts])
    return Ragged.concatenate(
        [
            part if isinstance(part, Ragged) else Ragged.from_padded(np.asarray(part))
            for part in parts
        ]
    )


def _stack_labels(columns):
    n_samples = sum(len(lengths) for _, lengths in columns.values())
    frame, start = {}, 0
    for name, (column, lengths) in columns.items():
        cells = np.full(n_samples, np.nan, dtype=object)
        values = column.values
        if column.missing.any():
            values = values.astype(np.float64 if values.dtype.kind in "if" else object)
            values[column.missing] = np.nan
        if column.per_step:
            values = np.split(values, np.cumsum(lengths)[:-1])
        for i, value in enumerate(values):
            cells[start + i] = value
        frame[name] = pd.Series(cells).infer_objects()
        start += len(lengths)
    return pd.DataFrame(frame)
