"""A scikit-learn transformer, applied to every time step of every sequence."""

from copy import copy

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..sequences import validate_sequences
from ._containers import repack


def _inverts(self):
    return hasattr(getattr(self, "transformer_", self.transformer), "inverse_transform")


class SequenceTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Apply a transformer to the time steps of sequences, in whatever container they come.

    With φ the transformer, fitted on the rows x_it of all time steps t of all sequences i, sequence
    i becomes φ(x_i1), ..., φ(x_iT_i): its length stays, its features are those φ gives. Channels
    that X marks as categories are kept from φ: they go by as they are, and stand behind what φ
    gives.

    Parameters
    ----------
    transformer : transformer
        Any scikit-learn transformer that keeps the number of rows and needs no y. It is cloned, its
        parameters are searched as ``sequencetransformer__transformer__...``. Sparse output is made
        dense.

    Attributes
    ----------
    transformer_ : transformer
        The fitted clone. It saw a DataFrame if the features have names, so that a
        ``ColumnTransformer`` can pick them by name; else an array.
    n_features_in_ : int
        Width of a time step; for a table, the number of its columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features, or is a DataFrame that names its columns.

    Notes
    -----
    The container stays what it was: 3-D array, list of arrays (also from a tuple), array or Series
    of objects, `Ragged`, or DataFrame with a (sample, time) index, rows in the order given. A
    `Ragged` and such a DataFrame carry the new feature names. A sequence given 1-D stays so while
    it has one feature.

    A table, each column one time step of a univariate series, stays a table (a DataFrame with its
    index and columns) if the transformer gives one column; with k columns it becomes an array of
    shape (n_samples, n_timesteps, k). All its columns are scaled alike, being one feature.

    A `Ragged` marks channels of categories, as that of `TokenEncoder` or `Concatenate` does, and a
    DataFrame with a (sample, time) index by the dtype "category", whose categories are codes, no
    symbols; both keep names and marks. Codes
    have neither mean nor variance: scaled, they would be other categories, or none. Which channels
    are marked is settled in `fit`. For a transformer that is to see codes, such as a
    ``OneHotEncoder``, leave them unmarked, and pick them by a ``ColumnTransformer``.

    ``set_output`` changes nothing: what comes out is decided by what goes in.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_mtrnn.preprocessing import SequenceTransformer
    >>> X = [np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[2.0, 20.0]])]
    >>> first, second = SequenceTransformer(StandardScaler()).fit_transform(X)
    >>> first.round(2)
    array([[-1.22, -1.22],
           [ 1.22,  1.22]])
    >>> second
    array([[0., 0.]])
    """

    def __init__(self, transformer):
        self.transformer = transformer

    def fit(self, X, y=None):
        """Fit the transformer on the time steps of all sequences.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)
            In any layout the estimators take.
        y : None
            Ignored: labels belong to sequences or their steps, not to rows.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If ``transformer`` has no ``fit`` or no ``transform``.
        ValueError
            If the transformer needs y or does not keep the number of rows, all channels are marked
            as categories, or X is not valid: see `transform`.
        """
        self._check_transformer()
        sequences = validate_sequences(self, X, reset=True, allow_nan=True)
        marks = sequences.categorical
        self._codes = np.zeros(sequences.n_features, dtype=bool) if marks is None else marks
        if self._codes.all():
            raise ValueError(
                "X must have a channel of numbers to transform, found that all "
                f"{sequences.n_features} are marked as categories."
            )
        self.transformer_ = clone(self.transformer).fit(self._rows(sequences))
        self._n_outputs = self._apply("transform", self._rows(sequences[:1])).shape[1]
        return self

    def transform(self, X):
        """Transform each time step.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)

        Returns
        -------
        sequences
            In the container of X.

        Raises
        ------
        ValueError
            If X is not of the width of ``fit`` or holds an infinity. NaN goes to the transformer,
            which may refuse it.
        """
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False, allow_nan=True)
        rows = self._apply("transform", self._rows(sequences))
        names = None if self._keeps_table else self.get_feature_names_out()
        marks = None
        if self._codes.any():
            codes = sequences.values[:, self._codes]
            marks = np.arange(rows.shape[1] + codes.shape[1]) >= rows.shape[1]
            rows = np.concatenate([rows, codes], axis=1)
        return repack(X, sequences, rows, names, self._tabular, marks)

    @available_if(_inverts)
    def inverse_transform(self, X):
        """Undo the transformation of each time step; only if the transformer can.

        Parameters
        ----------
        X : sequences
            What `transform` gives, in any container.

        Returns
        -------
        sequences
            In the container of X; a table where `fit` had one.

        Raises
        ------
        ValueError
            If X is not of the width that `transform` gives.
        """
        check_is_fitted(self)
        reader = copy(self)  # fitted on what transform gives
        if not self._keeps_table:
            n_codes = int(self._codes.sum())
            reader._tabular, reader.n_features_in_ = False, self._n_outputs + n_codes
            reader.feature_names_in_ = self.get_feature_names_out()
        sequences = validate_sequences(reader, X, reset=False, allow_nan=True)
        rows = self._apply("inverse_transform", sequences.values[:, : self._n_outputs])
        names = None if self._tabular else getattr(self, "feature_names_in_", None)
        marks = None
        if self._codes.any():
            marks, numbers = self._codes, rows
            rows = np.empty((len(numbers), len(marks)), dtype=numbers.dtype)
            rows[:, ~marks] = numbers
            rows[:, marks] = sequences.values[:, self._n_outputs :]
        return repack(X, sequences, rows, names, self._tabular, marks)

    def get_feature_names_out(self, input_features=None):
        """Name the features of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None: ``feature_names_in_``, else ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            One name a feature; where a table stays a table, one a column.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        if self._keeps_table:
            return names
        if self._tabular:
            return self._names_given(None)
        return np.concatenate([self._names_given(names[~self._codes]), names[self._codes]])

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
        if hasattr(self.transformer, "__sklearn_tags__"):
            inner = get_tags(self.transformer)
            tags.input_tags.allow_nan = inner.input_tags.allow_nan
            tags.input_tags.positive_only = inner.input_tags.positive_only
            tags.non_deterministic = inner.non_deterministic
            if inner.transformer_tags is not None:
                tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags

    def _check_transformer(self):
        for method in ("fit", "transform"):
            if not callable(getattr(self.transformer, method, None)):
                raise TypeError(
                    "transformer must be a scikit-learn transformer, with fit and transform, found "
                    f"{self.transformer!r} without {method}."
                )
        tagged = hasattr(self.transformer, "__sklearn_tags__")
        if tagged and get_tags(self.transformer).target_tags.required:
            raise ValueError(
                "transformer must not need y, because a row is a time step and has no label of its "
                f"own, found {self.transformer!r}."
            )

    def _names_given(self, names):
        """What the transformer calls its features."""
        try:
            return self.transformer_.get_feature_names_out(names)
        except AttributeError:  # it, or a step in it, names nothing
            prefix = type(self.transformer_).__name__.lower()
            return np.array([f"{prefix}{i}" for i in range(self._n_outputs)], dtype=object)

    def _rows(self, sequences):
        """The numbers of all time steps, as a DataFrame if the features have names."""
        values = sequences.values
        if self._tabular:
            return values
        if self._codes.any():
            values = values[:, ~self._codes]
        if not hasattr(self, "feature_names_in_"):
            return values
        return pd.DataFrame(values, columns=self.feature_names_in_[~self._codes], copy=False)

    @property
    def _keeps_table(self):
        return self._tabular and self._n_outputs == 1

    def _apply(self, method, rows):
        out = getattr(self.transformer_, method)(rows)
        out = out.toarray() if sparse.issparse(out) else np.asarray(out)
        if out.ndim != 2 or len(out) != len(rows):
            raise ValueError(
                "transformer must give one row for each time step: "
                f"{type(self.transformer_).__name__}.{method} gave shape {out.shape} for "
                f"{len(rows)} time step(s)."
            )
        return out
