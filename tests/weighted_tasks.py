"""Three tasks over two shared numbers, for the tests of what weighs them."""

import numpy as np
import torch
from torch import nn

from sk_mtrnn.weighting import WEIGHTINGS, FixedWeights, WeightingContext

NAMES = ["a", "b", "c"]
LIKELIHOODS = np.array([[0.5, 0.5], [1.0, 0.5], [1.0, 1.0]])
RELATEDNESS = np.array([[1.0, 0.6, np.nan], [0.6, 1.0, 0.2], [np.nan, 0.2, 1.0]])
ALL = torch.tensor([True, True, True])
SYSTEMS = [FixedWeights([1.0, 2.0, 0.5]), *(system() for system in WEIGHTINGS.values())]


def context(order=(0, 1, 2)):
    order = list(order)
    return WeightingContext(
        [NAMES[k] for k in order],
        LIKELIHOODS[order],
        lambda: RELATEDNESS[np.ix_(order, order)],
    )


def build(system, order=(0, 1, 2)):
    weigher = system.build(context(order))
    weigher.generator = torch.Generator().manual_seed(0)
    return weigher


class Trunk(nn.Module):
    """Three tasks read off two shared numbers; losses far apart, and all above 0."""

    def __init__(self, order=(0, 1, 2)):
        super().__init__()
        self.shared = nn.Parameter(torch.tensor([1.0, -0.5], dtype=torch.float64))
        slopes = torch.tensor([[3.0, 1.0], [0.2, -0.1], [1.0, 1.0]], dtype=torch.float64)
        targets = torch.tensor([1.0, 0.5, -2.0], dtype=torch.float64)
        floors = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)
        self.slopes, self.targets, self.floors = (
            part[list(order)] for part in (slopes, targets, floors)
        )

    def forward(self, labelled=ALL):
        losses = (self.slopes @ self.shared - self.targets) ** 2 + self.floors
        return torch.where(labelled, losses, 0.0)


def weights_of(weigher, losses, labelled=ALL, shared=()):
    """∂ total / ∂ L_k of a batch whose losses are given numbers."""
    losses = torch.as_tensor(losses, dtype=torch.float64).requires_grad_()
    total = weigher(losses, torch.as_tensor(labelled), list(shared))
    return torch.autograd.grad(total, losses)[0].numpy()


def train(trunk, weigher, n_steps, labelled=ALL, optimizer=None, start=0):
    """Weights of the tasks in every step; an epoch has two."""
    parameters = [*trunk.parameters(), *weigher.parameters()]
    optimizer = optimizer or torch.optim.SGD(parameters, lr=0.01)
    trace = []
    for step in range(start, start + n_steps):
        losses = trunk(labelled)
        total = weigher(losses, labelled, [trunk.shared])
        trace.append(torch.autograd.grad(total, losses, retain_graph=True)[0].numpy())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        with torch.no_grad():
            weigher.after_step(lambda: trunk(labelled))
        if step % 2:
            known = np.where(labelled.numpy(), losses.detach().numpy(), np.nan)
            weigher.after_epoch(known)
    return np.array(trace)
