"""Labels of several tasks: every layout of y to columns, and columns back to that layout."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ._columns import (
    Column,
    array_cells,
    as_objects_if_extension,
    is_missing,
    join_labels,
    make_column,
    settle,
    unmasked,
)
from ._numeric import offsets_of


@dataclass(frozen=True)
class Labels:
    """All columns of a y, and the layout they came in.

    Attributes
    ----------
    columns : list of Column
    layout : {"1d", "2d", "frame", "3d", "steps"}
        ``(n,)``; ``(n, K)``; DataFrame; ``(n, T, K)``; one array a sample.
    n_samples : int
    offsets : ndarray of shape (n_samples + 1,) or None
        Where the time steps of each sample start; None if no column is per step and no lengths
        were given.
    flat : bool
        In the layout "steps", whether each array is ``(T_i,)`` rather than ``(T_i, K)``.
    """

    columns: list = field(repr=False)
    layout: str
    n_samples: int
    offsets: np.ndarray | None = field(repr=False)
    flat: bool = False

    @property
    def names(self):
        return [column.name for column in self.columns]

    def template(self, columns):
        """The layout alone, for columns without values, to keep in a fitted model."""
        empty = np.empty(0)
        columns = [Column(column.name, empty, empty, column.per_step) for column in columns]
        return replace(self, columns=columns, n_samples=0, offsets=None)

    def with_column(self, column):
        """This layout with one more task, whose labels come last.

        Raises
        ------
        ValueError
            If the layout has no place for it.
        """
        if self.layout in ("3d", "steps") and not column.per_step:
            raise ValueError(
                f"Task {column.name!r} must have labels per time step, as y of fit has one array "
                "for all tasks of a sequence; found one a sequence."
            )
        layout = {"1d": "2d"}.get(self.layout, self.layout)
        wider = replace(self, layout=layout, flat=False)
        return wider.template([*self.columns, column])

    def positions(self, names):
        """Which column belongs to each fitted task; 0 for a task whose column is lacking."""
        if self.layout != "frame":
            return list(range(len(names)))
        return [self.names.index(name) if name in self.names else 0 for name in names]

    def matched(self, names, *, may_lack=False):
        """The columns in the order of fitted tasks: by name in a DataFrame, else by position.

        Parameters
        ----------
        names : list
            The fitted tasks.
        may_lack : bool, default=False
            Whether a DataFrame may lack tasks; theirs is a column without any label.

        Returns
        -------
        list of Column

        Raises
        ------
        ValueError
            If tasks are missing, or others than the fitted ones are there.
        """
        if self.layout != "frame":
            if len(self.columns) != len(names):
                raise ValueError(
                    f"y must hold the {len(names)} task(s) {names} of fit, found "
                    f"{len(self.columns)} column(s)."
                )
            return [replace(c, name=name) for c, name in zip(self.columns, names, strict=True)]
        found = {column.name: column for column in self.columns}
        unknown = [name for name in found if name not in names]
        lacking = [name for name in names if name not in found]
        if unknown or (lacking and not may_lack):
            raise ValueError(f"y must hold the tasks {names} of fit, found {list(found)}.")
        none = np.full(self.n_samples, np.nan), np.ones(self.n_samples, dtype=bool)
        return [found.get(name, Column(name, *none, None)) for name in names]


def read_labels(y, lengths=None):
    """Read y in any layout, NaN, None, NA and NaT being missing labels.

    Parameters
    ----------
    y : array-like of shape (n,), (n, K) or (n, T, K), DataFrame, or list of (T_i, K) or (T_i,)
        In a 1-D or 2-D layout, a cell that is itself an array holds one label for each time step.
    lengths : array-like of int, shape (n_samples,), default=None
        Time steps of each sequence, to check per-step labels against. None: as in y.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If y is in no such layout, has another number of samples than ``lengths``, mixes types
        within a task, holds an infinity, or a per-step label is not as long as its sequence. The
        message names task and row.
    """
    labels = _read(y, None if lengths is None else np.asarray(lengths))
    for column in labels.columns:
        _refuse_infinity(column, labels.offsets)
    return labels


def _refuse_infinity(column, offsets):
    if column.values.dtype.kind != "f":
        return
    infinite = np.isinf(column.values) & ~column.missing
    if infinite.any():
        row = int(np.argmax(infinite))
        if column.per_step:
            row = int(np.searchsorted(offsets, row, side="right")) - 1
        raise ValueError(f"Input y contains infinity, in task {column.name!r}, row {row}.")


def _read(y, lengths):
    if y is None:
        raise ValueError(
            "y must hold the labels: requires y to be passed, but the target y is None."
        )
    if hasattr(y, "toarray"):
        raise ValueError("y must be dense, found a sparse container: sparse y is not supported.")
    name = 0
    y = unmasked(y)
    if isinstance(y, pd.DataFrame):
        if not y.columns.is_unique:
            raise ValueError("y must name each task once, found a column name twice.")
        if y.index.nlevels == 2 and lengths is not None and len(y) == lengths.sum() != len(lengths):
            raise ValueError(
                f"y has one row for each of the {len(y)} time steps, but must have one for each of "
                f"the {len(lengths)} samples; Ragged.from_panel(y) gives labels per time step."
            )
        raw, names, layout = [y[column] for column in y.columns], list(y.columns), "frame"
        return _from_cells(raw, names, layout, len(y), lengths)
    if isinstance(y, pd.Series):
        name = 0 if y.name is None else y.name
        y = as_objects_if_extension(y)
    elif isinstance(y, (list, tuple)):
        y = _as_rows(_from_list(y), lengths)
    else:
        y = np.asarray(y)
    if y.ndim == 1:
        if y.dtype == object and array_cells(y).any():
            return _from_steps(y, name, lengths)
        return _from_cells([y], [name], "1d", len(y), lengths)
    if y.ndim == 2:
        if y.shape[1] == 0:
            raise ValueError(f"y must hold at least one task, found shape {y.shape}.")
        return _from_cells(list(y.T), list(range(y.shape[1])), "2d", len(y), lengths)
    if y.ndim == 3:
        n_samples, n_timesteps, n_tasks = y.shape
        if n_tasks == 0 or n_timesteps == 0:
            raise ValueError(f"y must hold at least one task and time step, found shape {y.shape}.")
        _check_samples(n_samples, lengths)
        if lengths is not None and (lengths != n_timesteps).any():
            sample = int(np.argmax(lengths != n_timesteps))
            raise ValueError(
                f"y has {n_timesteps} per-step labels in row {sample}, but its sequence in X has "
                f"{lengths[sample]} time steps."
            )
        flat = y.reshape(-1, n_tasks)
        columns = [make_column(task, flat[:, task], True) for task in range(n_tasks)]
        return Labels(columns, "3d", n_samples, np.arange(n_samples + 1) * n_timesteps)
    raise ValueError(f"y must have 1, 2 or 3 dimensions, found {y.ndim}: shape {y.shape}.")


def _from_list(y):
    """A list as an array, without numpy's turning ["a", nan] into strings."""
    if len(y) == 0:
        raise ValueError("y must hold at least one label, found an empty list.")
    if any(isinstance(row, (np.ndarray, pd.Series, pd.DataFrame)) and np.ndim(row) for row in y):
        rows = np.empty(len(y), dtype=object)
        for i, row in enumerate(y):
            rows[i] = np.asarray(unmasked(row)) if np.ndim(row) or not is_missing(row) else None
        return rows
    if not any(isinstance(row, (list, tuple)) for row in y):
        return settle(np.array([*y, None], dtype=object)[:-1])
    rows = np.empty(len(y), dtype=object)
    nested = False
    for i, row in enumerate(y):
        if not isinstance(row, (list, tuple)):
            rows[i] = row
            continue
        nested = nested or any(isinstance(cell, (list, tuple)) for cell in row)
        rows[i] = list(row)
    widths = {len(row) if isinstance(row, list) else -1 for row in rows}
    if len(widths) == 1 and not nested:  # (n, K): scalars and arrays as cells
        table = np.empty((len(y), widths.pop()), dtype=object)
        for i, row in enumerate(rows):
            for k, cell in enumerate(row):
                table[i, k] = cell
        return table if array_cells(table).any() else settle(table)
    for i, row in enumerate(rows):
        if isinstance(row, list):
            try:
                step_labels = np.array(row, dtype=object)
            except ValueError as error:
                raise ValueError(f"y must be rectangular within a row, row {i} is not.") from error
            rows[i] = settle(step_labels)
    return rows


