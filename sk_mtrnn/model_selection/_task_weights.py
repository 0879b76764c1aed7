"""Task weights to search over: a lattice on the simplex, and a distribution on it."""

from itertools import combinations
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state


def task_weight_grid(tasks, n_levels):
    """List the task weights on a regular lattice of the simplex.

    These are all weights w with Σ_k w_k = 1 whose entries are multiples of 1 / (n_levels - 1). The
    border of the simplex belongs to them, weights of zero included: a task of weight 0 is not
    trained, and at a vertex one task is trained alone, which is the baseline to compare with.

    Parameters
    ----------
    tasks : int or sequence of str
        The number of tasks K, or their names.
    n_levels : int
        How many values each weight takes: 0, 1 / (n_levels - 1), ..., 1.

    Returns
    -------
    list of list of float, or list of dict
        Each point a list of K weights, or a dict from name to weight if ``tasks`` are names. There
        are binomial(n_levels + K - 2, K - 1) of them. It is a list since scikit-learn refuses a
        2-D array as the values of one parameter.

    Raises
    ------
    ValueError
        If ``tasks`` is neither a positive integer nor a sequence of different names, or
        ``n_levels`` is below 2.

    Examples
    --------
    >>> from sk_mtrnn.model_selection import task_weight_grid
    >>> task_weight_grid(2, 3)
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    >>> task_weight_grid(["stage", "score"], 2)
    [{'stage': 0.0, 'score': 1.0}, {'stage': 1.0, 'score': 0.0}]

    For use as ``GridSearchCV(estimator, {"task_weights": task_weight_grid(2, 5)})``.
    """
    n_tasks, names = _read_tasks(tasks)
    if not isinstance(n_levels, Integral) or n_levels < 2:
        raise ValueError(f"n_levels must be an integer of at least 2, found {n_levels!r}.")
    steps = n_levels - 1
    points = []
    # stars and bars: n_tasks - 1 bars among the steps cut them into one run for each task
    for bars in combinations(range(steps + n_tasks - 1), n_tasks - 1):
        runs = np.diff([-1, *bars, steps + n_tasks - 1]) - 1
        points.append(_named((runs / steps).tolist(), names))
    return points


class TaskWeightDistribution:
    """Dirichlet distribution of task weights, for `RandomizedSearchCV`.

    Its density on the simplex {w : w_k ≥ 0, Σ_k w_k = 1} is proportional to Π_k w_k^(α_k - 1): even
    for α = 1, gathered around equal weights for larger α, around single tasks for smaller.

    Parameters
    ----------
    tasks : int or sequence of str
        The number of tasks K, or their names.
    alpha : float, array-like of shape (K,) or dict from name to float, default=1.0
        α, positive: one for all tasks or one for each. The mean weight of task k is α_k / Σ_j α_j.

    Notes
    -----
    `scipy.stats.dirichlet` draws arrays of shape (1, K), which are no task weights; this draws what
    `task_weight_grid` lists.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterSampler
    >>> from sk_mtrnn.model_selection import TaskWeightDistribution
    >>> weights = TaskWeightDistribution(["stage", "score"], alpha=2.0)
    >>> weights
    TaskWeightDistribution(tasks=['stage', 'score'], alpha=2.0)
    >>> for params in ParameterSampler({"task_weights": weights}, n_iter=2, random_state=0):
    ...     print({name: round(w, 2) for name, w in params["task_weights"].items()})
    {'stage': 0.52, 'score': 0.48}
    {'stage': 0.36, 'score': 0.64}
    """

    def __init__(self, tasks, alpha=1.0):
        self.tasks = tasks
        self.alpha = alpha
        n_tasks, self._names = _read_tasks(tasks)
        self._alpha = _read_alpha(alpha, n_tasks, self._names)

    def __repr__(self):
        return f"TaskWeightDistribution(tasks={self.tasks!r}, alpha={self.alpha!r})"

    def rvs(self, size=None, random_state=None):
        """Draw task weights.

        Parameters
        ----------
        size : int, default=None
            How many. None: one, not in a list.
        random_state : int, RandomState instance or None, default=None
            One seed is drawn from it.

        Returns
        -------
        list of float, dict, or list of those
            K weights that sum to 1, by name if the tasks have names.
        """
        # numpy's Generator draws for any alpha; a RandomState returns NaN for a small one
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        if size is None:
            return _named(rng.dirichlet(self._alpha).tolist(), self._names)
        return [_named(draw, self._names) for draw in rng.dirichlet(self._alpha, size).tolist()]


def _read_tasks(tasks):
    """The number of tasks, and their names or None."""
    if isinstance(tasks, Integral) and not isinstance(tasks, bool):
        if tasks >= 1:
            return int(tasks), None
    elif not isinstance(tasks, (str, bytes)) and hasattr(tasks, "__len__"):
        names = list(tasks)
        if names and len(set(names)) == len(names):
            return len(names), names
    raise ValueError(
        f"tasks must be a positive integer or a sequence of different task names, found {tasks!r}."
    )


def _read_alpha(alpha, n_tasks, names):
    """One positive number for each task."""
    given = alpha
    if isinstance(alpha, dict):
        if names is None or set(alpha) != set(names):
            expected = "no dict where tasks is a number" if names is None else f"the tasks {names}"
            raise ValueError(f"alpha must have {expected}, found {alpha!r}.")
        given = [alpha[name] for name in names]
    values = np.asarray(given, dtype=np.float64)
    if values.ndim == 0:
        values = np.full(n_tasks, values)
    if values.shape != (n_tasks,) or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            f"alpha must be a positive number, or one for each of {n_tasks} tasks, found {alpha!r}."
        )
    return values


def _named(weights, names):
    return weights if names is None else dict(zip(names, weights, strict=True))
