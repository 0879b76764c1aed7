"""Where systems meet each other, and what changes between two fits."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, RegressionTask, stack_tasks
from sk_mtrnn.inspection import gradient_similarity, task_relatedness
from sk_mtrnn.preprocessing import SequenceTransformer
from sk_mtrnn.relations import GraphConvolution, NoRelation, RelationModule, TaskChain, TaskRelation
from sk_mtrnn.sharing import HardSharing, SharedPrivate, Sharing
from sk_mtrnn.weighting import FixedWeights, UncertaintyWeighting

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5, 2))
Y = np.column_stack([X[:, :, 0].sum(1), X[:, :, 1].sum(1)])


def fit(**params):
    return MultiTaskRNNRegressor(**{**SMALL, **params}).fit(X, Y)


# ---------------------------------------------------------------- gradients and what they are of


def test_a_penalty_goes_with_aggregated_gradients():
    pytest.importorskip("torchjd", reason="needs the extra 'balance'")
    plain = fit(sharing=SharedPrivate(), gradient_aggregation="upgrad")
    held = fit(sharing=SharedPrivate(orthogonality=5.0), gradient_aggregation="upgrad")
    assert not np.allclose(plain.predict(X), held.predict(X))


def test_gradients_of_layers_that_one_task_reads_are_not_aggregated():
    tasks = {0: RegressionTask(layer=0), 1: RegressionTask()}
    module = fit(tasks=tasks, hidden_layer_sizes=(4, 3)).net_.module_
    shared = {id(parameter) for parameter in module.shared_parameters()}
    lower, upper = module.stacks[0].layers
    assert shared == {id(parameter) for parameter in lower.parameters()}
    assert not shared & {id(parameter) for parameter in upper.parameters()}


def test_what_an_added_task_does_not_go_through_is_not_shared():
    model = fit(task_relation="gcn")
    before = len(model.net_.module_.shared_parameters())
    model.add_task(X, Y[:, 0])
    after = model.net_.module_.shared_parameters()
    assert len(after) < before
    assert len(after) == len(list(model.net_.module_.stacks[0].parameters()))


def test_similarity_goes_through_the_steps_of_a_pipeline():
    scaled = make_pipeline(SequenceTransformer(StandardScaler()), MultiTaskRNNRegressor(**SMALL))
    far = 100 + 7 * X
    scaled.fit(far, Y)
    whole = gradient_similarity(scaled, far, Y)
    last = gradient_similarity(scaled[-1], scaled[:-1].transform(far), Y)
    pd.testing.assert_frame_equal(whole, last)


# ---------------------------------------------------------------- what may change, and what may not


@pytest.mark.parametrize("task_weights", [None, "uncertainty"])
@pytest.mark.parametrize("first", [0.0, 0.1])
def test_partial_fit_follows_weight_decay(task_weights, first):
    model = MultiTaskRNNRegressor(**SMALL, task_weights=task_weights, weight_decay=first)
    model.partial_fit(X, Y).set_params(weight_decay=0.5).partial_fit(X, Y)
    noise = {id(p) for p in model.net_.criterion_.parameters()}
    decays = {
        id(parameter) in noise: group["weight_decay"]
        for group in model.net_.optimizer_.param_groups
        for parameter in group["params"]
    }
    assert decays == {False: 0.5} | ({True: 0.0} if noise else {})


def test_groups_of_ones_own_do_not_make_the_noise_decay():
    groups = [("*weight*", {"weight_decay": 0.3})]
    model = fit(
        task_weights="uncertainty",
        weight_decay=0.1,
        net_params={"optimizer__param_groups": groups},
    )
    decays = [group["weight_decay"] for group in model.net_.optimizer_.param_groups]
    assert sorted(decays) == [0.0, 0.1, 0.3]


def test_partial_fit_follows_the_aggregation():
    pytest.importorskip("torchjd", reason="needs the extra 'balance'")
    model = MultiTaskRNNRegressor(**SMALL, gradient_aggregation="nashmtl").partial_fit(X, Y)
    first = model.net_.aggregation
    assert model.partial_fit(X, Y).net_.aggregation is first  # and what it remembers
    for name in ("mgda", None, "mgda"):
        model.set_params(gradient_aggregation=name).partial_fit(X, Y)
        found = model.net_.aggregation
        assert (found if name is None else found.aggregator) == name


@pytest.mark.parametrize(
    "tasks",
    [RegressionTask(delay=1), RegressionTask("huber"), {0: RegressionTask(trim=0.5)}],
)
def test_tasks_may_not_change_between_chunks(tasks):
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"partial_fit goes on .* the parameter tasks changed"):
        model.set_params(tasks=tasks).partial_fit(X, Y)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"time_delays": (0, 1)}, {"time_delays": (0, 3)}),
        ({"task_relation": TaskChain([0, 1])}, {"task_relation": TaskChain([1, 0])}),
        (
            {"task_relation": GraphConvolution(np.eye(2))},
            {"task_relation": GraphConvolution(np.ones((2, 2)))},
        ),
        ({"pooling": "last"}, {"pooling": "mean"}),
        ({"sharing": "hard"}, {"sharing": "mmoe"}),
    ],
)
def test_a_warm_start_is_of_the_same_network(before, after):
    model = fit(**before, warm_start=True)
    name = next(iter(after))
    with pytest.raises(ValueError, match=f"warm_start=True needs the same .* but {name} changed"):
        model.set_params(**after).fit(X, Y)
    model.set_params(**before, dropout=0.1).fit(X, Y)


def test_the_plateau_is_one_of_losses_that_weigh_alike():
    model = fit(task_weights="famo", learning_rate_schedule="plateau", max_epochs=4)
    for row in model.net_.history:
        assert row["plain_loss"] == pytest.approx(sum(row["task_losses"]))
    weighed = fit(task_weights=[2.0, 0.5])
    row = weighed.net_.history[-1]
    assert row["plain_loss"] == pytest.approx(row["train_loss"], rel=0.2)


@pytest.mark.parametrize(
    "params", [{"optimizer": "sgd"}, {"net_params": {"optimizer__betas": (0.5, 0.5)}}]
)
def test_the_optimizer_may_not_change_between_chunks(params):
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(X, Y)
    with pytest.raises(ValueError, match="but optimizer or net_params changed"):
        model.set_params(**params).partial_fit(X, Y)


def test_weights_that_cannot_decay_are_refused_later_too():
    model = MultiTaskRNNRegressor(**SMALL, optimizer=torch.optim.Rprop).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"weight_decay=0\.1 has no meaning"):
        model.set_params(weight_decay=0.1).partial_fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (FixedWeights(), [1, 1]),
        (FixedWeights({1: 3.0}), [1, 3]),
        (FixedWeights([2.0, 0.5]), [2, 0.5]),
        (pd.Series([4.0, 2.0]), [4, 2]),
    ],
)
def test_fixed_weights_are_the_same_however_they_are_given(weights, expected):
    model = MultiTaskRNNRegressor(**SMALL, task_weights=weights)
    for _ in range(2):
        model.partial_fit(X, Y)
        np.testing.assert_array_equal(model.task_weights_[-1], expected)
    grown = np.column_stack([Y, Y[:, 0]])
    model.add_task(X, Y[:, 0]).partial_fit(X, grown)
    np.testing.assert_array_equal(model.task_weights_[-1], [*expected, 1])
    model.set_params(warm_start=True).fit(X, grown)
    np.testing.assert_array_equal(model.task_weights_[-1], [*expected, 1])
    with pytest.raises(ValueError, match="task_weights must be nonnegative"):
        model.set_params(task_weights=FixedWeights([-1.0, 2.0, 1.0])).partial_fit(X, grown)


def test_few_labels_do_not_make_a_task_rule():
    """Whatever the first batch held, one task with ten labels leaves the other its share."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4, 1))
    losses = []
    for seed in range(12):
        y = np.column_stack([x.sum(1)[:, 0], x.sum(1)[:, 0]]) + 0.3 * rng.normal(size=(200, 2))
        y[np.random.default_rng(seed).permutation(200)[10:], 1] = np.nan
        model = MultiTaskRNNRegressor(
            task_weights="uncertainty", hidden_layer_sizes=(8,), max_epochs=30, random_state=seed
        ).fit(x, y)
        losses.append(model.loss_curve_[-1, 0])
    assert max(losses) < 3 * np.median(losses)


