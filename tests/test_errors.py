"""Every refusal of X and y, by its text: what is wrong, where, and what was expected."""

import numpy as np
import pandas as pd
import pytest
from refusals import FRAME, F, N, T, X, Y, fit_refused, refused, small
from scipy import sparse

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)

ESTIMATORS = [MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN]


def spoilt(value):
    bad = X.copy()
    bad[3, 1, 1] = value
    return bad


# ---------------------------------------------------------------------------------------- X

BAD_X = {
    "4-D": (np.zeros((N, 2, 2, 2)), "X must have shape", "found", "(12, 2, 2, 2)"),
    "3-D in a list": ([np.zeros((2, 2, 2))] * N, "X must be a list of", "found shape", "sample 0"),
    "sparse in a list": ([sparse.csr_array(np.eye(2))] * N, "Sparse X is not supported"),
    "empty list": ([], "X must hold at least one sequence", "found 0"),
    "empty array": (np.zeros((0, T, F)), "X must hold at least one sequence", "found 0"),
    "no column": (np.zeros((N, 0)), "0 feature(s)", "a minimum of 1 is required"),
    "no feature": (np.zeros((N, T, 0)), "X", "0 feature"),
    "no step": (
        np.zeros((N, 0, F)),
        "very sequence",
        "at least one time step, found 0",
        "sample 0",
    ),
    "empty sequence": (
        [*X[:-1], X[0, :0]],
        "Every sequence in X",
        "at least one time step, found 0 in sample 11",
    ),
    "widths": ([*X[:-1], X[0, :, :1]], "X", "same number of features, found 2", "1 in sample 11"),
    "NaN": (spoilt(np.nan), "X contains NaN", "sample 3", "feature 1", "finite"),
    "infinity": (spoilt(np.inf), "X contains infinity", "sample 3", "feature 1", "finite"),
    "NaN in a list": (list(spoilt(np.nan)), "X contains NaN", "sample 3", "feature 1"),
    "NaN in a table": (spoilt(np.nan)[:, :, 1], "X contains NaN", "sample 3, time step 1"),
    "NaN in Ragged": (
        Ragged.from_padded(spoilt(np.nan)),
        "X contains NaN",
        "sample 3",
        "feature 1",
    ),
    "strings": (np.full((N, T, F), "a"), "X must be numeric", "found <U1"),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", BAD_X)
def test_fit_refuses_X(estimator, name):
    bad, *parts = BAD_X[name]
    fit_refused(small(estimator), bad, Y[: len(bad)], *parts)


@pytest.mark.parametrize("name", [name for name in BAD_X if "table" not in name])
def test_predict_refuses_X(name):
    bad, *parts = BAD_X[name]
    model = small().fit(X, Y)
    if name in ("no column", "no feature"):  # another width than the fitted one, too
        parts = ["X", "features"]
    with refused(*parts):
        model.predict(bad)


def test_fit_refuses_sparse_X():
    fit_refused(small(), sparse.csr_array(X[:, :, 0]), Y, "Sparse", "X", "dense", error=TypeError)
    with refused("Sparse X"):
        small().fit(X, Y).predict(sparse.csr_array(X[:, :, 0]))


@pytest.mark.parametrize("given", [X[:, :, :1], list(X[:, :, :1]), Ragged.from_padded(X[:, :, :1])])
def test_width_other_than_fitted(given):
    with refused("X has 1 features", "MultiTaskRNNClassifier", "expecting 2"):
        small().fit(X, Y).predict(given)
    fit_refused(small(warm_start=True).fit(X, Y), given, Y, "X has 1 features", "expecting 2")


def test_table_of_other_width_than_fitted():
    model = small().fit(X[:, :, 0], Y)
    with refused("X has 2 features", "expecting 4"):
        model.predict(X[:, :2, 0])
    with refused("X must be a table of 4 columns", "found Ragged"):
        model.predict(Ragged.from_padded(X))
    with refused("X must be sequences", "n_features=2 as in fit", "found shape (12, 4)"):
        small().fit(X, Y).predict(X[:, :, 0])


def test_feature_names_other_than_fitted():
    table = pd.DataFrame(X[:, :, 0], columns=list("abcd"))
    with refused("feature names should match"):
        small().fit(table, Y).predict(table.rename(columns={"a": "z"}))


# ---------------------------------------------------------------------------------------- y


def steps(n_steps, row=5, name="beat"):
    """Per-step labels, of which one row has another number of steps than its sequence."""
    cells = [np.arange(T) % 2.0 for _ in range(N)]
    cells[row] = np.arange(n_steps) % 2.0
    return pd.DataFrame({name: cells})


def cells(row, value):
    """Per-step labels with one cell replaced."""
    frame = steps(T)
    column = frame["beat"].tolist()
    column[row] = value
    return pd.DataFrame({"beat": column})


BAD_Y = {
    "None": (None, "y must", "y is None"),
    "sparse": (sparse.csr_array(Y), "y must be dense", "found a sparse"),
    "4-D": (np.zeros((N, T, 1, 1)), "y must have 1, 2 or 3 dimensions, found 4"),
    "no task": (np.zeros((N, 0)), "y must hold at least one task", "(12, 0)"),
    "length": (Y[:5], "inconsistent numbers of samples", "X has 12", "y has 5"),
    "length of a list": (Y[:5, 0].tolist(), "inconsistent", "X has 12", "y has 5"),
    "length of a frame": (FRAME[:5], "inconsistent", "X has 12", "y has 5"),
    "unlabelled": (
        np.column_stack([Y[:, 0], np.full(N, np.nan)]),
        "y must hold at least one label for every task",
        "none for task 1",
    ),
    "unlabelled, named": (FRAME.assign(bar=None), "y must hold", "none for task 'bar'"),
    "infinity": (np.where(np.arange(N) == 5, np.inf, 1.0), "y contains infinity", "task 0", "5"),
    "infinity, named": (FRAME.replace(2.0, -np.inf), "y contains infinity", "task 'bar'", "2"),
    "infinity in a step": (
        cells(11, np.array([0, 1, np.inf, 0])),
        "y contains infinity",
        "task 'beat'",
        "11",
    ),
    "steps": (steps(3), "task 'beat' in row 5", "its sequence (4 time steps)", "found shape (3,)"),
    "steps, 3-D": (np.zeros((N, 5, 2)), "y has 5 per-step labels in row 0", "4 time steps"),
    "steps, list": (
        [*np.zeros((N - 1, T, 2)), np.zeros((5, 2))],
        "y must be a list of (T_i, 2) arrays",
        "row 11 (sequence of 4 time steps) has shape (5, 2)",
    ),
    "a scalar among steps": (cells(7, 1.0), "Task 'beat'", "per time step", "row 7", "1.0"),
    "a string among steps": (cells(0, "a"), "Task 'beat'", "per time step", "row 0", "'a'"),
    "column twice": (FRAME.set_axis(["a", "a"], axis=1), "y must name each task once", "twice"),
    "mixed types": (["a", 1] * 6, "y must hold labels of one type", "found mixed", "task 0"),
    "dates": (pd.DataFrame({"d": pd.date_range("2020", periods=N)}), "y must hold", "task 'd'"),
    "too large an integer": ([2**70, 1] * 6, "y", "integer too large", "task 0"),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", BAD_Y)
def test_fit_refuses_y(estimator, name):
    bad, *parts = BAD_Y[name]
    fit_refused(small(estimator), X, bad, *parts)


def test_labels_of_the_wrong_type():
    fit_refused(small(), X, np.arange(N) / 5, "label type: continuous", "0", "regression task")
    fit_refused(small(MultiTaskRNNRegressor), X, ["a", "b"] * 6, "task 0", "numbers", "'a'")
    poisson = small(MultiTaskRNNRegressor, tasks=RegressionTask("poisson"))
    fit_refused(poisson, X, -Y, "Task 0", "poisson", "nonnegative", "found -1.0")


def test_score_refuses_y():
    model = small().fit(X, Y)
    with refused("y must hold at least one label to score, found none"):
        model.score(X, np.full_like(Y, np.nan))
    with refused("y must hold the 2 task(s) [0, 1] of fit, found 1"):
        model.score(X, Y[:, 0])
    with refused("y must hold the tasks ['beat', 'bar'] of fit", "['beat']"):
        small().fit(X, FRAME).score(X, FRAME[["beat"]])
    with refused("Task 0 had labels per sequence", "per time step now"):
        model.score(X, np.zeros((N, T, 2)))
    with refused("Task 0 had labels per time step", "per sequence now"):
        small().fit(X, np.arange(N * T * 2).reshape(N, T, 2) % 2).score(X, Y)
