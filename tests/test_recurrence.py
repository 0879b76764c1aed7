"""Our recurrences are those of torch.nn, in every case and to the last derivative."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from sk_mtrnn.recurrence import GRU, LSTM, RNN, PackedLayout, reused_buffers
from sk_mtrnn.recurrence import _dispatch as dispatch

relu = {"nonlinearity": "relu"}
CELLS = {
    "rnn": (RNN, nn.RNN),
    "relu": (partial(RNN, **relu), partial(nn.RNN, **relu)),
    "gru": (GRU, nn.GRU),
    "lstm": (LSTM, nn.LSTM),
}
LENGTHS = {"equal": [5, 5, 5], "ragged": [7, 4, 4, 1], "single": [6], "one step": [1, 1]}
each_cell = pytest.mark.parametrize("cell", list(CELLS))
each_lengths = pytest.mark.parametrize("lengths", list(LENGTHS))


def layout_of(lengths):
    lengths = torch.as_tensor(lengths)
    return PackedLayout((lengths[None] > torch.arange(int(lengths.max()))[:, None]).sum(1))


def build(cell, bidirectional=False, dtype=torch.float64, sizes=(3, 5), recurrence="packed"):
    torch.manual_seed(0)
    ours, theirs = CELLS[cell]
    theirs = theirs(*sizes, bidirectional=bidirectional).to(dtype)
    ours = ours(*sizes, bidirectional=bidirectional, recurrence=recurrence).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def state_of(cell, layout, width, dtype=torch.float64):
    n_states = 2 if cell == "lstm" else 1
    return tuple(
        torch.randn(len(layout), width, dtype=dtype).requires_grad_() for _ in range(n_states)
    )


def run_torch(module, steps, layout, state):
    """Outputs and final state of torch.nn, directions side by side."""
    n_directions, size = 1 + module.bidirectional, module.hidden_size
    if state is not None:
        state = [s.view(-1, n_directions, size).transpose(0, 1).contiguous() for s in state]
        state = tuple(state) if isinstance(module, nn.LSTM) else state[0]
    packed = nn.utils.rnn.PackedSequence(steps, layout.batch_sizes)
    output, final = module(packed, state)
    final = final if isinstance(module, nn.LSTM) else (final,)
    return output.data, [f.transpose(0, 1).reshape(-1, n_directions * size) for f in final]


@each_cell
@each_lengths
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_values_and_gradients_are_torchs(cell, lengths, bidirectional, given):
    ours, theirs = build(cell, bidirectional)
    layout = layout_of(LENGTHS[lengths])
    steps = torch.randn(int(layout.batch_sizes.sum()), 3, dtype=torch.float64).requires_grad_()
    state = state_of(cell, layout, 10 if bidirectional else 5) if given else None
    inputs = [steps, *(state or ())]
    found, expected = [], []
    for module, run, results in (
        (ours, lambda m, *args: m(*args), found),
        (theirs, run_torch, expected),
    ):
        states, final = run(module, steps, layout, state)
        loss = (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum()
        loss = loss + sum((f * torch.linspace(2, 1, f.numel()).view_as(f)).sum() for f in final)
        gradients = torch.autograd.grad(loss, [*inputs, *module.parameters()])
        results += [states, *final, *gradients]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@each_cell
@each_lengths
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_gradcheck(cell, lengths, bidirectional, given):
    ours, _ = build(cell, bidirectional, sizes=(2, 3))
    layout = layout_of(LENGTHS[lengths])
    steps = torch.randn(int(layout.batch_sizes.sum()), 2, dtype=torch.float64).requires_grad_()
    state = state_of(cell, layout, 6 if bidirectional else 3) if given else ()
    names = [name for name, _ in ours.named_parameters()]

    def run(steps, *rest):
        given_state, weights = rest[: len(state)], rest[len(state) :]
        arguments = (steps, layout, given_state or None)
        weights = dict(zip(names, weights, strict=True))
        states, final = torch.func.functional_call(ours, weights, arguments)
        return states, *final

    assert torch.autograd.gradcheck(run, (steps, *state, *ours.parameters()))


@each_cell
def test_chunks_change_nothing(cell, monkeypatch):
    """Steps are computed in chunks that stay in cache; where they are cut is nobody's business."""
    from sk_mtrnn.recurrence import _gru, _lstm, _rnn

    ours, _ = build(cell)
    layout = layout_of([9, 9, 6, 6, 2])
    steps = torch.randn(int(layout.batch_sizes.sum()), 3, dtype=torch.float64).requires_grad_()
    results = []
    for size in (1 << 16, 60, 1):
        for file in (_gru, _lstm, _rnn):
            monkeypatch.setattr(file, "CHUNK_SIZE", size)
        states, final = ours(steps, layout)
        loss = states.square().sum() + final[-1].sin().sum()
        gradients = torch.autograd.grad(loss, [steps, *ours.parameters()])
        results.append([states, *final, *gradients])
    assert len(layout.chunks(12)) > 2
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