# ---------------------------------------------------------------- added tasks


def test_an_unfrozen_trunk_moves_alone():
    model = fit(sharing=SharedPrivate(orthogonality=1.0), task_relation="gcn", weight_decay=0.1)
    before = {k: v.clone() for k, v in model.net_.module_.state_dict().items()}
    model.add_task(X, Y[:, 0], freeze_trunk=False)
    after = model.net_.module_.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith("sharing.shared.")}


def test_add_task_follows_the_parameters_of_now():
    still = fit().set_params(learning_rate=1e-12).add_task(X, Y[:, 0])
    head = still.net_.module_.heads[-1]
    assert (head.bias.abs() < 1e-9).all()
    assert still.net_.lr == 1e-12


def test_lists_of_weights_may_leave_added_tasks_out():
    model = fit(task_weights=[2.0, 3.0]).add_task(X, Y[:, 0])
    grown = np.column_stack([Y, Y[:, 0]])
    model.partial_fit(X, grown)
    np.testing.assert_array_equal(model.task_weights_[-1], [2, 3, 1])
    model.set_params(task_weights=[1.0, 1.0, 4.0]).partial_fit(X, grown)
    np.testing.assert_array_equal(model.task_weights_[-1], [1, 1, 4])


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"name": [1]}, r"name must be hashable, found \[1\]"),
        ({"task": "regresion"}, "task must be None, one of .* found 'regresion'"),
        ({"freeze_trunk": "no"}, "freeze_trunk must be a bool, found 'no'"),
    ],
)
def test_what_add_task_refuses_leaves_no_trace(params, text):
    model, other = fit(), fit()
    with pytest.raises(ValueError, match=text):
        model.add_task(X, Y[:, 0], **params)
    with pytest.raises(ValueError, match="layer of task"):  # after the seed is drawn
        model.add_task(X, Y[:, 0], task=RegressionTask(layer=9))
    one, two = model.partial_fit(X, Y), other.partial_fit(X, Y)
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


