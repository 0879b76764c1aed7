"""Weights from the noise of each task, learned."""

import numpy as np
import torch
from torch import nn

from ._base import TaskWeighting, Weigher


class UncertaintyWeighting(TaskWeighting):
    """Homoscedastic uncertainty: the noise of every task is learned, and noisy tasks weigh less.

        L = Σ_k a_k exp(-s_k) L_k + c_k s_k,   s_k = log σ_k²

    is the negative log-likelihood of the labels, up to a constant, where L_k is the task's loss and

    ============================  =====  =====  ====================================================
    loss of the task              a_k    c_k    likelihood
    ============================  =====  =====  ====================================================
    squared error                 1/2    1/2    normal with variance σ² (eq. 7)
    cross-entropy                 1      1/2    softmax at temperature σ², approximately (eq. 10)
    absolute error and its like   1      1      Laplace with scale σ² (ours)
    ============================  =====  =====  ====================================================

    The s_k are learned with the network, by the same optimizer. In the first epoch that has labels
    of the task, s_k is kept at its optimum for the mean loss so far, log(a_k L_k / c_k).

    Notes
    -----
    The authors start from a number of the user's; from 0, a task in large units would rule for all
    the steps that s_k needs to come up to it.

    The paper trains with labels for all tasks. Here a task's c_k s_k counts in batches without any
    of its labels too, as the L_k of the others make up for them; but where each batch serves one
    task, or the data hold no label of a task, only the tasks with labels take part.

    References
    ----------
    Kendall, Gal & Cipolla (2018), "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
    Geometry and Semantics", CVPR.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import UncertaintyWeighting, WeightingContext
    >>> context = WeightingContext(["level", "class"], [[0.5, 0.5], [1.0, 0.5]], None)
    >>> weigher = UncertaintyWeighting().build(context)
    >>> total = weigher(torch.tensor([4.0, 1.0]), torch.tensor([True, True]), [])
    >>> weigher.log_variance.exp()  # the noise that would make these losses likeliest
    tensor([4., 2.], dtype=torch.float64, grad_fn=<ExpBackward0>)
    """

    def build(self, context):
        return UncertaintyWeigher(context.likelihoods)


class UncertaintyWeigher(Weigher):
    """L = Σ_k a_k exp(-s_k) L_k + c_k s_k.

    Parameters
    ----------
    likelihoods : array-like of shape (K, 2)
        Rows (a_k, c_k).

    Attributes
    ----------
    log_variance : Parameter of shape (K,), float64
        s_k.
    settled : ndarray of bool, shape (K,)
        Of which tasks the first epoch with labels is over.
    """

    def __init__(self, likelihoods):
        super().__init__()
        self.register_buffer("likelihoods", torch.tensor(likelihoods, dtype=torch.float64))
        self.log_variance = nn.Parameter(torch.zeros(len(likelihoods), dtype=torch.float64))
        self.register_buffer("total", torch.zeros(len(likelihoods), dtype=torch.float64))
        self.register_buffer("count", torch.zeros(len(likelihoods), dtype=torch.float64))
        self.settled = np.zeros(len(likelihoods), dtype=bool)

    def get_extra_state(self):
        return torch.from_numpy(self.settled)

    def set_extra_state(self, state):
        self.settled = state.numpy().copy()

    def _start(self, losses, labelled, known):
        """Let s_k of tasks in their first epoch be the optimum for the mean loss so far."""
        self.total += torch.where(labelled, losses.detach().double(), 0.0)
        self.count += known
        mean = self.total / self.count.clamp(min=1)
        new = torch.from_numpy(~self.settled).to(mean.device) & (mean > 0)
        a, c = self.likelihoods.unbind(1)
        with torch.no_grad():
            self.log_variance[new] = torch.log(a * mean / c)[new]

    def after_epoch(self, losses):
        self.settled |= ~np.isnan(losses)

    def forward(self, losses, labelled, shared):
        known = labelled if self.spread is None else self.spread
        if self.training and not self.settled.all():
            self._start(losses, labelled, known)
        a, c = self.likelihoods.to(losses.dtype).unbind(1)
        s = self.log_variance.to(losses.dtype)
        data = a * torch.exp(-s) * losses
        return torch.where(labelled, data, 0.0).sum() + torch.where(known, c * s, 0.0).sum()
