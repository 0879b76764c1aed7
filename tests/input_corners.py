"""Data with holes, categories and a clock, and what every model owes its user."""

import pickle

import numpy as np
import pandas as pd
import torch

from sk_mtrnn import (
    MultiTaskRNN,
)

MISSING = ("error", "mean", "forward", "mask", "decay")
WAYS = MISSING[1:]
SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}
N = 40


def make(missing, *, categories=False, time=False):
    """Sequences of two channels; holes, codes in a third and time stamps in a last if wanted."""
    rng = np.random.default_rng(0)
    X = []
    for n in rng.integers(2, 8, size=N):
        x = rng.normal(size=(n, 2))
        if missing != "error":
            x[rng.random((n, 2)) < 0.3] = np.nan
        codes, stamps = rng.integers(0, 4, size=(n, 1)), rng.uniform(0.1, 2, size=(n, 1)).cumsum(0)
        X.append(np.hstack([x, *([codes] if categories else []), *([stamps] if time else [])]))
    return X


def labels(X):
    """A task of each kind, with labels missing from one of each."""
    filled = [np.nan_to_num(x) for x in X]
    y = pd.DataFrame(
        {
            "sign": ["up" if x[:, 0].sum() > 0 else "down" for x in filled],
            "level": [100 + 10 * x[:, 1].mean() for x in filled],
            "positive": [(x[:, 1] > 0).astype(int) for x in filled],
            "total": [x[:, 0].cumsum() for x in filled],
        }
    )
    y.loc[3:5, "sign"] = None
    y["total"] = [total if i % 5 else None for i, total in enumerate(y["total"])]
    return y


def total(X):
    return np.array([np.nansum(x[:, :2]) for x in X])


def model(estimator=MultiTaskRNN, **params):
    return estimator(**{**SMALL, **params})


def same(one, other):
    """Whether predictions, arrays in cells included, agree."""
    for task in one:
        for a, b in zip(one[task], other[task], strict=True):
            if np.asarray(a).dtype.kind == "f":
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
            else:
                np.testing.assert_array_equal(a, b)


def check(fitted, X):
    """What any fitted model owes its user, whatever it was fitted on."""
    assert np.isfinite(fitted.loss_curve_).any(axis=0).all()  # of every task, though not each turn
    predicted = fitted.predict(X)
    assert np.isfinite(predicted["level"]).all()
    assert [len(t) for t in predicted["total"]] == [len(x) for x in X]
    assert all(np.isfinite(t).all() for t in predicted["total"])
    order = np.random.default_rng(1).permutation(len(X))[:9]  # other batch mates, other padding
    same(fitted.predict([X[i] for i in order]), predicted.iloc[order].reset_index(drop=True))
    same(pickle.loads(pickle.dumps(fitted)).predict(X), predicted)
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities["sign"].sum(axis=1), 1)


def gru(input_size, hidden_size):
    return torch.nn.GRU(input_size, hidden_size)
