"""Iterative stratification: samples to folds, so that each fold has its share of every label."""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

MANY_VALUES = 20  # whole numbers with more distinct values than this are binned like quantities
_EPS = 1e-9  # n · r_j is a whole number up to rounding


def iterative_stratification(counts, proportions, rng=None):
    """Assign samples to folds so that each fold gets its share of every label.

    Sample i holds label l ``counts[i, l]`` times. With N_l how often it is held in all, n_jl how
    often in fold j, and r_j the share that fold j should get, a good assignment makes small

        Φ = Σ_l Σ_j r_j (n_jl / (r_j N_l) - 1)²

    the mean squared relative error of what the folds hold. The label held by the fewest samples not
    yet assigned goes first, being the hardest to spread: one after another, its samples go to the
    fold where they lower Φ most. The number of samples itself counts as a label in Φ.

    Parameters
    ----------
    counts : array-like or sparse matrix of shape (n_samples, n_labels)
        How often each sample holds each label, nonnegative. Samples without any are spread by
        number.
    proportions : array-like of shape (n_folds,)
        r, the share of each fold: positive, sum 1.
    rng : numpy.random.Generator or RandomState, default=None
        Draws the order of samples and decides ties. None: samples in the order given, ties to the
        first label and fold.

    Returns
    -------
    ndarray of int, shape (n_samples,)
        The fold of each sample. Fold j has ``floor(r_j n)`` or ``ceil(r_j n)`` samples.

    Raises
    ------
    ValueError
        If ``counts`` is not 2-D, finite and nonnegative, or ``proportions`` are no shares.

    Notes
    -----
    This is Algorithm 1 of [1]_ but for three things. There, a label is held or not; here it is held
    any number of times, so that labels of time steps can be counted over steps, and samples that
    hold most of a label go first. There, a sample goes to the fold that lacks most of the label in
    hand, then to the one that lacks most samples; but labels of time steps are nearly all held by
    every sequence, so that the rarest would place all samples and the others be left to chance.
    With Φ all labels of a sample have a say, rare ones the most. And there, folds may end up with
    fewer or more samples than their share; here a fold that has its samples is closed.

    References
    ----------
    .. [1] Sechidis, Tsoumakas & Vlahavas (2011), "On the Stratification of Multi-Label Data", ECML
       PKDD.

    Examples
    --------
    >>> from sk_mtrnn.model_selection import iterative_stratification
    >>> held = [[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]
    >>> iterative_stratification(held, [0.5, 0.5])
    array([0, 1, 0, 1, 0, 1])
    """
    counts, proportions = _check(counts, proportions)
    n_samples, n_labels = counts.shape
    order = np.arange(n_samples) if rng is None else rng.permutation(n_samples)
    chance = np.zeros(n_samples) if rng is None else rng.random(n_samples)
    tie = np.append(np.zeros(n_labels) if rng is None else rng.random(n_labels), 1.0)

    # One more label, which every sample holds once, stands for the samples themselves. As the most
    # frequent one it comes last, and takes the samples without other labels.
    counts = sparse.hstack([counts[order], np.ones((n_samples, 1))], format="csr")
    held = counts.tocsc()
    shares = _Shares(counts, proportions)
    folds = np.full(n_samples, -1)
    waiting = np.diff(held.indptr).astype(np.int64)  # unassigned samples that hold each label
    while waiting.any():
        label = int(np.argmin(np.where(waiting > 0, waiting + tie, np.inf)))
        column = slice(held.indptr[label], held.indptr[label + 1])
        unassigned = folds[held.indices[column]] < 0
        samples, times = held.indices[column][unassigned], held.data[column][unassigned]
        samples = samples[np.argsort(-times, kind="stable")]
        for sample, u in zip(samples.tolist(), chance[samples].tolist(), strict=True):
            folds[sample] = shares.give(sample, u)
        waiting -= np.bincount(counts[samples].indices, minlength=n_labels + 1)

    assigned = np.empty(n_samples, dtype=np.int64)
    assigned[order] = folds
    return assigned


