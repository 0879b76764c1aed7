"""Aggregated gradients, against what can be written down by hand."""

import copy
import pickle
import subprocess
import sys
from importlib.util import find_spec
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import nn

from sk_mtrnn.recurrence import PackedLayout, RecurrentStack
from sk_mtrnn.weighting import AGGREGATIONS, resolve_aggregation

needs_torchjd = pytest.mark.skipif(
    not all(map(find_spec, ("torchjd", "quadprog", "qpsolvers", "cvxpy", "ecos"))),
    reason="sk_mtrnn[balance] is not installed",
)
each_name = pytest.mark.parametrize("name", AGGREGATIONS)


def aggregated(aggregation, rows, labelled=None, dtype=torch.float64):
    """Gradient of losses J θ, so that the rows of J are the gradients of the tasks."""
    if isinstance(aggregation, str):
        aggregation = resolve_aggregation(aggregation)
    J = torch.as_tensor(np.array(rows), dtype=dtype)
    theta = nn.Parameter(torch.ones(J.shape[1], dtype=dtype))
    labelled = torch.ones(len(J), dtype=torch.bool) if labelled is None else torch.tensor(labelled)
    aggregation.backward(J @ theta, labelled, [theta], [])
    assert not hasattr(theta, "jac")
    return None if theta.grad is None else theta.grad.numpy()


def projected(g, against):
    return g - min(0.0, g @ against) / (against @ against) * against


CONFLICT = np.array([[1.0, 0.0, 2.0], [-2.0, 1.0, 0.5]])  # their product is -1
HARMONY = np.array([[1.0, 0.0, 2.0], [2.0, 1.0, -0.5]])  # theirs is 1
THREE = np.array([[1.0, 0.0, 2.0, 0.3], [-2.0, 1.0, 0.5, 0.1], [0.5, -2.0, -1.0, 0.0]])


@needs_torchjd
@pytest.mark.parametrize("J", [CONFLICT, HARMONY], ids=["conflict", "harmony"])
def test_pcgrad_projects_what_opposes(J):
    expected = projected(J[0], J[1]) + projected(J[1], J[0])
    np.testing.assert_allclose(aggregated("pcgrad", J), expected, rtol=1e-12)


@needs_torchjd
def test_pcgrad_of_three_is_one_of_the_orders():
    """For every task the two others come in either order: eight gradients."""
    per_task = []
    for k in range(3):
        orders = permutations([j for j in range(3) if j != k])
        per_task.append([projected(projected(THREE[k], THREE[i]), THREE[j]) for i, j in orders])
    possible = [a + b + c for a in per_task[0] for b in per_task[1] for c in per_task[2]]
    state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        for _ in range(5):
            found = aggregated("pcgrad", THREE)
            assert min(abs(found - gradient).max() for gradient in possible) < 1e-12
    finally:
        torch.set_rng_state(state)


@needs_torchjd
@pytest.mark.parametrize("J", [CONFLICT, HARMONY, [[1.0, 0.0], [3.0, 0.5]]], ids=str)
def test_mgda_is_the_shortest_convex_combination(J):
    g, h = np.array(J)
    share = np.clip((h - g) @ h / ((h - g) @ (h - g)), 0, 1)
    np.testing.assert_allclose(aggregated("mgda", J), share * g + (1 - share) * h, rtol=1e-10)


@needs_torchjd
def test_mgda_of_three_is_shorter_than_any_other():
    """At the shortest point x of the convex hull, x · g_k ≥ x · x for all k."""
    x = aggregated("mgda", THREE)
    assert (THREE @ x >= x @ x * (1 - 0.02)).all()  # Frank-Wolfe is content with a rough answer
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=2000)
    assert np.linalg.norm(x) <= np.linalg.norm(shares @ THREE, axis=1).min() * 1.001


@needs_torchjd
def test_upgrad_is_the_mean_where_nothing_conflicts():
    np.testing.assert_allclose(aggregated("upgrad", HARMONY), HARMONY.mean(0), rtol=1e-3)


@needs_torchjd
def test_upgrad_of_two_is_the_mean_of_the_projections():
    """Onto the dual cone {x : J x ≥ 0}: for two rows, onto the plane across the other row."""
    expected = (projected(CONFLICT[0], CONFLICT[1]) + projected(CONFLICT[1], CONFLICT[0])) / 2
    np.testing.assert_allclose(aggregated("upgrad", CONFLICT), expected, rtol=2e-3)


