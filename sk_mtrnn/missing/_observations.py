"""When a channel was observed last, and what it was; over sequences stored end to end."""

import numpy as np


def starts_of(offsets):
    """For every step the row its sequence starts at: an ndarray of shape (sum_T,)."""
    return np.repeat(offsets[:-1], np.diff(offsets))


def last_observed(values, observed, starts, otherwise):
    """The last observed value of a channel up to every step.

    Parameters
    ----------
    values : ndarray of shape (sum_T,)
    observed : ndarray of bool, same shape
    starts : ndarray of int, same shape
        As `starts_of` gives them.
    otherwise : float
        What stands before the first observation of a sequence.

    Returns
    -------
    ndarray of shape (sum_T,)
    """
    if observed.all():
        return values
    rows = _last_rows(observed)
    return np.where(rows >= starts, values[np.maximum(rows, 0)], values.dtype.type(otherwise))


def since_observed(observed, starts, time):
    """Time since the last observation of a channel before every step.

    With s_t the time of step t and m_t whether the channel is observed there

        δ_1 = 0,   δ_t = s_t - s_{t-1} + (1 - m_{t-1}) δ_{t-1}

    (Che et al. 2018, equation 2): where there was none, time since the first step.

    Parameters
    ----------
    observed : ndarray of bool, shape (sum_T,)
    starts : ndarray of int, same shape
        As `starts_of` gives them.
    time : ndarray, same shape
        Never falling within a sequence.

    Returns
    -------
    ndarray of shape (sum_T,)
    """
    before = np.maximum(np.arange(len(observed)) - 1, starts)
    return time - time[np.maximum(_last_rows(observed)[before], starts)]


def until_observed(observed, offsets, time):
    """Time until the next observation after every step: `since_observed` of reversed sequences.

    Parameters
    ----------
    observed, time
        As in `since_observed`.
    offsets : ndarray of shape (n_samples + 1,)
        Where each sequence starts.
    """
    starts = starts_of(len(observed) - offsets[::-1])
    return since_observed(observed[::-1], starts, -time[::-1])[::-1]


def _last_rows(known):
    """For every row the last one up to it that is known; -1 without any."""
    return np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
