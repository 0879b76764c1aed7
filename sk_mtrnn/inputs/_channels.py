"""Which channel of X is a number, which a category, and which the time."""

from numbers import Integral
from typing import NamedTuple

import numpy as np


class Channels(NamedTuple):
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
        known = [] if tabular or sequences.feature_names is None else list(sequences.feature_names)
        n_channels = sequences.n_features
        marked = sequences.categorical
        if marked is None:
            marked = np.zeros(n_channels, dtype=bool)
        chosen = categorical_mask(categorical_features, n_channels, known, marked)
        time = None
        if time_feature is not None:
            time = channel_index(time_feature, n_channels, known, "time_feature")
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
            known or list(range(n_channels)),
            np.flatnonzero(~chosen & others),
            np.flatnonzero(chosen),
            time,
        )


def categorical_mask(categorical_features, n_channels, names, marked):
    """Read ``categorical_features`` as a mask.

    Parameters
    ----------
    categorical_features : None, "from_dtype", or array-like of bool, int or str
    n_channels : int
    names : list
        Names of the channels; empty without any.
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
    chosen = [
        channel_index(feature, n_channels, names, "categorical_features") for feature in given
    ]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"categorical_features must name no channel twice, found {list(given)!r}.")
    mask = np.zeros(n_channels, dtype=bool)
    mask[chosen] = True
    return mask


def channel_index(feature, n_channels, names, what):
    """Index of a channel given by index or name; ``what`` begins the message of the error."""
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    valid = isinstance(feature, Integral) and not isinstance(feature, (bool, np.bool_))
    if not valid or not -n_channels <= feature < n_channels:
        raise ValueError(
            f"{what} must be given by index, below {n_channels}, or by name"
            f"{f', one of {names}' if names else ', which X has none of'}; found {feature!r}, "
            "which is unknown."
        )
    return int(feature) % n_channels
