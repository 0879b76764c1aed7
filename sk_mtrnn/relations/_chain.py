"""Chain: every task reads the predictions of the tasks before it."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from ._base import RelationModule, TaskRelation


class TaskChain(TaskRelation):
    """Links from the predictions of earlier tasks to the outputs of later ones.

    Task after task in ``order``, the outputs o_k of the head of task k become

        o_k' = o_k + Σ_{j before k} V_kj p_j,   p_j = predicted_j(o_j')

    with p_j class probabilities or the predicted number (of "poisson" the log of its rate), and
    V_kj (C_k, P_j) learned from zero:
    training starts from unlinked tasks. Where one task is per step and the other per sequence, a
    prediction per sequence is repeated at every step, and predictions per step are averaged over
    the steps of their sequence.

    Parameters
    ----------
    order : array-like of the names of all tasks, default=None
        Each once. None: the order of the tasks.

    Notes
    -----
    Deviation from Read et al.: they train every link on the true labels of earlier tasks and
    predict with predicted ones. Labels may be missing here, so links read predictions in training
    as well, and gradients pass through them: an earlier task also learns what serves later ones.
    Their links are inputs of one classifier each; these add to outputs, as an intent moves the
    slots of Goo et al., but without a gate.

    References
    ----------
    Read et al. (2011), "Classifier Chains for Multi-label Classification", Machine Learning 85.

    Goo et al. (2018), "Slot-Gated Modeling for Joint Slot Filling and Intent Prediction", NAACL.

    Examples
    --------
    >>> from sk_mtrnn.relations import TaskChain
    >>> TaskChain(order=["intent", "slot"])
    TaskChain(order=['intent', 'slot'])
    """

    _parameter_constraints = {"order": ["array-like", None]}

    def __init__(self, order=None):
        self.order = order

    def build(self, context):
        self._validate_params()
        names = list(context.names)
        order = names if self.order is None else list(self.order)
        if len(order) != len(names) or any(name not in order for name in names):
            raise ValueError(f"order must hold the tasks {names}, each once, found {order}.")
        return Chain([names.index(name) for name in order], context.n_outputs, context.predicted)


class Chain(RelationModule):
    """The module of `TaskChain`.

    Legend: K tasks, C_k outputs and P_k predictions of task k, M_k its entries, S steps, B
    sequences, T steps of the longest.

    Parameters
    ----------
    order : list of K ints
        Tasks from first to last.
    n_outputs : sequence of K ints
        C_k.
    predicted : list of K callables
        Tensors (..., C_k) to (..., P_k).

    Attributes
    ----------
    links : ParameterList of K - 1 Tensors
        For the second to the last task of the order, its V_kj side by side: (C_k, Σ P_j).
    """

    def __init__(self, order, n_outputs, predicted):
        super().__init__()
        self.order = order
        self.predicted = predicted
        widths = [predicted[j](torch.zeros(1, n_outputs[j])).shape[1] for j in order]
        self.ends = np.cumsum([0, *widths]).tolist()  # where the predictions of each task stand
        self.links = nn.ParameterList(
            torch.zeros(n_outputs[k], width)
            for k, width in zip(order[1:], self.ends[1:-1], strict=True)
        )

    def outputs(self, outputs, per_step, layout):
        linked = list(outputs)
        predictions = []  # of the tasks so far
        for place, task in enumerate(self.order):
            if place:
                aligned = [
                    _align(p, per_step[j], per_step[task], layout)
                    for j, p in zip(self.order, predictions, strict=False)
                ]
                linked[task] = linked[task] + torch.cat(aligned, 1) @ self.links[place - 1].T
            predictions.append(self.predicted[task](linked[task]))  # [M_j, P_j]
        return linked

    def matrix(self):
        """Frobenius norm of V_kj: ndarray of shape (K, K)."""
        norms = np.zeros((len(self.order), len(self.order)))
        spans = list(pairwise(self.ends))
        for place, link in enumerate(self.links, start=1):
            for j, (start, stop) in zip(self.order[:place], spans, strict=False):
                norms[self.order[place], j] = torch.linalg.norm(link[:, start:stop].detach()).item()
        return norms

    def shared_parameters(self):
        return []  # the first task depends on no link


def _align(predictions, from_steps, to_steps, layout):
    """Predictions (S or B, P) as another task has its entries, per step or per sequence."""
    if from_steps == to_steps:
        return predictions
    if to_steps:
        grid = predictions.expand(layout.n_timesteps, *predictions.shape)  # [T, B, P]
        return layout.unpad(grid)
    return layout.pad(predictions, 0.0).sum(0) / layout.lengths()[:, None]
