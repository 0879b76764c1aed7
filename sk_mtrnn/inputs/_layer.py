"""Embeddings of categories, and dropout of what the recurrence reads."""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..recurrence import SeededDropout

_START = 0.1  # standard deviation of embeddings before training


class TableSpec(NamedTuple):
    """One categorical channel.

    Attributes
    ----------
    n_categories : int
        Known ones; their places are 0 .. n_categories - 1, that of all others n_categories.
    dim : int
        Width of the embedding.
    initial : ndarray of shape (n_categories, dim) or None
        Where the embeddings start; None: random.
    unknown_rates : ndarray of shape (n_categories + 1,)
        Share of each category that training reads as unknown.
    """

    n_categories: int
    dim: int
    initial: np.ndarray | None
    unknown_rates: np.ndarray


class InputSpec(NamedTuple):
    """The columns of a step, from the left: numbers, places of categories, what decays.

    Attributes
    ----------
    n_plain : int
        Numbers that are read as they are.
    tables : tuple of TableSpec
        One for each column of places.
    n_gaps : int
        G: channels with holes that decay.
    gap_width : int
        Columns that tell of them, 3 G, or 4 G in two directions.
    """

    n_plain: int
    tables: tuple = ()
    n_gaps: int = 0
    gap_width: int = 0

    @property
    def width(self):
        """How many columns `InputLayer` gives."""
        return self.n_plain + sum(table.dim for table in self.tables) + self.gap_width


class InputLayer(nn.Module):
    """Embed the categories of every step, and drop some of what the recurrence is to read.

    While training, a place c is read as unknown with the probability ``unknown_rates[c]``, so that
    the embedding of unknown categories learns from those that are replaced. It starts at zero, the
    others from a normal distribution with a standard deviation of 0.1: those of rare categories
    hardly move, and must not start as noise as strong as a standardised channel.

    Parameters
    ----------
    spec : InputSpec
    dropout : float
        Share of entries set to zero while training, those of decaying channels excepted.
    """

    def __init__(self, spec, dropout):
        super().__init__()
        self.spec = spec
        self.embeddings = nn.ParameterList()
        for i, table in enumerate(spec.tables):
            weight = torch.zeros(table.n_categories + 1, table.dim)
            if table.initial is None:
                nn.init.normal_(weight[:-1], std=_START)
            else:
                weight[:-1] = torch.tensor(table.initial)
            self.embeddings.append(nn.Parameter(weight))
            rates = torch.from_numpy(table.unknown_rates) if table.unknown_rates.any() else None
            self.register_buffer(f"unknown_rates_{i}", rates, persistent=False)
        self.dropout = SeededDropout(dropout)
        self.generator = None  # set by the training loop

    @property
    def is_plain(self):
        """Whether the columns are read as they are, but for dropout."""
        return not self.spec.tables and not self.spec.n_gaps

    def forward(self, steps):
        """Columns (S, n_columns) to what the recurrence reads, (S, width)."""
        spec = self.spec
        if self.is_plain:
            return self.dropout(steps)
        end = spec.n_plain + len(spec.tables)
        parts = [steps[:, : spec.n_plain]] if spec.n_plain else []
        for i, weight in enumerate(self.embeddings):
            places = steps[:, spec.n_plain + i].long()
            parts.append(F.embedding(self._some_unknown(i, places), weight))
        read = self.dropout(torch.cat(parts, dim=1)) if parts else steps[:, :0]
        return torch.cat([read, steps[:, end:]], dim=1) if spec.n_gaps else read

    def _some_unknown(self, i, places):
        rates = getattr(self, f"unknown_rates_{i}")
        if not self.training or rates is None:
            return places
        draws = torch.rand(
            len(places), generator=self.generator, device=places.device, dtype=rates.dtype
        )
        return places.masked_fill(draws < rates[places], self.spec.tables[i].n_categories)
