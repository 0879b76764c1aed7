"""Made data have the properties they promise; bundled data are what they say."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from sk_mtrnn.datasets import load_digit_strokes, make_multitask_sequences
from sk_mtrnn.sequences import Ragged, read_labels

ALL_KINDS = {
    "a": "classification",
    "b": "regression",
    "c": "classification_per_step",
    "d": "regression_per_step",
}
TWO_LEVELS = {"one": "regression", "two": "regression"}


def global_state():
    return np.random.get_state()[1:3]


def assert_same_labels(one, other):
    assert list(one.columns) == list(other.columns)
    for name in one:
        assert_array_equal(np.hstack(one[name]), np.hstack(other[name]))


# make_multitask_sequences


def test_equal_lengths_give_an_array():
    X, y = make_multitask_sequences(30, 7, 5, tasks=ALL_KINDS, random_state=0)
    assert isinstance(X, np.ndarray)
    assert X.shape == (30, 7, 5)
    assert X.dtype == np.float64
    assert isinstance(y, pd.DataFrame)
    assert y.shape == (30, 4)
    columns = {column.name: column for column in read_labels(y, np.full(30, 7)).columns}
    assert list(columns) == list(ALL_KINDS)
    for name, kind in ALL_KINDS.items():
        assert columns[name].per_step == kind.endswith("per_step")
        assert not columns[name].missing.any()
        if kind.startswith("classification"):
            assert set(columns[name].values) <= {0, 1, 2}
            assert np.issubdtype(columns[name].values.dtype, np.integer)


def test_a_range_of_lengths_gives_ragged():
    X, y = make_multitask_sequences(300, (3, 9), tasks=ALL_KINDS, random_state=0)
    assert isinstance(X, Ragged)
    assert set(X.lengths) == set(range(3, 10))
    for name in "cd":
        assert_array_equal([len(cell) for cell in y[name]], X.lengths)
    assert isinstance(make_multitask_sequences(3, (5, 5), random_state=0)[0], Ragged)


@pytest.mark.parametrize("n_timesteps", [1, (1, 1), (1, 2)])
def test_the_smallest_data(n_timesteps):
    X, y = make_multitask_sequences(
        1, n_timesteps, 1, tasks=ALL_KINDS, missing_labels=0.9, random_state=0
    )
    assert len(X) == len(y) == 1
    assert not y.isna().any().any()  # one label of each task stays


def test_tasks_by_number_and_by_default():
    assert list(make_multitask_sequences(5, random_state=0)[1]) == ["kind", "level", "trace"]
    y = make_multitask_sequences(50, tasks=3, random_state=0)[1]
    assert list(y) == ["task_0", "task_1", "task_2"]
    assert [y[name].dtype.kind for name in y] == ["i", "f", "i"]


@pytest.mark.parametrize("n_timesteps", [6, (2, 6)])
def test_random_state_decides_everything(n_timesteps):
    def draw(seed):
        X, y = make_multitask_sequences(
            20, n_timesteps, tasks=ALL_KINDS, missing_labels=0.3, random_state=seed
        )
        return (X if isinstance(X, np.ndarray) else X.values), y

    before = global_state()
    (X, y), (X_again, y_again) = draw(3), draw(3)
    assert_array_equal(before[0], global_state()[0])
    assert before[1] == global_state()[1]
    assert_array_equal(X, X_again)
    assert_same_labels(y, y_again)
    assert not np.array_equal(X, draw(4)[0])
    assert_array_equal(X, draw(np.random.RandomState(3))[0])


def test_no_random_state_takes_one_draw_from_the_global_generator():
    saved = np.random.get_state()
    try:
        np.random.seed(3)
        X, _ = make_multitask_sequences(5)
        after = global_state()
        np.random.seed(3)
        np.random.randint(np.iinfo(np.int32).max)
        assert_array_equal(after[0], global_state()[0])
        assert after[1] == global_state()[1]
        assert_array_equal(X, make_multitask_sequences(5, random_state=3)[0])
    finally:
        np.random.set_state(saved)


@pytest.mark.parametrize("relatedness", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("kind", ["regression", "regression_per_step"])
def test_noise_free_targets_correlate_by_relatedness(relatedness, kind):
    y = make_multitask_sequences(
        4000,
        (8, 12),
        tasks={"one": kind, "two": kind},
        relatedness=relatedness,
        noise=0.0,
        random_state=0,
    )[1]
    one, two = np.hstack(y["one"]), np.hstack(y["two"])
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(relatedness, abs=0.05)
    if relatedness == 1:
        assert_allclose(one, two)


def test_targets_have_variance_one_at_every_step():
    y = make_multitask_sequences(
        8000, 30, tasks={"trace": "regression_per_step"}, noise=0.0, random_state=0
    )[1]
    trace = np.stack(y["trace"])
    assert_allclose(trace.mean(axis=0), 0, atol=0.05)
    assert_allclose(trace.var(axis=0), 1, atol=0.08)


def test_classes_are_the_terciles_of_the_number():
    draw = {"n_samples": 6000, "random_state": 0}
    classes = make_multitask_sequences(**draw, tasks={"t": "classification"})[1]["t"]
    number = make_multitask_sequences(**draw, tasks={"t": "regression"})[1]["t"]
    assert_allclose(np.bincount(classes) / len(classes), 1 / 3, atol=0.03)
    highest, lowest = number.groupby(classes).max(), number.groupby(classes).min()
    assert highest[0] < lowest[1]
    assert highest[1] < lowest[2]


def test_per_sequence_label_is_the_last_per_step_label():
    draw = {"n_timesteps": (3, 9), "random_state": 0}
    last = make_multitask_sequences(**draw, tasks={"t": "regression"})[1]["t"]
    steps = make_multitask_sequences(**draw, tasks={"t": "regression_per_step"})[1]["t"]
    assert_array_equal(last, [cell[-1] for cell in steps])


def test_features_without_noise_span_one_dimension_a_process():
    X, _ = make_multitask_sequences(50, 10, 9, tasks=3, noise=0.0, random_state=0)
    assert np.linalg.matrix_rank(X.reshape(-1, 9)) == 4
    X, _ = make_multitask_sequences(50, 10, 9, tasks=3, random_state=0)
    assert np.linalg.matrix_rank(X.reshape(-1, 9)) == 9


def test_noise_has_the_standard_deviation_asked_for():
    draw = {"n_samples": 2000, "tasks": TWO_LEVELS, "random_state": 0}
    X_clean, y_clean = make_multitask_sequences(**draw, noise=0.0)
    X, y = make_multitask_sequences(**draw, noise=0.5)
    assert (X - X_clean).std() == pytest.approx(0.5, rel=0.05)
    assert_allclose((y - y_clean).std(), 0.5, rtol=0.05)


def test_the_whole_sequence_is_needed_and_enough():
    X, y = make_multitask_sequences(2000, tasks={"level": "regression"}, random_state=0)

    def score(features):
        features = features.reshape(len(X), -1)
        return Ridge().fit(features[:1500], y[:1500]).score(features[1500:], y[1500:])

    assert score(X[:, -1]) < 0.4
    assert score(X) > 0.95


def test_missing_labels_are_the_fraction_asked_for_and_change_nothing_else():
    draw = {"n_samples": 200, "n_timesteps": (5, 9), "tasks": ALL_KINDS, "random_state": 0}
    fractions = {"a": 0.25, "c": 0.5, "d": 0.9}
    X, y = make_multitask_sequences(**draw)
    X_holes, y_holes = make_multitask_sequences(**draw, missing_labels=fractions)
    assert_array_equal(X.values, X_holes.values)
    for name in ALL_KINDS:
        labels, holes = np.hstack(y[name]), np.hstack(y_holes[name])
        missing = np.isnan(holes)
        assert missing.sum() == round(fractions.get(name, 0) * len(labels))
        assert_array_equal(labels[~missing], holes[~missing])
    everywhere = make_multitask_sequences(100, tasks=TWO_LEVELS, missing_labels=0.3, random_state=0)
    assert everywhere[1].isna().sum().to_list() == [30, 30]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer, 1 or more, found 0"),
        ({"n_features": 2.5}, "n_features must be an integer, 1 or more, found 2.5"),
        ({"n_timesteps": 0}, r"n_timesteps must be an integer, 1 or more, or a pair.*found 0"),
        ({"n_timesteps": (5, 3)}, r"n_timesteps must be .*low <= high, found \(5, 3\)"),
        ({"n_timesteps": (1, 2, 3)}, r"n_timesteps must be .*found \(1, 2, 3\)"),
        ({"n_timesteps": "long"}, "n_timesteps must be .*found 'long'"),
        ({"tasks": 0}, "tasks must be None, an integer, 1 or more, or a dict.*found 0"),
        ({"tasks": {}}, r"tasks must be .*at least one task, found \{\}"),
        ({"tasks": {"a": "ranking"}}, r"tasks\['a'\] must be one of .*found 'ranking'"),
        ({"relatedness": 1.2}, r"relatedness must be a number in \[0, 1\], found 1.2"),
        ({"relatedness": np.nan}, "relatedness must be .*found nan"),
        ({"relatedness": "high"}, "relatedness must be .*found 'high'"),
        ({"noise": -1}, "noise must be a finite number, 0 or more, found -1"),
        ({"noise": np.inf}, "noise must be .*found inf"),
        ({"missing_labels": 1.0}, r"missing_labels must be a number in \[0, 1\), or a dict.*1.0"),
        ({"missing_labels": None}, "missing_labels must be .*found None"),
        (
            {"missing_labels": {"level": 2}},
            r"missing_labels\['level'\] must be a number in \[0, 1\), found 2",
        ),
        (
            {"missing_labels": {"other": 0.5}},
            r"missing_labels must name tasks among \['kind', 'level', 'trace'\], found \['other'\]",
        ),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_multitask_sequences(**parameters)


# load_digit_strokes


def test_digit_strokes_are_the_digits_of_scikit_learn():
    strokes, digits = load_digit_strokes(), load_digits()
    assert_array_equal(strokes.data, digits.images[:, :5])
    assert_array_equal(strokes.target["digit"], digits.target)
    seen = strokes.data.sum(axis=(1, 2))
    assert_allclose(seen + strokes.target["ink"], digits.data.sum(axis=1))
    row_ink = digits.images.sum(axis=2)
    for sample, heavier in enumerate(strokes.target["heavier"]):
        assert list(heavier) == [row_ink[sample, t + 1] > row_ink[sample, t] for t in range(5)]


def test_digit_strokes_describes_itself():
    strokes = load_digit_strokes()
    assert strokes.task_names == list(strokes.target) == ["digit", "ink", "heavier"]
    assert len(strokes.feature_names) == strokes.data.shape[2]
    for name in strokes.task_names:
        assert f"- {name}:" in strokes.DESCR
    columns = read_labels(strokes.target, np.full(1797, 5)).columns
    assert [column.per_step for column in columns] == [False, False, True]
    X, y = load_digit_strokes(return_X_y=True)
    assert_array_equal(X, strokes.data)
    assert_same_labels(y, strokes.target)
