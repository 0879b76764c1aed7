"""Ways of sharing, against their formulas over recurrences that are run one by one."""

import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn.recurrence import PackedLayout, RecurrentStack
from sk_mtrnn.sharing import (
    SHARINGS,
    CrossStitch,
    HardSharing,
    Independent,
    MixtureOfExperts,
    SharedPrivate,
    SharedRecurrence,
    SharedStates,
    Sharing,
    SharingContext,
    States,
    TaskInputs,
)

K, F, SIZES = 3, 2, (4, 5)
LAYOUT = PackedLayout(torch.tensor([3, 3, 2, 1]))  # sequences of 4, 3 and 2 steps
EXACT = {"rtol": 0, "atol": 1e-12}
SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def stack(sizes=SIZES, cell="gru", bidirectional=False):
    return RecurrentStack(cell, "tanh", F, sizes, bidirectional, 0.0).double()


def build(sharing, **options):
    context = SharingContext(K, F, SIZES, lambda sizes=SIZES: stack(sizes, **options))
    module = sharing.build(context).double()
    with torch.no_grad():
        for parameter in module.parameters():  # none of them where it started
            parameter += 0.3 * torch.randn_like(parameter)
    return module


def inputs(n=1):
    return [torch.randn(9, F, dtype=torch.float64) for _ in range(n)]


def expected(module, sharing, x):
    """For each layer and task the steps and final states, by loops."""
    x = x if len(x) == K else x * K
    if sharing == "hard":
        return [[module.stack(x[k], LAYOUT)[i] for k in range(K)] for i in range(2)]
    if sharing == "none":
        return [[module.stacks[k](x[k], LAYOUT)[i] for k in range(K)] for i in range(2)]
    if sharing == "shared_private":
        return [
            [
                tuple(
                    torch.cat(pair, dim=1)
                    for pair in zip(
                        module.shared(x[k], LAYOUT)[i],
                        module.private[k](x[k], LAYOUT)[i],
                        strict=True,
                    )
                )
                for k in range(K)
            ]
            for i in range(2)
        ]
    if sharing == "mmoe":
        return [[_experts(module, x[k], k, i) for k in range(K)] for i in range(2)]
    layers, steps = [], x
    for i in range(2):
        runs = [module.columns[k].layer(i, steps[k], LAYOUT) for k in range(K)]
        a = module.mixing[i]
        layers.append(
            [tuple(sum(a[k, j] * runs[j][p] for j in range(K)) for p in (0, 1)) for k in range(K)]
        )
        steps = [layers[i][k][0] for k in range(K)]
    return layers


def _experts(module, x, k, i):
    """Equations 5 to 7 of Ma et al. (2018), in numpy."""
    W, b = module.gate_weight[k].detach().numpy(), module.gate_bias[k].detach().numpy()
    mixed = []
    sequences = nn.utils.rnn.unpack_sequence(PackedSequence(x, LAYOUT.batch_sizes))
    means = [np.cumsum(s.numpy(), 0) / np.arange(1, len(s) + 1)[:, None] for s in sequences]
    packed = nn.utils.rnn.pack_sequence([torch.from_numpy(mean) for mean in means]).data
    for part, rows in enumerate((packed, torch.from_numpy(np.stack([m[-1] for m in means])))):
        scores = rows.numpy() @ W + b
        gates = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        states = [expert(x, LAYOUT)[i][part].detach().numpy() for expert in module.experts]
        mixed.append(torch.from_numpy(sum(gates[:, [e]] * h for e, h in enumerate(states))))
    return tuple(mixed)


