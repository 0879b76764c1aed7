"""What is said on a task object: the layer it reads, its channels, delay, trimming, focal loss."""

import numpy as np
import pandas as pd
import pytest
import torch

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn._loss import MultiTaskLoss, Target
from sk_mtrnn.weighting import FixedWeights

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}


@pytest.fixture
def ragged():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 2)) for n in rng.integers(2, 9, 40)]


def states(model, X):
    """States of every layer, one array a sequence."""
    module, sequences = model.net_.module_, Ragged.from_list(X)
    data = model._sequence_data(sequences)
    inputs, _ = data[np.arange(len(X))]
    order = data.order(np.arange(len(X)))
    found = []
    with torch.no_grad():
        for level in module.sharing(module.inputs([inputs.steps]), inputs.layout).layers:
            rows = np.empty(level.steps[0].shape)
            rows[order.rows] = level.steps[0].numpy()
            found.append(np.split(rows, sequences.offsets[1:-1]))
    return found


# ---------------------------------------------------------------------------------- layer


def test_a_head_reads_the_layer_it_was_told(ragged):
    """Søgaard & Goldberg: what stands above that layer has no part in the task."""
    y = pd.DataFrame({"low": [x[0, 0] for x in ragged], "high": [x[0, 1] for x in ragged]})
    tasks = {"low": RegressionTask(layer=0), "high": RegressionTask(layer=-1)}
    params = {**SMALL, "hidden_layer_sizes": (4, 3, 5)}
    model = MultiTaskRNNRegressor(**params, tasks=tasks, standardize=False).fit(ragged, y)
    low, _, high = states(model, ragged)
    readings = {reading.tasks: reading for reading in model.net_.module_.readings}
    assert {tasks: reading.layer for tasks, reading in readings.items()} == {(0,): 0, (1,): 2}
    for k, level in ((0, low), (1, high)):
        (head,) = next(h for h in model.net_.module_.heads if h.tasks == (k,))
        final = np.stack([h[-1] for h in level])
        wanted = final @ head.weight.detach().numpy()[0] + head.bias.item()
        np.testing.assert_allclose(model.predict(ragged).iloc[:, k], wanted, rtol=1e-12)


def test_layers_below_a_task_alone_are_trained_by_it(ragged):
    y = np.array([[x[0, 0], np.nan] for x in ragged])
    y[0, 1] = 1.0
    tasks = {0: RegressionTask(layer=0), 1: RegressionTask()}
    params = {**SMALL, "hidden_layer_sizes": (4, 3), "task_weights": [1.0, 0.0]}
    model = MultiTaskRNNRegressor(**params, tasks=tasks).fit(ragged, y)
    fresh = MultiTaskRNNRegressor(**{**params, "learning_rate": 1e-30}, tasks=tasks).fit(ragged, y)
    moved = {
        name: bool((value - fresh.net_.module_.state_dict()[name]).abs().max() > 1e-12)
        for name, value in model.net_.module_.state_dict().items()
    }
    assert all(moves for name, moves in moved.items() if ".layers.0." in name)
    assert not any(moves for name, moves in moved.items() if ".layers.1." in name)


@pytest.mark.parametrize("layer", [2, -3])
def test_a_layer_that_is_not_there_is_refused(ragged, layer):
    model = MultiTaskRNNRegressor(
        **{**SMALL, "hidden_layer_sizes": (4, 3)}, tasks=RegressionTask(layer=layer)
    )
    with pytest.raises(ValueError, match=f"layer of task 0 .* 2 recurrent layers .*found {layer}"):
        model.fit(ragged, np.arange(40.0))


# ---------------------------------------------------------------------------------- features


def test_features_by_name_are_those_by_index():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        rng.normal(size=(40 * 5, 3)),
        columns=["a", "b", "c"],
        index=pd.MultiIndex.from_product([range(40), range(5)]),
    )
    y = rng.normal(size=(40, 2))
    predictions = []
    for features in (["c", "a"], [2, 0], np.array([-1, 0])):
        tasks = {0: RegressionTask(features=features)}
        model = MultiTaskRNNRegressor(**SMALL, tasks=tasks).fit(frame, y)
        predictions.append(model.predict(frame))
    np.testing.assert_array_equal(predictions[0], predictions[1])
    np.testing.assert_array_equal(predictions[0], predictions[2])


@pytest.mark.parametrize("features", [[2], ["a"], [0, 0], [], [0.5], [0, -2]])
def test_features_that_are_not_there_are_refused(ragged, features):
    model = MultiTaskRNNRegressor(**SMALL, tasks=RegressionTask(features=features))
    with pytest.raises(ValueError, match="features of task 0"):
        model.fit(ragged, np.arange(40.0))


