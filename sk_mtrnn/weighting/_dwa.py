"""Weights from how fast each loss falls."""

from numbers import Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval

from ._base import TaskWeighting, Weigher


class DynamicWeightAverage(TaskWeighting):
    """Tasks whose loss falls slowly weigh more.

    In epoch t, with L_k(t) the mean training loss of task k in it,

        w_k(t) = K exp(r_k(t-1) / T) / Σ_i exp(r_i(t-1) / T),   r_k(t-1) = L_k(t-1) / L_k(t-2)

    and all weights are 1 in the first two epochs (eq. 7).

    Parameters
    ----------
    temperature : float, default=2.0
        T; the larger, the more alike the weights.

    Notes
    -----
    An epoch in which a task has no label does not count for its ratio, which is 1 until the task
    has been seen in two. A ratio to a loss of 0 is left as it was. The paper says nothing of these.

    References
    ----------
    Liu, Johns & Davison (2019), "End-to-End Multi-Task Learning with Attention", CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sk_mtrnn.weighting import DynamicWeightAverage, WeightingContext
    >>> weigher = DynamicWeightAverage().build(WeightingContext(["a", "b"], None, None))
    >>> weigher.after_epoch(np.array([4.0, 4.0]))
    >>> weigher.after_epoch(np.array([4.0, 1.0]))
    >>> weigher.weights()
    tensor([1.1853, 0.8147], dtype=torch.float64)
    """

    _parameter_constraints = {"temperature": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, temperature=2.0):
        self.temperature = temperature

    def build(self, context):
        self._validate_params()
        return DynamicWeightWeigher(len(context.names), self.temperature)


class DynamicWeightWeigher(Weigher):
    """L = Σ_k w_k L_k, the weights those of `DynamicWeightAverage`.

    Parameters
    ----------
    n_tasks : int
    temperature : float

    Attributes
    ----------
    ratio : Tensor of shape (K,), float64
        r_k, the latest that is known.
    last : Tensor of shape (K,), float64
        L_k of the latest epoch that had labels of the task; NaN before the first.
    """

    def __init__(self, n_tasks, temperature):
        super().__init__()
        self.temperature = temperature
        self.register_buffer("ratio", torch.ones(n_tasks, dtype=torch.float64))
        self.register_buffer("last", torch.full((n_tasks,), torch.nan, dtype=torch.float64))

    def weights(self):
        """w_k: a Tensor of shape (K,), float64."""
        return len(self.ratio) * torch.softmax(self.ratio / self.temperature, dim=0)

    def forward(self, losses, labelled, shared):
        return torch.dot(self.weights().to(losses.dtype), losses)

    def after_epoch(self, losses):
        losses = torch.as_tensor(np.asarray(losses, dtype=np.float64), device=self.last.device)
        ratio = losses / self.last
        self.ratio.copy_(torch.where(ratio.isfinite(), ratio, self.ratio))
        self.last.copy_(torch.where(losses.isnan(), self.last, losses))
