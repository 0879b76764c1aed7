"""Packed sequences: the one layout in which every recurrence, pooling and head reads a batch."""

import torch
from torch.nn.utils.rnn import PackedSequence


class PackedLayout:
    """Where the steps of a batch lie: step by step, longest sequence first, no padding.

    Legend: B sequences, T_b steps in sequence b (falling), T = T_0, S = Σ T_b steps in all.
    Step t of sequence b is row ``starts[t] + b``.

    Parameters
    ----------
    batch_sizes : Tensor of shape (T,), int64, on the CPU
        How many sequences have a step t; as in `torch.nn.utils.rnn.PackedSequence`.
    device : torch.device, default="cpu"
        Where the index tensors go.

    Attributes
    ----------
    n_sequences, n_timesteps : int
        B and T.
    equal_length : bool
        Whether all sequences have T steps; then S rows are a (T, B) grid.
    """

    def __init__(self, batch_sizes, device="cpu"):
        self.batch_sizes = batch_sizes
        self.device = torch.device(device)
        self.n_timesteps = len(batch_sizes)
        self.n_sequences = int(batch_sizes[0])
        self.equal_length = int(batch_sizes[-1]) == self.n_sequences
        self._indices = None

    def __len__(self):
        return self.n_sequences

    def to(self, device):
        """Return the same layout with its indices on a device."""
        return PackedLayout(self.batch_sizes, device)

    def _ragged_indices(self):
        """Last rows [B], step [S] and sequence [S] of every row, starts [T], T_b [B]."""
        if self._indices is None:
            sizes = self.batch_sizes
            starts = torch.cumsum(sizes, 0) - sizes
            step = torch.repeat_interleave(torch.arange(self.n_timesteps), sizes)
            sequence = torch.arange(len(step)) - starts[step]
            lengths = (sizes[:, None] > torch.arange(self.n_sequences)).sum(0)
            last = starts[lengths - 1] + torch.arange(self.n_sequences)
            indices = (last, step, sequence, starts, lengths)
            self._indices = tuple(index.to(self.device) for index in indices)
        return self._indices

    def reverse(self, steps):
        """Turn every sequence round in time; twice is once.

        Parameters
        ----------
        steps : Tensor of shape (S, D)

        Returns
        -------
        Tensor of shape (S, D)
        """
        if self.equal_length:
            grid = steps.view(self.n_timesteps, self.n_sequences, -1)  # [T, B, D]
            return grid.flip(0).reshape(steps.shape)
        _, step, sequence, starts, lengths = self._ragged_indices()
        return steps.index_select(0, starts[lengths[sequence] - 1 - step] + sequence)

    def first(self, steps):
        """The first step of each sequence: (S, D) to (B, D)."""
        return steps[: self.n_sequences]

    def last(self, steps):
        """The last step of each sequence: (S, D) to (B, D)."""
        if self.equal_length:
            return steps[-self.n_sequences :]
        return steps.index_select(0, self._ragged_indices()[0])

    def lengths(self):
        """T_b as a Tensor of shape (B,)."""
        if self.equal_length:
            return torch.full((self.n_sequences,), self.n_timesteps, device=self.device)
        return self._ragged_indices()[4]

    def pad(self, steps, fill_value):
        """Lay the steps out as a grid, filled up behind each sequence: (S, D) to (T, B, D)."""
        if self.equal_length:
            return steps.view(self.n_timesteps, self.n_sequences, -1)
        _, step, sequence, _, _ = self._ragged_indices()
        grid = steps.new_full((self.n_timesteps, self.n_sequences, steps.shape[1]), fill_value)
        return grid.index_put((step, sequence), steps)

    def unpad(self, grid):
        """The way back of `pad`: (T, B, D) to (S, D)."""
        if self.equal_length:
            return grid.reshape(self.n_timesteps * self.n_sequences, -1)
        _, step, sequence, _, _ = self._ragged_indices()
        return grid[step, sequence]

    def as_cell_input(self, steps):
        """What a `torch.nn` recurrence reads fastest: a (T, B, D) grid, else a PackedSequence."""
        if self.equal_length:
            return steps.view(self.n_timesteps, self.n_sequences, -1)
        return PackedSequence(steps, self.batch_sizes)