@each_cell
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_any_dtype_and_no_gradients(cell, dtype):
    ours, theirs = build(cell, True, dtype)
    layout = layout_of([6, 3, 2])
    steps = torch.randn(11, 3, dtype=dtype)
    expected, final = run_torch(theirs.double(), steps.double(), layout, None)
    tolerance = {torch.float64: 1e-13, torch.float32: 1e-6, torch.bfloat16: 0.03}[dtype]
    for context in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with context():
            states, found = ours(steps, layout)
        assert states.dtype == dtype
        assert states.requires_grad == (context is torch.enable_grad)
        torch.testing.assert_close(states.double(), expected, rtol=0, atol=tolerance)
        for a, b in zip(found, final, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=0, atol=tolerance)


@each_cell
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
def test_packed_and_torch_agree_in_float32(cell, lengths):
    lengths = [40] * 16 if lengths == "equal" else [40 - 2 * i for i in range(16)]
    layout, results = layout_of(lengths), []
    for recurrence in ("packed", "torch", "auto"):
        module, _ = build(cell, True, torch.float32, (6, 24), recurrence)
        torch.manual_seed(1)
        steps = torch.randn(sum(lengths), 6).requires_grad_()
        states, final = module(steps, layout)
        loss = states.square().mean() + final[-1].mean()
        results.append([states, *final, *torch.autograd.grad(loss, [steps, *module.parameters()])])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@each_cell
