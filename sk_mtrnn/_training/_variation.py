"""Sequences of a batch, altered each time it is cut."""

import numpy as np

from ..augmentation import Batch
from ..sequences import Ragged, offsets_of, packed_order


class Variation:
    """Alter the sequences of a batch and encode them anew.

    Parameters
    ----------
    sequences : Ragged
        X as it was read.
    augmentations : tuple of Augmentation
    channels : Channels
        As the augmentations know them.
    encode : callable ``(Ragged) -> Ragged``
    rng : numpy.random.Generator
    """

    def __init__(self, sequences, augmentations, channels, encode, rng):
        self.sequences = sequences
        self.augmentations = augmentations
        self.channels = channels
        self.encode = encode
        self.rng = rng

    def __call__(self, samples):
        """Alter some samples.

        Parameters
        ----------
        samples : ndarray of int, shape (B,)

        Returns
        -------
        steps : ndarray of shape (S, n_columns)
            In packed order.
        order : PackedOrder
            Of the altered sequences; its ``rows`` are those of X that they have their labels from.
        """
        chosen = self.sequences[samples]
        starts = self.sequences.offsets[:-1][samples]
        offsets = chosen.offsets
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], chosen.lengths)
        batch = Batch(chosen.values, chosen.lengths, places)
        for augmentation in self.augmentations:
            batch = augmentation.apply(batch, self.channels, self.rng)
        offsets = offsets_of(batch.lengths)
        altered = Ragged(batch.values, offsets, chosen.feature_names, None, chosen.categorical)
        order = packed_order(offsets, altered.lengths, np.arange(len(samples)))
        steps = self.encode(altered).values.take(order.rows, axis=0)
        return steps, order._replace(samples=samples[order.samples], rows=batch.rows[order.rows])
