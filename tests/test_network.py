"""The module against torch's own layers and against loops over single sequences."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sk_mtrnn import Ragged
from sk_mtrnn._network import MultiTaskNetwork, PackedInputs
from sk_mtrnn._reading import TaskSpec
from sk_mtrnn.inputs import InputSpec
from sk_mtrnn.recurrence import PackedLayout, RecurrentStack, SeededDropout
from sk_mtrnn.relations import resolve_relation
from sk_mtrnn.sequences import packed_order
from sk_mtrnn.sharing import HardSharing

LENGTHS = [3, 7, 1, 7, 5]


@pytest.fixture
def batch():
    """Sequences in packed order, and the batch they make."""
    rng = np.random.default_rng(0)
    X = Ragged.from_list([rng.normal(size=(n, 2)) for n in LENGTHS])
    order = packed_order(X.offsets, X.lengths, np.arange(len(X)))
    layout = PackedLayout(torch.from_numpy(order.batch_sizes))
    sequences = [torch.from_numpy(X[i]) for i in order.samples]
    return sequences, PackedInputs(torch.from_numpy(X.values[order.rows]), layout)


def unpacked(steps, layout):
    """Steps of every sequence, by a loop."""
    starts = torch.cumsum(layout.batch_sizes, 0) - layout.batch_sizes
    lengths = [(layout.batch_sizes > b).sum() for b in range(len(layout))]
    return [torch.stack([steps[starts[t] + b] for t in range(n)]) for b, n in enumerate(lengths)]


def specs(*n_outputs):
    return [TaskSpec(k, n, torch.softmax) for k, n in enumerate(n_outputs)]


def network(**params):
    defaults = {
        "inputs": InputSpec(2),
        "tasks": specs(3, 1, 2),
        "per_step": (False, False, True),
        "cell": "gru",
        "activation": "tanh",
        "hidden_layer_sizes": (4,),
        "bidirectional": False,
        "dropout": 0.0,
        "pooling": "last",
        "sharing": HardSharing(),
        "relation": resolve_relation(None),
        "relatedness": None,
        "dtype": torch.float64,
    }
    torch.manual_seed(0)
    return MultiTaskNetwork(**{**defaults, **params})


def test_layout_moves_steps_as_a_loop_would(batch):
    sequences, inputs = batch
    layout = inputs.layout
    for found, expected in zip(unpacked(inputs.steps, layout), sequences, strict=True):
        assert torch.equal(found, expected)
    backwards = layout.reverse(inputs.steps)
    for found, expected in zip(unpacked(backwards, layout), sequences, strict=True):
        assert torch.equal(found, expected.flip(0))
    assert torch.equal(layout.reverse(backwards), inputs.steps)
    assert torch.equal(layout.last(inputs.steps), torch.stack([s[-1] for s in sequences]))
    assert layout.lengths().tolist() == [len(s) for s in sequences]
    padded = nn.utils.rnn.pad_sequence(sequences, padding_value=-5.0)
    assert torch.equal(layout.pad(inputs.steps, -5.0), padded)
    assert torch.equal(layout.unpad(padded), inputs.steps)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize(
    ("cell", "reference"),
    [
        ("rnn", nn.RNN),
        ("relu", partial(nn.RNN, nonlinearity="relu")),
        ("gru", nn.GRU),
        ("lstm", nn.LSTM),
    ],
)
def test_stack_is_torchs_bidirectional_stack(cell, reference, equal):
    """Same equations, stacking and pairing of directions as torch.nn, final states included."""
    lengths = torch.tensor([6, 6, 6] if equal else [6, 4, 1])
    x = torch.randn(6, 3, 2, dtype=torch.float64)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
    theirs = reference(2, 4, num_layers=2, bidirectional=True).double()
    cell, activation = ("rnn", "relu") if cell == "relu" else (cell, "tanh")
    ours = RecurrentStack(cell, activation, 2, (4, 4), True, 0.0).double()
    state = {}
    for name, value in theirs.state_dict().items():
        layer = name.removesuffix("_reverse")[-1]
        state[f"layers.{layer}.{name.replace(f'_l{layer}', '_l0')}"] = value
    ours.load_state_dict(state)
    layout = PackedLayout(packed.batch_sizes)
    states, ours_final = ours(packed.data, layout)[-1]
    expected, final = theirs(packed)
    torch.testing.assert_close(states, expected.data, rtol=0, atol=1e-12)
    final = final[0] if cell == "lstm" else final
    # the final state of each direction, not the output at the last step
    expected_final = torch.cat([final[2], final[3]], dim=1)
    torch.testing.assert_close(ours_final, expected_final, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_pooling_is_that_of_each_sequence_alone(batch, pooling, bidirectional):
    _, inputs = batch
    module = network(pooling=pooling, bidirectional=bidirectional)
    if pooling == "attention":
        nn.init.normal_(module.readings[0].pooling.query)
    states, final = module.stacks[0](inputs.steps, inputs.layout)[-1]
    reading = module.readings[0]
    pooled = reading.pooling(states[None], final[None], inputs.layout).expand(3, -1, -1)
    for b, h in enumerate(unpacked(states, inputs.layout)):
        for k in range(3):
            if pooling == "last":
                expected = torch.cat([h[-1, :4], h[0, 4:]])
            elif pooling == "mean":
                expected = h.mean(0)
            elif pooling == "max":
                expected = h.amax(0)
            else:
                q = reading.pooling.query[k]
                expected = torch.softmax(h @ q / h.shape[1] ** 0.5, 0) @ h
            torch.testing.assert_close(pooled[k, b], expected, rtol=0, atol=1e-12)
    outputs = module(inputs)
    assert [tuple(o.shape) for o in outputs] == [(5, 3), (5, 1), (sum(LENGTHS), 2)]


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_gradients_are_right_and_those_of_the_sequences_alone(batch, pooling):
    """Numerical gradients, and the sum of the gradients of batches of one sequence."""
    sequences, inputs = batch
    module = network(pooling=pooling, bidirectional=True, hidden_layer_sizes=(3, 2), cell="lstm")
    steps = inputs.steps.clone().requires_grad_()

    def outputs(steps):
        return module(PackedInputs(steps, inputs.layout))

    assert torch.autograd.gradcheck(outputs, (steps,))

    def gradients(batches):
        module.zero_grad()
        for part in batches:
            sum(output.square().sum() for output in module(part)).backward()
        return [p.grad.clone() for p in module.parameters()]

    alone = [
        PackedInputs(s, PackedLayout(torch.ones(len(s), dtype=torch.int64))) for s in sequences
    ]
    for found, expected in zip(gradients(alone), gradients([inputs]), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_attention_weights_sum_to_one_and_start_equal(batch):
    _, inputs = batch
    module = network(pooling="attention")
    weights = unpacked(module.attention(inputs), inputs.layout)
    for w in weights:
        torch.testing.assert_close(w, torch.full_like(w, 1 / len(w)))
    nn.init.normal_(module.readings[0].pooling.query)
    for w in unpacked(module.attention(inputs), inputs.layout):
        torch.testing.assert_close(w.sum(0), torch.ones(3, dtype=torch.float64))


def test_seeded_dropout_keeps_the_mean_and_its_own_randomness():
    layer = SeededDropout(0.3)
    layer.generator = torch.Generator().manual_seed(0)
    x = torch.ones(200, 200)
    state = torch.get_rng_state()
    first, second = layer(x), layer(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(first, second)
    assert first.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert abs(float(first.mean()) - 1) < 0.02
    assert torch.equal(layer.eval()(x), x)


def test_heads_of_equal_shape_start_equal_whatever_stands_beside_them():
    first, second = network(tasks=specs(3, 1, 3)), network(tasks=specs(1, 3, 3))
    chosen = first.heads[0][0], first.heads[0][2], second.heads[0][1], second.heads[0][2]
    weights = [head.weight for head in chosen]
    for other in weights[1:]:
        assert torch.equal(weights[0], other)


def test_dropout_acts_between_layers_and_before_every_head(batch):
    """Two training passes differ wherever dropout stands, and only there."""
    _, inputs = batch
    for params, changes in (
        ({"hidden_layer_sizes": (4,)}, (False, True)),
        ({"hidden_layer_sizes": (4, 4)}, (True, True)),
    ):
        module = network(dropout=0.5, **params)
        module.train()
        states = [module.stacks[0](inputs.steps, inputs.layout)[-1][0] for _ in range(2)]
        assert torch.equal(*states) != changes[0]
        for first, second in zip(module(inputs), module(inputs), strict=True):
            assert torch.equal(first, second) != changes[1]
        module.eval()
        for first, second in zip(module(inputs), module(inputs), strict=True):
            assert torch.equal(first, second)