@pytest.mark.parametrize("value", [1e4, -1e4, 1e30])
@pytest.mark.parametrize("place", ["input", "state", "weight"])
def test_extreme_numbers_end_as_in_torch(cell, value, place):
    """tanh and σ from one another: nothing overflows that does not in torch.nn."""
    ours, theirs = build(cell, dtype=torch.float32)
    layout = layout_of([6, 4, 1])
    steps = torch.randn(11, 3)
    state = tuple(s.detach() for s in state_of(cell, layout, 5, torch.float32))
    with torch.no_grad():
        if place == "weight":
            ours.weight_hh_l0[2, 2] = theirs.weight_hh_l0[2, 2] = value
        else:
            {"input": steps, "state": state[-1]}[place][1, 1] = value
        found, expected = ours(steps, layout, state)[0], run_torch(theirs, steps, layout, state)[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_float32_gradients_are_as_close_to_float64_as_torchs(cell):
    """Over sizes, seeds and both kinds of batches: the mean of the ratio of errors is below 1."""
    ratios = []
    for n_sequences, n_steps, size in ((16, 50, 16), (32, 50, 32), (32, 100, 48), (64, 30, 64)):
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            lengths = torch.full((n_sequences,), n_steps)
            if seed:
                lengths = torch.randint(
                    n_steps // 4, n_steps + 1, (n_sequences,), generator=generator
                )
                lengths = lengths.sort(descending=True).values
            layout = layout_of(lengths)
            steps = torch.randn(int(lengths.sum()), 8, generator=generator)
            above = torch.randn(len(steps), size, generator=generator)
            gradients = {}
            for recurrence, dtype in (("torch", 64), ("torch", 32), ("packed", 32)):
                module, _ = build(cell, False, torch.float32, (8, size), recurrence)
                kind = torch.float64 if dtype == 64 else torch.float32
                module.to(kind)
                states, _ = module(steps.to(kind), layout)
                found = torch.autograd.grad(states, list(module.parameters()), above.to(kind))
                found = torch.cat([g.ravel() for g in found]).double()
                gradients[recurrence, dtype] = found
            exact = gradients["torch", 64]
            errors = [(gradients[way, 32] - exact).norm() for way in ("packed", "torch")]
            ratios.append(math.log(errors[0] / errors[1]))
    assert sum(ratios) / len(ratios) <= 0


@each_cell
def test_graphs_may_wait_and_be_used_twice(cell):
    """Buffers are used again only once no graph needs them."""
    ours, _ = build(cell)
    layout = layout_of([8, 5, 5])
    batches = [torch.randn(18, 3, dtype=torch.float64) for _ in range(3)]

    def gradients(losses):
        return [torch.autograd.grad(loss, list(ours.parameters())) for loss in losses]

    alone = [gradients([ours(x, layout)[0].square().sum()])[0] for x in batches]
    with reused_buffers():
        for _ in range(2):
            losses = [ours(x, layout)[0].square().sum() for x in batches]
            together = gradients(losses)
            for a, b in zip(alone, together, strict=True):
                assert all(map(torch.equal, a, b))
        states = ours(batches[0], layout)[0]
        loss = states.square().sum()
        for _ in range(3):
            again = torch.autograd.grad(loss, list(ours.parameters()), retain_graph=True)
            ours(batches[1], layout)[0].sum().backward()
            assert all(map(torch.equal, again, alone[0]))


@each_cell
def test_buffers_are_used_again_and_given_back(cell, monkeypatch):
    from sk_mtrnn.recurrence import _buffers

    made = []
    new = _buffers.Buffers._new
    monkeypatch.setattr(
        _buffers.Buffers, "_new", lambda self, size: made.append(size) or new(self, size)
    )
    ours, _ = build(cell)
    layout = layout_of([8, 5, 5])
    steps = torch.randn(18, 3, dtype=torch.float64)

    def step():
        ours(steps, layout)[0].sum().backward()
        with torch.inference_mode():
            ours(steps, layout)

    with reused_buffers():
        step()
        first = len(made)
        for _ in range(3):
            step()
        assert len(made) == first > 0
        with reused_buffers():  # a prediction within a fit
            step()
        assert len(made) == first
    step()
    assert len(made) > first
    assert _buffers._local.free is None


@each_cell
def test_state_dicts_go_both_ways(cell):
    ours, theirs = build(cell, True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    theirs.load_state_dict(copy.deepcopy(ours).state_dict())
    torch.manual_seed(3)
    fresh = CELLS[cell][1](3, 5, bidirectional=True)
    torch.manual_seed(3)
    mine = CELLS[cell][0](3, 5, bidirectional=True)
    for a, b in zip(fresh.parameters(), mine.parameters(), strict=True):
        assert torch.equal(a, b)


def way(cell, lengths, size, dtype=torch.float32, grad=True, recurrence="auto"):
    module, _ = build(cell, False, dtype, (2, size), recurrence)
    steps = torch.empty(sum(lengths), 2, dtype=dtype)
    with torch.set_grad_enabled(grad):
        return dispatch.choose(module, steps, layout_of(lengths))


SMALL, LARGE, RAGGED = [50] * 32, [50] * 128, [50, 40, 2]


def test_the_dispatcher_follows_its_rule(monkeypatch):
    monkeypatch.setattr(dispatch, "compiled_loops", lambda cell: None)
    for cell in ("rnn", "relu", "gru"):
        assert way(cell, SMALL, 8) == way(cell, [9, 3], 8, grad=False) == ("packed", None)
    assert way("lstm", SMALL, 32) == ("torch", None)
    assert way("lstm", LARGE, 128) == ("packed", None)
    assert way("lstm", LARGE, 128, grad=False) == ("torch", None)
    assert way("lstm", RAGGED, 32) == ("packed", None)
    assert way("lstm", RAGGED, 32, grad=False) == ("torch", None)
    assert way("lstm", SMALL, 32, torch.float64) == ("packed", None)  # oneDNN has no float64
    for cell in CELLS:
        for recurrence in ("packed", "torch"):
            assert way(cell, SMALL, 32, recurrence=recurrence) == (recurrence, None)
        elsewhere = build(cell, recurrence="auto")[0].to("meta")
        assert dispatch.choose(elsewhere, torch.empty(4, 3, device="meta"), None)[0] == "torch"


def test_compiled_loops_serve_where_they_are_faster(monkeypatch):
    monkeypatch.setattr(dispatch, "compiled_loops", lambda cell: f"loops of {cell}")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    for cell, name in (("rnn", "rnn"), ("relu", "rnn"), ("gru", "gru"), ("lstm", "lstm")):
        loops = ("packed", f"loops of {name}")
        for grad in (True, False):
            assert way(cell, RAGGED, 32, grad=grad) == way(cell, LARGE, 64, grad=grad) == loops
            assert way(cell, RAGGED, 32, torch.float64, grad) == ("packed", None)
        assert way(cell, RAGGED, 300) == ("packed", None)
        assert way(cell, RAGGED, 32, recurrence="packed") == ("packed", None)
    assert way("lstm", [50] * 8, 64) == way("lstm", LARGE, 128, grad=False) == ("torch", None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert way("gru", SMALL, 32) == ("packed", None)


def test_double_backward_is_refused_not_wrong():
    ours, _ = build("gru")
    steps = torch.randn(6, 3, dtype=torch.float64).requires_grad_()
    states, _ = ours(steps, layout_of([6]))
    (gradient,) = torch.autograd.grad(states.square().sum(), steps, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
