"""A metric in every form scikit-learn has it, called on the labelled entries of one task."""

import warnings
from dataclasses import dataclass
from functools import cache
from inspect import signature

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names


@dataclass(frozen=True)
class Metric:
    """A metric function, and how it is to be called.

    Attributes
    ----------
    name : str
        The scorer's or function's name.
    function : callable
        ``function(y_true, y_pred, **options)``.
    sign : {1, -1}
        What its value is multiplied with.
    options : dict
        Keyword arguments of the function.
    probabilities : bool
        Whether it wants class probabilities rather than predicted values.
    by_sample : bool, default=False
        Whether it wants labels per time step as one array a sample rather than flat; its function
        declares it by an attribute of this name.
    """

    name: str
    function: object
    sign: int
    options: dict
    probabilities: bool
    by_sample: bool = False

    @property
    def accepts_weights(self):
        return "sample_weight" in self._parameters

    def __call__(self, task, y_true, y_pred, classes=None, sample_weight=None):
        """Score one task.

        Parameters
        ----------
        task : hashable
            Its name, for messages.
        y_true : ndarray of shape (n_labels,)
            For labels per time step and a metric that wants them by sample, a list with one array
            of shape (T_i,) a sample, None where there is no label.
        y_pred : ndarray of shape (n_labels,) or (n_labels, n_classes)
            Probabilities where the metric wants them, predicted values otherwise; by sample as
            ``y_true``.
        classes : ndarray of shape (n_classes,), default=None
            The class of each column of the probabilities, in any order.
        sample_weight : ndarray of shape (n_labels,), default=None
            By sample, one a sample.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the metric takes no weights but some are given; whatever the function itself raises
            carries a note that names the task.
        """
        options = dict(self.options)
        if sample_weight is not None:
            if not self.accepts_weights:
                raise ValueError(
                    f"sample_weight must be None for the metric {self.name!r} of task {task!r}, "
                    "which takes no weights."
                )
            options["sample_weight"] = sample_weight
        try:
            if self.probabilities:
                y_true, y_pred = self._align(task, y_true, y_pred, classes, options)
            return float(self.sign * self.function(y_true, y_pred, **options))
        except Exception as error:
            error.add_note(f"The metric {self.name!r} was scoring task {task!r}.")
            raise

    @property
    def _parameters(self):
        return signature(self.function).parameters

    def _align(self, task, y_true, proba, classes, options):
        """Bring labels and probabilities into the form the function reads; it may add options.

        Columns are sorted by label, and a label that training did not see gets one of its own.
        """
        if (y_true.dtype.kind == "O") != (np.asarray(classes).dtype.kind in "OUS"):
            raise ValueError(
                f"Task {task!r} was trained on labels such as {classes[0]!r}, but y holds labels "
                f"of another kind such as {y_true[0]!r}."
            )
        unseen = np.setdiff1d(y_true, classes)
        if unseen.size:
            warnings.warn(
                f"Task {task!r} has the labels {unseen.tolist()}, which training did not see: "
                f"they are scored with probability 0 by the metric {self.name!r}.",
                UserWarning,
                stacklevel=2,
            )
        takes_labels, multi_class = "labels" in self._parameters, self._multi_class(options)
        asked = options.pop("labels", None) if takes_labels else None
        labels = np.union1d(np.union1d(classes, unseen), classes if asked is None else asked)
        columns = np.full((len(y_true), len(labels)), self._lowest, dtype=proba.dtype)
        columns[:, np.searchsorted(labels, classes)] = proba  # [n_labels, n_classes]

        ranks_two = not takes_labels or multi_class == "raise"
        two = np.sort(classes) if ranks_two and len(classes) == 2 else labels
        if len(two) <= 2:
            positive = self._positive(two, options)
            score = columns[:, np.flatnonzero(labels == positive)[0]]
            third = ~np.isin(y_true, two)  # one score has room for it only as a missed positive
            score[third] = self._lowest
            if takes_labels:
                options["labels"] = two
            return np.where(third, positive, y_true), score
        if takes_labels and multi_class != "ovr":
            options["labels"] = labels
            return y_true, columns
        one_hot = (y_true[:, None] == labels).astype(int)  # [n_labels, n_classes]
        if self.function in _ranking_functions():
            # the rank of a class is undefined where no entry has it: average over the others
            present = one_hot.any(axis=0)
            one_hot, columns = one_hot[:, present], columns[:, present]
            if present.sum() == 1:
                return one_hot[:, 0], columns[:, 0]
        return one_hot, columns

    def _multi_class(self, options):
        """The argument of this name that ROC AUC has, and no other metric of scikit-learn."""
        known = self._parameters.get("multi_class")
        return known and options.get("multi_class", known.default)

    @property
    def _lowest(self):
        """The score of an unseen label: below every probability where the scale is free.

        Otherwise another class of probability 0 would tie with it, and count as hit.
        """
        sums_to_one = self._multi_class(self.options) in ("ovr", "ovo")
        return -1.0 if self.function in _ranking_functions() and not sums_to_one else 0.0

    def _positive(self, labels, options):
        """The class that a single score speaks of; told to functions that can be told."""
        if "pos_label" not in self._parameters:
            return labels[-1]
        asked = options.get("pos_label")
        if asked is not None and asked not in labels.tolist():
            raise ValueError(f"pos_label must be one of {labels.tolist()}, found {asked!r}.")
        default = self._parameters["pos_label"].default
        if asked is None:
            asked = default if default in labels.tolist() else labels[-1]
        options["pos_label"] = asked
        return asked


