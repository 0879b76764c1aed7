"""How tasks share the recurrence.

A way of sharing turns the inputs of a batch into the states that every task reads. The estimators
take one as ``sharing``, by name or as an object with options, which a search reaches as
``sharing__n_experts``. A way of one's own is a `Sharing` whose ``build`` returns a
`SharedRecurrence`.
"""

from sklearn.base import clone

from ._base import SharedRecurrence, SharedStates, Sharing, SharingContext, States
from ._cross_stitch import CrossStitch
from ._hard import HardSharing
from ._independent import Independent
from ._mmoe import MixtureOfExperts
from ._shared_private import SharedPrivate
from ._task_inputs import TaskInputs

SHARINGS = {
    "hard": HardSharing,
    "shared_private": SharedPrivate,
    "cross_stitch": CrossStitch,
    "mmoe": MixtureOfExperts,
    "none": Independent,
}

__all__ = [
    "SHARINGS",
    "CrossStitch",
    "HardSharing",
    "Independent",
    "MixtureOfExperts",
    "SharedPrivate",
    "SharedRecurrence",
    "SharedStates",
    "Sharing",
    "SharingContext",
    "States",
    "TaskInputs",
    "resolve_sharing",
]


def resolve_sharing(sharing):
    """Make the object that the parameter ``sharing`` means.

    Parameters
    ----------
    sharing : str or Sharing
        A name in `SHARINGS`, or an object, which is cloned.

    Returns
    -------
    Sharing
    """
    return SHARINGS[sharing]() if isinstance(sharing, str) else clone(sharing)
