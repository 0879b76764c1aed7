"""Layers of recurrence, each over the states of the one before."""

import torch
from torch import nn

from ._cells import GRU, LSTM, RNN, GivenCell

CELLS = ("rnn", "gru", "lstm")


def make_layer(cell, input_size, hidden_size, bidirectional, activation="tanh", recurrence="auto"):
    """Build one layer of recurrence.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"} or callable
        A callable builds the module of one direction, see `GivenCell`.
    input_size, hidden_size : int
    bidirectional : bool
    activation : {"tanh", "relu"}, default="tanh"
        Nonlinearity of the cell "rnn" (Elman 1990).
    recurrence : {"auto", "packed", "torch"}, default="auto"

    Returns
    -------
    torch.nn.Module
        Called with the steps (S, F) and their `PackedLayout`, it returns the states (S, D) and a
        tuple of what they end in, (B, D); its ``output_size`` is D.
    """
    if callable(cell):
        return GivenCell(cell, input_size, hidden_size, bidirectional)
    if cell == "rnn":
        return RNN(input_size, hidden_size, bidirectional, recurrence, nonlinearity=activation)
    return {"gru": GRU, "lstm": LSTM}[cell](input_size, hidden_size, bidirectional, recurrence)


class SeededDropout(nn.Module):
    """Dropout that draws from a generator of its own, never from torch's global one.

    Parameters
    ----------
    p : float
        Share of entries set to zero; the rest is scaled by 1 / (1 - p) (Srivastava et al. 2014).

    Attributes
    ----------
    generator : torch.Generator or None
        Set by the training loop; on the device of the input.
    """

    def __init__(self, p):
        super().__init__()
        self.p = p
        self.generator = None

    def forward(self, x):
        if not self.training or self.p == 0.0:
            return x
        keep = torch.empty_like(x).bernoulli_(1.0 - self.p, generator=self.generator)
        return x * keep / (1.0 - self.p)


class RecurrentStack(nn.Module):
    """Layers of recurrence, dropout between them.

    Parameters
    ----------
    cell, activation, recurrence
        As in `make_layer`.
    input_size : int
    hidden_layer_sizes : tuple of int
        Units of each layer.
    bidirectional : bool
    dropout : float
    """

    def __init__(
        self,
        cell,
        activation,
        input_size,
        hidden_layer_sizes,
        bidirectional,
        dropout,
        recurrence="auto",
    ):
        super().__init__()
        self.layers = nn.ModuleList()
        for hidden_size in hidden_layer_sizes:
            layer = make_layer(cell, input_size, hidden_size, bidirectional, activation, recurrence)
            self.layers.append(layer)
            input_size = layer.output_size
        self.output_size = input_size
        self.dropout = SeededDropout(dropout)

    def forward(self, steps, layout):
        """Run over all sequences.

        Parameters
        ----------
        steps : Tensor of shape (S, F)
        layout : PackedLayout

        Returns
        -------
        states : Tensor of shape (S, D)
            Of the last layer.
        final : Tensor of shape (B, D)
            The state each of its directions ends in.
        """
        for i, layer in enumerate(self.layers):
            steps, final = layer(self.dropout(steps) if i else steps, layout)
        return steps, final[0]
