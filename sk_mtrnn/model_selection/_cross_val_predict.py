"""Out-of-fold predictions in the layout the estimator gives."""

import warnings
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from ._split import MultiTaskStratifiedKFold

_METHODS = ("predict", "predict_proba", "predict_log_proba")


def cross_val_predict(
    estimator, X, y, *, cv=None, method="predict", params=None, n_jobs=None, verbose=0
):
    """Predict each sample by an estimator that was fitted without it.

    Labels may be missing: `fit` sees them as missing, and the rows without any are predicted like
    all others. Use it in place of `sklearn.model_selection.cross_val_predict`, which for
    ``method="predict_proba"`` first turns y into class codes and thereby, silently, each NaN into a
    class of its own.

    Parameters
    ----------
    estimator : estimator
        With ``fit`` and ``method``. It is cloned for each fold and stays as it is.
    X : array-like of length n_samples
        Sequences or a table, in any layout that is indexed by samples.
    y : array-like of length n_samples
        Labels of all tasks, in any layout.
    cv : int, splitter or iterable of (train, test), default=None
        None or a number of folds: `MultiTaskStratifiedKFold`, for None with 5 folds, where
        scikit-learn takes `KFold` or `StratifiedKFold`. Each sample must be in one test fold. Where
        a splitter needs groups, give its splits: ``cv=GroupKFold().split(X, y, groups)``.
    method : {"predict", "predict_proba", "predict_log_proba"}, default="predict"
        Which method of the estimator predicts.
    params : dict, default=None
        Parameters of ``fit``; those of length n_samples, such as ``sample_weight``, are cut to the
        training part of each fold. With metadata routing enabled, they are routed to ``fit`` and to
        the splitter's ``split``.
    n_jobs : int, default=None
        Folds fitted at the same time, as everywhere in scikit-learn.
    verbose : int, default=0
        Verbosity of joblib.

    Returns
    -------
    ndarray, DataFrame, list or dict
        What ``method`` gives for all samples, in their order: an array ``(n, ...)``, a DataFrame
        with the index of X (or else of y), a list of one array per sample, or a list or dict of
        these with one entry per task.

    Raises
    ------
    ValueError
        If ``method`` is none of these, or the test folds do not partition the samples.

    Warns
    -----
    RuntimeWarning
        If the training part of a fold lacks a class. The columns of probabilities are those of all
        classes that any fold has seen, in sorted order; in this fold, the absent one has
        probability 0 (log probability: the least finite number).

    Notes
    -----
    A list is one entry per task where the estimator's ``classes_`` is a list, and otherwise one per
    sample.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sk_mtrnn.model_selection import cross_val_predict
    >>> X = np.arange(8.0)[:, None]
    >>> y = np.array([["a", "u"]] * 4 + [["b", "v"]] * 4)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> cross_val_predict(tree, X, y, cv=2)[::3]
    array([['a', 'u'],
           ['a', 'u'],
           ['b', 'v']], dtype='<U1')
    >>> [p.shape for p in cross_val_predict(tree, X, y, cv=2, method="predict_proba")]
    [(8, 2), (8, 2)]
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, found {method!r}.")
    X, y = indexable(X, y)
    if cv is None or isinstance(cv, Integral):
        cv = MultiTaskStratifiedKFold(5 if cv is None else cv)
    cv = check_cv(cv)
    split_params, fit_params = _route(estimator, cv, {} if params is None else params)
    splits = list(cv.split(X, y, **split_params))
    samples = np.concatenate([test for _, test in splits])
    if not np.array_equal(np.sort(samples), np.arange(_num_samples(X))):
        raise ValueError(
            "cross_val_predict only works for partitions: cv must put each of the "
            f"{_num_samples(X)} samples into one test fold, found {len(samples)} test samples, "
            f"{len(np.unique(samples))} of them different."
        )
    folds = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_fit_and_predict)(clone(estimator), X, y, train, test, fit_params, method)
        for train, test in splits
    )
    parts, classes = zip(*folds, strict=True)

    def join(parts, classes, task):
        return _in_order(_align(parts, classes, method, task), np.argsort(samples), _index(X, y))

    names = _task_names(y)
    if isinstance(parts[0], dict):
        return {task: join(*_of_task(parts, classes, task), task) for task in parts[0]}
    if _one_entry_per_task(parts, classes, method, [len(test) for _, test in splits]):
        tasks = range(len(parts[0]))
        return [join(*_of_task(parts, classes, k), names.get(k, k)) for k in tasks]
    return join(parts, classes, names[0])


def _route(estimator, cv, params):
    """Parameters of the splitter's `split` and of the estimator's `fit`."""
    if not get_config()["enable_metadata_routing"]:
        return {}, params
    router = (
        MetadataRouter(owner="cross_val_predict")
        .add(splitter=cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        .add(estimator=estimator, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
    )
    routed = process_routing(router, "fit", **params)
    return routed.splitter.split, routed.estimator.fit


def _fit_and_predict(estimator, X, y, train, test, params, method):
    """Predictions for the test part, and the classes their columns stand for."""
    params = _check_method_params(X, params=params, indices=train)
    estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train), **params)
    predictions = getattr(estimator, method)(_safe_indexing(X, test))
    return predictions, None if method == "predict" else getattr(estimator, "classes_", None)


def _task_names(y):
    """Names of the tasks by position, as far as y has names."""
    if isinstance(y, pd.DataFrame):
        return dict(enumerate(y.columns))
    return {0: y.name if isinstance(y, pd.Series) and y.name is not None else 0}


def _index(X, y):
    """The sample index, from X or else from y."""
    for data in (X, y):
        index = getattr(data, "index", None)
        if isinstance(index, pd.Index):  # a list has an `index`, too
            return index
    return pd.RangeIndex(_num_samples(X))


def _one_entry_per_task(parts, classes, method, sizes):
    """Whether each fold's predictions are a list of tasks, rather than of samples."""
    if method == "predict" or not isinstance(parts[0], list):
        return False
    if classes[0] is not None:
        return isinstance(classes[0], list)
    return [len(part) for part in parts] != sizes


