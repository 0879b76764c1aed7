"""The layer that learns how inputs and states decay: the equations in numpy."""

import copy
import itertools

import numpy as np
import pytest
import torch
from decayed_recurrences import (
    LENGTHS,
    each_cell,
    each_direction,
    each_lengths,
    layout_of,
    run_in_numpy,
)
from scipy.special import expit

from sk_mtrnn.recurrence import DecayLayer, RecurrentStack, SteppingStack


def gapped(lengths, n_others=2, gaps=3, bidirectional=False, dtype=torch.float64):
    """Columns with holes as the layer reads them, and the layout."""
    generator = torch.Generator().manual_seed(2)
    layout, n = layout_of(lengths), sum(lengths)

    def draw(columns, how=torch.randn):
        return how(n, columns, dtype=dtype, generator=generator)

    others, last, observed = draw(n_others), draw(gaps), (draw(gaps) > 0).to(dtype)
    since = [5 * draw(gaps, torch.rand) for _ in range(1 + bidirectional)]
    return torch.cat([others, last, observed, *since], dim=1), layout


def stack_of(cell="gru", bidirectional=False, sizes=(4,), dtype=torch.float64, **options):
    """A stack over `gapped` columns whose decay has weights of both signs."""
    torch.manual_seed(0)
    activation, cell = ("relu", "rnn") if cell == "relu" else ("tanh", cell)
    n_columns = 2 + (4 if bidirectional else 3) * 3
    stack = RecurrentStack(
        cell, activation, n_columns, sizes, bidirectional, 0.0, gaps=3, **options
    ).to(dtype)
    with torch.no_grad():
        for p in stack.decay.parameters():
            p.normal_(0, 0.5)
    return stack


def decayed_in_numpy(layer, steps, bidirectional):
    """What the recurrence reads, and γ_h."""
    others, x, m, *since = np.split(steps.numpy(), np.cumsum(layer.widths)[:-1], axis=1)
    w, b, state_w, state_b = (p.detach().numpy() for p in layer.parameters())
    x_decay = np.exp(-np.maximum(0, w * since[0] + b))
    x_hat = m * x + (1 - m) * (x_decay * x + (1 - x_decay) * 0.0)
    size = len(state_w) // (1 + bidirectional)
    decays = [
        np.exp(-np.maximum(0, s @ state_w[rows].T + state_b[rows]))
        for s, rows in zip(since, (slice(size), slice(size, None)), strict=False)
    ]
    inputs = np.concatenate([others, x_hat, m], axis=1)
    return torch.tensor(inputs), torch.tensor(np.concatenate(decays, axis=1))


@each_cell
@each_lengths
@each_direction
def test_one_layer_follows_the_equations_of_the_source(cell, lengths, bidirectional):
    steps, layout = gapped(LENGTHS[lengths], bidirectional=bidirectional)
    stack = stack_of(cell, bidirectional)
    inputs, decay = decayed_in_numpy(stack.decay, steps, bidirectional)
    zeros = [torch.zeros(len(layout), decay.shape[1]).double()] * (1 + (cell == "lstm"))
    expected = run_in_numpy(cell, stack.layers[0], inputs, zeros, decay, layout)
    ((states, final),) = stack(steps, layout)
    torch.testing.assert_close(states, expected[0], rtol=0, atol=1e-13)
    torch.testing.assert_close(final, expected[1], rtol=0, atol=1e-13)


def test_gru_d_as_it_stands_in_the_paper():
    """One sequence of one channel after the other, with W, U, V and b of the paper's own gates.

    The reset gate acts after the product with ĥ, as in `torch.nn.GRU`.
    """
    stack = stack_of("gru")
    steps, _ = gapped([6])
    cell, layer = stack.layers[0], stack.decay
    inputs, decay = decayed_in_numpy(layer, steps, False)
    x_hat, m = np.split(inputs.numpy()[:, 2:], 2, axis=1)
    others, size = steps.numpy()[:, :2], 4
    w_ih, u, b_w, b_u = (p.detach().numpy() for p in cell.parameters())
    w, v = np.concatenate([w_ih[:, :2], w_ih[:, 2:5]], axis=1), w_ih[:, 5:]
    r, z, n = (slice(k * size, (k + 1) * size) for k in range(3))
    h, found = np.zeros(size), stack(steps, layout_of([6]))[0][0]
    for t in range(6):
        h_hat = decay.numpy()[t] * h
        x = np.concatenate([others[t], x_hat[t]])
        reset = expit(w[r] @ x + u[r] @ h_hat + v[r] @ m[t] + b_w[r] + b_u[r])
        update = expit(w[z] @ x + u[z] @ h_hat + v[z] @ m[t] + b_w[z] + b_u[z])
        new = np.tanh(w[n] @ x + reset * (u[n] @ h_hat + b_u[n]) + v[n] @ m[t] + b_w[n])
        h = update * h_hat + (1 - update) * new
        torch.testing.assert_close(found[t], torch.tensor(h), rtol=0, atol=1e-13)


