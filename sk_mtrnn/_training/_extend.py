"""A fitted net that learns one more task."""

import copy

import numpy as np

from .._loss import MultiTaskLoss
from ..sampling import MixedBatching
from ..weighting import FixedWeights
from ._module import task_specs
from ._update import follow


class ExtendedNet:
    """A copy of a net with a head for one more task, to be trained on that task alone.

    Parameters
    ----------
    net : MultiTaskNet
        Stays as it is.
    estimator : BaseMultiTaskRNN
        Read for its parameters.
    task_set : TaskSet
        All tasks, the new one last.
    freeze : bool
        Whether all but the new head keeps its weights.
    seed : int
        Decides the initial weights of the head.

    Attributes
    ----------
    net : MultiTaskNet
    """

    def __init__(self, net, estimator, task_set, freeze, seed):
        self.net = net = copy.deepcopy(net)
        self._before = net.batching, net.aggregation
        self._task_set = task_set
        known = {id(parameter) for parameter in net.module_.parameters()}
        spec = task_specs(estimator, estimator._inputs, task_set)[-1]
        net.module_.add_task(spec, task_set.step_flags[-1], seed)
        # the tasks there were have no labels here: nothing that is theirs alone is to move
        shared = [] if freeze else net.module_.sharing.shared_parameters(spec.layer)
        embeddings = [] if freeze else net.module_.input_layers.parameters()
        free = {id(parameter) for parameter in (*embeddings, *shared)}
        for parameter in net.module_.parameters():
            parameter.requires_grad_(id(parameter) not in known or id(parameter) in free)
        fixed = net.criterion_.weigher.fixed
        self._adaptive = None if fixed is not None else net.criterion__weighting
        weights = [1.0] * (len(task_set) - 1) if fixed is None else fixed.tolist()
        self._set_criterion(FixedWeights([*weights, 1.0]))
        net.batching, net.aggregation, net.penalizes = MixedBatching(), None, False
        net.initialize_optimizer()
        follow(net, estimator)

    def _set_criterion(self, weighting):
        net, tasks = self.net, self._task_set.tasks
        net.criterion_ = MultiTaskLoss(
            [task.losses for task in tasks],
            [task.trim for task in tasks],
            weighting,
            self._task_set.names,
            np.array([task.likelihood for task in tasks]),
        ).to(net.device)

    def release(self):
        """Let all weights learn again, tasks weighed and batched as before."""
        for parameter in self.net.module_.parameters():
            parameter.requires_grad_()
        self.net.batching, self.net.aggregation = self._before
        self.net.penalizes = True
        if self._adaptive is not None:  # it starts anew, for one task more
            self._set_criterion(self._adaptive)
        self.net.initialize_optimizer()
