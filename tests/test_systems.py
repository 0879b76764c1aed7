"""Every system between tasks, alone and in pairs, on ragged, partly labelled, mixed tasks."""

import pickle
import warnings
from itertools import combinations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor
from sk_mtrnn.datasets import make_multitask_sequences
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold
from sk_mtrnn.relations import RELATIONS, TaskAttention
from sk_mtrnn.sampling import BATCHINGS
from sk_mtrnn.sharing import SHARINGS, MixtureOfExperts
from sk_mtrnn.weighting import AGGREGATIONS, WEIGHTINGS, DynamicWeightAverage

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "batch_size": 20, "random_state": 0}
KINDS = {
    "kind": "classification",
    "level": "regression",
    "state": "classification_per_step",
    "trace": "regression_per_step",
}
X, Y = make_multitask_sequences(40, (3, 8), tasks=KINDS, missing_labels=0.3, random_state=0)
VALUES = {
    "sharing": list(SHARINGS),
    "task_relation": [None, *RELATIONS],
    "task_weights": [None, *WEIGHTINGS],
    "gradient_aggregation": [None, *AGGREGATIONS],
    "batching": list(BATCHINGS),
}
DEFAULTS = MultiTaskRNN().get_params()
ALONE = [
    {name: value} for name, values in VALUES.items() for value in values if value != DEFAULTS[name]
]
PAIRS = [
    {**one, **other}
    for one, other in combinations(ALONE, 2)
    if one.keys().isdisjoint(other)  # a system with itself is no pair
]
COMPARE = ("gradnorm", "famo", "geometric", "rlw")


def described(params):
    return "-".join(str(value) for value in params.values())


def refusal(params):
    """What the text of a refusal says, None where everything goes together."""
    value = {**DEFAULTS, **params}
    aggregates = value["gradient_aggregation"] is not None
    if aggregates and value["task_weights"] not in (None, "relatedness"):
        return "gradient_aggregation needs task_weights that are fixed"
    if aggregates and value["batching"] == "alternate":
        return "gradient_aggregation needs the gradients of several tasks"
    if value["batching"] == "alternate" and value["task_weights"] in COMPARE:
        return "compares the losses of the tasks in a batch"
    if value["sharing"] == "none" and (aggregates or value["task_weights"] == "gradnorm"):
        return "with sharing='none' they share none"
    return None


def needs(params):
    if params.get("gradient_aggregation") is not None:
        pytest.importorskip("torchjd", reason="gradient_aggregation needs the extra 'balance'")


def equal(one, other):
    for name in one:
        for a, b in zip(one[name], other[name], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("params", ALONE, ids=described)
def test_each_system_fits_predicts_scores_clones_and_pickles(params):
    needs(params)
    model = MultiTaskRNN(**SMALL, **params).fit(X, Y)
    prediction = model.predict(X)
    assert set(prediction["kind"]) <= {0.0, 1.0, 2.0}
    assert [len(cell) for cell in prediction["trace"]] == [len(x) for x in X]
    assert np.isfinite(prediction["level"]).all()
    assert np.isfinite(model.score(X, Y))
    assert model.loss_curve_.shape == model.task_weights_.shape == (2, 4)
    known = np.isfinite(model.loss_curve_)
    assert known.all() or params.get("batching") == "alternate"  # two batches for four tasks
    np.testing.assert_array_equal(np.isfinite(model.task_weights_), known)
    equal(pickle.loads(pickle.dumps(model)).predict(X), prediction)
    equal(clone(model).fit(X, Y).predict(X), prediction)  # the same seed, the same numbers
    assert model.get_params() == {**MultiTaskRNN().get_params(), **SMALL, **params}


@pytest.mark.parametrize("params", PAIRS, ids=described)
def test_every_pair_fits_or_says_why_not(params):
    needs(params)
    model = MultiTaskRNN(**{**SMALL, "max_epochs": 1}, **params)
    text = refusal(params)
    if text is None:
        assert np.isfinite(model.fit(X, Y).predict(X)["level"]).all()
    else:
        with pytest.raises(ValueError, match=text):
            model.fit(X, Y)


def test_pairs_are_all_there_are():
    sizes = [len(values) - 1 for values in VALUES.values()]
    assert len(ALONE) == sum(sizes)
    assert len(PAIRS) == sum(a * b for a, b in combinations(sizes, 2))


@pytest.mark.parametrize("relation", [None, *RELATIONS])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_batch_mates_and_their_order_change_no_prediction(sharing, relation):
    model = MultiTaskRNN(**SMALL, sharing=sharing, task_relation=relation, dtype="float64")
    whole = model.fit(X, Y).predict(X)
    order = np.random.default_rng(0).permutation(len(X))
    turned = model.predict(X[order])
    for row, i in enumerate(order[:5]):
        alone = model.predict(X[[i]])
        for name in Y:
            one, two, three = whole[name][i], turned[name][row], alone[name][0]
            np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(one, three, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_are_recorded_with_early_stopping_too(relation):
    params = {**SMALL, "task_relation": relation, "early_stopping": True}
    matrix = MultiTaskRNN(**params).fit(X, Y).task_relation_
    assert matrix.shape == (4, 4)
    if relation == "attention":
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("params", ALONE, ids=described)
def test_the_global_generators_stay_as_they_were(params):
    import torch

    needs(params)
    before = np.random.get_state()[1].copy(), torch.get_rng_state().clone()
    MultiTaskRNN(**{**SMALL, "max_epochs": 1}, **params).fit(X, Y).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("params", ALONE, ids=described)
def test_each_system_goes_on_in_partial_fit_and_warm_start(params):
    needs(params)
    tasks = {"kind": "classification", "state": "classification"}
    tasks |= {"level": "regression", "trace": "regression"}
    model = MultiTaskRNN(**SMALL, tasks=tasks, **params)
    classes = {"kind": [0.0, 1.0, 2.0], "state": [0.0, 1.0, 2.0]}
    for _ in range(2):
        model.partial_fit(X, Y, classes=classes)
    assert model.task_weights_.shape == (2, 4)
    whole = model.predict(X)
    model.partial_fit(X, Y.drop(columns="level"))  # a chunk without labels of a task
    assert np.isfinite(model.predict(X)["level"]).all()
    found = np.isfinite(model.task_weights_[-1, [0, 2, 3]])
    assert found.all() or params.get("batching") == "alternate"
    assert not np.array_equal(model.predict(X)["trace"][0], whole["trace"][0])
    warm = MultiTaskRNN(**SMALL, **params, warm_start=True).fit(X, Y)
    first = warm.loss_curve_[0]
    warm.fit(X, Y)
    if params.get("batching") != "alternate":  # few batches, each of one task
        assert warm.loss_curve_[2].sum() < first.sum()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"sharing": "hard"}, {"sharing": "mmoe"}),
        ({"sharing": MixtureOfExperts(2)}, {"sharing": MixtureOfExperts(3)}),
        ({"task_relation": None}, {"task_relation": "gcn"}),
        ({"task_weights": "dwa"}, {"task_weights": None}),
        ({"input_skip": False}, {"input_skip": True}),
        ({"time_delays": None}, {"time_delays": [0, 1]}),
    ],
)
def test_partial_fit_keeps_its_systems(before, after):
    X, y = np.zeros((10, 3, 2)), np.arange(20.0).reshape(10, 2)
    model = MultiTaskRNNRegressor(**SMALL, **before).partial_fit(X, y)
    with pytest.raises(ValueError, match=f"partial_fit goes on .* but {next(iter(after))} changed"):
        model.set_params(**after).partial_fit(X, y)
    model.set_params(**before).partial_fit(X, y)


