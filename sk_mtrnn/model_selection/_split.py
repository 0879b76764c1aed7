"""Folds that hold their share of every task's labels, missing ones included."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.model_selection._split import _BaseKFold  # the checks of every KFold
from sklearn.utils import check_random_state

from ..sequences import read_labels
from ._stratification import iterative_stratification, label_counts


class MultiTaskStratifiedKFold(_BaseKFold):
    """K folds that each hold their share of every task's labels.

    The samples are spread by iterative stratification (see `iterative_stratification`, which states
    the algorithm and where it departs from its source [1]_), for all tasks at once:

    - The classes of a task are balanced over the folds. Strings, booleans and whole numbers of at
      most 20 distinct values are classes; other numbers are quantities, balanced over bins at their
      quantiles.
    - Missing labels are balanced as one more class of their task, so that no fold is left with the
      unlabelled rows.
    - Tasks labelled per time step are balanced over steps: a sequence goes to one fold as a whole,
      and counts with all its steps.

    Guaranteed: each sample is in exactly one test fold, and the sizes of the folds differ by one at
    most. As even as the algorithm gets them, but not guaranteed: the labels.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether samples are taken in random order and ties decided at random. If not, the same y
        gives the same folds.
    random_state : int, RandomState instance or None, default=None
        Seed of ``shuffle``. None uses numpy's global random state, as everywhere in scikit-learn.
    n_bins : int, default=5
        Bins of each quantity, at least 1; with 1, only missing labels are balanced.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : The same for one task without missing labels. It
        refuses y of several tasks and NaN.

    Notes
    -----
    ``y`` may have any layout the estimators take: ``(n,)``, ``(n, K)``, ``(n, T, K)``, a DataFrame,
    cells that are arrays, or a list of arrays. A quantity in few whole numbers counts as classes,
    which only balances it more finely.

    Neighbouring samples come into different folds, without ``shuffle`` too. Where they depend on
    one another, as windows of one recording do, use `sklearn.model_selection.GroupKFold`.

    References
    ----------
    .. [1] Sechidis, Tsoumakas & Vlahavas (2011), "On the Stratification of Multi-Label Data", ECML
       PKDD.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.model_selection import MultiTaskStratifiedKFold
    >>> X = np.zeros((6, 4))
    >>> y = np.array([[0, 0.1], [1, np.nan], [0, np.nan], [1, 0.9], [0, 0.2], [1, 0.8]])
    >>> for train, test in MultiTaskStratifiedKFold(n_splits=2, n_bins=2).split(X, y):
    ...     print(test)
    [0 2 3]
    [1 4 5]
    """

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None, n_bins=5):
        super().__init__(n_splits=n_splits, shuffle=shuffle, random_state=random_state)
        if not isinstance(n_bins, Integral) or n_bins < 1:
            raise ValueError(f"n_bins must be an integer of at least 1, found {n_bins!r}.")
        self.n_bins = n_bins

    def split(self, X, y, groups=None):
        """Yield the training and test indices of each fold.

        Parameters
        ----------
        X : array-like of length n_samples
            Only its length is used.
        y : array-like of length n_samples
            Labels of all tasks, in any layout.
        groups : object
            Always ignored, exists for API compatibility.

        Yields
        ------
        train, test : ndarray of int
            Sorted.

        Raises
        ------
        ValueError
            If y is None or no layout of labels, or n_splits is greater than n_samples.
        """
        if groups is not None:
            warnings.warn(
                f"The groups parameter is ignored by {type(self).__name__}",
                UserWarning,
                stacklevel=2,
            )
        return super().split(X, y, groups)

    def _iter_test_masks(self, X=None, y=None, groups=None):
        rng = check_random_state(self.random_state) if self.shuffle else None
        counts = label_counts(read_labels(y), self.n_bins)
        folds = iterative_stratification(counts, np.full(self.n_splits, 1 / self.n_splits), rng)
        for fold in range(self.n_splits):
            yield folds == fold


def stratified_fraction(labels, fraction, rng=None):
    """Hold out a fraction of the samples, with its share of every task's labels.

    Parameters
    ----------
    labels : Labels
        As `read_labels` gives them.
    fraction : float in (0, 1)
        Share of the samples held out, rounded up.
    rng : numpy.random.Generator or RandomState, default=None
        As in `iterative_stratification`.

    Returns
    -------
    train, held_out : ndarray of int
        Sorted indices, neither empty. Each task that has labels keeps one in ``train``, if need be
        at the cost of the size of ``held_out``; only where each sample is the single one to label
        some task, one task must go without.

    Raises
    ------
    ValueError
        If ``fraction`` lies outside (0, 1) or there are fewer than 2 samples.
    """
    n_samples = labels.n_samples
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, both excluded, found {fraction!r}.")
    if n_samples < 2:
        raise ValueError(
            "Holding out a fraction takes at least 2 samples, one on each side, found "
            f"n_samples={n_samples}."
        )
    n_out = min(int(np.ceil(fraction * n_samples)), n_samples - 1)
    proportions = np.array([n_samples - n_out, n_out]) / n_samples
    train = iterative_stratification(label_counts(labels), proportions, rng) == 0
    _feed_starved_tasks(train, _labelled(labels))
    return np.flatnonzero(train), np.flatnonzero(~train)


def _labelled(labels):
    """Which samples carry any label of which task: (n_samples, n_tasks)."""
    found = [
        np.logical_or.reduceat(~column.missing, labels.offsets[:-1])
        if column.per_step
        else ~column.missing
        for column in labels.columns
    ]
    return np.column_stack(found)


def _feed_starved_tasks(train, labelled):
    """Swap samples, in place, until each task with a label has one among the training samples."""
    for task in np.flatnonzero(labelled.any(axis=0)):
        if labelled[train, task].any():
            continue
        fed = np.flatnonzero(labelled[:, task])[0]
        train[fed] = True
        # in exchange, one leaves that holds the last training label of no task
        last = labelled & (labelled[train].sum(axis=0) == 1)
        spare = np.flatnonzero(train & ~last.any(axis=1))
        if len(spare):
            train[spare[0]] = False
        elif train.all():
            train[fed] = False
