"""Noise on every value."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation


class Jitter(Augmentation):
    """Adds noise to every value (Um et al. 2017, "jittering").

    With σ_f the standard deviation of channel f in training,

        x'_tf = x_tf + s σ_f ε_tf,   ε_tf ~ N(0, 1)

    Parameters
    ----------
    scale : float, default=0.03
        s: standard deviation of the noise, in units of that of the channel.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.
    channels : array-like of int or str, or None, default=None
        The channels it alters, by index (negative ones count from the end) or name. None: all that
        hold numbers.

    Notes
    -----
    A hole stays a hole. The source has noise in the units of the sensors, all of one kind; here
    channels may be of any units.

    References
    ----------
    Um et al. (2017), "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks", ICMI.

    Examples
    --------
    >>> from sk_mtrnn.augmentation import Jitter
    >>> Jitter(scale=0.1, channels=[0])
    Jitter(channels=[0], scale=0.1)
    """

    _parameter_constraints = {
        **Augmentation._channel_constraints,
        "scale": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, scale=0.03, probability=1.0, channels=None):
        self.scale = scale
        self.probability = probability
        self.channels = channels

    def apply(self, batch, channels, rng):
        chosen = self.chosen(channels)
        strength = np.zeros(batch.values.shape[1])
        strength[chosen] = self.scale * channels.scale[chosen]
        strength = np.outer(self.acting(batch, rng), strength)  # [B, F]
        noise = rng.standard_normal(batch.values.shape)
        noise *= np.repeat(strength, batch.lengths, axis=0)
        return batch._replace(values=batch.values + noise.astype(batch.values.dtype))
