"""Static descriptors of the samples as constant channels."""

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..sequences import Ragged, as_numeric, check_same_order, validate_sequences
from ._containers import BaseSequenceTransformer, described, repack


class Concatenate(BaseSequenceTransformer):
    """Put static descriptors of each sample beside its time steps, as constant channels.

    With z_i the descriptors of sample i, step t of its sequence becomes (x_it, z_i).

    Parameters
    ----------
    static : DataFrame of shape (n_known, n_descriptors)
        The descriptors z, one row a sample, looked up by the sample's name, which stands in the
        index. Numbers, booleans (as 0 and 1), or columns of pandas' "category" dtype, whose codes
        become channels of categories where X is a `Ragged`, and columns of that dtype where it is a
        DataFrame with a (sample, time) index. What is missing is a hole.

    Attributes
    ----------
    n_features_in_ : int
        Width of a time step; for a table, the number of its columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features, or is a DataFrame that names its columns.

    Notes
    -----
    A transformer sees X alone, and of X only the samples of a fold. So X must say which samples it
    holds: a `Ragged` or a Series of sequences by its ``index``, a DataFrame with a (sample, time)
    index by the first level, a table by the index of its DataFrame. Splitters keep these, and
    ``static`` may hold more samples than are asked for: in a `Pipeline`, `cross_validate` and
    `GridSearchCV` every fold finds its own rows, shuffled or not. Arrays and lists have no index;
    `concatenate_static` takes them, before they are split.

    The container stays what it was; a table becomes an array of shape (n_samples, n_timesteps, 1 +
    n_descriptors).

    `Resample` first, then concatenate: descriptors would have a hole wherever nothing was observed.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_mtrnn import Ragged
    >>> from sk_mtrnn.preprocessing import Concatenate
    >>> X = Ragged([[36.8], [37.1], [39.0]], [0, 2, 3], ["temp"], pd.Index(["ann", "bob"]))
    >>> static = pd.DataFrame({"age": [71, 64]}, index=["bob", "ann"])
    >>> Concatenate(static).fit_transform(X)[0]
    array([[36.8, 64. ],
           [37.1, 64. ]])
    """

    def __init__(self, static):
        self.static = static

    def fit(self, X, y=None):
        """Check the descriptors; nothing is learned.

        Parameters
        ----------
        X : sequences with a sample index
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If ``static`` is no DataFrame, holds no column, text, an infinity, a sample twice, or a
            name that is a channel of X already; and as `transform`.
        """
        if not isinstance(self.static, pd.DataFrame):
            raise ValueError(
                "static must be a DataFrame, one row a sample, named by its index, found "
                f"{described(self.static)}."
            )
        sequences = validate_sequences(self, X, reset=True, allow_nan=True)
        if not self.static.index.is_unique:
            twice = self.static.index[self.static.index.duplicated()][0]
            raise ValueError(f"static must hold each sample once, found {twice!r} twice.")
        self._descriptors, self._names, self._codes = _read_static(self.static)
        _check_new(self._names, self._channel_names())
        self._look_up(X, sequences)
        return self

    def transform(self, X):
        """Put the descriptors of each sample beside its time steps.

        Parameters
        ----------
        X : sequences with a sample index

        Returns
        -------
        sequences
            In the container of X; see Notes.

        Raises
        ------
        ValueError
            If X has no sample index, ``static`` lacks a sample of it, or X is not of the width of
            ``fit`` or holds an infinity.
        """
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False, allow_nan=True)
        descriptors = self._descriptors[self._look_up(X, sequences)]
        names = self.get_feature_names_out()
        return _beside(X, sequences, descriptors, names, self._tabular, self._codes)

    def get_feature_names_out(self, input_features=None):
        """Name the features of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None: ``feature_names_in_``, else ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            Those of X, a table being one, then the columns of ``static``.
        """
        check_is_fitted(self)
        names = [*self._channel_names(input_features), *self._names]
        return np.array(names, dtype=object)

    def _look_up(self, X, sequences):
        """The row of ``static`` of each sample."""
        index = sequences.index
        if index is None:
            index = getattr(X, "index", None)  # of a Ragged or table read as the other
        if not isinstance(index, pd.Index):
            raise ValueError(
                "X must name its samples, by the index of a Ragged, a Series or a DataFrame, found "
                f"{type(X).__name__} without; concatenate_static goes by position instead."
            )
        if self.static.index.nlevels > index.nlevels:
            raise ValueError(
                "static must have one row a sample, named as in X, found "
                f"{described(self.static)} with an index of {self.static.index.nlevels} levels, as "
                "sequences have: Concatenate(static).fit(sequences)."
            )
        rows = self.static.index.get_indexer(index)
        if (rows < 0).any():
            sample = int(np.argmin(rows))
            raise ValueError(
                f"static must hold every sample of X, found no {index[sample]!r} (sample {sample})."
            )
        return rows


