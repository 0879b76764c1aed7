"""The categories of one channel: which there are, how often, and what an embedding starts from."""

from numbers import Integral

import numpy as np
import pandas as pd


class Categories:
    """What training holds of a categorical channel.

    Parameters
    ----------
    name : hashable
        Of the channel, for messages.
    codes : ndarray of shape (sum_T,)
        Values of the channel in training, integers from 0 on; NaN where there is none.
    embedding_dim : "auto", int, or array-like of shape (n_codes, dim)
        Of an array, row i is where the embedding of code i starts, and all its rows are known
        categories, whether training has them or not.

    Attributes
    ----------
    codes : ndarray of shape (n_categories,)
        The known ones, rising; their places are what the network reads, and ``n_categories`` the
        place of all others.
    counts : ndarray of int, same shape
        How often each stands in training.
    dim : int
    initial : ndarray of shape (n_categories, dim) or None

    Raises
    ------
    ValueError
        If a code is no integer from 0 on, or the array does not fit.
    """

    def __init__(self, name, codes, embedding_dim):
        self.name = name
        known = codes[~np.isnan(codes)]
        self.codes, self.counts = np.unique(known, return_counts=True)
        self.initial = None
        if isinstance(embedding_dim, str):
            self.dim = auto_dim(len(self.codes))
        elif isinstance(embedding_dim, Integral):
            self.dim = int(embedding_dim)
        else:
            self._start_from(embedding_dim)

    def _start_from(self, array):
        if isinstance(array, pd.DataFrame) and list(array.index) != list(range(len(array))):
            raise ValueError(
                f"embedding_dim of channel {self.name!r} must be an array whose row i is that of "
                "code i, or of the i-th symbol, found a DataFrame with labels of its own; "
                ".loc[symbols].to_numpy() brings its rows into that order."
            )
        try:
            if np.iscomplexobj(array):
                raise TypeError("found complex ones")
            array = np.asarray(array, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"embedding_dim of channel {self.name!r} must be an int or an array of numbers: "
                f"{error}"
            ) from error
        least = int(self.codes[-1]) + 1 if len(self.codes) else 1
        if array.ndim != 2 or len(array) < least or array.shape[1] < 1:
            raise ValueError(
                f"embedding_dim of channel {self.name!r} must be an int or an array of shape "
                f"(n_codes, dim) with a row for each code up to the largest in training, n_codes "
                f">= {least}, found shape {array.shape}."
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"embedding_dim of channel {self.name!r} must be finite, found NaN or infinity."
            )
        counts = np.zeros(len(array), dtype=np.int64)
        counts[self.codes.astype(np.int64)] = self.counts
        self.codes, self.counts = np.arange(len(array), dtype=np.float64), counts
        self.dim, self.initial = array.shape[1], array

    def places(self, codes):
        """Place of each code among the known ones; ``n_categories`` for others and NaN."""
        if not len(self.codes):
            return np.zeros(len(codes))
        place = np.searchsorted(self.codes, codes)  # NaN goes to the end
        found = self.codes[np.minimum(place, len(self.codes) - 1)] == codes
        return np.where(found, place, len(self.codes))

    def unknown_rates(self, unknown_rate):
        """Share of each category that training reads as unknown: shape (n_categories + 1,)."""
        rates = np.zeros(len(self.codes) + 1)
        rates[:-1] = 1 / (1 + self.counts) if isinstance(unknown_rate, str) else unknown_rate
        return rates


def auto_dim(n_categories):
    """What "auto" means: the least of 64, n / 2 and 6 n^(1/4), at least 1."""
    return int(max(1, min(64, np.ceil(n_categories / 2), round(6 * n_categories**0.25))))


_LARGEST = 2.0**53  # beyond it numbers that are next to each other are one float64


def check_codes(sequences, channels, names):
    """Refuse values of categorical channels that are no integers from 0 to 2^53.

    Parameters
    ----------
    sequences : Ragged
    channels : ndarray of int
        The categorical ones.
    names : list
        Names of all channels.

    Raises
    ------
    ValueError
        The message names channel, sample and step.
    """
    for channel in channels:
        codes = sequences.values[:, channel]
        whole = (codes == np.floor(codes)) | np.isnan(codes)
        bad = ~whole | (codes < 0) | (codes > _LARGEST)
        if bad.any():
            row = int(np.argmax(bad))
            sample = int(np.searchsorted(sequences.offsets, row, side="right")) - 1
            kind = "negative" if codes[row] < 0 else "huge" if whole[row] else "fractional"
            raise ValueError(
                f"X must hold integers from 0 on in the categorical channel {names[channel]!r}, "
                f"found the {kind} {codes[row].item()!r} in sample {sample} at time step "
                f"{row - sequences.offsets[sample]}."
            )
