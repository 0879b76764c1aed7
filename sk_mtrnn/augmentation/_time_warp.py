"""Time that runs faster and slower."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import Augmentation, Batch


class TimeWarp(Augmentation):
    """Lets time run faster and slower (Um et al. 2017, "time-warping").

    Step t of the warped sequence is read off the original at place τ_t, where τ has the speed v:

        log v(t) is linear between n + 2 knots, evenly spaced from the first step to the last,
        of height s ε_j,  ε_j ~ N(0, 1),  j = 0, ..., n + 1
        τ_t = (T - 1) V_t / V_{T-1},   V_t = Σ_{r=1..t} (v(r - 1) + v(r)) / 2,   t = 0, ..., T - 1

    It begins and ends where the original does and has as many steps, in the same order.

    Parameters
    ----------
    scale : float, default=0.2
        s: standard deviation of the logarithm of the speed at a knot.
    n_knots : int, default=4
        n: the number of knots between the first step and the last.
    probability : float in [0, 1], default=1.0
        Share of the sequences it acts on.

    Notes
    -----
    Numbers are interpolated linearly between the two steps around τ_t; where one of the two is a
    hole, the nearer one is taken as it is. Categories, time stamps and labels per step are those of
    the step nearest to τ_t, so that time stamps never run backwards, but may repeat.

    The source has a cubic spline of knots N(1, s²) for the speed, which may turn negative where s
    is large, so that steps swap places. The logarithm keeps their order for any s.

    References
    ----------
    Um et al. (2017), "Data Augmentation of Wearable Sensor Data for Parkinson's Disease Monitoring
    using Convolutional Neural Networks", ICMI.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.augmentation import Batch, Channels, TimeWarp
    >>> channels = Channels(np.ones(1), np.zeros(1), np.array([True]), ["x"])
    >>> batch = Batch(np.arange(5.0)[:, None], np.array([5]), np.arange(5))
    >>> TimeWarp(scale=2.0).apply(batch, channels, np.random.default_rng(1)).values.ravel().round(1)
    array([0. , 1.4, 2.4, 3. , 4. ])
    """

    _parameter_constraints = {
        **Augmentation._common_constraints,
        "scale": [Interval(Real, 0, None, closed="left")],
        "n_knots": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, scale=0.2, n_knots=4, probability=1.0):
        self.scale = scale
        self.n_knots = n_knots
        self.probability = probability

    def apply(self, batch, channels, rng):
        place = self._places(batch, rng)
        start = np.repeat(batch.starts, batch.lengths)
        last = np.repeat(batch.lengths - 1, batch.lengths)
        before = np.floor(place).astype(np.int64)
        part = (place - before)[:, None]
        nearest = start + np.floor(place + 0.5).astype(np.int64)
        left = batch.values[start + before]
        right = batch.values[start + np.minimum(before + 1, last)]
        blend = left + part * (right - left)
        # NaN next to a hole; a blend of the others means nothing
        taken = np.isnan(blend) | ~channels.numeric
        values = np.where(taken, batch.values[nearest], blend)
        values = values.astype(batch.values.dtype, copy=False)
        return Batch(values, batch.lengths, batch.rows[nearest])

    def _places(self, batch, rng):
        """τ of every step, an array of shape (S,), in steps of its sequence."""
        lengths = batch.lengths[:, None]
        height = self.scale * rng.standard_normal((len(lengths), self.n_knots + 2))
        height[~self.acting(batch, rng)] = 0
        # padded to [B, T]: sums that run over one sequence only do not depend on its batch mates
        step = np.arange(batch.lengths.max())
        real = step < lengths
        at = np.minimum(step / np.maximum(lengths - 1, 1), 1) * (self.n_knots + 1)
        knot = np.minimum(at.astype(np.int64), self.n_knots)
        lower = np.take_along_axis(height, knot, axis=1)
        upper = np.take_along_axis(height, knot + 1, axis=1)
        log_speed = lower + (at - knot) * (upper - lower)
        log_speed -= log_speed.max(axis=1, keepdims=True)
        speed = np.exp(log_speed)  # up to a factor, at most 1: none overflows
        passed = np.zeros_like(speed)
        passed[:, 1:] = np.cumsum((speed[:, :-1] + speed[:, 1:]) / 2, axis=1)
        whole = np.take_along_axis(passed, lengths - 1, axis=1)
        whole[batch.lengths == 1] = 1
        place = (lengths - 1) * passed / whole
        place[np.arange(len(lengths)), batch.lengths - 1] = batch.lengths - 1  # exact
        return place[real]
