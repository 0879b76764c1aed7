"""Weights that are drawn."""

import torch

from ._base import TaskWeighting, Weigher


class RandomLossWeighting(TaskWeighting):
    """New weights for every batch: the baseline that other systems have to beat.

        w = n softmax(z),   z ~ N(0, I)

    over the n tasks that have labels in the batch, so that each weighs 1 on average.

    Notes
    -----
    The paper's weights sum to 1; here they sum to n, so that a learning rate means the same as with
    equal weights. Outside of training the weights are their mean, 1.

    References
    ----------
    Lin, Ye, Zhang & Tsang (2022), "Reasonable Effectiveness of Random Weighting: A Litmus Test for
    Multi-Task Learning", TMLR.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import RandomLossWeighting, WeightingContext
    >>> weigher = RandomLossWeighting().build(WeightingContext(["a", "b"], None, None))
    >>> weigher.generator = torch.Generator().manual_seed(0)
    >>> both = torch.tensor([True, True])
    >>> float(weigher(torch.tensor([1.0, 1.0]), both, []))
    2.0
    """

    compares = True

    def build(self, context):
        return RandomWeigher()


class RandomWeigher(Weigher):
    """L = Σ_k w_k L_k, the weights those of `RandomLossWeighting`."""

    def forward(self, losses, labelled, shared):
        if not self.training:
            return losses.sum()
        if self.generator is None:
            raise ValueError("generator must be a torch.Generator before weights are drawn.")
        z = torch.empty_like(losses).detach().normal_(generator=self.generator)
        z = torch.where(labelled, z, -torch.inf)
        w = labelled.sum() * torch.softmax(z, dim=0)
        w = torch.where(labelled, w, 0.0)  # no label in the batch: 0 times a softmax of nothing
        return torch.dot(w, losses)
