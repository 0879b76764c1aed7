"""Linear heads: what they hold, and the K outputs they give."""

from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import nn


class Head(NamedTuple):
    """One task's head.

    Attributes
    ----------
    weight : Tensor of shape (C_k, D)
    bias : Tensor of shape (C_k,)
    """

    weight: torch.Tensor
    bias: torch.Tensor


class Heads(nn.Module):
    """Linear heads of equally wide inputs, as the rows of one matrix: o_k = W_k h + b_k.

    ``heads[i]`` is the head of the i-th task, a view; its gradient is those rows of ``weight.grad``
    and ``bias.grad``. Tasks that read the same input are one product, and the optimizer sees two
    tensors however many tasks there are.

    Legend: D input width, C_k outputs of task k, M entries (sequences or steps), G tasks of a
    group, P is 1 where all tasks read the same input, else the number of tasks here.

    Parameters
    ----------
    size : int
        D.
    n_outputs : sequence of int
        C_k of each task.
    tasks : sequence of int, default=None
        Which tasks of the network they are, rising; None: all.

    Attributes
    ----------
    rows : tuple of slice
        Where the head of each task stands in ``weight`` and ``bias``.
    """

    def __init__(self, size, n_outputs, tasks=None):
        super().__init__()
        self.n_outputs = tuple(n_outputs)
        self.tasks = tuple(range(len(self.n_outputs)) if tasks is None else tasks)
        ends = accumulate(self.n_outputs, initial=0)
        self.rows = tuple(slice(start, stop) for start, stop in pairwise(ends))
        self.weight = nn.Parameter(torch.empty(sum(self.n_outputs), size))
        self.bias = nn.Parameter(torch.empty(sum(self.n_outputs)))
        self._place = {task: i for i, task in enumerate(self.tasks)}
        self._indices = {}

    def reset(self, bound, seed):
        """Draw weights from U(-bound, bound), the same for heads of equal shape; no bias."""
        nn.init.zeros_(self.bias)
        for rows in self.rows:
            generator = torch.Generator().manual_seed(seed)
            nn.init.uniform_(self.weight[rows], -bound, bound, generator=generator)

    def __len__(self):
        return len(self.n_outputs)

    def __iter__(self):
        return (self[task] for task in range(len(self)))

    def __getitem__(self, task):
        return Head(self.weight[self.rows[task]], self.bias[self.rows[task]])

    def forward(self, inputs, group):
        """Read a group of tasks off the same input, or off one each.

        Parameters
        ----------
        inputs : Tensor of shape (M, D), or of shape (G, M, D) for tasks with equally many outputs
        group : tuple of int
            Their places here, rising.

        Returns
        -------
        Tensor of shape (Σ C_k, M)
            One row an output, task after task: across long rows a softmax over a few classes is
            several times as fast as along short ones.
        """
        weight, bias = self.weight, self.bias
        if len(group) < len(self):
            index = self._index(group)
            weight, bias = weight.index_select(0, index), bias.index_select(0, index)  # [ΣC, D]
        if inputs.ndim == 2:
            return torch.addmm(bias[:, None], weight, inputs.T)
        weight = weight.view(len(group), -1, weight.shape[1])  # [G, C, D]
        bias = bias.view(len(group), -1, 1)  # [G, C, 1]
        return torch.baddbmm(bias, weight, inputs.transpose(1, 2)).flatten(0, 1)

    def read(self, features, tasks):
        """Read some tasks off their features.

        Parameters
        ----------
        features : Tensor of shape (P, M, D)
        tasks : tuple of int
            Rising, among ``self.tasks``.

        Returns
        -------
        dict of tuple of int to Tensor of shape (Σ C_k, M)
            One entry for every group of tasks that are one product.
        """
        place = self._place
        if len(features) == 1:
            return {tasks: self(features[0], tuple(place[task] for task in tasks))}
        by_width = {}
        for task in tasks:
            by_width.setdefault(self.n_outputs[place[task]], []).append(task)
        groups = {}
        for group in map(tuple, by_width.values()):
            places = tuple(place[task] for task in group)
            own = features if len(places) == len(features) else features[list(places)]
            groups[group] = self(own, places)
        return groups

    def _index(self, group):
        """Rows of a group, kept where they are needed next time."""
        key = (group, self.weight.device)
        if key not in self._indices:
            rows = [torch.arange(self.rows[task].start, self.rows[task].stop) for task in group]
            self._indices[key] = torch.cat(rows).to(self.weight.device)
        return self._indices[key]


class Outputs(tuple):
    """The outputs of K tasks, Tensors of shape (M_k, C_k); those of a group are slices of one.

    Attributes
    ----------
    groups : dict of tuple of int to Tensor of shape (Σ C_k, M)
        What `Heads` gave for each group of tasks.
    penalty : Tensor of shape () or None
        What the network itself adds to the loss.
    linked : dict of int to callable
        For tasks whose steps are linked their loss, ``(outputs (S, C_k), values (S,), labelled) ->
        (S,)``.
    """

    groups = {}
    penalty = None
    linked = {}

    @classmethod
    def of(cls, groups, n_outputs):
        """Take apart what `Heads` gave.

        Parameters
        ----------
        groups : dict of tuple of int to Tensor of shape (Σ C_k, M)
            All K tasks are in one of them.
        n_outputs : sequence of K ints
        """
        parts = {}
        for group, tensor in groups.items():
            widths = [n_outputs[task] for task in group]
            parts.update(zip(group, tensor.T.split(widths, dim=1), strict=True))
        outputs = cls(parts[task] for task in range(len(n_outputs)))
        outputs.groups = groups
        return outputs

    def detach(self):
        """The same numbers without a graph."""
        outputs = Outputs(output.detach() for output in self)
        outputs.groups = {group: tensor.detach() for group, tensor in self.groups.items()}
        return outputs

    def stacked(self, tasks):
        """Outputs of G tasks that have C each, a copy only if it must be.

        Parameters
        ----------
        tasks : tuple of int
            Rising.

        Returns
        -------
        Tensor of shape (G, M, C)
            A transposed (G, C, M).
        """
        if tasks in self.groups:
            tensor = self.groups[tasks]
            width = len(tensor) // len(tasks)
            return tensor.view(len(tasks), width, tensor.shape[1]).transpose(1, 2)
        if len(tasks) == 1:
            return self[tasks[0]][None]
        return torch.stack([self[task].T for task in tasks]).transpose(1, 2)
