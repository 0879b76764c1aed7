"""Packed sequences: the one layout in which every recurrence, pooling and head reads a batch."""

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import PackedSequence

CHUNK_SIZE = 1 << 16  # rows times units of a chunk: what it reads and writes stays in cache


class Loops(NamedTuple):
    """The two functions of a cell that run over the steps of a chunk."""

    forward: Callable
    backward: Callable


class Chunk:
    """Some consecutive steps of a packed batch: the rows ``start`` to ``end``.

    Parameters
    ----------
    before : int
        First row of the step before the chunk; 0 for the first chunk.
    start, end : int
    sizes : list of int
        How many sequences run at each of its steps.
    """

    def __init__(self, before, start, end, sizes):
        self.before = before
        self.start = start
        self.end = end
        self.sizes = sizes
        self.equal = sizes[0] == sizes[-1]
        if not self.equal:  # [those that go on, those that end, ...]; all of the last step's
            pairs = pairwise(sizes)
            self._pairs = [n for now, then in pairs for n in (then, now - then)] + sizes[-1:]

    def __len__(self):
        return self.end - self.start

    def split(self, rows):
        """Views of the steps: rows (end - start, ...) of the chunk to a tuple of (b_t, ...)."""
        return rows.split_with_sizes(self.sizes)

    def split_states(self, rows):
        """Views of the steps, and of all but the last those rows whose sequences go on.

        Returns
        -------
        now : tuple of Tensors (b_t, ...)
        on : tuple of Tensors (b_t+1, ...)
            One fewer: before a step, the states of the sequences that reach it.
        """
        if self.equal:
            now = rows.split_with_sizes(self.sizes)
            return now, now[:-1]
        return rows.split_with_sizes(self.sizes), rows.split_with_sizes(self._pairs)[:-1:2]

    def arriving(self, states, decay, out):
        """States as they arrive at the steps: γ ⊙ h, computed when a step asks for its own.

        Parameters
        ----------
        states : tuple of Tensors (b_t, H)
            h before each step.
        decay : Tensor of shape (end - start, H) or None
            γ; None: 1.
        out : Tensor of shape (b, H)
            Holds the states of one step, until the next asks.
        """
        if decay is None:
            return states
        pairs = zip(states, self.split(decay), strict=True)
        return (torch.mul(h, decay_t, out=out[: len(h)]) for h, decay_t in pairs)

    def departing(self, states, decay, arrived):
        """Where each step, the last one first, adds ∂L/∂(γ ⊙ h); the way back of `arriving`.

        Parameters
        ----------
        states : iterable of Tensors (b_t, H)
            Where ∂L/∂h belongs, the last step first.
        decay : Tensor of shape (end - start, H) or None
            γ; None: 1, and the steps add to ``states`` themselves.
        arrived : Tensor of shape (end - start, H)
            Of zeros; filled with ∂L/∂(γ ⊙ h).
        """
        if decay is None:
            return states
        return self._departing(states, decay, arrived)

    def _departing(self, states, decay, arrived):
        parts = reversed(self.split(decay)), reversed(self.split(arrived))
        for h, decay_t, arrived_t in zip(states, *parts, strict=True):
            yield arrived_t
            h.addcmul_(decay_t, arrived_t)  # once the next is asked for, or if there is one

    def ends(self, rows, out):
        """Copy the last row of each sequence that ends in the chunk into ``out`` (B, H)."""
        if self.equal:
            out[: self.sizes[0]] = rows[-self.sizes[-1] :]
            return
        end = self.sizes[0]
        for now, then in zip(rows.split_with_sizes(self.sizes), [*self.sizes[1:], 0], strict=True):
            if then < end:
                out[then:end] = now[then:]
                end = then

    def collect(self, grad, carry, out):
        """Gradients that reach the states of the chunk from above and from the next chunk.

        Parameters
        ----------
        grad : Tensor of shape (S, H) or None
        carry : Tensor of shape (b, H) or None
            For the first b sequences of the last step.
        out : Tensor of shape (end - start, H)
        """
        if grad is None:
            out.zero_()
        else:
            out.copy_(grad[self.start : self.end])
        if carry is not None:
            last = len(self) - self.sizes[-1]
            out[last : last + len(carry)] += carry

    def previous(self, states, initial, out, decay=None):
        """Gather for every row the state one step earlier.

        Parameters
        ----------
        states : Tensor of shape (S, H)
            Of the whole batch.
        initial : Tensor of shape (B, H) or None
            The states before the first step; None: zeros.
        out : Tensor of shape (end - start, H)
            Filled and returned.
        decay : Tensor of shape (S, H), default=None
            What they are multiplied by.
        """
        running = self.sizes[0]
        if self.start:
            out[:running] = states[self.before : self.before + running]
        elif initial is None:
            out[:running] = 0.0
        else:
            out[:running] = initial
        if self.equal:
            out[running:] = states[self.start : self.end - running]
        else:
            torch.cat(self.split_states(states[self.start : self.end])[1], out=out[running:])
        return out if decay is None else out.mul_(decay[self.start : self.end])


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
        self._sizes = batch_sizes.tolist()
        self.n_timesteps = len(self._sizes)
        self.n_sequences = self._sizes[0]
        self.equal_length = self._sizes[-1] == self.n_sequences
        self._chunks = {}
        self._shifts = {}

    def __len__(self):
        return self.n_sequences

    def to(self, device):
        """Return the same layout with its indices on a device."""
        return PackedLayout(self.batch_sizes, device)

    @cached_property
    def _starts(self):
        """First row of every step: [T]."""
        return torch.cumsum(self.batch_sizes, 0) - self.batch_sizes

    @cached_property
    def _lengths(self):
        """T_b: [B], on the CPU."""
        ends = self.batch_sizes.flip(0)
        ranks = torch.arange(1, self.n_sequences + 1)
        return self.n_timesteps - torch.searchsorted(ends, ranks)

    @cached_property
    def _last(self):
        """Row of the last step of every sequence: [B]."""
        last = self._starts[self._lengths - 1] + torch.arange(self.n_sequences)
        return last.to(self.device)

    @cached_property
    def _places(self):
        """Step and sequence of every row: [S], [S], on the CPU."""
        step = torch.repeat_interleave(torch.arange(self.n_timesteps), self.batch_sizes)
        return step, torch.arange(len(step)) - self._starts[step]

    @cached_property
    def _grid_rows(self):
        """Where every row stands in a (T, B) grid: [S]."""
        step, sequence = self._places
        return (step * self.n_sequences + sequence).to(self.device)

    @cached_property
    def _reversed(self):
        """Where every row stands once each sequence is turned round: [S]."""
        step, sequence = self._places
        rows = self._starts[self._lengths[sequence] - 1 - step] + sequence
        return rows.to(self.device)

    def chunks(self, n_rows):
        """Cut the steps into consecutive chunks of at most ``n_rows`` rows, or one step if longer.

        Returns
        -------
        list of Chunk
        """
        if n_rows not in self._chunks:
            sizes = self._sizes
            chunks, first, row = [], 0, 0
            while first < len(sizes):
                stop, end = first + 1, row + sizes[first]
                while stop < len(sizes) and end + sizes[stop] - row <= n_rows:
                    end += sizes[stop]
                    stop += 1
                before = row - sizes[first - 1] if first else 0
                chunks.append(Chunk(before, row, end, sizes[first:stop]))
                first, row = stop, end
            self._chunks[n_rows] = chunks
        return self._chunks[n_rows]

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
        return steps.index_select(0, self._reversed)

    def _shift(self, delay):
        """Row of step t + delay, or of the nearest step there is, and if it is one: [S], [S]."""
        if delay not in self._shifts:
            step, sequence = self._places
            wanted = step + delay
            found = wanted.clamp(min=0).minimum(self._lengths[sequence] - 1)
            rows = self._starts[found] + sequence
            self._shifts[delay] = rows.to(self.device), (found == wanted).to(self.device)
        return self._shifts[delay]

    def shift(self, steps, delay, dim=0):
        """Step t + delay of the same sequence in place of step t, or the nearest step there is.

        Parameters
        ----------
        steps : Tensor with S entries along ``dim``
        delay : int
            May be negative.
        dim : int, default=0

        Returns
        -------
        Tensor of the same shape
        """
        return steps if delay == 0 else steps.index_select(dim, self._shift(delay)[0])

    def delay(self, steps, delay):
        """Step t - delay in place of step t, zeros where there is none: (S, D) to (S, D)."""
        if delay == 0:
            return steps
        rows, exists = self._shift(-delay)
        return steps.index_select(0, rows) * exists[:, None]

    def running_mean(self, steps):
        """Mean of all steps of the sequence up to each: (S, D) to (S, D)."""
        total = self.pad(steps, 0.0).cumsum(0)  # [T, B, D]
        counts = torch.arange(1, self.n_timesteps + 1, device=steps.device)
        return self.unpad(total / counts[:, None, None])

    def last(self, steps):
        """The last step of each sequence: (S, D) to (B, D)."""
        if self.equal_length:
            return steps[-self.n_sequences :]
        return steps.index_select(0, self._last)

    def lengths(self):
        """T_b as a Tensor of shape (B,)."""
        if self.equal_length:
            return torch.full((self.n_sequences,), self.n_timesteps, device=self.device)
        return self._lengths.to(self.device)

    def pad(self, steps, fill_value):
        """Lay the steps out as a grid, filled up behind each sequence: (S, D) to (T, B, D)."""
        if self.equal_length:
            return steps.view(self.n_timesteps, self.n_sequences, -1)
        grid = steps.new_full((self.n_timesteps * self.n_sequences, steps.shape[1]), fill_value)
        grid.index_copy_(0, self._grid_rows, steps)
        return grid.view(self.n_timesteps, self.n_sequences, -1)

    def unpad(self, grid):
        """The way back of `pad`: (T, B, D) to (S, D)."""
        if self.equal_length:
            return grid.reshape(self.n_timesteps * self.n_sequences, -1)
        return grid.flatten(0, 1).index_select(0, self._grid_rows)

    def as_cell_input(self, steps):
        """What a `torch.nn` recurrence reads fastest: a (T, B, D) grid, else a PackedSequence."""
        if self.equal_length:
            return steps.view(self.n_timesteps, self.n_sequences, -1)
        return PackedSequence(steps, self.batch_sizes)
