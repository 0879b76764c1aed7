"""The geometric mean of the losses."""

import torch

from ._base import TaskWeighting, Weigher, check_nonnegative


class GeometricMean(TaskWeighting):
    """The geometric mean of the losses of the n tasks that have labels in the batch.

        L = (Π_k L_k)^(1/n),   w_k = ∂L / ∂L_k = L / (n L_k)

    so that the unit of a loss does not matter: every task's gradient is relative to its loss.

    Notes
    -----
    Losses must not be negative. A loss below the smallest normal number of its dtype counts as
    that number and has weight 0; the derivative of the root is infinite there.

    References
    ----------
    Chennupati, Sistu, Yogamani & Rawashdeh (2019), "MultiNet++: Multi-Stream Feature Aggregation
    and Geometric Loss Strategy for Multi-Task Learning", CVPR Workshops.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import GeometricMean, WeightingContext
    >>> weigher = GeometricMean().build(WeightingContext(["a", "b"], None, None))
    >>> weigher(torch.tensor([1.0, 4.0]), torch.tensor([True, True]), [])
    tensor(2.)
    """

    compares = True

    def build(self, context):
        return GeometricWeigher(context.names)


class GeometricWeigher(Weigher):
    """L = (Π_{k labelled} L_k)^(1/n).

    Parameters
    ----------
    names : list of K hashables
    """

    def __init__(self, names):
        super().__init__()
        self.names = list(names)

    def forward(self, losses, labelled, shared):
        check_nonnegative(losses, self.names, "geometric")
        labelled = labelled & (losses > 0)  # 0: a task of one class, and nothing to learn
        logs = torch.log(losses.clamp(min=torch.finfo(losses.dtype).tiny))
        logs = torch.where(labelled, logs, 0.0)
        n = labelled.sum().clamp(min=1)
        mean = torch.exp(logs.sum() / n)
        return torch.where(labelled.any(), mean, 0.0)
