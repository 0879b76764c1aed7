"""Data as the training loop reads it: batches cut, scaled and packed when they are asked for."""

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from .._loss import Target
from .._network import PackedInputs
from ..recurrence import PackedLayout
from ..sampling import TaskBatch
from ..sequences import packed_order


class SequenceData(Dataset):
    """Some samples of a Ragged, with their targets; a batch is one indexing operation.

    X stays as it was given. Only the steps of a batch are copied, scaled (in the dtype of X, so
    that large offsets lose no digits) and cast.

    Parameters
    ----------
    sequences : Ragged
    input_mean, input_scale : ndarray of shape (n_features,)
    dtype : str
        Of the tensors.
    targets : sequence of EncodedLabels, default=()
    samples : ndarray of int, default=None
        The samples that take part. None: all.

    Attributes
    ----------
    has_labels : ndarray of bool, shape (n_tasks,)
        Which tasks have a label that weighs among them.
    probabilities : ndarray of shape (n_samples,) or None
        With which an epoch draws the samples that take part; None: each once.
    variation : Variation or None
        How the sequences of a batch are altered each time it is cut; None: not at all.
    """

    probabilities = None
    variation = None

    def __init__(self, sequences, input_mean, input_scale, dtype, targets=(), samples=None):
        self.sequences = sequences
        self.samples = np.arange(len(sequences)) if samples is None else samples
        self.lengths = sequences.lengths[self.samples]
        self.dtype = np.dtype(dtype)
        # sequences of one length are copied whole, which is faster than step by step
        n_together = int(sequences.lengths[0]) if sequences.equal_length else 1
        self._blocks = sequences.values.reshape(-1, n_together * sequences.n_features)
        moments = np.tile([input_mean, input_scale], n_together).astype(sequences.dtype)
        self._mean, self._scale = torch.from_numpy(moments)
        self.targets = [
            self._group(tasks, [targets[task] for task in tasks]) for tasks in _same_loss(targets)
        ]
        self.has_labels = np.zeros(len(targets), dtype=bool)
        for group in self.targets:
            self.has_labels[list(group.tasks)] = group.weights.any(axis=0)

    def unaltered(self):
        """The same data, its sequences as they are."""
        if self.variation is None:
            return self
        same = copy.copy(self)
        same.variation = None
        return same

    def labelled(self):
        """Which samples have a label that weighs: bool, shape (len(self), n_tasks)."""
        found = np.zeros((len(self), len(self.has_labels)), dtype=bool)
        for group in self.targets:
            weighs = group.weights != 0  # [entries, G]
            if group.per_step:
                weighs = np.logical_or.reduceat(weighs, self.sequences.offsets[:-1])
            found[:, list(group.tasks)] = weighs[self.samples]
        return found

    def _group(self, tasks, targets):
        """Tasks whose losses are computed together, side by side."""
        values = np.stack([target.values for target in targets], axis=1)
        weights = np.stack([target.weights for target in targets], axis=1)
        chosen = np.zeros(len(self.sequences), dtype=bool)
        chosen[self.samples] = True
        if targets[0].per_step:
            chosen = np.repeat(chosen, self.sequences.lengths)
        weights[~chosen] = 0
        total = weights.sum(axis=0)
        weights *= np.divide(len(self), total, out=np.zeros_like(total), where=total > 0)
        weights = weights.astype(self.dtype, copy=False)
        weighs = weights != 0
        partial = not weighs[chosen].all()
        for label, known in zip(values.T, weighs.T, strict=True):
            # what does not weigh is any number, and 0 times its loss might be 0 times infinity
            label[~known] = label[known.argmax()] if known.any() else 0
        if values.dtype.kind == "f":
            values = values.astype(self.dtype, copy=False)
        delays = np.array([target.delay for target in targets])
        return _Group(tuple(tasks), values, weights, targets[0].per_step, partial, delays)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, batch):
        """Cut one batch.

        Parameters
        ----------
        batch : ndarray of int, shape (B,), or TaskBatch
            Positions among ``samples``. Of a TaskBatch only one task has labels.

        Returns
        -------
        inputs : PackedInputs
        targets : tuple of Target
        """
        serves = None
        if isinstance(batch, TaskBatch):
            batch, *serves = batch
        steps, order = self._steps(batch)
        inputs = PackedInputs(steps, PackedLayout(torch.from_numpy(order.batch_sizes)))
        altered = self.variation is not None
        return inputs, tuple(group.cut(order, serves, altered) for group in self.targets)

    def _steps(self, batch):
        """Scaled inputs in packed order, a Tensor of shape (S, F), and that order."""
        n_features = self.sequences.n_features
        equal = self.sequences.equal_length and self.variation is None
        mean, scale = self._mean, self._scale
        if self.variation is None:
            order = self.order(batch)
            steps = self._blocks.take(order.samples if equal else order.rows, axis=0)
        else:
            steps, order = self.variation(self.samples[batch])
            mean, scale = mean[:n_features], scale[:n_features]
        steps = torch.from_numpy(steps).sub_(mean).div_(scale)
        if equal:
            steps = steps.view(len(order.samples), -1, n_features).transpose(0, 1)  # [T, B, F]
        dtype = getattr(torch, self.dtype.name)
        steps = steps.to(dtype, memory_format=torch.contiguous_format).reshape(-1, n_features)
        if not math.isfinite(steps.sum()) and not torch.isfinite(steps).all():
            row = order.rows[int((~torch.isfinite(steps)).any(dim=1).nonzero()[0])]
            sample = int(np.searchsorted(self.sequences.offsets, row, side="right")) - 1
            raise ValueError(
                f"Input X contains a value too large for dtype={self.dtype.name!r} in sample "
                f"{sample}."
            )
        return steps, order

    def order(self, batch):
        """Packed order of a batch: a PackedOrder over all samples of the Ragged."""
        return packed_order(self.sequences.offsets, self.sequences.lengths, self.samples[batch])


