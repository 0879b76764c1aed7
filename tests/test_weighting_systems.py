"""What all systems that weigh task losses have in common, and the parameter that names them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn
from weighted_tasks import (
    ALL,
    NAMES,
    SYSTEMS,
    Trunk,
    build,
    context,
    train,
    weights_of,
)

from sk_mtrnn.weighting import (
    FAMO,
    WEIGHTINGS,
    DynamicWeightAverage,
    FixedWeights,
    GeometricMean,
    GradNorm,
    RandomLossWeighting,
    UncertaintyWeighting,
    resolve_weighting,
)

each_system = pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: type(s).__name__)


@each_system
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_total_has_the_dtype_of_the_losses(system, dtype):
    trunk = Trunk().to(dtype)
    trunk.slopes, trunk.targets, trunk.floors = (
        part.to(dtype) for part in (trunk.slopes, trunk.targets, trunk.floors)
    )
    weigher = build(system)
    total = weigher(trunk(), ALL, [trunk.shared])
    total.backward()
    weigher.after_step(lambda: trunk().detach())
    assert total.dtype == dtype
    assert total.shape == ()
    assert trunk.shared.grad.isfinite().all()


@pytest.mark.parametrize(
    "system",
    [s for s in SYSTEMS if not isinstance(s, RandomLossWeighting)],  # draws in their order
    ids=lambda s: type(s).__name__,
)
def test_permuting_tasks_permutes_weights(system):
    order = [2, 0, 1]
    other = clone(system)
    if isinstance(system, FixedWeights):
        other.task_weights = np.array(system.task_weights)[order]
    trace = train(Trunk(), build(system), 7)
    permuted = train(Trunk(order), build(other, order), 7)
    np.testing.assert_allclose(permuted, trace[:, order], rtol=1e-9)


@each_system
def test_a_task_without_labels_has_no_effect(system):
    """Weights, and what is learned, are those of the other tasks; afterwards it is as before."""
    weigher, trunk = build(system), Trunk()
    train(trunk, weigher, 3)
    before = {name: value.clone() for name, value in weigher.state_dict().items()}
    labelled = torch.tensor([True, False, True])
    trace = train(trunk, weigher, 6, labelled, start=3)
    assert np.isfinite(trace).all()
    for name, value in weigher.state_dict().items():
        assert torch.equal(value[1], before[name][1]), name
    alone = {"log_variance", "weights.values", "logits.values", "ratio"}
    for name in alone & set(before):
        assert not torch.equal(weigher.state_dict()[name][[0, 2]], before[name][[0, 2]])
    losses = trunk(labelled)
    total = weigher(losses, labelled, [trunk.shared])
    weights = torch.autograd.grad(total, losses, retain_graph=True)[0]
    gradient = torch.autograd.grad(total, trunk.shared)[0]
    full = trunk()
    rows = [torch.autograd.grad(loss, trunk.shared, retain_graph=True)[0] for loss in full]
    torch.testing.assert_close(gradient, weights[0] * rows[0] + weights[2] * rows[2])


@each_system
@pytest.mark.parametrize("which", [[True, False, False], [False, False, False]], ids=str)
def test_batches_of_one_task_or_none_are_finite(system, which):
    weigher, trunk, labelled = build(system), Trunk(), torch.tensor(which)
    for start in (0, 2):
        assert np.isfinite(train(trunk, weigher, 2, labelled, start=start)).all()
    assert trunk.shared.isfinite().all()
    assert all(value.isfinite().all() for value in weigher.parameters())
    assert np.isfinite(train(trunk, weigher, 3)).all()


@each_system
def test_losses_of_zero_are_finite(system):
    weigher = build(system)
    shared = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    for _ in range(3):
        losses = shared**2
        total = weigher(losses, ALL, [shared])
        total.backward()
        weigher.after_step(lambda: (shared**2).detach())
        weigher.after_epoch(np.zeros(3))
        assert total.isfinite()
        assert shared.grad.isfinite().all()
    for value in weigher.state_dict().values():
        assert value.isfinite().all() or value.isnan().all()  # not known yet


@each_system
@pytest.mark.parametrize("trip", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_training_goes_on_after_a_round_trip(system, trip):
    """Before the first step, after the first, and in the middle of training."""
    for n_steps in (0, 1, 4):
        trunk, weigher = Trunk(), build(system)
        if n_steps:
            train(trunk, weigher, n_steps)
        weigher.generator = None  # the training loop's, which sets it again
        pairs = (trunk, weigher), trip((trunk, weigher))
        traces = []
        for trunk, weigher in pairs:
            weigher.generator = torch.Generator().manual_seed(1)
            traces.append(train(trunk, weigher, 5, start=n_steps))
        np.testing.assert_array_equal(*traces)
        assert torch.equal(pairs[0][0].shared, pairs[1][0].shared)


@pytest.mark.parametrize(
    ("system", "learned"),
    [
        (UncertaintyWeighting(), lambda weigher: weigher.log_variance),
        (GradNorm(), lambda weigher: weigher.weights.values),
        (FAMO(), lambda weigher: weigher.logits.values),
        (DynamicWeightAverage(), lambda weigher: weigher.ratio),
    ],
    ids=["uncertainty", "gradnorm", "famo", "dwa"],
)
def test_what_is_learned_moves(system, learned):
    weigher = build(system)
    before = learned(weigher).detach().clone()
    train(Trunk(), weigher, 6)
    assert (abs(learned(weigher) - before) > 1e-3).all()


@pytest.mark.parametrize("system", [GradNorm(), FAMO()], ids=["gradnorm", "famo"])
def test_no_other_optimizer_moves_what_has_its_own(system):
    weigher = build(system)
    assert list(weigher.parameters()) == []


@pytest.mark.parametrize("system", [GradNorm(), FAMO()], ids=["gradnorm", "famo"])
def test_moments_follow_to_another_dtype_or_device(system):
    """`Module.to` puts new tensors in the place of buffers; the Adam must find them."""
    plain, moved = build(system), build(system)
    trunks = Trunk(), Trunk()
    for trunk, weigher in zip(trunks, (plain, moved), strict=True):
        train(trunk, weigher, 3)
    moved.to(torch.float32).to(torch.float64)
    traces = [
        train(trunk, weigher, 3, start=3)
        for trunk, weigher in zip(trunks, (plain, moved), strict=True)
    ]
    np.testing.assert_allclose(*traces, rtol=1e-5)
    assert abs(np.diff(traces[1], axis=0)).max() > 1e-4


@pytest.mark.parametrize("system", [GradNorm(), FAMO()], ids=["gradnorm", "famo"])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_learned_stays_finite_where_training_does_not(system, bad):
    """A step that mixed precision leaves out must not spoil the weights."""
    weigher, shared = build(system), nn.Parameter(torch.ones(1))
    factors = torch.tensor([1.0, 2.0, 3.0])
    for factor in (1.0, torch.tensor([bad, 1.0, 1.0]), 1.0):
        weigher(factors * factor * shared, ALL, [shared])
        weigher.after_step(lambda factor=factor: factors * factor / 2)
    weigher(factors * shared, ALL, [shared])
    weigher.after_step(lambda: factors * bad)
    assert all(value.isfinite().all() for value in weigher.state_dict().values())


@each_system
def test_evaluation_learns_nothing(system):
    weigher, trunk = build(system), Trunk()
    train(trunk, weigher, 3)
    before = {name: value.clone() for name, value in weigher.state_dict().items()}
    drawn = weigher.generator.get_state()
    weigher.eval()
    with torch.no_grad():
        assert weigher(trunk(), ALL, []).isfinite()
    weigher.after_step(lambda: trunk().detach() / 2)
    assert torch.equal(drawn, weigher.generator.get_state())
    for name, value in weigher.state_dict().items():
        assert torch.equal(value, before[name]), name


@each_system
def test_systems_are_sklearn_objects(system):
    copied = clone(system)
    assert type(copied) is type(system)
    assert copied.get_params().keys() == system.get_params().keys()
    assert repr(copied) == repr(system)


def test_options_are_searched_by_name():
    system = GradNorm().set_params(alpha=0.5)
    assert clone(system).build(context()).alpha == 0.5
    assert system.needs_shared
    assert system.compares


# --- the parameter


@pytest.mark.parametrize(("name", "system"), WEIGHTINGS.items())
def test_names_mean_systems_with_their_defaults(name, system):
    resolved = resolve_weighting(name, NAMES)
    assert type(resolved) is system
    assert resolved.get_params() == system().get_params()


def test_objects_are_cloned():
    system = FAMO(gamma=0.5)
    resolved = resolve_weighting(system, NAMES)
    assert resolved is not system
    assert resolved.gamma == 0.5


@pytest.mark.parametrize(
    ("task_weights", "message"),
    [
        ("dwo", "task_weights must be None, one weight per task.* found 'dwo'"),
        ([1.0, 2.0], r"one weight for each of the 3 tasks, found shape \(2,\)"),
        ([1.0, -1.0, 1.0], "nonnegative and finite"),
        ([0.0, 0.0, 0.0], "must not be all zero"),
        ({"d": 1.0}, "unknown task 'd'"),
        (FAMO, "task_weights must be numbers"),
    ],
)
def test_what_is_no_weighting_is_refused(task_weights, message):
    with pytest.raises(ValueError, match=message):
        resolve_weighting(task_weights, NAMES)


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (DynamicWeightAverage(temperature=0.0), "temperature"),
        (GradNorm(alpha=-1.0), "alpha"),
        (GradNorm(learning_rate=0.0), "learning_rate"),
        (FAMO(gamma=-1e-3), "gamma"),
        (FAMO(learning_rate="fast"), "learning_rate"),
    ],
)
def test_options_are_checked_when_built(system, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        system.build(context())


@pytest.mark.parametrize("system", [GradNorm(), FAMO(), GeometricMean()], ids=str)
def test_negative_losses_are_refused_by_name(system):
    weigher = build(system)
    shared = nn.Parameter(torch.tensor([1.0, -0.25, 1.0]))
    with pytest.raises(ValueError, match=r"never negative, found -0.25 in task 'b'"):
        weigher(1.0 * shared, ALL, [shared])


def test_gradnorm_without_shared_parameters_says_so():
    with pytest.raises(ValueError, match="parameters that all tasks share, found none"):
        weights_of(build(GradNorm()), [1.0, 2.0, 3.0])
