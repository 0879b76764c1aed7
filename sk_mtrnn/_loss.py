"""K task losses from outputs and targets, and the one number that training minimises."""

from typing import NamedTuple

import torch
from torch import nn


class Target(NamedTuple):
    """What a batch knows of one task's labels.

    Legend: M entries in the batch (B sequences or S steps), L of them labelled.

    Attributes
    ----------
    rows : Tensor of shape (L,), int64, or None
        The labelled entries; None if all are.
    values : Tensor of shape (L,)
        Their encoded labels.
    weights : Tensor of shape (L,)
        n s_i / Σ s, the sum over all training labels of the task and n the number of training
        samples.
    """

    rows: torch.Tensor | None
    values: torch.Tensor
    weights: torch.Tensor

    def to(self, device):
        """Return the target on a device."""
        return Target(*(part if part is None else part.to(device) for part in self))


class MultiTaskLoss(nn.Module):
    """L = Σ_k w_k L_k, with L_k the weighted mean of task k's loss over its labelled entries.

    In a batch of B of the n training samples

        L_k = n / (B Σ s) · Σ_{labelled (i, t) in the batch} s_ik ℓ_k(output_it, label_it)

    whose mean over the batches of an epoch, each weighed by B/n, is L_k over all data: the gradient
    is unbiased whatever labels are missing, and an entry without label has none at all.

    Parameters
    ----------
    losses : sequence of K callables ``(outputs (L, C_k), values (L,)) -> (L,)``
    task_weights : sequence of K floats
    """

    def __init__(self, losses, task_weights):
        super().__init__()
        self.losses = tuple(losses)
        self.register_buffer("task_weights", torch.as_tensor(task_weights, dtype=torch.float64))

    def per_task(self, outputs, targets, n_samples):
        """L_k of a batch of ``n_samples``: a Tensor of shape (K,)."""
        values = []
        for loss, output, target in zip(self.losses, outputs, targets, strict=True):
            if target.rows is not None:  # an entry without label takes no part: exactly no gradient
                output = output.index_select(0, target.rows)
            values.append((target.weights * loss(output, target.values)).sum() / n_samples)
        return torch.stack(values)

    def forward(self, task_losses):
        """Weigh (K,) losses into one."""
        return (self.task_weights.to(task_losses.dtype) * task_losses).sum()
