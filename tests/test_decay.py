"""missing="decay" in a fit: the paper's equations in numpy, and its limits."""

import numpy as np
import pytest
import torch
from refusals import refused

from sk_mtrnn import MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn.missing import since_observed, starts_of


@pytest.fixture(scope="module")
def holes():
    """Time stamps, two channels with holes and one without; ragged."""
    rng = np.random.default_rng(0)
    X = []
    for n in rng.integers(2, 9, size=30):
        x = rng.normal(loc=2.0, scale=3.0, size=(n, 4))
        x[:, 0] = np.cumsum(rng.exponential(size=n))
        x[:, 1:3][rng.random((n, 2)) < 0.4] = np.nan
        X.append(x)
    return X, rng.normal(size=30)


def model(**params):
    defaults = {"missing": "decay", "time_feature": 0, "dtype": "float64", "random_state": 0}
    return MultiTaskRNNRegressor(
        **{**defaults, "hidden_layer_sizes": (5,), "max_epochs": 3, **params}
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(fitted, X):
    """GRU-D, RNN-D or LSTM-D as in Che et al. 2018, sequence by sequence and step by step."""
    network = fitted.net_.module_
    (stack,) = network.stacks
    w = {name: p.detach().numpy() for name, p in stack.layers[0].named_parameters()}
    d = {name: p.detach().numpy() for name, p in stack.decay.named_parameters()}
    w_ih, w_hh = w["weight_ih_l0"], w["weight_hh_l0"]
    b_ih, b_hh = w["bias_ih_l0"], w["bias_hh_l0"]
    steps = np.concatenate(X)
    mean, std = np.nanmean(steps, axis=0), np.nanstd(steps, axis=0)
    observed = ~np.isnan(steps[:, 1:3])
    offsets = np.cumsum([0, *(len(x) for x in X)])
    starts = starts_of(offsets)
    average = np.array([since_observed(m, starts, steps[:, 0]).mean() for m in observed.T])
    predicted = []
    for x in X:
        h, c = np.zeros(5), np.zeros(5)
        last, since = np.zeros(2), np.zeros(2)
        for t in range(len(x)):
            m = ~np.isnan(x[t, 1:3])
            if t:
                before = ~np.isnan(x[t - 1, 1:3])
                since = x[t, 0] - x[t - 1, 0] + np.where(before, 0.0, since)
            delta = since / average
            scaled = (x[t, 1:3] - mean[1:3]) / std[1:3]
            last = np.where(m, scaled, last)
            gamma_x = np.exp(-np.maximum(0, d["input_weight"] * delta + d["input_bias"]))
            hat = np.where(m, scaled, gamma_x * last)
            inputs = np.concatenate([[(x[t, 3] - mean[3]) / std[3]], hat, m])
            gamma_h = np.exp(-np.maximum(0, d["state_weight"] @ delta + d["state_bias"]))
            h = gamma_h * h
            ahead, back = w_ih @ inputs + b_ih, w_hh @ h + b_hh
            if fitted.cell == "gru":
                r, z = sigmoid(ahead[:5] + back[:5]), sigmoid(ahead[5:10] + back[5:10])
                n = np.tanh(ahead[10:] + r * back[10:])
                h = (1 - z) * n + z * h
            elif fitted.cell == "rnn":
                h = np.tanh(ahead + back)
            else:
                i, f, g, o = np.split(ahead + back, 4)
                c = sigmoid(f) * gamma_h * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
        predicted.append(h)
    head = network.heads[0]
    output = np.array(predicted) @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    task = fitted._task_set.tasks[0]
    return task.decode(output)


@pytest.mark.parametrize("cell", ["gru", "rnn", "lstm"])
def test_it_is_what_the_paper_says(cell, holes):
    X, y = holes
    fitted = model(cell=cell, learning_rate=0.05).fit(X, y)
    decay = fitted.net_.module_.stacks[0].decay
    assert (decay.state_weight != 0.1 / 2).any()  # it learned
    np.testing.assert_allclose(fitted.predict(X), by_hand(fitted, X), rtol=1e-8)


@pytest.mark.parametrize("cell", ["gru", "rnn", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_decay_it_is_forward_with_indicators(cell, bidirectional, holes):
    """Weights on the indicators set to zero as well, it is "forward"."""
    X, y = holes
    options = {"cell": cell, "bidirectional": bidirectional}
    decay, forward = (model(missing=way, **options).fit(X, y) for way in ("decay", "forward"))
    network, plain = decay.net_.module_, forward.net_.module_
    place = {1: 1, 2: 2, 3: 0}  # decaying channels stand behind the others
    with torch.no_grad():
        for parameter in network.stacks[0].decay.parameters():
            parameter.zero_()
        other = dict(plain.stacks[0].layers[0].named_parameters())
        for name, parameter in network.stacks[0].layers[0].named_parameters():
            if "weight_ih" in name:
                parameter.zero_()
                for channel, column in place.items():
                    parameter[:, column] = other[name][:, channel - 1]
            else:
                parameter.copy_(other[name])
        network.heads.load_state_dict(plain.heads.state_dict())
    np.testing.assert_allclose(decay.predict(X), forward.predict(X), rtol=1e-9)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_strong_decay_forgets(cell, holes):
    """With endless rates a hole is the mean, and no state survives a step that takes time."""
    X, y = holes
    fitted = model(cell=cell).fit(X, y)
    with torch.no_grad():
        for name, parameter in fitted.net_.module_.stacks[0].decay.named_parameters():
            parameter.fill_(1e9 if "weight" in name else 0.0)
    kept = [x for x in X if len(x) > 2]
    other = [x.copy() for x in kept]
    for x in other:
        x[0, 3] += 1  # what was before the last step
    np.testing.assert_array_equal(fitted.predict(kept), fitted.predict(other))
    for x in other:
        x[-1, 3] += 1
    assert not np.allclose(fitted.predict(kept), fitted.predict(other))


def test_a_backward_layer_measures_time_the_other_way_round(holes):
    """What each direction is told of a sequence, the other is told of the mirrored one."""
    X, y = holes
    fitted = model(bidirectional=True).fit(X, y)
    mirrored = [np.column_stack([-x[::-1, 0], x[::-1, 1:]]) for x in X]
    one = fitted._read_steps(X).values
    two = np.concatenate([steps[::-1] for steps in fitted._read_steps(mirrored)])
    np.testing.assert_allclose(one[:, 5:7], two[:, 7:9], atol=1e-12)
    np.testing.assert_allclose(one[:, 7:9], two[:, 5:7], atol=1e-12)
    assert not np.allclose(one[:, 5:7], one[:, 7:9])


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"cell": torch.nn.GRU}, ("missing='decay'", "'rnn', 'gru' or 'lstm'")),
        ({"tasks": RegressionTask(features=[1])}, ("features of task 0", "missing='decay'")),
    ],
)
def test_what_cannot_decay_is_refused(options, parts, holes):
    X, y = holes
    with refused(*parts):
        model(**options).fit(X, y)


@pytest.mark.parametrize(
    "options",
    [
        {"sharing": "mmoe"},
        {"sharing": "cross_stitch", "hidden_layer_sizes": (5, 4)},
        {"sharing": "shared_private"},
        {"time_delays": (0, 1)},
        {"input_skip": True},
        {"hidden_layer_sizes": (5, 4), "bidirectional": True},
        {"recurrence": "torch"},
        {"standardize": False},
        {"pooling": "attention"},
        {"dtype": "float32"},
    ],
)
def test_it_goes_with_the_rest(options, holes):
    X, y = holes
    Y = np.column_stack([y, -y])
    fitted = model(**options).fit(X, Y)
    assert np.isfinite(fitted.loss_curve_).all()
    alone = np.concatenate([fitted.predict([x]) for x in X])
    np.testing.assert_allclose(fitted.predict(X), alone, rtol=1e-4, atol=1e-6)


def test_units_of_time_change_nothing(holes):
    X, y = holes
    minutes = [np.column_stack([60 * x[:, 0] + 7, x[:, 1:]]) for x in X]
    one, two = model().fit(X, y), model().fit(minutes, y)
    np.testing.assert_allclose(one.predict(X), two.predict(minutes), rtol=1e-6)
