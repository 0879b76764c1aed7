"""The module: packed inputs, shared recurrence, pooling, one head per task."""

import torch
from torch import nn

from ._heads import Heads, Outputs
from .recurrence import RecurrentStack, SeededDropout


class TaskPooling(nn.Module):
    """The steps of a sequence become one vector a task.

    Legend: S steps in all, T the longest sequence, B sequences, K tasks, D state width.

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
        """Weights of the steps: (S, D) to (T, B, K); behind the end of a sequence they are 0."""
        scores = states @ self.query.T / states.shape[1] ** 0.5  # [S, K]
        return torch.softmax(layout.pad(scores, -torch.inf), dim=0)

    def forward(self, states, final, layout):
        """Pool the states of a batch.

        Parameters
        ----------
        states : Tensor of shape (S, D)
        final : Tensor of shape (B, D)
            The state each direction ends in: what "last" is.
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (1, B, D), or (K, B, D) where every task attends on its own
        """
        if self.pooling == "last":
            return final[None]
        if self.pooling == "mean":
            return (layout.pad(states, 0.0).sum(0) / layout.lengths()[:, None])[None]
        if self.pooling == "max":
            return layout.pad(states, -torch.inf).amax(0)[None]
        weights = self.attention(states, layout)
        return torch.einsum("tbk,tbd->kbd", weights, layout.pad(states, 0.0))


class MultiTaskNetwork(nn.Module):
    """One shared recurrent trunk, one linear head per task (hard sharing, Caruana 1997).

    Legend: S steps in all, B sequences, F inputs, D state width, C_k outputs of task k.

    Heads start small, a tenth of `torch.nn.Linear` and without bias: close to the average
    prediction, where the first steps are those of all tasks alike. Heads of equal shape start
    equal, so that a network depends neither on the order of its tasks nor, before training, on
    their number.

    Parameters
    ----------
    n_features : int
        F.
    n_outputs : tuple of int
        C_k of each task.
    per_step : tuple of bool
        Which tasks are read off every step rather than off the pooled sequence.
    cell, activation, hidden_layer_sizes, bidirectional, dropout
        As in `RecurrentStack`; dropout acts before the heads as well.
    pooling : {"last", "mean", "max", "attention"}
    dtype : torch.dtype
    recurrence : {"auto", "packed", "torch"}, default="auto"
        What computes the recurrence.
    amp : bool, default=False
        Whether the recurrence computes in float16 (CUDA); all else stays in ``dtype``.
    """

    def __init__(
        self,
        n_features,
        n_outputs,
        per_step,
        cell,
        activation,
        hidden_layer_sizes,
        bidirectional,
        dropout,
        pooling,
        dtype,
        recurrence="auto",
        amp=False,
    ):
        super().__init__()
        self.recurrence = RecurrentStack(
            cell,
            activation,
            n_features,
            hidden_layer_sizes,
            bidirectional,
            dropout,
            recurrence,
        )
        self.pooling = TaskPooling(pooling, self.recurrence.output_size, len(n_outputs))
        self.dropout = SeededDropout(dropout)
        seed = int(torch.randint(2**31 - 1, ()))  # as the last: the heads draw on their own
        self.heads = Heads(self.recurrence.output_size, n_outputs)
        self.heads.reset(0.1 * self.recurrence.output_size**-0.5, seed)
        self.per_step = per_step
        self.amp = amp
        self.to(dtype)

    @property
    def per_step(self):
        """Which tasks are read off every step; no parameter depends on it."""
        return self._per_step

    @per_step.setter
    def per_step(self, per_step):
        self._per_step = tuple(per_step)
        self._step_group = tuple(task for task, steps in enumerate(per_step) if steps)
        self._pooled_groups = self._group_pooled()

    def _group_pooled(self):
        """Pooled tasks that one product reads: all, or where each has its own input, by width."""
        pooled = [task for task, steps in enumerate(self._per_step) if not steps]
        if self.pooling.pooling != "attention":
            return (tuple(pooled),) if pooled else ()
        by_width = {}
        for task in pooled:
            by_width.setdefault(self.heads.n_outputs[task], []).append(task)
        return tuple(map(tuple, by_width.values()))

    def _states(self, inputs):
        """States of the recurrence, (S, D), and what they end in, (B, D)."""
        if not self.amp:
            return self.recurrence(inputs.steps, inputs.layout)
        with torch.autocast("cuda", dtype=torch.float16):
            states, final = self.recurrence(inputs.steps, inputs.layout)
        return states.to(inputs.steps.dtype), final.to(inputs.steps.dtype)

    def forward(self, inputs):
        """Run a batch.

        Parameters
        ----------
        inputs : PackedInputs
            ``steps`` (S, F) and their ``layout``.

        Returns
        -------
        Outputs
            A tuple of K Tensors, (S, C_k) for per-step tasks, else (B, C_k); rows in packed order.
        """
        states, final = self._states(inputs)
        groups = {}
        pooled = self.pooling(states, final, inputs.layout) if self._pooled_groups else None
        if self._step_group:
            groups[self._step_group] = self.heads(self.dropout(states), self._step_group)
        if self._pooled_groups:
            pooled = self.dropout(pooled)  # [1, B, D] or [K, B, D]
            alone = pooled.unbind(0)  # K of [B, D]
            for group in self._pooled_groups:
                if len(alone) == 1:
                    read = alone[0]  # [B, D]
                elif len(group) == len(alone):
                    read = pooled  # [K, B, D]
                else:
                    read = torch.stack([alone[task] for task in group])  # [G, B, D]
                groups[group] = self.heads(read, group)
        return Outputs.of(groups, self.heads.n_outputs)

    def attention(self, inputs):
        """Attention of every task to every step of a batch: a Tensor of shape (S, K)."""
        states, _ = self._states(inputs)
        return inputs.layout.unpad(self.pooling.attention(states, inputs.layout))


class PackedInputs:
    """The inputs of a batch: ``steps``, a Tensor of shape (S, F), and their ``layout``."""

    def __init__(self, steps, layout):
        self.steps = steps
        self.layout = layout

    def __len__(self):
        return len(self.layout)

    def to(self, device):
        """Return the batch on a device."""
        if self.steps.device == torch.device(device):
            return self
        return PackedInputs(self.steps.to(device), self.layout.to(device))
