"""Similarities of the tasks' gradients, against torch.autograd on one batch."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Freezer

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn._network import PackedInputs
from sk_mtrnn._training import task_gradients
from sk_mtrnn.inspection import gradient_similarity
from sk_mtrnn.recurrence import PackedLayout
from sk_mtrnn.sequences import read_labels, validate_sequences

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}
EXACT = {**SMALL, "dtype": "float64"}


@pytest.fixture
def cube():
    """Thirty sequences of five steps, and three quantities in them, partly unlabelled."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5, 2))
    y = np.column_stack([X.sum((1, 2)), X[:, -1, 0], X[:, 0, 1]])
    y[::3, 1] = np.nan
    return X, y


def by_autograd(model, X, y, weights):
    """Cosines of the gradients of plain losses, all data in one batch."""
    module = model.net_.module_.eval()
    steps = torch.from_numpy(X.transpose(1, 0, 2).reshape(-1, X.shape[2]))
    layout = PackedLayout(torch.full((X.shape[1],), len(X)))
    outputs = module(PackedInputs(steps, layout))
    gradients = []
    for k, output in enumerate(outputs):
        known = ~np.isnan(y[:, k])
        squares = (output[known, 0] - torch.from_numpy(y[known, k])) ** 2
        w = torch.from_numpy(weights[known])
        loss = (w * squares).sum() / w.sum()
        parts = torch.autograd.grad(loss, module.shared_parameters(), retain_graph=True)
        gradients.append(np.concatenate([part.ravel() for part in parts]))
    gradients = np.array(gradients)
    norms = np.sqrt((gradients**2).sum(1))
    return gradients @ gradients.T / np.outer(norms, norms)


@pytest.mark.parametrize("sharing", ["hard", "shared_private", "cross_stitch", "mmoe"])
def test_it_is_what_autograd_gives(cube, sharing):
    X, y = cube
    weights = np.linspace(0.5, 2, 30)
    model = MultiTaskRNNRegressor(
        **EXACT, sharing=sharing, standardize=False, dropout=0.5, cell="lstm"
    ).fit(X, y)
    found = gradient_similarity(model, X, y, sample_weight=weights)
    np.testing.assert_allclose(found, by_autograd(model, X, y, weights), rtol=1e-8, atol=1e-10)
    assert list(found.index) == list(found.columns) == [0, 1, 2]


@pytest.mark.parametrize(
    "params",
    [{}, {"task_relation": "attention"}, {"pooling": "attention", "cell": torch.nn.GRU}],
    ids=str,
)
def test_batches_do_not_matter(ragged, mixed_labels, params):
    model = MultiTaskRNN(**EXACT, **params).fit(ragged, mixed_labels)
    whole = copy.deepcopy(model)
    whole.net_.batch_size, model.net_.batch_size = 40, 7
    found = gradient_similarity(model, ragged, mixed_labels)
    expected = gradient_similarity(whole, ragged, mixed_labels)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    assert (found.to_numpy() == found.to_numpy().T).all()
    np.testing.assert_allclose(np.diag(found), 1.0, rtol=1e-12)
    assert found.abs().to_numpy()[~np.eye(4, dtype=bool)].max() < 0.9999


def test_permuting_tasks_permutes(ragged, mixed_labels):
    order = ["total", "sign", "positive", "level"]
    first = MultiTaskRNN(**EXACT).fit(ragged, mixed_labels)
    second = MultiTaskRNN(**EXACT).fit(ragged, mixed_labels[order])
    found = gradient_similarity(second, ragged, mixed_labels)  # columns are matched by name
    assert list(found) == order
    expected = gradient_similarity(first, ragged, mixed_labels).loc[order, order]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_equal_tasks_agree_and_opposite_ones_do_not(cube):
    X, y = cube
    twice = np.column_stack([y[:, 0], y[:, 0], y[:, 2]])
    model = MultiTaskRNNRegressor(**EXACT).fit(X, twice)
    found = gradient_similarity(model, X, twice)
    assert found.loc[0, 1] == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found.loc[0], found.loc[1], atol=1e-12)
    # heads that are equal (they all start so), and targets on either side of what they predict
    twice[:, 0], twice[:, 1] = 1e6, -1e6
    opposed = gradient_similarity(model, X, twice)
    assert opposed.loc[0, 1] == pytest.approx(-1.0, abs=1e-6)


def test_task_weights_change_nothing(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT).fit(X, y)
    heavy = copy.deepcopy(model)
    heavy.net_.criterion_.weigher.set([1.0, 20.0, 3.0])
    expected = gradient_similarity(model, X, y)
    pd.testing.assert_frame_equal(gradient_similarity(heavy, X, y), expected)