@needs_torchjd
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_upgrad_of_three_is_the_mean_of_the_projections(scale):
    """The point of the dual cone nearest to g is g + Jᵀ v, v ≥ 0 such that it is shortest."""
    J = THREE * [[scale], [1.0], [1.0]]
    expected = np.mean([g + J.T @ nnls(J.T, -g)[0] for g in J], axis=0)
    found = aggregated("upgrad", J)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * np.linalg.norm(J))
    assert np.linalg.norm(found - J.mean(0)) > 0.1 * np.linalg.norm(J)  # TorchJD adds 1e-4 to JJᵀ


@needs_torchjd
def test_imtlg_projects_equally_on_all():
    x = aggregated("imtlg", THREE)
    onto = THREE @ x / np.linalg.norm(THREE, axis=1)
    np.testing.assert_allclose(onto, onto[0], rtol=1e-9)
    weights = np.linalg.lstsq(THREE.T, x, rcond=None)[0]
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-9)


@needs_torchjd
def test_aligned_mtl_is_the_mean_of_aligned_rows():
    """J = U S V: the rows U V, as long as the smallest singular value."""
    U, S, V = np.linalg.svd(THREE, full_matrices=False)
    np.testing.assert_allclose(aggregated("aligned_mtl", THREE), (S.min() * U @ V).mean(0))


@needs_torchjd
def test_cagrad_stays_near_the_mean_and_helps_the_worst():
    x, mean = aggregated("cagrad", THREE), THREE.mean(0)
    distance, radius = np.linalg.norm(x - mean), 0.5 * np.linalg.norm(mean)
    np.testing.assert_allclose(distance, radius, rtol=1e-4)
    directions = np.random.default_rng(0).normal(size=(5000, 4))
    others = mean + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert (THREE @ x).min() >= (others @ THREE.T).min(1).max() - 1e-4


@needs_torchjd
def test_nashmtl_is_the_bargaining_solution():
    """G Gᵀ α = 1 / α up to a factor, and a length of 1 at most."""
    x = aggregated("nashmtl", THREE)
    alpha = np.linalg.lstsq(THREE.T, x, rcond=None)[0]
    product = (THREE @ THREE.T @ alpha) * alpha
    np.testing.assert_allclose(product, product.mean(), rtol=0.02)
    assert np.linalg.norm(x) <= 1 + 1e-9


@needs_torchjd
@each_name
def test_tasks_without_labels_or_gradient_are_left_out(name):
    two = aggregated(name, CONFLICT)
    wider = np.array([CONFLICT[0], [5.0, 5.0, 5.0], CONFLICT[1]])
    np.testing.assert_array_equal(aggregated(name, wider, [True, False, True]), two)
    wider[1] = 0.0  # its weight is 0, or it is at its minimum
    np.testing.assert_array_equal(aggregated(name, wider), two)
    assert np.linalg.norm(two) > 0.01


@needs_torchjd
@each_name
def test_one_task_keeps_its_gradient(name):
    np.testing.assert_array_equal(aggregated(name, CONFLICT[:1]), CONFLICT[0])
    np.testing.assert_array_equal(aggregated(name, CONFLICT, [False, True]), CONFLICT[1])
    np.testing.assert_array_equal(aggregated(name, CONFLICT * [[0.0], [1.0]]), CONFLICT[1])


@needs_torchjd
@each_name
def test_no_task_at_all_leaves_gradients_alone(name):
    assert aggregated(name, CONFLICT, [False, False]) is None
    np.testing.assert_array_equal(aggregated(name, np.zeros((2, 3))), np.zeros(3))


@needs_torchjd
@each_name
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_gradients_give_finite_ones(name, dtype):
    rng = np.random.default_rng(0)
    g, other = rng.normal(size=(2, 50))
    for J in (
        [g, g],
        [g, (1 + 1e-6) * g],
        [g, g + 1e-7 * other],
        [g, -g],
        [g, -(1 + 1e-6) * g],
        [g, -g + 1e-6 * other],
        [g, g, -g],
        [g, 2 * g, -3 * g, other],
        [g, 0 * g, -g + 0.1 * other],
        [g, 1e-8 * other],
        [1e-20 * g, 1e-20 * other],
        [1e12 * g, 1e12 * other],
        [1e-8 * g, 1e8 * other, g - other],
        [g, 1e-28 * other, 1e-32 * other],
    ):
        found = aggregated(name, J, dtype=dtype)
        assert np.isfinite(found).all(), J
        assert np.linalg.norm(found) <= 10 * max(np.linalg.norm(J), 1.0)


