"""Weights that are given and stay."""

import numpy as np
import pandas as pd
import torch

from ._base import TaskWeighting, Weigher


def resolve_task_weights(task_weights, names, n_added=0):
    """Turn the parameter ``task_weights`` into an array of shape (K,).

    Parameters
    ----------
    task_weights : None, array-like of shape (K,), dict or Series
        None: all 1; a dict, and a Series, names tasks, others weigh 1.
    names : list of K hashables
    n_added : int, default=0
        An array may leave out the last tasks, so many; they weigh 1.

    Returns
    -------
    ndarray of shape (K,)

    Raises
    ------
    ValueError
        If it has another length, names an unknown task, is negative, not finite or all zero.
    """
    if task_weights is None:
        return np.ones(len(names))
    if isinstance(task_weights, pd.Series) and not isinstance(task_weights.index, pd.RangeIndex):
        task_weights = task_weights.to_dict()
    if isinstance(task_weights, dict):
        unknown = [name for name in task_weights if name not in names]
        if unknown:
            raise ValueError(
                f"task_weights names the unknown task {unknown[0]!r}; the tasks are {names}."
            )
        task_weights = [task_weights.get(name, 1.0) for name in names]
    try:
        weights = np.asarray(task_weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"task_weights must be numbers, found {task_weights!r}.") from error
    if n_added and weights.shape == (len(names) - n_added,):
        weights = np.append(weights, np.ones(n_added))
    if weights.shape != (len(names),):
        raise ValueError(
            f"task_weights must hold one weight for each of the {len(names)} tasks, found shape "
            f"{weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"task_weights must be nonnegative and finite, found {weights.tolist()}.")
    if not weights.any():
        raise ValueError("task_weights must not be all zero.")
    return weights


class FixedWeights(TaskWeighting):
    """L = Σ_k w_k L_k, with weights w_k that are given.

    A task of weight 0 is not trained.

    Parameters
    ----------
    task_weights : None, array-like of shape (K,) or dict, default=None
        As in `resolve_task_weights`: None weighs all tasks alike, a dict those it names, others
        having weight 1.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import FixedWeights, WeightingContext
    >>> context = WeightingContext(["a", "b"], None, None)
    >>> weigher = FixedWeights({"b": 3.0}).build(context)
    >>> weigher(torch.tensor([1.0, 2.0]), torch.tensor([True, True]), [])
    tensor(7.)
    """

    is_fixed = True

    def __init__(self, task_weights=None):
        self.task_weights = task_weights

    def build(self, context):
        return FixedWeigher(resolve_task_weights(self.task_weights, context.names))


class FixedWeigher(Weigher):
    """L = Σ_k w_k L_k.

    Parameters
    ----------
    weights : ndarray of shape (K,)
    """

    def __init__(self, weights):
        super().__init__()
        self.register_buffer("task_weights", torch.empty(len(weights), dtype=torch.float64))
        self.set(weights)

    def set(self, weights):
        """Take other weights from now on: an array (K,)."""
        self.fixed = np.array(weights, dtype=np.float64)
        self.task_weights.copy_(torch.from_numpy(self.fixed))

    def forward(self, losses, labelled, shared):
        return torch.dot(self.task_weights.to(losses.dtype), losses)
