"""Samples drawn so that the classes of every task come about equally often."""

import numpy as np
from scipy import sparse

_TOLERANCE = 1e-9  # of logarithms


def balanced_probabilities(memberships, *, n_samples=None, max_repeats=100.0, max_iter=300):
    """Find how often to draw each sample, so that classes are even in all tasks at once.

    With m_ikc the share of the labels of sample i in task k that are of class c, the share of class
    c among what is drawn of task k is

        q_kc = Σ_i p_i m_ikc / Σ_i p_i Σ_j m_ikj

    and sought are probabilities p, near to uniform, for which q_kc = 1 / C_k for all C_k classes of
    all tasks. They come from raking (iterative proportional fitting, Deming & Stephan 1940), in the
    form for memberships that are fractions (Darroch & Ratcliff 1972). From p_i = 1 / n and λ = 0
    on, in each step for all tasks at once,

        λ_kc ← λ_kc - log(C_k q_kc) / K,  kept within ±log R;   Δ_kc is what it moved by
        p_i  ← p_i Π_k z_k exp(Σ_c m_ikc Δ_kc)   over the tasks k that sample i has labels of
        p_i  ← p_i kept within R / n,  Σ_i p_i = 1

    with K the most tasks that any sample has labels of, and z_k such that the factor of task k
    leaves the probability of its labelled samples together as it is. So a sample without a label of
    a task is drawn, as far as that task goes, as often as the mean of those that have one.

    Parameters
    ----------
    memberships : list of array-like or sparse array of shape (n_samples, C_k)
        m_k for each task with classes. Rows sum to 1, or to 0 where a sample has no label of the
        task. For labels per sequence a row is one-hot.
    n_samples : int, default=None
        n. Needed where ``memberships`` is empty.
    max_repeats : float, default=100.0
        R, at least 1: in n draws no sample is expected more often, and no class makes the samples
        that are wholly of it more than R times as likely, or less than 1 / R times.
    max_iter : int, default=300
        The most steps.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        p. Uniform where no task has two classes.

    Raises
    ------
    ValueError
        If memberships are not shares of as many samples each.

    Notes
    -----
    A class without any sample is left out. Often no p makes all classes even, as with labels per
    step that never make up more than a part of any sequence; without a bound on λ, raking would
    then draw but a few samples. The bound is the price of what a class lacks in a penalty on
    uneven classes (Dudík, Phillips & Schapire 2004): tasks that can be even are, the others come as
    near as is worth its price, and the order of tasks plays no part. Of all steps the last one
    counts in which the worst share, min_kc C_k q_kc, is not below that of uniform draws.

    References
    ----------
    Deming & Stephan (1940), "On a Least Squares Adjustment of a Sampled Frequency Table When the
    Expected Marginal Totals are Known", Annals of Mathematical Statistics 11.
    Darroch & Ratcliff (1972), "Generalized Iterative Scaling for Log-Linear Models", Annals of
    Mathematical Statistics 43.
    Dudík, Phillips & Schapire (2004), "Performance Guarantees for Regularized Maximum Entropy
    Density Estimation", COLT.
    Deville, Särndal & Sautory (1993), "Generalized Raking Procedures in Survey Sampling", JASA 88:
    raking within bounds.

    Examples
    --------
    Of four samples one is of the second class, and of the last no class is known.

    >>> import numpy as np
    >>> from sk_mtrnn.sampling import balanced_probabilities
    >>> balanced_probabilities([np.array([[1, 0], [1, 0], [0, 1], [0, 0]])]) * 4
    array([0.75, 0.75, 1.5 , 1.  ])
    """
    memberships, n_samples = _checked(memberships, n_samples, max_repeats)
    tasks = [_Evenness(membership) for membership in memberships]
    tasks = [task for task in tasks if task.n_classes > 1]
    weight = np.ones(n_samples)  # p_i n
    if not tasks:
        return weight / n_samples
    most = int(np.max(np.sum([task.labelled for task in tasks], axis=0)))  # K
    shares = [task.shares(weight) for task in tasks]
    worst_at_first = min(share.min() for share in shares)
    found = weight
    for _ in range(max_iter):
        factors = [
            task.factor(weight, share, most, max_repeats)
            for task, share in zip(tasks, shares, strict=True)
        ]
        before, weight = weight, _bounded(weight * np.prod(factors, axis=0), max_repeats)
        shares = [task.shares(weight) for task in tasks]
        if min(share.min() for share in shares) >= worst_at_first * (1 - _TOLERANCE):
            found = weight
        if np.abs(np.log(weight / before)).max() < _TOLERANCE:
            break
    return found / found.sum()