@pytest.mark.parametrize("own_inputs", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", SHARINGS)
def test_every_way_is_its_formula(name, bidirectional, cell, own_inputs):
    module = build(SHARINGS[name](), bidirectional=bidirectional, cell=cell)
    x = inputs(K if own_inputs else 1)
    shared = module(x, LAYOUT)
    for layer, wanted in zip(shared.layers, expected(module, name, x), strict=True):
        for k in range(K):
            own = [part.expand(K, -1, -1)[k] for part in layer]
            torch.testing.assert_close(own[0], wanted[k][0], **EXACT)
            torch.testing.assert_close(own[1], wanted[k][1], **EXACT)
    assert [layer.steps.shape[2] for layer in shared.layers] == list(module.sizes)
    assert (shared.common is not None) == (module.common_sizes is not None and not own_inputs)
    if shared.common is not None:
        assert [layer.steps.shape[2] for layer in shared.common] == list(module.common_sizes)


@pytest.mark.parametrize("lowest", [0, 1])
@pytest.mark.parametrize("name", SHARINGS)
def test_shared_parameters_are_those_that_every_task_moves(name, lowest):
    """The first task reads the layer ``lowest``, all others the last one."""
    module = build(SHARINGS[name]())
    layers = module(inputs(), LAYOUT).layers
    shared = {id(parameter) for parameter in module.shared_parameters(lowest)}
    moved = []
    for k in range(K):
        layer = layers[-1 if k else lowest]
        loss = layer.steps.expand(K, -1, -1)[k].square().sum()
        loss = loss + layer.final.expand(K, -1, -1)[k].square().sum()
        gradients = torch.autograd.grad(
            loss, list(module.parameters()), retain_graph=True, allow_unused=True
        )
        pairs = zip(module.parameters(), gradients, strict=True)
        moved.append({id(p) for p, g in pairs if g is not None and g.abs().sum() > 0})
    wanted = set.intersection(*moved)
    if name == "mmoe":  # one stacked parameter holds all gates, each of which one task moves
        wanted -= {id(module.gate_weight), id(module.gate_bias)}
    if name == "cross_stitch":  # the columns' last layers are read through α by every task
        wanted = moved[0]
    assert shared == wanted
    assert bool(shared) == (name != "none")


def test_orthogonality_is_its_formula():
    module = build(SharedPrivate(private_size=3, orthogonality=0.7))
    x = inputs()
    shared = module(x, LAYOUT)
    H = module.shared(x[0], LAYOUT)[-1][0]
    private = [own(x[0], LAYOUT)[-1][0] for own in module.private]
    wanted = 0.7 * sum(((H.T @ own / 9) ** 2).sum() for own in private)
    torch.testing.assert_close(shared.penalty, wanted, **EXACT)
    assert module.sizes == (7, 8)
    assert build(SharedPrivate())(x, LAYOUT).penalty is None


def test_orthogonality_pulls_states_apart():
    X, y = toy(60)
    overlaps = []
    for weight in (0.0, 30.0):
        sharing = SharedPrivate(orthogonality=weight)
        model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 20}, sharing=sharing).fit(X, y)
        module = model.net_.module_.sharing
        module.orthogonality = 1.0
        layout = PackedLayout(torch.full((6,), 60))
        steps = torch.from_numpy(X.transpose(1, 0, 2).reshape(-1, 2).copy())
        overlaps.append(float(module([steps], layout).penalty.detach()))
    assert overlaps[1] < 0.2 * overlaps[0]


def toy(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6, 2))
    return X, np.column_stack([X[:, :, 0].sum(1), X[:, :, 1].sum(1), X[:, -1].sum(1)])


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_independent_networks_are_single_fits(pooling):
    """Without what joins all gradients, K networks in one fit learn what each learns alone."""
    X, y = toy()
    params = {**SMALL, "max_epochs": 4, "max_grad_norm": None, "pooling": pooling}
    together = MultiTaskRNNRegressor(sharing="none", **params).fit(X, y)
    for k in range(3):
        alone = MultiTaskRNNRegressor(**params).fit(X, y[:, k])
        np.testing.assert_allclose(together.predict(X)[:, k], alone.predict(X), rtol=1e-9)
        np.testing.assert_allclose(together.loss_curve_[:, k], alone.loss_curve_[:, 0], rtol=1e-9)


@pytest.mark.parametrize("name", SHARINGS)
def test_permuting_tasks_permutes_predictions(name):
    X, y = toy()
    order = [2, 0, 1]
    params = {**SMALL, "sharing": name}
    first = MultiTaskRNNRegressor(**params).fit(X, y).predict(X)
    second = MultiTaskRNNRegressor(**params).fit(X, y[:, order]).predict(X)
    np.testing.assert_allclose(first[:, order], second, rtol=1e-7)


@pytest.mark.parametrize("name", SHARINGS)
def test_batch_mates_change_nothing(name):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(2, 9, 30)]
    y = rng.normal(size=(30, 2))
    model = MultiTaskRNNRegressor(**{**SMALL, "hidden_layer_sizes": (4, 3)}, sharing=name).fit(X, y)
    whole = model.predict(X)
    for i in (0, 7, 29):
        np.testing.assert_allclose(model.predict([X[i]])[0], whole[i], rtol=1e-10)


def test_one_task_needs_no_sharing():
    """For a single task cross-stitch and independence are the plain model."""
    X, y = toy()
    plain = MultiTaskRNNRegressor(**SMALL).fit(X, y[:, 0]).predict(X)
    alone = MultiTaskRNNRegressor(**SMALL, sharing="none").fit(X, y[:, 0]).predict(X)
    np.testing.assert_array_equal(alone, plain)


def test_names_stand_for_objects_with_defaults():
    X, y = toy()
    pairs = {
        "hard": HardSharing(),
        "shared_private": SharedPrivate(),
        "cross_stitch": CrossStitch(),
        "mmoe": MixtureOfExperts(),
        "none": Independent(),
    }
    for name, sharing in pairs.items():
        by_name = MultiTaskRNNRegressor(**SMALL, sharing=name).fit(X, y)
        by_object = MultiTaskRNNRegressor(**SMALL, sharing=sharing).fit(X, y)
        np.testing.assert_array_equal(by_name.predict(X), by_object.predict(X))
        assert clone(by_object).sharing.get_params() == sharing.get_params()


