"""Data as the training loop reads it: batches cut, scaled and packed when they are asked for."""

import numpy as np
import torch
from torch.utils.data import Dataset

from .._loss import Target
from .._network import PackedInputs
from ..recurrence import PackedLayout
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
    """

    def __init__(self, sequences, input_mean, input_scale, dtype, targets=(), samples=None):
        self.sequences = sequences
        self.samples = np.arange(len(sequences)) if samples is None else samples
        self.lengths = sequences.lengths[self.samples]
        self.input_mean = input_mean.astype(sequences.dtype)
        self.input_scale = input_scale.astype(sequences.dtype)
        self.dtype = np.dtype(dtype)
        self.targets, labelled = [], []
        for target in targets:
            values = target.values
            if values.dtype.kind == "f":
                values = values.astype(self.dtype)
            entries = self._entries(target.per_step)
            total = target.weights[entries].sum()
            labelled.append(total > 0)
            weights = target.weights * (len(self) / total if total > 0 else 0.0)
            weights = torch.from_numpy(weights.astype(self.dtype))
            partial = bool((target.weights[entries] == 0).any())
            self.targets.append((torch.from_numpy(values), weights, target.per_step, partial))
        self.has_labels = np.array(labelled, dtype=bool)

    def _entries(self, per_step):
        """Which entries of a task belong to the samples that take part."""
        chosen = np.zeros(len(self.sequences), dtype=bool)
        chosen[self.samples] = True
        return np.repeat(chosen, self.sequences.lengths) if per_step else chosen

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, batch):
        """Cut one batch.

        Parameters
        ----------
        batch : ndarray of int, shape (B,)
            Positions among ``samples``.

        Returns
        -------
        inputs : PackedInputs
        targets : tuple of Target
        """
        order = self.order(batch)
        steps = self.sequences.values[order.rows]
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            steps -= self.input_mean
            steps /= self.input_scale
            steps = steps.astype(self.dtype, copy=False)
        if not np.isfinite(steps).all():
            row = order.rows[np.flatnonzero(~np.isfinite(steps).all(axis=1))[0]]
            sample = int(np.searchsorted(self.sequences.offsets, row, side="right")) - 1
            raise ValueError(
                f"Input X contains a value too large for dtype={self.dtype.name!r} in sample "
                f"{sample}."
            )
        steps = torch.from_numpy(steps)
        inputs = PackedInputs(steps, PackedLayout(torch.from_numpy(order.batch_sizes)))
        rows, samples = torch.from_numpy(order.rows), torch.from_numpy(order.samples)
        targets = tuple(
            _cut(values, weights, rows if per_step else samples, partial)
            for values, weights, per_step, partial in self.targets
        )
        return inputs, targets

    def order(self, batch):
        """Packed order of a batch: a PackedOrder over all samples of the Ragged."""
        return packed_order(self.sequences.offsets, self.sequences.lengths, self.samples[batch])


def _cut(values, weights, entries, partial):
    """One task's labels of a batch, only those that weigh."""
    weights = weights[entries]
    if not partial:
        return Target(None, values[entries], weights)
    rows = torch.nonzero(weights).squeeze(1)
    return Target(rows, values[entries[rows]], weights[rows])
