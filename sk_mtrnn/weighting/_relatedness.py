"""Weights from how related the tasks are."""

import numpy as np

from ._base import TaskWeighting
from ._fixed import FixedWeigher


class RelatednessWeighting(TaskWeighting):
    """Tasks that are related to many others weigh more.

        w_k = K m_k / Σ_i m_i,   m_k = max(0, 1/(K-1) Σ_{j≠k} R_kj)

    with R the relatedness of the tasks, measured on their training labels before training; 0 where
    it is not known. The weights never change; where all m_k are 0, they are 1.

    Notes
    -----
    Ours, of no paper. A task that is related to none, while others are, has weight 0 and is not
    trained.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.weighting import RelatednessWeighting, WeightingContext
    >>> R = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.0], [0.2, 0.0, 1.0]])
    >>> context = WeightingContext(["a", "b", "c"], None, lambda: R)
    >>> RelatednessWeighting().build(context).fixed
    array([1.5 , 1.125, 0.375])
    """

    needs_relatedness = True
    is_fixed = True

    def build(self, context):
        relatedness = np.nan_to_num(np.array(context.relatedness(), dtype=np.float64), nan=0.0)
        np.fill_diagonal(relatedness, 0.0)
        n_others = max(len(relatedness) - 1, 1)
        mean = np.maximum(relatedness.sum(axis=1) / n_others, 0.0)
        if not mean.any():
            return FixedWeigher(np.ones(len(mean)))
        return FixedWeigher(len(mean) * mean / mean.sum())