def _of_task(parts, classes, task):
    """The predictions and classes of one task, by its position or name."""
    return [part[task] for part in parts], [
        seen if seen is None else seen[task] for seen in classes
    ]


def _align(parts, classes, method, task):
    """Give the probabilities (..., C_fold) of all folds the same columns, one for each class."""
    if method == "predict" or not all(isinstance(seen, np.ndarray) for seen in classes):
        return parts
    union = np.unique(np.concatenate(classes))
    if all(len(seen) == len(union) for seen in classes):
        return parts
    for label in union.tolist():
        without = [fold for fold, seen in enumerate(classes) if label not in seen]
        if without:
            warnings.warn(
                f"Task {task!r}: class {label!r} is absent from the training part of fold(s) "
                f"{without}; the probability of that class there is 0.",
                RuntimeWarning,
                stacklevel=4,
            )
    return [
        _widen(part, np.searchsorted(union, seen), len(union), method)
        for part, seen in zip(parts, classes, strict=True)
    ]


def _widen(part, places, n_classes, method):
    """Put the columns of (..., C_fold) in their places among all classes."""
    if isinstance(part, list):
        return [_widen(sample, places, n_classes, method) for sample in part]
    absent = 0 if method == "predict_proba" else np.finfo(part.dtype).min
    wide = np.full((*part.shape[:-1], n_classes), absent, dtype=part.dtype)
    wide[..., places] = part
    return wide


def _in_order(parts, order, index):
    """Join the samples of all folds, in their original order."""
    if isinstance(parts[0], (pd.DataFrame, pd.Series)):
        return pd.concat(parts).iloc[order].set_axis(index)
    if isinstance(parts[0], list):
        rows = [row for part in parts for row in part]
        return [rows[i] for i in order]
    return np.concatenate(parts)[order]
