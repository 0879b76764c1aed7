"""Channels that are not seen."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation


class ChannelMask(Augmentation):
    """Masks whole channels of a sequence (after Park et al. 2019, section 2, "frequency masking").

    Each channel of each sequence is masked with probability p, at all its steps.

    Parameters
    ----------
    share : float in [0, 1], default=0.1
        p: the share of channels that is masked in the mean.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.
    channels : array-like of int or str, or None, default=None
        The channels it masks, by index (negative ones count from the end) or name. None: all that
        hold numbers.

    Notes
    -----
    The source masks neighbouring bands of a spectrum. Channels of X have no order, so that here
    each one is drawn by itself. What is masked becomes a hole where the estimator allows holes
    (``missing``), else the training mean.

    References
    ----------
    Park et al. (2019), "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition", Interspeech.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.augmentation import Batch, ChannelMask, Channels
    >>> channels = Channels(np.ones(3), np.zeros(3), np.full(3, True), ["x", "y", "z"])
    >>> batch = Batch(np.ones((2, 3)), np.array([2]), np.arange(2))
    >>> ChannelMask(share=0.5).apply(batch, channels, np.random.default_rng(1)).values
    array([[1., 0., 1.],
           [1., 0., 1.]])
    """

    _parameter_constraints = {
        **Augmentation._channel_constraints,
        "share": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, share=0.1, probability=1.0, channels=None):
        self.share = share
        self.probability = probability
        self.channels = channels

    def apply(self, batch, channels, rng):
        chosen = self.chosen(channels)
        acting = self.acting(batch, rng)
        masked = rng.random((len(batch.lengths), len(chosen))) < self.share
        masked &= acting[:, None]
        values = batch.values.copy()
        values[:, chosen] = np.where(
            np.repeat(masked, batch.lengths, axis=0), channels.fill[chosen], values[:, chosen]
        )
        return batch._replace(values=values)