def test_the_best_epoch_is_that_of_the_newest_training():
    model = fit().add_task(X, Y[:, 0])
    assert model.best_epoch_ == model.n_iter_ == 4


# ---------------------------------------------------------------- tasks that are odd


@pytest.mark.parametrize("system", ["geometric", "famo"])
def test_a_task_of_one_class_takes_nothing_from_the_others(system):
    y = pd.DataFrame({"a": Y[:, 0], "b": Y[:, 1]})
    odd = y.assign(only="x")
    without, beside = (
        MultiTaskRNN(**SMALL, task_weights=system, max_grad_norm=None).fit(X, labels)
        for labels in (y, odd)
    )
    np.testing.assert_allclose(
        beside.predict(X)[["a", "b"]], without.predict(X), rtol=1e-6, atol=1e-9
    )


def test_weights_in_a_series_go_by_name():
    frame = pd.DataFrame(Y, columns=["a", "b"])
    weights = pd.Series({"b": 5.0, "a": 1.0})
    model = MultiTaskRNNRegressor(**SMALL, task_weights=weights).fit(X, frame)
    np.testing.assert_array_equal(model.task_weights_, [[1, 5]] * 2)


def test_nothing_known_of_relatedness_is_said():
    stacked = stack_tasks({"a": (X[:20], Y[:20, 0]), "b": (X[20:], Y[20:, 1])})
    for params in ({"task_relation": "gcn"}, {"task_weights": "relatedness"}):
        with pytest.warns(UserWarning, match="No two tasks have labels on the same samples"):
            MultiTaskRNNRegressor(**SMALL, **params).fit(*stacked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relation = GraphConvolution(adjacency="learned")
        MultiTaskRNNRegressor(**SMALL, task_relation=relation).fit(*stacked)
        fit(task_relation="gcn")


def test_relatedness_may_be_given_as_it_was_measured():
    measured = task_relatedness(Y)
    given = fit(task_relation=GraphConvolution(measured)).task_relation_
    np.testing.assert_allclose(given, fit(task_relation="gcn").task_relation_, rtol=1e-12)


def test_labels_that_all_weigh_nothing_in_a_chunk_teach_nothing():
    weights = np.column_stack([np.ones(40), np.zeros(40)])
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(X, Y, sample_weight=weights)
    assert np.isnan(model.predict(X)[:, 1]).all()
    model.partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


def test_a_task_that_weighs_nothing_is_not_served():
    model = fit(batching="alternate", task_weights=[0.0, 1.0], max_epochs=5)
    assert np.isnan(model.loss_curve_[:, 0]).all()
    assert np.isfinite(model.loss_curve_[:, 1]).all()


def test_a_chunk_that_only_labels_what_weighs_nothing_is_refused_by_turns():
    model = MultiTaskRNNRegressor(**SMALL, batching="alternate", task_weights=[1.0, 0.0])
    model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="at least one label of a task that weighs"):
        model.partial_fit(X, np.column_stack([np.full(40, np.nan), Y[:, 1]]))


