"""Scorers inside scikit-learn's searches, printed and pickled; what they refuse."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from scoring_models import Columnwise, Fixed, classified, mixed
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    get_scorer,
    log_loss,
    make_scorer,
)
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.multioutput import MultiOutputClassifier

from sk_mtrnn.metrics import multitask_scorer, task_scorer

CV = KFold(3, shuffle=True, random_state=0)
METRICS = {"digit": "neg_log_loss", "ink": "r2"}


def test_cross_validate_with_missing_labels():
    X, y, _ = mixed()
    model, run = Columnwise(), {"cv": CV, "error_score": "raise", "return_train_score": True}
    mean = cross_validate(model, X, y, scoring=multitask_scorer(METRICS), **run)
    each = cross_validate(model, X, y, scoring=multitask_scorer(METRICS, average=None), **run)
    scorers = {name: task_scorer(metric, name) for name, metric in METRICS.items()}
    several = cross_validate(model, X, y, scoring=scorers, **run)
    for part in ("test", "train"):
        digit, ink = each[f"{part}_digit"], each[f"{part}_ink"]
        assert_allclose(mean[f"{part}_score"], (digit + ink) / 2)
        assert_allclose(several[f"{part}_digit"], digit)
        assert_allclose(several[f"{part}_ink"], ink)
        assert np.isfinite(mean[f"{part}_score"]).all()


def test_a_fold_without_labels_scores_error_score():
    X, y, _ = mixed()
    y.loc[:26, "digit"] = None
    run = {"cv": KFold(3), "scoring": task_scorer("accuracy", "digit")}
    with pytest.warns(UserWarning, match="Task 'digit' has no label among the 27 samples"):
        scores = cross_validate(Columnwise(), X, y, **run)["test_score"]
    assert np.isnan(scores).tolist() == [True, False, False]


def test_searches_with_one_score_and_with_several():
    X, y, _ = mixed()
    grid = {"alpha": [0.01, 100.0]}
    one = GridSearchCV(Columnwise(), grid, scoring=multitask_scorer(METRICS), cv=CV).fit(X, y)
    several = GridSearchCV(
        Columnwise(), grid, scoring=multitask_scorer(METRICS, average=None), cv=CV, refit="digit"
    ).fit(X, y)
    assert one.best_params_ == several.best_params_ == {"alpha": 0.01}
    assert_allclose(
        one.cv_results_["mean_test_score"],
        (several.cv_results_["mean_test_digit"] + several.cv_results_["mean_test_ink"]) / 2,
    )
    assert_allclose(one.score(X, y), multitask_scorer(METRICS)(one.best_estimator_, X, y))
    assert clone(one).scoring is not one.scoring


def test_unnamed_tasks_can_be_refitted_on():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    scoring = multitask_scorer("r2", average=None)
    search = GridSearchCV(Ridge(), {"alpha": [1, 2]}, scoring=scoring, cv=CV, refit="1").fit(X, y)
    assert {"mean_test_0", "mean_test_1"} <= set(search.cv_results_)


def test_weights_reach_the_scorer_with_and_without_routing():
    X, y, weight = mixed()
    weight = np.where(np.arange(80) % 2, 0.01, 10.0)
    grid = {"alpha": [1.0]}

    def expected(weigh):
        scores = []
        for train, test in CV.split(X):
            model = Columnwise().fit(X[train], y.iloc[train], sample_weight=weight[train])
            extra = {"sample_weight": weight[test]} if weigh else {}
            scores.append(multitask_scorer(METRICS)(model, X[test], y.iloc[test], **extra))
        return np.mean(scores)

    search = GridSearchCV(Columnwise(), grid, scoring=multitask_scorer(METRICS), cv=CV)
    assert_allclose(search.fit(X, y, sample_weight=weight).best_score_, expected(True))
    with sklearn.config_context(enable_metadata_routing=True):
        model = Columnwise().set_fit_request(sample_weight=True)
        for weigh in (True, False):
            scorer = multitask_scorer(METRICS).set_score_request(sample_weight=weigh)
            search = GridSearchCV(model, grid, scoring=scorer, cv=CV)
            search.fit(X, y, sample_weight=weight)
            assert_allclose(search.best_score_, expected(weigh))
            scoring = {
                name: task_scorer(metric, name).set_score_request(sample_weight=weigh)
                for name, metric in METRICS.items()
            }
            scores = cross_validate(
                model, X, y, scoring=scoring, cv=CV, params={"sample_weight": weight}
            )
            mean = (scores["test_digit"] + scores["test_ink"]).mean() / 2
            assert_allclose(mean, expected(weigh))
        with pytest.raises(ValueError, match="sample_weight"):  # neither asked for nor declined
            GridSearchCV(model, grid, scoring=multitask_scorer(METRICS), cv=CV).fit(
                X, y, sample_weight=weight
            )


def test_a_search_warns_of_a_metric_without_weights():
    X, y, weight = mixed()
    scorer = multitask_scorer({"digit": "accuracy", "ink": "neg_max_error"})
    search = GridSearchCV(Columnwise(), {"alpha": [1.0]}, scoring=scorer, cv=CV)
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        search.fit(X, y, sample_weight=weight)


def test_the_same_in_parallel():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    scores = [
        cross_validate(Ridge(), X, y, scoring=multitask_scorer("r2"), cv=CV, n_jobs=n)["test_score"]
        for n in (1, 2)
    ]
    assert_allclose(*scores)


@pytest.mark.parametrize(
    "scorer",
    [
        task_scorer("neg_log_loss", task=1),
        task_scorer(make_scorer(log_loss, response_method="predict_proba"), task=1),
        multitask_scorer({0: "accuracy", 1: accuracy_score}, average=[1, 2]),
        multitask_scorer("f1_macro"),
    ],
    ids=repr,
)
def test_pickled_cloned_and_printed(scorer):
    model, X, y, _ = classified()
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer)):
        assert copy(model, X, y) == scorer(model, X, y)
        assert repr(copy) == repr(scorer)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = clone(clone(scorer).set_score_request(sample_weight="mass"))
        assert asking.get_metadata_routing().score.requests == {"sample_weight": "mass"}


def test_what_is_printed():
    assert repr(task_scorer("f1_macro", task="digit")) == "task_scorer('f1_macro', task='digit')"
    scorer = multitask_scorer(
        {"digit": accuracy_score, "ink": "r2"}, average={"digit": 2, "ink": 1}
    )
    assert repr(scorer) == (
        "multitask_scorer({'digit': accuracy_score, 'ink': 'r2'}, average={'digit': 2, 'ink': 1})"
    )


def test_multi_output_classifiers_of_scikit_learn():
    _, X, y, _ = classified()
    model = MultiOutputClassifier(LogisticRegression()).fit(X, y)
    for k in (0, 1):
        single = LogisticRegression().fit(X, y[:, k])
        assert_allclose(
            task_scorer("neg_log_loss", k)(model, X, y),
            get_scorer("neg_log_loss")(single, X, y[:, k]),
        )


def quiet(function, *args, **kwargs):
    """Call with scikit-learn's warnings about undefined metrics off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return function(*args, **kwargs)


