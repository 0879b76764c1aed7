"""Which channel of X is a number, which a category, and which the time."""

from typing import NamedTuple

import numpy as np

from ..sequences import channel_index


class ChannelRoles(NamedTuple):
    """The channels of X by what they are.

    Attributes
    ----------
    names : list
        Their names, or indices where X has none.
    numeric, categorical : ndarray of int
        Indices, rising.
    time : int or None
        Index of the channel that holds the time stamp.
    """

    names: list
    numeric: np.ndarray
    categorical: np.ndarray
    time: int | None

    @classmethod
    def of(cls, sequences, categorical_features, time_feature, tabular):
        """Read what the parameters say of the channels of some sequences.

        Parameters
        ----------
        sequences : Ragged
        categorical_features, time_feature
            As in the estimators.
        tabular : bool
            Whether X is a table: then its one channel has no name.

        Raises
        ------
        ValueError
            If a channel is not there, is named twice or is both, or none is left to be an input.
        """
        n_channels = sequences.n_features
        unnamed = tabular or sequences.feature_names is None
        names = list(range(n_channels)) if unnamed else list(sequences.feature_names)
        marked = sequences.categorical
        if marked is None:
            marked = np.zeros(n_channels, dtype=bool)
        chosen = categorical_mask(categorical_features, names, marked)
        time = None
        if time_feature is not None:
            time = channel_index(time_feature, names, "time_feature")
            if chosen[time]:
                raise ValueError(
                    f"time_feature must not be one of categorical_features, found {time_feature!r}."
                )
        others = np.arange(n_channels) != (-1 if time is None else time)
        if not others.any():
            raise ValueError(
                "X must have a channel beside the time stamp, which is no input, found "
                f"time_feature={time_feature!r} alone."
            )
        return cls(
            names,
            np.flatnonzero(~chosen & others),
            np.flatnonzero(chosen),
            time,
        )


def categorical_mask(categorical_features, names, marked):
    """Read ``categorical_features`` as a mask.

    Parameters
    ----------
    categorical_features : None, "from_dtype", or array-like of bool, int or str
    names : list
        Names of the channels, or their indices.
    marked : ndarray of bool, shape (n_channels,)
        What X itself marks as categories: what None and "from_dtype" mean.

    Returns
    -------
    ndarray of bool, shape (n_channels,)

    Raises
    ------
    ValueError
        If a mask has another length, or a channel is not there or stands twice.
    """
    n_channels = len(names)
    if categorical_features is None or isinstance(categorical_features, str):
        if categorical_features not in (None, "from_dtype"):
            raise ValueError(
                "categorical_features must be None, 'from_dtype', or an array-like of indices, "
                f"names or booleans, found {categorical_features!r}."
            )
        return marked
    given = np.asarray(categorical_features, dtype=object).ravel()
    if len(given) and all(isinstance(entry, (bool, np.bool_)) for entry in given):
        if len(given) != n_channels:
            raise ValueError(
                f"categorical_features must hold {n_channels} booleans, one a channel of X, found "
                f"{len(given)}."
            )
        return given.astype(bool)
    chosen = [channel_index(feature, names, "categorical_features") for feature in given]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"categorical_features must name no channel twice, found {list(given)!r}.")
    mask = np.zeros(n_channels, dtype=bool)
    mask[chosen] = True
    return mask