def test_no_labels_no_weight():
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(X, Y)
    model.partial_fit(X, np.column_stack([Y[:, 0], np.full(40, np.nan)]))
    for recorded in (model.loss_curve_, model.task_weights_):
        np.testing.assert_array_equal(np.isnan(recorded), [[False, False], [False, True]])


def test_delays_beyond_every_sequence_are_refused():
    with pytest.raises(ValueError, match=r"time_delays must reach .* up to 5, found \(5, -7\)"):
        fit(time_delays=(5, -7))
    fit(time_delays=(4, 9))


# ---------------------------------------------------------------- systems of one's own


class Noisy(Sharing):
    """Draws from the global generator, in training and in prediction."""

    def build(self, context):
        module = HardSharing().build(context)
        module.stack.layers[0].register_forward_hook(
            lambda layer, given, found: (found[0] + 0.1 * torch.randn_like(found[0]), found[1])
        )
        return module


def test_what_somebody_else_draws_comes_from_the_seed_too():
    predictions = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        predictions.append(fit(sharing=Noisy()).predict(X))
        assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(*predictions)


class Shifted(TaskRelation):
    """A relation of one's own that moves outputs."""

    def build(self, context):
        return Shift()


class Shift(RelationModule):
    def outputs(self, outputs, per_step, layout):
        return [output + 100.0 for output in outputs]

    def matrix(self):
        return None

    def shared_parameters(self):
        return []


def test_ones_own_relation_is_heard():
    far = fit(task_relation=Shifted(), standardize=False, learning_rate=1e-12).predict(X)
    assert (far > 90).all()
    assert not NoRelation().build(None).moves_outputs


class Broken(UncertaintyWeighting):
    def build(self, context):
        return None


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"task_weights": Broken()}, r"Broken\.build must return a Weigher, found NoneType"),
        (
            {
                "sharing": type(
                    "Odd", (Sharing,), {"build": lambda self, context: torch.nn.Identity()}
                )()
            },
            r"Odd\.build must return a SharedRecurrence, found Identity",
        ),
        (
            {"task_relation": type("Odd", (TaskRelation,), {"build": lambda self, context: 3})()},
            r"Odd\.build must return a RelationModule, found int",
        ),
    ],
)
def test_a_system_that_builds_something_else_is_named(params, text):
    with pytest.raises(TypeError, match=text):
        fit(**params)


def test_attending_tasks_that_pool_nothing_have_no_part_in_the_features():
    y = pd.DataFrame({"whole": Y[:, 0], "steps": list(X[:, :, 0])})
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 8}, pooling="attention").fit(X, y)
    (reading,) = model.net_.module_.readings
    assert (reading.pooling.query[1] == 0).all()
    before = model.transform(X)
    with torch.no_grad():
        reading.pooling.query[1] += 5.0
    np.testing.assert_array_equal(model.transform(X), before)
