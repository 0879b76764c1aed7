"""All scores of all tasks in one table."""

import pandas as pd
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from ._answers import Answers
from ._metric import read_metric

_CLASSIFICATION = ("accuracy", "balanced_accuracy", "f1_macro")
_REGRESSION = ("r2", mean_absolute_error, root_mean_squared_error)


def task_scores(estimator, X, y, *, metrics=None, sample_weight=None):
    """Score every task on its labelled entries, in one table.

    Parameters
    ----------
    estimator : fitted estimator
    X : sequences
    y : labels in any layout the estimator's ``fit`` takes
        NaN, None and NA are missing labels.
    metrics : metric, list of metrics, dict or None, default=None
        What to compute, each as in `task_scorer`, for all tasks or for each by name in a dict (only
        these tasks are scored then). None: accuracy, balanced accuracy and macro F1 of
        classification tasks; R², mean absolute error and root mean squared error, in the unit of
        the target, of regression tasks.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Columns as those of y. The weight of a sample is that of each of its time steps.

    Returns
    -------
    DataFrame
        Columns ``task``, ``metric``, ``score`` and ``n_labels``: how many sequences or time steps
        were scored. The score of a task without any label is NaN.

    Raises
    ------
    ValueError
        If a metric or task is unknown, or a metric does not fit its task.

    Notes
    -----
    Of ranking metrics, ``"average_precision"`` and ``"roc_auc_ovr"`` take two classes and more
    (the mean over the classes present), ``"roc_auc"`` two. Where all labels to score are of one
    class, ROC AUC is NaN, and scikit-learn warns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sk_mtrnn.metrics import task_scores
    >>> X, y = np.zeros((4, 2)), np.array([[1.0, 3.0], [1.0, 5.0], [3.0, 7.0], [3.0, 9.0]])
    >>> model = DummyRegressor().fit(X, y)
    >>> y[0, 1] = np.nan
    >>> task_scores(model, X, y, metrics="max_error")
    Traceback (most recent call last):
        ...
    ValueError: metric must be the name of a scikit-learn scorer ... found 'max_error'.
    >>> task_scores(model, X, y, metrics=["r2", "neg_max_error"])
       task         metric  score  n_labels
    0     0             r2  0.000         4
    1     0  neg_max_error -1.000         4
    2     1             r2 -0.375         3
    3     1  neg_max_error -3.000         3
    """
    defaults = {True: _as_list(_CLASSIFICATION), False: _as_list(_REGRESSION)}
    by_task = {}
    if isinstance(metrics, dict):
        by_task = {task: _as_list(each) for task, each in metrics.items()}
        wanted = [metric for each in by_task.values() for metric in each]
    else:
        wanted = defaults[False] if metrics is None else _as_list(metrics)
    answers = Answers(estimator, X, y, sample_weight, wanted)
    for task in by_task or answers.tasks:
        answers.check_task(task)
        classification = answers.classes_of(task) is not None
        by_task.setdefault(task, defaults[classification] if metrics is None else wanted)
    rows = [
        (task, metric.name, answers.score(metric, task), answers.entries(task).y_true.size)
        for task, each in by_task.items()
        for metric in each
    ]
    return pd.DataFrame(rows, columns=["task", "metric", "score", "n_labels"])


def _as_list(metrics):
    metrics = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    return [read_metric(metric) for metric in metrics]