def test_systems_are_searched_by_name_and_from_inside():
    level = Y["level"].notna()
    x, y = X[level.to_numpy()], Y[level].reset_index(drop=True)
    search = GridSearchCV(
        MultiTaskRNN(**{**SMALL, "max_epochs": 1}, sharing=MixtureOfExperts()),
        [
            {"sharing__n_experts": [1, 2]},
            {"sharing": ["hard", "none"], "task_relation": [None, TaskAttention(2)]},
            {"task_weights": [DynamicWeightAverage()], "task_weights__temperature": [1.0, 4.0]},
        ],
        cv=MultiTaskStratifiedKFold(2),
    )
    search.fit(x, y)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    shown = [str(params) for params in search.cv_results_["params"]]
    assert any("TaskAttention(n_heads=2)" in params for params in shown)


def test_all_three_estimators_have_all_of_them():
    for estimator in (MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN):
        names = {*VALUES, "input_skip", "time_delays"}
        assert names <= set(estimator().get_params())


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("value", ["nonsense", 3, object])
def test_what_is_no_system_is_refused(name, value):
    with pytest.raises(ValueError, match=name):
        MultiTaskRNN(**SMALL, **{name: value}).fit(X, Y)


@pytest.mark.parametrize("value", [[], [0, 0], [0.5], 1, "0", [True]])
def test_time_delays_that_are_none_are_refused(value):
    with pytest.raises(ValueError, match="time_delays"):
        MultiTaskRNN(**SMALL, time_delays=value).fit(X, Y)


# ------------------------------------------------------------------ scikit-learn's own suite

LEAVES = (MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN)
CHECKED = [*ALONE, {"input_skip": True}, {"time_delays": (0, 1)}]


@pytest.mark.slow
@pytest.mark.parametrize(("params", "turn"), list(zip(CHECKED, range(99), strict=False)), ids=str)
def test_scikit_learns_suite_passes_with_each_system(params, turn):
    """In float64; the three estimators take turns, as each system is the same code in all."""
    needs(params)
    estimator = LEAVES[turn % 3](dtype="float64", hidden_layer_sizes=(16,), **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the checks' own making
        warnings.simplefilter("error", SkipTestWarning)
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    assert [r["check_name"] for r in results if r["status"] != "passed"] == []
    assert len(results) >= {0: 60, 1: 56, 2: 45}[turn % 3]


@pytest.mark.parametrize("relation", ["chain", "gcn"])
@pytest.mark.parametrize(("sharing", "n_stacks"), [("mmoe", 4), ("shared_private", 5)])
def test_three_systems_at_once_all_take_part(sharing, n_stacks, relation):
    model = MultiTaskRNN(
        **SMALL, sharing=sharing, task_relation=relation, task_weights="uncertainty"
    ).fit(X, Y)
    assert len(model.net_.module_.stacks) == n_stacks
    links = model.task_relation_[~np.eye(4, dtype=bool)]
    assert links.any()
    assert len(np.unique(model.task_weights_)) == model.task_weights_.size  # learned, each its own
    plain = MultiTaskRNN(**SMALL, sharing=sharing).fit(X, Y)
    assert not np.allclose(model.predict(X)["level"], plain.predict(X)["level"])
