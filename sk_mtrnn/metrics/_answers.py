"""What an estimator says about the samples, matched with their labels task by task."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ..sequences import check_sample_weight, read_labels, split_steps


class Entries(NamedTuple):
    """The labelled entries of one task, sequences or time steps.

    Attributes
    ----------
    y_true : ndarray of shape (n_labels,)
    chosen : ndarray of bool, shape (n_samples,) or (sum_T,)
        Which of all entries these are.
    sample_weight : ndarray of shape (n_labels,) or None
    """

    y_true: np.ndarray
    chosen: np.ndarray
    sample_weight: np.ndarray | None


class Answers:
    """The answers of a fitted estimator on X, each of its methods called once at most.

    Parameters
    ----------
    estimator : fitted estimator
        Its ``classes_`` say which tasks are classification: an array (one task), a list with one
        array a task, or a dict by name.
    X : sequences
    y : labels in any layout `read_labels` takes
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Columns in the order of those of y, or by name in a DataFrame.
    metrics : iterable of Metric
        They decide which methods are called.

    Attributes
    ----------
    tasks : list
        Names of all tasks in the order of the fit: the estimator's ``task_names_``, else the
        columns of y where it is a DataFrame, else column indices. A DataFrame y is matched with
        them by name; a column it lacks is one without labels.
    n_samples : int
    """

    def __init__(self, estimator, X, y, sample_weight, metrics):
        self._owner = type(estimator).__name__
        self._classes = _classes_by_task(estimator)
        self._predicted = self._probabilities = None
        wanted = {metric.probabilities: metric for metric in metrics}
        lengths = None
        if False in wanted:
            self._predicted = _read_predictions(estimator, X)
            if self._predicted.offsets is not None:
                lengths = np.diff(self._predicted.offsets)
        if True in wanted:
            self._probabilities = _read_probabilities(estimator, X, wanted[True])
            for _, steps in _values(self._probabilities):
                lengths = steps if lengths is None else lengths
        labels = read_labels(y, lengths)
        self.tasks = _fitted_names(estimator, self._predicted)
        if self.tasks is None or (labels.layout == "frame" and self.tasks == _numbers(labels)):
            self.tasks = labels.names  # nothing but the position connects y with the answers
        columns = labels.matched(self.tasks, may_lack=True)
        self._columns = dict(zip(self.tasks, columns, strict=True))
        self._offsets = labels.offsets
        self.n_samples = labels.n_samples
        self._weights = _read_weights(sample_weight, labels, self.tasks)
        self._check_answers("predict", self._predicted and self._predicted.columns)
        self._check_answers("predict_proba", self._probabilities)

    def _check_answers(self, method, answers):
        if isinstance(answers, list) and len(answers) != len(self.tasks):
            raise ValueError(
                f"{method} of {self._owner} must answer for the {len(self.tasks)} task(s) "
                f"{self.tasks}, found {len(answers)}."
            )

    def check_task(self, task):
        """Refuse a task that is not there.

        Raises
        ------
        ValueError
        """
        if task not in self._columns:
            raise ValueError(f"task must be one of {self.tasks}, found {task!r}.")

    def classes_of(self, task):
        """The classes of a task in the order of its probabilities; None if it has none."""
        if isinstance(self._classes, dict):
            return self._classes.get(task)
        return self._classes[self.tasks.index(task)]

    def entries(self, task):
        """The entries of a task that carry a label and, where weights are given, one above 0.

        Returns
        -------
        Entries
        """
        column, weights = self._columns[task], None
        chosen = ~column.missing
        if self._weights is not None and chosen.any():
            weights = self._weights[task]
            if column.per_step:
                weights = np.repeat(weights, np.diff(self._offsets))
            chosen = chosen & (weights > 0)
            weights = weights[chosen]
        return Entries(column.values[chosen], chosen, weights)

    def score(self, metric, task):
        """Score one task on its labelled entries.

        Parameters
        ----------
        metric : Metric
        task : hashable

        Returns
        -------
        float
            NaN if no entry is labelled.

        Raises
        ------
        ValueError
            If the metric wants probabilities of a regression task, or the answers do not fit the
            labels.
        """
        self.check_task(task)
        classes = self.classes_of(task)
        if metric.probabilities and classes is None:
            raise ValueError(
                f"The metric {metric.name!r} needs class probabilities, but task {task!r} is not "
                f"classification: {self._owner} has no classes for it."
            )
        entries = self.entries(task)
        if not entries.y_true.size:
            return np.nan
        answer = self.answer(metric, task, entries.chosen)
        if metric.by_sample and self._columns[task].per_step:
            y_true, y_pred, weights = self._by_sample(task, entries, answer)
            return metric(task, y_true, y_pred, classes, weights)
        return metric(task, entries.y_true, answer[entries.chosen], classes, entries.sample_weight)

    def _by_sample(self, task, entries, answer):
        """Labels, answers and weights with one item a sample, of the samples that have a label."""
        labels = np.full(len(answer), None, dtype=object)
        labels[entries.chosen] = entries.y_true
        kept = np.unique(self.samples(task)[entries.chosen])
        labels, answer = (split_steps(values, self._offsets) for values in (labels, answer))
        weights = None if self._weights is None else self._weights[task][kept]
        return [labels[i] for i in kept], [answer[i] for i in kept], weights

    def samples(self, task):
        """The sample each entry of a task belongs to.

        Returns
        -------
        ndarray of int, shape (n_samples,) or (sum_T,)
        """
        if not self._columns[task].per_step:
            return np.arange(len(self._columns[task].values))
        lengths = np.diff(self._offsets)
        return np.repeat(np.arange(len(lengths)), lengths)

    def answer(self, metric, task, chosen):
        """What the estimator answers for a task, in the form a metric reads.

        Parameters
        ----------
        metric : Metric
        task : hashable
        chosen : ndarray of bool, shape (n_samples,) or (sum_T,)
            The entries that must be answered.

        Returns
        -------
        ndarray of shape (n_samples,) or (sum_T,), or with one column a class

        Raises
        ------
        ValueError
            If the answers do not fit the labels.
        """
        place = self.tasks.index(task)
        if metric.probabilities:
            by_name = isinstance(self._probabilities, dict)
            values, _ = self._probabilities[task if by_name else place]
            missing = np.isnan(values).any(axis=1)
            n_classes = len(self.classes_of(task))
            if values.shape[1] != n_classes:
                raise ValueError(
                    f"predict_proba of {self._owner} must have one column for each of the "
                    f"{n_classes} classes of task {task!r}, found {values.shape[1]}."
                )
        else:
            column = self._predicted.columns[place]
            values, missing = column.values, column.missing
        if len(values) != len(chosen):
            raise ValueError(
                f"Task {task!r} has {len(chosen)} entries in y, but {self._owner} answers with "
                f"{len(values)}: both must be per sequence or both per time step."
            )
        if missing[chosen].any():
            raise ValueError(f"{self._owner} answered task {task!r} with missing values (NaN).")
        return values


def _of_one_task(classes):
    """Whether ``classes_`` are those of a single task rather than one entry a task."""
    return not isinstance(classes, dict) and np.ndim(classes[0]) == 0


def _classes_by_task(estimator):
    """``classes_`` with one entry a task, in a list or a dict; empty without any."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return {}
    return [np.asarray(classes)] if _of_one_task(classes) else classes


