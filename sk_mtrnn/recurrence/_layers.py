"""Layers of recurrence, each over the states of the one before."""

import torch
from torch import nn

from ._cells import GRU, LSTM, RNN, GivenCell
from ._decay import DecayLayer
from ._time_delay import TimeDelayLayer

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
        # a third of the time of bernoulli_
        keep = torch.empty_like(x).uniform_(generator=self.generator).lt_(1.0 - self.p)
        return x * keep.div_(1.0 - self.p)


class RecurrentStack(nn.Module):
    """Layers of recurrence, dropout between them.

    Parameters
    ----------
    cell, activation, recurrence
        As in `make_layer`.
    input_size : int
        Columns of the steps, all of them.
    hidden_layer_sizes : tuple of int
        Units of each layer.
    bidirectional : bool
    dropout : float
    time_delays : tuple of int or None, default=None
        Delays of a `TimeDelayLayer` in front, as wide as the first layer.
    gaps : int, default=0
        G, how many channels have holes that decay. Above 0 the last 3 G columns of the steps, in
        two directions 4 G, are those that a `DecayLayer` reads: last observed values, observed or
        not, and time since (until). The state of the first layer decays.

    Attributes
    ----------
    sizes : tuple of int
        D of each layer.

    Raises
    ------
    ValueError
        If something decays and the cell is a callable, or there are too few columns.
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
        time_delays=None,
        gaps=0,
    ):
        super().__init__()
        self.decay = self.front = None
        if gaps:
            if callable(cell):
                raise ValueError(
                    f"missing='decay' needs cell to be 'rnn', 'gru' or 'lstm', found {cell!r}."
                )
            self.decay = DecayLayer(input_size, gaps, hidden_layer_sizes[0], bidirectional)
            input_size = self.decay.output_size
        if time_delays is not None:
            self.front = TimeDelayLayer(input_size, hidden_layer_sizes[0], time_delays)
            input_size = hidden_layer_sizes[0]
        self.layers = nn.ModuleList()
        for hidden_size in hidden_layer_sizes:
            layer = make_layer(cell, input_size, hidden_size, bidirectional, activation, recurrence)
            self.layers.append(layer)
            input_size = layer.output_size
        self.sizes = tuple(layer.output_size for layer in self.layers)
        self.dropout = SeededDropout(dropout)

    def parameters_below(self, layer):
        """List of the parameters that the states of a layer depend on."""
        parts = [part for part in (self.decay, self.front) if part is not None]
        return [p for part in (*parts, *self.layers[: layer + 1]) for p in part.parameters()]

    def forward(self, steps, layout):
        """Run over all sequences.

        Parameters
        ----------
        steps : Tensor of shape (S, F)
        layout : PackedLayout

        Returns
        -------
        list of (states, final)
            Of each layer its states, a Tensor of shape (S, D), and the state each of its directions
            ends in, (B, D).
        """
        levels = []
        for i in range(len(self.layers)):
            levels.append(self.layer(i, steps, layout))
            steps = levels[-1][0]
        return levels

    def layer(self, i, steps, layout):
        """Run layer ``i`` alone, with what stands before it.

        Parameters
        ----------
        i : int
        steps : Tensor of shape (S, F) for the first layer, else the states (S, D) of the one before
        layout : PackedLayout

        Returns
        -------
        states : Tensor of shape (S, D)
        final : Tensor of shape (B, D)
        """
        if i:
            states, final = self.layers[i](self.dropout(steps), layout)
            return states, final[0]
        decays = {}  # which a layer of somebody else's cells does not know
        if self.decay is not None:
            steps, decays["decay"] = self.decay(steps)
        if self.front is not None:
            steps = self.front(steps, layout)
        states, final = self.layers[0](steps, layout, **decays)
        return states, final[0]
