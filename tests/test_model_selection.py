"""Folds and held-out fractions: what is guaranteed of them, and that searches take them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_labels import make_labels, make_steps
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_validate,
    learning_curve,
)

from sk_mtrnn.model_selection import (
    MultiTaskStratifiedKFold,
    TaskWeightDistribution,
    iterative_stratification,
    label_counts,
    stratified_fraction,
    task_weight_grid,
)
from sk_mtrnn.sequences import Ragged, read_labels


class Constant(BaseEstimator):
    """Fits nothing; scores by its largest task weight."""

    def __init__(self, task_weights=(1.0,)):
        self.task_weights = task_weights

    def fit(self, X, y):
        return self

    def score(self, X, y):
        return max(self.task_weights)


def fold_counts(counts, folds, n_folds):
    return np.array([counts[folds == fold].sum(axis=0) for fold in range(n_folds)])


def random_spread(counts, n_folds):
    """Mean over random splits of the range of what the folds hold of each label."""
    rng = np.random.default_rng(0)
    splits = [rng.permutation(len(counts)) % n_folds for _ in range(10)]
    return np.mean(
        [np.ptp(fold_counts(counts, folds, n_folds), axis=0) for folds in splits], axis=0
    )


def folds_of(splitter, X, y):
    folds = np.full(len(X), -1)
    for fold, (train, test) in enumerate(splitter.split(X, y)):
        assert (folds[test] == -1).all()
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(len(X)))
        folds[test] = fold
    assert (folds >= 0).all()
    return folds


@settings(max_examples=60)
@given(st.data())
def test_folds_partition_the_samples_in_the_sizes_due(data):
    n_samples = data.draw(st.integers(1, 40))
    n_labels = data.draw(st.integers(0, 5))
    shares = np.array(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    counts = rng.integers(0, 4, (n_samples, n_labels)) * (rng.random((n_samples, n_labels)) < 0.5)
    due = n_samples * shares / shares.sum()
    for draws in (None, rng):
        folds = iterative_stratification(counts, shares / shares.sum(), draws)
        sizes = np.bincount(folds, minlength=len(shares))
        assert folds.shape == (n_samples,)
        assert (sizes >= np.floor(due + 1e-9)).all()
        assert (sizes <= np.ceil(due - 1e-9)).all()


@settings(max_examples=60)
@given(st.data())
def test_one_task_is_as_even_as_in_stratified_k_fold(data):
    y = np.array(data.draw(st.lists(st.sampled_from("aaaabbc"), min_size=12, max_size=60)))
    n_folds = data.draw(st.integers(2, 5))
    shuffle = data.draw(st.booleans())
    splitter = MultiTaskStratifiedKFold(
        n_folds, shuffle=shuffle, random_state=0 if shuffle else None
    )
    counts = label_counts(read_labels(y)).toarray()
    found = fold_counts(counts, folds_of(splitter, y, y), n_folds)
    assert (np.ptp(found, axis=0) <= 1).all()
    if counts.sum(axis=0).min() >= n_folds:  # else scikit-learn warns
        theirs = fold_counts(counts, folds_of(StratifiedKFold(n_folds), y, y), n_folds)
        assert (np.ptp(found, axis=0) <= np.ptp(theirs, axis=0)).all()


@pytest.mark.parametrize("shuffle", [False, True])
def test_all_tasks_and_their_gaps_are_even_at_once(shuffle):
    y = make_labels(500)
    splitter = MultiTaskStratifiedKFold(5, shuffle=shuffle, random_state=3 if shuffle else None)
    counts = label_counts(read_labels(y)).toarray()
    assert counts.shape[1] == 5 + 6 + 4  # classes or bins and the missing ones
    np.testing.assert_array_equal(counts.sum(axis=1), 3)
    spread = np.ptp(fold_counts(counts, folds_of(splitter, y, y), 5), axis=0)
    assert spread.max() <= 4
    assert spread.sum() < random_spread(counts, 5).sum() / 4


@pytest.mark.parametrize("shuffle", [False, True])
def test_labels_of_time_steps_are_even_over_steps(shuffle):
    _, y = make_steps()
    splitter = MultiTaskStratifiedKFold(5, shuffle=shuffle, random_state=0 if shuffle else None)
    counts = label_counts(read_labels(y)).toarray()
    np.testing.assert_array_equal(counts.sum(axis=1), [2 * len(steps) for steps in y])
    folds = folds_of(splitter, y, y)
    found = fold_counts(counts, folds, 5)
    assert (np.ptp(found, axis=0) <= np.maximum(0.08 * found.mean(axis=0), 5)).all()
    assert np.ptp(found, axis=0).sum() < random_spread(counts, 5).sum() / 3
    np.testing.assert_array_equal(np.bincount(folds), 40)


def test_every_layout_of_y_gives_the_same_folds():
    X, _ = make_steps(40)
    rng = np.random.default_rng(0)
    table = rng.choice([0.0, 1.0, np.nan], (40, 2))
    splitter = MultiTaskStratifiedKFold(4, shuffle=True, random_state=0)
    expected = folds_of(splitter, X, table)
    for y in (
        pd.DataFrame(table, columns=["a", "b"]),
        pd.DataFrame(table).astype("Int64"),
        pd.DataFrame(table).replace({0.0: "no", 1.0: "yes"}),
        table.tolist(),
        table[:, None, :],
        list(table[:, None, :]),
    ):
        np.testing.assert_array_equal(folds_of(splitter, X, y), expected)
    cells = pd.DataFrame({"a": table[:, 0], "b": pd.Series(list(table[:, 1:]))})
    np.testing.assert_array_equal(folds_of(splitter, X, cells), expected)


def test_folds_depend_on_random_state_alone():
    y = make_labels(60)
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    fixed = MultiTaskStratifiedKFold(3)
    seeded = MultiTaskStratifiedKFold(3, shuffle=True, random_state=1)
    np.testing.assert_array_equal(folds_of(fixed, y, y), folds_of(fixed, y, y))
    np.testing.assert_array_equal(folds_of(seeded, y, y), folds_of(seeded, y, y))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    other = MultiTaskStratifiedKFold(3, shuffle=True, random_state=2)
    assert (folds_of(seeded, y, y) != folds_of(other, y, y)).any()


def test_a_quantity_is_binned_and_equal_values_stay_together():
    values = np.concatenate([np.zeros(80), np.arange(1, 21) + 0.5])
    counts = label_counts(read_labels(values), n_bins=5).toarray()
    assert (counts[:80] == counts[0]).all()
    assert counts[0].argmax() != counts[80].argmax()
    even = label_counts(read_labels(np.arange(100.0)), n_bins=4).toarray()
    np.testing.assert_array_equal(even.sum(axis=0), 25)
    np.testing.assert_array_equal(even.argmax(axis=1), np.repeat(np.arange(4), 25))


def test_whole_numbers_of_few_values_are_classes():
    few = label_counts(read_labels(np.arange(40) % 20))
    many = label_counts(read_labels(np.arange(42) % 21), n_bins=3)
    assert (few.shape[1], many.shape[1]) == (20, 3)
    assert label_counts(read_labels(np.array([True, False]))).shape[1] == 2
    assert label_counts(read_labels([None, "a", "b"])).shape[1] == 3
    assert label_counts(read_labels(np.full((3, 1), np.nan))).shape[1] == 1


def test_counts_may_be_sparse_and_stay_as_they_are():
    counts = sparse.csr_array(np.array([[1, 0], [0, 2], [3, 0], [0, 1]]))
    counts.data[0] = 0  # a stored zero is none held
    dense = counts.toarray()
    np.testing.assert_array_equal(
        iterative_stratification(counts, [0.5, 0.5]), iterative_stratification(dense, [0.5, 0.5])
    )
    assert counts.nnz == 4


def test_the_rarest_label_is_spread_first():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 2, (200, 6))
    counts[:, 0] = 0
    counts[rng.choice(200, 5, replace=False), 0] = 1
    for seed in range(5):
        folds = iterative_stratification(counts, np.full(5, 0.2), np.random.default_rng(seed))
        np.testing.assert_array_equal(fold_counts(counts, folds, 5)[:, 0], 1)


@pytest.mark.parametrize("proportions", [[0.5, 0.6], [1.0, 0.0], [], [[0.5, 0.5]], [np.nan, 1]])
def test_proportions_must_be_shares(proportions):
    message = r"proportions must be positive shares of shape \(n_folds,\) that sum to 1, found"
    with pytest.raises(ValueError, match=message):
        iterative_stratification([[1], [1]], proportions)


def test_counts_must_be_nonnegative():
    with pytest.raises(ValueError, match=r"counts must be finite and nonnegative.* minimum -1"):
        iterative_stratification([[1], [-1]], [0.5, 0.5])


def test_splitter_errors():
    X, y = np.zeros((3, 1)), np.array([0, 1, 0])
    with pytest.raises(ValueError, match=r"n_splits=2 or more, got n_splits=1"):
        MultiTaskStratifiedKFold(1)
    with pytest.raises(ValueError, match=r"n_splits=4 greater than the number of samples: n_sam"):
        next(MultiTaskStratifiedKFold(4).split(X, y))
    with pytest.raises(ValueError, match="y must hold the labels"):
        next(MultiTaskStratifiedKFold(2).split(X, None))
    with pytest.raises(ValueError, match="n_bins must be an integer of at least 1, found 0"):
        MultiTaskStratifiedKFold(2, n_bins=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(MultiTaskStratifiedKFold(2).split(X, y[:2]))
    with pytest.warns(UserWarning, match="groups parameter is ignored by MultiTaskStratifiedKFold"):
        next(MultiTaskStratifiedKFold(2).split(X, y, groups=y))


def test_splitter_as_scikit_learn_knows_it():
    splitter = MultiTaskStratifiedKFold(4, shuffle=True, random_state=0, n_bins=3)
    assert splitter.get_n_splits() == 4
    assert "n_bins=3" in repr(splitter)
    y = make_labels(60)
    X = np.random.default_rng(0).normal(size=(60, 3))
    assert len(cross_validate(Constant(), X, y, cv=splitter)["test_score"]) == 4
    sizes, *_ = learning_curve(Constant(), X, y, cv=splitter, train_sizes=[0.8, 1.0])
    assert sizes.tolist() == [36, 45]
    ragged = Ragged.from_list([np.zeros((i % 3 + 1, 2)) for i in range(60)])
    assert len(cross_validate(Constant(), ragged, y, cv=splitter)["fit_time"]) == 4


def test_searches_take_task_weights_and_the_splitter():
    y = make_labels(40)[["stage", "grade"]]
    X = np.zeros((40, 2))
    cv = MultiTaskStratifiedKFold(2)
    grid = task_weight_grid(2, 3)
    search = GridSearchCV(Constant(), {"task_weights": grid}, cv=cv).fit(X, y)
    assert [params["task_weights"] for params in search.cv_results_["params"]] == grid
    assert search.best_params_["task_weights"] == grid[0]
    random = RandomizedSearchCV(
        Constant(), {"task_weights": TaskWeightDistribution(2)}, n_iter=3, cv=cv, random_state=0
    ).fit(X, y)
    assert len(random.cv_results_["params"]) == 3
    assert max(random.best_params_["task_weights"]) == random.best_score_


# Held-out fraction


@settings(max_examples=60)
@given(st.data())
def test_the_training_part_keeps_a_label_of_each_task(data):
    n_samples = data.draw(st.integers(2, 25))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    y = rng.integers(0, 3, (n_samples, data.draw(st.integers(1, 3)))).astype(float)
    y[rng.random(y.shape) < data.draw(st.sampled_from([0.2, 0.8]))] = np.nan
    train, out = stratified_fraction(read_labels(y), data.draw(st.floats(0.01, 0.99)), rng)
    assert len(train)
    assert len(out)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, out])), np.arange(n_samples))
    labelled = ~np.isnan(y)
    single = labelled & (labelled.sum(axis=0) == 1)  # the only label of its task
    if not single.any(axis=1).all():
        assert (labelled[train].any(axis=0) == labelled.any(axis=0)).all()


@pytest.mark.parametrize("n_samples", [100, 1000])
def test_the_fraction_holds_its_share_of_every_label(n_samples):
    y = make_labels(n_samples)
    counts = label_counts(read_labels(y)).toarray()
    train, out = stratified_fraction(read_labels(y), 0.1, np.random.default_rng(0))
    assert (len(train), len(out)) == (0.9 * n_samples, 0.1 * n_samples)
    assert np.abs(counts[out].sum(axis=0) - 0.1 * counts.sum(axis=0)).max() < 2.5


def test_the_fraction_of_time_steps_is_held_out_and_not_the_short_sequences():
    _, y = make_steps(400)
    _, out = stratified_fraction(read_labels(y), 0.25, np.random.default_rng(0))
    counts = label_counts(read_labels(y)).toarray()
    np.testing.assert_allclose(counts[out].sum(axis=0) / counts.sum(axis=0), 0.25, atol=0.02)
    assert len(out) == 100


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5])
def test_fraction_must_lie_between_0_and_1(fraction):
    with pytest.raises(ValueError, match=f"fraction must lie between 0 and 1, .* found {fraction}"):
        stratified_fraction(read_labels([0, 1]), fraction)


def test_a_fraction_takes_two_samples():
    with pytest.raises(ValueError, match="at least 2 samples, one on each side, found n_samples=1"):
        stratified_fraction(read_labels([0]), 0.5)