def test_tasks_of_disjoint_channels_are_learned_through_one_recurrence():
    """Two data sets in other units and channels, one trunk: both are learned."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8, 2))
    y = np.column_stack([X[:, :, 0].sum(1), -X[:, :, 1].sum(1)])
    y[:150, 0], y[150:, 1] = np.nan, np.nan
    tasks = {0: RegressionTask(features=[0]), 1: RegressionTask(features=[1])}
    model = MultiTaskRNNRegressor(
        tasks=tasks, hidden_layer_sizes=(16,), max_epochs=30, random_state=0
    ).fit(X, y)
    assert model.score(X, y) > 0.9
    module = model.net_.module_.inputs
    assert not torch.equal(module.projections["0"], torch.eye(2)[[0]])  # it was trained


# ---------------------------------------------------------------------------------- delay


@pytest.mark.parametrize("delay", [2, -1, 20])
def test_a_label_is_read_off_the_delayed_state(ragged, delay):
    y = pd.DataFrame({"now": [x[:, 0] for x in ragged], "then": [x[:, 1] for x in ragged]})
    ragged = [*ragged, np.random.default_rng(1).normal(size=(25, 2))]
    y.loc[40] = [ragged[-1][:, 0], ragged[-1][:, 1]]
    tasks = {"then": RegressionTask(delay=delay)}
    model = MultiTaskRNNRegressor(**SMALL, tasks=tasks, standardize=False).fit(ragged, y)
    (head,) = [h for h in model.net_.module_.heads]
    (level,) = states(model, ragged)
    for h, found in zip(level, model.predict(ragged)["then"], strict=True):
        steps = np.clip(np.arange(len(h)) + delay, 0, len(h) - 1)
        wanted = h[steps] @ head[1].weight.detach().numpy()[0] + head[1].bias.item()
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_border_steps_have_no_part_in_the_loss(ragged):
    """Whatever labels stand there, the same is learned."""
    cells = [x[:, 0].copy() for x in ragged]
    fits = []
    for spoiled in (False, True):
        labels = [c.copy() for c in cells]
        if spoiled:
            for c in labels:
                c[-2:] = 1e3
        y = pd.DataFrame({"a": labels})
        model = MultiTaskRNN(**SMALL, tasks={"a": RegressionTask(delay=2)}, standardize=False)
        fits.append(model.fit(ragged, y))
    for one, other in zip(*(fit.predict(ragged)["a"] for fit in fits), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(fits[0].loss_curve_, fits[1].loss_curve_)


def test_delay_makes_the_future_readable():
    """The label is the next input: unreadable now, and read off the state one step later."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 12, 1))
    y = np.roll(X, -1, axis=1)  # (n, T, 1)
    scores = {}
    for delay in (0, 1):
        model = MultiTaskRNNRegressor(
            tasks=RegressionTask(delay=delay), hidden_layer_sizes=(8,), random_state=0
        ).fit(X, y)
        scores[delay] = np.corrcoef(model.predict(X)[:, :-1].ravel(), y[:, :-1].ravel())[0, 1]
    assert scores[0] < 0.3
    assert scores[1] > 0.95


def test_delay_needs_labels_per_step_and_room(ragged):
    tasks = RegressionTask(delay=1)
    with pytest.raises(ValueError, match=r"delay of task 0 must be 0, .* per sequence, found 1"):
        MultiTaskRNNRegressor(**SMALL, tasks=tasks).fit(ragged, np.arange(40.0))
    tasks = RegressionTask(delay=50)
    with pytest.raises(ValueError, match=r"too few samples .*delay=50 reaches beyond"):
        MultiTaskRNNRegressor(**SMALL, tasks=tasks).fit(ragged, [x[:, 0] for x in ragged])


# ---------------------------------------------------------------------------------- trim


def loss_of(trim, errors, weights):
    """Trimmed loss of one task whose outputs are wrong by ``errors``."""
    task = RegressionTask()
    target = Target(
        (0,),
        torch.zeros(1, len(errors), dtype=torch.float64),
        torch.tensor(weights)[None],
        torch.tensor(weights)[None] != 0,
    )
    loss = MultiTaskLoss([task.losses], [trim], FixedWeights(), ["a"], None)
    outputs = torch.tensor(errors, requires_grad=True)
    value = loss.per_task([outputs[:, None]], [target])[0]
    (gradient,) = torch.autograd.grad(value, outputs)
    return value.item(), gradient.numpy()


