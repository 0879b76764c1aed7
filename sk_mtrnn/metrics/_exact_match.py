"""How many samples are right as a whole: in all tasks, at all time steps."""

from collections.abc import Iterable

import numpy as np

from ..sequences import check_sample_weight, read_labels
from ._answers import Answers
from ._metric import read_metric
from ._scorers import _MaskedScorer


def exact_match(y_true, y_pred, *, sample_weight=None):
    """Share of samples that are right in all tasks and at all time steps.

    With s_i the weight of sample i and M_i its entries (tasks and time steps) that carry a label,

        exact match = Σ_i s_i Π_{m ∈ M_i} [ŷ_im = y_im] / Σ_i s_i

    the sums running over the samples with a label. For a dialogue system with the tasks intent and
    slots it is the sentence accuracy; for one task with one label a sample it is the accuracy, and
    for indicators of several classes the subset accuracy.

    Parameters
    ----------
    y_true : array-like of shape (n,), (n, K) or (n, T, K), DataFrame, or list of (T_i, K) or \
            (T_i,) arrays
        Labels in any layout the estimators take, of any mix of tasks per sequence and per time
        step. NaN, None and NA are missing ones.
    y_pred : same layout as ``y_true``
        Predictions. Columns of two DataFrames are matched by name, and ``y_true`` may lack some.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        s_i. With one a task, in the order of ``y_true``, s_i is their mean over the tasks in which
        sample i has a label. A weight of 0 takes the label away.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a task holds quantities (numbers that are not whole), the layouts do not match, or there
        is no label at all.

    See Also
    --------
    exact_match_scorer : The same of a fitted estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.metrics import exact_match
    >>> y_true = np.array([[0, 1], [1, 1], [0, np.nan], [np.nan, np.nan]])
    >>> y_pred = np.array([[0, 1], [1, 0], [0, 0], [1, 1]])
    >>> round(exact_match(y_true, y_pred), 4)
    0.6667
    """
    labels, answers = _read_pair(y_true, y_pred)
    weights = check_sample_weight(sample_weight, labels.n_samples, labels.names)
    compared = [
        _compare(*pair, weights[:, k], labels.offsets)
        for k, pair in enumerate(zip(labels.columns, answers, strict=True))
    ]
    return _share_right(labels.n_samples, compared)


exact_match.by_sample = True  # scorers of one task hand it whole sequences


class _ExactMatchScorer(_MaskedScorer):
    def __init__(self, tasks):
        self.tasks = tasks

    def _metrics(self):
        return [read_metric(exact_match)]

    def score(self, estimator, X, y, sample_weight=None):
        (metric,) = self._metrics()
        answers = Answers(estimator, X, y, sample_weight, [metric])
        compared = []
        for task in answers.tasks if self.tasks is None else self.tasks:
            answers.check_task(task)
            if answers.classes_of(task) is None:
                raise ValueError(
                    f"exact_match compares classes, but task {task!r} is not classification: "
                    "exact_match_scorer(tasks=...) names the tasks to compare."
                )
            entries = answers.entries(task)
            chosen, weights = entries.chosen, entries.sample_weight
            if not chosen.any():
                continue
            right = entries.y_true == answers.answer(metric, task, chosen)[chosen]
            weights = np.ones(len(right)) if weights is None else weights
            compared.append((answers.samples(task)[chosen], np.asarray(right, bool), weights))
        return _share_right(answers.n_samples, compared)

    def __repr__(self):
        return f"exact_match_scorer(tasks={self.tasks!r})"


def exact_match_scorer(tasks=None):
    """Make a scorer of the share of samples that are right in all tasks and at all time steps.

    Unlike ``multitask_scorer(exact_match)``, which averages what `exact_match` is for each task
    alone, it asks that all tasks of a sample be right at once.

    Parameters
    ----------
    tasks : list or None, default=None
        Names of the classification tasks to compare (column indices where y has no names). None:
        all tasks.

    Returns
    -------
    scorer : callable object
        ``scorer(estimator, X, y, sample_weight=None)`` returns a float. It has
        ``set_score_request`` and can be pickled and cloned. It raises a ValueError if a task is
        not classification, or where no sample has a label.

    Raises
    ------
    ValueError
        If ``tasks`` is no list of names.

    See Also
    --------
    exact_match : The definition, as a function of labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sk_mtrnn.metrics import exact_match_scorer
    >>> X, y = np.arange(4.0)[:, None], np.array([[0, 0], [0, 0], [1, 1], [1, 0]])
    >>> model = DecisionTreeClassifier(max_depth=1).fit(X, y)
    >>> exact_match_scorer()(model, X, y), exact_match_scorer([0])(model, X, y)
    (0.75, 1.0)
    """
    if tasks is not None:
        if isinstance(tasks, (str, bytes)) or not isinstance(tasks, Iterable):
            raise ValueError(f"tasks must be a list of task names or None, found {tasks!r}.")
        tasks = list(tasks)
        if not tasks:
            raise ValueError("tasks must name at least one task, found an empty list.")
    return _ExactMatchScorer(tasks)


