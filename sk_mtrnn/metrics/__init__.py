"""Scores of several tasks, each over the entries that carry a label.

scikit-learn's own scorers refuse missing labels, and read the list of class arrays of a multi-task
classifier as one class array. Here any of its metrics is applied task by task: `task_scorer` scores
one task, `multitask_scorer` all of them from one call of ``predict``, `task_scores` tabulates them.
A metric becomes a `Metric`, what an estimator says becomes `Answers`, and a score is the one called
on the other. So masked ROC AUC and average precision are these with ``"roc_auc"`` (for more than
two classes ``"roc_auc_ovr"``) and ``"average_precision"``.

Two metrics look at samples as a whole: `span_f1` at the spans that labels per time step mark,
`exact_match` at all tasks and steps at once. The first is used like any other; the second, which
belongs to no single task, has `exact_match_scorer`.
"""

from ._exact_match import exact_match, exact_match_scorer
from ._report import task_scores
from ._scorers import multitask_scorer, task_scorer
from ._spans import span_f1

__all__ = [
    "exact_match",
    "exact_match_scorer",
    "multitask_scorer",
    "span_f1",
    "task_scorer",
    "task_scores",
]
