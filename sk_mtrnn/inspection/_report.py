"""Does learning the tasks together help each of them?"""

import copy
from numbers import Integral, Real
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _num_samples

from ..metrics import multitask_scorer, task_scores
from ..model_selection import MultiTaskStratifiedKFold
from ..sharing import Independent, resolve_sharing
from ._estimators import network_of
from ._interval import corrected_interval

# what every task on its own is: no system of several tasks takes part
ALONE = {
    "sharing": "none",
    "task_relation": None,
    "task_weights": None,
    "gradient_aggregation": None,
    "batching": "mixed",
}

_DEFAULT_METRICS = {"classification": "accuracy", "regression": "r2"}


@validate_params(
    {
        "cv": ["cv_object"],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def multitask_report(
    estimator,
    X,
    y,
    *,
    cv=None,
    n_repeats=1,
    scoring=None,
    confidence=0.95,
    n_jobs=None,
    random_state=None,
):
    """Compare every task learned together with the others and learned alone.

    *Together* is the estimator as given. *Alone* is a clone of it with ``sharing="none"``,
    ``task_relation=None``, ``task_weights=None``, ``gradient_aggregation=None`` and
    ``batching="mixed"``: a network for each task, trained in one fit on the same batches, for as
    many epochs, from the same seed. Both are fitted and scored on the same splits.

    With d_j = together - alone on split j of J (folds times repeats), d their mean and s² their
    variance, the interval is that of the corrected resampled t-test [1]_,

        d ± t · √( (1/J + n_test/n_train) s² )

    with t the quantile of Student's distribution with J - 1 degrees of freedom. Training sets of
    folds overlap, so that the d_j are not independent and an uncorrected interval, without
    n_test/n_train, would be far too narrow. The correction was derived for random splits; for
    repeated folds it is recommended by [2]_.

    Parameters
    ----------
    estimator : MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor
        Or a Pipeline that ends in one. It is cloned and stays as it is.
    X, y
        As in `fit`.
    cv : int, splitter or iterable of (train, test), default=None
        None or a number of folds: a shuffled `MultiTaskStratifiedKFold`, for None with 5 folds.
        Where a splitter needs groups, give its splits: ``cv=GroupKFold().split(X, y, groups)``.
    n_repeats : int, default=1
        How often all folds are drawn anew and the networks start from another seed.
    scoring : metric, dict or None, default=None
        What a task's score is, as in `sk_mtrnn.metrics.task_scorer`: one for all tasks, or a dict
        from task name to its own (only these tasks are reported). None: accuracy of classification
        tasks and R² of regression tasks, as in ``estimator.score``.
    confidence : float in (0, 1), default=0.95
        Of the interval.
    n_jobs : int, default=None
        Splits worked on at the same time, as everywhere in scikit-learn.
    random_state : int, RandomState or None, default=None
        Gives one seed a repeat, for folds and estimators. None: that of the estimator. A splitter
        is used as it is for the first repeat, and with this seed for those that follow.

    Returns
    -------
    DataFrame
        A row a task, its name in the index; no row for the mean of the tasks, whose interval is not
        the mean of theirs. Columns:

        - ``alone``, ``together``: mean score over the splits
        - ``difference``: together less alone, positive where sharing helps and higher scores are
          better
        - ``low``, ``high``: its interval
        - ``fit_time_alone``, ``fit_time_together``: median seconds of a fit of all tasks, equal in
          all rows
        - ``n_parameters_alone``, ``n_parameters_together``: trainable numbers of the whole network,
          equal in all rows

        ``attrs["scores"]`` holds the scores of single splits: ``pd.DataFrame(attrs["scores"])`` has
        the columns ``repeat``, ``fold``, ``task``, ``alone`` and ``together``.

    Raises
    ------
    ValueError
        If the estimator is no multi-task estimator or shares nothing itself, ``scoring`` is no
        metric, or ``n_repeats`` asks for new folds of a ``cv`` that has only one set of them.

    See Also
    --------
    MultiTaskReportDisplay : Draws it.
    gradient_similarity : Whether the tasks pull the shared parameters in one direction.

    Notes
    -----
    A split where a task has no defined score (no label, R² of a single one) is left out for this
    task. The interval is that of one task: with many tasks, some will lie beside zero by chance.

    Two things still couple the networks of *alone*, as they train in one fit: ``max_grad_norm``
    scales the gradients of all of them by one factor, and ``early_stopping`` watches one score.

    References
    ----------
    .. [1] Nadeau & Bengio (2003), "Inference for the Generalization Error", Machine Learning 52.
    .. [2] Bouckaert & Frank (2004), "Evaluating the Replicability of Significance Tests for
       Comparing Learning Algorithms", PAKDD.

    Examples
    --------
    >>> from sk_mtrnn import MultiTaskRNN
    >>> from sk_mtrnn.datasets import make_multitask_sequences
    >>> from sk_mtrnn.inspection import multitask_report
    >>> X, y = make_multitask_sequences(60, random_state=0)
    >>> model = MultiTaskRNN(hidden_layer_sizes=(8,), max_epochs=5, random_state=0)
    >>> report = multitask_report(model, X, y, cv=3)
    >>> list(report.index) == list(y.columns)
    True
    >>> bool((report["n_parameters_together"] < report["n_parameters_alone"]).all())
    True
    """
    network = network_of(estimator)
    sharing = resolve_sharing(network.sharing)
    if isinstance(sharing, Independent) and network.task_relation is None:
        raise ValueError(
            "estimator must share something between its tasks, or there is nothing to compare; "
            f"found sharing={network.sharing!r}."
        )
    _check_scoring(scoring)
    if random_state is None:
        random_state = clone(network).random_state  # a generator of the estimator's stays as it is
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_repeats)
    X, y = indexable(X, y)
    samples = np.arange(_num_samples(X))
    splits = [
        (repeat, fold, int(seed), samples[train], samples[test])  # which may be ranges or masks
        for (repeat, seed), cv_again in zip(enumerate(seeds), _reseeded(cv, seeds), strict=True)
        for fold, (train, test) in enumerate(cv_again.split(X, y))
    ]
    pairs = Parallel(n_jobs=n_jobs)(
        delayed(_compare)(estimator, X, y, train, test, scoring, seed, fold % 2 == 0)
        for _, fold, seed, train, test in splits
    )
    scores = _score_table(splits, pairs)
    test_to_train = np.mean([len(test) / len(train) for *_, train, test in splits])
    return _summary(scores, pairs, test_to_train, confidence)


def _check_scoring(scoring):
    """Refuse what is no metric before anything is fitted."""
    if scoring is None:
        return
    try:
        multitask_scorer(scoring)
    except ValueError as error:
        raise ValueError(
            f"scoring must be one metric for all tasks, or a dict of one a task: {error}"
        ) from error


def _reseeded(cv, seeds):
    """A splitter for every repeat."""
    if cv is None or isinstance(cv, Integral):
        n_splits = 5 if cv is None else cv
        return [
            MultiTaskStratifiedKFold(n_splits, shuffle=True, random_state=int(seed))
            for seed in seeds
        ]
    first = check_cv(cv)
    if len(seeds) > 1 and not (hasattr(first, "random_state") and getattr(first, "shuffle", True)):
        raise ValueError(
            f"n_repeats={len(seeds)} needs folds that can be drawn anew: cv must be None, an int "
            f"or a splitter that shuffles by its random_state, found {cv!r}."
        )
    splitters = [copy.deepcopy(first) for _ in seeds]
    for splitter, seed in zip(splitters[1:], seeds[1:], strict=True):
        splitter.random_state = int(seed)
    return splitters


class _Fit(NamedTuple):
    """What one fit gave: scores by task, seconds, and the size of its network."""

    scores: dict
    seconds: float
    n_parameters: int


def _compare(estimator, X, y, train, test, scoring, seed, alone_first):
    """Fit and score alone and together on one split; what compiles on the first fit is shared."""
    alone, together = clone(estimator), clone(estimator)
    network_of(alone).set_params(**ALONE)
    order = [alone, together] if alone_first else [together, alone]
    fits = {id(model): _fit(model, X, y, train, test, scoring, seed) for model in order}
    return fits[id(alone)], fits[id(together)]


def _fit(model, X, y, train, test, scoring, seed):
    network = network_of(model).set_params(random_state=seed)
    start = perf_counter()
    model.fit(_safe_indexing(X, train), _safe_indexing(y, train))
    seconds = perf_counter() - start
    if scoring is None:
        scoring = {name: _DEFAULT_METRICS[kind] for name, kind in network.task_types_.items()}
    table = task_scores(model, _safe_indexing(X, test), _safe_indexing(y, test), metrics=scoring)
    parameters = network.net_.module_.parameters()
    return _Fit(
        dict(zip(table["task"], table["score"], strict=True)),
        seconds,
        sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    )


def _score_table(splits, pairs):
    """A row for every task on every split."""
    rows = [
        (repeat, fold, task, alone.scores[task], together.scores[task])
        for (repeat, fold, *_), (alone, together) in zip(splits, pairs, strict=True)
        for task in together.scores
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "task", "alone", "together"])


def _summary(scores, pairs, test_to_train, confidence):
    """A row a task."""
    rows = {}
    for task, of_task in scores.groupby("task", sort=False):
        defined = of_task[["alone", "together"]].dropna()
        differences = (defined["together"] - defined["alone"]).to_numpy()
        difference, low, high = corrected_interval(differences, test_to_train, confidence)
        rows[task] = {
            "alone": defined["alone"].mean(),
            "together": defined["together"].mean(),
            "difference": difference,
            "low": low,
            "high": high,
        }
    report = pd.DataFrame.from_dict(rows, orient="index")
    report.index = pd.Index(list(rows), name="task")
    kinds = dict(zip(("alone", "together"), zip(*pairs, strict=True), strict=True))
    for kind, fits in kinds.items():
        report[f"fit_time_{kind}"] = np.median([fit.seconds for fit in fits])
    for kind, fits in kinds.items():  # folds may lack a class
        report[f"n_parameters_{kind}"] = max(fit.n_parameters for fit in fits)
    # lists, as pandas compares attrs where frames are joined, which DataFrames in them would break
    report.attrs["scores"] = scores.to_dict("list")
    return report
