"""How related tasks are, measured on their labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_mtrnn.relations import relatedness, task_relatedness
from sk_mtrnn.relations._relatedness import CodedLabels


def coded(values, weights=None, per_step=False):
    values = np.asarray(values)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    return CodedLabels(values, weights, per_step)


def related(one, other, lengths=None):
    lengths = np.ones(len(one.values), dtype=int) if lengths is None else lengths
    return relatedness([one, other], lengths)[0, 1]


def test_relatedness_is_its_formula():
    rng = np.random.default_rng(0)
    a, b = rng.integers(3, size=200), rng.integers(4, size=200)
    b = np.where(rng.random(200) < 0.5, a, b)
    p = np.array([[np.mean((a == i) & (b == j)) for j in range(4)] for i in range(3)])
    expected, entropies = 0.0, [0.0, 0.0]
    for i in range(3):
        entropies[0] -= p[i].sum() * np.log(p[i].sum())
        for j in range(4):
            if p[i, j]:
                expected += p[i, j] * np.log(p[i, j] / (p[i].sum() * p[:, j].sum()))
    for j in range(4):
        entropies[1] -= p[:, j].sum() * np.log(p[:, j].sum())
    assert_allclose(related(coded(a), coded(b)), expected / np.sqrt(entropies[0] * entropies[1]))


def test_relatedness_of_a_copy_is_one_whatever_its_names():
    rng = np.random.default_rng(0)
    a, x = rng.integers(4, size=300), rng.normal(size=300)
    y = pd.DataFrame({"a": a, "named": np.array(list("zxyw"))[a], "x": x, "scaled": 3 - 2 * x})
    found = task_relatedness(y)
    assert_allclose([found.loc["a", "named"], found.loc["x", "scaled"]], 1.0)
    assert_allclose(found["a"], found["named"])
    assert list(found.index) == list(found.columns) == list(y.columns)


@pytest.mark.parametrize("kinds", ["classes", "quantities", "mixed"])
def test_relatedness_of_independent_tasks_is_near_zero(kinds):
    rng = np.random.default_rng(0)
    a, b = rng.integers(5, size=5000), rng.integers(3, size=5000)
    x, z = rng.normal(size=5000), rng.exponential(size=5000)
    one, other = {"classes": (a, b), "quantities": (x, z), "mixed": (a, x)}[kinds]
    assert 0 <= related(coded(one), coded(other)) < 0.02


def test_relatedness_rises_with_correlation():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 5000))
    mixes = [rho * x + np.sqrt(1 - rho**2) * noise for rho in (0.0, 0.3, 0.6, 0.9, 1.0)]
    found = [related(coded(x), coded(mix)) for mix in mixes]
    assert (np.diff(found) > 0.02).all()
    assert found[-1] == pytest.approx(1.0)
    opposite = related(coded(x), coded(-mixes[3]))
    assert opposite == pytest.approx(found[3], abs=0.02)


def test_quantities_are_cut_into_fifths():
    x = np.random.default_rng(0).permutation(100).astype(float)
    assert_allclose(related(coded(x), coded((x // 20).astype(int))), 1.0)


def test_quantities_that_mostly_take_one_value_are_not_constant():
    few = np.random.default_rng(0).normal(size=10)
    for often in (few.min() - 1, few.max() + 1):
        x = np.concatenate([few, np.full(90, often)])
        assert_allclose(related(coded(x), coded((x == often).astype(int))), 1.0)


def test_quantities_of_few_values_are_not_cut():
    rng = np.random.default_rng(0)
    ratings = rng.choice(5, p=[0.02, 0.03, 0.05, 0.3, 0.6], size=500)
    liked = (ratings + rng.integers(3, size=500)) // 2
    assert related(coded(0.5 * ratings), coded(liked)) == related(coded(ratings), coded(liked))


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    weights = rng.integers(4, size=60)
    a, x, z = rng.integers(3, size=60), rng.normal(size=60), rng.normal(size=60)
    x = x + a
    weighted = relatedness([coded(v, weights) for v in (a, x, z)], np.ones(60, int))
    repeated = [coded(np.repeat(v, weights)) for v in (a, x, z)]
    assert_array_equal(weighted, relatedness(repeated, np.ones(weights.sum(), int)))
    unweighted = relatedness([coded(v) for v in (a, x, z)], np.ones(60, int))
    assert np.abs(weighted - unweighted).max() > 1e-3
    scaled = relatedness([coded(v, weights / 3) for v in (a, x, z)], np.ones(60, int))
    assert_allclose(scaled, weighted, rtol=1e-12)


def test_labels_per_sequence_count_at_every_step():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 6, size=40)
    a, x = rng.integers(3, size=40), rng.normal(size=40)
    steps = rng.integers(2, size=lengths.sum())
    steps = np.where(rng.random(lengths.sum()) < 0.8, np.repeat(a, lengths) > 0, steps).astype(int)
    weights, step_weights = rng.integers(3, size=40), rng.integers(3, size=lengths.sum())
    mixed = [coded(a, weights), coded(steps, step_weights, True), coded(x, weights)]
    by_hand = [
        coded(np.repeat(a, lengths), np.repeat(weights, lengths), True),
        coded(steps, step_weights, True),
        coded(np.repeat(x, lengths), np.repeat(weights, lengths), True),
    ]
    found, expected = relatedness(mixed, lengths), relatedness(by_hand, lengths)
    assert_array_equal(found[1], expected[1])
    assert found[0, 1] > 0.05
    assert found[0, 2] == related(coded(a, weights), coded(x, weights))  # both per sequence
    assert_array_equal(found, found.T)

    cells = np.empty(40, dtype=object)
    cells[:] = np.split(steps, np.cumsum(lengths)[:-1])
    y = pd.DataFrame({"a": a, "steps": cells})
    ones = [coded(a), coded(steps, per_step=True)]
    assert_array_equal(task_relatedness(y).to_numpy(), relatedness(ones, lengths))


def test_missing_labels_take_no_part():
    rng = np.random.default_rng(0)
    a, x = rng.integers(3, size=80).astype(float), rng.normal(size=80)
    x += a
    hidden_a, hidden_x = rng.random((2, 80)) < 0.3
    with_gaps = pd.DataFrame(
        {"a": np.where(hidden_a, np.nan, a), "x": np.where(hidden_x, np.nan, x)}
    )
    common = ~(hidden_a | hidden_x)
    complete = pd.DataFrame({"a": a[common], "x": x[common]})
    assert_array_equal(task_relatedness(with_gaps), task_relatedness(complete))
    nonsense = coded(np.where(hidden_a, 7, a).astype(int), ~hidden_a)
    assert related(nonsense, coded(x, ~hidden_x)) == task_relatedness(complete).loc["a", "x"]


def test_tasks_that_tell_nothing():
    y = pd.DataFrame(
        {
            "constant": ["one"] * 6,
            "a": [0, 1, 0, 1, None, None],
            "elsewhere": [None] * 4 + ["u", "v"],
            "empty": [np.nan] * 6,
        }
    )
    nan = np.nan
    expected = [[1, 0, 0, nan], [0, 1, nan, nan], [0, nan, 1, nan], [nan, nan, nan, 1]]
    assert_array_equal(task_relatedness(y), np.array(expected))


def test_whole_numbers_of_many_values_are_quantities():
    rng = np.random.default_rng(0)
    counts, a = rng.integers(1000, size=400), rng.integers(2, size=400)
    found = task_relatedness(np.column_stack([counts, a]))
    assert found.loc[0, 1] == related(coded(counts.astype(float)), coded(a)) < 0.05
    few = rng.integers(20, size=400)
    found = task_relatedness(np.column_stack([few, a]))
    assert found.loc[0, 1] == related(coded(few), coded(a))


def test_permuted_tasks_permute_relatedness():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(100, 4)) @ rng.normal(size=(4, 4))
    order = [2, 0, 3, 1]
    found = task_relatedness(y).to_numpy()
    assert_allclose(task_relatedness(y[:, order]), found[np.ix_(order, order)], rtol=1e-12)