def _as_rows(y, lengths):
    """A list of 1-D arrays as rows of one label a task, where no sequence is that long."""
    if lengths is None or y.ndim != 1 or y.dtype != object or len(y) != len(lengths):
        return y
    found = [np.shape(row) for row in y]
    if any(len(shape) != 1 for shape in found) or len(set(found)) > 1:
        return y
    return y if (lengths == found[0][0]).all() else np.stack(y)


def _check_samples(n_samples, lengths):
    if n_samples == 0:
        raise ValueError("y must hold at least one sample, found 0.")
    if lengths is not None and n_samples != len(lengths):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {len(lengths)}, "
            f"y has {n_samples}."
        )


def _from_cells(raw, names, layout, n_samples, lengths):
    """Read the layouts with one cell a sample and task: 1-D, 2-D and DataFrame."""
    _check_samples(n_samples, lengths)
    columns, offsets = [], None if lengths is None else offsets_of(lengths)
    if not raw:
        raise ValueError("y must hold at least one task, found none.")
    for name, cells in zip(names, raw, strict=True):
        cells = as_objects_if_extension(cells) if isinstance(cells, pd.Series) else cells
        if cells.dtype != object or not array_cells(cells).any():
            column = make_column(name, cells, per_step=False)
        else:
            if offsets is None:
                offsets = _lengths_from_cells(raw)
            column = _steps_of(name, cells, offsets)
        columns.append(column)
    return Labels(columns, layout, n_samples, offsets)


