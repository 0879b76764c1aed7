"""Which samples a batch holds."""

import numpy as np
import pandas as pd
import pytest
import torch

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, stack_tasks
from sk_mtrnn.sampling import AlternateBatching, MixedBatching, TaskBatch
from sk_mtrnn.sequences import LengthBatches

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0, "dtype": "float64"}


def labelled(counts, n=200):
    """Tasks with labels on so many samples, none on two tasks."""
    found, start = np.zeros((n, len(counts)), dtype=bool), 0
    for k, count in enumerate(counts):
        found[start : start + count, k] = True
        start += count
    return found


def epoch(batching, known, size=10, seed=0):
    lengths = np.random.default_rng(1).integers(1, 30, len(known))
    return list(batching.batches(lengths, known, size, np.random.default_rng(seed)))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_tasks_are_drawn_by_their_labels(alpha):
    counts = np.array([100, 40, 10])
    known = labelled(counts)
    drawn = [
        batch.task
        for seed in range(300)
        for batch in epoch(AlternateBatching(alpha), known, seed=seed)
    ]
    share = np.bincount(drawn, minlength=3) / len(drawn)
    wanted = counts**alpha / np.sum(counts**alpha)
    np.testing.assert_allclose(share, wanted, atol=4 * 0.5 / np.sqrt(len(drawn)))


def test_a_batch_holds_samples_of_its_task_only():
    known = labelled([100, 40, 10])
    batches = epoch(AlternateBatching(), known)
    assert len(batches) == 20  # as many as all samples make
    for samples, task, share in batches:
        assert known[samples, task].all()
        assert share == known[:, task].sum() / 200


def test_the_samples_of_a_task_are_gone_through_before_any_comes_again():
    known = labelled([0, 35])
    batches = epoch(AlternateBatching(), known)
    first = np.concatenate([batch.samples for batch in batches[:4]])
    np.testing.assert_array_equal(np.sort(first), np.flatnonzero(known[:, 1]))
    second = np.concatenate([batch.samples for batch in batches[4:8]])
    np.testing.assert_array_equal(np.sort(second), np.sort(first))
    assert not np.array_equal(first, second)
    assert {batch.task for batch in batches} == {1}  # one without labels is never drawn


def test_mixed_batches_are_those_by_length():
    lengths = np.random.default_rng(0).integers(1, 30, 95)
    ours = MixedBatching().batches(lengths, None, 10, np.random.default_rng(3))
    for one, other in zip(ours, LengthBatches(lengths, 10, np.random.default_rng(3)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def two_sets():
    rng = np.random.default_rng(0)
    a = [rng.normal(size=(n, 2)) for n in rng.integers(2, 7, 60)]
    b = [rng.normal(size=(n, 2)) for n in rng.integers(2, 7, 20)]
    return stack_tasks({"a": (a, [x[:, 0] for x in a]), "b": (b, [float(x[-1, 1]) for x in b])})


def test_a_batch_of_a_task_is_unbiased(two_sets):
    """The mean over an epoch of one task's batches is its loss over all data."""
    X, y = two_sets
    model = MultiTaskRNN(**SMALL, batching="alternate").fit(X, y)
    columns = model._read_labels(y, X).matched(model.task_names_)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, (80, 2))
    targets = model._encode(columns, weights, np.arange(80), X)
    data = model._sequence_data(X, targets)
    net = model.net_

    def losses(batch):
        inputs, targets = data[batch]
        with torch.no_grad():
            return net.criterion_.per_task(net.module_(inputs), targets).numpy()

    whole = losses(np.arange(80))
    for task, (start, stop) in enumerate([(0, 60), (60, 80)]):
        cuts = np.split(np.random.default_rng(2).permutation(np.arange(start, stop)), 4)
        parts = [losses(TaskBatch(own, task, (stop - start) / 80)) for own in cuts]
        np.testing.assert_allclose(np.mean(parts, axis=0)[task], whole[task], rtol=1e-12)
        assert (np.array(parts)[:, 1 - task] == 0).all()
    np.testing.assert_array_equal(data.labelled(), y.notna().to_numpy())


def test_only_the_served_task_is_trained(two_sets):
    """With one batch an epoch, one head moves."""
    X, y = two_sets
    params = {**SMALL, "batch_size": 80, "max_epochs": 1}
    start = MultiTaskRNN(**{**params, "learning_rate": 1e-30}).fit(X, y).net_.module_.heads[0]
    served = set()
    for seed in range(8):
        model = MultiTaskRNN(**{**params, "random_state": seed}, batching="alternate").fit(X, y)
        weights = model.task_weights_[0]
        (task,) = np.flatnonzero(~np.isnan(weights))
        served.add(int(task))
        assert np.isnan(model.loss_curve_[0, 1 - task])
        assert np.isfinite(model.loss_curve_[0, task])
        heads = model.net_.module_.heads[0]
        assert heads.bias[heads.rows[task]].abs().min() > 0
        assert (heads.bias[heads.rows[1 - task]] == 0).all()
    assert served == {0, 1}
    assert (start.bias == 0).logical_or(start.bias.abs() < 1e-20).all()


def test_both_tasks_are_learned():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 6, 2))
    y = np.column_stack([X[:, :, 0].sum(1), X[:, :, 1].sum(1)])
    y[:300, 1], y[300:, 0] = np.nan, np.nan
    for alpha in (0.0, 1.0):
        model = MultiTaskRNNRegressor(batching=AlternateBatching(alpha), random_state=0)
        assert model.fit(X, y).score(X, y) > 0.9


def test_early_stopping_and_weights_go_with_it(two_sets):
    X, y = two_sets
    model = MultiTaskRNN(
        **SMALL, batching="alternate", early_stopping=True, task_weights={"a": 3.0}
    ).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    weights = model.task_weights_[~np.isnan(model.task_weights_)]
    assert set(weights) <= {3.0, 1.0}


def test_bad_options_are_named():
    X, y = np.zeros((10, 3, 2)), np.arange(10.0)
    with pytest.raises(ValueError, match="'alpha' parameter of AlternateBatching"):
        MultiTaskRNNRegressor(**SMALL, batching=AlternateBatching(-1.0)).fit(X, y)


def test_samples_that_do_not_weigh_have_no_label():
    frame = pd.DataFrame({"a": np.arange(10.0), "b": np.arange(10.0)})
    X, weights = np.random.default_rng(0).normal(size=(10, 3, 2)), np.ones((10, 2))
    weights[:, 1] = np.r_[np.ones(2), np.zeros(8)]
    model = MultiTaskRNNRegressor(**{**SMALL, "batch_size": 2}, batching="alternate")
    one = model.fit(X, frame, sample_weight=weights).predict(X)
    frame.loc[2:, "b"] = 1e6
    other = model.fit(X, frame, sample_weight=weights).predict(X)
    np.testing.assert_array_equal(one, other)
