"""X in every form people have it, read as Ragged and checked against the fitted estimator."""

import warnings

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import validate_data

from ._numeric import as_numeric, masked_as_nan
from ._ragged import Ragged

_BLOCK = 1 << 16  # rows looked at together where a temporary copy is made


def validate_sequences(estimator, X, *, reset, allow_nan=False):
    """Read X, and record its width on the estimator (reset) or check it against the recorded one.

    The estimator gets ``n_features_in_``, ``feature_names_in_`` where X has names, and
    ``_tabular``: whether X is a table of univariate series, each column one time step. At predict
    the kind that was fitted decides how X is read.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array-like
        Any layout of sequences, or a table.
    reset : bool
        True in ``fit``.
    allow_nan : bool, default=False
        Whether NaN, or a mask, may stand in X.

    Returns
    -------
    Ragged
        A view of X where that is possible.

    Raises
    ------
    ValueError
        If X is sparse, has four dimensions or more, is empty or holds an empty sequence, has
        sequences of different width or another width than at fit, an infinity or (unless allowed)
        NaN.
    """
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        if not allow_nan:
            raise ValueError("X must not be masked, found a masked array with masked entries.")
        X = masked_as_nan(X)
    if isinstance(X, dict) and not sparse.issparse(X):  # a dok_array may be one
        raise ValueError(
            "X must hold sequences, in an array, a list, a Ragged or a DataFrame, found a dict; "
            "list(X.values()) is the list of what it holds."
        )
    sequences = None if not reset and estimator._tabular else _as_sequences(X)
    if not reset and not estimator._tabular and sequences is None:
        sequences = _rows_as_sequences(X, estimator)
    if sequences is not None:
        if len(sequences) == 0:
            raise ValueError("X must hold at least one sequence, found 0 samples.")
        if sequences.n_features == 0:
            raise ValueError("X must have at least one feature a time step, found 0 features.")
        check_finite(sequences, allow_nan)
        _check_width(estimator, sequences, reset)
        estimator._tabular = False
        return sequences
    index = X.index if isinstance(X, pd.DataFrame) else None
    if reset and index is not None:
        _check_is_table(X)
    _refuse_dates(X)
    table = validate_data(
        estimator,
        _na_as_nan(X if reset else _as_table(X, estimator)),
        reset=reset,
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
    )
    n_samples, n_timesteps = table.shape
    estimator._tabular = True
    series = Ragged(table.reshape(-1, 1), np.arange(n_samples + 1) * n_timesteps, index=index)
    check_finite(series, allow_nan)
    return series


def _check_is_table(frame):
    """Refuse or remark on a DataFrame that is hardly meant as one univariate series a row."""
    if frame.index.nlevels > 2:
        raise ValueError(
            "X must have the index levels (sample, time), or be a table with one series a row, "
            f"found a DataFrame with the {frame.index.nlevels} levels {list(frame.index.names)}."
        )
    for name, column in frame.items():
        if pd.api.types.infer_dtype(column) in ("string", "mixed"):
            raise ValueError(
                f"X must be numeric, found {column.dtype} in column {name!r}. A long table of "
                "steps needs an index of (sample, time), as set_index([sample, time]) gives it, "
                "and one of single events sk_mtrnn.preprocessing.from_events."
            )
    if isinstance(frame.index, pd.DatetimeIndex) and len(frame) > 1:
        n_series, n_steps = frame.shape
        warnings.warn(
            f"X, a DataFrame with a DatetimeIndex, is read as a table: {n_series} univariate "
            f"series of {n_steps} steps, one a row. If its rows are the steps of one long series, "
            "sk_mtrnn.preprocessing.SlidingWindow cuts it into samples, and [X] is one sample.",
            UserWarning,
            stacklevel=5,
        )


def _refuse_dates(table):
    """Refuse a table of dates, which scikit-learn would read as whole numbers, NaT as one too."""
    dtypes = table.dtypes if isinstance(table, pd.DataFrame) else [getattr(table, "dtype", None)]
    for dtype in dtypes:
        if getattr(dtype, "kind", "") in ("m", "M"):
            raise ValueError(
                f"X must be numeric, found a table of {dtype}. A table is one channel, each column "
                "a time step; channels beside others need sequences, where dates are seconds."
            )


def _as_sequences(X):
    """Read X as sequences; None if it is a table (or for scikit-learn's checks to refuse)."""
    if isinstance(X, Ragged):
        return X
    if sparse.issparse(X):
        return None
    if isinstance(X, pd.DataFrame):
        return Ragged.from_panel(X) if X.index.nlevels == 2 else None
    index = None
    if isinstance(X, pd.Series):
        if X.dtype != object:
            return None
        X, index = list(X), X.index
    elif not isinstance(X, (list, tuple)):
        array = np.asarray(X)
        if array.ndim >= 3:
            return Ragged.from_padded(array)
        if array.ndim != 1 or array.dtype != object:
            return None
        X = list(array)
    if len(X) == 0:
        raise ValueError("X must hold at least one sequence, found 0 samples.")
    for sequence in X:
        if sparse.issparse(sequence):
            raise ValueError("Sparse X is not supported, found a list that holds sparse sequences.")
    if any(
        isinstance(x, (str, bytes)) or not hasattr(x, "__len__") or np.ndim(x) == 0
        for x in _peek(X)
    ):
        return None
    numbers = all(isinstance(x, (list, tuple)) for x in X) and not _nested(X)
    if numbers and len({len(x) for x in X}) == 1:
        return None  # rows of equal length: a table
    return Ragged.from_list(X, index=index)


def _peek(X):
    """Cells as they are, but without asking numpy for the shape of ragged lists."""
    return (
        0 if np.isscalar(x) or x is None else [0] if isinstance(x, (list, tuple)) else x for x in X
    )