def test_unknown_tasks():
    X, y, _ = mixed()
    model = Columnwise().fit(X, y)
    with pytest.raises(ValueError, match=r"task must be one of \['digit', 'ink'\], found 'inc'"):
        task_scorer("r2", "inc")(model, X, y)
    with pytest.raises(ValueError, match=r"task must be one of \['digit', 'ink'\], found 0"):
        multitask_scorer({0: "r2"})(model, X, y)
    with pytest.raises(ValueError, match="Task 'digit' has no label among the 80 samples"):
        task_scorer("accuracy", "digit")(model, X, y[["ink"]])
    with pytest.raises(ValueError, match=r"y must hold the tasks \['digit', 'ink'\] of fit, found"):
        task_scorer("r2", "ink")(model, X, y.assign(inc=1.0))
    with pytest.raises(
        ValueError, match=r"y must hold the 2 task\(s\) \['digit', 'ink'\] of fit, f"
    ):
        task_scorer("r2", "ink")(model, X, y["ink"].to_numpy())


@pytest.mark.parametrize("metric", ["f1_makro", 3, None, max, task_scorer("r2", 0)])
def test_unknown_metrics(metric):
    with pytest.raises(ValueError, match="metric must be the name of a scikit-learn scorer"):
        task_scorer(metric, 0)
    with pytest.raises(ValueError, match="metric must be the name of a scikit-learn scorer"):
        multitask_scorer({0: "r2", 1: metric})


def test_a_metric_of_decision_values_only():
    scorer = make_scorer(accuracy_score, response_method="decision_function")
    with pytest.raises(ValueError, match="reads decision_function"):
        task_scorer(scorer, 0)
    with pytest.raises(ValueError, match="metric must name at least one task, found an empty dict"):
        multitask_scorer({})


