"""Scorer objects: what ``scoring=`` takes wherever scikit-learn has it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from ._answers import Answers
from ._metric import read_metric


class _MaskedScorer(ABC, BaseEstimator):
    """The shell of both scorers: called like a function, cloned and routed like an estimator.

    BaseEstimator is the public way to ``set_score_request``, without which scikit-learn routes no
    sample weights; it derives the request from the signature of ``score``.
    """

    __metadata_request__score = {"estimator": UNUSED}  # not metadata

    @abstractmethod
    def score(self, estimator, X, y, sample_weight=None):
        """Score a fitted estimator; the call itself."""

    @abstractmethod
    def _metrics(self):
        """All metrics this scorer computes."""

    def __call__(self, estimator, X, y, sample_weight=None):
        return self.score(estimator, X, y, sample_weight)

    def _accept_sample_weight(self):
        # scikit-learn asks a scorer by this private name whether a search may hand it the weights
        return all(metric.accepts_weights for metric in self._metrics())


class _TaskScorer(_MaskedScorer):
    def __init__(self, metric, task):
        self.metric = metric
        self.task = task

    def _metrics(self):
        return [read_metric(self.metric)]

    def score(self, estimator, X, y, sample_weight=None):
        metrics = self._metrics()
        answers = Answers(estimator, X, y, sample_weight, metrics)
        answers.check_task(self.task)
        if not answers.entries(self.task).y_true.size:
            raise ValueError(
                f"Task {self.task!r} has no label among the {len(y)} samples to score (or none of "
                "a weight above 0)."
            )
        return answers.score(metrics[0], self.task)

    def __repr__(self):
        return f"task_scorer({_show(self.metric)}, task={self.task!r})"


class _MultitaskScorer(_MaskedScorer):
    def __init__(self, metric, average):
        self.metric = metric
        self.average = average

    def _metrics(self):
        metrics = self.metric.values() if isinstance(self.metric, dict) else [self.metric]
        return [read_metric(metric) for metric in metrics]

    def score(self, estimator, X, y, sample_weight=None):
        metrics = self._metrics()
        answers = Answers(estimator, X, y, sample_weight, metrics)
        if isinstance(self.metric, dict):
            tasks = list(self.metric)
        else:
            tasks, metrics = answers.tasks, metrics * len(answers.tasks)
        for task in tasks:
            answers.check_task(task)
        weights = None if self.average is None else _task_weights(self.average, tasks)
        labelled = np.array([answers.entries(task).y_true.size > 0 for task in tasks])
        if not labelled.any():
            raise ValueError(
                f"None of the tasks {tasks} has a label among the {len(y)} samples to score (or "
                "none of a weight above 0)."
            )
        pairs = zip(metrics, tasks, strict=True)
        scores = np.array([answers.score(metric, task) for metric, task in pairs])
        if weights is None:
            return {str(task): float(score) for task, score in zip(tasks, scores, strict=True)}
        counted = labelled & (weights > 0)
        if not counted.any():
            raise ValueError(
                f"No task with a weight above 0 in average={self.average!r} has a label among the "
                f"{len(y)} samples to score."
            )
        return float(np.average(scores[counted], weights=weights[counted]))

    def __repr__(self):
        return f"multitask_scorer({_show(self.metric)}, average={self.average!r})"


def task_scorer(metric, task):
    """Make a scorer of one task, over the entries that carry a label of it.

    Parameters
    ----------
    metric : str, scorer or callable
        The name of a scikit-learn scorer, a scorer from ``make_scorer``, or a metric function
        ``metric(y_true, y_pred)``, used as it is: a loss stays one, so for a search take the
        name that begins with ``neg_``. A function of scikit-learn that wants probabilities, such
        as ``log_loss``, gets them.
    task : hashable
        The task's name, or its column index where y has no names.

    Returns
    -------
    scorer : callable object
        ``scorer(estimator, X, y, sample_weight=None)`` returns a float. It has
        ``set_score_request`` and can be pickled and cloned. It raises a ValueError where no entry
        of the task is labelled, which searches and ``cross_validate`` turn into ``error_score``
        for that fold.

    Raises
    ------
    ValueError
        If ``metric`` is none of these.

    See Also
    --------
    multitask_scorer : All tasks at once, from one call of ``predict``.

    Notes
    -----
    Labels per time step are scored flat: every labelled step is one entry, and the weight of a
    sample is that of each of its steps. An entry of weight 0 is as if unlabelled. Only a function
    that has an attribute ``by_sample = True``, as `span_f1` and `exact_match` do, gets sequences:
    for each sample with a label one array of shape (T_i,), None where ``y_true`` has no label, and
    one weight.

    Metrics of probabilities are aligned on ``classes_``. Classes absent from the scored labels
    misalign nothing; rank metrics (average precision, one-vs-rest ROC AUC) then average over the
    classes present. A label that training did not see counts as wrong: it has probability 0 in a
    column of its own, and for metrics that rank two classes by one score it is a positive ranked
    last. A UserWarning names it. Metrics of predicted labels need no such rule and do not warn: the
    label simply is never predicted. Of two classes a metric gets the probability of one, as in
    scikit-learn: of ``pos_label``, or else of the greater label. Of more it gets all columns, and
    one-hot labels if it has no ``labels`` argument.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sk_mtrnn.metrics import task_scorer
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    >>> model = LinearRegression().fit(X, y)
    >>> y[2, 1] = np.nan
    >>> scorer = task_scorer("neg_mean_absolute_error", task=1)
    >>> scorer
    task_scorer('neg_mean_absolute_error', task=1)
    >>> round(scorer(model, X, y), 6) == 0
    True
    """
    read_metric(metric)
    return _TaskScorer(metric, task)


def multitask_scorer(metric, *, average="mean"):
    """Make a scorer of several tasks, all served from one call of ``predict``.

    ``predict_proba`` is called once as well, if a metric wants it. With weights v_k of the tasks
    and m_k the score of task k over its labelled entries, the score is Σ_k v_k m_k / Σ_k v_k, the
    sums running over the tasks that have a label.

    Parameters
    ----------
    metric : str, scorer, callable or dict
        One metric for all tasks, as in `task_scorer`, or a dict from task name to metric: only
        these tasks are scored (``dict.fromkeys(names, "accuracy")``).
    average : "mean", array-like of shape (n_tasks,), dict or None, default="mean"
        How scores become one: unweighted, or with a weight for each task, in the order of the
        tasks or by name. None returns a dict from task name to score, which scikit-learn takes as
        several metrics (``GridSearchCV(..., refit="digit")``). Its keys are strings, as
        scikit-learn asks; a task without name has that of its index, ``"0"``.

    Returns
    -------
    scorer : callable object
        ``scorer(estimator, X, y, sample_weight=None)`` returns a float, or a dict. It has
        ``set_score_request`` and can be pickled and cloned. A task none of whose entries is
        labelled is left out of the average, and NaN in the dict; where that is so of every task,
        the scorer raises a ValueError.

    Raises
    ------
    ValueError
        If a metric is none of those `task_scorer` takes, or ``average`` none of the above.

    See Also
    --------
    task_scorer : One task; its notes say how labels and probabilities are read.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sk_mtrnn.metrics import multitask_scorer
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    >>> model = LinearRegression().fit(X, y)
    >>> y[2, 1] = np.nan
    >>> round(multitask_scorer("r2")(model, X, y), 6)
    1.0
    >>> multitask_scorer({0: "r2", 1: "neg_max_error"}, average=[3, 1])
    multitask_scorer({0: 'r2', 1: 'neg_max_error'}, average=[3, 1])
    """
    if isinstance(metric, dict):
        if not metric:
            raise ValueError("metric must name at least one task, found an empty dict.")
        for each in metric.values():
            read_metric(each)
    else:
        read_metric(metric)
    if average is not None:
        _task_weights(average, list(metric) if isinstance(metric, dict) else None)
    return _MultitaskScorer(metric, average)


def _task_weights(average, tasks):
    """Read ``average`` as one weight a task; with tasks None, only what can be checked without."""
    if isinstance(average, str) and average == "mean":
        return np.ones(len(tasks or ()))
    if isinstance(average, dict):
        tasks = list(average) if tasks is None else tasks
        if set(average) != set(tasks):
            raise ValueError(
                f"average must give a weight to each of the tasks {tasks}, found weights of "
                f"{list(average)}."
            )
        average = [average[task] for task in tasks]
    if isinstance(average, (str, bytes)) or not isinstance(average, (Sequence, np.ndarray)):
        raise ValueError(
            "average must be 'mean', a weight for each task (a sequence, or a dict by name) or "
            f"None, found {average!r}."
        )
    if tasks is not None and np.shape(average) != (len(tasks),):
        raise ValueError(
            f"average must give one weight to each of the {len(tasks)} tasks {tasks}, found shape "
            f"{np.shape(average)}."
        )
    if not all(isinstance(weight, Real) and 0 <= weight < np.inf for weight in average) or not any(
        average
    ):
        raise ValueError(
            f"average must hold finite weights, none negative and not all 0, found {list(average)}."
        )
    return np.array(average, dtype=np.float64)


def _show(metric):
    """A metric as one would write it."""
    if isinstance(metric, dict):
        return "{" + ", ".join(f"{task!r}: {_show(each)}" for task, each in metric.items()) + "}"
    return repr(metric) if isinstance(metric, str) else getattr(metric, "__name__", repr(metric))
