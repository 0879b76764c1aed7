"""Columns of DataFrames that hold symbols (categories, strings), read as codes."""

import numpy as np
import pandas as pd

from ..sequences import Ragged
from ._channels import categorical_mask


class SymbolColumns:
    """Codes for the symbols in categorical columns of DataFrames, learned once.

    Parameters
    ----------
    categorical_features
        As in the estimators.

    Attributes
    ----------
    symbols : dict of column to pandas.Index
        Symbol i has code i; one that training lacked has the number of symbols.
    """

    def __init__(self, categorical_features):
        self.categorical_features = categorical_features
        self.symbols = {}

    def read(self, X, learn):
        """Read DataFrames, a panel or a list of them, as a Ragged of numbers and codes.

        Parameters
        ----------
        X : object
            What is no DataFrame, and no list of them, stays as it is.
        learn : bool
            Whether to learn the symbols of X first.

        Returns
        -------
        object

        Raises
        ------
        ValueError
            If ``categorical_features`` names a column that is not there.
        """
        if learn:
            self.symbols = {}
        panel = isinstance(X, pd.DataFrame) and X.index.nlevels == 2
        if isinstance(X, Ragged) or not (panel or _are_frames(X)):
            return X
        frames = [X] if panel else list(X)
        columns = list(frames[0].columns)
        marked = [isinstance(dtype, pd.CategoricalDtype) for dtype in frames[0].dtypes]
        if self.categorical_features is None or len(set(columns)) < len(columns):
            return X  # as numbers; the reader of sequences has its own words for names given twice
        chosen = categorical_mask(
            self.categorical_features, len(columns), columns, np.array(marked, dtype=bool)
        )
        if not chosen.any():
            return X
        chosen = [column for column, is_chosen in zip(columns, chosen, strict=True) if is_chosen]
        if learn:
            for column in chosen:
                parts = [frame[column] for frame in frames if column in frame]
                if not all(map(_is_numeric, parts)):
                    self.symbols[column] = _symbols(parts)
        coded = [self._coded(frame) for frame in frames]
        sequences = Ragged.from_panel(coded[0]) if panel else Ragged.from_list(coded)
        index = X.index if isinstance(X, pd.Series) else sequences.index
        mask = np.isin(np.array(columns, dtype=object), chosen)
        return Ragged(sequences.values, sequences.offsets, columns, index, mask)

    def _coded(self, frame):
        """A DataFrame with codes for symbols; NaN stays."""
        frame = frame.copy()
        for column, symbols in self.symbols.items():
            if column in frame:
                values = frame[column].astype(object)
                codes = symbols.get_indexer(pd.Index(values, dtype=object)).astype(float)
                codes[codes < 0] = len(symbols)
                codes[values.isna().to_numpy()] = np.nan
                frame[column] = codes
        return frame


def _are_frames(X):
    boxes = isinstance(X, (list, tuple)) or (isinstance(X, pd.Series) and X.dtype == object)
    boxes = boxes or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    return boxes and len(X) > 0 and all(isinstance(x, pd.DataFrame) for x in X)


def _is_numeric(column):
    return pd.api.types.is_numeric_dtype(column.dtype)


def _symbols(parts):
    """The symbols that occur in a column, in the order of the categories or else sorted."""
    found = pd.concat([part.dropna().astype(object) for part in parts])
    if isinstance(parts[0].dtype, pd.CategoricalDtype):
        known = pd.concat([pd.Series(part.cat.categories.astype(object)) for part in parts])
        return pd.Index(known[known.isin(found)].unique(), dtype=object)
    try:
        return pd.Index(np.sort(found.unique().astype(object)), dtype=object)
    except TypeError:  # of several kinds
        return pd.Index(sorted(found.unique(), key=lambda s: (str(type(s)), str(s))), dtype=object)
