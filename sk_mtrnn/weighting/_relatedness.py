"""Weights from how related the tasks are."""

import numpy as np

from ._base import TaskWeighting
from ._fixed import FixedWeigher


class RelatednessWeighting(TaskWeighting):
    """Tasks that are related to many others weigh more.

        w_k = K m_k / Σ_i m_i,   m_k = Σ_j R_kj

    with R the relatedness of the tasks, measured on their training labels before training: in
    [0, 1], 1 to themselves, and 0 where it is not known. The weights never change.

    Notes
    -----
    Ours, of no paper.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.weighting import RelatednessWeighting, WeightingContext
    >>> R = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.0], [0.2, 0.0, 1.0]])
    >>> context = WeightingContext(["a", "b", "c"], None, lambda: R)
    >>> RelatednessWeighting().build(context).fixed
    array([1.17391304, 1.04347826, 0.7826087 ])
    """

    needs_relatedness = True
    is_fixed = True

    def build(self, context):
        relatedness = np.nan_to_num(context.relatedness(), nan=0.0)
        total = relatedness.sum(axis=1)
        return FixedWeigher(len(total) * total / total.sum())
