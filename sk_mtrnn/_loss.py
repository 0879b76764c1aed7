"""K task losses from outputs and targets, and the one number that training minimises."""

from typing import NamedTuple

import torch
from torch import nn

from ._built import built
from ._heads import Outputs
from .weighting import Weigher, WeightingContext


class Target(NamedTuple):
    """What a batch knows of the labels of G tasks that have the same loss.

    Legend: M entries in the batch (B sequences or S steps).

    Attributes
    ----------
    tasks : tuple of G ints
        Which they are, rising.
    values : Tensor of shape (G, M)
        Their encoded labels; any label of the task where an entry has none.
    weights : Tensor of shape (G, M)
        n s_i / (B Σ s): the sum over all training labels of the task, n the number of training
        samples and B that of the batch; 0 where an entry has no label.
    labelled : Tensor of shape (G, M), bool, or None
        Where they are; None if everywhere.
    """

    tasks: tuple
    values: torch.Tensor
    weights: torch.Tensor
    labelled: torch.Tensor | None

    def to(self, device):
        """Return the target on a device."""
        if self.values.device == torch.device(device):
            return self
        tensors = (part if part is None else part.to(device) for part in self[1:])
        return Target(self.tasks, *tensors)


class MultiTaskLoss(nn.Module):
    """L = Σ_k w_k L_k, with L_k the weighted mean of task k's loss over its labelled entries.

    In a batch of B of the n training samples

        L_k = n / (B Σ s) · Σ_{labelled (i, t) in the batch} s_ik ℓ_k(output_it, label_it)

    whose mean over the batches of an epoch, each weighed by B/n, is L_k over all data: the gradient
    is unbiased whatever labels are missing, and an entry without label has none at all.

    Parameters
    ----------
    losses : sequence of K callables ``(outputs (..., C_k), values (...)) -> (...)``
        Those of the tasks of one `Target` must be the same function.
    trims : sequence of K floats
        Share of the highest losses that is left out, equal for the tasks of one `Target`.
    weighting : TaskWeighting
    names, likelihoods, relatedness
        As in `WeightingContext`, but for the relatedness itself, or None if nobody asks.
    """

    def __init__(self, losses, trims, weighting, names, likelihoods, relatedness=None):
        super().__init__()
        self.losses = tuple(losses)
        self.trims = tuple(trims)
        context = WeightingContext(names, likelihoods, lambda: relatedness)
        self.weigher = built(weighting, context, Weigher)

    def per_task(self, outputs, targets):
        """L_k of a batch: a Tensor of shape (K,)."""
        if not isinstance(outputs, Outputs):
            outputs = Outputs(outputs)
        order, values = [], []
        for target in targets:
            losses = self._losses(outputs, target)  # [G, M]
            weights = target.weights
            if self.trims[target.tasks[0]]:
                weights = _trimmed(weights, losses.detach(), self.trims[target.tasks[0]])
            values.append((weights * losses).sum(1))
            order.extend(target.tasks)
        if len(values) == 1:
            return values[0]
        values = torch.cat(values)
        if order == sorted(order):
            return values
        by_task = dict(zip(order, values.unbind(), strict=True))
        return torch.stack([by_task[task] for task in sorted(order)])

    def _losses(self, outputs, target):
        """Loss of every entry of the tasks of a target: (G, M)."""
        first = target.tasks[0]
        if first in outputs.linked:  # its steps are one loss, those without label summed over
            known = None if target.labelled is None else target.labelled[0]
            return outputs.linked[first](outputs[first], target.values[0], known)[None]
        output = outputs.stacked(target.tasks)  # [G, M, C]
        if target.labelled is not None:  # what has no label takes no part: exactly no gradient
            output = torch.where(target.labelled[..., None], output, 0.0)
        return self.losses[first](output, target.values)

    def labelled(self, targets):
        """Which tasks have a label in the batch: a bool Tensor of shape (K,)."""
        found = torch.zeros(len(self.losses), dtype=torch.bool, device=targets[0].weights.device)
        for target in targets:
            found[list(target.tasks)] = (target.weights != 0).any(1)
        return found

    def forward(self, task_losses, labelled=None, shared=()):
        """The one number that training minimises; in evaluation the sum by fixed weights, or 1.

        Parameters
        ----------
        task_losses : Tensor of shape (K,)
        labelled : Tensor of shape (K,), bool, default=None
            Which tasks have a label in the batch; may be None where weights are fixed.
        shared : list of Parameter, default=()
            Those that all tasks share.
        """
        if self.training:
            return self.weigher(task_losses, labelled, shared)
        fixed = self.weigher.fixed
        if fixed is None:
            return task_losses.sum()
        return torch.dot(torch.as_tensor(fixed).to(task_losses), task_losses)


def _trimmed(weights, losses, share):
    """Weights without the highest losses, (G, M) each; the other entries weigh what all did."""
    known = weights != 0
    count = known.sum(1, keepdim=True).double()
    n_out = (share * count + 1e-9).floor()  # [G, 1], whole where the share of the count is
    ranks = losses.masked_fill(~known, -torch.inf).argsort(1, descending=True).argsort(1)
    kept = weights * (ranks >= n_out)
    total = kept.sum(1, keepdim=True)
    return kept * (weights.sum(1, keepdim=True) / total.where(total != 0, 1.0))
