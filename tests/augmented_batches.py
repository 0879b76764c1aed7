"""What the tests of augmentation share: batches, and one augmentation of each kind."""

import numpy as np
import pytest

from sk_mtrnn.augmentation import (
    Batch,
    ChannelMask,
    Channels,
    Jitter,
    Scale,
    TimeMask,
    TimeWarp,
    WindowCrop,
)

NAMES = ["x", "y", "word", "row"]
NUMERIC = np.array([True, True, False, False])
CHANNELS = Channels(np.array([2.0, 0.5, 1.0, 1.0]), np.full(4, np.nan), NUMERIC, NAMES)
AUGMENTATIONS = [
    Jitter(scale=0.5),
    Scale(scale=0.5),
    TimeMask(share=0.6),
    ChannelMask(share=0.5),
    TimeWarp(scale=1.0),
    WindowCrop(share=0.6),
]
ALTERING = AUGMENTATIONS[:4]  # the others move whole steps
NOTHING = [
    Jitter(scale=0),
    Scale(scale=0),
    TimeMask(share=0),
    ChannelMask(share=0),
    TimeWarp(scale=0),
    WindowCrop(share=1),
]


def each(augmentations=AUGMENTATIONS):
    return pytest.mark.parametrize(
        "augmentation", augmentations, ids=lambda augmentation: type(augmentation).__name__
    )


def make_batch(lengths=(5, 1, 30, 12, 2), *, holes=0.0, dtype=np.float64, seed=0):
    """Two channels of numbers, one of categories, and one that is the row."""
    rng = np.random.default_rng(seed)
    lengths = np.array(lengths)
    rows = np.concatenate([100 * s + np.arange(length) for s, length in enumerate(lengths)])
    values = rng.normal(3.0, 1.0, (len(rows), 4))
    values[:, 2] = rng.integers(0, 5, len(rows))
    values[:, 3] = rows
    values[:, :2][rng.random((len(rows), 2)) < holes] = np.nan
    return Batch(values.astype(dtype), lengths, rows)


def sequences(batch):
    return np.split(batch.values, np.cumsum(batch.lengths)[:-1])


def per_sequence(batch):
    return list(
        zip(sequences(batch), np.split(batch.rows, np.cumsum(batch.lengths)[:-1]), strict=True)
    )


def assert_same(one, other):
    for name in Batch._fields:
        ours, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
