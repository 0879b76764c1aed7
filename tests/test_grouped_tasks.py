"""Tasks computed together give what each gives alone: values, gradients, histories."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from sk_mtrnn import ClassificationTask, MultiTaskRNN, Ragged, RegressionTask
from sk_mtrnn._heads import Heads, Outputs
from sk_mtrnn._loss import MultiTaskLoss
from sk_mtrnn._training import SequenceData
from sk_mtrnn.sequences import check_sample_weight, read_labels
from sk_mtrnn.weighting import FixedWeights

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}
TASKS = {
    "cross_entropy": ClassificationTask,
    "smoothed": lambda: ClassificationTask(label_smoothing=0.2),
    "weighed": lambda: ClassificationTask(class_weight={0: 1.0, 1: 3.0, 2: 0.5}),
    "squared_error": RegressionTask,
    "absolute_error": lambda: RegressionTask("absolute_error"),
    "huber": lambda: RegressionTask("huber", delta=0.7),
    "quantile": lambda: RegressionTask("quantile", quantile=0.8),
    "gaussian": lambda: RegressionTask("gaussian"),
    "poisson": lambda: RegressionTask("poisson"),
}


class Seven(RegressionTask):
    """A task with a loss of its own."""

    def losses(self, outputs, values):
        return outputs.squeeze(-1) * 0 + 7.0


def labelled(ragged, per_step, missing, seed=0):
    """Three tasks over the same whole numbers, some of them missing."""
    rng = np.random.default_rng(seed)
    frame = {}
    for name in "abc":
        cells = [rng.integers(0, 3, len(x)).astype(float) for x in ragged]
        for i, cell in enumerate(cells):
            cell[:1] = i % 3  # every class is there
            if missing:
                cell[rng.random(len(cell)) < 0.4] = np.nan
        frame[name] = cells if per_step else [cell[0] for cell in cells]
    return pd.DataFrame(frame)


def batch_of(model, ragged, y, weights):
    sequences = Ragged.from_list(ragged)
    columns = read_labels(y, sequences.lengths).matched(model.task_names_)
    weights = check_sample_weight(weights, len(sequences), model.task_names_)
    targets = model._encode(columns, weights, np.arange(len(sequences)), sequences)
    data = model._sequence_data(sequences, targets)
    return data, *data[np.arange(3, 33)]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("kind", TASKS)
def test_one_loss_call_is_that_of_every_task_alone(ragged, kind, per_step, missing):
    """Against a loop over tasks and labelled entries, to rounding, in value and in gradient."""
    y = labelled(ragged, per_step, missing)
    model = MultiTaskRNN(tasks=TASKS[kind](), **SMALL, pooling="mean").fit(ragged, y)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, (40, 3))
    data, inputs, targets = batch_of(model, ragged, y, weights)
    rates = {getattr(task, "log_rate_", 0.0) for task in model._task_set.tasks}
    assert len(targets) == (len(rates) if kind == "poisson" else 1)
    net, criterion = model.net_.module_.train(), model.net_.criterion_
    read = []
    net.heads[0].register_forward_pre_hook(lambda heads, arguments: read.append(arguments[0]))
    losses = criterion.per_task(net(inputs), targets)
    order = data.order(np.arange(3, 33))
    entries = order.rows if per_step else order.samples
    for k, (name, task) in enumerate(zip("abc", model._task_set.tasks, strict=True)):
        labels = np.concatenate(list(y[name])) if per_step else y[name].to_numpy()
        s = np.repeat(weights[:, k], data.sequences.lengths) if per_step else weights[:, k]
        s = np.where(np.isnan(labels), 0.0, s)
        s = task.label_weights(np.nan_to_num(labels), s, name=name)
        s, known = s / s.sum() * 40 / 30, ~np.isnan(labels[entries])
        rows, head = entries[known], net.heads[0][k]
        output = F.linear(read[0], head.weight, head.bias)[torch.from_numpy(known)]
        encoded = torch.from_numpy(task.encode(labels[rows], name=name))
        alone = (torch.from_numpy(s[rows]) * task.losses(output, encoded)).sum()
        torch.testing.assert_close(losses[k], alone, rtol=1e-10, atol=1e-12)
        parameters = list(net.parameters())
        found = torch.autograd.grad(losses[k], parameters, retain_graph=True)
        wanted = torch.autograd.grad(alone, parameters, retain_graph=True)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)


def test_only_tasks_of_one_loss_are_computed_together(ragged):
    keys = [
        make().learn(np.arange(3.0), np.ones(3), name="", standardize=True).loss_key
        for make in (
            TASKS["cross_entropy"],
            TASKS["cross_entropy"],
            TASKS["smoothed"],
            TASKS["weighed"],
            TASKS["squared_error"],
            TASKS["huber"],
            lambda: RegressionTask("huber"),
            TASKS["gaussian"],
            TASKS["quantile"],
            lambda: RegressionTask("quantile"),
            TASKS["poisson"],
        )
    ]
    assert keys[0] == keys[1] == keys[3]  # class weights are weights of the entries
    assert len(set(keys)) == len(keys) - 2
    two = ClassificationTask().learn(np.arange(2.0), np.ones(2), name="", standardize=True)
    assert two.loss_key != keys[0]


def test_a_task_of_ones_own_is_computed_alone(ragged):
    y = pd.DataFrame({name: [x.mean() for x in ragged] for name in "abc"})
    for order in ("abc", "cba"):
        kinds = dict(zip(order, (RegressionTask(), Seven(), Seven()), strict=True))
        model = MultiTaskRNN(tasks=kinds, **SMALL).fit(ragged, y)
        _, _, targets = batch_of(model, ragged, y, None)
        assert [target.tasks for target in targets] == [(0,), (1,), (2,)]
        sevens = [isinstance(kinds[name], Seven) for name in "abc"]
        assert ((model.loss_curve_ == 7.0) == sevens).all()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_outputs_without_label_never_enter_a_loss(ragged, poison):
    y = labelled(ragged, per_step=False, missing=True)
    model = MultiTaskRNN(tasks=RegressionTask("gaussian"), **SMALL).fit(ragged, y)
    _, inputs, (target,) = batch_of(model, ragged, y, None)
    clean = [o.detach() for o in model.net_.module_(inputs)]
    outputs = [
        o.clone().masked_fill_(~mask[:, None], poison).requires_grad_()
        for o, mask in zip(clean, target.labelled, strict=True)
    ]
    losses = model.net_.criterion_.per_task(outputs, [target])
    torch.testing.assert_close(losses, model.net_.criterion_.per_task(clean, [target]))
    losses.sum().backward()
    for output, mask in zip(outputs, target.labelled, strict=True):
        assert (output.grad[~mask] == 0).all()
        assert (output.grad[mask] != 0).any()


def test_stacked_outputs_are_views_where_a_product_gave_them():
    heads = Heads(4, (2, 2, 3))
    heads.reset(0.1, seed=0)
    h = torch.randn(5, 4)
    outputs = Outputs.of({(0, 1): heads(h, (0, 1)), (2,): heads(h[:3], (2,))}, heads.n_outputs)
    assert [tuple(o.shape) for o in outputs] == [(5, 2), (5, 2), (3, 3)]
    for k, o in enumerate(outputs):
        torch.testing.assert_close(o, F.linear(h[: len(o)], *heads[k]))
    both = outputs.stacked((0, 1))
    assert both.untyped_storage().data_ptr() == outputs[0].untyped_storage().data_ptr()
    torch.testing.assert_close(both, torch.stack(outputs[:2]))
    torch.testing.assert_close(Outputs(outputs).stacked((0, 1)), both)
    torch.testing.assert_close(outputs.stacked((2,)), outputs[2][None])
    each = torch.stack([h, 2 * h])
    torch.testing.assert_close(
        heads(each, (0, 1)).view(2, 2, 5).transpose(1, 2),
        torch.stack([F.linear(x, *heads[k]) for k, x in enumerate(each)]),
    )


def test_a_head_is_addressed_by_its_task():
    heads = Heads(4, (2, 1, 3))
    heads.reset(0.1, seed=0)
    assert len(heads) == len(list(heads)) == 3
    assert [tuple(head.weight.shape) for head in heads] == [(2, 4), (1, 4), (3, 4)]
    heads(torch.randn(5, 4), (0, 1, 2))[heads.rows[1]].sum().backward()
    assert (heads.weight.grad[heads.rows[1]] != 0).all()
    assert (heads.weight.grad[heads.rows[0]] == 0).all()
    assert sum(1 for _ in heads.parameters()) == 2


def test_losses_come_in_the_order_of_the_tasks(ragged, mixed_labels):
    """Groups follow losses and kinds, the result follows the tasks."""
    y = mixed_labels.assign(level2=mixed_labels["level"] ** 2, sign2=mixed_labels["sign"])
    y = y[["level2", "total", "sign", "level", "positive", "sign2"]]
    model = MultiTaskRNN(**SMALL).fit(ragged, y)
    _, inputs, targets = batch_of(model, ragged, y, None)
    assert [target.tasks for target in targets] == [(0, 3), (1,), (2, 5), (4,)]
    outputs = model.net_.module_(inputs)
    together = model.net_.criterion_.per_task(outputs, targets)
    for target in targets:
        losses = MultiTaskLoss(
            model.net_.criterion_.losses, [0.0] * 6, FixedWeights(), list(range(6)), None
        )
        alone = losses.per_task(outputs, [target])
        torch.testing.assert_close(alone, together[list(target.tasks)])


def test_heads_follow_kinds_that_become_known_later(ragged, mixed_labels):
    """No parameter depends on which tasks are per step."""
    model = MultiTaskRNN(**SMALL, pooling="attention").fit(ragged, mixed_labels)
    module = model.net_.module_
    before = {name: value.shape for name, value in module.state_dict().items()}
    for flags in ((False,) * 4, (True,) * 4, (True, False, False, True)):
        module.per_step = flags
        _, inputs, _ = batch_of(model, ragged, mixed_labels, None)
        rows = [len(output) for output in module(inputs)]
        assert rows == [len(inputs.steps) if steps else 30 for steps in flags]
        assert {name: value.shape for name, value in module.state_dict().items()} == before


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("given", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_is_cut_scaled_and_packed(given, dtype, equal):
    rng = np.random.default_rng(0)
    lengths = [4] * 6 if equal else [4, 2, 7, 1, 4, 3]
    X = Ragged.from_list([rng.normal(size=(n, 2)).astype(given) for n in lengths])
    mean, scale = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    X.values.flags.writeable = False
    data = SequenceData(X, mean, scale, dtype, samples=np.array([5, 0, 2, 4]))
    inputs, targets = data[np.array([0, 2, 3])]
    assert targets == ()
    order = data.order(np.array([0, 2, 3]))
    assert sorted(order.samples) == [2, 4, 5]
    assert inputs.steps.dtype == getattr(torch, dtype)
    expected = ((X.values[order.rows] - mean) / scale).astype(dtype)
    np.testing.assert_allclose(
        inputs.steps, expected, rtol=1e-5 if "float32" in (given, dtype) else 1e-14
    )


def test_a_sum_that_overflows_is_no_value_that_does():
    X = Ragged.from_list([np.full((4, 1), 2e38)] * 3)
    data = SequenceData(X, np.zeros(1), np.ones(1), "float32")
    assert torch.isfinite(data[np.arange(3)][0].steps).all()
