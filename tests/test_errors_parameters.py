"""Every refusal of a parameter, by its text: its name, what was expected, what was found."""

import numpy as np
import pytest
import torch
from refusals import FRAME, N, T, X, Y, fit_refused, refused, small
from sklearn.exceptions import NotFittedError
from torch import nn

from sk_mtrnn import ClassificationTask, MultiTaskRNN, MultiTaskRNNRegressor, RegressionTask

CLASSES = [[0, 1], [0, 1, 2]]


BAD_PARAMS = {
    "task_weights: length": ({"task_weights": [1]}, "task_weights", "each of the 2 tasks", "(1,)"),
    "task_weights: 2-D": ({"task_weights": [[1, 2]]}, "task_weights", "2 tasks", "(1, 2)"),
    "task_weights: negative": ({"task_weights": [1, -1]}, "task_weights", "nonnegative", "-1.0"),
    "task_weights: NaN": ({"task_weights": [1, np.nan]}, "task_weights", "finite", "nan"),
    "task_weights: zero": ({"task_weights": np.zeros(2)}, "task_weights", "all zero"),
    "task_weights: zero dict": (
        {"task_weights": {"beat": 0, "bar": 0}},
        "task_weights",
        "all zero",
    ),
    "task_weights: name": (
        {"task_weights": {"ink": 1}},
        "task_weights",
        "'ink'",
        "['beat', 'bar']",
    ),
    "task_weights: text": ({"task_weights": ["a", "b"]}, "task_weights", "numbers", "['a', 'b']"),
    "tasks: name": ({"tasks": {"ink": "classification"}}, "tasks", "'ink'", "['beat', 'bar']"),
    "tasks: type": ({"tasks": "regression"}, "tasks says regression", "'beat'", "classification"),
    "tasks: object": (
        {"tasks": {"bar": RegressionTask()}},
        "tasks says regression for task 'bar'",
        "takes classification only",
        "MultiTaskRNN",
    ),
    "tasks: unknown": ({"tasks": "ranking"}, "tasks must say 'classification'", "found 'ranking'"),
    "tasks: number": ({"tasks": {"beat": 3}}, "tasks must", "'beat'", "found 3"),
    "class_weight": ({"class_weight": {7: 1.0}}, "class_weight", "class 7", "[0.0, 1.0, 2.0]"),
    "class_weight: negative": ({"class_weight": {0: -1}}, "class_weight", "nonnegative", "-1"),
    "class_weight: task": (
        {"tasks": ClassificationTask(class_weight={2: 1.0})},
        "class_weight",
        "class 2",
        "[0.0, 1.0]",
    ),
    "class_weight: text": ({"class_weight": "even"}, "class_weight", "'balanced'", "'even'"),
    "label_smoothing": (
        {"tasks": ClassificationTask(label_smoothing=1.0)},
        "'label_smoothing'",
        "[0.0, 1.0)",
        "1.0",
    ),
    "cell": ({"cell": "transformer"}, "'cell'", "'gru'", "Got 'transformer'"),
    "optimizer": ({"optimizer": "newton"}, "'optimizer'", "'adam'", "Got 'newton'"),
    "pooling": ({"pooling": "median"}, "'pooling'", "'attention'", "Got 'median'"),
    "activation": ({"activation": "gelu"}, "'activation'", "'tanh'", "Got 'gelu'"),
    "schedule": ({"learning_rate_schedule": "step"}, "'learning_rate_schedule'", "Got 'step'"),
    "dtype": ({"dtype": "float16"}, "'dtype'", "'float64'", "Got 'float16'"),
    "no layer": ({"hidden_layer_sizes": ()}, "hidden_layer_sizes", "positive integer", "()"),
    "half a unit": ({"hidden_layer_sizes": (1.5,)}, "hidden_layer_sizes", "integer", "(1.5,)"),
    "device": ({"device": "abacus"}, "device must be 'auto' or a device", "found 'abacus'"),
    "early stopping": (
        {"early_stopping": True, "validation_fraction": 0.01},
        "early_stopping=True",
        "validation_fraction=0.01",
        "n_samples=12",
        "expected at least one held out",
    ),
    "scoring": ({"early_stopping": True, "scoring": "beauty"}, "found 'beauty'"),
}


