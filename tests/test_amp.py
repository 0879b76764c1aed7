"""Mixed precision: refused where there is none; a scaled loss learns the same."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sk_mtrnn import MultiTaskRNNRegressor
from sk_mtrnn._training import _build, _checks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6, 3))
Y = np.column_stack([X[:, :, 0].sum(1), X[:, -1, 1]])
SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "batch_size": 16, "random_state": 0}

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_it_needs_a_cuda_device_and_float32(monkeypatch):
    with pytest.raises(ValueError, match=r"amp=True needs a CUDA device, found device='cpu'"):
        MultiTaskRNNRegressor(**SMALL, amp=True, device="cpu").fit(X, Y)
    monkeypatch.setattr(_checks, "resolve_device", lambda device: "cuda")
    with pytest.raises(ValueError, match="amp=True needs dtype='float32', found 'float64'"):
        MultiTaskRNNRegressor(**SMALL, amp=True, dtype="float64").fit(X, Y)


@pytest.mark.parametrize(
    "system", [{"task_weights": "gradnorm"}, {"gradient_aggregation": "mgda"}], ids=str
)
def test_what_compares_gradients_knows_none(monkeypatch, system):
    if "gradient_aggregation" in system:
        pytest.importorskip("torchjd", reason="needs the extra 'balance'")
    monkeypatch.setattr(_checks, "resolve_device", lambda device: "cuda")
    with pytest.raises(ValueError, match=f"amp=True scales gradients, which {next(iter(system))}="):
        MultiTaskRNNRegressor(**SMALL, amp=True, **system).fit(X, Y)


def fit_scaled(monkeypatch, spoil=None, **params):
    """Fit on the CPU with the loss scaled as on a CUDA device."""
    from sk_mtrnn import _training

    build_net, nets = _build.build_net, []

    def build(*args):
        net = build_net(*args)
        net.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
        nets.append((net, {k: v.clone() for k, v in net.module_.state_dict().items()}))
        if spoil is not None:
            net.module_.stacks[0].layers[0].weight_hh_l0.register_hook(spoil)
        return net

    monkeypatch.setattr(_training, "build_net", build)
    return MultiTaskRNNRegressor(**SMALL | params).fit(X, Y), *nets[0]


def test_a_scaled_loss_learns_the_same(monkeypatch):
    plain = MultiTaskRNNRegressor(**SMALL).fit(X, Y)
    scaled, _, _ = fit_scaled(monkeypatch)
    np.testing.assert_allclose(scaled.predict(X), plain.predict(X), atol=1e-5)
    np.testing.assert_allclose(scaled.loss_curve_, plain.loss_curve_, atol=1e-5)


def test_a_step_whose_gradients_overflow_is_left_out(monkeypatch):
    def spoil(gradient):  # the gradients of every step
        return torch.full_like(gradient, torch.inf)

    _, net, before = fit_scaled(monkeypatch, spoil)
    after = net.module_.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert net.scaler.get_scale() == 2.0 ** (12 - 3 * 4)  # halved at each of 12 steps


def test_training_that_was_broken_off_can_go_on(monkeypatch):
    model, net, _ = fit_scaled(monkeypatch)
    with torch.no_grad():
        net.module_.heads[0].bias.fill_(1e30)
    with pytest.warns(ConvergenceWarning, match="ceased to be finite"):
        model.partial_fit(X, Y)
    copy.deepcopy(pickle.loads(pickle.dumps(net.scaler)))
    with torch.no_grad():
        net.module_.heads[0].bias.zero_()
    n_epochs = model.n_iter_
    model.partial_fit(X, Y)
    assert model.n_iter_ == n_epochs + 1


def test_the_packed_kernels_know_none(monkeypatch):
    monkeypatch.setattr(_checks, "resolve_device", lambda device: "cuda")
    with pytest.raises(ValueError, match="amp=True needs recurrence='auto' or 'torch'"):
        MultiTaskRNNRegressor(**SMALL, amp=True, recurrence="packed").fit(X, Y)


@needs_cuda
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_on_cuda_it_learns_as_well(cell):
    params = SMALL | {"cell": cell, "max_epochs": 30, "device": "cuda"}
    full = MultiTaskRNNRegressor(**params).fit(X, Y)
    mixed = MultiTaskRNNRegressor(**params, amp=True).fit(X, Y)
    assert mixed.score(X, Y) > full.score(X, Y) - 0.02
    predictions = mixed.predict(X)
    mixed.net_.module_.amp = False
    again = mixed.predict(X)
    assert not np.array_equal(predictions, again)
    np.testing.assert_allclose(predictions, again, atol=0.05 * Y.std())
