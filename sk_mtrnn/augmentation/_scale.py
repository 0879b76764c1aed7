"""A random amplitude."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation


class Scale(Augmentation):
    """Multiplies how far each channel of a sequence swings (Um et al. 2017, "scaling").

    With m_f the mean of channel f over the steps of the sequence that have it, and one factor for
    each sequence and channel,

        x'_tf = m_f + a_f (x_tf - m_f),   a_f = 1 + s ε_f,   ε_f ~ N(0, 1)

    Parameters
    ----------
    scale : float, default=0.1
        s: standard deviation of the factor.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.
    channels : array-like of int or str, or None, default=None
        The channels it alters, by index (negative ones count from the end) or name. None: all that
        hold numbers.

    Notes
    -----
    The source multiplies the values themselves, of accelerometers, which swing about zero. Of a
    channel far from zero, as a temperature in kelvin or a pressure, that would move the level by
    many standard deviations, and the result would depend on where its unit has its zero. About the
    mean of the sequence neither is so: the level stays, and a channel that is constant in a
    sequence does not change. A hole stays a hole.

    References
    ----------
    Um et al. (2017), "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks", ICMI.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.augmentation import Batch, Channels, Scale
    >>> channels = Channels(np.ones(1), np.zeros(1), np.array([True]), ["x"])
    >>> batch = Batch(np.array([[1.0], [2.0], [3.0]]), np.array([3]), np.arange(3))
    >>> values = Scale().apply(batch, channels, np.random.default_rng(0)).values
    >>> float(values.mean().round(6)), float((values[2] - values[0]).round(2)[0])
    (2.0, 1.97)
    """

    _parameter_constraints = {
        **Augmentation._channel_constraints,
        "scale": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, scale=0.1, probability=1.0, channels=None):
        self.scale = scale
        self.probability = probability
        self.channels = channels

    def apply(self, batch, channels, rng):
        chosen = self.chosen(channels)
        acting = self.acting(batch, rng)
        excess = self.scale * rng.standard_normal((len(batch.lengths), len(chosen)))  # a - 1
        excess[~acting] = 0
        x = batch.values[:, chosen]
        observed = ~np.isnan(x)
        total = np.add.reduceat(np.where(observed, x, 0.0), batch.starts, dtype=np.float64)
        count = np.add.reduceat(observed, batch.starts, dtype=np.int64)
        mean = total / np.maximum(count, 1)
        values = batch.values.copy()
        values[:, chosen] = x + np.repeat(excess, batch.lengths, axis=0) * (
            x - np.repeat(mean, batch.lengths, axis=0)
        )
        return batch._replace(values=values)
