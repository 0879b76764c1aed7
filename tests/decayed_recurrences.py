"""Recurrences whose state decays before every step, by torch and by the equations in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from sk_mtrnn.recurrence import (
    GRU,
    LSTM,
    RNN,
    PackedLayout,
)

CELLS = {"rnn": RNN, "relu": RNN, "gru": GRU, "lstm": LSTM}
LENGTHS = {"equal": [5, 5, 5], "ragged": [7, 4, 4, 1], "single": [6], "one step": [1, 1]}
each_cell = pytest.mark.parametrize("cell", list(CELLS))
each_lengths = pytest.mark.parametrize("lengths", list(LENGTHS))
each_direction = pytest.mark.parametrize("bidirectional", [False, True])


def layout_of(lengths):
    lengths = torch.as_tensor(lengths)
    return PackedLayout((lengths[None] > torch.arange(int(lengths.max()))[:, None]).sum(1))


def build(cell, bidirectional=False, dtype=torch.float64, sizes=(3, 5), recurrence="packed"):
    torch.manual_seed(0)
    options = {"nonlinearity": "relu"} if cell == "relu" else {}
    return CELLS[cell](*sizes, bidirectional, recurrence, **options).to(dtype)


def inputs_of(cell, lengths, width, n_inputs=3, dtype=torch.float64):
    """Steps, state and decay, leaves of a graph, and the layout."""
    layout, n_states = layout_of(lengths), 2 if cell == "lstm" else 1
    generator = torch.Generator().manual_seed(1)

    def leaf(*shape, draw=torch.randn):
        return draw(*shape, dtype=dtype, generator=generator).requires_grad_()

    n_steps = sum(lengths)
    state = tuple(leaf(len(lengths), width) for _ in range(n_states))
    return leaf(n_steps, n_inputs), state, leaf(n_steps, width, draw=torch.rand), layout


def rows_of(layout):
    """Rows of the steps of each sequence, in order of time."""
    starts = np.concatenate([[0], np.cumsum(layout.batch_sizes.numpy())])
    return [
        [int(starts[t] + b) for t, n in enumerate(layout.batch_sizes) if b < n]
        for b in range(len(layout))
    ]


def step_in_numpy(cell, x, state, w_ih, w_hh, b_ih, b_hh):
    h, size = state[0], len(state[0])
    a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
    if cell == "gru":
        r, z = (expit(a[k] + b[k]) for k in (slice(size), slice(size, 2 * size)))
        n = np.tanh(a[2 * size :] + r * b[2 * size :])
        return ((1 - z) * n + z * h,)
    if cell == "lstm":
        i, f, g, o = np.split(a + b, 4)
        c = expit(f) * state[1] + expit(i) * np.tanh(g)
        return expit(o) * np.tanh(c), c
    return (np.tanh(a + b) if cell == "rnn" else np.maximum(a + b, 0),)


def run_in_numpy(cell, module, steps, state, decay, layout):
    """State after every step and the last ones, sequence by sequence; directions side by side."""
    steps, decay, *state = (t.detach().numpy() for t in (steps, decay, *state))
    size = module.hidden_size
    states, final = np.zeros_like(decay), [np.zeros_like(s) for s in state]
    for direction, suffix in enumerate(["", "_reverse"][: 1 + module.bidirectional]):
        columns = slice(direction * size, (direction + 1) * size)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(module, name + suffix).detach().numpy() for name in names]
        for b, rows in enumerate(rows_of(layout)):
            now = tuple(s[b, columns] for s in state)
            for row in reversed(rows) if direction else rows:
                now = tuple(decay[row, columns] * s for s in now)
                now = step_in_numpy(cell, steps[row], now, *weights)
                states[row, columns] = now[0]
            for f, s in zip(final, now, strict=True):
                f[b, columns] = s
    return [torch.tensor(a) for a in (states, *final)]
