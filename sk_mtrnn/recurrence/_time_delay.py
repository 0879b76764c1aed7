"""A layer that sees several steps at once, in front of a recurrence."""

import torch
from torch import nn


class TimeDelayLayer(nn.Module):
    """Units that see the input of several steps, each through weights of its own.

    z_t = tanh(Σ_d W_d x_t-d + b), over the delays d, where an x before the start or behind the end
    of its sequence is 0 (Waibel et al. 1989, section II, with tanh for their sigmoid).

    Legend: S steps in all, F inputs, H units, N delays.

    Parameters
    ----------
    input_size : int
        F.
    size : int
        H.
    time_delays : sequence of N ints
        Negative ones look ahead.

    References
    ----------
    Waibel et al. (1989), "Phoneme recognition using time-delay neural networks", IEEE Transactions
    on Acoustics, Speech, and Signal Processing.
    """

    def __init__(self, input_size, size, time_delays):
        super().__init__()
        self.time_delays = tuple(time_delays)
        self.weights = nn.Linear(len(self.time_delays) * input_size, size)

    def forward(self, steps, layout):
        """Steps (S, F) and their layout to (S, H)."""
        delayed = [layout.delay(steps, d) for d in self.time_delays]
        return torch.tanh(self.weights(torch.cat(delayed, dim=1)))  # [S, N·F] to [S, H]
