"""A state that decays before every step: the equations in numpy, all kernels."""

import itertools

import pytest
import torch
from decayed_recurrences import (
    CELLS,
    LENGTHS,
    build,
    each_cell,
    each_direction,
    each_lengths,
    inputs_of,
    layout_of,
    rows_of,
    run_in_numpy,
)

from sk_mtrnn.recurrence import (
    _compiled,
    _gru,
    _lstm,
    _rnn,
)
from sk_mtrnn.recurrence import _dispatch as dispatch


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