@each_cell
@each_direction
def test_gradients_reach_the_decay_layer(cell, bidirectional):
    steps, layout = gapped([5, 3, 2], bidirectional=bidirectional)
    stack = stack_of(cell, bidirectional, sizes=(2,))
    names = [name for name, _ in stack.named_parameters()]

    def run(steps, *weights):
        weights = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(stack, weights, (steps, layout))[0]

    assert torch.autograd.gradcheck(run, (steps.requires_grad_(), *stack.parameters()))


@each_cell
@each_direction
def test_without_decay_the_last_value_is_carried_forward(cell, bidirectional):
    """w = b = 0: the layer reads x', m and keeps its state."""
    steps, layout = gapped([7, 4, 4, 1], bidirectional=bidirectional)
    stack = stack_of(cell, bidirectional)
    with torch.no_grad():
        for p in stack.decay.parameters():
            p.zero_()
    ((states, _),) = stack(steps, layout)
    assert torch.equal(states, stack.layers[0](steps[:, :8].contiguous(), layout)[0])


def test_after_a_long_time_nothing_is_left():
    stack = stack_of("lstm")
    steps, layout = gapped([6, 6, 3])
    with torch.no_grad():
        for p in stack.decay.parameters():
            p.fill_(1.0)
    steps[:, 8:] = 1e6
    inputs, decay = stack.decay(steps)
    holes = steps[:, 5:8] == 0
    assert (inputs[:, 2:5][holes] == 0).all()
    assert torch.equal(inputs[:, 2:5][~holes], steps[:, 2:5][~holes])
    assert (decay == 0).all()
    states = stack(steps, layout)[0][0]
    torch.testing.assert_close(states, stack(steps, layout_of([1] * 15))[0][0], rtol=0, atol=1e-13)


def test_training_starts_with_little_decay_that_every_weight_can_change():
    for gaps, bidirectional in itertools.product([1, 5, 40], [False, True]):
        layer = DecayLayer(2 + (4 if bidirectional else 3) * gaps, gaps, 6, bidirectional)
        steps = torch.ones(4, layer.widths[0] + (4 if bidirectional else 3) * gaps)
        steps[:, 2 + gaps : 2 + 2 * gaps] = 0.0
        inputs, decay = layer(steps)
        torch.testing.assert_close(decay, torch.full_like(decay, float(np.exp(-0.1))))
        values = inputs[:, 2 : 2 + gaps]
        torch.testing.assert_close(values, torch.full_like(values, float(np.exp(-0.1))))
        (inputs.sum() + decay.sum()).backward()
        assert all((p.grad != 0).all() for p in layer.parameters())


def test_a_rate_below_zero_decays_nothing_and_has_no_slope():
    layer = DecayLayer(3, 1, 2, False).double()
    with torch.no_grad():
        layer.state_weight.copy_(torch.tensor([[1.0], [-1.0]]))
        layer.input_weight.fill_(-1.0)
    steps = torch.tensor([[2.0, 0.0, 3.0]]).double()
    inputs, decay = layer(steps)
    assert torch.equal(inputs, torch.tensor([[2.0, 0.0]]).double())
    torch.testing.assert_close(decay, torch.tensor([[np.exp(-3.0), 1.0]]))
    (inputs.sum() + decay.sum()).backward()
    slopes = {name: p.grad.flatten().tolist() for name, p in layer.named_parameters()}
    assert slopes["state_weight"] == pytest.approx([-3 * np.exp(-3.0), 0.0])
    assert slopes["state_bias"] == pytest.approx([-np.exp(-3.0), 0.0])
    assert slopes["input_weight"] == slopes["input_bias"] == [0.0]


def test_columns_are_not_overwritten():
    layer, (steps, _) = stack_of().decay, gapped([6, 4])
    before = steps.clone()
    layer(steps)
    assert torch.equal(steps, before)
    assert all(torch.isfinite(p).all() for p in layer.parameters())


