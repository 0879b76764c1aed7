"""Recurrence over packed sequences: tensors in, tensors out.

A recurrence is a module. Called with the steps of a batch, (S, F), and their `PackedLayout`, it
returns the states, (S, D), and a tuple of what they end in, (B, D) each: h, and for the LSTM c. So
several can be stacked, stand side by side, or start from given states.

`RNN`, `GRU` and `LSTM` have the parameters of their namesakes in `torch.nn`. What computes them is
decided for every call: kernels with a backward pass by hand over the packed layout (``_rnn``,
``_gru``, ``_lstm`` derive them), compiled ones if numba is installed, or `torch.nn`. ``_dispatch``
holds the rule and what was measured.

The state may decay before a step, by given factors: ``decay``. `DecayLayer` learns them over holes
in the input, and `RecurrentStack` puts it in front of its first layer.
"""

from ._buffers import reused_buffers
from ._cells import GRU, LSTM, RNN
from ._decay import DecayLayer
from ._dispatch import choose
from ._layers import CELLS, RecurrentStack, SeededDropout
from ._packed import PackedLayout
from ._stepping import SteppingStack

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "DecayLayer",
    "PackedLayout",
    "RecurrentStack",
    "SeededDropout",
    "SteppingStack",
    "choose",
    "reused_buffers",
]
