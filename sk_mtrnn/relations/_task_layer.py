"""Features of its own for every task, where the recurrence gives all of them the same."""

import torch
from torch import nn


class TaskLayer(nn.Module):
    """h_k = tanh(W_k z_k + b_k).

    With hard sharing all tasks see one state, and between equal features there is nothing to
    exchange. So W_k is drawn for each task anew, uniform within ±√(6 / (D_k + d)) (Glorot & Bengio
    2010, equation 16); b_k starts at zero.

    Legend: K tasks, M entries, D_k input width of task k.

    Parameters
    ----------
    sizes : sequence of K ints
        D_k.

    Attributes
    ----------
    size : int
        d, the widest D_k: width of the features of every task.

    References
    ----------
    Glorot & Bengio (2010), "Understanding the Difficulty of Training Deep Feedforward Neural
    Networks", AISTATS.
    """

    def __init__(self, sizes):
        super().__init__()
        self.size = max(sizes)
        self.layers = nn.ModuleList(nn.Linear(size, self.size) for size in sizes)
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features):
        """Features of all tasks: K Tensors of shape (M, D_k) to one of shape (K, M, d)."""
        pairs = zip(self.layers, features, strict=True)
        return torch.tanh(torch.stack([layer(z) for layer, z in pairs]))
