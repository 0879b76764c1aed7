"""A loss that ceases to be finite: a warning, and the last finite weights."""

import warnings

import numpy as np
import pytest
import torch
from refusals import N, X, small
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sk_mtrnn import MultiTaskRNNRegressor, RegressionTask

QUANTITIES = X.sum(axis=1) + 1.0


class Explode(Callback):
    """From one epoch on, steps that no weight survives."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            net.optimizer_.param_groups[0]["lr"] = 1e30


def training(**params):
    # a constant rate: the first epochs are those of a shorter fit
    constant = {"max_epochs": 6, "batch_size": 4, "learning_rate_schedule": None}
    return small(MultiTaskRNNRegressor, **{**constant, **params})


def diverges(model, method="fit"):
    """Expect the one warning, finite weights and finite predictions."""
    with pytest.warns(ConvergenceWarning, match=r"ceased to be finite in epoch \d.*are kept"):
        getattr(model, method)(X, QUANTITIES)
    assert all(torch.isfinite(value).all() for value in model.net_.module_.state_dict().values())
    assert np.isfinite(model.predict(X)).all()
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_.shape == (model.n_iter_, 2)
    return model


RELU = {"cell": "rnn", "activation": "relu", "optimizer": "sgd", "max_grad_norm": None}


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": 1e30},
        {"learning_rate": 1e30, "max_grad_norm": None},
        {"learning_rate": 1e30, "optimizer": "sgd"},
        {"learning_rate": 1e30, "early_stopping": True, "validation_fraction": 0.4},
        {"learning_rate": 1e30, "cell": "lstm", "bidirectional": True, "pooling": "attention"},
        {"learning_rate": 1e30, "tasks": RegressionTask("gaussian")},
        {"learning_rate": 1e30, "learning_rate_schedule": "cosine"},
        {"learning_rate": 1e30, "max_epochs": 1, "batch_size": N},
        {"learning_rate": 1e200, "dtype": "float64"},
        {"learning_rate": 10.0, **RELU},
        {"learning_rate": 10.0, "early_stopping": True, "validation_fraction": 0.4, **RELU},
    ],
    ids=lambda params: ", ".join(f"{name}={value}" for name, value in params.items()),
)
def test_divergence_keeps_finite_weights(params):
    diverges(training(**params))


def test_divergence_in_a_late_epoch_keeps_the_epochs_before():
    model = diverges(training(callbacks=[Explode(epoch=4)]))
    reference = training(max_epochs=3).fit(X, QUANTITIES)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    np.testing.assert_array_equal(model.loss_curve_, reference.loss_curve_)
    assert (model.n_iter_, model.best_epoch_) == (3, 3)


def test_divergence_with_early_stopping_keeps_the_best_epoch_before():
    stopping = {"early_stopping": True, "validation_fraction": 0.4}
    model = diverges(training(callbacks=[Explode(epoch=4)], **stopping))
    reference = training(max_epochs=3, **stopping).fit(X, QUANTITIES)
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    np.testing.assert_array_equal(model.validation_scores_, reference.validation_scores_)
    assert model.best_epoch_ == np.argmax(model.validation_scores_) + 1


def test_divergence_in_partial_fit_can_be_trained_on():
    model = training().partial_fit(X, QUANTITIES).partial_fit(X, QUANTITIES)
    before = model.predict(X)
    model.set_params(learning_rate=1e30)
    for _ in range(2):
        diverges(model, "partial_fit")
        np.testing.assert_array_equal(model.predict(X), before)
    model.set_params(learning_rate=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(30):
            model.partial_fit(X, QUANTITIES)
    assert model.loss_curve_[-1].sum() < model.loss_curve_[1].sum()
    assert model.n_iter_ == 32


def test_best_epoch_is_that_of_the_weights_that_are_kept():
    """Diverging after the only step of the only epoch leaves the initial weights."""
    model = training(learning_rate=1e30, max_epochs=1, batch_size=100)
    diverges_in_fit = pytest.warns(ConvergenceWarning, match="the last finite weights are kept")
    with diverges_in_fit:
        model.fit(X, QUANTITIES)
    assert (model.n_iter_, model.best_epoch_) == (1, 0)


@pytest.mark.parametrize("scoring", [None, "r2"])
def test_divergence_is_seen_before_anybody_scores_it(scoring):
    model = training(
        early_stopping=True,
        validation_fraction=0.3,
        scoring=scoring,
        learning_rate=1e38,
        batch_size=100,
    )
    with pytest.warns(ConvergenceWarning, match="the last finite weights are kept"):
        model.fit(X, QUANTITIES)
    assert np.isfinite(model.predict(X)).all()
    assert model.best_epoch_ == 0
