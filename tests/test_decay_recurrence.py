"""A state that decays before every step, and the layer that learns how: the equations in numpy."""

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy.special import expit

from sk_mtrnn.recurrence import (
    GRU,
    LSTM,
    RNN,
    DecayLayer,
    PackedLayout,
    RecurrentStack,
    SteppingStack,
    _compiled,
    _gru,
    _lstm,
    _rnn,
)
from sk_mtrnn.recurrence import _dispatch as dispatch

CELLS = {"rnn": RNN, "relu": RNN, "gru": GRU, "lstm": LSTM}
LENGTHS = {"equal": [5, 5, 5], "ragged": [7, 4, 4, 1], "single": [6], "one step": [1, 1]}
each_cell = pytest.mark.parametrize("cell", list(CELLS))
each_lengths = pytest.mark.parametrize("lengths", list(LENGTHS))
each_direction = pytest.mark.parametrize("bidirectional", [False, True])


def layout_of(lengths):
    lengths = torch.as_tensor(lengths)
    return PackedLayout((lengths[None] > torch.arange(int(lengths.max()))[:, None]).sum(1))


def build(cell, bidirectional=False, dtype=torch.float64, sizes=(3, 5), recurrence="packed"):
    torch.manual_seed(0)
    options = {"nonlinearity": "relu"} if cell == "relu" else {}
    return CELLS[cell](*sizes, bidirectional, recurrence, **options).to(dtype)


def inputs_of(cell, lengths, width, n_inputs=3, dtype=torch.float64):
    """Steps, state and decay, leaves of a graph, and the layout."""
    layout, n_states = layout_of(lengths), 2 if cell == "lstm" else 1
    generator = torch.Generator().manual_seed(1)

    def leaf(*shape, draw=torch.randn):
        return draw(*shape, dtype=dtype, generator=generator).requires_grad_()

    n_steps = sum(lengths)
    state = tuple(leaf(len(lengths), width) for _ in range(n_states))
    return leaf(n_steps, n_inputs), state, leaf(n_steps, width, draw=torch.rand), layout


def rows_of(layout):
    """Rows of the steps of each sequence, in order of time."""
    starts = np.concatenate([[0], np.cumsum(layout.batch_sizes.numpy())])
    return [
        [int(starts[t] + b) for t, n in enumerate(layout.batch_sizes) if b < n]
        for b in range(len(layout))
    ]


def step_in_numpy(cell, x, state, w_ih, w_hh, b_ih, b_hh):
    h, size = state[0], len(state[0])
    a, b = w_ih @ x + b_ih, w_hh @ h + b_hh
    if cell == "gru":
        r, z = (expit(a[k] + b[k]) for k in (slice(size), slice(size, 2 * size)))
        n = np.tanh(a[2 * size :] + r * b[2 * size :])
        return ((1 - z) * n + z * h,)
    if cell == "lstm":
        i, f, g, o = np.split(a + b, 4)
        c = expit(f) * state[1] + expit(i) * np.tanh(g)
        return expit(o) * np.tanh(c), c
    return (np.tanh(a + b) if cell == "rnn" else np.maximum(a + b, 0),)


def run_in_numpy(cell, module, steps, state, decay, layout):
    """State after every step and the last ones, sequence by sequence; directions side by side."""
    steps, decay, *state = (t.detach().numpy() for t in (steps, decay, *state))
    size = module.hidden_size
    states, final = np.zeros_like(decay), [np.zeros_like(s) for s in state]
    for direction, suffix in enumerate(["", "_reverse"][: 1 + module.bidirectional]):
        columns = slice(direction * size, (direction + 1) * size)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(module, name + suffix).detach().numpy() for name in names]
        for b, rows in enumerate(rows_of(layout)):
            now = tuple(s[b, columns] for s in state)
            for row in reversed(rows) if direction else rows:
                now = tuple(decay[row, columns] * s for s in now)
                now = step_in_numpy(cell, steps[row], now, *weights)
                states[row, columns] = now[0]
            for f, s in zip(final, now, strict=True):
                f[b, columns] = s
    return [torch.tensor(a) for a in (states, *final)]


