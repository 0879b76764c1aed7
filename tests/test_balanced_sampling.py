"""Samples drawn so that classes are even."""

import numpy as np
import pytest
from scipy import sparse

from sk_mtrnn.sampling import balanced_probabilities, draw


def one_hot(labels, n_classes=None):
    """A row for each label; -1 is none."""
    n_classes = n_classes or labels.max() + 1
    return (labels[:, None] == np.arange(n_classes)).astype(float)


def rare(rng, n, share):
    return (rng.random(n) < share).astype(int)


def shares(p, membership):
    """C q_c over the classes there are."""
    mass = (p @ membership)[membership.any(axis=0)]
    return len(mass) * mass / mass.sum()


def worst(p, memberships):
    return min(shares(p, membership).min() for membership in memberships)


def check_probabilities(p, n):
    assert p.shape == (n,)
    assert p.dtype == np.float64
    assert np.isfinite(p).all()
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-12)


def test_one_task_is_the_inverse_of_class_counts():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    p = balanced_probabilities([one_hot(labels)])
    np.testing.assert_allclose(p, 1 / (3 * np.bincount(labels)[labels]), rtol=1e-12)


def test_two_independent_tasks_are_even_at_once():
    rng = np.random.default_rng(0)
    labels = rare(rng, 3000, 0.1), rng.choice(3, 3000, p=[0.7, 0.2, 0.1])
    memberships = [one_hot(task) for task in labels]
    p = balanced_probabilities(memberships)
    check_probabilities(p, 3000)
    for membership in memberships:
        np.testing.assert_allclose(shares(p, membership), 1, atol=1e-6)
    # of all even ones the nearest to uniform: a factor for each class, none for their pairs
    log_p = [[np.log(p[(labels[0] == a) & (labels[1] == b)]) for b in range(3)] for a in range(2)]
    assert max(np.ptp(cell) for row in log_p for cell in row) < 1e-12
    ratio = (
        [row[0] for row in zip(*log_p, strict=True)],
        [row[1] for row in zip(*log_p, strict=True)],
    )
    between = [b[0] - a[0] for a, b in zip(*ratio, strict=True)]
    np.testing.assert_allclose(between, between[0], atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_correlated_tasks_are_even_where_they_can_be(seed):
    rng = np.random.default_rng(seed)
    first = rare(rng, 2000, 0.1)
    second = np.where(rng.random(2000) < 0.8, first, rng.integers(0, 3, 2000))
    memberships = [one_hot(first), one_hot(second)]
    p = balanced_probabilities(memberships)
    for membership in memberships:
        np.testing.assert_allclose(shares(p, membership), 1, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_fractions_are_even_where_they_can_be(seed):
    rng = np.random.default_rng(seed)
    membership = rng.dirichlet([1.0, 0.5, 0.3], 500)
    p = balanced_probabilities([membership])
    np.testing.assert_allclose(shares(p, membership), 1, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_what_cannot_be_even_is_no_worse_than_uniform(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 300))
    memberships = [
        rng.dirichlet([5, 0.1, 0.1, 0.05], n),  # no sample is of a rare class
        one_hot(rare(rng, n, 0.02), 2),
        one_hot(rng.integers(-1, 4, n) * rare(rng, n, 0.1), 4),
        np.tile([0.99, 0.01], (n, 1)),
    ]
    p = balanced_probabilities(memberships)
    check_probabilities(p, n)
    assert worst(p, memberships) >= worst(np.full(n, 1 / n), memberships) * (1 - 1e-8)
    assert p.max() <= 100 / n * (1 + 1e-6)


def test_a_task_that_can_be_even_is_so_beside_one_that_cannot():
    rng = np.random.default_rng(0)
    tags = rng.dirichlet([5, 0.1, 0.1, 0.05], 2000)
    intent = one_hot(rare(rng, 2000, 0.05))
    p = balanced_probabilities([tags, intent])
    np.testing.assert_allclose(shares(p, intent), 1, atol=1e-5)
    uniform = np.full(2000, 1 / 2000)
    assert shares(p, tags).min() > 2 * shares(uniform, tags).min()
    unmoved = balanced_probabilities([np.tile([0.99, 0.01], (2000, 1)), intent])
    np.testing.assert_allclose(unmoved, balanced_probabilities([intent]), rtol=1e-6)


@pytest.mark.parametrize("max_repeats", [1.0, 2.0, 10.0])
def test_no_sample_is_repeated_too_often(max_repeats):
    rng = np.random.default_rng(0)
    memberships = [one_hot(rare(rng, 1000, 0.02)), one_hot(rare(rng, 1000, 0.05))]
    p = balanced_probabilities(memberships, max_repeats=max_repeats)
    check_probabilities(p, 1000)
    assert p.max() * 1000 <= max_repeats * (1 + 1e-6)
    if max_repeats == 1:
        np.testing.assert_allclose(p, 1e-3, rtol=1e-12)


def test_a_bound_that_just_suffices_is_enough():
    """Even within a bound: pairs of rare classes are held back, single ones make up for them."""
    a, b = np.repeat([0, 0, 1, 1], [81, 9, 9, 1]), np.repeat([0, 1, 0, 1], [81, 9, 9, 1])
    assert 100 * balanced_probabilities([one_hot(a), one_hot(b)])[-1] > 20
    p = balanced_probabilities([one_hot(a), one_hot(b)], max_repeats=8.0)
    assert 100 * p.max() <= 8.0 * (1 + 1e-6)
    for labels in (a, b):
        np.testing.assert_allclose(shares(p, one_hot(labels)), 1, atol=1e-6)


def test_samples_without_label_are_drawn_as_the_mean():
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(1000) < 0.4, -1, rare(rng, 1000, 0.1))
    p = balanced_probabilities([one_hot(labels, 2)])
    np.testing.assert_allclose(p[labels < 0], 1e-3, rtol=1e-9)
    assert p[labels >= 0].mean() == pytest.approx(1e-3)
    np.testing.assert_allclose(shares(p, one_hot(labels, 2)), 1, atol=1e-9)


def test_samples_without_label_among_fractions_are_drawn_as_the_mean():
    rng = np.random.default_rng(0)
    unlabelled = rng.random(500) < 0.4
    membership = rng.dirichlet([1.0, 0.5, 0.3], 500) * ~unlabelled[:, None]
    p = balanced_probabilities([membership])
    np.testing.assert_allclose(p[unlabelled], 1 / 500, rtol=1e-6)
    np.testing.assert_allclose(shares(p, membership), 1, atol=1e-6)


def test_a_task_twice_is_as_one():
    known = one_hot(rare(np.random.default_rng(0), 500, 0.05))
    twice = balanced_probabilities([known, known])
    np.testing.assert_allclose(twice, balanced_probabilities([known]), rtol=1e-6)


def test_stacked_data_sets_are_even_each_and_keep_their_sizes():
    rng = np.random.default_rng(0)
    first = np.where(np.arange(1000) < 700, rare(rng, 1000, 0.1), -1)
    second = np.where(np.arange(1000) < 700, -1, rare(rng, 1000, 0.2))
    p = balanced_probabilities([one_hot(first, 2), one_hot(second, 2)])
    assert p[:700].sum() == pytest.approx(0.7)
    np.testing.assert_allclose(p[:700] / 0.7, balanced_probabilities([one_hot(first[:700])]))
    np.testing.assert_allclose(p[700:] / 0.3, balanced_probabilities([one_hot(second[700:])]))


def test_a_label_known_in_one_class_only_holds_no_task_back():
    first = np.repeat([0, 1], [90, 10])
    second = np.where(np.arange(100) < 90, np.arange(100) % 2, -1)  # of class 0 only
    p = balanced_probabilities([one_hot(first), one_hot(second, 2)])
    np.testing.assert_allclose(shares(p, one_hot(first)), 1, atol=1e-6)
    np.testing.assert_allclose(shares(p, one_hot(second, 2)), 1, atol=1e-6)


def test_order_of_samples_and_tasks_plays_no_part():
    rng = np.random.default_rng(0)
    memberships = [rng.dirichlet([5, 0.1, 0.1], 300), one_hot(rare(rng, 300, 0.1))]
    p = balanced_probabilities(memberships)
    order = rng.permutation(300)
    permuted = balanced_probabilities([membership[order] for membership in memberships])
    np.testing.assert_allclose(permuted, p[order], rtol=1e-6)
    np.testing.assert_allclose(balanced_probabilities(memberships[::-1]), p, rtol=1e-6)
    np.testing.assert_array_equal(balanced_probabilities(memberships), p)


def test_classes_without_samples_and_tasks_of_one_class_are_left_out():
    rng = np.random.default_rng(0)
    known = one_hot(rare(rng, 200, 0.1))
    p = balanced_probabilities([known])
    wider = np.insert(known, 1, 0.0, axis=1)
    single, none = np.ones((200, 1)), np.zeros((200, 3))
    np.testing.assert_allclose(balanced_probabilities([none, wider, single]), p, rtol=1e-12)
    for nothing in ([single, none], [np.ones((200, 0))]):
        np.testing.assert_array_equal(balanced_probabilities(nothing), np.full(200, 1 / 200))
    np.testing.assert_array_equal(balanced_probabilities([], n_samples=4), np.full(4, 0.25))


def test_sparse_memberships_are_the_same():
    known = one_hot(np.repeat([0, 1], [30, 10]))
    explicit = sparse.csr_array(known + 1)  # zeros stored as such
    explicit.data -= 1
    p = balanced_probabilities([explicit])
    np.testing.assert_array_equal(p, balanced_probabilities([known]))
    assert explicit.nnz == known.size  # as it was given


@pytest.mark.parametrize(
    ("memberships", "message"),
    [
        ([], "n_samples must be given .* found None"),
        ([np.eye(3), np.eye(4)], r"shape \(3, n_classes\), found shape \(4, 4\) at position 1"),
        ([np.eye(3) * 0.5], r"found \[0.5, 0.0, 0.0\] for sample 0 at position 0"),
        ([np.array([[1, 0], [2, -1]])], r"found \[2.0, -1.0\] for sample 1"),
        ([np.array([[1, 0], [np.nan, 0]])], r"found \[nan, 0.0\] for sample 1"),
    ],
)
def test_memberships_that_are_no_shares_are_refused(memberships, message):
    with pytest.raises(ValueError, match=message):
        balanced_probabilities(memberships)


@pytest.mark.parametrize("max_repeats", [0.5, np.nan])
def test_a_bound_below_one_is_refused(max_repeats):
    with pytest.raises(ValueError, match="max_repeats must be at least 1, found"):
        balanced_probabilities([np.eye(2)], max_repeats=max_repeats)


def test_draws_are_within_one_of_what_is_expected():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(50, 0.3))
    counts = np.zeros(50)
    for seed in range(400):
        drawn = draw(p, 30, np.random.default_rng(seed))
        assert drawn.shape == (30,)
        found = np.bincount(drawn, minlength=50)
        assert (np.abs(found - 30 * p) < 1 + 1e-9).all()
        counts += found
    part = 30 * p % 1
    np.testing.assert_allclose(
        counts / 400, 30 * p, atol=4.5 * np.sqrt((part * (1 - part)).max() / 400)
    )


