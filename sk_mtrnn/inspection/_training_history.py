"""A picture of training: the losses of the tasks, and the held-out score."""

import numpy as np

from ._estimators import fitted_network
from ._plotting import axes_for, draw_by_epoch


class TrainingHistoryDisplay:
    """Loss of every task in every epoch, and the held-out score on an axis of its own.

    It is recommended to use `from_estimator`, which draws at once.

    Parameters
    ----------
    losses : array-like of shape (n_epochs, n_tasks)
        NaN where a task had no loss.
    task_names : sequence of length n_tasks
    validation_scores : array-like of shape (n_epochs,), default=None
        The held-out score, higher is better.
    best_epoch : int, default=None
        Where a line is drawn; counted from 1.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        One a task.
    validation_line_, best_epoch_line_ : matplotlib Line2D or None
    ax_, validation_ax_ : matplotlib Axes
        Of the losses, and of the scores; the latter may be None.
    figure_ : matplotlib Figure

    See Also
    --------
    TaskWeightDisplay : What the losses weighed.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import MultiTaskRNNRegressor
    >>> from sk_mtrnn.inspection import TrainingHistoryDisplay
    >>> X = np.random.default_rng(0).normal(size=(50, 6, 1))
    >>> y = np.column_stack([X.sum(axis=(1, 2)), X[:, 0, 0]])
    >>> model = MultiTaskRNNRegressor(max_epochs=3, early_stopping=True, random_state=0)
    >>> display = TrainingHistoryDisplay.from_estimator(model.fit(X, y))
    >>> len(display.lines_)
    2
    >>> display.validation_ax_.get_ylabel()
    'Held-out score'
    """

    def __init__(self, losses, task_names, *, validation_scores=None, best_epoch=None):
        self.losses = losses
        self.task_names = task_names
        self.validation_scores = validation_scores
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw ``loss_curve_`` of a fitted estimator, with early stopping also its score.

        Parameters
        ----------
        estimator : fitted MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor
            Or a Pipeline that ends in one.
        ax : matplotlib Axes, default=None
            For the losses. None: those of a new figure.

        Returns
        -------
        TrainingHistoryDisplay

        Notes
        -----
        Where only some of the epochs have a held-out score (``early_stopping`` was switched between
        warm starts, or `add_task` went on), nothing tells which, and none is drawn.
        """
        network = fitted_network(estimator)
        scores, best_epoch = getattr(network, "validation_scores_", None), None
        if scores is not None:
            best_epoch = network.best_epoch_
            scores = scores if len(scores) == len(network.loss_curve_) else None
        display = cls(
            network.loss_curve_,
            network.task_names_,
            validation_scores=scores,
            best_epoch=best_epoch,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            For the losses. None: those of a new figure.

        Returns
        -------
        TrainingHistoryDisplay
        """
        self.ax_ = axes_for(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_ = draw_by_epoch(self.ax_, np.asarray(self.losses), self.task_names)
        self.ax_.set_ylabel("Loss")
        self.validation_ax_ = self.validation_line_ = self.best_epoch_line_ = None
        if self.validation_scores is not None:
            self.validation_ax_ = self.ax_.twinx()
            scores = np.asarray(self.validation_scores)[:, None]  # [n_epochs, 1]
            (self.validation_line_,) = draw_by_epoch(self.validation_ax_, scores, ["held out"])
            self.validation_line_.set(color="black", linestyle="--")
            self.validation_ax_.set_ylabel("Held-out score")
        if self.best_epoch is not None:
            self.best_epoch_line_ = self.ax_.axvline(
                self.best_epoch, color="gray", linestyle=":", label="best epoch"
            )
        handles = [*self.lines_, self.validation_line_, self.best_epoch_line_]
        top = self.validation_ax_ or self.ax_  # whose legend no line crosses
        top.legend(handles=[handle for handle in handles if handle is not None])
        return self
