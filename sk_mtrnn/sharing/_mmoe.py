"""Recurrent experts, mixed for each task by a gate of its own."""

import copy
from math import log
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from ._base import SharedRecurrence, SharedStates, Sharing, States, one_each, run_each

_OTHERS = 0.1  # what a task takes from all experts but its own at the start


class MixtureOfExperts(Sharing):
    """Multi-gate mixture of experts (Ma et al. 2018, equations 5 to 7).

    E recurrences read the same inputs. Task k reads the mixture of their states

        h_kt = Σ_e g_kte h_et,   g_kt = softmax(G_k x̄_t + b_k),   x̄_t = (x_1 + ... + x_t) / t

    whose gate sees the mean of the inputs so far. At the start task k takes 0.9 from expert k
    (counted round) and 0.1 from all others; experts that some task starts with are equal.

    Parameters
    ----------
    n_experts : int, default=4
        E.

    Notes
    -----
    The source's gate has no bias, and reads the one input there is; the inputs of a single step
    would make the mixture as noisy as they are. Gates that start from the mean of all experts, as
    theirs do in effect, leave unrelated tasks mixed for long: they gain more from related tasks,
    and lose more to unrelated ones. With more tasks than experts, the order of the tasks says which
    of them start with the same one.

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
        first = context.stack()
        n_own = min(context.n_tasks, self.n_experts)
        experts = [first, *(copy.deepcopy(first) for _ in range(n_own - 1))]
        experts += [context.stack() for _ in range(self.n_experts - n_own)]  # or they stayed equal
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
        n_others = len(experts) - 1
        if n_others:
            own = torch.arange(n_tasks) % len(experts)
            with torch.no_grad():  # softmax of it gives the own expert 1 - _OTHERS
                self.gate_bias[torch.arange(n_tasks), 0, own] = log((1 / _OTHERS - 1) * n_others)

    def gates(self, inputs):
        """Share of every expert: K Tensors x̄ of shape (M, F) to (K, M, E)."""
        return torch.softmax(
            torch.baddbmm(self.gate_bias, torch.stack(inputs), self.gate_weight), dim=2
        )

    def forward(self, inputs, layout):
        runs = [run_each(expert, inputs, layout) for expert in self.experts]
        means = one_each([layout.running_mean(x) for x in inputs], len(self.gate_weight))
        gates = self.gates(means)  # [K, S, E]
        ends = self.gates([layout.last(mean) for mean in means])  # [K, B, E]
        layers = []
        for layer in zip(*runs, strict=True):
            steps, final = zip(*layer, strict=True)  # of every expert: [P, S, D], [P, B, D]
            layers.append(States(_mix(gates, steps), _mix(ends, final)))
        return SharedStates(layers, None)

    def shared_parameters(self, layer):
        return [p for expert in self.experts for p in expert.parameters_below(layer)]


def _mix(gates, states):
    """Σ_e g_e h_e: (K, M, E) and E Tensors (P, M, D) to (K, M, D)."""
    return sum(gates[:, :, e, None] * h for e, h in enumerate(states))
