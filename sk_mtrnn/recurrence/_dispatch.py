"""What computes a recurrence: our kernels or `torch.nn`, by a rule that was measured."""

import torch
from torch import nn


def choose(cell, steps, layout):
    """Choose for one call.

    Elsewhere than on the CPU it is `torch.nn` (cuDNN). On the CPU the packed kernels, but for the
    LSTM in float32, which `torch.nn` computes by oneDNN when lengths are equal.

    Measured on two cores of an AMD EPYC (AVX2), torch 2.13, one thread, as time of `torch.nn` over
    that of the packed kernels; LSTM, F 16, T 50, a training step:

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
    H 64, T 20 it is 0.91. Without gradients oneDNN always leads (0.3 to 0.99). Ragged batches it
    cannot do: there the kernels lead by 2.1 to 12 in training; in prediction they trail only where
    steps are small (0.87 at B 32 H 32, 1.4 at B 128 H 64). `benchmarks/recurrence.py` measures the
    rule again.

    Parameters
    ----------
    cell : RNN, GRU or LSTM
        Of this package.
    steps : Tensor of shape (S, F)
    layout : PackedLayout

    Returns
    -------
    way : {"packed", "torch"}
    loops : Loops or None
        For "packed": what runs over the steps; None: calls of torch.
    """
    if cell.recurrence != "auto":
        return cell.recurrence, None
    if steps.device.type != "cpu":
        return "torch", None
    by_onednn = isinstance(cell, nn.LSTM) and steps.dtype == torch.float32
    if by_onednn and torch.backends.mkldnn.is_available():
        size = cell.hidden_size * layout.n_sequences
        if not layout.equal_length:
            small = size < 4096 and not torch.is_grad_enabled()
            return ("torch" if small else "packed"), None
        enough = layout.n_sequences >= 128 and len(steps) * cell.hidden_size >= 600_000
        return ("packed" if enough and torch.is_grad_enabled() else "torch"), None
    return "packed", None
