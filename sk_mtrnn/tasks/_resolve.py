"""From the parameters `tasks` and `class_weight` to one task object per column."""

from sklearn.base import clone

from ._base import Task
from ._classification import ClassificationTask
from ._inference import infer_task_type
from ._regression import RegressionTask

TASK_TYPES = {task.type_name: task for task in (ClassificationTask, RegressionTask)}


def resolve_tasks(tasks, columns, *, allowed, default):
    """Make one unlearned task object for each column of labels.

    Parameters
    ----------
    tasks : None, str, Task or dict
        The estimator's parameter.
    columns : list of Column
    allowed : tuple of str
        Types the estimator takes.
    default : str or None
        Type of a task ``tasks`` says nothing about; None infers it from the labels.

    Returns
    -------
    list of Task

    Raises
    ------
    ValueError
        If ``tasks`` names an unknown column, an unknown type or one that is not allowed.
    """
    names = [column.name for column in columns]
    if isinstance(tasks, dict):
        unknown = [name for name in tasks if name not in names]
        if unknown:
            raise ValueError(
                f"tasks names the unknown task {unknown[0]!r}; the tasks in y are {names}."
            )
    resolved = []
    for column in columns:
        spec = tasks.get(column.name) if isinstance(tasks, dict) else tasks
        if spec is None:
            spec = default or infer_task_type(column)
        task = TASK_TYPES[spec]() if isinstance(spec, str) and spec in TASK_TYPES else spec
        if not isinstance(task, Task):
            raise ValueError(
                f"tasks must say {' or '.join(map(repr, allowed))} or hold a task object for task "
                f"{column.name!r}, found {spec!r}."
            )
        if task.type_name not in allowed:
            raise ValueError(
                f"tasks says {task.type_name} for task {column.name!r}, but this estimator takes "
                f"{' and '.join(allowed)} only; MultiTaskRNN takes any mix."
            )
        task = clone(task)
        task._validate_params()
        resolved.append(task)
    return resolved


def spread_class_weight(class_weight, tasks, followers):
    """Give the estimator's ``class_weight`` to the learned tasks that set none themselves.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    tasks : list of Task
        All of them.
    followers : list of Task
        Those whose own parameter was None.

    Raises
    ------
    ValueError
        If a dict names a class that no such task has.
    """
    if isinstance(class_weight, dict):
        classes = [task.classes_.tolist() for task in tasks if hasattr(task, "classes_")]
        known = {label for labels in classes for label in labels}
        unknown = [label for label in class_weight if label not in known]
        if unknown and not classes:
            raise ValueError("class_weight names classes, but no task has any.")
        if unknown:
            raise ValueError(
                f"class_weight names the unknown class {unknown[0]!r}; the classes are "
                f"{sorted(known, key=str)}. Those of one task go to "
                "ClassificationTask(class_weight=...)."
            )
    for task in followers:
        weight = class_weight
        if isinstance(weight, dict):
            weight = {c: w for c, w in weight.items() if c in task.classes_.tolist()}
        task.set_params(class_weight=weight)
        task.check_class_weight()
