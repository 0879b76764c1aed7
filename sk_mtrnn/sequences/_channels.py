"""Channels by index or name, and the one that holds the time."""

from numbers import Integral

import numpy as np


def channel_index(channel, names, parameter):
    """Find the channel that an index or a name means.

    Parameters
    ----------
    channel : int or str
    names : sequence
        Names of all channels.
    parameter : str
        What the user calls it, for errors.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If there is none such, or several of that name.
    """
    names = list(names)
    if isinstance(channel, Integral) and not isinstance(channel, (bool, np.bool_)):
        if -len(names) <= channel < len(names):
            return int(channel) % len(names)
    elif isinstance(channel, str) and channel in names:
        if names.count(channel) > 1:
            raise ValueError(
                f"{parameter} must name one channel of X, found {channel!r}, which "
                f"{names.count(channel)} channels are called."
            )
        return names.index(channel)
    raise ValueError(
        f"{parameter} must name a channel of X, one of {names}, or an index below {len(names)}, "
        f"found {channel!r}."
    )


def check_times(times, offsets, source, index=None):
    """Refuse time stamps that are missing or run backwards, naming sample and time step.

    Parameters
    ----------
    times : ndarray of shape (sum_T,)
    offsets : ndarray of shape (n_samples + 1,)
    source : str
        Where they stand, for errors.
    index : pandas.Index of length sum_T, default=None
        The same as the user wrote them, for errors; what stands there can be sorted.

    Raises
    ------
    ValueError
    """

    def place(row):
        sample = int(np.searchsorted(offsets, row, side="right")) - 1
        return f"in sample {sample}, time step {row - offsets[sample]}"

    missing = np.isnan(times)
    if missing.any():
        where = place(int(np.argmax(missing)))
        raise ValueError(f"{source} must hold the time stamp of every step, found NaN {where}.")
    backwards = np.diff(times, prepend=times[:1]) < 0
    backwards[offsets[:-1]] = False  # another sequence begins
    if backwards.any():
        row = int(np.argmax(backwards))
        shown = times if index is None else index
        cure = "" if index is None else "; sort_index() brings them into order"
        raise ValueError(
            f"{source} must hold time stamps that do not run backwards, found {shown[row]} after "
            f"{shown[row - 1]} {place(row)}{cure}."
        )
