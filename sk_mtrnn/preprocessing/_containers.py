"""What the transformers of this room share: the container kept, channels found, clocks read."""

import numbers

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from ..sequences import Ragged, split_steps


class BaseSequenceTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Abstract base of transformers that take sequences with holes and keep their container."""

    def set_output(self, *, transform=None):
        """Do nothing: the container of the output is that of the input.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        self
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def _column_names(self, input_features=None):
        """Names of the input channels; of a table, of its columns."""
        return OneToOneFeatureMixin.get_feature_names_out(self, input_features)

    def _channel_names(self, input_features=None):
        """Names of the input channels; a table is one channel."""
        if self._tabular:
            return np.array(["x0"], dtype=object)
        return self._column_names(input_features)


def repack(X, sequences, rows, names, tabular, categorical=None):
    """Put new rows into the container of X.

    Parameters
    ----------
    X : sequences
        As the user gave them.
    sequences : Ragged
        The same, packed.
    rows : ndarray of shape (sum_T, n_outputs)
    names : ndarray of str, shape (n_outputs,) or None
    tabular : bool
        Whether X was read as a table.
    categorical : ndarray of bool, shape (n_outputs,), default=None
        Which outputs hold codes of categories; kept where X is a `Ragged`.
    """
    if isinstance(X, Ragged):
        return X.with_values(rows, names, categorical)
    if isinstance(X, pd.DataFrame) and X.index.nlevels == 2:
        restored = np.empty_like(rows)
        restored[packed_rows(X)] = rows
        return pd.DataFrame(restored, index=X.index, columns=names)
    n_samples, n_outputs = len(sequences), rows.shape[1]
    rectangular = not isinstance(X, (list, tuple, pd.Series)) and np.asarray(X).ndim
    if tabular or rectangular in (2, 3):
        if n_outputs > 1 or (rectangular == 3 and not tabular):
            return rows.reshape(n_samples, -1, n_outputs)
        table = rows.reshape(n_samples, -1)
        if isinstance(X, pd.DataFrame):
            return pd.DataFrame(table, index=X.index, columns=X.columns)
        return table
    return repack_list(X, split_steps(rows, sequences.offsets))


def repack_list(X, parts):
    """Put new sequences, one for each old one, into the list, array or Series of objects X."""
    if parts[0].shape[1] == 1:  # a sequence given as one number a time step stays so
        pairs = zip(parts, list(X), strict=True)
        parts = [part[:, 0] if np.asarray(x).ndim == 1 else part for part, x in pairs]
    if isinstance(X, (list, tuple)):
        return parts
    boxed = np.empty(len(parts), dtype=object)
    boxed[:] = parts
    return pd.Series(boxed, index=X.index, name=X.name) if isinstance(X, pd.Series) else boxed


def packed_rows(frame):
    """For each packed row of a (sample, time) frame, its row in the frame: packing sorts them."""
    numbered = Ragged.from_panel(pd.DataFrame(np.arange(len(frame)), index=frame.index))
    return numbered.values[:, 0].astype(np.int64)


def find_channel(channel, names, parameter):
    """Number of the channel that an index or a name means.

    Parameters
    ----------
    channel : int or str
    names : sequence
        Names of all channels.
    parameter : str
        What the user calls it, for errors.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is none such.
    """
    names = list(names)
    if isinstance(channel, numbers.Integral) and not isinstance(channel, bool):
        if -len(names) <= channel < len(names):
            return int(channel) % len(names)
    elif channel in names:
        return names.index(channel)
    raise ValueError(
        f"{parameter} must name a channel of X, one of {names}, or an index below {len(names)}, "
        f"found {channel!r}."
    )


def check_times(times, offsets, source):
    """Refuse time stamps that are missing or run backwards, naming sample and time step.

    Parameters
    ----------
    times : ndarray of shape (sum_T,)
    offsets : ndarray of shape (n_samples + 1,)
    source : str
        Where they stand, for errors.

    Raises
    ------
    ValueError
    """

    def place(row):
        sample = int(np.searchsorted(offsets, row, side="right")) - 1
        return f"in sample {sample}, time step {row - offsets[sample]}"

    missing = np.isnan(times)
    if missing.any():
        where = place(int(np.argmax(missing)))
        raise ValueError(f"{source} must hold the time stamp of every step, found NaN {where}.")
    backwards = np.diff(times, prepend=times[:1]) < 0
    backwards[offsets[:-1]] = False  # another sequence begins
    if backwards.any():
        row = int(np.argmax(backwards))
        raise ValueError(
            f"{source} must hold time stamps that do not run backwards, found {times[row]} after "
            f"{times[row - 1]} {place(row)}."
        )
