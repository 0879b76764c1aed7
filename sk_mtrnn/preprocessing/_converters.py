"""Sequences from and to the containers of sktime and aeon, neither of which is imported."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ..sequences import Ragged, offsets_of, validate_sequences
from ._frames import from_frames, from_nested, is_nested

# what the libraries' own checks accept; all are read, each library's own are written
_SKTIME = ("numpy3D", "df-list", "pd-multiindex", "nested_univ")
_AEON = ("numpy3D", "np-list", "df-list", "pd-multiindex", "numpy2D", "pd-wide")


def from_sktime(X, mtype=None):
    """Read one of sktime's containers of a panel.

    Where sample i has the values x_itc of channel c at time t, the containers hold

    ================  ==============================================================
    "numpy3D"         array of shape (n_samples, n_features, n_timesteps)
    "df-list"         list of DataFrames of shape (T_i, n_features)
    "pd-multiindex"   DataFrame of shape (sum_T, n_features), indexed by (instance, time)
    "nested_univ"     DataFrame of shape (n_samples, n_features), in its cells Series or arrays
                      of length T_i, or in a whole column numbers, which hold at every step
    "np-list"         list of arrays of shape (n_features, T_i); not sktime's, read as aeon's
    ================  ==============================================================

    Parameters
    ----------
    X : sktime container
    mtype : str, default=None
        What X must be. None: any of them.

    Returns
    -------
    Ragged
        Also where all lengths are equal, so that what follows does not depend on the lengths that
        happened to be there, and names are kept: those of the columns as ``feature_names``, those
        of the instances as ``index``, where the container has them.

    Raises
    ------
    ValueError
        If X is none of the containers or not the one named, is empty or holds an empty series, if
        its series differ in their channels, or if the time index of one does not run forwards
        ("pd-multiindex" is sorted instead).

    See Also
    --------
    to_sktime : The way back.
    from_aeon : The same for aeon, whose "df-list" has channels in its rows.

    Notes
    -----
    Times are read for their order only. NaN stays, as a hole. Columns of pandas' "category" dtype
    are channels of categories, which are numbers, the codes.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import from_sktime
    >>> X = np.arange(12.0).reshape(2, 2, 3)  # two samples, two channels, three time steps
    >>> from_sktime(X)[0]
    array([[0., 3.],
           [1., 4.],
           [2., 5.]])
    """
    found = _mtype_of(X, "sktime", (*_SKTIME, "np-list"), mtype)
    return _read(X, found, times_in_rows=True)


def from_aeon(X, mtype=None):
    """Read one of aeon's collections of time series.

    ================  ==============================================================
    "numpy3D"         array of shape (n_samples, n_features, n_timesteps)
    "np-list"         list of arrays of shape (n_features, T_i)
    "df-list"         list of DataFrames of shape (n_features, T_i)
    "pd-multiindex"   DataFrame of shape (sum_T, n_features), indexed by (case, time)
    "numpy2D"         array of shape (n_samples, n_timesteps), one channel
    "pd-wide"         DataFrame of shape (n_samples, n_timesteps), one channel
    "nested_univ"     as in sktime; of aeon before 1.0
    ================  ==============================================================

    Parameters
    ----------
    X : aeon collection
    mtype : str, default=None
        What X must be (aeon's ``input_type``). None: any of them.

    Returns
    -------
    Ragged
        See `from_sktime`.

    Raises
    ------
    ValueError
        If X is none of the collections or not the one named, is empty or holds an empty series, or
        if its series differ in their channels.

    See Also
    --------
    to_aeon : The way back.
    from_sktime : The same for sktime, whose "df-list" has time steps in its rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import from_aeon
    >>> from_aeon([np.zeros((2, 5)), np.ones((2, 3))])  # two channels
    Ragged(n_samples=2, n_features=2, lengths 3..5, float64)
    """
    found = _mtype_of(X, "aeon", (*_AEON, "nested_univ"), mtype)
    return _read(X, found, times_in_rows=False)


def to_sktime(X, mtype="pd-multiindex"):
    """Write sequences as one of sktime's containers.

    Parameters
    ----------
    X : Ragged, or sequences in any other layout the estimators take
    mtype : {"pd-multiindex", "numpy3D", "df-list", "nested_univ"}, default="pd-multiindex"
        See `from_sktime`. "numpy3D" holds sequences of equal length only.

    Returns
    -------
    sktime container
        A copy. Columns are named by ``X.feature_names``, else "var_0", "var_1", ..., as in sktime;
        instances by ``X.index``, else 0, 1, ...; times are 0, 1, ... Which channels are categories
        is lost: codes are numbers there.

    Raises
    ------
    ValueError
        If X is not valid or holds an infinity. If ``mtype`` is unknown, or cannot hold sequences of
        different length. If an index names two samples alike, which "pd-multiindex" would make one.

    See Also
    --------
    from_sktime : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import Ragged
    >>> from sk_mtrnn.preprocessing import to_sktime
    >>> to_sktime(Ragged.from_list([np.array([1.5, 2.5]), np.array([3.5])], ["height"]))
                          height
    instances timepoints
    0         0              1.5
              1              2.5
    1         0              3.5
    """
    X = _to_be_written(X, "sktime", _SKTIME, mtype)
    if mtype == "numpy3D":
        return _numpy3d(X)
    names = X.feature_names
    names = [f"var_{c}" for c in range(X.n_features)] if names is None else list(names)
    if mtype == "pd-multiindex":
        return _multiindex(X, pd.Index(names), ["instances", "timepoints"])
    if mtype == "df-list":
        return [pd.DataFrame(x, columns=names, copy=True) for x in X]
    cells = np.empty((len(X), X.n_features), dtype=object)
    for i, x in enumerate(X):
        times = pd.RangeIndex(len(x))
        for c in range(X.n_features):
            cells[i, c] = pd.Series(x[:, c], times, copy=True)
    return pd.DataFrame(cells, index=X.index, columns=names)


def to_aeon(X, mtype="np-list"):
    """Write sequences as one of aeon's collections.

    Parameters
    ----------
    X : Ragged, or sequences in any other layout the estimators take
    mtype : {"np-list", "numpy3D", "df-list", "pd-multiindex", "numpy2D", "pd-wide"}, \
            default="np-list"
        See `from_aeon`; aeon's ``output_type``. "numpy3D" holds sequences of equal length only,
        "numpy2D" and "pd-wide" also one channel only.

    Returns
    -------
    aeon collection
        A copy. Channels are named by ``X.feature_names``, else 0, 1, ..., as in aeon, and cases by
        ``X.index``, where the collection has room for names. Which channels are categories is lost:
        codes are numbers there.

    Raises
    ------
    ValueError
        If X is not valid or holds an infinity. If ``mtype`` is unknown, or cannot hold sequences of
        different length or several channels. If an index names two samples alike, which
        "pd-multiindex" would make one.

    See Also
    --------
    from_aeon : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import to_aeon
    >>> to_aeon([np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])])
    [array([[1., 3., 5.],
           [2., 4., 6.]])]
    """
    X = _to_be_written(X, "aeon", _AEON, mtype)
    if mtype == "numpy3D":
        return _numpy3d(X)
    if mtype == "np-list":
        return [np.array(x.T, order="C") for x in X]
    channels = pd.RangeIndex(X.n_features) if X.feature_names is None else pd.Index(X.feature_names)
    if mtype == "df-list":
        return [pd.DataFrame(np.array(x.T, order="C"), index=channels) for x in X]
    if mtype == "pd-multiindex":
        return _multiindex(X, channels.rename("channel"), ["case", "timepoint"])
    if X.n_features > 1:
        raise ValueError(f"mtype {mtype!r} holds one channel, found {X.n_features} in X.")
    table = X.to_padded()[:, :, 0]
    return table if mtype == "numpy2D" else pd.DataFrame(table, index=X.index)


def _mtype_of(X, library, known, expected):
    """Which container X is; one of those known, and the expected one, if any."""
    _check_mtype(expected, library, (*known, None))
    found = None
    if isinstance(X, np.ndarray):
        found = {2: "numpy2D", 3: "numpy3D"}.get(X.ndim)
    elif isinstance(X, pd.DataFrame):
        nested = [is_nested(X.iloc[:, c]) for c in range(X.shape[1])]
        found = "pd-multiindex" if X.index.nlevels > 1 else "pd-wide"
        found = "nested_univ" if any(nested) else found
    elif isinstance(X, (list, tuple)):
        kinds = {pd.DataFrame: "df-list", np.ndarray: "np-list"}
        for kind, name in kinds.items():
            found = name if all(isinstance(x, kind) for x in X) else found
        if len(X) == 0:
            raise ValueError("X must hold at least one series, found 0 samples.")
    if found not in known:
        shape = f" of shape {X.shape}" if hasattr(X, "shape") else ""
        kinds = sorted({type(x).__name__ for x in X}) if isinstance(X, (list, tuple)) else []
        raise ValueError(
            f"X must be one of the containers {', '.join(known)} of {library}, found "
            f"{type(X).__name__}{shape}{' of ' + ', '.join(kinds) if kinds else ''}"
            f"{'; from_aeon reads it' if found in _AEON else ''}."
        )
    if expected is not None and expected != found:
        raise ValueError(f"X must be of mtype {expected!r}, found {found!r}.")
    return found


def _check_mtype(mtype, library, known):
    if mtype not in known:
        raise ValueError(
            f"mtype must be one of {', '.join(map(repr, known))} for {library}, found {mtype!r}."
        )


def _read(X, mtype, times_in_rows):
    """Pack a container; ``times_in_rows`` tells the two kinds of "df-list" apart."""
    if len(X) == 0:
        raise ValueError("X must hold at least one series, found 0 samples.")
    if mtype == "numpy3D":
        return Ragged.from_padded(X.swapaxes(1, 2))
    if mtype == "numpy2D":
        return Ragged.from_padded(X)
    if mtype == "pd-wide":
        packed = Ragged.from_padded(X)
        return Ragged(packed.values, packed.offsets, index=X.index)
    if mtype == "pd-multiindex":
        return Ragged.from_panel(X)
    if mtype == "np-list":
        return Ragged.from_list([x.T for x in X])
    if mtype == "nested_univ":
        return from_nested(X)
    return from_frames(X if times_in_rows else [frame.T for frame in X], times_in_rows)


def _to_be_written(X, library, known, mtype):
    """X as Ragged, if the container can hold its lengths."""
    _check_mtype(mtype, library, known)
    X = validate_sequences(BaseEstimator(), X, reset=True, allow_nan=True)
    if mtype in ("numpy3D", "numpy2D", "pd-wide") and not X.equal_length:
        ragged = [name for name in known if name not in ("numpy3D", "numpy2D", "pd-wide")]
        raise ValueError(
            f"mtype {mtype!r} holds sequences of equal length only, found lengths "
            f"{X.lengths.min()}..{X.lengths.max()}; {', '.join(ragged)} hold others."
        )
    return X


def _numpy3d(X):
    return np.ascontiguousarray(X.to_padded().swapaxes(1, 2))  # [n, T, F] -> [n, F, T]


def _multiindex(X, columns, level_names):
    """All time steps, indexed by sample and time."""
    samples = pd.RangeIndex(len(X)) if X.index is None else X.index.to_flat_index()
    if not samples.is_unique:
        twice = samples[samples.duplicated()][0]
        raise ValueError(
            f"The index of X must name each sample once for mtype 'pd-multiindex', found {twice!r} "
            "twice."
        )
    starts = np.repeat(offsets_of(X.lengths)[:-1], X.lengths)
    keys = pd.MultiIndex(
        # levels in the order of X: aeon reads samples in that of the levels
        levels=[samples, pd.RangeIndex(X.lengths.max())],
        codes=[np.repeat(np.arange(len(X)), X.lengths), np.arange(len(X.values)) - starts],
        names=[samples.name or level_names[0], level_names[1]],
    )
    return pd.DataFrame(X.values, index=keys, columns=columns, copy=True)
