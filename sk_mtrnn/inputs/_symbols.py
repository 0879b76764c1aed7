"""Columns of DataFrames that hold symbols (categories, strings), read as codes."""

import numpy as np
import pandas as pd

from ..sequences import Ragged, check_same_columns, numeric_columns, offsets_of
from ._channels import categorical_mask

_UNSEEN = 2.0**52  # a code that is none of training's, exact in any float


class SymbolColumns:
    """Codes for the symbols in categorical columns of DataFrames, learned once.

    Parameters
    ----------
    categorical_features
        As in the estimators.

    Attributes
    ----------
    chosen : list
        Categorical columns of the DataFrames of `fit`.
    symbols : dict of column to pandas.Index
        For those of them that do not hold numbers: symbol i has code i. Of a categorical dtype all
        categories, in their order; else what occurs, sorted.
    """

    def __init__(self, categorical_features):
        self.categorical_features = categorical_features
        self.chosen = []
        self.symbols = {}

    def read(self, X, learn):
        """Read DataFrames, a panel or a list of them, as a Ragged of numbers and codes.

        Parameters
        ----------
        X : object
            What is no DataFrame, and no list of them, stays as it is.
        learn : bool
            Whether to learn columns and symbols of X first.

        Returns
        -------
        object

        Raises
        ------
        ValueError
            If ``categorical_features`` names a column that is not there.
        """
        if learn:
            self.chosen, self.symbols = [], {}
        panel = isinstance(X, pd.DataFrame) and X.index.nlevels == 2
        if self.categorical_features is None or not (panel or _are_frames(X)):
            return X  # columns of a categorical dtype that hold numbers mark themselves
        frames = [X] if panel else list(X)
        columns = list(frames[0].columns)
        check_same_columns(frames, columns)
        if len(set(columns)) < len(columns):
            return X  # the reader of sequences has its own words for these
        if learn:
            self._learn(frames, columns)
        if not set(self.chosen) & set(columns):
            return X
        coded = self._coded(pd.concat(frames) if len(frames) > 1 else frames[0])
        mask = np.isin(np.array(columns, dtype=object), np.array(self.chosen, dtype=object))
        if panel:
            sequences = Ragged.from_panel(coded)
            return sequences.with_values(sequences.values, columns, mask)
        index = X.index if isinstance(X, pd.Series) else None
        offsets = offsets_of([len(frame) for frame in frames])
        return Ragged(numeric_columns(coded), offsets, columns, index, mask)

    def _learn(self, frames, columns):
        marked = [any(_is_category(frame[column]) for frame in frames) for column in columns]
        marked = np.array(marked, dtype=bool)
        mask = categorical_mask(self.categorical_features, columns, marked)
        self.chosen = [column for column, chosen in zip(columns, mask, strict=True) if chosen]
        for column in self.chosen:
            parts = [frame[column] for frame in frames]
            if not all(map(_holds_numbers, parts)):
                self.symbols[column] = _symbols(parts)

    def _coded(self, frame):
        """A DataFrame with codes for symbols; NaN stays."""
        frame = frame.copy()
        for column, symbols in self.symbols.items():
            if column in frame:
                values = frame[column].astype(object)
                codes = symbols.get_indexer(pd.Index(values, dtype=object)).astype(float)
                codes[codes < 0] = _UNSEEN
                codes[values.isna().to_numpy()] = np.nan
                frame[column] = codes
        return frame


def _are_frames(X):
    boxes = isinstance(X, (list, tuple)) or (isinstance(X, pd.Series) and X.dtype == object)
    boxes = boxes or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    return boxes and len(X) > 0 and all(isinstance(x, pd.DataFrame) for x in X)


def _is_category(column):
    return isinstance(column.dtype, pd.CategoricalDtype)


def _holds_numbers(column):
    dtype = column.cat.categories.dtype if _is_category(column) else column.dtype
    return pd.api.types.is_numeric_dtype(dtype)


def _symbols(parts):
    """The symbols of a column: categories in their order, or else what occurs, sorted."""
    if all(map(_is_category, parts)):
        known = [pd.Series(part.cat.categories.astype(object)) for part in parts]
        return pd.Index(pd.concat(known).unique(), dtype=object)
    found = pd.concat([part.astype(object).dropna() for part in parts]).unique()
    try:
        return pd.Index(np.sort(found.astype(object)), dtype=object)
    except TypeError:  # of several kinds
        return pd.Index(sorted(found, key=lambda s: (str(type(s)), str(s))), dtype=object)