def test_uniform_draws_are_a_permutation():
    for n in (1, 7, 1000):
        drawn = draw(np.full(n, 1 / n), n, np.random.default_rng(0))
        np.testing.assert_array_equal(np.sort(drawn), np.arange(n))
    assert not np.array_equal(drawn, np.arange(n))


def test_classes_come_as_often_as_they_should_in_each_epoch():
    labels = rare(np.random.default_rng(0), 1000, 0.05)
    p = balanced_probabilities([one_hot(labels)])
    for seed in range(20):
        drawn = draw(p, 1000, np.random.default_rng(seed))
        assert abs(labels[drawn].sum() - 500) <= 1


def test_draws_depend_on_the_generator_alone():
    p = np.random.default_rng(0).dirichlet(np.ones(20))
    first, again, other = (draw(p, 40, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_draws_come_in_random_order():
    p = np.arange(1, 51) / np.arange(1, 51).sum()
    halves = np.split(draw(p, 1000, np.random.default_rng(0)), 2)
    assert abs(p[halves[0]].mean() / p[halves[1]].mean() - 1) < 0.1


def test_neighbours_may_be_drawn_together():
    """Of any two samples drawn half the time, both come at times."""
    p = np.full(10, 0.1)
    together = np.zeros((10, 10), dtype=int)
    for seed in range(300):
        drawn = draw(p, 5, np.random.default_rng(seed))
        together[np.ix_(drawn, drawn)] += 1
    assert together.min() > 0
