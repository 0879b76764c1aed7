"""From the parameter `task_weights` to one system."""

from sklearn.base import clone

from ._base import TaskWeighting
from ._dwa import DynamicWeightAverage
from ._famo import FAMO
from ._fixed import FixedWeights, resolve_task_weights
from ._geometric import GeometricMean
from ._gradnorm import GradNorm
from ._relatedness import RelatednessWeighting
from ._rlw import RandomLossWeighting
from ._uncertainty import UncertaintyWeighting

WEIGHTINGS = {
    "uncertainty": UncertaintyWeighting,
    "dwa": DynamicWeightAverage,
    "gradnorm": GradNorm,
    "rlw": RandomLossWeighting,
    "famo": FAMO,
    "geometric": GeometricMean,
    "relatedness": RelatednessWeighting,
}


def resolve_weighting(task_weights, names, n_added=0):
    """Make the system that the parameter ``task_weights`` means.

    Parameters
    ----------
    task_weights : None, array-like of shape (K,), dict, str or TaskWeighting
        Weights, as in `resolve_task_weights`, a name in `WEIGHTINGS`, or an object, which is
        cloned.
    names : list of K hashables
        Of the tasks.
    n_added : int, default=0
        How many of them, the last ones, given weights may leave out.

    Returns
    -------
    TaskWeighting

    Raises
    ------
    ValueError
        If it is a name that means nothing, or weights that are none.

    Examples
    --------
    >>> from sk_mtrnn.weighting import resolve_weighting
    >>> resolve_weighting("dwa", ["a", "b"])
    DynamicWeightAverage()
    """
    if isinstance(task_weights, FixedWeights):
        task_weights = task_weights.task_weights
    if isinstance(task_weights, TaskWeighting):
        return clone(task_weights)
    if isinstance(task_weights, str):
        if task_weights not in WEIGHTINGS:
            raise ValueError(
                f"task_weights must be None, one weight per task, an object of sk_mtrnn.weighting "
                f"or one of {sorted(WEIGHTINGS)}, found {task_weights!r}."
            )
        return WEIGHTINGS[task_weights]()
    return FixedWeights(resolve_task_weights(task_weights, names, n_added))
