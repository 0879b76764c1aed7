"""What a multi-task model has learned, and whether it was worth it.

*Does sharing help?* `multitask_report` answers by task: its score alone and together with the
others on the same splits, and the difference with a confidence interval; `MultiTaskReportDisplay`
draws it. Where it does not help, two matrices look for the reason. `task_relatedness` measures on
labels alone how much tasks could tell one another; `gradient_similarity` measures on a fitted model
whether they pull the parameters they share in one direction.

*What happened in training?* `TrainingHistoryDisplay` draws the losses of the tasks,
`TaskWeightDisplay` what weight each of them had, and `TaskRelationDisplay` what the tasks took from
one another, or any other matrix of tasks.

A ``...Display`` is scikit-learn's: made by ``from_estimator`` and the like, which draw at once;
``plot`` draws again, into axes of one's own if wanted; ``ax_``, ``figure_`` and the artists are
attributes, to be changed at will. matplotlib is needed only there.
"""

from ..relations import task_relatedness
from ._gradient_similarity import gradient_similarity
from ._report import multitask_report
from ._report_display import MultiTaskReportDisplay
from ._task_relation import TaskRelationDisplay
from ._task_weights import TaskWeightDisplay
from ._training_history import TrainingHistoryDisplay

__all__ = [
    "MultiTaskReportDisplay",
    "TaskRelationDisplay",
    "TaskWeightDisplay",
    "TrainingHistoryDisplay",
    "gradient_similarity",
    "multitask_report",
    "task_relatedness",
]
