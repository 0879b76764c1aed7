"""When a channel was observed last, and what it was; arrays over sequences stored end to end."""

import numpy as np


def last_observed(values, observed, offsets, otherwise):
    """The last observed value up to every step.

    Parameters
    ----------
    values : ndarray of shape (sum_T, n_channels)
    observed : ndarray of bool, same shape
    offsets : ndarray of shape (n_samples + 1,)
        Where each sequence starts.
    otherwise : ndarray of shape (n_channels,)
        What stands before the first observation of a sequence.

    Returns
    -------
    ndarray of shape (sum_T, n_channels)
    """
    filled = np.empty_like(values)
    for channel, known in enumerate(observed.T):
        if known.all():
            filled[:, channel] = values[:, channel]
            continue
        rows, starts = _last_rows(known, offsets)
        column = values[:, channel][np.maximum(rows, 0)]
        filled[:, channel] = np.where(rows >= starts, column, otherwise[channel])
    return filled


def since_observed(observed, offsets, time):
    """Time since the last observation before every step.

    With s_t the time of step t and m_t whether the channel is observed there

        δ_1 = 0,   δ_t = s_t - s_{t-1} + (1 - m_{t-1}) δ_{t-1}

    (Che et al. 2018, equation 2): where there was none, time since the first step.

    Parameters
    ----------
    observed : ndarray of bool, shape (sum_T, n_channels)
    offsets : ndarray of shape (n_samples + 1,)
    time : ndarray of shape (sum_T,)
        Never falling within a sequence.

    Returns
    -------
    ndarray of shape (sum_T, n_channels)
    """
    since = np.empty(observed.shape)
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    before = np.maximum(np.arange(len(observed)) - 1, starts)
    for channel, known in enumerate(observed.T):
        rows, _ = _last_rows(known, offsets)
        since[:, channel] = time - time[np.maximum(rows[before], starts)]
    return since


def until_observed(observed, offsets, time):
    """Time until the next observation after every step: `since_observed` of reversed sequences."""
    offsets = len(observed) - offsets[::-1]
    return since_observed(observed[::-1], offsets, -time[::-1])[::-1]


def check_time(time, offsets, name):
    """Refuse time stamps that are missing or run backwards.

    Parameters
    ----------
    time : ndarray of shape (sum_T,)
    offsets : ndarray of shape (n_samples + 1,)
    name : hashable
        Of the channel, for messages.

    Raises
    ------
    ValueError
        If so; the message names sample and step.
    """
    bad = np.isnan(time)
    backwards = np.zeros(len(time), dtype=bool)
    backwards[1:] = time[1:] < time[:-1]
    backwards[offsets[:-1]] = False
    bad |= backwards
    if not bad.any():
        return
    row = int(np.argmax(bad))
    sample = int(np.searchsorted(offsets, row, side="right")) - 1
    where = f"in sample {sample} at time step {row - offsets[sample]}"
    if np.isnan(time[row]):
        raise ValueError(
            f"time_feature={name!r} must hold a time at every step, found NaN {where}."
        )
    raise ValueError(
        f"time_feature={name!r} must never fall within a sequence, found {float(time[row - 1])!r} "
        f"and then {float(time[row])!r} {where}."
    )


def _last_rows(known, offsets):
    """For every row the last one up to it that is known, and the first row of its sequence.

    Without any in the sequence the former is smaller than the latter.
    """
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    rows = np.where(known, np.arange(len(known)), -1)
    return np.maximum.accumulate(rows), starts
