"""A part of the time."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation, Batch


class WindowCrop(Augmentation):
    """Keeps a random window of each sequence (Le Guennec et al. 2016, "window slicing").

    Of a sequence of T steps, steps t_0, ..., t_0 + w - 1 are kept, with

        w = max(1, p T rounded),   t_0 ~ U{0, ..., T - w}

    Parameters
    ----------
    share : float in (0, 1], default=0.9
        p: how much is kept.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.

    Notes
    -----
    All channels are cropped, categorical ones as well: none of their values changes. Labels per
    step go with their steps; those of steps that are cut off do not count in that batch. The source
    predicts from windows too, and lets them vote; here whole sequences are predicted.

    References
    ----------
    Le Guennec, Malinowski & Tavenard (2016), "Data Augmentation for Time Series Classification
    using Convolutional Neural Networks", ECML/PKDD Workshop on Advanced Analytics and Learning on
    Temporal Data.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.augmentation import Batch, Channels, WindowCrop
    >>> channels = Channels(np.ones(1), np.zeros(1), np.array([True]), ["x"])
    >>> batch = Batch(np.arange(5.0)[:, None], np.array([5]), np.arange(5))
    >>> WindowCrop(share=0.6).apply(batch, channels, np.random.default_rng(0)).rows
    array([1, 2, 3])
    """

    needs_numbers = False

    _parameter_constraints = {
        **Augmentation._common_constraints,
        "share": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(self, share=0.9, probability=1.0):
        self.share = share
        self.probability = probability

    def apply(self, batch, channels, rng):
        acting = self.acting(batch, rng)
        width = np.maximum(np.rint(self.share * batch.lengths).astype(np.int64), 1)
        width = np.where(acting, width, batch.lengths)
        start = rng.integers(0, batch.lengths - width, endpoint=True)
        since = batch.steps - np.repeat(start, batch.lengths)
        kept = (since >= 0) & (since < np.repeat(width, batch.lengths))
        return Batch(batch.values[kept], width, batch.rows[kept])