@pytest.mark.parametrize("name", BAD_PARAMS)
def test_fit_refuses_parameter(name):
    params, *parts = BAD_PARAMS[name]
    fit_refused(small(**params), X, FRAME, *parts)


def test_types_an_estimator_does_not_take():
    fit_refused(
        small(MultiTaskRNNRegressor, tasks={1: ClassificationTask()}),
        *(X, Y, "tasks says classification for task 1", "takes regression only", "MultiTaskRNN"),
    )
    fit_refused(small(MultiTaskRNN, tasks="ranking"), X, Y, "'classification' or 'regression'")
    fit_refused(small(tasks={2: "classification"}), X, Y, "tasks", "unknown task 2", "[0, 1]")


@pytest.mark.parametrize(
    ("params", "name"),
    [({"loss": "hinge"}, "loss"), ({"delta": -1}, "delta"), ({"quantile": 1}, "qu")],
)
def test_regression_task_refuses_option(params, name):
    model = small(MultiTaskRNN, tasks={0: RegressionTask(**params)})
    fit_refused(model, X, Y, f"'{name}", "RegressionTask", f"Got {next(iter(params.values()))!r}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="refused only where there is no cuda")
def test_cuda_without_one():
    fit_refused(small(device="cuda"), X, Y, "device must be 'auto' or a device of", "found 'cuda'")


@pytest.mark.parametrize("n_samples", [1, 2])
def test_early_stopping_with_too_few_samples(n_samples):
    model = small(early_stopping=True)
    parts = "early_stopping=True", f"n_samples={n_samples}", "too few", "one to train on"
    fit_refused(model, X[:n_samples], Y[:n_samples], *parts)


@pytest.mark.parametrize(
    ("argument", "owner"),
    {
        "module": "cell",
        "module__dropout": "dropout",
        "criterion": "tasks",
        "criterion__task_weights": "task_weights",
        "optimizer": "optimizer",
        "lr": "learning_rate",
        "optimizer__lr": "learning_rate",
        "optimizer__weight_decay": "weight_decay",
        "max_epochs": "max_epochs",
        "batch_size": "batch_size",
        "train_split": "early_stopping",
        "callbacks": "callbacks",
        "device": "device",
        "verbose": "verbose",
        "warm_start": "warm_start",
        "iterator_train__batch_size": "batch_size",
        "iterator_train__shuffle": "random_state",
        "iterator_valid__sampler": "random_state",
        "dataset": "X",
        "classes": "tasks",
    }.items(),
)
def test_net_params_refuses_what_a_parameter_owns(argument, owner):
    parts = "net_params must not hold", repr(argument), "estimator's", owner
    fit_refused(small(net_params={argument: 1}), X, Y, *parts)
    fit_refused(small(net_params={argument: 1}), X, Y, *parts, method="partial_fit")


WEIGHTS = {
    "shape": (np.ones(5), "sample_weight must have shape (12,) or (12, 2)", "found (5,)"),
    "tasks": (np.ones((N, 3)), "sample_weight must have shape (12,) or (12, 2)", "(12, 3)"),
    "negative": (-np.ones(N), "sample_weight must be nonnegative and finite"),
    "NaN": (np.full(N, np.nan), "sample_weight must be nonnegative and finite"),
    "zero": (np.zeros(N), "sample_weight must not be all zero"),
    "text": ("heavy", "sample_weight must be numbers", "heavy"),
    "object": ([None, {}] * 6, "sample_weight must be numbers"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_sample_weight(name):
    weight, *parts = WEIGHTS[name]
    fit_refused(small(), X, Y, *parts, sample_weight=weight)
    model = small().partial_fit(X, Y, classes=CLASSES)
    fit_refused(model, X, Y, *parts, sample_weight=weight, method="partial_fit")
    with refused(*parts):
        model.score(X, Y, sample_weight=weight)


def test_sample_weight_all_zero_for_a_task():
    weight = np.column_stack([np.ones(N), np.zeros(N)])
    fit_refused(small(), X, FRAME, "Task 'bar'", "sample_weight 0", sample_weight=weight)


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        (lambda i, h: nn.GRU(i, h, batch_first=True), ["batch_first=False", "batch_first=True"]),
        (lambda i, h: nn.GRU(i, h, bidirectional=True), ["bidirectional=False", "found GRU"]),
        (lambda i, h: nn.GRU(i, h + 1), ["outputs are 2 wide", "found 3"]),
        (lambda i, h: (i, h), ["torch.nn.Module", "found tuple", "(2, 2)"]),
    ],
    ids=["batch first", "bidirectional", "wide", "no module"],
)
def test_callable_cell(cell, parts):
    fit_refused(small(cell=cell), X, Y, "cell must return", *parts)


def test_before_fit():
    for call in (
        small().predict,
        small().predict_proba,
        small(pooling="attention").attention_weights,
    ):
        with refused("not fitted yet", error=NotFittedError):
            call(X)


# ---------------------------------------------------------------- partial_fit and warm start


def test_partial_fit_refuses():
    def chunk(model, *parts, y=Y, **params):
        fit_refused(model, X, y, *parts, method="partial_fit", **params)

    chunk(small(early_stopping=True), "early_stopping=True", "partial_fit", "False")
    chunk(small(), "classes must be passed on the first call to partial_fit", "task 0")
    chunk(small(), "classes must be passed", "found none for task 1", classes={0: [0, 1]})
    chunk(small(), "classes", "unknown task 'ink'", "[0, 1]", classes={"ink": [0, 1]})
    chunk(small(), "classes must hold one list", "2 tasks, found 1", classes=[[0, 1]])
    chunk(small(), "classes", classes=3)
    chunk(small(), "unseen class 2.0 in task 1", "[0, 1]", classes=[[0, 1], [0, 1]])
    chunk(small(), "unseen class 'c'", y=["a", "c"] * 6, classes=["a", "b"])
    chunk(small(MultiTaskRNNRegressor), "y must hold at least one label, found none", y=Y * np.nan)
    model = small().partial_fit(X, Y, classes=CLASSES)
    chunk(
        model, "classes is not the same", "task 1", "expected [0, 1, 2]", classes=[[0, 1], [0, 1]]
    )
    chunk(model, "y must hold the 2 task(s)", "found 1", y=Y[:, 0])
    chunk(model, "Task 0 had labels per sequence before", y=np.zeros((N, T, 2)))
    model.partial_fit(X, Y)  # what was refused has broken nothing


def test_partial_fit_of_mixed_tasks_asks_for_tasks():
    with refused("partial_fit needs tasks", "'classification', 'regression'"):
        small(MultiTaskRNN).partial_fit(X, Y)
    model = small(MultiTaskRNN, tasks="classification")
    fit_refused(model, X, Y, "classes must be passed on the first call", method="partial_fit")


def test_warm_start_refuses_unseen_class():
    model = small(warm_start=True).fit(X, FRAME)
    fit_refused(model, X, FRAME + 1, "unseen class 2.0 in task 'beat'", "[0.0, 1.0]")


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (3,)},
        {"hidden_layer_sizes": (2, 2)},
        {"cell": "lstm"},
        {"bidirectional": True},
        {"pooling": "attention"},
        {"tasks": {0: RegressionTask("gaussian")}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_warm_start_refuses_another_network(change):
    model = small(MultiTaskRNNRegressor, warm_start=True).fit(X, Y)
    before = model.predict(X)
    fit_refused(model.set_params(**change), X, Y, "warm_start=True needs the same network")
    np.testing.assert_array_equal(model.predict(X), before)
