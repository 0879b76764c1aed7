"""Sample weights, and the moments of X under them."""

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from ._inputs import row_blocks


def check_sample_weight(sample_weight, n_samples, names):
    """Read sample weights as one column a task.

    Parameters
    ----------
    sample_weight : None, float, or array-like of shape (n_samples,) or (n_samples, n_tasks)
        The columns of a DataFrame are matched by name to tasks that have names.
    n_samples : int
    names : list
        Names of the tasks.

    Returns
    -------
    ndarray of shape (n_samples, n_tasks)

    Raises
    ------
    ValueError
        If it has another shape or other names, is negative, not finite or all zero.
    """
    n_tasks = len(names)
    if isinstance(sample_weight, pd.DataFrame) and names != list(range(n_tasks)):
        if set(sample_weight.columns) != set(names):
            raise ValueError(
                f"sample_weight must have the columns {names} as y has, found "
                f"{list(sample_weight.columns)}."
            )
        sample_weight = sample_weight[names]
    if sample_weight is None:
        return np.ones((n_samples, n_tasks))
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must be numbers: {error}") from error
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    if weights.shape not in {(n_samples,), (n_samples, n_tasks)}:
        raise ValueError(
            f"sample_weight must have shape ({n_samples},) or ({n_samples}, {n_tasks}), found "
            f"{weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight must be nonnegative and finite, found other entries.")
    if not weights.any():
        raise ValueError("sample_weight must not be all zero.")
    weights = weights / weights.max()  # only ratios matter, and sums must not overflow
    return np.array(np.broadcast_to(weights.reshape(n_samples, -1), (n_samples, n_tasks)))


def input_moments(sequences, sample_weight):
    """Mean and standard deviation of every feature over all steps, block by block.

    Parameters
    ----------
    sequences : Ragged
    sample_weight : ndarray of shape (n_samples,)
        Weight of each sample's steps; those of weight 0 are left out.

    Returns
    -------
    mean, scale : ndarray of shape (n_features,)
        ``scale`` is 1 where a feature is constant.
    """
    scaler = StandardScaler()
    weighted = bool((sample_weight != sample_weight[0]).any())
    weights = np.repeat(sample_weight, sequences.lengths) if weighted else None
    for block in row_blocks(sequences):
        if weights is None:
            scaler.partial_fit(sequences.values[block])
        elif weights[block].any():
            rows = weights[block] > 0
            scaler.partial_fit(sequences.values[block][rows], sample_weight=weights[block][rows])
    return scaler.mean_, scaler.scale_