def concatenate_static(X, static):
    """Put static descriptors beside the time steps of sequences, by position.

    Parameters
    ----------
    X : sequences, or a table of shape (n_samples, n_timesteps)
        In any layout the estimators take.
    static : array-like of shape (n_samples, n_descriptors) or DataFrame
        The descriptors, samples in the order of X. Columns of a DataFrame as in `Concatenate`.

    Returns
    -------
    sequences
        In the container of X; a table becomes an array of shape (n_samples, n_timesteps, 1 +
        n_descriptors).

    Raises
    ------
    ValueError
        If ``static`` has not one row for each sample of X, has them in another order by its index,
        or as `Concatenate`.

    See Also
    --------
    Concatenate : The same in a pipeline, by the names of the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import concatenate_static
    >>> concatenate_static([np.array([[1.0], [2.0]]), np.array([[3.0]])], [[60], [70]])
    [array([[ 1., 60.],
           [ 2., 60.]]), array([[ 3., 70.]])]
    """
    if _are_sequences(static, X):
        raise ValueError(
            "static must have shape (n_samples, n_descriptors), found sequences, "
            f"{described(static)}; they come first: concatenate_static(X, static)."
        )
    reader = Concatenate(static)  # reads X, and knows its names
    sequences = validate_sequences(reader, X, reset=True, allow_nan=True)
    check_same_order(sequences.index, static, "static", "Concatenate(static) goes by name.")
    descriptors, names, codes = _read_static(static)
    if len(descriptors) != len(sequences):
        raise ValueError(
            f"static must have one row for each of the {len(sequences)} samples of X, found "
            f"{len(descriptors)}."
        )
    channels = reader._channel_names()
    _check_new(names, channels)
    names = np.array([*channels, *names], dtype=object)
    return _beside(X, sequences, descriptors, names, reader._tabular, codes)


def _are_sequences(static, X):
    """Whether this is a container of sequences, which stand in the place of X."""
    if isinstance(static, Ragged):
        return True
    if isinstance(static, pd.DataFrame):  # pairs may name samples, if they do so in X
        return static.index.nlevels == 2 and getattr(getattr(X, "index", None), "nlevels", 1) == 1
    boxed = isinstance(static, np.ndarray) and static.dtype == object and static.ndim == 1
    if boxed or isinstance(static, (list, tuple, pd.Series)):
        return any(getattr(part, "ndim", 0) == 2 for part in static)
    return np.ndim(static) > 2


def _read_static(static):
    """Descriptors as numbers, their names, and which of them are codes of categories."""
    if not isinstance(static, pd.DataFrame):
        try:
            values = as_numeric(static)
        except ValueError as error:
            raise ValueError(
                "static must be numbers of shape (n_samples, n_descriptors), found "
                f"{described(static)}."
            ) from error
        if values.ndim != 2 or values.shape[1] == 0:
            raise ValueError(
                f"static must have shape (n_samples, n_descriptors), found {values.shape}."
            )
        names = [f"static{k}" for k in range(values.shape[1])]
        codes = np.zeros(len(names), dtype=bool)
    else:
        if static.shape[1] == 0:
            raise ValueError("static must hold at least one column, found none.")
        names = [str(name) for name in static.columns]
        codes = np.array([isinstance(dtype, pd.CategoricalDtype) for dtype in static.dtypes])
        columns = [_numbers(static.iloc[:, k]) for k in range(static.shape[1])]
        values = np.column_stack(columns)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise ValueError(f"static must be finite, found infinity in {names[column]!r}, row {row}.")
    return values, names, codes


def _numbers(column):
    """A column as float64, categories as their codes."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy().astype(np.float64)
        codes[codes < 0] = np.nan
        return codes
    try:
        if column.dtype.kind in "mM":  # numpy would read times as numbers
            raise TypeError("not a number")
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"static must hold numbers or columns of dtype 'category', found {column.dtype} in "
            f"column {column.name!r}: {error}"
        ) from error


def _check_new(names, channels):
    """Refuse descriptors that have the name of a channel, or of one another."""
    every = [*channels, *names]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise ValueError(f"static must have names that X has not, each once, found {twice}.")


def _beside(X, sequences, descriptors, names, tabular, codes):
    """The descriptors of each sample repeated beside all its steps, in the container of X."""
    constant = np.repeat(descriptors, sequences.lengths, axis=0)
    rows = np.concatenate([sequences.values, constant.astype(sequences.dtype)], axis=1)
    marks = sequences.categorical
    if marks is not None or codes.any():
        of_steps = np.zeros(sequences.n_features, dtype=bool) if marks is None else marks
        marks = np.concatenate([of_steps, codes])
    return repack(X, sequences, rows, names, tabular, marks)
