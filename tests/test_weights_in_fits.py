"""Weightings in whole fits: what is recorded is what the formulas say of the fit's own history."""

import pickle

import numpy as np
import pytest

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn.datasets import make_multitask_sequences
from sk_mtrnn.inspection import task_relatedness
from sk_mtrnn.weighting import FAMO, DynamicWeightAverage, GradNorm, TaskWeighting, Weigher

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 5, "random_state": 0}
X, Y = make_multitask_sequences(80, 8, random_state=0)


def fit(**params):
    return MultiTaskRNN(**{**SMALL, **params}).fit(X, Y)


def test_given_weights_are_recorded_as_they_are():
    for weights, expected in (
        (None, [1, 1, 1]),
        ([2.0, 0.0, 0.5], [2, 0, 0.5]),
        ({"level": 3.0}, [1, 3, 1]),
    ):
        np.testing.assert_array_equal(fit(task_weights=weights).task_weights_, [expected] * 5)


def test_dwa_follows_the_loss_curve():
    model = fit(task_weights=DynamicWeightAverage(temperature=0.5))
    ratio = model.loss_curve_[1:-1] / model.loss_curve_[:-2]
    expected = 3 * np.exp(ratio / 0.5) / np.exp(ratio / 0.5).sum(1, keepdims=True)
    np.testing.assert_allclose(model.task_weights_[2:], expected, rtol=1e-5)
    np.testing.assert_array_equal(model.task_weights_[:2], 1)


def test_geometric_weights_equalise_what_the_tasks_contribute():
    """w_k L_k is the same for all tasks: L / K."""
    model = fit(task_weights="geometric", batch_size=80)
    shares = model.task_weights_ * model.loss_curve_
    np.testing.assert_allclose(shares, shares[:, :1].repeat(3, 1), rtol=1e-4)
    np.testing.assert_allclose(
        shares[:, 0], np.prod(model.loss_curve_, 1) ** (1 / 3) / 3, rtol=1e-4
    )


def test_sums_of_weights():
    np.testing.assert_allclose(fit(task_weights="gradnorm").task_weights_.sum(1), 3, rtol=1e-5)
    np.testing.assert_allclose(fit(task_weights="rlw").task_weights_.sum(1), 3, rtol=1e-5)


def test_rlw_draws_from_the_seed():
    one, other, third = (fit(task_weights="rlw", random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.task_weights_, other.task_weights_)
    assert not np.allclose(one.task_weights_, third.task_weights_)


def test_relatedness_weights_are_those_of_the_labels():
    model = fit(task_weights="relatedness")
    total = np.nan_to_num(task_relatedness(Y).to_numpy()).sum(1)
    np.testing.assert_allclose(model.task_weights_, [3 * total / total.sum()] * 5, rtol=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_uncertainty_learns_the_noise_of_the_tasks(loss):
    """Two regression tasks of known noise: w = 1 / 2σ², and 1 / b for the Laplace distribution."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4, 2))
    scales = np.array([0.3, 1.5])
    draw = rng.normal if loss == "squared_error" else rng.laplace
    y = x.sum(1) + draw(size=(2000, 2)) * scales
    model = MultiTaskRNNRegressor(
        tasks=RegressionTask(loss),
        task_weights="uncertainty",
        hidden_layer_sizes=(16,),
        max_epochs=30,
        learning_rate_schedule="cosine",
        standardize=False,
        random_state=0,
    ).fit(x, y)
    weights = model.task_weights_[-1]
    if loss == "squared_error":
        np.testing.assert_allclose(1 / (2 * weights), scales**2, rtol=0.2)
    else:
        np.testing.assert_allclose(1 / weights, scales, rtol=0.2)


def test_missing_labels_do_not_bias_the_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 3, 1))
    y = np.column_stack([x.sum(1)[:, 0], x.sum(1)[:, 0]]) + rng.normal(size=(3000, 2)) * 0.5
    y[rng.random(3000) < 0.95, 1] = np.nan  # most batches hold one label of it, or none
    model = MultiTaskRNNRegressor(
        task_weights="uncertainty",
        hidden_layer_sizes=(4,),
        max_epochs=12,
        standardize=False,
        random_state=0,
    ).fit(x, y)
    np.testing.assert_allclose(1 / (2 * model.task_weights_[-1]), model.loss_curve_[-1], rtol=0.2)


def test_weight_decay_leaves_what_weighs_the_tasks_alone():
    """Strong decay of the network's weights: the noise learned is that of what is left over."""
    y = np.random.default_rng(0).normal(size=(80, 2)) * [0.5, 2.0]
    model = MultiTaskRNNRegressor(
        **{**SMALL, "max_epochs": 150},
        task_weights="uncertainty",
        weight_decay=10.0,
        standardize=False,
    ).fit(X, y)
    np.testing.assert_allclose(1 / (2 * model.task_weights_[-1]), model.loss_curve_[-1], rtol=0.2)
    assert len(model.net_.optimizer_.param_groups) == 2


@pytest.mark.parametrize("weighting", ["uncertainty", "gradnorm", "famo", "dwa"])
def test_what_was_learned_survives_pickling_and_goes_on(weighting):
    tasks = {"kind": "classification", "level": "regression", "trace": "regression"}
    model = MultiTaskRNN(**SMALL, tasks=tasks, task_weights=weighting)
    classes = {"kind": [0, 1, 2]}
    for _ in range(3):
        model.partial_fit(X, Y, classes=classes)
    back = pickle.loads(pickle.dumps(model))
    for one in (model, back):
        one.partial_fit(X, Y)
    assert not np.allclose(model.task_weights_[-1], model.task_weights_[0])
    np.testing.assert_array_equal(model.task_weights_, back.task_weights_)
    np.testing.assert_array_equal(model.loss_curve_, back.loss_curve_)


def test_a_warm_start_goes_on_from_the_learned_noise():
    model = fit(task_weights="uncertainty", warm_start=True, max_epochs=20)
    last = model.task_weights_[-1].copy()
    model.set_params(max_epochs=1).fit(X, Y)
    np.testing.assert_allclose(model.task_weights_[-1], last, rtol=0.1)
    assert not np.allclose(last, model.task_weights_[0], rtol=0.3)


def test_early_stopping_watches_losses_that_weigh_alike():
    """Where weights change, the held-out loss is their plain sum, not what training minimises."""
    model = fit(task_weights="uncertainty", early_stopping=True)
    history = model.net_.history
    assert model.validation_scores_ == pytest.approx([-row["valid_loss"] for row in history])
    assert (model.validation_scores_ < 0).all()


class WorstTask(TaskWeighting):
    """A weighting of one's own: only the task that is worst off is trained."""

    def build(self, context):
        return Worst()


class Worst(Weigher):
    def forward(self, losses, labelled, shared):
        return losses.max()


def test_ones_own_weighting_is_ten_lines():
    model = fit(task_weights=WorstTask(), batch_size=80)
    worst = model.loss_curve_.argmax(1)
    np.testing.assert_array_equal(model.task_weights_, np.eye(3)[worst])


@pytest.mark.parametrize(
    ("weighting", "text"),
    [
        (DynamicWeightAverage(temperature=0.0), "temperature"),
        (GradNorm(alpha=-1.0), "alpha"),
        (FAMO(learning_rate=0.0), "learning_rate"),
    ],
)
def test_bad_options_are_named(weighting, text):
    with pytest.raises(ValueError, match=f"'{text}' parameter"):
        fit(task_weights=weighting)