class _Group(NamedTuple):
    """Labels of G tasks with the same loss, over all entries of the Ragged.

    Attributes
    ----------
    tasks : tuple of G ints
    values, weights : ndarray of shape (n_entries, G)
        As in `Target`, but for the size of the batch.
    per_step, partial : bool
        Whether an entry is a step; whether some have no label.
    delays : ndarray of int, shape (G,)
    """

    tasks: tuple
    values: np.ndarray
    weights: np.ndarray
    per_step: bool
    partial: bool
    delays: np.ndarray

    def cut(self, order, serves=None, altered=False):
        """The Target of a batch, or of one that serves a task, with the share of its samples.

        Of sequences that were ``altered``, which labels have no state to be read off is found anew.
        """
        entries = order.rows if self.per_step else order.samples
        values = np.ascontiguousarray(self.values.take(entries, axis=0).T)  # [G, M]
        weights = np.ascontiguousarray(self.weights.take(entries, axis=0).T)  # [G, M]
        weights /= len(order.samples)
        beyond = altered and self.per_step and self.delays.any()
        if beyond:
            weights[_reads_beyond(order.batch_sizes, self.delays)] = 0
        if serves is not None:
            task, share = serves
            weights *= np.where(np.array(self.tasks) == task, share, 0.0)[:, None]
        labelled = torch.from_numpy(weights != 0) if self.partial or serves or beyond else None
        return Target(self.tasks, torch.from_numpy(values), torch.from_numpy(weights), labelled)


def _reads_beyond(batch_sizes, delays):
    """Whether step t + delay lies outside the sequence: (G, S), steps in packed order."""
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    rank = np.arange(len(step)) - np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    length = (batch_sizes[:, None] > np.arange(batch_sizes[0])).sum(0)[rank]
    read = step + delays[:, None]
    return (read < 0) | (read >= length)


def _same_loss(targets):
    """Group tasks by loss and kind of entries: lists of rising indices."""
    groups = {}
    for task, target in enumerate(targets):
        groups.setdefault((target.loss_key, target.per_step), []).append(task)
    return groups.values()
