"""Inputs of single tasks, brought into the space the recurrence shares."""

import torch
from torch import nn


class TaskInputs(nn.Module):
    """Channels of its own for a task: x^k W^k, with W^k of shape (F_k, F) learned.

    x^k are the channels of task k, and the F inputs of the recurrence the space that all share. At
    the start W^k puts each channel in its own place there. Tasks without channels of their own read
    x as it is.

    Parameters
    ----------
    n_features : int
        F.
    channels : sequence of K tuples of int, or None
        The channels of each task; None: all of x.

    Attributes
    ----------
    any_own : bool
        Whether any task has some.
    """

    def __init__(self, n_features, channels):
        super().__init__()
        self.channels = tuple(channels)
        self.any_own = any(own is not None for own in self.channels)
        self.projections = nn.ParameterDict()
        for task, own in enumerate(self.channels):
            if own is not None:
                self.projections[str(task)] = nn.Parameter(torch.eye(n_features)[list(own)])

    def forward(self, steps):
        """Bring the inputs of every task into the common space.

        Parameters
        ----------
        steps : list of 1 or K Tensors of shape (S, F)
            One for all tasks, or one a task.

        Returns
        -------
        list of 1 or K Tensors of shape (S, F)
        """
        if not self.any_own:
            return steps
        given = steps if len(steps) == len(self.channels) else steps * len(self.channels)
        return [
            x if own is None else x[:, own] @ self.projections[str(task)]
            for task, (own, x) in enumerate(zip(self.channels, given, strict=True))
        ]
