"""Each batch serves one task."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ..sequences import LengthBatches
from ._base import Batching, TaskBatch


class AlternateBatching(Batching):
    """Each batch serves one task, drawn at random (Liu, Qiu & Huang 2016, section 3.4).

    Task k is drawn with probability n_k^α / Σ_j n_j^α, with n_k the number of samples that have a
    label of it. The batch holds samples labelled for the task, and only its loss is trained on; its
    samples are gone through in random order, and then again. An epoch has as many batches as all
    samples make; a task that none of them serves has no loss in it (NaN in ``loss_curve_``).
    The momentum of the optimizer goes on moving all weights, as in any training by turns.

    Parameters
    ----------
    alpha : float, default=1.0
        α. 0 draws all tasks equally often, as the source does.

    References
    ----------
    Liu, Qiu & Huang (2016), "Recurrent Neural Network for Text Classification with Multi-Task
    Learning", IJCAI.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.sampling import AlternateBatching
    >>> MultiTaskRNN(batching=AlternateBatching(alpha=0.5))
    MultiTaskRNN(batching=AlternateBatching(alpha=0.5))
    """

    one_task = True

    _parameter_constraints = {"alpha": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def batches(self, lengths, labelled, batch_size, rng):
        return TaskBatches(lengths, labelled, batch_size, rng, self.alpha)


class TaskBatches:
    """Batches of one task each.

    Parameters
    ----------
    lengths, labelled, batch_size, rng
        As in `Batching.batches`.
    alpha : float
    """

    def __init__(self, lengths, labelled, batch_size, rng, alpha):
        self.n_samples = len(lengths)
        self.batch_size = batch_size
        self.rng = rng
        self.members = [np.flatnonzero(has_label) for has_label in labelled.T]
        self.batches = [LengthBatches(lengths[own], batch_size, rng) for own in self.members]
        counts = labelled.sum(0).astype(float)
        if not counts.any():
            raise ValueError(
                "y must hold at least one label of a task that weighs, for batches that serve one "
                "task each; found none."
            )
        share = np.where(counts > 0, counts / counts.max(), 0.0)
        share[counts > 0] **= alpha
        self.probabilities = share / share.sum()

    def __len__(self):
        return -(-self.n_samples // self.batch_size)

    def __iter__(self):
        running = [_again_and_again(batches) for batches in self.batches]
        for task in self.rng.choice(len(running), size=len(self), p=self.probabilities):
            own = self.members[task]
            yield TaskBatch(own[next(running[task])], int(task), len(own) / self.n_samples)


def _again_and_again(batches):
    while True:
        yield from batches
