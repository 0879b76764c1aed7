"""How related tasks are: normalised mutual information of their labels."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import entropy

from ..sequences import read_labels

N_BINS = 5  # of a quantity
MANY_CLASSES = 20  # numeric labels of more values than this are a quantity


class CodedLabels(NamedTuple):
    """The labels of one task as `relatedness` reads them; as `EncodedLabels` of the tasks.

    Attributes
    ----------
    values : ndarray of shape (n_samples,) or (sum_T,)
        Integers are classes, floats quantities.
    weights : ndarray, same shape
        0 where there is no label.
    per_step : bool
    """

    values: np.ndarray
    weights: np.ndarray
    per_step: bool


def relatedness(labels, lengths):
    """Measure how related tasks are on encoded labels; the formula is in `task_relatedness`.

    An entry labelled for both tasks weighs √(w_i w_j), w_i and w_j its weights for either: where
    both are the sample's weight, it counts as the sample repeated that many times.

    Parameters
    ----------
    labels : list of K objects with ``values``, ``weights`` and ``per_step``
        As in `CodedLabels`.
    lengths : ndarray of shape (n_samples,)
        Time steps of each sample.

    Returns
    -------
    ndarray of shape (K, K)
    """
    related = np.eye(len(labels))
    for i, one in enumerate(labels):
        for j, other in enumerate(labels[:i]):
            related[i, j] = related[j, i] = _pair(one, other, lengths)
    return related


def _pair(one, other, lengths):
    """√-normalised mutual information of two tasks; NaN without a common entry."""
    if one.per_step != other.per_step:
        one, other = _at_steps(one, lengths), _at_steps(other, lengths)
    common = (one.weights > 0) & (other.weights > 0)
    if not common.any():
        return np.nan
    weights = np.sqrt(one.weights[common] * other.weights[common])
    rows = _codes(one.values[common], weights)
    columns = _codes(other.values[common], weights)
    shape = rows.max() + 1, columns.max() + 1
    cells = np.ravel_multi_index((rows, columns), shape)
    joint = np.bincount(cells, weights, minlength=shape[0] * shape[1]).reshape(shape)
    of_one, of_other = joint.sum(1), joint.sum(0)
    scale = np.sqrt(entropy(of_one) * entropy(of_other))
    if scale == 0:  # one of them is constant
        return 0.0
    information = entropy(joint.ravel(), np.outer(of_one, of_other).ravel())
    return float(np.clip(information / scale, 0.0, 1.0))  # off by rounding only


def _at_steps(labels, lengths):
    """The same labels, one an entry of every time step."""
    if labels.per_step:
        return labels
    values, weights = np.repeat(labels.values, lengths), np.repeat(labels.weights, lengths)
    return CodedLabels(values, weights, True)


def _codes(values, weights):
    """Classes as they are, quantities cut at their weighted quintiles: 0, 1, ..."""
    distinct, codes = np.unique(values, return_inverse=True)
    if values.dtype.kind != "f" or len(distinct) <= N_BINS:
        return codes
    shares = np.arange(1, N_BINS) / N_BINS - 1e-9  # a share met but for rounding is met
    cuts = np.quantile(distinct, shares, weights=np.bincount(codes, weights), method="inverted_cdf")
    side = "right" if cuts[0] == distinct[-1] else "left"  # else all would fall below the first
    return np.searchsorted(cuts, distinct, side=side)[codes]


def task_relatedness(y):
    """Measure how related tasks are on their labels alone.

    For tasks i and j, on the entries labelled for both,

        R_ij = I(y_i, y_j) / √(H(y_i) H(y_j)),   I = KL( P(y_i, y_j) || P(y_i) P(y_j) )

    with I the mutual information and H the entropy: 0 for independent tasks, 1 where each tells
    the other. Strings, booleans and whole numbers are classes; other numbers, and whole numbers of
    more than 20 values, are quantities, cut at their quintiles on these entries unless they have 5
    values or fewer there. A label per sequence counts at every step where the other task has labels
    per step.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, K), DataFrame, or labels per time step
        As in `fit`; NaN, None and NA are missing labels.

    Returns
    -------
    DataFrame of shape (K, K)
        Rows and columns are the tasks. 1 on the diagonal, 0 for a task that is constant, NaN for
        tasks that share no labelled entry.

    Notes
    -----
    The estimate is biased upwards: I by about (C_i - 1) (C_j - 1) / 2n for n entries and C_i, C_j
    classes (Miller 1955), so many classes and few entries look related. What names the classes, or
    rescales a quantity, changes nothing.

    References
    ----------
    Strehl & Ghosh (2002), "Cluster Ensembles", JMLR 3, equation 2.

    Miller (1955), "Note on the Bias of Information Estimates", Information Theory in Psychology.

    Examples
    --------
    >>> import pandas as pd
    >>> from sk_mtrnn.relations import task_relatedness
    >>> y = pd.DataFrame({"digit": [1, 2, 3, 4], "odd": [True, False, True, False]})
    >>> task_relatedness(y).round(2)
           digit   odd
    digit   1.00  0.71
    odd     0.71  1.00
    """
    labels = read_labels(y)
    lengths = np.ones(labels.n_samples, int) if labels.offsets is None else np.diff(labels.offsets)
    names = pd.Index(labels.names)
    related = relatedness([_coded(column) for column in labels.columns], lengths)
    return pd.DataFrame(related, index=names, columns=names)


def _coded(column):
    """A column of labels as classes or a quantity."""
    known = ~column.missing
    distinct, classes = np.unique(column.labelled, return_inverse=True)
    if distinct.dtype.kind in "iuf" and (
        len(distinct) > MANY_CLASSES or (distinct != np.floor(distinct)).any()
    ):
        classes = column.labelled.astype(np.float64)
    values = np.zeros(len(known), dtype=classes.dtype)
    values[known] = classes
    return CodedLabels(values, known.astype(np.float64), bool(column.per_step))
