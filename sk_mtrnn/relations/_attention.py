"""Attention among tasks: every task decides, entry by entry, what it takes from which."""

from contextlib import contextmanager
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from ._base import RelationModule, TaskRelation
from ._task_layer import TaskLayer


class TaskAttention(TaskRelation):
    """Multi-head self-attention over the tasks, at every entry on its own.

    Every task k first gets features of its own from the state z_k its head would read,

        h_k = tanh(W_k z_k + b_k)

    the rows of H (K, d), d the widest z_k. Then, with d_h = d / n_heads,

        head_i = softmax(H Q_i (H K_i)^T / √d_h) H V_i
        H' = H + [head_1 ... head_n] O

    with Q_i, K_i, V_i (d, d_h) and O (d, d) learned. The heads of the tasks read the rows of H'.

    Parameters
    ----------
    n_heads : int, default=1
        Must divide d: the width of the widest features that a task reads.

    Notes
    -----
    Of the Transformer's layer this is the attention and the residual connection around it, without
    layer normalisation, feed-forward network and dropout. The matrices start as Glorot & Bengio
    (2010) draw them.

    The matrix of this relation is the mean attention over data, each entry counting once: row k
    says from which tasks task k takes, and sums to 1.

    References
    ----------
    Vaswani et al. (2017), "Attention Is All You Need", NeurIPS, section 3.2.

    Examples
    --------
    >>> from sk_mtrnn.relations import TaskAttention
    >>> TaskAttention(n_heads=4)
    TaskAttention(n_heads=4)
    """

    _parameter_constraints = {"n_heads": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_heads=1):
        self.n_heads = n_heads

    def build(self, context):
        self._validate_params()
        size = max(context.sizes)
        if size % self.n_heads:
            raise ValueError(
                f"n_heads must divide the {size} features of a task, found {self.n_heads}."
            )
        return SelfAttention(context.sizes, self.n_heads)


class SelfAttention(RelationModule):
    """The module of `TaskAttention`.

    Legend: K tasks, M entries, D_k input width of task k, d its widest, N heads.

    Parameters
    ----------
    sizes : sequence of K ints
        D_k.
    n_heads : int
        N.
    """

    needs_data = True

    def __init__(self, sizes, n_heads):
        super().__init__()
        self.task_layer = TaskLayer(sizes)
        self.size = d = self.task_layer.size
        self.width = 4 * len(sizes) * d + n_heads * len(sizes) ** 2
        self.n_heads = n_heads
        self.query = nn.Linear(d, d, bias=False)
        self.key = nn.Linear(d, d, bias=False)
        self.value = nn.Linear(d, d, bias=False)
        self.output = nn.Linear(d, d, bias=False)
        for weight in self.shared_parameters():
            nn.init.xavier_uniform_(weight)
        self._recording = False
        self._total = torch.zeros(len(sizes), len(sizes), dtype=torch.float64)
        self._n_entries = 0

    @contextmanager
    def recording(self):
        """In this context, without gradients, `features` adds up attention for `matrix`."""
        self._recording = True
        self._total = torch.zeros_like(self._total)
        self._n_entries = 0
        try:
            with torch.no_grad():
                yield self
        finally:
            self._recording = False

    def _by_head(self, projected):
        """Tensors (K, M, d) to (M, N, K, d / N)."""
        n_tasks, n_entries, _ = projected.shape
        return projected.view(n_tasks, n_entries, self.n_heads, -1).permute(1, 2, 0, 3)

    def features(self, features):
        h = self.task_layer(features)  # [K, M, d]
        q, k, v = (self._by_head(part(h)) for part in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5  # [M, N, K, K]
        attention = torch.softmax(scores, dim=3)
        if self._recording:
            self._total += attention.double().mean(1).sum(0).cpu()
            self._n_entries += len(attention)
        heads = (attention @ v).permute(2, 0, 1, 3).flatten(2)  # [K, M, d]
        return h + self.output(heads)

    def matrix(self):
        """Mean attention over what was recorded last: ndarray (K, K); None before."""
        if self._n_entries == 0:
            return None
        return (self._total / self._n_entries).numpy()

    def shared_parameters(self):
        return [part.weight for part in (self.query, self.key, self.value, self.output)]
