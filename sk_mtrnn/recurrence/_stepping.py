"""Recurrence one time step at a time, in numpy: a call of torch costs more than such a step."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.special import expit
from torch import nn


class SteppingCell(ABC):
    """One trained cell that advances by one time step; the equations are those of `torch.nn`.

    Legend: F inputs, H units, G gates (1, 3 or 4); ... is () for one sequence, (n,) for n of them.

    Parameters
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : ndarray of shape (G·H, F), (G·H, H), (G·H,), (G·H,)
        Named, and ordered by gate, as in `torch.nn`; copied.
    """

    n_states = 1

    def __init__(self, weight_ih, weight_hh, bias_ih, bias_hh):
        self.hidden_size = weight_hh.shape[1]
        self._weight_ih = weight_ih.T.copy()  # [F, G·H], in C order the faster product
        self._weight_hh = weight_hh.T.copy()  # [H, G·H]
        self._bias_ih = bias_ih.copy()
        self._bias_hh = bias_hh.copy()

    def start(self, shape):
        """States before the first step: a tuple of zeros, each of shape (..., H)."""
        dtype = self._bias_hh.dtype
        return tuple(np.zeros((*shape, self.hidden_size), dtype) for _ in range(self.n_states))

    def _gates(self, x, h):
        """W_ih x + b_ih and W_hh h + b_hh, each of shape (..., G·H)."""
        ahead = x.dot(self._weight_ih)
        ahead += self._bias_ih
        back = h.dot(self._weight_hh)
        back += self._bias_hh
        return ahead, back

    @abstractmethod
    def step(self, x, states):
        """Advance: x (..., F) and the states before to the states after; the first one is h."""


class TanhCell(SteppingCell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""

    def step(self, x, states):
        ahead, back = self._gates(x, *states)
        ahead += back
        return (np.tanh(ahead, out=ahead),)


class ReluCell(SteppingCell):
    """h' = max(0, W_ih x + b_ih + W_hh h + b_hh)."""

    def step(self, x, states):
        ahead, back = self._gates(x, *states)
        ahead += back
        return (np.maximum(ahead, 0.0, out=ahead),)


class GRUCell(SteppingCell):
    """With gates r, z = σ(...): n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = n + z (h - n)."""

    def step(self, x, states):
        (h,), size = states, self.hidden_size
        ahead, back = self._gates(x, h)
        gates = ahead[..., : 2 * size]
        gates += back[..., : 2 * size]
        expit(gates, out=gates)
        n = back[..., 2 * size :]
        n *= gates[..., :size]  # r
        n += ahead[..., 2 * size :]
        np.tanh(n, out=n)
        h = h - n
        h *= gates[..., size:]  # z
        h += n
        return (h,)


class LSTMCell(SteppingCell):
    """With gates i, f, o = σ(...) and g = tanh(...): c' = f c + i g, h' = o tanh(c')."""

    n_states = 2

    def step(self, x, states):
        (h, c), size = states, self.hidden_size
        gates, back = self._gates(x, h)
        gates += back
        g = np.tanh(gates[..., 2 * size : 3 * size])
        expit(gates, out=gates)
        g *= gates[..., :size]  # i
        c = c * gates[..., size : 2 * size]  # f
        c += g
        h = np.tanh(c)
        h *= gates[..., 3 * size :]  # o
        return h, c


def stepping_cell(layer):
    """The cell of a trained `RNN`, `GRU` or `LSTM` in one direction, its weights copied."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = [getattr(layer, name).detach().cpu().numpy() for name in names]
    if isinstance(layer, nn.GRU):
        return GRUCell(*weights)
    if isinstance(layer, nn.LSTM):
        return LSTMCell(*weights)
    return (TanhCell if layer.nonlinearity == "tanh" else ReluCell)(*weights)


class SteppingDecay:
    """A trained `DecayLayer` that reads one time step; its weights copied.

    Parameters
    ----------
    layer : DecayLayer
        In one direction.
    """

    def __init__(self, layer):
        self._ends = np.cumsum(layer.widths)[:-1]
        names = ("input_weight", "input_bias", "state_weight", "state_bias")
        weights = (getattr(layer, name).detach().cpu().numpy().copy() for name in names)
        self._input_weight, self._input_bias, self._state_weight, self._state_bias = weights

    def step(self, x):
        """The columns of a step, x (..., F), to what the cell reads, and γ_h (..., H)."""
        others, last, observed, since = np.split(x, self._ends, axis=-1)
        rate = since * self._input_weight + self._input_bias
        values = (observed + (1 - observed) * np.exp(-np.maximum(rate, 0))) * last
        rate = since.dot(self._state_weight.T) + self._state_bias
        inputs = np.concatenate([others, values, observed], axis=-1)
        return inputs, np.exp(-np.maximum(rate, 0))


class SteppingStack:
    """A trained `RecurrentStack` that reads one time step and keeps its states.

    Later training of the stack does not change it.

    Parameters
    ----------
    recurrence : RecurrentStack
        Unidirectional, of the cells of `torch.nn`.
    shape : tuple of int
        () for one sequence, (n,) for n in lock-step.
    """

    def __init__(self, recurrence, shape):
        self.decay = None if recurrence.decay is None else SteppingDecay(recurrence.decay)
        self.cells = [stepping_cell(layer) for layer in recurrence.layers]
        self.shape = shape
        self.reset()

    def reset(self):
        """Go back to before the first step."""
        self.states = [cell.start(self.shape) for cell in self.cells]

    def step(self, x):
        """Advance: x (..., F) to the state (..., D) of the last layer."""
        if self.decay is not None:
            x, decay = self.decay.step(x)
            self.states[0] = tuple(decay * s for s in self.states[0])
        for i, cell in enumerate(self.cells):
            self.states[i] = cell.step(x, self.states[i])
            x = self.states[i][0]
        return x
