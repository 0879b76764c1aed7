"""Deep ensembles: means of their members, seeds, inside scikit-learn's tools."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.metrics import multitask_scorer
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold, cross_val_predict

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 2}


def ensemble_of(estimator, n_estimators=3, **options):
    return DeepEnsemble(estimator, n_estimators, random_state=0, **options)


def double(X):
    return [2 * x for x in X]


@pytest.fixture
def mixed(ragged, mixed_labels):
    """An ensemble of every kind of task, one quantity of each kind with a variance of its own."""
    tasks = {name: RegressionTask(loss="gaussian") for name in ("level", "total")}
    labels = mixed_labels.set_axis([f"s{i}" for i in range(40)])
    labels["other"] = labels["level"] / 100 + 0.5
    return ensemble_of(MultiTaskRNN(tasks=tasks, **SMALL)).fit(ragged, labels), labels


# ------------------------------------------------------------------------------- the members


def test_probabilities_and_labels_of_every_kind(mixed, ragged):
    ensemble, y = mixed
    proba = ensemble.predict_proba(ragged)
    each = [member.predict_proba(ragged) for member in ensemble.estimators_]
    prediction = ensemble.predict(ragged)
    assert_allclose(proba["sign"], sum(p["sign"] for p in each) / 3)
    assert_array_equal(prediction["sign"], ensemble.classes_["sign"][proba["sign"].argmax(1)])
    for i, steps in enumerate(proba["positive"]):
        assert_allclose(steps, sum(p["positive"][i] for p in each) / 3)
        assert_array_equal(prediction["positive"][i], steps.argmax(1))
    assert list(prediction) == list(y)
    assert list(ensemble.classes_) == list(proba) == ["sign", "positive"]
    assert len({member.net_.module_ for member in ensemble.estimators_}) == 3
    assert not np.allclose(each[0]["sign"], each[1]["sign"])  # the seeds differ


def test_moments_are_those_of_the_mixture(mixed, ragged):
    ensemble, _ = mixed
    mean, std = ensemble.predict(ragged, return_std=True)
    means, stds = zip(
        *(member.predict(ragged, return_std=True) for member in ensemble.estimators_), strict=True
    )
    for name, flat in (("level", np.array), ("total", np.hstack), ("other", np.array)):
        mu = np.stack([flat(list(m[name])) for m in means])
        sigma = np.stack([flat(list(s[name])) for s in stds])
        assert np.isnan(sigma).all() == (name == "other")
        mu_star = mu.sum(0) / 3
        variance = (np.nan_to_num(sigma) ** 2 + mu**2).sum(0) / 3 - mu_star**2
        assert_allclose(flat(list(mean[name])), mu_star)
        assert_allclose(flat(list(std[name])) ** 2, variance, rtol=1e-6)
    assert np.isnan(std["sign"].astype(float)).all()
    assert np.isnan(np.hstack(list(std["positive"]))).all()
    pd.testing.assert_frame_equal(mean, ensemble.predict(ragged))


def test_one_member_is_the_ensemble(ragged, mixed_labels):
    tasks = {"level": RegressionTask(loss="gaussian")}
    ensemble = ensemble_of(MultiTaskRNN(tasks=tasks, **SMALL), 1).fit(ragged, mixed_labels)
    (member,) = ensemble.estimators_
    pd.testing.assert_frame_equal(ensemble.predict(ragged), member.predict(ragged))
    std, own = (model.predict(ragged, return_std=True)[1] for model in (ensemble, member))
    assert_allclose(std["level"], own["level"])
    assert_array_equal(np.hstack(list(std["total"])), 0)
    assert_array_equal(ensemble.predict_proba(ragged)["sign"], member.predict_proba(ragged)["sign"])
    assert_allclose(ensemble.score(ragged, mixed_labels), member.score(ragged, mixed_labels))
    weights = np.random.default_rng(0).uniform(size=40)
    assert_allclose(
        ensemble.score(ragged, mixed_labels, weights), member.score(ragged, mixed_labels, weights)
    )


def test_a_member_is_a_fit_with_its_seed(ragged):
    y = np.array([x.mean() for x in ragged])
    ensemble = ensemble_of(MultiTaskRNNRegressor(random_state=7, **SMALL), 2).fit(ragged, y)
    seeds = [member.random_state for member in ensemble.estimators_]
    assert len({7, *seeds}) == 3
    for member in ensemble.estimators_:
        alone = clone(ensemble.estimator).set_params(random_state=member.random_state)
        assert_array_equal(alone.fit(ragged, y).predict(ragged), member.predict(ragged))
    assert ensemble.estimator.random_state == 7
    assert not hasattr(ensemble.estimator, "net_")


class Noise(FunctionTransformer):
    """A step with a seed of its own."""

    def __init__(self, func=double, random_state=None):
        super().__init__(func)
        self.random_state = random_state


def test_every_random_state_gets_a_seed(ragged):
    pipeline = Pipeline([("noise", Noise()), ("net", MultiTaskRNNRegressor(**SMALL))])
    y = [x.mean() for x in ragged]
    ensemble = ensemble_of(pipeline, 2).fit(ragged, y)
    seeds = [
        member.get_params()[f"{step}__random_state"]
        for member in ensemble.estimators_
        for step in ("noise", "net")
    ]
    assert len(set(seeds)) == 4
    again = ensemble_of(pipeline, 3).fit(ragged, y)
    assert_array_equal(
        again.estimators_[1].predict(ragged), ensemble.estimators_[1].predict(ragged)
    )


def test_only_the_random_state_decides(ragged):
    y = [x.mean() for x in ragged]
    model, before = MultiTaskRNNRegressor(**SMALL), np.random.get_state()[1].copy()
    predictions = [ensemble_of(model, 2).fit(ragged, y).predict(ragged) for _ in range(2)]
    assert_array_equal(*predictions)
    assert_array_equal(np.random.get_state()[1], before)
    other = DeepEnsemble(model, 2, random_state=1).fit(ragged, y).predict(ragged)
    assert not np.allclose(other, predictions[0])
    np.random.seed(3)
    first = DeepEnsemble(model, 2).fit(ragged, y).predict(ragged)
    np.random.seed(3)
    assert_array_equal(DeepEnsemble(model, 2).fit(ragged, y).predict(ragged), first)


def test_in_parallel_the_same(ragged, mixed_labels):
    model = MultiTaskRNN(n_threads=1, **SMALL)
    one, two = (ensemble_of(model, 2, n_jobs=n_jobs).fit(ragged, mixed_labels) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.predict(ragged), two.predict(ragged))
    assert_array_equal(one.predict_proba(ragged)["sign"], two.predict_proba(ragged)["sign"])


# ------------------------------------------------------------------------------- scikit-learn


def test_it_is_what_its_estimator_is():
    kinds = {MultiTaskRNNClassifier: (1, 0), MultiTaskRNNRegressor: (0, 1), MultiTaskRNN: (0, 0)}
    for estimator, (classifies, regresses) in kinds.items():
        for inner in (estimator(), make_pipeline(FunctionTransformer(), estimator())):
            ensemble = DeepEnsemble(inner)
            assert (is_classifier(ensemble), is_regressor(ensemble)) == (classifies, regresses)
            assert get_tags(ensemble).transformer_tags is None
            assert hasattr(ensemble, "predict_proba") == (estimator is not MultiTaskRNNRegressor)
    assert not hasattr(DeepEnsemble(MultiTaskRNN()), "classes_")
    with pytest.raises(NotFittedError):
        DeepEnsemble(MultiTaskRNN()).predict([np.zeros((2, 1))])


def test_attributes_are_those_of_the_members(mixed, ragged):
    ensemble, y = mixed
    assert ensemble.task_names_ == list(y)
    assert ensemble.task_types_ == ensemble.estimators_[0].task_types_
    assert (ensemble.n_tasks_, ensemble.n_features_in_) == (5, 2)
    assert not hasattr(ensemble, "feature_names_in_")
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=list("abc"))
    named = ensemble_of(MultiTaskRNN(**SMALL), 1).fit(X, X["a"] * 1.5)
    assert named.feature_names_in_.tolist() == list("abc")
    assert not hasattr(named, "predict_proba")
    assert not hasattr(named, "classes_")
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict(X.rename(columns={"a": "z"}))


def test_sample_index_comes_back(mixed_labels, ragged):
    X = pd.Series(ragged, index=[f"s{i}" for i in range(40)])
    y = mixed_labels.set_axis(X.index)
    ensemble = ensemble_of(MultiTaskRNN(**SMALL), 2).fit(X, y)
    assert ensemble.predict(X[5:9]).index.equals(X.index[5:9])


def test_copies_predict_the_same(mixed, ragged):
    ensemble, y = mixed
    for copy in (pickle.loads(pickle.dumps(ensemble)), clone(ensemble).fit(ragged, y)):
        pd.testing.assert_frame_equal(copy.predict(ragged), ensemble.predict(ragged))
    assert repr(clone(DeepEnsemble(MultiTaskRNN(), 3))) == (
        "DeepEnsemble(estimator=MultiTaskRNN(), n_estimators=3)"
    )


def test_searches_scorers_and_splitters(ragged, mixed_labels):
    X = np.empty(40, dtype=object)
    X[:] = ragged
    y = mixed_labels[["sign", "level", "positive"]].copy()
    y.loc[::6, "sign"] = None
    y.loc[1::6, "level"] = np.nan
    scoring = multitask_scorer({"sign": "roc_auc", "level": "r2", "positive": "accuracy"})
    search = GridSearchCV(
        ensemble_of(MultiTaskRNN(**SMALL), 2),
        {"estimator__hidden_layer_sizes": [(2,), (8,)], "n_estimators": [1, 2]},
        scoring=scoring,
        cv=MultiTaskStratifiedKFold(2),
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.get_params()["estimator__hidden_layer_sizes"] in [(2,), (8,)]
    prediction = cross_val_predict(ensemble_of(MultiTaskRNN(**SMALL), 1), X, y, cv=2)
    assert list(prediction) == list(y)
    scores = cross_val_score(
        make_pipeline(FunctionTransformer(double), ensemble_of(MultiTaskRNN(**SMALL), 1)),
        X,
        y,
        scoring=scoring,
        cv=KFold(2),
    )
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("piped", [False, True])
def test_weights_reach_the_members(ragged, routing, piped):
    y = np.array([x.mean() for x in ragged])
    weights = np.r_[np.zeros(20), np.ones(20)]
    network = MultiTaskRNNRegressor(tasks=RegressionTask(loss="gaussian"), **SMALL)
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            network.set_fit_request(sample_weight=True)
        estimator = make_pipeline(FunctionTransformer(double), network) if piped else network
        ensemble = ensemble_of(estimator, 2).fit(ragged, y, sample_weight=weights)
        half = ensemble_of(estimator, 2).fit(ragged, y)
        mean, std = ensemble.predict(ragged, return_std=True)
    member = ensemble.estimators_[0]
    X = double(ragged) if piped else ragged
    alone = clone(network).set_params(random_state=(member[-1] if piped else member).random_state)
    alone.fit(X, y, sample_weight=weights)
    assert_allclose(alone.predict(X), member.predict(ragged))
    assert not np.allclose(mean, half.predict(ragged))
    assert (std > 0).all()


def test_routing_asks_on_the_estimator(ragged):
    y = np.array([x.mean() for x in ragged])
    weights = np.r_[np.full(20, 1e-6), np.ones(20)]
    network = MultiTaskRNNRegressor(**SMALL)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = ensemble_of(network.set_fit_request(sample_weight=True), 1)
        scoring = multitask_scorer("r2").set_score_request(sample_weight=False)
        search = GridSearchCV(asking, {"n_estimators": [1]}, scoring=scoring, cv=KFold(2))
        search.fit(np.array([x[:3] for x in ragged]), y, sample_weight=weights)
        alone = clone(asking).fit(np.array([x[:3] for x in ragged]), y, sample_weight=weights)
        found, expected = (m.predict(np.ones((2, 3, 2))) for m in (search, alone))
    assert_array_equal(found, expected)
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match="sample_weight"),
    ):
        ensemble_of(MultiTaskRNNRegressor(**SMALL), 1).fit(ragged, y, sample_weight=weights)


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        (DeepEnsemble(DecisionTreeClassifier()), "estimator must be a MultiTaskRNN, MultiTaskRNNC"),
        (DeepEnsemble("gru"), "'estimator' parameter of DeepEnsemble must be"),
        (
            DeepEnsemble(MultiTaskRNN(), 0),
            "'n_estimators' parameter of DeepEnsemble must be an int",
        ),
        (DeepEnsemble(MultiTaskRNN(), 2.0), "'n_estimators' parameter of DeepEnsemble must be"),
        (DeepEnsemble(MultiTaskRNN(), n_jobs="two"), "'n_jobs' parameter of DeepEnsemble must be"),
        (DeepEnsemble(MultiTaskRNN(cell="gruu")), "'cell' parameter of MultiTaskRNN must be"),
    ],
)
def test_what_is_refused(ensemble, message, ragged):
    with pytest.raises(ValueError, match=message):
        ensemble.fit(ragged, [x.mean() for x in ragged])


def test_a_refused_fit_loses_no_ensemble(mixed, ragged):
    ensemble, y = mixed
    before = ensemble.predict(ragged)
    with pytest.raises(ValueError, match="infinity"):
        ensemble.fit(ragged, y.assign(level=np.inf))
    pd.testing.assert_frame_equal(ensemble.predict(ragged), before)


N_CHECKS = {MultiTaskRNNClassifier: 60, MultiTaskRNNRegressor: 56, MultiTaskRNN: 45}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", N_CHECKS)
def test_scikit_learns_suite(estimator):
    inner = estimator(dtype="float64", n_threads=1)
    with warnings.catch_warnings():
        # warnings of the checks' own making (constant targets, tiny data) are no failures
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", SkipTestWarning)
        results = check_estimator(DeepEnsemble(inner, 2), on_fail=None, on_skip=None)
    assert [r["check_name"] for r in results if r["status"] != "passed"] == []
    assert len(results) >= N_CHECKS[estimator]