def _read_weights(sample_weight, labels, tasks):
    """Read sample weights as a dict from task to one weight a sample."""
    if sample_weight is None:
        return None
    names = labels.names if labels.layout == "frame" else tasks
    if isinstance(sample_weight, pd.DataFrame) and labels.layout == "frame":
        absent = [name for name in names if name not in sample_weight]
        if absent:
            raise ValueError(
                f"sample_weight must have the columns of y, found none for task {absent[0]!r}."
            )
        sample_weight = sample_weight[names]
    weights = check_sample_weight(sample_weight, labels.n_samples, names)
    return dict(zip(names, weights.T, strict=True))


def _numbers(labels):
    """Names of the tasks of an estimator whose y had none."""
    return list(range(len(labels.columns)))


def _values(answers):
    return answers.values() if isinstance(answers, dict) else answers


def _fitted_names(estimator, predicted):
    """Names of the tasks in the order of the fit; None where the estimator does not tell.

    Pipelines and searches do not pass ``task_names_`` on, so their innermost estimator is asked.
    """
    while not hasattr(estimator, "task_names_"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return predicted.names if predicted and predicted.layout == "frame" else None
    return list(estimator.task_names_)


def _read_predictions(estimator, X):
    try:
        return read_labels(estimator.predict(X))
    except ValueError as error:
        error.add_note(f"This was found in what {type(estimator).__name__}.predict returned.")
        raise


def _read_probabilities(estimator, X, metric):
    """Probabilities of each task, flat, and how many time steps each sample has, if it has any."""
    owner = type(estimator).__name__
    for needed in ("predict_proba", "classes_"):
        if not hasattr(estimator, needed):
            raise ValueError(
                f"The metric {metric.name!r} needs class probabilities, but {owner} has no "
                f"{needed}."
            )
    classes, proba = estimator.classes_, estimator.predict_proba(X)
    if _of_one_task(classes):
        return [_flat(proba)]
    if isinstance(proba, dict):
        return {name: _flat(part) for name, part in proba.items()}
    if not isinstance(proba, (list, tuple)):
        raise ValueError(
            f"predict_proba of {owner} must return one array for each of its {len(classes)} tasks, "
            f"found {type(proba).__name__}."
        )
    return [_flat(part) for part in proba]


def _flat(proba):
    """One task's probabilities as (n, C) or (sum_T, C), with the lengths of the sequences."""
    proba = proba if isinstance(proba, (list, tuple)) else np.asarray(proba)
    if isinstance(proba, (list, tuple)) or proba.dtype == object:
        return np.concatenate(list(proba)), np.array([len(part) for part in proba])
    if proba.ndim == 2:
        return proba, None
    n_samples, n_timesteps, n_classes = proba.shape
    return proba.reshape(-1, n_classes), np.full(n_samples, n_timesteps)
