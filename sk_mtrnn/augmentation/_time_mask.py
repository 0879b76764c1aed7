"""A stretch of time that is not seen."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation


class TimeMask(Augmentation):
    """Masks a stretch of consecutive steps (Park et al. 2019, section 2, "time masking").

    Of a sequence of T steps, steps t_0, ..., t_0 + w - 1 are masked, with

        w ~ U{0, ..., ⌊p T⌋},   t_0 ~ U{0, ..., T - w}

    Parameters
    ----------
    share : float in [0, 1], default=0.2
        p: the most that is masked, as a share of the steps.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.
    channels : array-like of int or str, or None, default=None
        The channels it masks, by index (negative ones count from the end) or name. None: all that
        hold numbers.

    Notes
    -----
    What is masked becomes a hole where the estimator allows holes (``missing``), else the training
    mean, as in the source. Labels of masked steps stay: they are to be told from the steps around.
    The source bounds w by a number of frames as well; here p alone does.

    References
    ----------
    Park et al. (2019), "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition", Interspeech.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.augmentation import Batch, Channels, TimeMask
    >>> channels = Channels(np.ones(1), np.array([np.nan]), np.array([True]), ["x"])
    >>> batch = Batch(np.arange(6.0)[:, None], np.array([6]), np.arange(6))
    >>> TimeMask(share=0.5).apply(batch, channels, np.random.default_rng(0)).values.ravel()
    array([ 0., nan, nan,  3.,  4.,  5.])
    """

    _parameter_constraints = {
        **Augmentation._channel_constraints,
        "share": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, share=0.2, probability=1.0, channels=None):
        self.share = share
        self.probability = probability
        self.channels = channels

    def apply(self, batch, channels, rng):
        chosen = self.chosen(channels)
        acting = self.acting(batch, rng)
        widest = np.floor(self.share * batch.lengths).astype(np.int64)
        width = np.where(acting, rng.integers(0, widest, endpoint=True), 0)
        start = rng.integers(0, batch.lengths - width, endpoint=True)
        since = batch.steps - np.repeat(start, batch.lengths)
        masked = (since >= 0) & (since < np.repeat(width, batch.lengths))
        values = batch.values.copy()
        values[np.ix_(masked, chosen)] = channels.fill[chosen]
        return batch._replace(values=values)
