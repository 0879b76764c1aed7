"""Tasks: one object each, which knows both directions, labels to tensors and back."""

from ._base import Task
from ._classification import ClassificationTask
from ._inference import infer_task_type
from ._regression import RegressionTask
from ._task_set import EncodedLabels, TaskSet

__all__ = [
    "ClassificationTask",
    "EncodedLabels",
    "RegressionTask",
    "Task",
    "TaskSet",
    "infer_task_type",
]
