"""Recurrent experts, mixed for each task by a gate of its own."""

from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from ._base import SharedRecurrence, SharedStates, Sharing, States, one_each, run_each


class MixtureOfExperts(Sharing):
    """Multi-gate mixture of experts (Ma et al. 2018, equations 5 to 7).

    E recurrences read the same inputs. Task k reads the mixture of their states

        h_kt = Σ_e g_kte h_et,   g_kt = softmax(G_k x_t + b_k)

    whose gate sees the inputs of the step; for the state a sequence ends in, those of the last one.

    Parameters
    ----------
    n_experts : int, default=4
        E.

    Notes
    -----
    The source's gate has no bias. Gates start at zero: every task begins with the mean of all
    experts.

    References
    ----------
    Ma et al. (2018), "Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts", KDD.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.sharing import MixtureOfExperts
    >>> MultiTaskRNN(sharing=MixtureOfExperts(n_experts=2))
    MultiTaskRNN(sharing=MixtureOfExperts(n_experts=2))
    """

    _parameter_constraints = {"n_experts": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_experts=4):
        self.n_experts = n_experts

    def build(self, context):
        self._validate_params()
        experts = [context.stack() for _ in range(self.n_experts)]
        return GatedExperts(experts, context.n_features, context.n_tasks)


class GatedExperts(SharedRecurrence):
    """Experts and their gates.

    Attributes
    ----------
    gate_weight, gate_bias : Parameter of shape (K, F, E), (K, 1, E)
    """

    def __init__(self, experts, n_features, n_tasks):
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.sizes = experts[0].sizes
        self.gate_weight = nn.Parameter(torch.zeros(n_tasks, n_features, len(experts)))
        self.gate_bias = nn.Parameter(torch.zeros(n_tasks, 1, len(experts)))

    def gates(self, inputs):
        """Share of every expert: K Tensors of shape (M, F) to (K, M, E)."""
        return torch.softmax(
            torch.baddbmm(self.gate_bias, torch.stack(inputs), self.gate_weight), dim=2
        )

    def forward(self, inputs, layout):
        runs = [run_each(expert, inputs, layout) for expert in self.experts]
        inputs = one_each(inputs, len(self.gate_weight))
        gates = self.gates(inputs)  # [K, S, E]
        ends = self.gates([layout.last(steps) for steps in inputs])  # [K, B, E]
        layers = []
        for layer in zip(*runs, strict=True):
            steps, final = zip(*layer, strict=True)  # of every expert: [P, S, D], [P, B, D]
            layers.append(States(_mix(gates, steps), _mix(ends, final)))
        return SharedStates(layers, None)

    def shared_parameters(self):
        return list(self.experts.parameters())


def _mix(gates, states):
    """Σ_e g_e h_e: (K, M, E) and E Tensors (P, M, D) to (K, M, D)."""
    return sum(gates[:, :, e, None] * h for e, h in enumerate(states))