def _read_pair(y_true, y_pred):
    """Labels, and the columns of the predictions in their order."""
    labels, predicted = _read_both(y_true, y_pred)
    if {labels.layout, predicted.layout} == {"2d", "steps"}:  # lists that happen to be a table
        y_true, y_pred = (list(np.asarray(y, dtype=object)) for y in (y_true, y_pred))
        labels, predicted = _read_both(y_true, y_pred)
    if labels.n_samples != predicted.n_samples:
        raise ValueError(
            f"y_pred must hold the {labels.n_samples} samples of y_true, found "
            f"{predicted.n_samples}."
        )
    if labels.layout == predicted.layout == "frame":
        found = {column.name: column for column in predicted.columns}
        unknown = [name for name in labels.names if name not in found]
        if unknown:
            raise ValueError(
                f"y_pred must hold the tasks {labels.names} of y_true, found {predicted.names}."
            )
        return labels, [found[name] for name in labels.names]
    if len(labels.columns) != len(predicted.columns):
        raise ValueError(
            f"y_pred must hold the {len(labels.columns)} task(s) of y_true, found "
            f"{len(predicted.columns)}."
        )
    return labels, predicted.columns


def _read_both(y_true, y_pred):
    """Both as Labels; missing cells of ``y_true`` get the lengths that ``y_pred`` tells."""
    predicted = read_labels(y_pred)
    lengths = None if predicted.offsets is None else np.diff(predicted.offsets)
    if lengths is not None and predicted.n_samples != len(y_true):
        lengths = None
    return read_labels(y_true, lengths), predicted


def _compare(column, answer, weights, offsets):
    """Sample, hit or miss, and weight of every entry with a label."""
    known, samples = ~column.missing, np.arange(len(weights))
    if not known.any():
        return np.arange(0), np.ones(0, dtype=bool), np.ones(0)
    if column.per_step:
        samples = np.repeat(samples, np.diff(offsets))
    if len(answer.values) != len(column.values):
        raise ValueError(
            f"Task {column.name!r} has {len(column.values)} entries in y_true and "
            f"{len(answer.values)} in y_pred: both must be per sequence or both per time step."
        )
    for values, parameter in ((column.labelled, "y_true"), (answer.labelled, "y_pred")):
        if values.dtype.kind == "f" and (values != np.floor(values)).any():
            raise ValueError(
                f"exact_match compares classes, but task {column.name!r} holds quantities such as "
                f"{values[values != np.floor(values)][0]} in {parameter}; leave it out."
            )
    known &= weights[samples] > 0
    if answer.missing[known].any():
        row = samples[known & answer.missing][0]
        raise ValueError(
            f"y_pred must hold a label wherever y_true does, found none in task {column.name!r}, "
            f"row {row}."
        )
    right = column.values[known] == answer.values[known]
    return samples[known], np.asarray(right, dtype=bool), weights[samples[known]]


def _share_right(n_samples, compared):
    """Weighted share of the samples all whose entries are hits, among those with an entry."""
    right = np.ones(n_samples, dtype=bool)
    weight, n_tasks = np.zeros(n_samples), np.zeros(n_samples)
    for samples, hits, weights in compared:
        right[samples[~hits]] = False
        of_task = np.zeros(n_samples)
        of_task[samples] = weights
        weight += of_task
        n_tasks += of_task > 0
    known = n_tasks > 0
    if not known.any():
        raise ValueError(
            f"There is no label among the {n_samples} samples to compare (or none of a weight "
            "above 0)."
        )
    return float(np.average(right[known], weights=weight[known] / n_tasks[known]))