@pytest.mark.parametrize("mode", [True, False])
def test_the_estimator_stays_as_it_is(ragged, mixed_labels, mode):
    model = MultiTaskRNN(**SMALL, dropout=0.3, cell="gru").fit(ragged, mixed_labels)
    net, module = model.net_, model.net_.module_
    module.train(mode)
    module.heads[0].train(not mode)
    parameters = list(module.parameters())
    for parameter in parameters[1:]:
        parameter.grad = None
    parameters[0].grad = kept = torch.ones_like(parameters[0])
    parameters[1].requires_grad_(False)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    optimizer = copy.deepcopy(net.optimizer_.state_dict())
    history, generator = len(net.history), torch.get_rng_state()
    attributes = dict(vars(model))

    gradient_similarity(model, ragged, mixed_labels)

    assert parameters[0].grad is kept
    assert (kept == 1).all()
    assert all(parameter.grad is None for parameter in parameters[1:])
    assert [p.requires_grad for p in parameters] == [i != 1 for i in range(len(parameters))]
    assert all(torch.equal(state[name], t) for name, t in module.state_dict().items())
    assert [part.training for part in module.modules()] == modes
    after = net.optimizer_.state_dict()
    assert after["param_groups"] == optimizer["param_groups"]
    for i, moments in optimizer["state"].items():
        assert all(torch.equal(v, after["state"][i][name]) for name, v in moments.items())
    assert len(net.history) == history
    assert torch.equal(torch.get_rng_state(), generator)
    assert vars(model).keys() == attributes.keys()
    assert all(value is attributes[name] for name, value in vars(model).items())


def test_predictions_and_later_training_are_the_same(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**SMALL, dropout=0.3, warm_start=True).fit(X, y)
    other = copy.deepcopy(model)
    before = model.predict(X)
    gradient_similarity(model, X, y)
    np.testing.assert_array_equal(model.predict(X), before)
    np.testing.assert_array_equal(model.fit(X, y).predict(X), other.fit(X, y).predict(X))


def test_a_task_without_labels_is_unknown(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT).fit(X, y)
    full = gradient_similarity(model, X, y)
    y[:, 1] = np.nan
    found = gradient_similarity(model, X, y)
    assert found.isna().to_numpy().tolist() == [
        [False, True, False],
        [True, True, True],
        [False, True, False],
    ]
    np.testing.assert_allclose(found.loc[[0, 2], [0, 2]], full.loc[[0, 2], [0, 2]], rtol=1e-10)
    weights = np.ones((30, 3))
    weights[:, 1] = 0  # the same as no label
    pd.testing.assert_frame_equal(
        gradient_similarity(model, X, cube[1], sample_weight=weights), found
    )


def test_a_frame_may_lack_tasks(ragged, mixed_labels):
    model = MultiTaskRNN(**EXACT).fit(ragged, mixed_labels)
    found = gradient_similarity(model, ragged, mixed_labels[["total", "sign"]])
    full = gradient_similarity(model, ragged, mixed_labels)
    known = ["sign", "total"]
    np.testing.assert_allclose(found.loc[known, known], full.loc[known, known], rtol=1e-10)
    assert found.loc["level"].isna().all()
    assert found["positive"].isna().all()


def test_frozen_parameters_have_a_gradient_too(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT, callbacks=[Freezer("sharing*")]).fit(X, y)
    shared = model.net_.module_.shared_parameters()
    assert not any(parameter.requires_grad for parameter in shared)
    found = gradient_similarity(model, X, y)
    assert found.notna().all(axis=None)
    assert not any(parameter.requires_grad for parameter in shared)


def test_added_tasks_and_other_kinds_of_batches(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT, batching="alternate").fit(X, y[:, :2])
    model.add_task(X, y[:, 2])
    found = gradient_similarity(model, X, y)
    assert found.shape == (3, 3)
    assert found.notna().all(axis=None)


def test_refusals(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**SMALL, sharing="none").fit(X, y)
    with refused("estimator must have parameters that all tasks share", "sharing='none'"):
        gradient_similarity(model, X, y)
    with refused("estimator must be a MultiTaskRNN", "found 'model'"):
        gradient_similarity("model", X, y)
    with pytest.raises(NotFittedError):
        gradient_similarity(MultiTaskRNNRegressor(), X, y)
    model = MultiTaskRNNRegressor(**SMALL).fit(X, y)
    with refused("y must hold the 3 task(s)", "found 2 column(s)"):
        gradient_similarity(model, X, y[:, :2])
    with refused("y must hold labels per sequence of task 0", "found labels per time step"):
        gradient_similarity(model, X, np.repeat(y[:, None], 5, axis=1))
    classifier = MultiTaskRNNClassifier(**SMALL).fit(X, y[:, [0, 2]] > 0)
    with refused("unseen class 2 in task 1"):
        gradient_similarity(classifier, X, np.column_stack([y[:, 0] > 0, np.arange(30)]))


def test_a_trimmed_task_runs(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**SMALL, tasks=RegressionTask(trim=0.2)).fit(X, y)
    assert gradient_similarity(model, X, y).notna().all(axis=None)


def test_a_gradient_of_zero_has_no_direction(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT).fit(X, y)
    with torch.no_grad():
        model.net_.module_.heads[0][1].weight.zero_()  # task 1 no longer reads the trunk
    found = gradient_similarity(model, X, y)
    assert found.isna().to_numpy().sum() == 5
    assert found.loc[1].isna().all()


def test_gradients_of_a_task_without_labels_are_unknown(cube):
    X, y = cube
    model = MultiTaskRNNRegressor(**EXACT).fit(X, y)
    y[:, 1] = np.nan
    sequences = validate_sequences(model, X, reset=False)
    columns = read_labels(y, sequences.lengths).columns
    targets = model._encode(columns, np.ones((30, 3)), np.arange(30), sequences)
    gradients = task_gradients(model.net_, model._sequence_data(sequences, targets), "auto")
    n_shared = sum(p.numel() for p in model.net_.module_.shared_parameters())
    assert gradients.shape == (3, n_shared)
    assert gradients.dtype == np.float64
    assert np.isnan(gradients).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(gradients[[0, 2]]).all()
