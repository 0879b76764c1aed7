"""Stacked, bidirectional recurrence over packed sequences."""

import torch
from torch import nn

CELLS = ("rnn", "gru", "lstm")


def make_cell(cell, input_size, hidden_size, activation="tanh"):
    """Build one recurrence in one direction.

    Parameters
    ----------
    cell : {"rnn", "gru", "lstm"} or callable
        A callable gets ``(input_size, hidden_size)`` and returns a module with the semantics of
        `torch.nn.GRU`: from a (T, B, input_size) tensor or a `PackedSequence` to the outputs in the
        same form, hidden_size wide, and a state.
    input_size, hidden_size : int
    activation : {"tanh", "relu"}
        Nonlinearity of the cell "rnn" (Elman 1990).

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If a callable builds something that is no module in one direction with time on axis 0.
    """
    if cell == "rnn":
        return nn.RNN(input_size, hidden_size, nonlinearity=activation)
    if cell == "gru":
        return nn.GRU(input_size, hidden_size)
    if cell == "lstm":
        return nn.LSTM(input_size, hidden_size)
    module = cell(input_size, hidden_size)
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"cell must return a torch.nn.Module, found {type(module).__name__}: {module!r}."
        )
    if getattr(module, "batch_first", False) or getattr(module, "bidirectional", False):
        raise ValueError(
            "cell must return a module with batch_first=False and bidirectional=False (directions "
            f"are paired by the estimator), found {module!r}."
        )
    return module


class RecurrentLayer(nn.Module):
    """One recurrent layer, in one direction or two.

    Legend: S steps in all, B sequences, F inputs, H units, D = H or 2H outputs.

    Parameters
    ----------
    make : callable ``(input_size, hidden_size) -> module``
    input_size, hidden_size : int
        F and H.
    bidirectional : bool
        Whether a second cell reads every sequence backwards; its states stand beside those of the
        first (Schuster & Paliwal 1997).
    """

    def __init__(self, make, input_size, hidden_size, bidirectional):
        super().__init__()
        self.hidden_size = hidden_size
        self.forward_cell = make(input_size, hidden_size)
        self.backward_cell = make(input_size, hidden_size) if bidirectional else None

    @property
    def output_size(self):
        return self.hidden_size * (1 if self.backward_cell is None else 2)

    def forward(self, steps, layout):
        """Run over all sequences.

        Parameters
        ----------
        steps : Tensor of shape (S, F)
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (S, D)
        """
        states = self._run(self.forward_cell, steps, layout)
        if self.backward_cell is None:
            return states
        backward = self._run(self.backward_cell, layout.reverse(steps), layout)
        return torch.cat([states, layout.reverse(backward)], dim=1)

    def _run(self, cell, steps, layout):
        result = cell(layout.as_cell_input(steps))
        if not isinstance(result, tuple) or isinstance(result, nn.utils.rnn.PackedSequence):
            raise ValueError(
                "cell must return a module that gives a pair of outputs and state, as torch.nn.GRU "
                f"does; found one that gives a {type(result).__name__}."
            )
        output = result[0]
        states = output.data if isinstance(output, nn.utils.rnn.PackedSequence) else output
        if states.shape[-1] != self.hidden_size:
            raise ValueError(
                f"cell must return a module whose outputs are {self.hidden_size} wide (its "
                f"hidden_size), found {states.shape[-1]}."
            )
        return states.reshape(len(steps), self.hidden_size)

    def final(self, states, layout):
        """The state each direction ends in: (S, D) to (B, D).

        Backwards that is the state at the first step, not the output at the last.
        """
        if self.backward_cell is None:
            return layout.last(states)
        ahead, back = states.split(self.hidden_size, dim=1)
        return torch.cat([layout.last(ahead), layout.first(back)], dim=1)


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
    """Layers of recurrence, each over the states of the one before, dropout between them.

    Parameters
    ----------
    cell, activation
        As in `make_cell`.
    input_size : int
    hidden_layer_sizes : tuple of int
        Units of each layer.
    bidirectional : bool
    dropout : float
    """

    def __init__(self, cell, activation, input_size, hidden_layer_sizes, bidirectional, dropout):
        super().__init__()

        def make(n_inputs, n_units):
            return make_cell(cell, n_inputs, n_units, activation)

        self.layers = nn.ModuleList()
        for hidden_size in hidden_layer_sizes:
            self.layers.append(RecurrentLayer(make, input_size, hidden_size, bidirectional))
            input_size = self.layers[-1].output_size
        self.output_size = input_size
        self.dropout = SeededDropout(dropout)

    def forward(self, steps, layout):
        """Return the states of the last layer: (S, F) to (S, D)."""
        for i, layer in enumerate(self.layers):
            steps = layer(self.dropout(steps) if i else steps, layout)
        return steps

    def final(self, states, layout):
        """The state each direction of the last layer ends in: (S, D) to (B, D)."""
        return self.layers[-1].final(states, layout)
