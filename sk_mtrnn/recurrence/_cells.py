"""RNN, GRU and LSTM over packed sequences: the parameters of `torch.nn`, computed as is fastest."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from ._dispatch import choose
from ._gru import gru
from ._lstm import lstm
from ._rnn import rnn


class _Packed:
    """One layer of recurrence in one direction or two, beside a class of `torch.nn`.

    Parameters, their names and their initial values are those of the class of `torch.nn` with one
    layer: a ``state_dict`` goes both ways.

    Legend: S steps in all, B sequences, F inputs, H units, D = H or, in two directions, 2H.

    Parameters
    ----------
    input_size, hidden_size : int
        F and H.
    bidirectional : bool, default=False
        Whether a second recurrence reads every sequence backwards; its states stand beside those
        of the first (Schuster & Paliwal 1997).
    recurrence : {"auto", "packed", "torch"}, default="auto"
        What computes; see `sk_mtrnn.recurrence`.
    nonlinearity : {"tanh", "relu"}, default="tanh"
        `RNN` only.
    """

    def __init__(self, input_size, hidden_size, bidirectional=False, recurrence="auto", **torchs):
        super().__init__(input_size, hidden_size, bidirectional=bidirectional, **torchs)
        self.recurrence = recurrence

    @property
    def output_size(self):
        return self.hidden_size * (2 if self.bidirectional else 1)

    def forward(self, steps, layout, state=None, decay=None):
        """Run over all sequences.

        Parameters
        ----------
        steps : Tensor of shape (S, F)
        layout : PackedLayout
        state : tuple of Tensors of shape (B, D), default=None
            The state before the first step of each sequence (backwards: behind its last): h, and
            for the LSTM c. None: zeros.
        decay : Tensor of shape (S, D), default=None
            γ_t in ĥ_t-1 = γ_t ⊙ h_t-1, the state that step t goes on from in place of h_t-1; for
            the LSTM also c. The columns of the second direction act on the states that arrive from
            t + 1; their rows too are in the order of ``steps``. None: 1, nothing decays.

        Returns
        -------
        states : Tensor of shape (S, D)
            h after every step.
        final : tuple of Tensors of shape (B, D)
            The state each direction ends in; backwards that is the one at the first step.

        Raises
        ------
        ValueError
            If decay has another shape.

        References
        ----------
        Che et al. (2018), "Recurrent Neural Networks for Multivariate Time Series with Missing
        Values", Scientific Reports 8, arXiv:1606.01865: the decay of the state, there of the GRU.
        """
        if decay is not None:
            shape = (len(steps), self.output_size)
            if decay.shape != shape:
                raise ValueError(
                    f"decay must be of shape {shape}, a row for every step and a column for every "
                    f"state, found {tuple(decay.shape)}."
                )
            # where autocast has made them less precise: the kernels mix no dtypes
            steps, decay = (x.to(self.weight_hh_l0.dtype) for x in (steps, decay))
        way, loops = choose(self, steps, layout, decay is not None)
        if way == "torch":
            return self._run_torch(steps, layout, state)
        given = [None] * 2 if state is None else list(zip(*map(self._apart, state), strict=True))
        decays = [None] * 2 if decay is None else self._apart(decay)
        states, final = self._run(steps, given[0], decays[0], "", layout, loops)
        if not self.bidirectional:
            return states, final
        if decay is not None:
            decay = layout.reverse(decays[1])
        back, back_final = self._run(
            layout.reverse(steps), given[1], decay, "_reverse", layout, loops
        )
        final = tuple(torch.cat(pair, dim=1) for pair in zip(final, back_final, strict=True))
        return torch.cat([states, layout.reverse(back)], dim=1), final

    def _run(self, steps, state, decay, suffix, layout, loops):
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(self, name + suffix) for name in names]
        return self._run_packed(steps, state, decay, weights, layout, loops)

    def _run_torch(self, steps, layout, state):
        if state is not None:
            state = tuple(torch.stack(self._apart(s)) for s in state)
            state = state if isinstance(self, nn.LSTM) else state[0]
        output, final = super().forward(layout.as_cell_input(steps), state)
        output = output.data if isinstance(output, PackedSequence) else output
        final = final if isinstance(self, nn.LSTM) else (final,)
        if self.bidirectional:
            final = tuple(torch.cat(part.unbind(0), dim=1) for part in final)
        else:
            final = tuple(part[0] for part in final)
        return output.reshape(len(steps), self.output_size), final

    def _apart(self, state):
        """The directions of a state: (B, D) to a tuple of (B, H)."""
        return state.split(self.hidden_size, dim=1)


class RNN(_Packed, nn.RNN):
    __doc__ = _Packed.__doc__

    def __init__(
        self,
        input_size,
        hidden_size,
        bidirectional=False,
        recurrence="auto",
        nonlinearity="tanh",
    ):
        super().__init__(
            input_size, hidden_size, bidirectional, recurrence, nonlinearity=nonlinearity
        )

    def _run_packed(self, steps, state, decay, weights, layout, loops):
        h = None if state is None else state[0]
        states = rnn(steps, h, *weights, layout, self.nonlinearity, loops, decay)
        return states, (layout.last(states),)


class GRU(_Packed, nn.GRU):
    __doc__ = _Packed.__doc__

    def __init__(self, input_size, hidden_size, bidirectional=False, recurrence="auto"):
        super().__init__(input_size, hidden_size, bidirectional, recurrence)

    def _run_packed(self, steps, state, decay, weights, layout, loops):
        h = None if state is None else state[0]
        states = gru(steps, h, *weights, layout, loops, decay)
        return states, (layout.last(states),)


class LSTM(_Packed, nn.LSTM):
    __doc__ = _Packed.__doc__

    def __init__(self, input_size, hidden_size, bidirectional=False, recurrence="auto"):
        super().__init__(input_size, hidden_size, bidirectional, recurrence)

    def _run_packed(self, steps, state, decay, weights, layout, loops):
        states, cell = lstm(steps, state, *weights, layout, loops, decay)
        return states, (layout.last(states), cell)


class GivenCell(nn.Module):
    """One layer of somebody else's recurrence, in one direction or two.

    Parameters
    ----------
    make : callable ``(input_size, hidden_size) -> module``
        The module has the semantics of `torch.nn.GRU`: from a (T, B, input_size) tensor or a
        `PackedSequence` to the outputs in the same form, hidden_size wide, and a state.
    input_size, hidden_size : int
    bidirectional : bool
        Whether a second module reads every sequence backwards.

    Raises
    ------
    ValueError
        If the callable builds something that is no module in one direction with time on axis 0.
    """

    def __init__(self, make, input_size, hidden_size, bidirectional):
        super().__init__()
        self.hidden_size = hidden_size
        self.forward_cell = self._checked(make(input_size, hidden_size))
        self.backward_cell = self._checked(make(input_size, hidden_size)) if bidirectional else None

    @staticmethod
    def _checked(module):
        if not isinstance(module, nn.Module):
            raise ValueError(
                f"cell must return a torch.nn.Module, found {type(module).__name__}: {module!r}."
            )
        if getattr(module, "batch_first", False) or getattr(module, "bidirectional", False):
            raise ValueError(
                "cell must return a module with batch_first=False and bidirectional=False "
                f"(directions are paired by the estimator), found {module!r}."
            )
        return module

    @property
    def output_size(self):
        return self.hidden_size * (1 if self.backward_cell is None else 2)

    def forward(self, steps, layout):
        """Run over all sequences, as the layers of this package do; the state starts at zero."""
        states = self._run(self.forward_cell, steps, layout)
        if self.backward_cell is None:
            return states, (layout.last(states),)
        back = self._run(self.backward_cell, layout.reverse(steps), layout)
        final = torch.cat([layout.last(states), layout.last(back)], dim=1)
        return torch.cat([states, layout.reverse(back)], dim=1), (final,)

    def _run(self, cell, steps, layout):
        result = cell(layout.as_cell_input(steps))
        if not isinstance(result, tuple) or isinstance(result, PackedSequence):
            raise ValueError(
                "cell must return a module that gives a pair of outputs and state, as torch.nn.GRU "
                f"does; found one that gives a {type(result).__name__}."
            )
        output = result[0]
        states = output.data if isinstance(output, PackedSequence) else output
        if states.shape[-1] != self.hidden_size:
            raise ValueError(
                f"cell must return a module whose outputs are {self.hidden_size} wide (its "
                f"hidden_size), found {states.shape[-1]}."
            )
        return states.reshape(len(steps), self.hidden_size)
