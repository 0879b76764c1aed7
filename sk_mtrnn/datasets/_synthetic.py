"""Sequences whose tasks share their latent dynamics to a chosen degree."""

import math
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from ..sequences import Ragged

_DECAY, _TURN = 0.8, np.pi / 6  # a latent process forgets within some 5 steps, turns once in 12
_MEMORY = 0.9  # a driver adds up the last 10 steps or so: no single step gives it away
_TERCILE = 0.430727299295457  # cuts the standard normal distribution into three equal parts
_KINDS = (
    "classification",
    "regression",
    "classification_per_step",
    "regression_per_step",
)


def make_multitask_sequences(
    n_samples=200,
    n_timesteps=20,
    n_features=4,
    *,
    tasks=None,
    relatedness=0.8,
    noise=0.1,
    missing_labels=0.0,
    random_state=None,
):
    """Draw sequences with several tasks that share latent dynamics to a chosen degree.

    One shared process (k = 0) and a private one for each task (k = 1..K) turn and decay in the
    plane, each driven by its own noise::

        z_kt = a R(ω) z_k,t-1 + √(1 - a²) ε_kt        z_k1 = ε_k1,  ε_kt ~ N(0, I₂)

    where R(ω) is the rotation by ω = π/6 and a = 0.8, so that z_kt ~ N(0, I₂) at every step. Only
    the first coordinate l_kt of each is ever seen, mixed into the features with the others::

        x_t = A (l_0t, ..., l_Kt) + noise · e_t       e_t ~ N(0, I)

    A, of shape (n_features, K + 1), is random with orthonormal columns; with orthonormal rows
    where there are fewer features than K + 1 processes, which then cannot be told apart at any one
    step, and the tasks are harder to learn. Each process is remembered with a leak of λ = 0.9, and
    scaled by its standard deviation σ_t, known in closed form, to variance one at every step::

        m_kt = (l_kt + λ l_k,t-1 + λ² l_k,t-2 + ...) / σ_t

    The driver of task k mixes the memory of the shared process with that of its own, with
    ρ = ``relatedness``, so that the drivers of any two tasks correlate by ρ::

        d_kt = √ρ m_0t + √(1 - ρ) m_kt                u_kt = d_kt + noise · η_kt,  η_kt ~ N(0, 1)

    Of u_kt, a per-step task has every step as its labels, any other the last step of each
    sequence: regression the number itself, classification which of three classes, 0, 1 or 2, equal
    in probability, it falls in. The last step of X alone tells little of it; the whole sequence,
    given K + 1 features, all but the noise.

    Parameters
    ----------
    n_samples : int, default=200
        The number of sequences.
    n_timesteps : int or (int, int), default=20
        The length of every sequence, or the shortest and longest length, both included, between
        which lengths are drawn uniformly.
    n_features : int, default=4
        The width of each time step.
    tasks : int or dict, default=None
        That many tasks per sequence, "task_0", "task_1", ..., classification and regression in
        turn; or from task name to "classification", "regression", "classification_per_step" or
        "regression_per_step". None: ``{"kind": "classification", "level": "regression", "trace":
        "regression_per_step"}``.
    relatedness : float in [0, 1], default=0.8
        ρ: the correlation of the drivers of any two tasks. At 0 they share nothing, at 1
        everything but the noise on their labels.
    noise : float, default=0.1
        Standard deviation of the noise on the features and on u; every process and driver has
        standard deviation one.
    missing_labels : float in [0, 1), or dict from task name to such, default=0.0
        The fraction of each task's labels removed completely at random; of a per-step task, single
        steps. At least one label of each task stays. A task that a dict leaves out keeps them all.
    random_state : int, RandomState instance or None, default=None
        Decides everything drawn. None, or an instance, gives one seed and is not drawn from again.

    Returns
    -------
    X : ndarray of shape (n_samples, n_timesteps, n_features), or Ragged
        The sequences, float64; Ragged where ``n_timesteps`` is a pair.
    y : DataFrame of shape (n_samples, n_tasks)
        One column a task. The cells of a per-step task are arrays of shape (T_i,). A missing label
        is NaN; a task with any missing holds its classes as floats.

    Raises
    ------
    ValueError
        If a parameter is not as described; the message names it.

    See Also
    --------
    load_digit_strokes : Small real sequences with tasks of three types.

    Examples
    --------
    >>> from sk_mtrnn.datasets import make_multitask_sequences
    >>> X, y = make_multitask_sequences(100, random_state=0)
    >>> X.shape
    (100, 20, 4)
    >>> list(y.columns)
    ['kind', 'level', 'trace']
    >>> y["trace"][0].shape
    (20,)

    Sequences of unequal length, half the labels of one task missing:

    >>> X, y = make_multitask_sequences(
    ...     100, (5, 30), tasks=2, missing_labels={"task_1": 0.5}, random_state=0
    ... )
    >>> X
    Ragged(n_samples=100, n_features=4, lengths 5..30, float64)
    >>> y.isna().sum().to_dict()
    {'task_0': 0, 'task_1': 50}
    """
    _check_count("n_samples", n_samples)
    _check_count("n_features", n_features)
    low, high = _length_range(n_timesteps)
    tasks = _named_tasks(tasks)
    _check_range("relatedness", relatedness, "a number in [0, 1]", lambda v: 0 <= v <= 1)
    _check_range("noise", noise, "a finite number, 0 or more", lambda v: 0 <= v < math.inf)
    missing = _missing_fractions(missing_labels, tasks)

    # One seed, so that random_state=None moves numpy's global generator by a single draw.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    rng = np.random.default_rng(seed)
    n_tasks = len(tasks)
    lengths = rng.integers(low, high, size=n_samples, endpoint=True)
    mixing = _orthonormal(n_features, n_tasks + 1, rng)
    latent = _rotating_processes(n_tasks + 1, n_samples, high, rng)  # [K + 1, n, T]
    memory = _leaky_memory(latent)
    driver = math.sqrt(relatedness) * memory[0] + math.sqrt(1 - relatedness) * memory[1:]
    target = driver + noise * rng.standard_normal(driver.shape)  # [K, n, T]
    X = np.moveaxis(latent, 0, -1) @ mixing.T  # [n, T, F]
    X = X + noise * rng.standard_normal(X.shape)

    y = {
        name: _labels(kind, target[k], lengths, missing[name], rng)
        for k, (name, kind) in enumerate(tasks.items())
    }
    ragged = not isinstance(n_timesteps, Integral)
    return Ragged.from_padded(X, lengths) if ragged else X, pd.DataFrame(y)


