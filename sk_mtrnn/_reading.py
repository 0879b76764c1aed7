"""What a task reads of the network: which states, with what beside them, pooled or not."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from ._pooling import TaskPooling


def _unlinked():
    return None


class TaskSpec(NamedTuple):
    """What the network knows of a task.

    Attributes
    ----------
    name : object
    n_outputs : int
        C_k.
    predicted : callable
        Outputs to predictions, as in `Task`.
    layer : int, default=-1
        Which layer it reads.
    channels : tuple of int or None, default=None
        Its own channels of x.
    delay : int, default=0
        Step t is read off step t + delay.
    build_transitions : callable, default=None
        ``() -> LinearChain or None``: what links the labels of neighbouring steps.
    """

    name: object
    n_outputs: int
    predicted: Callable
    layer: int = -1
    channels: tuple | None = None
    delay: int = 0
    build_transitions: Callable = _unlinked


class Reading(nn.Module):
    """What some tasks read off one layer.

    Legend: S steps in all, B sequences, F inputs, D state width; P is 1 where all tasks read the
    same, else the number of tasks here.

    Parameters
    ----------
    tasks : tuple of int
        Rising.
    layer : int
    pooling : str
    size : int
        D, and F more with ``input_skip``.
    input_skip : bool
        Whether they see x beside the states.
    common : bool, default=False
        Whether they read the common states rather than those of their own.
    """

    def __init__(self, tasks, layer, pooling, size, input_skip, common=False):
        super().__init__()
        self.tasks = tasks
        self.layer = layer
        self.size = size
        self.input_skip = input_skip
        self.common = common
        self.pooling = TaskPooling(pooling, size, len(tasks))

    def states(self, shared, inputs, layout):
        """States of every step (P, S, D) and the final ones (P, B, D)."""
        states, final = (shared.common if self.common else shared.layers)[self.layer]
        if 1 < len(states) != len(self.tasks):
            states, final = states[list(self.tasks)], final[list(self.tasks)]
        if not self.input_skip:
            return states, final
        own = [inputs[task] for task in self.tasks] if len(inputs) > 1 else inputs
        own = torch.stack(own)  # [1 or P, S, F]
        last = torch.stack([layout.last(x) for x in own])  # [1 or P, B, F]
        return _beside(states, own), _beside(final, last)

    def features(self, states, final, layout, pooled):
        """What heads read of states: (P, S, D), or pooled (P, B, D)."""
        return self.pooling(states, final, layout) if pooled else states


def _beside(states, inputs):
    """(P, M, D) and (Q, M, F), one of P and Q may be 1, to (max(P, Q), M, D + F)."""
    width = max(len(states), len(inputs))
    return torch.cat([part.expand(width, -1, -1) for part in (states, inputs)], dim=2)
