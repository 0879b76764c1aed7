"""Scores of several tasks, each over the entries that carry a label.

scikit-learn's own scorers refuse missing labels, and read the list of class arrays of a multi-task
classifier as one class array. Here any of its metrics is applied task by task: `task_scorer` scores
one task, `multitask_scorer` all of them from one call of ``predict``, `task_scores` tabulates them.
A metric becomes a `Metric`, what an estimator says becomes `Answers`, and a score is the one called
on the other.
"""

from ._report import task_scores
from ._scorers import multitask_scorer, task_scorer

__all__ = ["multitask_scorer", "task_scorer", "task_scores"]
