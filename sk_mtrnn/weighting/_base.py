"""What a weighting is: options that build what turns K losses into one number."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn


class WeightingContext(NamedTuple):
    """What a system is told when it is built.

    Attributes
    ----------
    names : list of K hashables
        Of the tasks.
    likelihoods : ndarray of shape (K, 2)
        Rows (a, c): -log p = a exp(-s) L + c s + const, with L the task's loss and s the logarithm
        of what scales its noise; see `UncertaintyWeighting`.
    relatedness : callable ``() -> ndarray of shape (K, K)``
        Measured on the training labels when asked; NaN where unknown.
    """

    names: list
    likelihoods: np.ndarray
    relatedness: Callable[[], np.ndarray]


class TaskWeighting(BaseEstimator, ABC):
    """The options of one way to weigh tasks.

    Attributes
    ----------
    needs_shared : bool
        Whether it asks for parameters that all tasks share.
    compares : bool
        Whether it compares tasks within a batch, and so makes no sense where each batch serves one.
    needs_relatedness : bool
        Whether it asks how related the tasks are.
    is_fixed : bool
        Whether its weights never change.
    """

    needs_shared: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    needs_relatedness: ClassVar[bool] = False
    is_fixed: ClassVar[bool] = False

    @abstractmethod
    def build(self, context):
        """Make the weigher of one training run.

        Parameters
        ----------
        context : WeightingContext

        Returns
        -------
        Weigher
        """


class Weigher(nn.Module, ABC):
    """Turns the K losses of a batch into one number; holds what a system learns and remembers.

    What it learns moves in training mode only. In evaluation mode it weighs as it would next.

    Attributes
    ----------
    fixed : ndarray of shape (K,) or None
        The weights, where they never change.
    generator : torch.Generator or None
        What a system that draws draws from; on the device of the losses, set by the training loop.
    spread : Tensor of shape (K,), bool, or None
        Tasks whose labels are spread over the batches to come, so that a loss of 0 in one of them
        is made up for in others; None where each batch serves one task. Set by the training loop.
    """

    fixed = None
    generator = None
    spread = None

    @abstractmethod
    def forward(self, losses, labelled, shared):
        """Weigh the losses of a batch.

        Parameters
        ----------
        losses : Tensor of shape (K,)
            0 and without graph where a task has no label in the batch.
        labelled : Tensor of shape (K,), bool
            Which tasks have a label in the batch.
        shared : list of Parameter
            Those that all tasks share; may be empty.

        Returns
        -------
        Tensor of shape ()
            What training minimises; its gradient in ``losses`` is the weights of the tasks.
        """

    def after_step(self, evaluate):
        """Hear that the network has moved.

        Parameters
        ----------
        evaluate : callable ``() -> Tensor of shape (K,)``
            Computes the losses of the same batch now, without gradient.
        """

    def after_epoch(self, losses):
        """Hear how an epoch went.

        Parameters
        ----------
        losses : ndarray of shape (K,)
            Mean training losses of the epoch; NaN where a task had no label.
        """


class AdamVector(nn.Module):
    """K numbers that an Adam of their own moves (Kingma & Ba 2015); no other optimizer does.

    Parameters
    ----------
    start : Tensor of shape (K,), float64
    learning_rate : float
    weight_decay : float, default=0.0

    Attributes
    ----------
    values : Tensor of shape (K,), float64
        A buffer, so that an optimizer over all parameters does not find it.
    """

    def __init__(self, start, learning_rate, weight_decay=0.0):
        super().__init__()
        self.register_buffer("values", start)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._optimizer = None

    def step(self, gradient, labelled):
        """Make one step along a gradient (K,), in those numbers only whose task has labels."""
        before = self.values.clone()
        self._renew_optimizer()
        self.values.grad = gradient
        self._optimizer.step()
        self.values.grad = None
        self.values.copy_(torch.where(labelled, self.values, before))  # momentum moves all

    def _renew_optimizer(self):
        """An Adam over the values where they are now: `Module.to` puts others in their place."""
        known = self._optimizer
        if known is not None and known.param_groups[0]["params"][0] is self.values:
            return
        self._optimizer = torch.optim.Adam(
            [self.values], lr=self.learning_rate, weight_decay=self.weight_decay
        )
        if known is not None:
            self._optimizer.load_state_dict(known.state_dict())


def check_nonnegative(losses, names, system):
    """Refuse a negative loss where a system takes its logarithm, root or power."""
    losses = losses.detach()
    if not (losses < 0).any():
        return
    k = int((losses < 0).nonzero()[0, 0])
    raise ValueError(
        f"task_weights={system!r} needs losses that are never negative, found "
        f"{float(losses[k]):.4g} in task {names[k]!r}; another loss of that task, or other "
        "task_weights, will do."
    )
