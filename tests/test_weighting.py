"""Systems that weigh task losses, each against its formula."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from weighted_tasks import ALL, LIKELIHOODS, NAMES, Trunk, build, context, train, weights_of

from sk_mtrnn.weighting import (
    FAMO,
    DynamicWeightAverage,
    GeometricMean,
    GradNorm,
    RandomLossWeighting,
    RelatednessWeighting,
    UncertaintyWeighting,
    WeightingContext,
    resolve_weighting,
)


@pytest.mark.parametrize(
    ("task_weights", "expected"),
    [(None, [1, 1, 1]), ([0.0, 2.0, 1.0], [0, 2, 1]), ({"b": 3}, [1, 3, 1])],
)
def test_fixed_weights_are_the_given(task_weights, expected):
    weigher = resolve_weighting(task_weights, NAMES).build(context())
    np.testing.assert_array_equal(weigher.fixed, expected)
    np.testing.assert_array_equal(weights_of(weigher, [3.0, 4.0, 5.0]), expected)
    assert weigher(torch.tensor([3.0, 4.0, 5.0]), ALL, []) == np.dot(expected, [3, 4, 5])
    weigher.set([5.0, 0.0, 1.0])
    np.testing.assert_array_equal(weigher.fixed, [5, 0, 1])
    np.testing.assert_array_equal(weights_of(weigher, [3.0, 4.0, 5.0]), [5, 0, 1])


def test_uncertainty_is_equations_7_and_10():
    weigher = build(UncertaintyWeighting())
    s = np.array([0.3, -0.7, 1.1])
    weigher.log_variance.data = torch.tensor(s)
    weigher.settled[:] = True
    L = np.array([2.0, 0.5, 4.0])
    a, c = LIKELIHOODS.T
    total = weigher(torch.from_numpy(L), ALL, [])
    np.testing.assert_allclose(total.item(), np.sum(a * np.exp(-s) * L + c * s), rtol=1e-14)
    np.testing.assert_allclose(weights_of(weigher, L), a * np.exp(-s), rtol=1e-14)
    known = np.array([True, False, True])
    L[1] = 0.0
    total = weigher(torch.from_numpy(L), torch.from_numpy(known), [])
    expected = np.sum((a * np.exp(-s) * L + c * s)[known])
    np.testing.assert_allclose(total.item(), expected, rtol=1e-14)
    total.backward()
    assert weigher.log_variance.grad[1] == 0.0


def test_uncertainty_starts_at_its_optimum_for_the_mean_loss_of_the_first_epoch():
    weigher = build(UncertaintyWeighting())
    weigher.spread = ALL
    a, c = LIKELIHOODS.T
    L = np.array([[2e6, 0.0, 4.0], [3e6, 6.0, 1.0], [1e6, 0.0, 1.0]])
    for n, row in enumerate(L, start=1):
        total = weigher(torch.from_numpy(row), torch.from_numpy(row > 0), [])
        mean = L[:n].mean(0)
        expected = np.log(np.where(mean > 0, a * mean / c, 1.0))
        np.testing.assert_allclose(weigher.log_variance.detach(), expected, rtol=1e-12)
    assert total.isfinite()
    weigher.after_epoch(np.array([2e6, 2.0, np.nan]))  # no label of the last one
    weigher(torch.from_numpy(L[0]), ALL, [])
    np.testing.assert_allclose(weigher.log_variance.detach()[:2], expected[:2], rtol=1e-12)
    expected[2] = np.log(a[2] * (4 + 1 + 1 + 4) / 4 / c[2])
    np.testing.assert_allclose(weigher.log_variance.detach(), expected, rtol=1e-12)
    other = build(UncertaintyWeighting())
    other.load_state_dict(weigher.state_dict())
    other(torch.from_numpy(L[1]), ALL, [])
    np.testing.assert_allclose(other.log_variance.detach()[:2], expected[:2], rtol=1e-12)


def test_uncertainty_is_that_of_all_labels_however_they_are_spread():
    """A task labelled in every fourth batch, with four times the loss there, learns the same."""
    learned = []
    for spread in (1, 4):
        weigher = UncertaintyWeighting().build(WeightingContext(["a"], [[0.5, 0.5]], None))
        weigher.spread = torch.tensor([True])
        optimizer = torch.optim.SGD(weigher.parameters(), lr=0.002)
        for step in range(8000):
            labelled = step % spread == 0
            loss = torch.tensor([0.3 * spread * labelled], dtype=torch.float64)
            optimizer.zero_grad()
            weigher(loss, torch.tensor([labelled]), []).backward()
            optimizer.step()
        learned.append(weigher.log_variance.exp().item())
    np.testing.assert_allclose(learned, 0.3, rtol=0.01)
    weigher.spread = torch.tensor([False])
    assert weigher(torch.zeros(1, dtype=torch.float64), torch.tensor([False]), []) == 0


def test_uncertainty_learns_the_variances_of_the_noise():
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(2000, 3)))
    variances = np.array([0.09, 2.25])
    noise = rng.normal(size=(2000, 2)) * np.sqrt(variances)
    Y = X @ torch.from_numpy(rng.normal(size=(3, 2))) + torch.from_numpy(noise)
    model = nn.Linear(3, 2, dtype=torch.float64)
    likelihoods = np.array([[0.5, 0.5], [0.5, 0.5]])
    weigher = UncertaintyWeighting().build(WeightingContext(["a", "b"], likelihoods, None))
    optimizer = torch.optim.Adam([*model.parameters(), *weigher.parameters()], lr=0.02)
    for step in range(600):
        losses = ((model(X) - Y) ** 2).mean(0)
        optimizer.zero_grad()
        weigher(losses, torch.tensor([True, True]), []).backward()
        optimizer.step()
        if step % 10 == 9:
            weigher.after_epoch(losses.detach().numpy())
    learned = weigher.log_variance.detach().exp().numpy()
    np.testing.assert_allclose(learned, variances, rtol=0.2)
    np.testing.assert_allclose(learned, losses.detach().numpy(), rtol=0.01)  # its optimum, at once


def test_dwa_is_equation_7():
    T = 0.7
    weigher = build(DynamicWeightAverage(temperature=T))
    epochs = np.array([[4.0, 1.0, 2.0], [2.0, 0.9, 3.0], [1.8, 0.3, 3.0]])
    ones = [1.0, 1.0, 1.0]
    np.testing.assert_allclose(weights_of(weigher, ones), 1, rtol=1e-15)
    weigher.after_epoch(epochs[0])
    np.testing.assert_allclose(weights_of(weigher, ones), 1, rtol=1e-15)
    for before, last in pairwise(epochs):
        weigher.after_epoch(last)
        e = np.exp(last / before / T)
        np.testing.assert_allclose(weights_of(weigher, ones), 3 * e / e.sum(), rtol=1e-14)


def test_dwa_leaves_epochs_without_labels_out():
    weigher, plain = build(DynamicWeightAverage()), build(DynamicWeightAverage())
    for losses in ([4.0, 1.0, 2.0], [2.0, np.nan, 3.0]):
        weigher.after_epoch(np.array(losses))
    e = np.exp(np.array([0.5, 1.0, 1.5]) / 2.0)
    np.testing.assert_allclose(weights_of(weigher, [1.0, 1.0, 1.0]), 3 * e / e.sum())
    weigher.after_epoch(np.array([1.0, 0.25, 3.0]))  # of the second: against its first epoch
    e = np.exp(np.array([0.5, 0.25, 1.0]) / 2.0)
    np.testing.assert_allclose(weights_of(weigher, [1.0, 1.0, 1.0]), 3 * e / e.sum())
    for _ in range(3):  # a loss of 0 has no ratio
        plain.after_epoch(np.zeros(3))
    np.testing.assert_allclose(weights_of(plain, [1.0, 1.0, 1.0]), 1, rtol=1e-15)


@pytest.mark.parametrize("alpha", [0.0, 6.0])
def test_gradnorm_reaches_its_targets(alpha):
    """While the network is on its way: at rest, gradients cancel whatever the weights are."""
    rng = np.random.default_rng(0)
    X, scales = rng.normal(size=(60, 4)), np.array([1.0, 6.0])
    Y = torch.from_numpy(scales * (X @ rng.normal(size=(4, 2))))
    X = torch.from_numpy(X)
    torch.manual_seed(0)
    trunk = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    heads = nn.Linear(3, 2, dtype=torch.float64)
    names, both = ["a", "b"], torch.tensor([True, True])
    weigher = GradNorm(alpha, learning_rate=0.002).build(WeightingContext(names, None, None))
    optimizer = torch.optim.SGD([*trunk.parameters(), *heads.parameters()], lr=1e-4)

    def losses():
        return ((heads(trunk(X)) - Y) ** 2).mean(0)

    first = losses().detach().numpy()
    for _ in range(900):
        optimizer.zero_grad()
        weigher(losses(), both, [trunk.weight]).backward()
        optimizer.step()
    w = weigher.weights.values.numpy()
    L = losses()
    gradients = [torch.autograd.grad(loss, trunk.weight, retain_graph=True)[0] for loss in L]
    norms = np.array([gradient.norm().item() for gradient in gradients])
    G = w * norms
    r = L.detach().numpy() / first
    target = G.mean() * (r / r.mean()) ** alpha
    np.testing.assert_allclose(G, target, rtol=0.02)
    np.testing.assert_allclose(w.sum(), 2, rtol=1e-12)
    assert norms.max() > 10 * norms.min()  # so much do equal weights miss
    assert (abs(target / G.mean() - 1) > 0.1).all() == (alpha > 0)


def test_gradnorm_takes_the_steps_of_algorithm_1():
    weigher, trunk, alpha, lr = build(GradNorm()), Trunk(), 1.5, 0.025
    slopes, targets, floors = (p.numpy() for p in (trunk.slopes, trunk.targets, trunk.floors))
    w, m, v, initial = np.ones(3), np.zeros(3), np.zeros(3), None
    for step in range(1, 6):
        h = trunk.shared.detach().numpy().copy()
        used = train(trunk, weigher, 1)[0]
        np.testing.assert_allclose(used, w, rtol=1e-12)
        error = slopes @ h - targets
        L = error**2 + floors
        initial = L if initial is None else initial
        norm = np.linalg.norm(2 * error[:, None] * slopes, axis=1)
        G = w * norm
        r = (L / initial) / (L / initial).mean()
        gradient = np.sign(G - G.mean() * r**alpha) * norm
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        w = w - lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        w = 3 * w / w.sum()
        np.testing.assert_allclose(weigher.weights.values.numpy(), w, rtol=1e-12)
    assert abs(w - 1).max() > 0.05


def test_gradnorm_weights_stay_above_zero():
    weigher = GradNorm(alpha=0.0, learning_rate=0.5).build(WeightingContext(["a", "b"], None, None))
    shared = nn.Parameter(torch.ones(1))
    for _ in range(50):
        losses = torch.cat([1e6 * shared, shared])
        weigher(losses, torch.tensor([True, True]), [shared])
        assert (weigher.weights.values > 0).all()
        np.testing.assert_allclose(weigher.weights.values.sum().item(), 2, rtol=1e-12)


def test_gradnorm_measures_from_the_first_loss_above_zero():
    weigher = build(GradNorm())
    shared = nn.Parameter(torch.ones(1))
    for factors in ([0.0, 2.0, 3.0], [4.0, 1.0, 1.0], [2.0, 0.5, 2.0]):
        before = weigher.weights.values.clone()
        weigher(torch.tensor(factors) * shared, ALL, [shared])
        assert ((weigher.weights.values != before).sum() >= 2).item()
    assert weigher.initial.tolist() == [4.0, 2.0, 3.0]


def test_rlw_draws_a_softmax_of_normals():
    weigher = build(RandomLossWeighting())
    drawn = torch.Generator().manual_seed(0)
    before = torch.get_rng_state()
    seen = []
    for _ in range(300):
        z = torch.empty(3, dtype=torch.float64).normal_(generator=drawn).numpy()
        w = weights_of(weigher, [1.0, 2.0, 3.0])
        np.testing.assert_allclose(w, 3 * np.exp(z) / np.exp(z).sum(), rtol=1e-13)
        seen.append(w)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_allclose(np.mean(seen, axis=0), 1, atol=0.15)
    w = weights_of(weigher, [1.0, 0.0, 3.0], [True, False, True])
    assert w[1] == 0.0
    np.testing.assert_allclose(w.sum(), 2, rtol=1e-14)
    weigher.eval()
    np.testing.assert_array_equal(weights_of(weigher, [1.0, 2.0, 3.0]), 1)


def test_rlw_without_a_generator_says_so():
    weigher = RandomLossWeighting().build(context())
    with pytest.raises(ValueError, match=r"generator must be a torch\.Generator"):
        weights_of(weigher, [1.0, 2.0, 3.0])


def test_famo_takes_the_steps_of_algorithm_1():
    gamma, lr = 0.01, 0.05
    weigher = build(FAMO(gamma=gamma, learning_rate=lr))
    rng = np.random.default_rng(0)
    xi, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    for step in range(1, 9):
        before, after = rng.uniform(0.1, 5, size=(2, 3))
        z = np.exp(xi) / np.exp(xi).sum()
        c = 1 / np.sum(z / before)
        losses = torch.from_numpy(before).requires_grad_()
        total = weigher(losses, ALL, [])
        np.testing.assert_allclose(total.item(), c * np.sum(z * np.log(before)), rtol=1e-6)
        w = torch.autograd.grad(total, losses)[0].numpy()
        np.testing.assert_allclose(w, c * z / before, rtol=1e-6)
        weigher.after_step(lambda after=after: torch.from_numpy(after))
        jacobian = np.diag(z) - np.outer(z, z)  # ∂z/∂ξ
        gradient = jacobian.T @ (np.log(before) - np.log(after)) + gamma * xi
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        xi = xi - lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(weigher.logits.values.numpy(), xi, rtol=1e-5)
    assert abs(xi).max() > 0.05


def test_famo_weighs_less_what_falls_fast():
    weigher = build(FAMO())
    for _ in range(10):
        weights_of(weigher, [1.0, 1.0, 1.0])
        weigher.after_step(lambda: torch.tensor([0.2, 0.9, 0.9]))
    z = weigher.logits.values
    assert z[0] < z[1] == z[2]


def test_geometric_mean_is_the_root_of_the_product():
    weigher = build(GeometricMean())
    L = np.array([2.0, 0.5, 27.0])
    total = weigher(torch.from_numpy(L), ALL, [])
    np.testing.assert_allclose(total.item(), np.prod(L) ** (1 / 3), rtol=1e-14)
    np.testing.assert_allclose(weights_of(weigher, L), np.prod(L) ** (1 / 3) / (3 * L), rtol=1e-14)
    w = weights_of(weigher, [2.0, 0.0, 8.0], [True, False, True])
    np.testing.assert_allclose(w, [1.0, 0.0, 0.25], rtol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("losses", [[0.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1e-30, 1.0, 1e30]])
def test_geometric_mean_is_safe_at_zero(dtype, losses):
    losses = torch.tensor(losses, dtype=dtype, requires_grad=True)
    total = build(GeometricMean())(losses, ALL, [])
    w = torch.autograd.grad(total, losses)[0]
    assert total.isfinite()
    assert w.isfinite().all()
    assert (w[losses == 0] == 0).all()


def test_relatedness_weights_are_the_mean_relatedness():
    fixed = build(RelatednessWeighting()).fixed
    mean = np.array([1 + 0.6 + 0, 0.6 + 1 + 0.2, 0 + 0.2 + 1]) / 3
    np.testing.assert_allclose(fixed, 3 * mean / mean.sum(), rtol=1e-14)


@pytest.mark.parametrize(
    ("relatedness", "expected"),
    [
        (np.eye(3), [1, 1, 1]),
        ([[1, np.nan, np.nan], [np.nan, 1, 0.5], [np.nan, 0.5, 1]], [0.75, 1.125, 1.125]),
        ([[1.0]], [1]),
    ],
    ids=["unrelated", "partly unknown", "one task"],
)
def test_relatedness_at_its_borders(relatedness, expected):
    given = WeightingContext(NAMES[: len(expected)], None, lambda: np.array(relatedness))
    np.testing.assert_allclose(RelatednessWeighting().build(given).fixed, expected)
