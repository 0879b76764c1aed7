"""Scorers: scikit-learn's metrics, task by task, on what is labelled."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scoring_models import Columnwise, Fixed, OneTask, classified, mixed
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    get_scorer,
    log_loss,
    make_scorer,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn.metrics import multitask_scorer, task_scorer

PROBABILITY = [
    "neg_log_loss",
    "neg_brier_score",
    "top_k_accuracy",
    "average_precision",
]
BINARY = [
    "neg_log_loss",
    "neg_brier_score",
    "average_precision",
    "roc_auc",
    "f1",
    "accuracy",
    "recall",
]
MULTICLASS = [
    *PROBABILITY,
    "roc_auc_ovr",
    "roc_auc_ovo",
    "roc_auc_ovr_weighted",
    "roc_auc_ovo_weighted",
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "matthews_corrcoef",
]
REGRESSION = ["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error", "neg_max_error"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("k", "metric"), [(0, name) for name in BINARY] + [(1, name) for name in MULTICLASS]
)
def test_complete_labels_give_scikit_learns_score(k, metric, weighted):
    model, X, y, weight = classified()
    extra = {"sample_weight": weight} if weighted else {}
    if weighted and "ovo" in metric:
        with pytest.raises(ValueError, match="not supported for multiclass one-vs-one ROC AUC"):
            task_scorer(metric, task=k)(model, X, y, **extra)
        return
    expected = get_scorer(metric)(OneTask(model, k), X, y[:, k], **extra)
    assert_allclose(task_scorer(metric, task=k)(model, X, y, **extra), expected)


@pytest.mark.parametrize("metric", REGRESSION)
def test_complete_targets_give_scikit_learns_score(metric):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    model = LinearRegression().fit(X, y)
    single = LinearRegression().fit(X, y[:, 1])
    expected = get_scorer(metric)(single, X, y[:, 1])
    assert_allclose(task_scorer(metric, task=1)(model, X, y), expected)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_single_task_in_every_shape(shape):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.integers(2, size=30)
    model = LogisticRegression().fit(X, y)
    for metric in ("accuracy", "roc_auc"):
        expected = get_scorer(metric)(model, X, y)
        assert_allclose(task_scorer(metric, 0)(model, X, y.reshape(shape)), expected)
        assert_allclose(multitask_scorer(metric)(model, X, y.reshape(shape)), expected)


def squared_error(y_true, y_pred):
    """A probability metric that knows no labels."""
    return np.mean((y_true - y_pred) ** 2)


def test_a_function_without_labels_gets_one_column_a_class():
    model, X, y, _ = classified()
    scorer = make_scorer(squared_error, response_method="predict_proba")
    expected = squared_error(np.eye(3)[y[:, 1]], model.predict_proba(X)[1])
    assert_allclose(task_scorer(scorer, 1)(model, X, y), expected)
    expected = squared_error(y[:, 0], model.predict_proba(X)[0][:, 1])
    assert_allclose(task_scorer(scorer, 0)(model, X, y), expected)


def test_labels_given_to_a_metric_are_joined_with_those_of_training():
    model, X, y, _ = classified()
    wider = make_scorer(log_loss, response_method="predict_proba", labels=[0, 1, 2, 3])
    assert_allclose(task_scorer(wider, 1)(model, X, y), task_scorer(log_loss, 1)(model, X, y))


def test_a_metric_in_its_three_forms():
    model, X, y, _ = classified()
    score = task_scorer("neg_log_loss", 1)(model, X, y)
    made = make_scorer(log_loss, greater_is_better=False, response_method="predict_proba")
    assert_allclose(task_scorer(made, 1)(model, X, y), score)
    assert_allclose(task_scorer(log_loss, 1)(model, X, y), -score)
    assert_allclose(
        task_scorer(accuracy_score, 1)(model, X, y), task_scorer("accuracy", 1)(model, X, y)
    )
    top = make_scorer(
        top_k_accuracy_score, response_method=("decision_function", "predict_proba"), k=1
    )
    assert_allclose(task_scorer(top, 1)(model, X, y), task_scorer("accuracy", 1)(model, X, y))


@pytest.mark.parametrize("metric", MULTICLASS)
def test_unlabelled_rows_change_nothing(metric):
    model, X, y, _ = classified()
    holes = y.astype(float)
    holes[::3, 1] = np.nan
    scorer = task_scorer(metric, task=1)
    rows = np.arange(60) % 3 != 0
    expected = scorer(model, X[rows], y[rows])
    assert_allclose(scorer(model, X, holes), expected)
    if "ovo" not in metric:
        weight = rows.astype(float)
        assert_allclose(scorer(model, X, y, sample_weight=weight), expected)


@pytest.mark.parametrize("metric", ["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro"])
def test_a_weight_of_two_is_a_row_twice(metric):
    model, X, y, _ = classified()
    twice = np.r_[np.arange(60), np.arange(20)]
    weight = np.where(np.arange(60) < 20, 2.0, 1.0)
    scorer = task_scorer(metric, task=1)
    assert_allclose(scorer(model, X, y, sample_weight=weight), scorer(model, X[twice], y[twice]))


def test_a_weight_for_each_task():
    model, X, y, weight = classified()
    both = np.column_stack([np.ones(60), weight])
    scorer = multitask_scorer("accuracy", average=None)
    scores = scorer(model, X, y, sample_weight=both)
    assert_allclose(scores["0"], task_scorer("accuracy", 0)(model, X, y))
    assert_allclose(scores["1"], task_scorer("accuracy", 1)(model, X, y, sample_weight=weight))
    frame = pd.DataFrame(y, columns=["a", "b"])
    named = pd.DataFrame(both[:, ::-1], columns=["b", "a"])
    assert scorer(model, X, frame, sample_weight=named) == {"a": scores["0"], "b": scores["1"]}


def test_every_kind_of_missing_label():
    truth = pd.DataFrame(
        {"a": pd.array([1, None, 0, 1], dtype="Int64"), "b": ["x", None, "y", "x"]}
    )
    model = Fixed(pd.DataFrame({"a": [1, 1, 0, 0], "b": ["x", "x", "x", "x"]}))
    scores = multitask_scorer("accuracy", average=None)(model, truth, truth)
    assert_allclose([scores["a"], scores["b"]], [2 / 3, 2 / 3])


@pytest.mark.parametrize("metric", MULTICLASS)
def test_the_order_of_classes_does_not_matter(metric):
    model, X, y, _ = classified()
    order = [2, 0, 1]
    shuffled = Fixed(
        model.predict(X)[:, 1], model.predict_proba(X)[1][:, order], model.classes_[1][order]
    )
    expected = task_scorer(metric, 1)(model, X, y)
    assert_allclose(task_scorer(metric, 0)(shuffled, X, y[:, 1]), expected)


def test_names_decide_not_positions():
    X, y, _ = mixed()
    model = Columnwise().fit(X, y)
    scorer = multitask_scorer({"digit": "roc_auc", "ink": "r2"}, average=None)
    scores = scorer(model, X, y)
    assert scorer(model, X, y[["ink", "digit"]]) == scores
    told = Fixed(model.predict(X)[["ink", "digit"]], model.predict_proba(X), model.classes_)
    assert scorer(told, X, y) == scores
    assert task_scorer("r2", "ink")(model, X, y[["ink"]]) == scores["ink"]
    assert scorer(model, X, y.to_numpy()) == scores  # in the order of the fit


def test_probabilities_of_permuted_columns():
    model, X, y, _ = classified()
    told = Fixed(None, model.predict_proba(X), model.classes_, names=["two", "three"])
    frame = pd.DataFrame(y, columns=["two", "three"])
    scorer = multitask_scorer("neg_log_loss", average=None)
    scores = scorer(told, X, frame)
    assert scorer(told, X, frame[["three", "two"]]) == scores
    assert told.n_predict == 0


def test_names_are_found_inside_a_search_and_a_pipeline():
    X, y, _ = mixed()
    scorer = multitask_scorer({"digit": "neg_log_loss", "ink": "r2"})
    pipeline = make_pipeline(StandardScaler(), Columnwise())
    search = GridSearchCV(pipeline, {"columnwise__alpha": [1.0]}, scoring=scorer, cv=KFold(3))
    search.fit(X, y)
    expected = scorer(search.best_estimator_[-1], search.best_estimator_[0].transform(X), y)
    for model in (search, search.best_estimator_):
        assert_allclose(scorer(model, X, y.to_numpy()), expected)
        assert_allclose(scorer(model, X, y[["ink", "digit"]]), expected)


@pytest.mark.parametrize("metric", [*PROBABILITY, *(m for m in MULTICLASS if "roc_auc" in m)])
def test_a_class_absent_from_the_fold_misaligns_nothing(metric):
    model, X, y, _ = classified()
    rows = y[:, 1] != 0
    proba, truth = model.predict_proba(X[rows])[1], y[rows, 1]
    score = task_scorer(metric, 1)(model, X[rows], y[rows])
    one_hot = truth[:, None] == [1, 2]
    if metric == "neg_log_loss":
        assert_allclose(score, -log_loss(truth, proba, labels=[0, 1, 2]))
    elif metric == "average_precision":
        assert_allclose(score, average_precision_score(one_hot, proba[:, 1:]))
    elif metric == "roc_auc_ovr":
        assert_allclose(score, roc_auc_score(one_hot, proba[:, 1:]))
    assert np.isfinite(score)


def test_a_fold_of_one_class():
    model, X, y, _ = classified()
    rows = y[:, 1] == 2
    for metric in ("neg_log_loss", "neg_brier_score", "average_precision"):
        assert np.isfinite(task_scorer(metric, 1)(model, X[rows], y[rows]))
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(task_scorer("roc_auc_ovr", 1)(model, X[rows], y[rows]))


@pytest.mark.parametrize("metric", ["average_precision", "neg_brier_score"])
def test_the_positive_class_may_be_a_word(metric):
    model, X, y, _ = classified()
    words = np.array(["absent", "present"], dtype=object)
    told = Fixed(None, model.predict_proba(X)[0], words)
    expected = task_scorer(metric, 0)(model, X, y)
    assert_allclose(task_scorer(metric, 0)(told, X, words[y[:, 0]]), expected)
    function = make_scorer(
        average_precision_score, response_method="predict_proba", pos_label="absent"
    )
    other = average_precision_score(1 - y[:, 0], model.predict_proba(X)[0][:, 0])
    assert_allclose(task_scorer(function, 0)(told, X, words[y[:, 0]]), other)
