"""Which samples a batch holds.

The estimators take a way of batching as ``batching``, by name or as an object with options, which a
search reaches as ``batching__alpha``. A way of one's own is a `Batching`. How often each sample is
drawn, so that classes are even, is found by `balanced_probabilities`, and drawn by `draw`.
"""

from sklearn.base import clone

from ._alternate import AlternateBatching
from ._balanced import balanced_probabilities, draw
from ._base import Batching, MixedBatching, TaskBatch
from ._drawn import training_batches

BATCHINGS = {"mixed": MixedBatching, "alternate": AlternateBatching}

__all__ = [
    "BATCHINGS",
    "AlternateBatching",
    "Batching",
    "MixedBatching",
    "TaskBatch",
    "balanced_probabilities",
    "draw",
    "resolve_batching",
    "training_batches",
]


def resolve_batching(batching):
    """Make the object that the parameter ``batching`` means.

    Parameters
    ----------
    batching : str or Batching
        A name in `BATCHINGS`, or an object, which is cloned.

    Returns
    -------
    Batching

    Raises
    ------
    ValueError
        If an option of it is invalid.
    """
    batching = BATCHINGS[batching]() if isinstance(batching, str) else clone(batching)
    batching._validate_params()
    return batching
