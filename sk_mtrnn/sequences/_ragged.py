"""The packed container every form of sequences becomes."""

import numbers

import numpy as np
import pandas as pd

from ._numeric import (
    as_numeric,
    check_same_columns,
    check_same_names,
    numeric_columns,
    offsets_of,
)
from ._panel import read_panel


class Ragged:
    """Sequences of any length, stored end to end.

    Sample ``i`` is ``values[offsets[i]:offsets[i + 1]]``, an array of shape ``(T_i, n_features)``.
    Nothing is padded. It indexes like a one-dimensional array of sequences (integer, slice, mask,
    array of indices, and ``[indices, ...]``), so scikit-learn's splitters work on it as it is.

    Parameters
    ----------
    values : array-like of shape (sum_T, n_features) or (sum_T,)
        The time steps of all sequences, one sequence after another. A 1-D array is one feature.
        Dates become seconds since 1970 in UTC, time differences seconds; NaT, NA and what is masked
        become NaN. All this holds for every layout of sequences.
    offsets : array-like of int, shape (n_samples + 1,)
        Where each sequence starts, and at last where the last one ends. No sequence is empty.
    feature_names : sequence of str, default=None
        Names of the features.
    index : pandas.Index or array-like of length n_samples, default=None
        Names of the samples; predictions that are pandas objects carry it.
    categorical : array-like of bool, shape (n_features,), default=None
        Which features hold codes of categories, integers from 0 on, rather than numbers. The
        estimators read them as categories. None: none does.

    Attributes
    ----------
    lengths : ndarray of int, shape (n_samples,)
        The number of time steps of each sequence.
    shape : tuple
        ``(n_samples,)``.
    n_features : int
        Width of each time step.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import Ragged
    >>> X = Ragged.from_list([np.ones((3, 2)), np.zeros((5, 2))])
    >>> X
    Ragged(n_samples=2, n_features=2, lengths 3..5, float64)
    >>> X[1].shape
    (5, 2)
    >>> X[[1, 1, 0]].lengths
    array([5, 5, 3])
    """

    ndim = 1

    def __init__(self, values, offsets, feature_names=None, index=None, categorical=None):
        values = as_numeric(values)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2:
            raise ValueError(f"values must have shape (sum_T, n_features), found {values.shape}.")
        given = np.asarray(offsets)
        if given.ndim != 1 or len(given) < 1 or not np.issubdtype(given.dtype, np.integer):
            raise ValueError(
                "offsets must be a 1-D array of n_samples + 1 integers, found "
                f"shape {given.shape} of {given.dtype}."
            )
        offsets = given.astype(np.int64, copy=False)
        if offsets[0] != 0 or offsets[-1] != len(values):
            raise ValueError(
                f"offsets must run from 0 to the number of rows of values ({len(values)}), "
                f"found {offsets[0]} to {offsets[-1]}."
            )
        lengths = np.diff(offsets)
        if (lengths < 1).any():
            sample = int(np.argmax(lengths < 1))
            raise ValueError(
                "Every sequence must hold at least one time step, found "
                f"{max(int(lengths[sample]), 0)} in sample {sample} (an empty sequence)."
            )
        if feature_names is not None:
            given = list(feature_names)
            if len(given) != values.shape[1]:
                raise ValueError(
                    f"feature_names must name {values.shape[1]} features, found {len(given)}."
                )
            feature_names = np.empty(len(given), dtype=object)
            feature_names[:] = given  # names that are tuples stay whole
        if categorical is not None:
            categorical = np.asarray(categorical)
            if categorical.shape != (values.shape[1],) or categorical.dtype != bool:
                raise ValueError(
                    f"categorical must be {values.shape[1]} booleans, found shape "
                    f"{categorical.shape} of {categorical.dtype}."
                )
        if index is not None:
            index = pd.Index(index)
            if len(index) != len(lengths):
                raise ValueError(f"index must name {len(lengths)} samples, found {len(index)}.")
        self.values = values
        self.offsets = offsets
        self.lengths = lengths
        self.feature_names = feature_names
        self.index = index
        self.categorical = categorical

    @property
    def shape(self):
        return (len(self.lengths),)

    @property
    def n_features(self):
        return self.values.shape[1]

    @property
    def dtype(self):
        return self.values.dtype

    @property
    def equal_length(self):
        """Whether all sequences have the same number of time steps."""
        return len(self) > 0 and bool((self.lengths == self.lengths[0]).all())

    def __len__(self):
        return len(self.lengths)

    def __iter__(self):
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            yield self.values[start:stop]

    def __repr__(self):
        span = f", lengths {self.lengths.min()}..{self.lengths.max()}" if len(self) else ""
        return f"Ragged(n_samples={len(self)}, n_features={self.n_features}{span}, {self.dtype})"

    def __array__(self, dtype=None, copy=None):
        if dtype is not None and np.dtype(dtype) != object:
            raise TypeError(
                "A Ragged has no rectangular array form; to_padded() makes one, and "
                "dtype=object gives an array of sequences."
            )
        sequences = np.empty(len(self), dtype=object)
        sequences[:] = list(self)
        return sequences

    def __getitem__(self, key):
        if isinstance(key, tuple):  # scikit-learn indexes arrays with [indices, ...]
            if len(key) == 0 or any(part is not Ellipsis for part in key[1:]):
                raise IndexError("A Ragged is indexed by samples only.")
            key = key[0]
        if key is Ellipsis:
            return self
        if isinstance(key, numbers.Integral) and not isinstance(key, (bool, np.bool_)):
            sample = range(len(self))[key]
            return self.values[self.offsets[sample] : self.offsets[sample + 1]]
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:  # neighbours stay neighbours: a view, not a copy
                stop = max(start, stop)
                rows = slice(self.offsets[start], self.offsets[stop])
                offsets = self.offsets[start : stop + 1] - self.offsets[start]
                return self._with(self.values[rows], offsets, slice(start, stop))
            samples = np.arange(start, stop, step)
        else:
            samples = np.asarray(key)
            if samples.dtype == bool:
                if samples.shape != self.shape:
                    raise IndexError(
                        f"A mask must have shape {self.shape}, found shape {samples.shape}."
                    )
                samples = np.flatnonzero(samples)
            elif samples.ndim != 1 or (
                samples.size and not np.issubdtype(samples.dtype, np.integer)
            ):
                raise IndexError(
                    "A Ragged is indexed by an integer, a slice, a mask or a 1-D array of "
                    f"indices, found {key!r}."
                )
            samples = samples.astype(np.int64)
            if samples.size and (samples.min() < -len(self) or samples.max() >= len(self)):
                raise IndexError(f"A sample index is out of bounds for {len(self)} samples.")
            samples = np.where(samples < 0, samples + len(self), samples)
        lengths = self.lengths[samples]
        offsets = offsets_of(lengths)
        rows = np.arange(offsets[-1]) + np.repeat(
            self.offsets[:-1][samples] - offsets[:-1], lengths
        )
        return self._with(self.values[rows], offsets, samples)

    def _with(self, values, offsets, samples):
        index = None if self.index is None else self.index[samples]
        return Ragged(values, offsets, self.feature_names, index, self.categorical)

    def with_values(self, values, feature_names=None, categorical=None):
        """Return the same sequences with other values at each time step.

        Parameters
        ----------
        values : array-like of shape (sum_T, n_features_new)
            One row for each row of ``self.values``.
        feature_names : sequence of str, default=None
            Names of the new features.
        categorical : array-like of bool, default=None
            Which of them hold codes of categories.

        Returns
        -------
        Ragged
            With the offsets and sample index of this one.
        """
        return Ragged(values, self.offsets, feature_names, self.index, categorical)

    @classmethod
    def from_list(cls, sequences, feature_names=None, index=None):
        """Pack a list of sequences.

        Parameters
        ----------
        sequences : iterable of array-likes, each of shape (T_i, n_features) or (T_i,)
            1-D sequences are univariate. DataFrames name the features by their columns, and mark
            those of dtype "category".
        feature_names, index
            As in the constructor.

        Returns
        -------
        Ragged

        Raises
        ------
        ValueError
            If a sequence is empty, not numeric, neither 1-D nor 2-D, or of another width than the
            first; the message names it.
        """
        sequences = list(sequences)
        arrays, marks = [], None
        if sequences and isinstance(sequences[0], pd.DataFrame) and feature_names is None:
            feature_names = list(sequences[0].columns)
        if feature_names is not None:
            check_same_columns(sequences, list(feature_names))
        for sample, sequence in enumerate(sequences):
            if isinstance(sequence, pd.DataFrame):
                found = [isinstance(dtype, pd.CategoricalDtype) for dtype in sequence.dtypes]
                known = [False] * len(found) if marks is None else marks
                marks = [a or b for a, b in zip(known, found, strict=False)]
                sequence = numeric_columns(sequence)
            array = as_numeric(sequence, where=f" in sample {sample}")
            if array.ndim not in (1, 2):
                raise ValueError(
                    "X must be a list of sequences of shape (T_i, n_features) or (T_i,), found "
                    f"shape {array.shape} in sample {sample}."
                )
            array = array[:, None] if array.ndim == 1 else array
            if len(array) == 0:
                raise ValueError(
                    "Every sequence in X must hold at least one time step, found 0 in sample "
                    f"{sample} (an empty sequence)."
                )
            if arrays and array.shape[1] != arrays[0].shape[1]:
                raise ValueError(
                    "All sequences in X must have the same number of features, found "
                    f"{arrays[0].shape[1]} in sample 0 and {array.shape[1]} in sample {sample}."
                )
            arrays.append(array)
        if not arrays:
            raise ValueError("X must hold at least one sequence, found 0 samples.")
        offsets = offsets_of([len(array) for array in arrays])
        marks = np.array(marks, dtype=bool) if marks and any(marks) else None
        return cls(np.concatenate(arrays), offsets, feature_names, index, marks)

    @classmethod
    def from_padded(cls, X, lengths=None, feature_names=None):
        """Pack a padded array, without its padding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, n_features) or (n_samples, n_timesteps)
            Time on axis 1; a 2-D array is univariate.
        lengths : array-like of int, shape (n_samples,), default=None
            How many of the time steps of each sequence are real. None: all.
        feature_names : sequence of str, default=None
            Names of the features.

        Returns
        -------
        Ragged
            A view of X where it has no padding and lies in one piece.

        Raises
        ------
        ValueError
            If X has another number of axes, or a length lies outside 1..n_timesteps.
        """
        X = as_numeric(X)
        X = X[:, :, None] if X.ndim == 2 else X
        if X.ndim != 3:
            raise ValueError(
                "X must have shape (n_samples, n_timesteps, n_features), found an array of "
                f"{X.ndim} dimensions: {X.shape}."
            )
        n_samples, n_timesteps, n_features = X.shape
        steps = X.reshape(n_samples * n_timesteps, n_features)
        if lengths is None:
            offsets = np.arange(n_samples + 1) * n_timesteps
            return cls(steps, offsets, feature_names)
        lengths = np.asarray(lengths)
        if lengths.shape != (n_samples,) or not np.issubdtype(lengths.dtype, np.integer):
            raise ValueError(
                f"lengths must be {n_samples} integers, found shape {lengths.shape} of "
                f"{lengths.dtype}."
            )
        outside = (lengths < 1) | (lengths > n_timesteps)
        if outside.any():
            sample = int(np.argmax(outside))
            raise ValueError(
                f"lengths must lie in 1..{n_timesteps}, found {lengths[sample]} in sample {sample}."
            )
        real = np.arange(n_timesteps) < lengths[:, None]
        return cls(steps[real.ravel()], offsets_of(lengths), feature_names)

    @classmethod
    def from_panel(cls, frame):
        """Pack a DataFrame whose index holds (sample, time).

        Parameters
        ----------
        frame : pandas.DataFrame with a MultiIndex of two levels
            Samples keep the order of their first appearance; within a sample, rows are sorted by
            time. Columns of dtype "category" are channels of categories, whose categories must be
            numbers, the codes.

        Returns
        -------
        Ragged
            Its ``feature_names`` are the columns, its ``index`` the samples, ``categorical`` the
            columns of dtype "category".

        Raises
        ------
        ValueError
            If the index has not two levels, a (sample, time) pair occurs twice, time stamps are
            text, or a column is not numeric; the message names it.
        """
        return cls(*read_panel(frame))

    @classmethod
    def concatenate(cls, parts):
        """Join several Ragged of equal width, one after another.

        Parameters
        ----------
        parts : sequence of Ragged

        Returns
        -------
        Ragged

        Raises
        ------
        ValueError
            If their widths differ, their feature names where they have some, or which features are
            categorical.
        """
        widths = sorted({part.n_features for part in parts})
        if len(widths) != 1:
            raise ValueError(f"All parts must have the same number of features, found {widths}.")
        named = [part.feature_names for part in parts if part.feature_names is not None]
        check_same_names([list(names) for names in named])
        marks = [
            [] if part.categorical is None else np.flatnonzero(part.categorical).tolist()
            for part in parts
        ]
        if any(mark != marks[0] for mark in marks):
            other = next(mark for mark in marks if mark != marks[0])
            raise ValueError(
                "All parts must have the same categorical features, found those at "
                f"{marks[0]} and {other}."
            )
        offsets = offsets_of(np.concatenate([part.lengths for part in parts]))
        names = named[0] if named else None
        values = np.concatenate([part.values for part in parts])
        return cls(values, offsets, names, categorical=parts[0].categorical)

    def to_padded(self, fill_value=0.0):
        """Unpack to one array, filled up behind each sequence.

        Parameters
        ----------
        fill_value : float, default=0.0
            What stands behind the last step of a sequence.

        Returns
        -------
        ndarray of shape (n_samples, max(lengths), n_features)
        """
        longest = int(self.lengths.max(initial=0))
        padded = np.full((len(self), longest, self.n_features), fill_value, dtype=self.dtype)
        padded[np.arange(longest) < self.lengths[:, None]] = self.values
        return padded
