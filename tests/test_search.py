"""Model selection as scikit-learn users do it, over every container of sequences."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, enables the next import
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn.model_selection import (
    MultiTaskStratifiedKFold,
    TaskWeightDistribution,
    task_weight_grid,
)
from sk_mtrnn.preprocessing import SequenceTransformer

N = 36
CV = MultiTaskStratifiedKFold(3)
LAYOUTS = ["2d", "3d", "list", "object", "ragged"]
WEIGHTS = {
    "lists": [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]],
    "tuples": [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)],
    "dicts": [{0: 1.0, 1: 0.0}, {0: 0.5, 1: 0.5}, {0: 0.0, 1: 1.0}],
    "arrays": [np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([0.0, 1.0])],
}


def small(estimator=MultiTaskRNNClassifier, **params):
    return estimator(
        **{"hidden_layer_sizes": (4,), "max_epochs": 3, "learning_rate": 0.05, "random_state": 0}
        | params
    )


def data(layout, missing=False):
    """Sequences, and for each whether its first value and whether its sum are positive."""
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(N, 5, 2))
    ragged = [x[: 3 + i % 3] for i, x in enumerate(cube)]
    boxed = np.empty(N, dtype=object)
    boxed[:] = ragged
    X = {
        "2d": cube[:, :, 0],
        "3d": cube,
        "list": ragged,
        "object": boxed,
        "ragged": Ragged.from_list(ragged),
    }[layout]
    steps = [np.reshape(x, (len(x), -1))[:, 0] for x in X]
    y = np.array([[x[0] > 0, x.sum() > 0] for x in steps]).astype(float)
    if missing:
        y[rng.permutation(N)[:14], 0] = np.nan
        y[rng.permutation(N)[:14], 1] = np.nan
    return X, y


def take(X, rows):
    return [X[i] for i in rows] if isinstance(X, list) else X[rows]


def fold_scores(model, X, y, cv=CV, weight=None):
    """What cross-validation comes to, spelt out."""
    scores = []
    for train, test in cv.split(X, y):
        on = {} if weight is None else {"sample_weight": weight[train]}
        off = {} if weight is None else {"sample_weight": weight[test]}
        fitted = clone(model).fit(take(X, train), y[train], **on)
        scores.append(fitted.score(take(X, test), y[test], **off))
    return scores


# ----------------------------------------------------------------------------- task weights


@pytest.mark.parametrize("layout", LAYOUTS)
def test_grid_over_task_weights(layout):
    X, y = data(layout, missing=True)
    searches = {
        form: GridSearchCV(small(), {"task_weights": weights}, cv=CV).fit(X, y)
        for form, weights in WEIGHTS.items()
    }
    expected = [fold_scores(small(task_weights=w), X, y) for w in WEIGHTS["lists"]]
    for form, search in searches.items():
        found = [search.cv_results_[f"split{i}_test_score"] for i in range(3)]
        assert_array_equal(np.transpose(found), expected)
        best = int(np.argmax(np.mean(expected, axis=1)))
        assert search.best_index_ == best
        assert search.best_params_["task_weights"] is WEIGHTS[form][best]
        refitted = small(task_weights=WEIGHTS[form][best]).fit(X, y)
        assert_array_equal(search.predict(X), refitted.predict(X))
    assert len({tuple(scores) for scores in expected}) > 1  # the weights do matter


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("form", WEIGHTS)
def test_halving_over_task_weights(layout, form):
    X, y = data(layout, missing=True)
    options = {"cv": CV, "factor": 3, "random_state": 0}
    grid = {"task_weights": WEIGHTS[form]}
    by_epochs = HalvingGridSearchCV(
        small(), grid, resource="max_epochs", min_resources=1, max_resources=3, **options
    ).fit(X, y)
    assert by_epochs.n_resources_ == [1, 3]
    assert by_epochs.n_candidates_ == [3, 1]
    assert by_epochs.best_estimator_.n_iter_ == 3
    by_samples = HalvingGridSearchCV(small(), grid, min_resources=12, **options).fit(X, y)
    assert by_samples.n_resources_ == [12, 36]
    assert any(by_samples.best_params_["task_weights"] is weights for weights in WEIGHTS[form])
    assert by_samples.best_estimator_.n_iter_ == 3
    assert by_samples.predict(X).shape == y.shape


@pytest.mark.parametrize("layout", LAYOUTS)
def test_randomized_search_over_task_weights(layout):
    X, y = data(layout, missing=True)
    for weights in (TaskWeightDistribution(2), *WEIGHTS.values()):
        space = {"task_weights": weights, "learning_rate": loguniform(1e-3, 1e-1)}
        search = RandomizedSearchCV(small(), space, n_iter=2, cv=CV, random_state=0).fit(X, y)
        model = small(**search.best_params_)
        assert search.best_score_ == pytest.approx(np.mean(fold_scores(model, X, y)))


def test_grid_of_the_simplex_by_names():
    X, y = data("list", missing=True)
    y = pd.DataFrame(y, columns=["first", "sum"])
    grid = {"task_weights": task_weight_grid(["first", "sum"], 3)}
    search = GridSearchCV(small(), grid, cv=CV).fit(X, y)
    assert len(search.cv_results_["params"]) == 3
    assert list(search.predict(X).columns) == ["first", "sum"]


# -------------------------------------------------------------------------------- utilities


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cross_validate(layout):
    X, y = data(layout, missing=True)
    results = cross_validate(small(), X, y, cv=CV, return_estimator=True, return_train_score=True)
    assert_array_equal(results["test_score"], fold_scores(small(), X, y))
    for model, (train, _), score in zip(
        results["estimator"], CV.split(X, y), results["train_score"], strict=True
    ):
        assert model.score(take(X, train), y[train]) == score


@pytest.mark.parametrize("layout", LAYOUTS)
def test_learning_curve(layout):
    X, y = data(layout, missing=True)
    sizes, train_scores, test_scores = learning_curve(small(), X, y, cv=CV, train_sizes=[12, 24])
    assert sizes.tolist() == [12, 24]
    assert train_scores.shape == test_scores.shape == (2, 3)
    assert_array_equal(test_scores[1], fold_scores(small(), X, y))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("estimator", [MultiTaskRNNRegressor, MultiTaskRNN])
def test_default_folds_take_missing_labels_without_a_classifier(layout, estimator):
    X, y = data(layout, missing=True)
    model = small(estimator, tasks="regression")
    assert_array_equal(cross_val_score(model, X, y, cv=3), fold_scores(model, X, y, KFold(3)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pipeline(layout):
    X, y = data(layout, missing=True)
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), small())
    grid = {
        "sequencetransformer__transformer__with_mean": [True, False],
        "multitaskrnnclassifier__task_weights": WEIGHTS["dicts"],
    }
    search = GridSearchCV(pipeline, grid, cv=CV).fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert search.predict(X).shape == y.shape
    by_hand = SequenceTransformer(StandardScaler()).fit(X)
    pipeline.fit(X, y)
    model = small().fit(by_hand.transform(X), y)
    assert_array_equal(pipeline.predict(X), model.predict(by_hand.transform(X)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_give_the_same_search(layout):
    X, y = data(layout, missing=True)
    grid = {"task_weights": WEIGHTS["lists"], "dropout": [0.0, 0.3]}
    one, two = (GridSearchCV(small(), grid, cv=CV, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    names = [f"split{i}_test_score" for i in range(3)]
    for name in names:
        assert_allclose(one.cv_results_[name], two.cv_results_[name], rtol=0, atol=1e-6)
    for a, b in zip(one.predict_proba(X), two.predict_proba(X), strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-6)


# ------------------------------------------------------------------ what scikit-learn refuses


def per_step():
    """Two tasks with one class a time step, each cell an array, on ragged sequences."""
    X, _ = data("list")
    signs = {name: [(x[:, k] > 0).astype(int) for x in X] for k, name in enumerate("ab")}
    return X, pd.DataFrame(signs)


# scikit-learn looks for fractions, by a cast to int, before it refuses NaN
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("labels", ["missing", "per step"])
def test_default_folds_of_a_classifier_are_refused_by_scikit_learn(labels):
    X, y = data("list", missing=True) if labels == "missing" else per_step()
    calls = [
        lambda cv: cross_val_score(small(), X, y, cv=cv, error_score="raise"),
        lambda cv: learning_curve(small(), X, y, cv=cv, train_sizes=[12], error_score="raise"),
        lambda cv: GridSearchCV(small(), {"dropout": [0.0]}, cv=cv, error_score="raise").fit(X, y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"Input y contains NaN|array|broadcast") as refusal:
            call(5)
        assert not any("sk_mtrnn" in str(entry.path) for entry in refusal.traceback[1:])
        call(CV)  # and this is the way


@pytest.mark.parametrize("min_resources", ["exhaust", "smallest"])
def test_halving_of_two_tasks_needs_a_number_of_resources(min_resources):
    X, y = data("list")
    search = HalvingGridSearchCV(
        small(), {"task_weights": WEIGHTS["lists"]}, cv=CV, min_resources=min_resources
    )
    with pytest.raises(ValueError, match="1d array"):
        search.fit(X, y)
    search.set_params(min_resources=12).fit(X, y)
    search.set_params(min_resources=min_resources, resource="max_epochs", max_resources=3)
    search.fit(X, y)


# ------------------------------------------------------------------------ parameters searched


def test_search_inside_a_task_object():
    X, y = data("3d", missing=True)
    tasks = ClassificationTask()
    grid = {"tasks__label_smoothing": [0.0, 0.9], "tasks__class_weight": [None, "balanced"]}
    search = GridSearchCV(small(tasks=tasks), grid, cv=CV).fit(X, y)
    assert tasks.get_params() == ClassificationTask().get_params()
    for i, params in enumerate(search.cv_results_["params"]):
        task = ClassificationTask(params["tasks__label_smoothing"], params["tasks__class_weight"])
        expected = np.mean(fold_scores(small(tasks=task), X, y))
        assert search.cv_results_["mean_test_score"][i] == pytest.approx(expected)


def test_search_over_whole_dicts():
    X, y = data("3d", missing=True)
    losses = ("squared_error", "huber", "gaussian")
    grid = {
        "tasks": [{0: RegressionTask(loss=loss)} for loss in losses],
        "net_params": [None, {"optimizer__betas": (0.5, 0.9)}],
    }
    search = GridSearchCV(small(MultiTaskRNNRegressor), grid, cv=CV).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 6  # each of them does something
    for params, score in zip(search.cv_results_["params"], scores, strict=True):
        model = small(MultiTaskRNNRegressor, **params)
        assert score == pytest.approx(np.mean(fold_scores(model, X, y)))


def test_mixed_tasks_are_searched_with_a_scorer_of_ones_own():
    X, y = data("ragged")
    frame = pd.DataFrame({"sign": np.where(y[:, 0], "up", "down"), "mean": [x.mean() for x in X]})
    scoring = {
        "first": lambda model, X, y: np.mean(model.predict(X)["sign"].to_numpy() == y["sign"]),
        "second": make_scorer(lambda y, p: r2_score(y["mean"], p["mean"])),
    }
    grid = {"pooling": ["last", "mean"], "task_weights": [{"mean": 3.0}, {"sign": 0.0}]}
    search = GridSearchCV(small(MultiTaskRNN), grid, cv=CV, scoring=scoring, refit="second")
    search.fit(X, frame)
    assert search.best_score_ == max(search.cv_results_["mean_test_second"])
    assert search.predict(X).columns.tolist() == ["sign", "mean"]


# --------------------------------------------------------------------------- metadata routing


@pytest.mark.parametrize("per_task", [False, True])
def test_sample_weights_are_routed(per_task):
    X, y = data("ragged", missing=True)
    weight = np.random.default_rng(1).uniform(0.1, 2.0, size=(N, 2) if per_task else N)
    expected = fold_scores(small(), X, y, weight=weight)
    assert expected != fold_scores(small(), X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        results = cross_validate(model, X, y, cv=CV, params={"sample_weight": weight})
        assert_array_equal(results["test_score"], expected)
        search = GridSearchCV(model, {"dropout": [0.0]}, cv=CV).fit(X, y, sample_weight=weight)
        assert search.best_score_ == pytest.approx(np.mean(expected))
        pipeline = make_pipeline(SequenceTransformer(StandardScaler()), model)
        assert np.isfinite(pipeline.fit(X, y, sample_weight=weight).score(X, y))
    reference = small().fit(X, y, sample_weight=weight)
    assert_array_equal(search.predict(X), reference.predict(X))