def draw(probabilities, n, rng):
    """Draw samples with replacement, each as often as it should be, up to one time.

    Systematic resampling: with u ~ U(0, 1), the draws are the samples at places (u + j) / n, j = 0,
    ..., n - 1, of the cumulated probabilities, so that sample i is drawn ⌊n p_i⌋ or ⌈n p_i⌉ times,
    n p_i times in the mean. Samples are laid out by their probability, at random among equals:
    classes that are drawn at different rates then come as often as they should as well.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples,)
        p.
    n : int
        The number of draws.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n,)
        Samples, in random order.

    References
    ----------
    Carpenter, Clifford & Fearnhead (1999), "Improved particle filter for nonlinear problems", IEE
    Proceedings - Radar, Sonar and Navigation 146.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.sampling import draw
    >>> drawn = draw(np.array([0.1, 0.2, 0.7]), 10, np.random.default_rng(0))
    >>> np.bincount(drawn).tolist()
    [1, 2, 7]
    """
    order = rng.permutation(len(probabilities))
    order = order[np.argsort(probabilities[order], kind="stable")]
    cumulated = np.cumsum(probabilities[order])
    place = (rng.random() + np.arange(n)) / n * cumulated[-1]
    # the last place may round up to the end
    found = np.minimum(np.searchsorted(cumulated, place, side="right"), len(order) - 1)
    return rng.permutation(order[found])


def _checked(memberships, n_samples, max_repeats):
    """Memberships as sparse arrays of float64, and the number of samples."""
    if not max_repeats >= 1:
        raise ValueError(f"max_repeats must be at least 1, found {max_repeats!r}.")
    arrays = [sparse.csr_array(m, dtype=np.float64, copy=True) for m in memberships]
    if not arrays and n_samples is None:
        raise ValueError("n_samples must be given where memberships is empty, found None.")
    n_samples = arrays[0].shape[0] if n_samples is None else n_samples
    for k, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[0] != n_samples:
            raise ValueError(
                f"memberships must hold arrays of shape ({n_samples}, n_classes), found shape "
                f"{array.shape} at position {k}."
            )
        array.eliminate_zeros()
        total = array.sum(axis=1)
        negative = (array < 0).sum(axis=1) > 0
        wrong = negative | ~((np.abs(total - 1) < 1e-5) | (total == 0))
        if wrong.any():
            sample = int(np.argmax(wrong))
            raise ValueError(
                "memberships must hold shares, which sum to 1 in each row, or to 0 without a "
                f"label, found {array[[sample]].toarray()[0].tolist()} for sample {sample} at "
                f"position {k}."
            )
    return arrays, n_samples


class _Evenness:
    """How even the classes of one task are under a weighting of the samples."""

    def __init__(self, membership):
        present = np.asarray(membership.sum(axis=0)).ravel() > 0
        self.membership = membership[:, present]
        self.n_classes = int(present.sum())
        self.labelled = np.diff(self.membership.indptr) > 0
        self.log_factor = np.zeros(self.n_classes)

    def shares(self, weight):
        """C_k q_kc: 1 where a class has what is due to it."""
        mass = weight @ self.membership
        return mass * (self.n_classes / mass.sum())

    def factor(self, weight, share, most, max_repeats):
        """What the probability of each sample is multiplied by in this step."""
        bound, before = np.log(max_repeats), self.log_factor
        self.log_factor = np.clip(before - np.log(share) / most, -bound, bound)
        factor = np.exp(self.membership @ (self.log_factor - before))
        total = weight[self.labelled].sum()
        return np.where(self.labelled, factor * (total / (weight * factor)[self.labelled].sum()), 1)


def _bounded(weight, max_repeats):
    """The weights of mean 1 nearest to these up to a factor, none above R."""
    for _ in range(100):
        weight = np.minimum(weight, max_repeats)
        mean = weight.mean()
        if abs(mean - 1) < _TOLERANCE:
            break
        weight = weight / mean
    return weight
