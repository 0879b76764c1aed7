"""Time delays and inputs beside the states, against loops over single sequences."""

import numpy as np
import pandas as pd
import pytest
import torch

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn._network import PackedInputs
from sk_mtrnn.datasets import make_multitask_sequences
from sk_mtrnn.recurrence import PackedLayout
from sk_mtrnn.recurrence._time_delay import TimeDelayLayer

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}
EXACT = {"rtol": 0, "atol": 1e-12}
RNG = np.random.default_rng(0)
RAGGED = [RNG.normal(size=(n, 3)) for n in (7, 6, 6, 2, 1)]
EQUAL = [RNG.normal(size=(5, 3)) for _ in range(4)]


def packed(sequences):
    """Steps in packed order and their layout, of sequences that fall in length."""
    tensors = [torch.from_numpy(x) for x in sequences]
    found = torch.nn.utils.rnn.pack_sequence(tensors)
    return found.data, PackedLayout(found.batch_sizes)


def pack(arrays):
    return packed(arrays)[0]


@pytest.fixture(params=[RAGGED, EQUAL], ids=["ragged", "equal"])
def sequences(request):
    return request.param


@pytest.mark.parametrize("delay", [0, 1, 3, -2, 9, -9])
def test_layouts_shift_and_delay_as_a_loop_would(sequences, delay):
    steps, layout = packed(sequences)
    shifted = [x[np.clip(np.arange(len(x)) + delay, 0, len(x) - 1)] for x in sequences]
    assert torch.equal(layout.shift(steps, delay), pack(shifted))
    assert torch.equal(layout.shift(steps.T.contiguous(), delay, dim=1), pack(shifted).T)
    delayed = []
    for x in sequences:
        t = np.arange(len(x)) - delay
        there = (t >= 0) & (t < len(x))
        delayed.append(np.where(there[:, None], x[np.clip(t, 0, len(x) - 1)], 0.0))
    assert torch.equal(layout.delay(steps, delay), pack(delayed))


def test_running_means_are_those_of_prefixes(sequences):
    steps, layout = packed(sequences)
    means = [np.array([x[: t + 1].mean(0) for t in range(len(x))]) for x in sequences]
    torch.testing.assert_close(layout.running_mean(steps), pack(means), **EXACT)


@pytest.mark.parametrize("time_delays", [(0,), (0, 1, 2), (-1, 0, 3), (8, -8)])
def test_the_time_delay_layer_is_its_formula(sequences, time_delays):
    layer = TimeDelayLayer(3, 4, time_delays).double()
    W, b = layer.weights.weight.detach().numpy(), layer.weights.bias.detach().numpy()
    wanted = []
    for x in sequences:
        z = np.tile(b, (len(x), 1))
        for i, d in enumerate(time_delays):
            for t in range(len(x)):
                if 0 <= t - d < len(x):
                    z[t] += W[:, 3 * i : 3 * i + 3] @ x[t - d]
        wanted.append(np.tanh(z))
    steps, layout = packed(sequences)
    torch.testing.assert_close(layer(steps, layout), pack(wanted), **EXACT)
    steps.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: layer(s, layout), (steps,))


@pytest.mark.parametrize("sharing", ["hard", "shared_private", "cross_stitch", "mmoe", "none"])
def test_every_recurrence_has_a_time_delay_layer_of_its_own(sharing):
    X, y = np.stack(EQUAL * 5), RNG.normal(size=(20, 2))
    plain = MultiTaskRNNRegressor(**SMALL, sharing=sharing).fit(X, y).net_.module_
    delayed = MultiTaskRNNRegressor(**SMALL, sharing=sharing, time_delays=(0, 1)).fit(X, y)
    module = delayed.net_.module_
    assert len(module.stacks) == len(plain.stacks)
    for stack in module.stacks:
        assert stack.front.weights.weight.shape == (4, 6)
        assert stack.layers[0].input_size == 4
    before = delayed.predict(X)
    with torch.no_grad():
        module.stacks[0].front.weights.bias += 1.0
    assert not np.allclose(delayed.predict(X), before)


