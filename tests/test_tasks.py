"""Each loss is the formula of its docstring, and each task knows both directions."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_mtrnn import ClassificationTask, RegressionTask
from sk_mtrnn.sequences import read_labels
from sk_mtrnn.tasks import infer_task_type

U = np.array([0.3, -2.0, 4.0])
OUT = np.array([[0.1, -0.5], [1.0, 0.2], [-1.5, 1.0]])
E = U - OUT[:, 0]
V = np.exp(OUT[:, 1])
FORMULAS = {
    "squared_error": E**2,
    "absolute_error": np.abs(E),
    "huber": np.where(np.abs(E) <= 1.7, E**2 / 2, 1.7 * (np.abs(E) - 1.7 / 2)),
    "quantile": np.maximum(0.8 * E, (0.8 - 1) * E),
    "gaussian": (np.log(V / 1e-6) + E**2 / V) / 2,
}


@pytest.mark.parametrize("loss", FORMULAS)
def test_losses_are_their_formulas(loss):
    task = RegressionTask(loss=loss, delta=1.7, quantile=0.8)
    found = task.losses(torch.from_numpy(OUT[:, : task.n_outputs]), torch.from_numpy(U))
    np.testing.assert_allclose(found.numpy(), FORMULAS[loss], rtol=1e-12)


def test_poisson_loss_is_its_formula():
    y = np.array([1.0, 3.0, 8.0])
    task = RegressionTask("poisson").learn(y, np.ones(3), name="n", standardize=True)
    rate = 4.0 * np.exp(OUT[:, 0])
    found = task.losses(torch.from_numpy(OUT[:, :1]), torch.from_numpy(task.encode(y, name="n")))
    np.testing.assert_allclose(found.numpy(), rate - y + y * np.log(y / rate), rtol=1e-12)
    np.testing.assert_allclose(task.decode(OUT[:, :1]), rate, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_its_formula(smoothing):
    labels = np.array(["b", "a", "c"], dtype=object)
    task = ClassificationTask(label_smoothing=smoothing)
    task.learn(labels, np.ones(3), name="n", standardize=True)
    outputs = np.random.default_rng(0).normal(size=(3, 3))
    log_p = np.log(task.decode_proba(outputs))
    q = (1 - smoothing) * (labels[:, None] == task.classes_) + smoothing / 3
    found = task.losses(torch.from_numpy(outputs), torch.from_numpy(task.encode(labels, name="n")))
    np.testing.assert_allclose(found.numpy(), -(q * log_p).sum(axis=1), rtol=1e-12)


def test_encoding_and_decoding_are_inverse():
    y = np.array([3.0, 5.0, 10.0])
    weights = np.array([1.0, 2.0, 0.0])
    task = RegressionTask().learn(y, weights, name="n", standardize=True)
    encoded = task.encode(y, name="n")
    assert abs(np.average(encoded, weights=weights)) < 1e-12
    np.testing.assert_allclose(task.decode(encoded[:, None]), y)
    labels = np.array([5, 2, 5])
    task = ClassificationTask().learn(labels, np.ones(3), name="n", standardize=True)
    np.testing.assert_array_equal(task.decode(np.eye(2)[task.encode(labels, name="n")]), labels)


@pytest.mark.parametrize(
    "task", [ClassificationTask(0.1, "balanced"), RegressionTask("huber", delta=2.0)]
)
def test_task_objects_are_cloneable_and_print_what_differs(task):
    copy = clone(task)
    assert copy is not task
    assert repr(copy) == repr(task)
    assert copy.get_params() == task.get_params()
    assert repr(type(task)()) == f"{type(task).__name__}()"


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["a", "b", None], "classification"),
        ([True, None, False], "classification"),
        ([0.0, 1.0, np.nan], "classification"),
        ([1, 2, 3], "classification"),
        ([0.5, 1.0, np.nan], "regression"),
    ],
)
def test_types_are_inferred_as_scikit_learn_does(y, expected):
    assert infer_task_type(read_labels(y).columns[0]) == expected


@pytest.mark.parametrize(
    ("task", "labels", "text"),
    [
        (ClassificationTask(label_smoothing=1.0), [1], "label_smoothing"),
        (ClassificationTask(class_weight="even"), [1], "class_weight"),
        (ClassificationTask(), [0.5, 1.5], "Unknown label type: continuous. Task 'n'"),
        (RegressionTask("cubed"), [1.0], "loss"),
        (RegressionTask(quantile=0.0), [1.0], "quantile"),
        (RegressionTask(delta=0.0), [1.0], "delta"),
        (RegressionTask(), ["a"], "task 'n' is regression and takes numbers, found str"),
        (RegressionTask("poisson"), [1.0, -1.0], "nonnegative, found -1.0"),
    ],
)
def test_errors_name_the_task_or_its_parameter(task, labels, text):
    labels = np.array(labels, dtype=object if isinstance(labels[0], str) else None)
    with pytest.raises(ValueError, match=text):
        task.learn(labels, np.ones(len(labels)), name="n", standardize=True)