@each_cell
@each_lengths
@each_direction
@pytest.mark.parametrize("recurrence", ["packed", "torch", "auto"])
def test_states_are_those_of_the_equations(cell, lengths, bidirectional, recurrence):
    module = build(cell, bidirectional, recurrence=recurrence)
    steps, state, decay, layout = inputs_of(cell, LENGTHS[lengths], module.output_size)
    states, final = module(steps, layout, state, decay)
    expected = run_in_numpy(cell, module, steps, state, decay, layout)
    for a, b in zip([states, *final], expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
    with torch.inference_mode():
        assert torch.equal(module(steps, layout, state, decay)[0], states)
    states, _ = module(steps, layout, decay=decay)
    zeros = [torch.zeros_like(s) for s in state]
    expected = run_in_numpy(cell, module, steps, zeros, decay, layout)
    torch.testing.assert_close(states, expected[0], rtol=0, atol=1e-13)


@each_cell
@pytest.mark.parametrize("lengths", ["ragged", "one step"])
@each_direction
@pytest.mark.parametrize("given", [False, True])
def test_gradcheck(cell, lengths, bidirectional, given):
    module = build(cell, bidirectional, sizes=(2, 3))
    steps, state, decay, layout = inputs_of(cell, LENGTHS[lengths], module.output_size, 2)
    state = state if given else ()
    names = [name for name, _ in module.named_parameters()]

    def run(steps, decay, *rest):
        weights = dict(zip(names, rest[len(state) :], strict=True))
        arguments = (steps, layout, rest[: len(state)] or None, decay)
        states, final = torch.func.functional_call(module, weights, arguments)
        return states, *final

    assert torch.autograd.gradcheck(run, (steps, decay, *state, *module.parameters()))


def results(module, steps, layout, state, decay):
    """States, final states and the gradients of everything."""
    states, final = module(steps, layout, state, decay)
    loss = (
        states * torch.linspace(-1, 1, states.numel(), dtype=states.dtype).view_as(states)
    ).sum()
    loss = loss + sum(f.sin().sum() for f in final)
    leaves = [steps, *(state or ()), *module.parameters()]
    leaves += [decay] if decay is not None and decay.requires_grad else []
    return [states, *final, *torch.autograd.grad(loss, leaves)]


@each_cell
@each_lengths
@each_direction
def test_no_decay_is_a_decay_of_one(cell, lengths, bidirectional):
    module = build(cell, bidirectional)
    steps, state, decay, layout = inputs_of(cell, LENGTHS[lengths], module.output_size)
    ones = torch.ones_like(decay)
    found, expected = (results(module, steps, layout, state, d) for d in (ones, None))
    n_forward = 1 + len(state)
    assert all(map(torch.equal, found[:n_forward], expected[:n_forward]))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@each_cell
@each_direction
def test_a_state_decayed_to_nothing_is_forgotten(cell, bidirectional):
    """Where γ = 0 a sequence begins anew: of an LSTM c is forgotten too."""
    module = build(cell, bidirectional)
    steps, state, decay, layout = inputs_of(cell, [6, 6, 6, 4], module.output_size)
    decay = torch.zeros_like(decay)
    states, _ = module(steps, layout, state, decay)
    alone, _ = module(steps, layout_of([1] * len(steps)))
    torch.testing.assert_close(states, alone, rtol=0, atol=1e-13)


@each_cell
@each_direction
def test_chunks_change_nothing(cell, bidirectional, monkeypatch):
    module = build(cell, bidirectional)
    steps, state, decay, layout = inputs_of(cell, [9, 9, 6, 6, 2], module.output_size)
    found = []
    for size in (1 << 16, 60, 1):
        for file in (_gru, _lstm, _rnn):
            monkeypatch.setattr(file, "CHUNK_SIZE", size)
        found.append(results(module, steps, layout, state, decay))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@each_cell
@each_direction
def test_batch_mates_change_nothing(cell, bidirectional):
    module = build(cell, bidirectional)
    steps, state, decay, layout = inputs_of(cell, [7, 5, 5, 2], module.output_size)
    states, final = module(steps, layout, state, decay)
    for b, rows in enumerate(rows_of(layout)):
        own = tuple(s[b : b + 1] for s in state)
        alone = module(steps[rows], layout_of([len(rows)]), own, decay[rows])
        torch.testing.assert_close(alone[0], states[rows], rtol=0, atol=1e-13)
        for a, f in zip(alone[1], final, strict=True):
            torch.testing.assert_close(a, f[b : b + 1], rtol=0, atol=1e-13)


SHAPES = {
    "one sequence, one unit": ([7], 1),
    "one step": ([1] * 6, 8),
    "odd, ragged": ([9, 9, 7, 4, 4, 2, 1], 17),
    "whole vectors": ([12] * 32, 32),
    "rests of rows and vectors": (sorted((3 + i % 9 for i in range(77)), reverse=True), 50),
    "many sequences": ([3] * 130, 20),
}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("chunk_size", [1 << 16, 300])
@pytest.mark.parametrize("shape", SHAPES)
@each_direction
@each_cell
def test_compiled_loops_are_those_of_torch(cell, shape, bidirectional, chunk_size, monkeypatch):
    pytest.importorskip("numba", reason="the extra [fast] is not installed")
    for file in (_gru, _lstm, _rnn):
        monkeypatch.setattr(file, "CHUNK_SIZE", chunk_size)
    lengths, size = SHAPES[shape]
    compiled, packed = (
        build(cell, bidirectional, torch.float32, (3, size), way) for way in ("auto", "packed")
    )
    if _compiled.compiled_loops("gru") is None:
        pytest.skip("this processor's registers are too narrow")
    given = inputs_of(cell, lengths, compiled.output_size, dtype=torch.float32)
    steps, state, decay, layout = given
    assert dispatch.choose(compiled, steps, layout, True)[1] is not None
    for s in (state, None):
        found = results(compiled, steps, layout, s, decay)
        expected = results(packed, steps, layout, s, decay)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            assert (a - b).norm() <= 1e-5 * b.norm()


@each_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("one_thread")
def test_decay_need_not_be_contiguous(cell, dtype):
    module = build(cell, dtype=dtype, recurrence="auto")
    steps, state, decay, layout = inputs_of(cell, [6, 3, 2], 5, dtype=dtype)
    expected = module(steps, layout, state, decay)[0]
    found = module(steps, layout, state, decay.t().contiguous().t())[0]
    assert torch.equal(found, expected)
    column = decay[:, :1].expand(-1, 5)
    expected = results(module, steps, layout, state, column.contiguous())
    found = results(module, steps, layout, state, column)
    assert all(map(torch.equal, found, expected))


@each_cell
def test_decay_alone_may_be_trained(cell):
    """Nothing else wants a gradient, or decay wants none."""
    module = build(cell).requires_grad_(False)
    steps, state, decay, layout = inputs_of(cell, [6, 3, 2], 5)
    whole = torch.autograd.grad(module(steps, layout, state, decay)[0].sum(), [steps, decay])
    alone = module(steps.detach(), layout, _detached(state), decay)
    assert torch.equal(torch.autograd.grad(alone[0].sum(), decay)[0], whole[1])
    fixed = module(steps, layout, _detached(state), decay.detach())
    assert torch.equal(torch.autograd.grad(fixed[0].sum(), steps)[0], whole[0])


def _detached(tensors):
    return tuple(t.detach() for t in tensors)


def test_with_decay_the_kernels_are_always_ours(monkeypatch):
    monkeypatch.setattr(dispatch, "compiled_loops", lambda cell: f"loops of {cell}")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    for cell, grad in itertools.product(CELLS, [True, False]):
        name = "rnn" if cell == "relu" else cell
        with torch.set_grad_enabled(grad):
            for lengths in ([50] * 8, [50, 40, 2]):
                layout = layout_of(lengths)
                for recurrence in ("packed", "torch"):
                    module = build(cell, dtype=torch.float32, recurrence=recurrence)
                    steps = torch.empty(sum(lengths), 3)
                    assert dispatch.choose(module, steps, layout, True) == ("packed", None)
                module = build(cell, dtype=torch.float32, recurrence="auto")
                loops = f"loops of {name}"
                assert dispatch.choose(module, steps, layout, True) == ("packed", loops)
        elsewhere = module.to("meta"), torch.empty(4, 3, device="meta"), layout_of([2, 2])
        assert dispatch.choose(*elsewhere, True) == ("packed", None)


@pytest.mark.parametrize("shape", [(10, 5), (11, 1), (11, 10), (11,)])
def test_decay_of_another_shape(shape):
    module = build("gru")
    with pytest.raises(ValueError, match=r"decay must be of shape \(11, 5\).* found \("):
        module(torch.zeros(11, 3).double(), layout_of([6, 3, 2]), decay=torch.ones(shape).double())


# ------------------------------------------------------------------------------- the decay layer


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
