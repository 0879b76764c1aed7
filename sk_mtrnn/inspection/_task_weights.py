"""A picture of what every task weighed in training."""

import numpy as np

from ._estimators import fitted_network
from ._plotting import axes_for, draw_by_epoch


class TaskWeightDisplay:
    """Weight of every task's loss in every epoch.

    It is recommended to use `from_estimator`, which draws at once.

    Parameters
    ----------
    task_weights : array-like of shape (n_epochs, n_tasks)
        NaN where a task had no weight: no label, or not there yet.
    task_names : sequence of length n_tasks

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        One a task.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    TrainingHistoryDisplay : Their losses.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import MultiTaskRNNRegressor
    >>> from sk_mtrnn.inspection import TaskWeightDisplay
    >>> X = np.random.default_rng(0).normal(size=(50, 6, 1))
    >>> y = np.column_stack([X.sum(axis=(1, 2)), X[:, 0, 0]])
    >>> model = MultiTaskRNNRegressor(max_epochs=3, task_weights="uncertainty", random_state=0)
    >>> display = TaskWeightDisplay.from_estimator(model.fit(X, y))
    >>> len(display.lines_)
    2
    """

    def __init__(self, task_weights, task_names):
        self.task_weights = task_weights
        self.task_names = task_names

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw ``task_weights_`` of a fitted estimator.

        Parameters
        ----------
        estimator : fitted MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor
            Or a Pipeline that ends in one.
        ax : matplotlib Axes, default=None
            None: those of a new figure.

        Returns
        -------
        TaskWeightDisplay
        """
        network = fitted_network(estimator)
        return cls(network.task_weights_, network.task_names_).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None: those of a new figure.

        Returns
        -------
        TaskWeightDisplay
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_ = draw_by_epoch(self.ax_, np.asarray(self.task_weights), self.task_names)
        self.ax_.set_ylabel("Task weight")
        self.ax_.legend()
        return self
