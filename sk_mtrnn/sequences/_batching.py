"""Batches of sequences of near-equal length, and their packed order; arrays of indices only."""

from typing import NamedTuple

import numpy as np

_POOL = 50  # batches whose sequences are sorted by length together


class PackedOrder(NamedTuple):
    """How the sequences of a batch lie in packed order: step by step, longest sequence first.

    At step t the ``batch_sizes[t]`` sequences that still run stand side by side; there is no
    padding.

    Attributes
    ----------
    samples : ndarray of shape (B,)
        The sequences, longest first.
    batch_sizes : ndarray of shape (T_max,)
        How many sequences are at least t + 1 steps long.
    rows : ndarray of shape (sum_T,)
        For each packed step, its row in ``Ragged.values``.
    """

    samples: np.ndarray
    batch_sizes: np.ndarray
    rows: np.ndarray


def packed_order(offsets, lengths, samples):
    """Work out the packed order of some samples of a Ragged.

    Parameters
    ----------
    offsets : ndarray of shape (n_samples + 1,)
    lengths : ndarray of shape (n_samples,)
    samples : ndarray of int, shape (B,)

    Returns
    -------
    PackedOrder
    """
    long = lengths[samples]
    if (long == long[0]).all():
        rows = offsets[samples] + np.arange(long[0])[:, None]  # [T, B]
        return PackedOrder(samples, np.full(long[0], len(samples)), rows.ravel())
    samples = samples[np.argsort(-long, kind="stable")]
    long = lengths[samples]
    batch_sizes = len(samples) - np.searchsorted(long[::-1], np.arange(long[0]), side="right")
    step = np.repeat(np.arange(long[0]), batch_sizes)
    rank = np.arange(len(step)) - np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    return PackedOrder(samples, batch_sizes, offsets[samples][rank] + step)


class LengthBatches:
    """Batches of sample indices, drawn so that the sequences of a batch are of near-equal length.

    With ``rng``, samples are shuffled, sorted by length within pools of 50 batches, cut into
    batches, and the batches shuffled: each epoch is another partition of the samples. Without it,
    all samples are sorted by length once.

    Parameters
    ----------
    lengths : ndarray of shape (n_samples,)
    batch_size : int
    rng : numpy.random.Generator, default=None
    """

    def __init__(self, lengths, batch_size, rng=None):
        self.lengths = lengths
        self.batch_size = batch_size
        self.rng = rng

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        size, n_samples = self.batch_size, len(self.lengths)
        if self.rng is None:
            order = np.argsort(-self.lengths, kind="stable")
            yield from (order[start : start + size] for start in range(0, n_samples, size))
            return
        order = self.rng.permutation(n_samples)
        pool = np.arange(n_samples) // (size * _POOL)
        order = order[np.lexsort((-self.lengths[order], pool))]
        for batch in self.rng.permutation(len(self)):
            yield order[batch * size : (batch + 1) * size]