@needs_torchjd
@pytest.mark.parametrize("name", [name for name in AGGREGATIONS if name != "nashmtl"])
@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e9])
def test_small_gradients_are_aggregated_like_large_ones(name, factor):
    """TorchJD by itself takes a Jacobian below 0.01 in norm for 0, where CAGrad stands still."""
    whole = aggregated(name, CONFLICT)
    np.testing.assert_allclose(aggregated(name, factor * CONFLICT), factor * whole, rtol=1e-6)


@needs_torchjd
@each_name
def test_gradients_that_are_not_finite_stay_so(name):
    for bad in (np.inf, np.nan):
        J = CONFLICT.copy()
        J[0, 1] = bad
        assert not np.isfinite(aggregated(name, J)).all()


@needs_torchjd
@each_name
def test_permuting_tasks_changes_nothing(name):
    found = aggregated(name, CONFLICT)
    np.testing.assert_allclose(aggregated(name, CONFLICT[::-1]), found, rtol=1e-3)


@needs_torchjd
def test_nashmtl_starts_from_its_last_solution_for_the_same_tasks():
    """The number of tasks may change from batch to batch."""
    aggregation, alone = resolve_aggregation("nashmtl"), resolve_aggregation("nashmtl")
    rng = np.random.default_rng(0)
    for step in range(6):
        J = rng.normal(size=(3, 6))
        labelled = [[True, True, True], [True, False, True], [True, True, False]][step % 3]
        found = aggregated(aggregation, J, labelled)
        assert np.isfinite(found).all()
        if step % 3 == 1:  # as if it had never seen the others
            np.testing.assert_array_equal(found, aggregated(alone, J, labelled))


# --- shared parameters, and those of single tasks