@pytest.mark.parametrize(
    ("sharing", "text"),
    [
        (MixtureOfExperts(n_experts=0), "n_experts"),
        (SharedPrivate(private_size=0), "private_size"),
        (SharedPrivate(orthogonality=-1.0), "orthogonality"),
        ("soft", "sharing"),
        (MixtureOfExperts, "sharing"),
    ],
)
def test_bad_options_are_named(sharing, text):
    X, y = toy()
    with pytest.raises(ValueError, match=f"'{text}' parameter"):
        MultiTaskRNNRegressor(**SMALL, sharing=sharing).fit(X, y)


def test_the_number_of_experts_and_private_units_is_what_was_asked():
    X, y = toy()
    model = MultiTaskRNNRegressor(**SMALL, sharing=MixtureOfExperts(n_experts=2)).fit(X, y)
    assert len(model.net_.module_.sharing.experts) == 2
    model = MultiTaskRNNRegressor(**SMALL, sharing=SharedPrivate(private_size=3)).fit(X, y)
    assert model.net_.module_.sharing.sizes == (7,)


class Scaled(Sharing):
    """A way of one's own: task k reads one trunk, times a learned factor."""

    def build(self, context):
        return ScaledTrunk(context.stack(), context.n_tasks)


class ScaledTrunk(SharedRecurrence):
    def __init__(self, stack, n_tasks):
        super().__init__()
        self.stack, self.sizes = stack, stack.sizes
        self.scales = torch.nn.Parameter(torch.ones(n_tasks, 1, 1))

    def forward(self, inputs, layout):
        levels = self.stack(inputs[0], layout)
        return SharedStates([States(h * self.scales, end * self.scales) for h, end in levels], None)


def test_ones_own_way_is_trained():
    X, y = toy()
    torch_module = MultiTaskRNNRegressor(**SMALL, sharing=Scaled()).fit(X, y).net_.module_
    scales = torch_module.sharing.scales.detach()
    assert (scales != 1).all()
    assert len(scales.unique()) == 3


def test_own_channels_are_projected_into_the_shared_space():
    module = TaskInputs(3, [None, (2,), (0, 1)]).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    plain, second, third = module([x])
    assert plain is x
    torch.testing.assert_close(second, x * torch.tensor([0.0, 0.0, 1.0]), **EXACT)
    torch.testing.assert_close(third, x * torch.tensor([1.0, 1.0, 0.0]), **EXACT)
    W = torch.randn(1, 3, dtype=torch.float64)
    module.projections["1"].data = W
    torch.testing.assert_close(module([x])[1], x[:, 2:] @ W, **EXACT)
    own = [x, 2 * x, 3 * x]  # where each task has embeddings of its own
    torch.testing.assert_close(module(own)[1], 2 * x[:, 2:] @ W, **EXACT)


@pytest.mark.parametrize("name", SHARINGS)
def test_a_task_with_channels_of_its_own_sees_no_others(name):
    X, y = toy()
    tasks = {0: RegressionTask(features=[0]), 1: RegressionTask(features=[1])}
    for skip in (False, True):
        model = MultiTaskRNN(**SMALL, tasks=tasks, sharing=name, input_skip=skip).fit(X, y)
        before, changed = model.predict(X), X.copy()
        changed[:, :, 1] += 1
        after = model.predict(changed)
        assert (after[:, 2] != before[:, 2]).all()
        if name != "cross_stitch":  # whose tasks see each other's states
            np.testing.assert_array_equal(after[:, 0], before[:, 0])
        assert (after[:, 1] != before[:, 1]).all()


@pytest.mark.parametrize("n_experts", [1, 2, 4, 5])
def test_tasks_start_with_an_expert_of_their_own(n_experts):
    context = SharingContext(K, F, SIZES, stack)
    module = MixtureOfExperts(n_experts).build(context).double()
    gates = module.gates([torch.zeros(1, F, dtype=torch.float64)] * K)[:, 0].detach()
    own = torch.arange(K) % n_experts
    wanted = torch.full((K, n_experts), 0.1 / max(n_experts - 1, 1), dtype=torch.float64)
    wanted[torch.arange(K), own] = 0.9 if n_experts > 1 else 1.0
    torch.testing.assert_close(gates, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("n_tasks", [1, 2, 5])
def test_no_two_experts_stay_equal(n_tasks):
    X, y = toy()
    y = np.column_stack([y[:, k % 3] for k in range(n_tasks)])
    model = MultiTaskRNNRegressor(**SMALL, sharing="mmoe").fit(X, y)
    experts = model.net_.module_.sharing.experts
    weights = [torch.cat([p.flatten() for p in expert.parameters()]) for expert in experts]
    for i in range(4):
        for other in weights[:i]:
            assert (weights[i] - other).abs().max() > 1e-4


def test_a_deep_copy_is_independent():
    X, y = toy()
    model = MultiTaskRNNRegressor(**SMALL, sharing="cross_stitch").fit(X, y)
    before = model.predict(X)
    copy.deepcopy(model).partial_fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