def test_delays_let_a_layer_without_memory_see_the_past():
    """The label is the input two steps ago; the recurrence is made to forget."""
    X = np.random.default_rng(0).normal(size=(200, 10, 1))
    y = np.zeros_like(X)
    y[:, 2:] = X[:, :-2]
    scores = {}
    for delays in ((0,), (0, 1, 2)):
        model = MultiTaskRNNRegressor(
            cell="rnn", hidden_layer_sizes=(8,), time_delays=delays, max_epochs=15, random_state=0
        ).fit(X, y)
        with torch.no_grad():
            (layer,) = model.net_.module_.stacks[0].layers
            layer.weight_hh_l0.zero_()
        scores[delays] = abs(np.corrcoef(model.predict(X)[:, 2:].ravel(), y[:, 2:].ravel())[0, 1])
    assert scores[(0,)] < 0.2
    assert scores[(0, 1, 2)] > 0.6


# ---------------------------------------------------------------- inputs beside the states


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_heads_see_states_and_inputs(pooling, bidirectional):
    """o_t = W_ho h_t + W_xo x_t + b_o, pooled as the states are."""
    sequences = RAGGED * 4
    frame = {"whole": [x[0, 0] for x in sequences], "steps": [x[:, 1] for x in sequences]}
    model = MultiTaskRNNRegressor(
        **SMALL, input_skip=True, pooling=pooling, bidirectional=bidirectional, standardize=False
    ).fit(sequences, pd.DataFrame(frame))
    module, prediction = model.net_.module_, model.predict(RAGGED)
    (heads,) = module.heads
    W, b = heads.weight.detach().numpy(), heads.bias.detach().numpy()
    size = 8 if bidirectional else 4
    assert W.shape == (2, size + 3)
    for i, x in enumerate(RAGGED):
        layout = PackedLayout(torch.ones(len(x), dtype=torch.int64))
        with torch.no_grad():
            ((states, final),) = module.stacks[0](torch.from_numpy(x), layout)
        both = np.concatenate([states.numpy(), x], axis=1)
        np.testing.assert_allclose(prediction["steps"][i], both @ W[1] + b[1], rtol=1e-9)
        pooled = {
            "last": np.concatenate([final.numpy()[0], x[-1]]),
            "mean": both.mean(0),
            "max": both.max(0),
        }[pooling]
        np.testing.assert_allclose(prediction["whole"][i], pooled @ W[0] + b[0], rtol=1e-9)


@pytest.mark.parametrize("sharing", ["hard", "shared_private", "cross_stitch", "mmoe", "none"])
def test_inputs_beside_the_states_with_every_sharing_and_pooling(sharing):
    X, y = make_multitask_sequences(40, (3, 9), missing_labels=0.2, random_state=0)
    for pooling in ("last", "attention"):
        tasks = {"level": RegressionTask(features=[0, 2])}
        for options in ({}, {"tasks": tasks}):
            model = MultiTaskRNN(
                **SMALL, sharing=sharing, pooling=pooling, input_skip=True, **options
            ).fit(X, y)
            whole = model.predict(X)
            alone = model.predict(X[[7]])
            np.testing.assert_allclose(alone["level"][0], whole["level"][7], rtol=1e-9)
            np.testing.assert_allclose(alone["trace"][0], whole["trace"][7], rtol=1e-9)


def test_what_the_recurrence_cannot_tell_the_inputs_do():
    """Heads over a recurrence that is made deaf still see x_t."""
    X = np.random.default_rng(0).normal(size=(200, 6, 2))
    y = X[:, :, :1]
    model = MultiTaskRNNRegressor(
        hidden_layer_sizes=(4,), input_skip=True, max_epochs=20, random_state=0
    ).fit(X, y)
    with torch.no_grad():
        for parameter in model.net_.module_.stacks[0].parameters():
            parameter.zero_()
    assert np.corrcoef(model.predict(X).ravel(), y.ravel())[0, 1] > 0.9


def test_dropout_is_of_states_and_of_inputs_beside_them():
    """While training some columns of either are missing; it is what keeps W_xo small."""
    sequences = RAGGED * 4
    model = MultiTaskRNNRegressor(**SMALL, input_skip=True, dropout=0.5)
    module = model.fit(sequences, [x[0, 0] for x in sequences]).net_.module_
    inputs = PackedInputs(*packed(RAGGED))
    (heads,) = module.heads
    for part in (slice(None, 4), slice(4, None)):
        with torch.no_grad():
            kept = heads.weight[:, part].clone()
            heads.weight[:, part] = 0
            exact, varied = module.eval()(inputs), module.train()(inputs)
            heads.weight[:, part] = kept
        assert not torch.equal(exact[0], varied[0])
