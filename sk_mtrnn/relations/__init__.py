"""How tasks inform one another, between the shared recurrence and the outputs of the tasks.

A relation is an object of options (`TaskRelation`) that builds a torch module (`RelationModule`)
once the tasks are known. The module may give every task features that have seen those of the
others, as `GraphConvolution` and `TaskAttention` do, or let the outputs of some tasks move those of
others, as `TaskChain` does.

All of them have a matrix with one row and one column a task: how much the task of the row takes
from that of the column. `task_relatedness` measures such a matrix on labels, without any network.
"""

from sklearn.base import clone

from ._attention import TaskAttention
from ._base import RelationContext, RelationModule, TaskRelation
from ._chain import TaskChain
from ._gcn import GraphConvolution
from ._none import NoRelation
from ._relatedness import relatedness, task_relatedness

__all__ = [
    "RELATIONS",
    "GraphConvolution",
    "RelationContext",
    "RelationModule",
    "TaskAttention",
    "TaskChain",
    "TaskRelation",
    "relatedness",
    "resolve_relation",
    "task_relatedness",
]

RELATIONS = {"gcn": GraphConvolution, "attention": TaskAttention, "chain": TaskChain}


def resolve_relation(task_relation):
    """Make an object of options from what names it.

    Parameters
    ----------
    task_relation : None, str or TaskRelation

    Returns
    -------
    TaskRelation
        A clone of a given object; for None one whose module leaves everything as it is.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if task_relation is None:
        return NoRelation()
    if isinstance(task_relation, TaskRelation):
        return clone(task_relation)
    if isinstance(task_relation, str) and task_relation in RELATIONS:
        return RELATIONS[task_relation]()
    raise ValueError(
        f"task_relation must be None, one of {list(RELATIONS)} or a TaskRelation object, found "
        f"{task_relation!r}."
    )
