"""What a way of sharing is: from the inputs of a batch to the states every task reads."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from sklearn.base import BaseEstimator
from torch import nn


class SharingContext(NamedTuple):
    """What a way of sharing is told when it builds its module.

    Attributes
    ----------
    n_tasks : int
        K.
    n_features : int
        F, width of the inputs.
    hidden_layer_sizes : tuple of int
        Units of each recurrent layer.
    stack : callable ``(hidden_layer_sizes=None) -> RecurrentStack``
        Builds a new recurrence with the cell, directions and dropout of the estimator, by default
        with its ``hidden_layer_sizes``.
    """

    n_tasks: int
    n_features: int
    hidden_layer_sizes: tuple
    stack: Callable


class States(NamedTuple):
    """States of one layer; P is 1 where all tasks read the same, else K.

    Attributes
    ----------
    steps : Tensor of shape (P, S, D)
        Of every step, rows in packed order.
    final : Tensor of shape (P, B, D)
        The state each direction ends in.
    """

    steps: torch.Tensor
    final: torch.Tensor

    def to(self, dtype):
        """The same states in another dtype."""
        return States(self.steps.to(dtype), self.final.to(dtype))


class SharedStates(NamedTuple):
    """What a batch gives.

    Attributes
    ----------
    layers : list of States
        What the tasks read, layer by layer.
    common : list of States or None
        With P = 1: states that belong to no single task, which a new task and a transformer may
        read; None where there are none.
    penalty : Tensor of shape () or None
        Added to the loss in training.
    """

    layers: list
    common: list | None
    penalty: torch.Tensor | None = None


class Sharing(BaseEstimator, ABC):
    """How tasks share the recurrence: the options of one way; `fit` builds its module.

    Attributes
    ----------
    common : bool
        Whether there are states that belong to no single task.
    is_one_stack : bool
        Whether what all tasks read are the states of one `RecurrentStack`, and nothing else.
    """

    common = False
    is_one_stack = False

    @abstractmethod
    def build(self, context):
        """Build the module.

        Parameters
        ----------
        context : SharingContext

        Returns
        -------
        SharedRecurrence
        """


class SharedRecurrence(nn.Module, ABC):
    """The module of a way of sharing.

    Attributes
    ----------
    sizes : tuple of int
        D of what the tasks read, layer by layer.
    common_sizes : tuple of int or None
        D of the common states; None where there are none.
    is_one_stack : bool
        Whether what all tasks read are the states of one `RecurrentStack`, and nothing else.
    is_apart : bool
        Whether tasks share nothing, so that each has embeddings of its own.
    """

    sizes: tuple
    common_sizes: tuple | None = None
    is_one_stack = False
    is_apart = False

    @abstractmethod
    def forward(self, inputs, layout):
        """Run over a batch.

        Parameters
        ----------
        inputs : list of 1 or K Tensors of shape (S, F)
            One for all tasks, or one a task, where some have features of their own.
        layout : PackedLayout

        Returns
        -------
        SharedStates
        """

    def shared_parameters(self, layer):
        """Parameters which the losses of all tasks go through; by default all.

        Parameters
        ----------
        layer : int
            The lowest one that a task reads: what stands above it is not shared by all.

        Returns
        -------
        list of Parameter
        """
        return list(self.parameters())


def run_each(stack, inputs, layout):
    """Run a recurrence over different inputs, over equal ones once: a list of States."""
    if len(inputs) == 1:
        return stack_runs([stack(inputs[0], layout)])
    runs = {id(steps): stack(steps, layout) for steps in {id(x): x for x in inputs}.values()}
    return stack_runs([runs[id(steps)] for steps in inputs])


def stack_runs(runs):
    """Put runs of recurrences side by side.

    Parameters
    ----------
    runs : list of P lists of (states, final)
        Of each run its layers.

    Returns
    -------
    list of States
    """
    if len(runs) == 1:
        return [States(states[None], final[None]) for states, final in runs[0]]
    layers = zip(*runs, strict=True)
    return [States(*map(torch.stack, zip(*layer, strict=True))) for layer in layers]


def one_each(inputs, n_tasks):
    """The input of every task: a list of 1 or K to a list of K."""
    return inputs if len(inputs) == n_tasks else inputs * n_tasks
