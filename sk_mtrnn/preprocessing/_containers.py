"""What the transformers of this room share: the container kept, channels found, input named."""

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
        Which outputs hold codes of categories; marked in a `Ragged`, and in a DataFrame with a
        (sample, time) index, whose columns of them are of dtype "category".
    """
    if isinstance(X, Ragged):
        return X.with_values(rows, names, categorical)
    if isinstance(X, pd.DataFrame) and X.index.nlevels == 2:
        restored = np.empty_like(rows)
        restored[packed_rows(X)] = rows
        return as_panel(restored, X.index, names, categorical, X)
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


def as_panel(values, index, names, categorical, X):
    """A DataFrame like X, whose channels of categories are columns of dtype "category"."""
    frame = pd.DataFrame(values, index=index, columns=names)
    if categorical is None or not categorical.any():
        return frame
    columns = [
        _as_category(column, X) if is_code else column
        for (_, column), is_code in zip(frame.items(), categorical, strict=True)
    ]
    return pd.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def _as_category(column, X):
    """Codes as categories: those that the column has in X, or else those that occur."""
    present = np.unique(column.dropna())
    if list(X.columns).count(column.name) == 1:
        dtype = X[column.name].dtype
        if isinstance(dtype, pd.CategoricalDtype) and np.isin(present, dtype.categories).all():
            return column.astype(dtype)
    whole = (present % 1 == 0).all()
    categories = present.astype(np.int64) if whole else present
    return column.astype(pd.CategoricalDtype(categories))


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


def described(value):
    """What a value is, in a few words: of something large, its type and shape."""
    if isinstance(value, Ragged):
        return repr(value)
    if getattr(value, "shape", ()):
        return f"{_article(value)} of shape {value.shape}"
    text = repr(value)
    if len(text) <= 60 and "\n" not in text:
        return text
    size = f" of length {len(value)}" if hasattr(value, "__len__") else ""
    return f"{_article(value)}{size}"


def _article(value):
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"
