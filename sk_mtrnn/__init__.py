"""Multi-task recurrent networks as scikit-learn estimators.

One shared recurrent trunk, one head per task, on real sequences: ragged, partly labelled, of mixed
task types. See `MultiTaskRNN`, `MultiTaskRNNClassifier` and `MultiTaskRNNRegressor`.
"""

from ._classifier import MultiTaskRNNClassifier
from ._mixed import MultiTaskRNN
from ._regressor import MultiTaskRNNRegressor
from ._stream import StreamingPredictor
from .sequences import Ragged, stack_tasks
from .tasks import ClassificationTask, RegressionTask

__version__ = "0.1.0"

__all__ = [
    "ClassificationTask",
    "MultiTaskRNN",
    "MultiTaskRNNClassifier",
    "MultiTaskRNNRegressor",
    "Ragged",
    "RegressionTask",
    "StreamingPredictor",
    "stack_tasks",
]
