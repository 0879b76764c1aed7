"""What early stopping holds out, and the score it watches there."""

import inspect
from numbers import Real

import numpy as np
from sklearn.utils import _safe_indexing

from .metrics import exact_match, multitask_scorer
from .model_selection import stratified_fraction


def hold_out(estimator, labels, seed):
    """Split the samples, so that each part has its share of every task's labels.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for ``early_stopping`` and ``validation_fraction``.
    labels : Labels
    seed : int

    Returns
    -------
    part, held_out : ndarray of int
        Samples to train on, and samples to watch; none without early stopping.

    Raises
    ------
    ValueError
        If there are too few samples for both.
    """
    n_samples, fraction = labels.n_samples, estimator.validation_fraction
    if not estimator.early_stopping:
        return np.arange(n_samples), np.arange(0)
    if n_samples < 2 or round(fraction * n_samples) < 1:
        raise ValueError(
            f"early_stopping=True holds out validation_fraction={fraction} of the samples, which "
            f"of n_samples={n_samples} leaves too few: expected at least one held out and one to "
            "train on."
        )
    return stratified_fraction(labels, fraction, np.random.default_rng(seed))


def only_part(weights, part):
    """Weights (n_samples, n_tasks) of the samples in a part, and 0 for all others."""
    kept = np.zeros_like(weights)
    kept[part] = weights[part]
    return kept


def watched_score(estimator, X, y, sequences, sample_weight, held_out):
    """Make the score early stopping watches.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for ``scoring``, and scored as it is when the function is called.
    X, y, sample_weight
        As given to `fit`.
    sequences : Ragged
        X as read.
    held_out : ndarray of int

    Returns
    -------
    callable ``() -> float``, or None for the loss
    """
    scoring = estimator.scoring
    if scoring is None or not len(held_out):
        return None
    if inspect.isfunction(scoring) and "y_true" in inspect.signature(scoring).parameters:
        if scoring is exact_match:
            maker = "exact_match_scorer()"
        else:
            maker = f"multitask_scorer({scoring.__name__})"
        raise ValueError(
            f"scoring must be a scorer, found the metric function {scoring.__name__}; {maker} "
            "makes one, and task_scorer one of a single task."
        )
    scorer = multitask_scorer(scoring) if isinstance(scoring, str) else scoring
    # a table keeps its column names; sequences are not read twice
    X = _safe_indexing(X, held_out) if estimator._tabular else sequences[held_out]
    y = _safe_indexing(y, held_out)
    weights = {}
    if np.ndim(sample_weight):  # neither None nor one number for all
        weights = {"sample_weight": _safe_indexing(sample_weight, held_out)}

    def evaluate():
        score = scorer(estimator, X, y, **weights)
        if not isinstance(score, Real) or not np.isfinite(score):
            raise ValueError(
                "scoring must give one finite number on the held-out samples for early stopping "
                f"to watch, found {score!r}."
            )
        return float(score)

    return evaluate
