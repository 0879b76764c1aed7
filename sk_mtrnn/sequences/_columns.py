"""One task's labels as a column: their type, and which of them are missing."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Column:
    """The labels of one task.

    Attributes
    ----------
    name : hashable
        The task's name, or its column index where y has no names.
    values : ndarray of shape (n_samples,) or (sum_T,)
        One entry a sample, or one a time step; without meaning where ``missing`` is True.
    missing : ndarray of bool, same shape
        Which entries carry no label.
    per_step : bool or None
        Whether the entries are time steps; None where nothing tells (no label at all).
    """

    name: object
    values: np.ndarray
    missing: np.ndarray
    per_step: bool | None

    def renamed(self, name):
        """The same labels under another name."""
        return replace(self, name=name)

    @property
    def labelled(self):
        """The entries that carry a label."""
        return self.values[~self.missing]


def as_objects_if_extension(series):
    """A pandas column as an array; an extension type as objects, so that NA stays NA."""
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    return (
        series.to_numpy(dtype=object, na_value=None)
        if series.hasnans
        else np.array(series.tolist(), dtype=object)
    )


def unmasked(values):
    """Masked entries of a masked array as None; what is no masked array stays as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    objects = np.array(values.data, dtype=object)
    objects[np.ma.getmaskarray(values)] = None
    return objects


def settle(values):
    """Objects as the numbers or booleans they are, where all labelled ones are."""
    if values.dtype != object:
        return values
    flat = values.ravel()
    missing = pd.isna(flat)
    kind = pd.api.types.infer_dtype(flat[~missing], skipna=False)
    if kind == "boolean" and not missing.any():
        return values.astype(bool)
    if kind == "integer" and not missing.any():
        try:
            return values.astype(np.int64)
        except OverflowError:
            return values
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        settled = np.full(flat.shape, np.nan)
        settled[~missing] = flat[~missing].astype(np.float64)
        return settled.reshape(values.shape)
    return values


def make_column(name, values, per_step):
    """Settle the dtype of one task's labels, and find the missing ones."""
    values = np.asarray(values)
    if values.dtype == object:
        missing = pd.isna(values)
        kind = pd.api.types.infer_dtype(values[~missing], skipna=False)
        if kind == "boolean":
            filled = np.zeros(len(values), dtype=bool)
        elif kind == "integer":
            filled = np.zeros(len(values), dtype=np.int64)
        elif kind in ("floating", "mixed-integer-float", "decimal"):
            filled = np.zeros(len(values))
        elif kind in ("string", "empty"):
            filled = np.full(len(values), "", dtype=object)
        else:
            raise ValueError(
                f"y must hold labels of one type within a task, found {kind} (unknown label type) "
                f"in task {name!r}."
            )
        try:
            filled[~missing] = values[~missing]
        except OverflowError as error:
            raise ValueError(f"y holds an integer too large in task {name!r}.") from error
        values = filled
    elif values.dtype.kind in "US":
        missing = np.zeros(len(values), dtype=bool)
        values = values.astype(object)
    elif values.dtype.kind in "biuf":
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    elif values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported, found it in y, task {name!r}.")
    else:
        raise ValueError(
            f"y must hold numbers, strings or booleans, found {values.dtype} (unknown label type) "
            f"in task {name!r}."
        )
    unknown = not per_step and missing.all()  # no label tells that it is one a sequence
    return Column(name, values, missing, None if unknown else per_step)


def is_missing(cell):
    return cell is None or (pd.api.types.is_scalar(cell) and pd.isna(cell))


def array_cells(cells):
    """Which cells are arrays (1-D or more) rather than labels."""
    flat = cells.ravel()
    boxes = (list, tuple, pd.Series)
    found = np.fromiter((getattr(c, "ndim", 0) > 0 or isinstance(c, boxes) for c in flat), bool)
    return found.reshape(cells.shape)


def join_labels(parts):
    """Concatenate labels; as objects where their kinds differ, so that none changes its type."""
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1 and kinds - set("iuf"):
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)