@pytest.mark.parametrize(
    ("average", "message"),
    [
        ([1, 2, 3], r"each of the 2 tasks \['a', 'b'\], found shape \(3,\)"),
        ({"a": 1, "c": 2}, r"each of the tasks \['a', 'b'\], found weights of \['a', 'c'\]"),
        ("median", "average must be 'mean', a weight for each task"),
        (2.0, "average must be 'mean', a weight for each task"),
        ([-1, 2], "none negative and not all 0"),
        ([0, 0], "none negative and not all 0"),
        ([np.nan, 1], "none negative and not all 0"),
    ],
)
def test_bad_averages(average, message):
    with pytest.raises(ValueError, match=message):
        multitask_scorer({"a": "r2", "b": "r2"}, average=average)
    told, y = Fixed(np.zeros((3, 2)), names=["a", "b"]), np.zeros((3, 2))
    with pytest.raises(ValueError, match=message):
        multitask_scorer("r2", average=average)(told, y, y)


def test_probabilities_that_do_not_exist():
    X, y, _ = mixed()
    model = Columnwise().fit(X, y)
    with pytest.raises(ValueError, match="task 'ink' is not classification: Columnwise has no cla"):
        multitask_scorer("neg_log_loss")(model, X, y)
    with pytest.raises(
        ValueError, match="needs class probabilities, but Ridge has no predict_prob"
    ):
        task_scorer("roc_auc", 0)(Ridge().fit(X, X), X, X)
    bare = Fixed(None, np.ones((3, 2)) / 2)
    with pytest.raises(ValueError, match="needs class probabilities, but Fixed has no classes_"):
        task_scorer("roc_auc", 0)(bare, [0, 1, 0], [0, 1, 0])


def test_answers_that_do_not_fit():
    y = np.array([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="has 3 entries in y, but Fixed answers with 2"):
        task_scorer("r2", 0)(Fixed(y[:2]), y, y)
    with pytest.raises(ValueError, match=r"Fixed answered task 0 with missing values \(NaN\)"):
        task_scorer("r2", 0)(Fixed(np.array([0, np.nan, 1])), y, y)
    with pytest.raises(ValueError, match="infinity") as caught:
        task_scorer("r2", 0)(Fixed(np.array([0, np.inf, 1])), y, y)
    assert "Fixed.predict" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"predict of Fixed must answer for the 1 task\(s\) \[0\]"):
        task_scorer("r2", 0)(Fixed(np.ones((3, 2))), y, y)
    narrow = Fixed(None, np.ones((3, 2)) / 2, np.arange(3))
    with pytest.raises(ValueError, match="one column for each of the 3 classes of task 0, found 2"):
        task_scorer("neg_log_loss", 0)(narrow, y, y)
    flat = Fixed(None, np.ones((3, 2)) / 2, [np.arange(2), np.arange(2)])
    with pytest.raises(ValueError, match="must return one array for each of its 2 tasks, found nd"):
        task_scorer("neg_log_loss", 0)(flat, y, np.column_stack([y, y]))


def test_bad_weights():
    model, X, y, weight = classified()
    scorer = task_scorer("accuracy", 0)
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\) or \(60, 2\)"):
        scorer(model, X, y, sample_weight=weight[:10])
    with pytest.raises(ValueError, match="sample_weight must be nonnegative and finite"):
        scorer(model, X, y, sample_weight=-weight)
    frame, named = pd.DataFrame(y, columns=["a", "b"]), pd.DataFrame({"a": weight})
    with pytest.raises(ValueError, match="sample_weight must have the columns of y, found none fo"):
        task_scorer("accuracy", "a")(model, X, frame, sample_weight=named)
    with pytest.raises(
        ValueError, match="sample_weight must be None for the metric 'neg_max_error"
    ):
        task_scorer("neg_max_error", 0)(model, X, y, sample_weight=weight)


def test_an_error_inside_a_metric_names_the_task():
    model, X, y, _ = classified()
    with pytest.raises(ValueError, match="multi_class must be in") as caught:
        task_scorer("roc_auc", 1)(model, X, y)
    assert "scoring task 1" in caught.value.__notes__[0]
    pos = make_scorer(average_precision_score, response_method="predict_proba", pos_label=7)
    with pytest.raises(ValueError, match=r"pos_label must be one of \[0, 1\], found 7"):
        task_scorer(pos, 0)(model, X, y)


def test_a_dummy_of_one_named_column():
    X, y = np.zeros((4, 1)), pd.Series(["x", "x", "y", None], name="a")
    model = DummyClassifier().fit(X[:3], y[:3])
    assert_allclose(task_scorer("accuracy", "a")(model, X, y), 2 / 3)
    assert_allclose(quiet(task_scorer("roc_auc", "a"), model, X, y), 0.5)
