"""What a way of batching is: which samples a batch holds, and which task it serves."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ..sequences import LengthBatches


class TaskBatch(NamedTuple):
    """A batch that serves one task.

    Attributes
    ----------
    samples : ndarray of int, shape (B,)
        Positions.
    task : int
    share : float
        n_k / n: the share of all samples that has labels of the task.
    """

    samples: np.ndarray
    task: int
    share: float


class Batching(BaseEstimator, ABC):
    """Which samples make the batches of an epoch: options only.

    Attributes
    ----------
    one_task : bool
        Whether each batch serves one task.
    """

    one_task = False
    _parameter_constraints = {}

    @abstractmethod
    def batches(self, lengths, labelled, batch_size, rng):
        """Cut the samples of an epoch into batches.

        Parameters
        ----------
        lengths : ndarray of shape (n_samples,)
        labelled : ndarray of bool, shape (n_samples, n_tasks)
            Which samples have a label of which task.
        batch_size : int
        rng : numpy.random.Generator

        Returns
        -------
        iterable with a length
            Of ndarrays of positions, or of `TaskBatch`; a new epoch each time it is gone through.
        """


class MixedBatching(Batching):
    """All tasks in every batch, samples of near-equal length together; see `LengthBatches`."""

    def batches(self, lengths, labelled, batch_size, rng):
        return LengthBatches(lengths, batch_size, rng)
