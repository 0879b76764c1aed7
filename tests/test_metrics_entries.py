"""Scorers: unseen labels, labels per time step, averages, the table."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scoring_models import Columnwise, Fixed, classified, mixed
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.tree import DecisionTreeRegressor

from sk_mtrnn.metrics import multitask_scorer, task_scorer, task_scores

UNSEEN = r"Task 'a' has the labels \['z'\], which training did not see"


def test_an_unseen_label_has_probability_zero():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    told = Fixed(np.array(["x", "y", "x"]), proba, np.array(["x", "y"]), names=["a"])
    y = ["x", "y", "z"]
    wider = np.column_stack([proba, np.zeros(3)])
    with pytest.warns(UserWarning, match=UNSEEN):
        score = task_scorer("neg_log_loss", "a")(told, y, y)
    assert_allclose(score, -log_loss(y, wider))
    with pytest.warns(UserWarning, match=UNSEEN):
        score = task_scorer("neg_brier_score", "a")(told, y, y)
    assert_allclose(score, -np.mean(np.sum((np.eye(3) - wider) ** 2, axis=1)))
    assert_allclose(task_scorer("accuracy", "a")(told, y, y), 2 / 3)  # and no warning


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_an_unseen_label_is_a_positive_ranked_last(metric):
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])
    told = Fixed(None, proba, np.array(["x", "y"]), names=["a"])
    function = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}[metric]
    expected = function([0, 1, 0, 1], [0.1, 0.8, 0.4, 0.0])
    with pytest.warns(UserWarning, match=UNSEEN):
        assert_allclose(task_scorer(metric, "a")(told, None, ["x", "y", "x", "z"]), expected)


def test_an_unseen_label_never_counts_as_hit_through_a_tie():
    proba = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    told = Fixed(None, proba, np.array(["w", "x", "y"]), names=["a"])
    with pytest.warns(UserWarning, match=UNSEEN):
        score = task_scorer("top_k_accuracy", "a")(told, None, ["w", "x", "y", "z"])
    assert score == 0.75


@pytest.mark.parametrize("metric", ["roc_auc_ovr", "roc_auc_ovo", "average_precision"])
def test_an_unseen_label_among_many_lowers_a_rank_metric(metric):
    model, X, y, _ = classified()
    score = task_scorer(metric, 1)(model, X, y)
    worse = y.copy()
    worse[:10, 1] = 7
    with pytest.warns(UserWarning, match=r"Task 1 has the labels \[7\]"):
        assert task_scorer(metric, 1)(model, X, worse) < score


def test_training_saw_one_class_only():
    told = Fixed(None, np.ones((3, 1)), np.array(["x"]), names=["a"])
    with pytest.warns(UserWarning, match=UNSEEN):
        score = task_scorer("neg_log_loss", "a")(told, None, ["x", "x", "z"])
    assert_allclose(score, np.log(np.finfo(float).eps) / 3)


def steps(layout, parts):
    """The same (T_i, 2) labels in each layout for time steps; 3-D needs equal lengths."""
    if layout == "3d":
        return np.stack(parts)
    if layout == "list":
        return list(parts)
    cells = {name: [part[:, k] for part in parts] for k, name in enumerate("ab")}
    return pd.DataFrame(cells)


@pytest.mark.parametrize("layout", ["3d", "list", "frame"])
def test_time_steps_are_scored_flat(layout):
    rng = np.random.default_rng(0)
    lengths = [4, 4, 4] if layout == "3d" else [2, 5, 3]
    parts = [rng.normal(size=(length, 2)) for length in lengths]
    guesses = [part + rng.normal(size=part.shape) for part in parts]
    weight = np.array([1.0, 2.0, 0.5])
    parts[1][0, 1] = np.nan
    truth, guess = np.concatenate(parts)[:, 1], np.concatenate(guesses)[:, 1]
    told = Fixed(steps(layout, guesses))
    task = "b" if layout == "frame" else 1
    y, rows = steps(layout, parts), ~np.isnan(truth)
    assert_allclose(
        task_scorer("r2", task)(told, y, y, sample_weight=weight),
        r2_score(truth[rows], guess[rows], sample_weight=np.repeat(weight, lengths)[rows]),
    )
    table = task_scores(told, y, y)
    assert table.n_labels.unique().tolist() == [sum(lengths), sum(lengths) - 1]


@pytest.mark.parametrize("metric", ["accuracy", "neg_log_loss"])
def test_a_sequence_without_labels_among_time_steps(metric):
    rng = np.random.default_rng(0)
    lengths = [2, 5, 3]
    proba = [rng.dirichlet(np.ones(3), size=length) for length in lengths]
    labels = [rng.integers(3, size=length) for length in lengths]
    told = Fixed([part.argmax(axis=1) for part in proba], proba, np.arange(3), names=["a"])
    score = task_scorer(metric, "a")(told, None, pd.DataFrame({"a": [labels[0], None, labels[2]]}))
    flat = Fixed(
        np.concatenate([told.answers[0], told.answers[2]]),
        np.concatenate([proba[0], proba[2]]),
        np.arange(3),
    )
    truth = np.concatenate([labels[0], labels[2]])
    assert_allclose(score, task_scorer(metric, 0)(flat, None, truth))


def test_time_steps_beside_sequences():
    rng = np.random.default_rng(0)
    lengths, n_classes = [2, 5, 3], 2
    stepwise = [rng.dirichlet(np.ones(n_classes), size=length) for length in lengths]
    whole = rng.dirichlet(np.ones(n_classes), size=3)
    y = pd.DataFrame(
        {
            "step": [rng.integers(2, size=length) for length in lengths],
            "whole": [0, 1, 0],
            "ink": [1.0, np.nan, 3.0],
        }
    )
    guess = pd.DataFrame(
        {"step": [part.argmax(1) for part in stepwise], "whole": whole.argmax(1), "ink": [1.0] * 3}
    )
    classes = {"whole": np.arange(2), "step": np.arange(2)}
    told = Fixed(guess, {"whole": whole, "step": stepwise}, classes)
    metrics = {"whole": "neg_log_loss", "step": "neg_log_loss", "ink": "neg_mean_absolute_error"}
    scores = multitask_scorer(metrics, average=None)(told, None, y)
    assert_allclose(scores["ink"], -1)
    assert_allclose(scores["whole"], -log_loss(y["whole"], whole, labels=[0, 1]))
    assert_allclose(
        scores["step"],
        -log_loss(np.concatenate(y["step"]), np.concatenate(stepwise), labels=[0, 1]),
    )
    assert (told.n_predict, told.n_proba) == (1, 1)


def test_probabilities_of_equally_many_time_steps():
    rng = np.random.default_rng(0)
    proba, y = rng.dirichlet(np.ones(3), size=(4, 5)), rng.integers(3, size=(4, 5, 2))
    told = Fixed(None, [proba, proba], [np.arange(3)] * 2)
    expected = -log_loss(y[:, :, 1].ravel(), proba.reshape(-1, 3))
    assert_allclose(task_scorer("neg_log_loss", 1)(told, y, y), expected)


def test_averages():
    X, y, _ = mixed()
    model, metrics = Columnwise().fit(X, y), {"digit": "accuracy", "ink": "r2"}
    scores = multitask_scorer(metrics, average=None)(model, X, y)
    digit, ink = scores["digit"], scores["ink"]
    assert list(scores) == ["digit", "ink"]
    for average, expected in [
        ("mean", (digit + ink) / 2),
        ([3, 1], (3 * digit + ink) / 4),
        (np.array([0.0, 2.0]), ink),
        ({"ink": 3, "digit": 1}, (digit + 3 * ink) / 4),
    ]:
        assert_allclose(multitask_scorer(metrics, average=average)(model, X, y), expected)


def test_a_task_without_labels_is_left_out():
    model, X, y, _ = classified()
    holes = y.astype(float)
    holes[:, 0] = np.nan
    expected = task_scorer("accuracy", 1)(model, X, y)
    for average in ("mean", [5, 2]):
        assert_allclose(multitask_scorer("accuracy", average=average)(model, X, holes), expected)
    scores = multitask_scorer("accuracy", average=None)(model, X, holes)
    assert np.isnan(scores["0"])
    assert scores["1"] == expected
    with pytest.raises(ValueError, match=r"Task 0 has no label among the 60 samples to score"):
        task_scorer("accuracy", 0)(model, X, holes)
    with pytest.raises(ValueError, match=r"No task with a weight above 0 in average=\[1, 0\]"):
        multitask_scorer("accuracy", average=[1, 0])(model, X, holes)
    holes[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"None of the tasks \[0, 1\] has a label among the 60"):
        multitask_scorer("accuracy")(model, X, holes)


def test_one_call_of_predict_serves_all_tasks():
    model, X, y, _ = classified()
    told = Fixed(model.predict(X), model.predict_proba(X), model.classes_)
    multitask_scorer("accuracy")(told, X, y)
    assert (told.n_predict, told.n_proba) == (1, 0)
    multitask_scorer("neg_log_loss")(told, X, y)
    assert (told.n_predict, told.n_proba) == (1, 1)
    multitask_scorer({0: "roc_auc", 1: "f1_macro"})(told, X, y)
    assert (told.n_predict, told.n_proba) == (2, 2)


def test_the_table_has_the_default_metrics_of_each_type():
    X, y, weight = mixed()
    model = Columnwise().fit(X, y)
    table = task_scores(model, X, y, sample_weight=weight)
    assert list(table.columns) == ["task", "metric", "score", "n_labels"]
    assert list(zip(table.task, table.metric, strict=True)) == [
        ("digit", "accuracy"),
        ("digit", "balanced_accuracy"),
        ("digit", "f1_macro"),
        ("ink", "r2"),
        ("ink", "mean_absolute_error"),
        ("ink", "root_mean_squared_error"),
    ]
    assert (table.n_labels == 50).all()
    rows = y["ink"].notna().to_numpy()
    truth, guess = y["ink"][rows], model.predict(X)["ink"][rows]
    for name, function in [
        ("mean_absolute_error", mean_absolute_error),
        ("root_mean_squared_error", root_mean_squared_error),
    ]:
        expected = function(truth, guess, sample_weight=weight[rows])
        assert_allclose(table.score[table.metric == name], expected)


def test_the_table_with_metrics_of_ones_own():
    X, y, _ = mixed()
    model = Columnwise().fit(X, y)
    table = task_scores(model, X, y, metrics={"digit": ["roc_auc", log_loss], "ink": "r2"})
    assert table.metric.tolist() == ["roc_auc", "log_loss", "r2"]
    assert_allclose(table.score[0], task_scorer("roc_auc", "digit")(model, X, y))
    same = task_scores(DecisionTreeRegressor().fit(X, X), X, X, metrics="r2")
    assert same.score.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match=r"task must be one of \['digit', 'ink'\], found 'inc'"):
        task_scores(model, X, y, metrics={"inc": "r2"})


def test_the_table_of_a_task_without_labels():
    model, X, y, _ = classified()
    holes = y.astype(float)
    holes[:, 0] = np.nan
    table = task_scores(model, X, holes)
    assert table.score[table.task == 0].isna().all()
    assert (table.n_labels[table.task == 0] == 0).all()
    assert table.score[table.task == 1].notna().all()