def test_trimming_leaves_out_the_highest_losses():
    errors = np.array([1.0, -9.0, 2.0, 0.5, 7.0, 3.0])
    weights = np.array([0.2, 0.1, 0.3, 0.1, 0.0, 0.3])
    value, gradient = loss_of(0.4, errors, weights)  # 2 of the 5 labelled entries: -9 and 3
    kept = np.array([True, False, True, True, False, False])
    scale = weights.sum() / weights[kept].sum()
    np.testing.assert_allclose(value, scale * (weights * errors**2)[kept].sum(), rtol=1e-14)
    np.testing.assert_allclose(gradient, np.where(kept, 2 * scale * weights * errors, 0))
    for trim in (0.0, 0.19):  # less than one entry
        np.testing.assert_allclose(loss_of(trim, errors, weights)[0], (weights * errors**2).sum())
    value, _ = loss_of(0.99, errors, weights)
    np.testing.assert_allclose(value, weights.sum() * 0.5**2)


def test_outliers_do_less_harm_when_trimmed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 5, 2))
    clean = X[:, :, 0].sum(1)
    y = clean[:400].copy()
    y[::10] += 30  # a tenth is nonsense
    errors = {}
    for trim in (0.0, 0.2):
        model = MultiTaskRNNRegressor(
            tasks=RegressionTask(trim=trim), hidden_layer_sizes=(8,), random_state=0
        ).fit(X[:400], y)
        errors[trim] = np.sqrt(np.mean((model.predict(X[400:]) - clean[400:]) ** 2))
    assert errors[0.2] < 0.3 * errors[0.0]


def test_tasks_of_different_trim_are_computed_apart(ragged):
    y = np.random.default_rng(0).normal(size=(40, 2))
    tasks = {0: RegressionTask(trim=0.3), 1: RegressionTask()}
    model = MultiTaskRNNRegressor(**SMALL, tasks=tasks).fit(ragged, y)
    plain = MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    assert model.loss_curve_[0, 0] < plain.loss_curve_[0, 0]
    assert model._task_set.tasks[0].loss_key != model._task_set.tasks[1].loss_key


# ---------------------------------------------------------------------------------- focal


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_is_its_formula(gamma, smoothing):
    rng = np.random.default_rng(0)
    outputs, labels = rng.normal(size=(6, 3)) * 3, rng.integers(0, 3, 6)
    task = ClassificationTask(loss="focal", gamma=gamma, label_smoothing=smoothing)
    p = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    q = (1 - smoothing) * np.eye(3)[labels] + smoothing / 3
    wanted = -(q * (1 - p) ** gamma * np.log(p)).sum(1)
    found = task.losses(torch.from_numpy(outputs), torch.from_numpy(labels))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)
    grouped = task.losses(
        torch.from_numpy(outputs.reshape(2, 3, 3)), torch.from_numpy(labels.reshape(2, 3))
    )
    np.testing.assert_allclose(grouped.numpy().ravel(), wanted, rtol=1e-12)


def test_focal_loss_without_gamma_is_cross_entropy(ragged):
    y = np.arange(40) % 3
    fits = [
        MultiTaskRNNClassifier(**SMALL, tasks=task).fit(ragged, y)
        for task in (ClassificationTask(loss="focal", gamma=0.0), ClassificationTask())
    ]
    np.testing.assert_allclose(*(fit.predict_proba(ragged) for fit in fits), rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_gradients_stay_finite_where_a_class_is_certain(gamma):
    task = ClassificationTask(loss="focal", gamma=gamma)
    outputs = torch.tensor([[800.0, 0.0], [0.0, 800.0], [0.0, 0.0]], requires_grad=True)
    losses = task.losses(outputs, torch.tensor([0, 0, 1]))
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()
    assert torch.autograd.gradcheck(
        lambda o: task.losses(o, torch.tensor([0, 1])), torch.randn(2, 3).double().requires_grad_()
    )


# ---------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("option", "value"),
    [("layer", 0.5), ("delay", 1.5), ("trim", 1.0), ("trim", -0.1), ("features", 3)],
)
@pytest.mark.parametrize("kind", [ClassificationTask, RegressionTask])
def test_bad_options_are_named(kind, option, value):
    model = MultiTaskRNN(**SMALL, tasks=kind(**{option: value}))
    with pytest.raises(ValueError, match=f"'{option}' parameter of {kind.__name__}"):
        model.fit(np.zeros((6, 3, 2)), [0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("options", [{"loss": "hinge"}, {"loss": "focal", "gamma": -1.0}])
def test_bad_focal_options_are_named(options):
    with pytest.raises(ValueError, match="parameter of ClassificationTask"):
        MultiTaskRNNClassifier(**SMALL, tasks=ClassificationTask(**options)).fit(
            np.zeros((6, 3, 2)), [0, 1, 0, 1, 0, 1]
        )


def test_a_task_of_ones_own_needs_no_options(ragged):
    class Plain(RegressionTask):
        def __init__(self):  # no layer, no delay
            super().__init__()

        def losses(self, outputs, values):
            return (outputs.squeeze(-1) - values).abs()

    model = MultiTaskRNNRegressor(**SMALL, tasks=Plain()).fit(ragged, np.arange(40.0))
    assert model.predict(ragged).shape == (40,)