class _Shares:
    """What each fold should get of each label, and has got; the last label counts samples.

    Plain lists: for the few folds there are, numpy's calls would cost more than they save.
    """

    def __init__(self, counts, proportions):
        totals = counts.sum(axis=0)
        sizes = counts.shape[0] * proportions
        floor = np.floor(sizes + _EPS).astype(int)
        self.due = np.outer(totals, proportions).tolist()  # [label, fold], r_j N_l
        self.got = np.zeros((counts.shape[1], len(proportions))).tolist()  # n_jl
        self.weights = (1 / np.where(totals > 0, totals, 1.0) ** 2).tolist()
        self.proportions = proportions.tolist()
        self.rows = counts.indptr.tolist()
        self.labels, self.counts = counts.indices.tolist(), counts.data.tolist()
        self.floor, self.fractional = floor.tolist(), (sizes - floor > _EPS).tolist()
        self.extra = counts.shape[0] - sum(self.floor)  # samples for the folds that round up
        self._close_full()

    def give(self, sample, chance):
        """Put a sample into the open fold where it lowers Φ most, among equals by chance."""
        entries = range(self.rows[sample], self.rows[sample + 1])
        gain = [0.0] * len(self.proportions)  # r_j times the decrease of Φ
        for entry in entries:
            label, count = self.labels[entry], self.counts[entry]
            due, got, weight = self.due[label], self.got[label], self.weights[label] * count
            for j in self.open:
                gain[j] += weight * (2 * (due[j] - got[j]) - count)
        gains = [gain[j] / self.proportions[j] for j in self.open]
        most = max(gains)
        equals = [j for j, g in zip(self.open, gains, strict=True) if g == most]
        fold = equals[int(chance * len(equals))]
        for entry in entries:
            self.got[self.labels[entry]][fold] += self.counts[entry]
        if self.got[-1][fold] >= self.floor[fold]:
            self.extra -= self.got[-1][fold] > self.floor[fold]
            self._close_full()
        return fold

    def _close_full(self):
        self.open = [
            j
            for j, (size, floor) in enumerate(zip(self.got[-1], self.floor, strict=True))
            if size < floor or (size == floor and self.fractional[j] and self.extra > 0)
        ]


def _check(counts, proportions):
    counts = sparse.csr_array(counts, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if counts.ndim != 2 or (counts.data < 0).any() or not np.isfinite(counts.data).all():
        raise ValueError(
            "counts must be finite and nonnegative, of shape (n_samples, n_labels), found shape "
            f"{counts.shape}" + (f" and minimum {counts.data.min()}." if counts.nnz else ".")
        )
    proportions = np.asarray(proportions, dtype=np.float64)
    if (
        proportions.ndim != 1
        or not len(proportions)
        or not (proportions > 0).all()
        or abs(proportions.sum() - 1) > _EPS
    ):
        raise ValueError(
            "proportions must be positive shares of shape (n_folds,) that sum to 1, found "
            f"{proportions.tolist()}."
        )
    return counts, proportions


def label_counts(labels, n_bins=5):
    """Count how often each sample holds each label of each task, missing ones included.

    Strings, booleans and whole numbers of at most 20 distinct values are classes, other numbers are
    binned at their quantiles, equal values always together. A task with missing labels has one more
    label value: missing. Tasks per time step are counted over steps.

    Parameters
    ----------
    labels : Labels
    n_bins : int, default=5
        Bins of a quantity.

    Returns
    -------
    csr_array of int, shape (n_samples, n_labels)
        Side by side, for each task, its classes or bins in sorted order and, if any is missing, the
        missing ones.
    """
    return sparse.hstack(
        [_column_counts(labels, column, n_bins) for column in labels.columns], format="csr"
    )


def _column_counts(labels, column, n_bins):
    """Counts (n_samples, n_values) of one task."""
    codes = np.empty(len(column.values), dtype=np.int64)
    codes[~column.missing] = _codes(column.labelled, n_bins)
    n_values = codes[~column.missing].max(initial=-1) + 1
    codes[column.missing] = n_values
    n_values += bool(column.missing.any())
    samples = np.arange(labels.n_samples)
    if column.per_step:
        samples = np.repeat(samples, np.diff(labels.offsets))
    ones = np.ones(len(codes), dtype=np.int64)
    return sparse.coo_array((ones, (samples, codes)), shape=(labels.n_samples, n_values)).tocsr()


def _codes(values, n_bins):
    """Number the classes of labelled values, or their bins."""
    if values.dtype.kind in "iuf":
        codes, distinct = pd.factorize(values, sort=True)
        if (distinct != np.floor(distinct)).any() or len(distinct) > MANY_VALUES:
            # mean ranks, so that equal values never straddle two bins
            share = (rankdata(values) - 0.5) / len(values)
            codes = np.unique(np.floor(share * n_bins), return_inverse=True)[1]
        return codes
    return pd.factorize(values, sort=True)[0]
