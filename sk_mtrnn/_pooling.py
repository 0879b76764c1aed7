"""Pooling: the steps of a sequence become one vector a task."""

import torch
from torch import nn


class TaskPooling(nn.Module):
    """The steps of a sequence become one vector a task.

    Legend: S steps in all, T the longest sequence, B sequences, K tasks, D state width, P is 1
    where all tasks read the same states, else K.

    Parameters
    ----------
    pooling : {"last", "mean", "max", "attention"}
        "attention" weighs step t for task k by a_tk = softmax_t(q_k · h_t / √D), q_k learned: the
        dot-product attention of Luong et al. (2015) with one query per task, scaled as in Vaswani
        et al. (2017). Queries start at zero, so training starts from the mean.
    size : int
        D.
    n_tasks : int
    """

    def __init__(self, pooling, size, n_tasks):
        super().__init__()
        self.pooling = pooling
        self.query = nn.Parameter(torch.zeros(n_tasks, size)) if pooling == "attention" else None

    def attention(self, states, layout):
        """Weights of the steps: (P, S, D) to (T, B, K); behind the end of a sequence they are 0."""
        if len(states) == 1:
            scores = states[0] @ self.query.T  # [S, K]
        else:
            scores = torch.einsum("ksd,kd->sk", states, self.query)
        scores = scores / states.shape[2] ** 0.5
        return torch.softmax(layout.pad(scores, -torch.inf), dim=0)

    def forward(self, states, final, layout):
        """Pool the states of a batch.

        Parameters
        ----------
        states : Tensor of shape (P, S, D)
        final : Tensor of shape (P, B, D)
            The state each direction ends in: what "last" is.
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (P, B, D), or (K, B, D) where every task attends on its own
        """
        if self.pooling == "last":
            return final
        if self.pooling == "mean":
            return self._pad(states, layout, 0.0).sum(0) / layout.lengths()[:, None]
        if self.pooling == "max":
            return self._pad(states, layout, -torch.inf).amax(0)
        weights, grid = self.attention(states, layout), self._pad(states, layout, 0.0)
        if len(states) == 1:
            return torch.einsum("tbk,tbd->kbd", weights, grid[:, 0])
        return torch.einsum("tbk,tkbd->kbd", weights, grid)

    @staticmethod
    def _pad(states, layout, fill_value):
        """Lay states out as a grid: (P, S, D) to (T, P, B, D)."""
        if len(states) == 1:
            return layout.pad(states[0], fill_value)[:, None]
        grid = layout.pad(states.transpose(0, 1).flatten(1), fill_value)  # [T, B, P·D]
        return grid.unflatten(2, (len(states), -1)).transpose(1, 2)