def _lengths_from_cells(raw):
    """Offsets as the array cells themselves tell; 1 for a sample without any."""
    lengths = np.ones(len(raw[0]), dtype=np.int64)
    for cells in raw:
        cells = np.asarray(cells, dtype=object)
        for i in np.flatnonzero(array_cells(cells)):
            lengths[i] = len(cells[i])
    return offsets_of(lengths)


def _steps_of(name, cells, offsets):
    """Join the array cells of one task; a missing cell is a sequence without labels."""
    parts, lengths = [], np.diff(offsets)
    for row, cell in enumerate(cells):
        if np.ndim(cell) == 0 or isinstance(cell, str):
            if not is_missing(cell):
                raise ValueError(
                    f"Task {name!r} has labels per time step, but row {row} holds the single label "
                    f"{cell!r}."
                )
            parts.append(np.full(lengths[row], None, dtype=object))
            continue
        part = unmasked(cell) if isinstance(cell, np.ndarray) else _from_list(list(cell))
        if part.shape != (lengths[row],):
            raise ValueError(
                f"The per-step label of task {name!r} in row {row} must be as long as its sequence "
                f"({lengths[row]} time steps), found shape {part.shape}."
            )
        parts.append(part)
    return make_column(name, join_labels(parts), per_step=True)


