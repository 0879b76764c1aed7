"""One recurrence a task, whose states are mixed after every layer."""

import copy

import torch
from torch import nn

from ._base import SharedRecurrence, SharedStates, Sharing, States, one_each

_OTHERS = 0.1  # what a task takes from all others at the start


class CrossStitch(Sharing):
    """Cross-stitch units between one recurrent column per task (Misra et al. 2016, equation 1).

    After every layer the states of the columns are mixed linearly,

        h'_k = Σ_j α_kj h_j

    with α, of shape (K, K), learned for each layer. The next layer and the heads read h'. At the
    start α_kk = 0.9, and the other columns share 0.1.

    Notes
    -----
    The source learns one α for every channel and starts from columns trained on one task each; here
    a layer has one α, and the columns start from equal weights. What an LSTM carries in its cell is
    not mixed.

    References
    ----------
    Misra et al. (2016), "Cross-stitch Networks for Multi-task Learning", CVPR.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> MultiTaskRNN(sharing="cross_stitch")  # the same as sharing=CrossStitch()
    MultiTaskRNN(sharing='cross_stitch')
    """

    def build(self, context):
        first = context.stack()
        return StitchedColumns([first, *(copy.deepcopy(first) for _ in range(context.n_tasks - 1))])


class StitchedColumns(SharedRecurrence):
    """Columns in step with each other, layer by layer.

    Attributes
    ----------
    mixing : ParameterList of Tensors of shape (K, K)
        α of each layer.
    """

    def __init__(self, columns):
        super().__init__()
        self.columns = nn.ModuleList(columns)
        self.sizes = columns[0].sizes
        n_tasks = len(columns)
        start = torch.eye(n_tasks)
        if n_tasks > 1:
            start = (1 - _OTHERS) * start + _OTHERS / (n_tasks - 1) * (1 - start)
        self.mixing = nn.ParameterList(nn.Parameter(start.clone()) for _ in self.sizes)

    def forward(self, inputs, layout):
        steps, layers = one_each(inputs, len(self.columns)), []
        for i, mixing in enumerate(self.mixing):
            pairs = zip(self.columns, steps, strict=True)
            runs = [column.layer(i, x, layout) for column, x in pairs]
            states, final = (torch.stack(part) for part in zip(*runs, strict=True))  # [K, ·, D]
            layers.append(States(_mix(mixing, states), _mix(mixing, final)))
            steps = layers[-1].steps.unbind(0)
        return SharedStates(layers, None)

    def shared_parameters(self, layer):
        below = [p for column in self.columns for p in column.parameters_below(layer)]
        return [*below, *self.mixing[: layer + 1]]


def _mix(mixing, states):
    """Σ_j α_kj h_j: (K, K) and (K, M, D) to (K, M, D)."""
    return torch.tensordot(mixing.to(states.dtype), states, dims=1)