def _orthonormal(n_rows, n_columns, rng):
    """A random matrix whose columns, or rows where these are fewer, are orthonormal."""
    size = max(n_rows, n_columns)
    return np.linalg.qr(rng.standard_normal((size, size)))[0][:n_rows, :n_columns]


def _rotating_processes(n_processes, n_samples, n_timesteps, rng):
    """First coordinates of the processes z, shape (n_processes, n_samples, n_timesteps)."""
    shape = (n_processes, n_samples, n_timesteps)
    innovation = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    step = _DECAY * np.exp(1j * _TURN)  # the plane as complex numbers: a R(ω) is one product
    z = innovation.copy()
    for t in range(1, n_timesteps):
        z[..., t] = step * z[..., t - 1] + math.sqrt(1 - _DECAY**2) * innovation[..., t]
    return z.real


def _leaky_memory(latent):
    """The leaky sums m of the latent processes, of variance one at every step."""
    n_timesteps = latent.shape[-1]
    lag = np.arange(1, n_timesteps)
    autocovariance = _DECAY**lag * np.cos(_TURN * lag)
    with_past = np.cumsum(_MEMORY**lag * autocovariance)  # λ Cov(sum at t - 1, latent at t)
    total, variance = latent.copy(), np.ones(n_timesteps)
    for t in range(1, n_timesteps):
        total[..., t] += _MEMORY * total[..., t - 1]
        variance[t] += _MEMORY**2 * variance[t - 1] + 2 * with_past[t - 1]
    return total / np.sqrt(variance)


def _labels(kind, target, lengths, fraction, rng):
    """The column of one task from its noisy driver, shape (n_samples, n_timesteps)."""
    per_step = kind.endswith("_per_step")
    if per_step:
        values = target[np.arange(target.shape[1]) < lengths[:, None]]  # [sum_T]
    else:
        values = target[np.arange(len(lengths)), lengths - 1]
    if kind.startswith("classification"):
        values = np.digitize(values, [-_TERCILE, _TERCILE])
    n_missing = min(round(fraction * len(values)), len(values) - 1)
    if n_missing:
        values = values.astype(np.float64)
        values[rng.choice(len(values), n_missing, replace=False)] = np.nan
    return np.split(values, np.cumsum(lengths)[:-1]) if per_step else values


def _check_count(name, value):
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer, 1 or more, found {value!r}.")


def _check_range(name, value, expected, within):
    if not isinstance(value, Real) or not within(value):
        raise ValueError(f"{name} must be {expected}, found {value!r}.")


def _length_range(n_timesteps):
    pair = (n_timesteps, n_timesteps) if isinstance(n_timesteps, Integral) else n_timesteps
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(isinstance(length, Integral) for length in pair)
        or not 1 <= pair[0] <= pair[1]
    ):
        raise ValueError(
            "n_timesteps must be an integer, 1 or more, or a pair (low, high) of such with "
            f"low <= high, found {n_timesteps!r}."
        )
    return pair


def _named_tasks(tasks):
    if tasks is None:
        return {"kind": "classification", "level": "regression", "trace": "regression_per_step"}
    if isinstance(tasks, Integral) and tasks >= 1:
        return {f"task_{k}": _KINDS[k % 2] for k in range(tasks)}
    if not isinstance(tasks, dict) or not tasks:
        raise ValueError(
            "tasks must be None, an integer, 1 or more, or a dict from task name to type with at "
            f"least one task, found {tasks!r}."
        )
    for name, kind in tasks.items():
        if kind not in _KINDS:
            raise ValueError(f"tasks[{name!r}] must be one of {list(_KINDS)}, found {kind!r}.")
    return tasks


def _missing_fractions(missing_labels, tasks):
    expected = "a number in [0, 1)"
    if not isinstance(missing_labels, dict):
        _check_range(
            "missing_labels", missing_labels, f"{expected}, or a dict", lambda v: 0 <= v < 1
        )
        return dict.fromkeys(tasks, missing_labels)
    unknown = [name for name in missing_labels if name not in tasks]
    if unknown:
        raise ValueError(f"missing_labels must name tasks among {list(tasks)}, found {unknown}.")
    for name, fraction in missing_labels.items():
        _check_range(f"missing_labels[{name!r}]", fraction, expected, lambda v: 0 <= v < 1)
    return {name: missing_labels.get(name, 0.0) for name in tasks}