def _from_steps(y, name, lengths):
    """Read one array a sample: (T_i, K) each, or (T_i,) each; a missing cell has no labels."""
    _check_samples(len(y), lengths)
    arrays = [None if is_missing(cell) else np.asarray(unmasked(cell)) for cell in y]
    first = next((array for array in arrays if array is not None and array.ndim), None)
    if first is None:
        raise ValueError(f"y must hold labels or arrays of labels, found {y[0]!r} and the like.")
    if first.ndim == 1:
        offsets = offsets_of(lengths) if lengths is not None else _lengths_from_cells([y])
        columns = [_steps_of(name, y, offsets)]
        return Labels(columns, "steps", len(y), offsets, True)
    if first.ndim != 2 or first.shape[1] == 0:
        raise ValueError(f"y must be a list of (T_i, K) arrays, found one of shape {first.shape}.")
    n_tasks = first.shape[1]
    if lengths is None:
        lengths = np.array([1 if array is None else len(array) for array in arrays])
    for row, array in enumerate(arrays):
        if array is None:
            arrays[row] = np.full((lengths[row], n_tasks), None, dtype=object)
        elif array.shape != (lengths[row], n_tasks):
            raise ValueError(
                f"y must be a list of (T_i, {n_tasks}) arrays, each as long as its sequence; row "
                f"{row} (sequence of {lengths[row]} time steps) has shape {array.shape}."
            )
    flat = join_labels(arrays)
    columns = [make_column(task, flat[:, task], True) for task in range(n_tasks)]
    return Labels(columns, "steps", len(y), offsets_of(lengths))


def assemble(labels, columns, per_step, offsets, index=None, names=None):
    """Put one flat column a task into the layout of y: the way back of `read_labels`.

    Parameters
    ----------
    labels : Labels
        Gives the layout; its own values are not used.
    columns : list of ndarray, each of shape (n_samples,) or (sum_T,)
        The new values, in the order of the tasks.
    per_step : list of bool
        Which of them are per time step.
    offsets : ndarray of shape (n_samples + 1,)
        Where the time steps of each sample start.
    index : pandas.Index, default=None
        Sample index of a DataFrame.
    names : list, default=None
        The tasks' names. None: those of ``labels``.

    Returns
    -------
    ndarray, DataFrame or list of ndarray
    """
    names = labels.names if names is None else names
    n_samples = len(offsets) - 1
    if labels.layout == "3d" or (labels.layout == "steps" and not labels.flat):
        table = np.column_stack([column.astype(_common(columns)) for column in columns])
        return split_steps(table, offsets, as_array=labels.layout == "3d")
    if labels.layout == "steps":
        return split_steps(columns[0], offsets)
    if labels.layout == "1d":
        return split_steps(columns[0], offsets) if per_step[0] else columns[0]
    cells = []
    for column, steps in zip(columns, per_step, strict=True):
        if steps:
            boxed = np.empty(n_samples, dtype=object)
            boxed[:] = split_steps(column, offsets)
            column = boxed
        cells.append(column)
    if labels.layout == "frame":
        frame = dict(zip(range(len(cells)), cells, strict=True))  # names may be of any type
        frame = pd.DataFrame(frame, index=index)
        frame.columns = pd.Index(names)
        return frame
    table = np.empty((n_samples, len(cells)), dtype=_common(cells))
    for k, column in enumerate(cells):
        table[:, k] = column
    return table


def split_steps(values, offsets, as_array=False):
    """Cut values of all time steps into one array a sample.

    With ``as_array`` and equal lengths they come as one array ``(n, T, ...)``.
    """
    lengths = np.diff(offsets)
    if as_array and len(lengths) and (lengths == lengths[0]).all():
        return values.reshape(len(lengths), lengths[0], *values.shape[1:])
    return np.split(values, offsets[1:-1])


def _common(columns):
    """The dtype that holds all columns: numbers if all are, else objects."""
    kinds = {column.dtype.kind for column in columns}
    if len(columns) == 1 or kinds <= set("iuf") or kinds == {"b"}:
        return np.result_type(*columns)
    return np.dtype(object)