def read_metric(metric):
    """Read a metric in any form.

    Parameters
    ----------
    metric : str, scorer or callable
        A scikit-learn scorer's name, a scorer from ``make_scorer``, or a function
        ``metric(y_true, y_pred)``. A function of scikit-learn that wants probabilities gets them.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        If it is none of these, or a scorer that reads only ``decision_function``.
    """
    name, scorer = metric, None
    if isinstance(metric, str) and metric in get_scorer_names():
        scorer = get_scorer(metric)
    elif hasattr(metric, "_score_func"):
        scorer, name = metric, repr(metric)
    elif not _is_metric(metric):
        raise ValueError(
            "metric must be the name of a scikit-learn scorer "
            "(sklearn.metrics.get_scorer_names() lists them), a scorer made by make_scorer or a "
            "function metric(y_true, y_pred), such as span_f1 itself, not its name, found "
            f"{metric!r}."
        )
    if scorer is None:
        name = getattr(metric, "__name__", repr(metric))
        kept = _scorers_by_function().get(metric)
        method = "predict" if kept is None else kept._response_method
        sign, options = 1, {}
    else:
        # what a scorer is made of has no public name; Metric has to call the parts itself, because
        # the scorer would read all tasks' labels and classes as those of one
        metric, sign = scorer._score_func, scorer._sign
        options, method = scorer._kwargs, scorer._response_method
    methods = [method] if isinstance(method, str) else list(method)
    if not {"predict", "predict_proba"} & set(methods):
        raise ValueError(
            "metric must read predict or predict_proba, the methods a multi-task estimator has; "
            f"{name!r} reads {' or '.join(methods)}."
        )
    probabilities, by_sample = "predict_proba" in methods, _is_by_sample(metric)
    if probabilities and by_sample:
        raise ValueError(
            f"metric must not read probabilities if it is one by sample, {name!r} does both."
        )
    return Metric(name, metric, sign, options, probabilities, by_sample)


def _is_metric(function):
    """Whether this is a function of labels, not a scorer, whose first argument is a model."""
    try:
        return next(iter(signature(function).parameters), None) != "estimator"
    except (TypeError, ValueError):  # not callable, or of an unknown signature
        return False


def _is_by_sample(function):
    """Whether it declares to read labels per time step sample by sample; a partial of it does."""
    return bool(getattr(getattr(function, "func", function), "by_sample", False))


@cache
def _scorers_by_function():
    """One of scikit-learn's own scorers for each of its metric functions."""
    scorers = {}
    for name in sorted(get_scorer_names()):
        scorer = get_scorer(name)
        scorers.setdefault(scorer._score_func, scorer)
    return scorers


@cache
def _ranking_functions():
    """Metric functions that only compare scores, and so take them on any scale."""
    return {
        function
        for function, scorer in _scorers_by_function().items()
        if "decision_function" in scorer._response_method
    }
