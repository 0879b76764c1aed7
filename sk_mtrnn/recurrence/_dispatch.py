"""What computes a recurrence: our kernels or `torch.nn`, by a rule that was measured.

Where the state decays it is always the packed kernels: `torch.nn` has no such recurrence. Else,
elsewhere than on the CPU it is always `torch.nn` (cuDNN). On the CPU it is the packed kernels,
their steps run by compiled loops where numba is installed, with two exceptions: oneDNN computes the
LSTM of `torch.nn` in float32 where lengths are equal, and ragged batches of small steps in
prediction cost `torch.nn` fewer calls.

Measured with torch 2.13 and numba 0.68 on a core of an AMD EPYC (Zen 4, AVX-512), one thread,
minima of alternating runs. B sequences, H units, S steps in all; ratios are times of `torch.nn`
over ours. LSTM, equal lengths, F 16, T 50, a training step with loops of torch:

=====  =====  =====  =====  =====  =====
B \\ H     16     32     64    128    256
=====  =====  =====  =====  =====  =====
32      0.38   0.42   0.63   0.65   0.76
64      0.52   0.54   0.72   0.82   0.90
128     0.67   0.74   0.90   1.32   1.12
256     0.73   0.83   1.55   1.25   1.11
512     0.86   1.57   1.56   1.39
=====  =====  =====  =====  =====  =====

What decides is S · H, the size of all states, and that enough sequences share a step: at B 256,
H 64, T 20 it is 0.91. Without gradients oneDNN leads (0.3 to 0.99). Ragged batches oneDNN cannot
do: there the kernels lead by 2.1 to 12 in training; in prediction they trail where steps are small
(0.87 at B 32 H 32, 1.4 at B 128 H 64).

The same with compiled loops, F 8, T 20, training / prediction:

=====  ===========  ===========  ===========  ===========  ===========
B \\ H       16           32           64          128          256
=====  ===========  ===========  ===========  ===========  ===========
1      0.90 / 1.16  0.95 / 1.15  0.94 / 1.11  0.88 / 0.99  0.78 / 0.58
32     1.07 / 1.27  1.00 / 1.34  1.04 / 1.10  0.95 / 0.98  0.96 / 0.85
64     1.17 / 1.28  1.16 / 1.25  1.09 / 1.09  1.09 / 1.02  0.98 / 0.79
128    1.31 / 1.36  1.16 / 1.12  1.26 / 1.06  1.15 / 0.98  1.23 / 0.82
512    1.41 / 1.52  1.35 / 1.16  1.25 / 1.01  1.62 / 0.95  1.29 / 0.92
=====  ===========  ===========  ===========  ===========  ===========

With few sequences `torch.nn` leads by less than the rest of a call costs.

For the GRU they lead the loops of torch by 2.0 (B 1, H 16) to 1.1 (B 512, H 256) in training;
above 256 units the products of MKL win. Their steps run on one thread, so with several they are
left alone. ``python benchmarks/run.py --only recurrence`` measures again.
"""

import torch
from torch import nn

from ._compiled import compiled_loops

_MOST_COMPILED = 256  # units


def choose(cell, steps, layout, decays=False):
    """Choose for one call.

    Parameters
    ----------
    cell : RNN, GRU or LSTM
        Of this package.
    steps : Tensor of shape (S, F)
    layout : PackedLayout
    decays : bool, default=False
        Whether the state decays before the steps. `torch.nn` cannot do that, so it is always the
        packed kernels, on every device and whatever ``cell.recurrence`` says.

    Returns
    -------
    way : {"packed", "torch"}
    loops : Loops or None
        For "packed": what runs over the steps; None: calls of torch.
    """
    if cell.recurrence != "auto":
        return "packed" if decays else cell.recurrence, None
    if steps.device.type != "cpu":
        return "packed" if decays else "torch", None
    n_sequences, size = layout.n_sequences, cell.hidden_size
    training, lstm = torch.is_grad_enabled(), isinstance(cell, nn.LSTM)
    loops = None
    if steps.dtype == torch.float32 and size <= _MOST_COMPILED and torch.get_num_threads() == 1:
        loops = compiled_loops(cell.mode.partition("_")[0].lower())
    rivalled = lstm and not decays and torch.backends.mkldnn.is_available()
    if steps.dtype != torch.float32 or not rivalled:
        return "packed", loops
    if not layout.equal_length:
        ours = loops is not None or training or n_sequences * size >= 4096
    elif loops is None:
        ours = training and n_sequences >= 128 and len(steps) * size >= 600_000
    elif training:
        ours = 3 * n_sequences >= size
    else:
        ours = size <= 100
    return ("packed", loops) if ours else ("torch", None)