class Heads(nn.Module):
    """Two tasks: one trunk of two tensors, of which the second reaches no loss; a head each."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        shapes = {"trunk": (4, 3), "idle": (5,), "first": (3,), "second": (3,), "bystander": (2,)}
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape, generator=generator)))
        self.x = torch.randn(7, 4, generator=generator)

    def losses(self):
        h = torch.tanh(self.x @ self.trunk)
        return torch.stack([((h @ head - 1) ** 2).mean() for head in (self.first, self.second)])


@needs_torchjd
@each_name
def test_shared_get_the_aggregate_and_single_tasks_the_sum(name):
    model, plain = Heads(), Heads()
    own = [model.first, model.second, model.bystander]
    aggregation = resolve_aggregation(name)
    both = torch.tensor([True, True])
    aggregation.backward(model.losses(), both, [model.trunk, model.idle], own)
    rows = [torch.autograd.grad(plain.losses()[k], plain.trunk)[0] for k in range(2)]
    expected = aggregated(name, [row.flatten().numpy() for row in rows], dtype=torch.float32)
    np.testing.assert_allclose(model.trunk.grad.flatten(), expected, rtol=1e-4, atol=1e-6)
    assert (model.idle.grad == 0).all()
    plain.losses().sum().backward()
    torch.testing.assert_close(model.first.grad, plain.first.grad)
    torch.testing.assert_close(model.second.grad, plain.second.grad)
    assert model.bystander.grad is None
    assert not any(hasattr(parameter, "jac") for parameter in model.parameters())


@needs_torchjd
def test_gradients_accumulate():
    model, both = Heads(), torch.tensor([True, True])
    aggregation = resolve_aggregation("mgda")
    aggregation.backward(model.losses(), both, [model.trunk], [model.first, model.second])
    once = [p.grad.clone() for p in (model.trunk, model.first)]
    aggregation.backward(model.losses(), both, [model.trunk], [model.first, model.second])
    torch.testing.assert_close(model.trunk.grad, 2 * once[0])
    torch.testing.assert_close(model.first.grad, 2 * once[1])


@needs_torchjd
def test_nothing_shared_and_nothing_of_one_task():
    model, both = Heads(), torch.tensor([True, True])
    everything = [model.trunk, model.first, model.second]
    aggregation = resolve_aggregation("upgrad")
    aggregation.backward(model.losses(), both, [], everything)
    plain = Heads()
    plain.losses().sum().backward()
    torch.testing.assert_close(model.trunk.grad, plain.trunk.grad)
    other = Heads()
    aggregation.backward(other.losses(), both, [other.trunk], [])
    assert other.trunk.grad is not None
    assert other.first.grad is None


@needs_torchjd
@pytest.mark.parametrize("recurrence", ["packed", "torch"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_recurrence_gives_its_jacobian(cell, recurrence):
    """One row a task, through a backward pass that runs several times over one graph."""
    from torchjd.aggregation import Aggregator

    class Keep(Aggregator):
        seen = []

        def forward(self, matrix):
            self.seen.append(matrix.clone())
            return matrix.sum(0)

    torch.manual_seed(0)
    stack = RecurrentStack(cell, "tanh", 2, (4, 3), True, 0.0, recurrence).double()
    heads = nn.Linear(stack.sizes[-1], 3, dtype=torch.float64)
    layout = PackedLayout(torch.tensor([4, 3, 3, 3, 1, 1]))  # lengths 6, 4, 4, 1
    steps = torch.randn(15, 2, dtype=torch.float64)
    shared, own = list(stack.parameters()), list(heads.parameters())

    def losses():
        states, final = stack(steps, layout)[-1]
        return torch.stack(
            [
                (heads(states)[:, 0] ** 2).mean(),
                (heads(final)[:, 1] - 1).abs().mean(),
                torch.sigmoid(heads(states)[:, 2]).mean(),
            ]
        )

    resolve_aggregation(Keep()).backward(losses(), torch.tensor([True] * 3), shared, own)
    rows = []
    for k in range(3):
        gradients = torch.autograd.grad(losses()[k], shared)
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    torch.testing.assert_close(Keep.seen[0], torch.stack(rows), rtol=1e-12, atol=1e-14)
    found = torch.cat([parameter.grad.flatten() for parameter in shared])
    torch.testing.assert_close(found, torch.stack(rows).sum(0), rtol=1e-12, atol=1e-14)
    whole = torch.autograd.grad(losses().sum(), own)
    for parameter, gradient in zip(own, whole, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-12, atol=1e-14)


@needs_torchjd
def test_a_given_aggregator_is_copied_and_used_as_it_is():
    from torchjd.aggregation import CAGrad

    given = CAGrad(c=0.0)
    aggregation = resolve_aggregation(given)
    given.c = 0.9
    np.testing.assert_allclose(aggregated(aggregation, CONFLICT), CONFLICT.mean(0), rtol=1e-9)
    np.testing.assert_array_equal(aggregated(aggregation, 1e-3 * CONFLICT), 0)  # its own threshold


@needs_torchjd
@each_name
@pytest.mark.parametrize("trip", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_aggregations_survive_a_round_trip(name, trip):
    """In the middle of training: a solver goes on from its last solution."""
    rng = np.random.default_rng(0)
    first = resolve_aggregation(name)
    aggregated(first, rng.normal(size=(2, 6)))
    second, J = trip(first), rng.normal(size=(2, 6))
    np.testing.assert_array_equal(aggregated(second, J), aggregated(first, J))


@pytest.mark.parametrize("given", ["sum", None, 3, object(), nn.Linear(1, 1)], ids=str)
def test_what_is_no_aggregation_is_refused(given):
    with pytest.raises(ValueError, match=r"gradient_aggregation must be one of \['aligned_mtl'"):
        resolve_aggregation(given)


@each_name
def test_without_torchjd_the_message_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd", None)
    monkeypatch.setitem(sys.modules, "torchjd.aggregation", None)
    with pytest.raises(ImportError, match=r'pip install "sk_mtrnn\[balance\]"'):
        resolve_aggregation(name)


@needs_torchjd
@pytest.mark.parametrize(("name", "solver"), [("upgrad", "quadprog"), ("nashmtl", "ecos")])
def test_without_a_solver_the_message_says_what_to_install(name, solver, monkeypatch):
    import torchjd._mixins

    def find(module):
        return None if module == solver else find_spec(module)

    monkeypatch.setattr(torchjd._mixins, "find_spec", find)
    with pytest.raises(ImportError, match=r'pip install "sk_mtrnn\[balance\]"'):
        resolve_aggregation(name)


def test_torchjd_is_not_loaded_before_it_is_used():
    code = "import sys, sk_mtrnn.weighting; sys.exit('torchjd' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