def _nested(X):
    return any(hasattr(step, "__len__") and not isinstance(step, str) for x in X for step in x[:1])


def _rows_as_sequences(X, estimator):
    """A table given to an estimator that was fitted on sequences: each row one of them."""
    if sparse.issparse(X):
        raise ValueError(
            "Sparse X is not supported: X must be dense sequences, found a sparse container."
        )
    if isinstance(X, pd.DataFrame):
        table, index = as_numeric(X.to_numpy()), X.index
    else:
        table, index = as_numeric(X), None
    if table.ndim != 2 or estimator.n_features_in_ != 1:
        raise ValueError(
            "X must be sequences, shape (n_samples, n_timesteps, n_features) or a list of "
            f"(T_i, n_features) arrays with n_features={estimator.n_features_in_} as in fit, found "
            f"shape {table.shape}."
        )
    sequences = Ragged.from_padded(table)
    return Ragged(sequences.values, sequences.offsets, index=index)


def _as_table(X, estimator):
    """Sequences given to an estimator that was fitted on a table: one row each."""
    if isinstance(X, Ragged):
        if X.n_features != 1 or not X.equal_length:
            raise ValueError(
                f"X must be a table of {estimator.n_features_in_} columns as in fit, found {X!r}."
            )
        return X.values.reshape(len(X), -1)
    if isinstance(X, pd.Series) and X.dtype == object:
        return list(X)
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object and len(X):
        return list(X)
    return X


def _na_as_nan(table):
    """NA among lists and objects as NaN; scikit-learn knows it in DataFrames alone."""
    if isinstance(table, (list, tuple)):
        rows = [row for row in table if isinstance(row, (list, tuple))]
        if not any(cell is pd.NA for row in rows for cell in row):
            return table
        table = np.array(table, dtype=object)
    if isinstance(table, np.ndarray) and table.dtype == object and table.ndim == 2:
        return np.where(pd.isna(table), np.nan, table)
    return table


def check_finite(sequences, allow_nan=False):
    """Refuse infinity, and NaN unless allowed, naming the first sample and feature that holds it.

    Parameters
    ----------
    sequences : Ragged
    allow_nan : bool, default=False

    Raises
    ------
    ValueError
    """
    for start in range(0, len(sequences.values), _BLOCK):
        block = sequences.values[start : start + _BLOCK]
        bad = np.isinf(block) if allow_nan else ~np.isfinite(block)
        if bad.any():
            row, feature = (int(i[0]) for i in np.nonzero(bad))
            sample = int(np.searchsorted(sequences.offsets, start + row, side="right")) - 1
            what = "NaN" if np.isnan(block[row, feature]) else "infinity"
            named = sequences.feature_names
            feature = feature if named is None else named[feature]
            hint = " An estimator takes holes with missing='forward' or another way."
            raise ValueError(
                f"Input X contains {what}: sample {sample}, time step "
                f"{start + row - sequences.offsets[sample]}, feature {feature!r}. X must be finite."
                f"{hint if what == 'NaN' else ''}"
            )


def _check_width(estimator, sequences, reset):
    names = sequences.feature_names
    if names is not None and not all(isinstance(name, str) for name in names):
        names = None
    if reset:
        estimator.n_features_in_ = sequences.n_features
        if names is not None:
            estimator.feature_names_in_ = names
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return
    if sequences.n_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {sequences.n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input.{_other_names(estimator, names)}"
        )
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None and names is not None and list(fitted) != list(names):
        raise ValueError(
            "The feature names should match those that were passed during fit: expected "
            f"{list(fitted)}, found {list(names)}.{_other_names(estimator, names)}"
        )


def _other_names(estimator, names):
    """What a message says of features that are too many or too few, where both have names."""
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is None or names is None:
        return ""
    more = [name for name in names if name not in set(fitted)]
    less = [name for name in fitted if name not in set(names)]
    if not more and not less:
        return " The order differs."
    return "".join(
        f" {kind}: {part}." for kind, part in (("Unknown", more), ("Missing", less)) if part
    )


def row_blocks(sequences):
    """Slices over the rows of a Ragged, each small enough for a temporary copy."""
    for start in range(0, len(sequences.values), _BLOCK):
        yield slice(start, min(start + _BLOCK, len(sequences.values)))


_BY_NAME = "y.loc[...] with the samples of X brings them into line."


def check_same_order(index, y, name="y", cure=_BY_NAME):
    """Refuse labels whose index holds the samples of X in another order.

    A panel keeps its samples in order of appearance, where ``groupby`` sorts them; rows are matched
    by position, so that nobody would notice.

    Parameters
    ----------
    index : pandas.Index or None
        Samples of X.
    y : object
        Labels; checked if it is a DataFrame or a Series.
    name : str, default="y"
        What the message calls it.
    cure : str
        What the message advises.

    Raises
    ------
    ValueError
    """
    other = getattr(y, "index", None)
    if not isinstance(index, pd.Index) or not isinstance(other, pd.Index):
        return
    if isinstance(other, pd.RangeIndex) or len(index) != len(other) or index.equals(other):
        return  # a RangeIndex names nothing
    # as objects, since `equals` minds the dtype; what is missing in both is the same
    ours, theirs = index.astype(object), other.astype(object)
    missing = [pd.isna(names.to_numpy()) for names in (ours, theirs)]
    differs = (ours != theirs) & ~np.logical_and(*missing)
    if differs.any() and index.is_unique and len(ours.difference(theirs)) == 0:
        sample = int(np.argmax(differs))
        raise ValueError(
            f"{name} must hold the samples in the order of X, but its index has the same samples "
            f"in another one: in row {sample} X has {index[sample]} and {name} {other[sample]}. "
            f"{cure}"
        )
