"""Partly labelled tasks, one a sequence and one a step, for the tests of model selection."""

import numpy as np
import pandas as pd


def make_labels(n_samples=300, seed=0):
    """A rare class, a quantity, a task in whole numbers; 30% missing."""
    rng = np.random.default_rng(seed)
    y = pd.DataFrame(
        {
            "stage": rng.choice(list("abcd"), n_samples, p=[0.5, 0.3, 0.15, 0.05]),
            "score": rng.normal(size=n_samples),
            "grade": rng.integers(0, 3, n_samples).astype(float),
        }
    )
    return y.mask(rng.random(y.shape) < 0.3)


def make_steps(n_samples=200, seed=0):
    """Sequences of 5 to 30 steps, two tasks labelled at each step, class 2 in few sequences."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 31, n_samples)
    X = [rng.normal(size=(length, 2)) for length in lengths]
    y = [rng.choice([0.0, 1.0, 2.0], (length, 2), p=[0.7, 0.28, 0.02]) for length in lengths]
    for sample in range(0, n_samples, 3):
        y[sample][:3, 1] = np.nan
    return X, y
