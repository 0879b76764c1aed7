"""A recurrence that all tasks share beside one for each of them."""

import copy
from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from ._base import SharedRecurrence, SharedStates, Sharing, States, one_each, run_each, stack_runs


class SharedPrivate(Sharing):
    """Shared and private recurrences (Liu, Qiu & Huang 2017, section 3.2).

    The head of task k reads both states, y_k = f_k(h_shared) + g_k(h_k): a linear layer over the
    two side by side. Its loss gains the orthogonality constraint (their equation 15)

        λ Σ_k ‖ Hᵀ H_k / S ‖²_F

    with H the shared and H_k the private states of the S steps of a batch as rows.

    Parameters
    ----------
    private_size : int or None, default=None
        Units of every private layer. None: as many as the shared layer beside it has.
    orthogonality : float, default=0.0
        λ.

    Notes
    -----
    The source divides by nothing, so that its λ depends on the size of a batch; and it adds an
    adversarial loss, which is left out here. Private recurrences start from equal weights.

    References
    ----------
    Liu, Qiu & Huang (2017), "Adversarial Multi-task Learning for Text Classification", ACL.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.sharing import SharedPrivate
    >>> MultiTaskRNN(sharing=SharedPrivate(private_size=16))
    MultiTaskRNN(sharing=SharedPrivate(private_size=16))
    """

    _parameter_constraints = {
        "private_size": [Interval(Integral, 1, None, closed="left"), None],
        "orthogonality": [Interval(Real, 0, None, closed="left")],
    }

    common = True

    def __init__(self, private_size=None, orthogonality=0.0):
        self.private_size = private_size
        self.orthogonality = orthogonality

    def build(self, context):
        self._validate_params()
        sizes = context.hidden_layer_sizes
        if self.private_size is not None:
            sizes = (self.private_size,) * len(sizes)
        shared, first = context.stack(), context.stack(sizes)
        private = [first, *(copy.deepcopy(first) for _ in range(context.n_tasks - 1))]
        return SharedAndPrivate(shared, private, self.orthogonality)


class SharedAndPrivate(SharedRecurrence):
    """One recurrence for all tasks, and one for each, their states side by side."""

    def __init__(self, shared, private, orthogonality):
        super().__init__()
        self.shared = shared
        self.private = nn.ModuleList(private)
        self.orthogonality = orthogonality
        pairs = zip(shared.sizes, private[0].sizes, strict=True)
        self.sizes = tuple(size + own for size, own in pairs)
        self.common_sizes = shared.sizes

    def forward(self, inputs, layout):
        shared = run_each(self.shared, inputs, layout)
        pairs = zip(self.private, one_each(inputs, len(self.private)), strict=True)
        private = stack_runs([stack(steps, layout) for stack, steps in pairs])
        layers = [
            States(*(_beside(*pair) for pair in zip(ours, theirs, strict=True)))
            for ours, theirs in zip(shared, private, strict=True)
        ]
        penalty = None
        if self.orthogonality:
            penalty = self.orthogonality * _overlap(shared[-1].steps, private[-1].steps)
        return SharedStates(layers, shared if len(inputs) == 1 else None, penalty)

    def shared_parameters(self, layer):
        return self.shared.parameters_below(layer)


def _beside(shared, private):
    """(P, M, D) and (K, M, D') to (K, M, D + D')."""
    return torch.cat([shared.expand(len(private), -1, -1), private], dim=2)


def _overlap(shared, private):
    """Σ_k ‖ Hᵀ H_k / S ‖²_F of states (P, S, D) and (K, S, D')."""
    with torch.autocast(shared.device.type, enabled=False):  # a sum over all steps
        if shared.dtype == torch.float16:
            shared, private = shared.float(), private.float()
        products = shared.transpose(1, 2) @ private / shared.shape[1]  # [K, D, D']
        return products.square().sum()
