"""Task weights: both the grid and the distribution lie on the simplex."""

from math import comb

import numpy as np
import pytest
from sklearn.model_selection import ParameterSampler

from sk_mtrnn.model_selection import TaskWeightDistribution, task_weight_grid


@pytest.mark.parametrize(("n_tasks", "n_levels"), [(1, 2), (2, 5), (3, 4), (4, 6)])
def test_the_grid_is_the_lattice_on_the_simplex(n_tasks, n_levels):
    grid = task_weight_grid(n_tasks, n_levels)
    points = np.array(grid)
    assert isinstance(grid, list)
    assert isinstance(grid[0], list)
    assert points.shape == (comb(n_levels - 1 + n_tasks - 1, n_tasks - 1), n_tasks)
    np.testing.assert_allclose(points.sum(axis=1), 1)
    steps = points * (n_levels - 1)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-12)
    assert len({tuple(point) for point in np.round(steps).tolist()}) == len(grid)
    for vertex in np.eye(n_tasks):
        assert vertex.tolist() in grid


def test_a_grid_by_name_holds_the_same_points():
    named = task_weight_grid(("a", "b", "c"), 4)
    assert [list(point.values()) for point in named] == task_weight_grid(3, 4)
    assert all(list(point) == ["a", "b", "c"] for point in named)


@pytest.mark.parametrize("tasks", [0, -1, True, 1.5, None, "ab", [], ["a", "a"]])
def test_tasks_must_be_a_number_or_names(tasks):
    message = "tasks must be a positive integer or a sequence of different task names, found"
    with pytest.raises(ValueError, match=message):
        task_weight_grid(tasks, 3)
    with pytest.raises(ValueError, match=message):
        TaskWeightDistribution(tasks)


@pytest.mark.parametrize("n_levels", [1, 0, 2.5])
def test_n_levels_must_be_two_or_more(n_levels):
    with pytest.raises(
        ValueError, match=f"n_levels must be an integer of at least 2, found {n_levels}"
    ):
        task_weight_grid(2, n_levels)


@pytest.mark.parametrize("alpha", [1e-4, 1.0, [0.5, 2.0, 1.0], 1e4])
def test_drawn_weights_lie_on_the_simplex(alpha):
    draws = TaskWeightDistribution(3, alpha).rvs(50, random_state=0)
    assert np.shape(draws) == (50, 3)
    assert np.min(draws) >= 0
    np.testing.assert_allclose(np.sum(draws, axis=1), 1)


def test_drawn_weights_have_the_mean_alpha_gives():
    alpha = {"a": 1.0, "b": 3.0}
    draws = TaskWeightDistribution(["b", "a"], alpha).rvs(4000, random_state=0)
    assert np.mean([draw["b"] for draw in draws]) == pytest.approx(0.75, abs=0.02)


def test_one_draw_is_one_weight_vector():
    weights = TaskWeightDistribution(2).rvs(random_state=0)
    assert isinstance(weights, list)
    assert [type(weight) for weight in weights] == [float, float]
    assert list(TaskWeightDistribution(["x", "y"]).rvs(random_state=0).values()) == weights


def test_drawn_weights_depend_on_random_state_alone():
    space = {"task_weights": TaskWeightDistribution(3, 0.5)}
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first = list(ParameterSampler(space, n_iter=5, random_state=7))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert first == list(ParameterSampler(space, n_iter=5, random_state=7))
    assert first != list(ParameterSampler(space, n_iter=5, random_state=8))
    assert first[0] != first[1]


def test_distribution_repr():
    assert repr(TaskWeightDistribution(2)) == "TaskWeightDistribution(tasks=2, alpha=1.0)"


@pytest.mark.parametrize("alpha", [0, -1.0, np.inf, np.nan, [1.0, 1.0, 1.0]])
def test_alpha_must_be_positive(alpha):
    message = "alpha must be a positive number, or one for each of 2 tasks, found"
    with pytest.raises(ValueError, match=message):
        TaskWeightDistribution(2, alpha)


def test_alpha_by_name_must_name_the_tasks():
    with pytest.raises(
        ValueError, match=r"alpha must have the tasks \['a', 'b'\], found \{'a': 1\}"
    ):
        TaskWeightDistribution(["a", "b"], {"a": 1})
    with pytest.raises(ValueError, match="alpha must have no dict where tasks is a number"):
        TaskWeightDistribution(2, {"a": 1})