@each_cell
@each_direction
def test_only_the_first_layer_decays(cell, bidirectional):
    steps, layout = gapped([6, 4, 4], bidirectional=bidirectional)
    stack = stack_of(cell, bidirectional, sizes=(4, 3, 2))
    levels = stack(steps, layout)
    inputs, decay = stack.decay(steps)
    torch.testing.assert_close(
        levels[0][0], stack.layers[0](inputs, layout, decay=decay)[0], rtol=0, atol=0
    )
    for i in (1, 2):
        states, final = stack.layers[i](levels[i - 1][0], layout)
        assert torch.equal(levels[i][0], states)
        assert torch.equal(levels[i][1], final[0])
        again = stack.layer(i, levels[i - 1][0], layout)
        assert all(map(torch.equal, again, levels[i]))
    assert all(map(torch.equal, stack.layer(0, steps, layout), levels[0]))


def test_states_depend_on_the_parameters_below():
    stack = stack_of(sizes=(4, 3), time_delays=(0, 1))
    steps, layout = gapped([5, 3])
    levels = stack(steps, layout)
    for i in range(2):
        below = stack.parameters_below(i)
        assert {id(p) for p in stack.decay.parameters()} <= {id(p) for p in below}
        grads = torch.autograd.grad(
            levels[i][0].sum(), list(stack.parameters()), retain_graph=True, allow_unused=True
        )
        reached = [p for p, g in zip(stack.parameters(), grads, strict=True) if g is not None]
        assert {id(p) for p in reached} == {id(p) for p in below}
    assert len(stack.parameters_below(0)) < len(stack.parameters_below(1))


@each_cell
def test_time_delays_see_what_the_recurrence_would(cell):
    steps, layout = gapped([6, 4])
    stack = stack_of(cell, time_delays=(0, 1, -1))
    inputs, decay = stack.decay(steps)
    expected = stack.layers[0](stack.front(inputs, layout), layout, decay=decay)[0]
    assert torch.equal(stack(steps, layout)[0][0], expected)


@each_cell
@pytest.mark.parametrize("n_sequences", [None, 3])
def test_step_by_step_is_the_same(cell, n_sequences):
    n = n_sequences or 1
    steps, layout = gapped([6] * n)
    stack = stack_of(cell, sizes=(4, 3))
    expected = stack(steps, layout)[-1][0].detach().numpy().reshape(6, n, 3)
    stepping = SteppingStack(stack, () if n_sequences is None else (n_sequences,))
    with torch.no_grad():
        for p in stack.parameters():
            p.zero_()  # what was copied stays
    for _ in range(2):
        for x, h in zip(steps.numpy().reshape(6, n, -1), expected, strict=True):
            found = stepping.step(x if n_sequences else x[0])
            np.testing.assert_allclose(found, h if n_sequences else h[0], rtol=0, atol=1e-13)
        stepping.reset()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_float32_is_close_and_copies_are_equal(cell, bidirectional):
    steps, layout = gapped([30, 20, 20, 4], bidirectional=bidirectional)
    stack = stack_of(cell, bidirectional, sizes=(8, 8))
    expected = stack(steps, layout)[-1][0]
    single = copy.deepcopy(stack).float()
    found = single(steps.float(), layout)[-1][0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
    fresh = stack_of(cell, bidirectional, sizes=(8, 8))
    fresh.load_state_dict(stack.state_dict())
    assert torch.equal(fresh(steps, layout)[-1][0], expected)


def test_without_gaps_nothing_is_new():
    torch.manual_seed(5)
    plain = RecurrentStack("gru", "tanh", 3, (4,), True, 0.0)
    torch.manual_seed(5)
    zero = RecurrentStack("gru", "tanh", 3, (4,), True, 0.0, gaps=0)
    assert zero.decay is None
    assert list(plain.state_dict()) == list(zero.state_dict())
    assert all(map(torch.equal, plain.parameters(), zero.parameters()))


def test_a_given_cell_cannot_decay():
    with pytest.raises(ValueError, match="missing='decay' needs cell to be 'rnn', 'gru' or 'lstm'"):
        RecurrentStack(torch.nn.GRU, "tanh", 3, (4,), False, 0.0, gaps=1)


@pytest.mark.parametrize(("bidirectional", "needed"), [(False, 6), (True, 8)])
def test_too_few_columns(bidirectional, needed):
    with pytest.raises(ValueError, match=f"input_size must be at least {needed} .* found 5"):
        RecurrentStack("gru", "tanh", 5, (4,), bidirectional, 0.0, gaps=2)
    RecurrentStack("gru", "tanh", needed, (4,), bidirectional, 0.0, gaps=2)
