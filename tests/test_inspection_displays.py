"""Displays draw what the attributes hold."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from refusals import refused
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor
from sk_mtrnn.inspection import (
    MultiTaskReportDisplay,
    TaskRelationDisplay,
    TaskWeightDisplay,
    TrainingHistoryDisplay,
    gradient_similarity,
    multitask_report,
    task_relatedness,
)

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 4, "random_state": 0}
DISPLAYS = [TrainingHistoryDisplay, TaskWeightDisplay, TaskRelationDisplay]


@pytest.fixture(autouse=True)
def closed():
    """No figure outlives its test."""
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    return X, pd.DataFrame({"sum": X.sum(1), "last": X[:, -1], "first": X[:, 0]})


@pytest.fixture(scope="module")
def model(data):
    """Weights that move, a relation, and a part held out."""
    return MultiTaskRNNRegressor(
        **SMALL, task_weights="uncertainty", task_relation="gcn", early_stopping=True
    ).fit(*data)


@pytest.fixture(scope="module")
def plain(data):
    return MultiTaskRNNRegressor(**SMALL).fit(*data)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def check_lines(lines, expected, names):
    assert [line.get_label() for line in lines] == names
    for line, column in zip(lines, expected.T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(expected) + 1))
        np.testing.assert_array_equal(line.get_ydata(), column)


def test_history_of_a_plain_fit(plain, data):
    display = TrainingHistoryDisplay.from_estimator(plain)
    check_lines(display.lines_, plain.loss_curve_, list(data[1]))
    assert display.ax_.get_ylabel() == "Loss"
    assert display.validation_ax_ is display.validation_line_ is display.best_epoch_line_ is None
    assert legend(display.ax_) == list(data[1])


def test_history_with_a_part_held_out(model, data):
    display = TrainingHistoryDisplay.from_estimator(model)
    check_lines(display.lines_, model.loss_curve_, list(data[1]))
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), model.validation_scores_)
    np.testing.assert_array_equal(display.validation_line_.get_xdata(), [1, 2, 3, 4])
    assert display.validation_line_.axes is display.validation_ax_ is not display.ax_
    assert set(display.best_epoch_line_.get_xdata()) == {model.best_epoch_}
    assert legend(display.validation_ax_) == [*data[1], "held out", "best epoch"]


def test_history_where_only_some_epochs_were_scored(data):
    model = MultiTaskRNNRegressor(**SMALL, warm_start=True).fit(*data)
    model.set_params(early_stopping=True).fit(*data)
    assert len(model.validation_scores_) < len(model.loss_curve_)
    display = TrainingHistoryDisplay.from_estimator(model)
    check_lines(display.lines_, model.loss_curve_, list(data[1]))
    assert display.validation_ax_ is None
    assert set(display.best_epoch_line_.get_xdata()) == {model.best_epoch_}


def test_history_of_a_stream_with_gaps(data):
    X, y = data
    model = MultiTaskRNNRegressor(**SMALL)
    model.partial_fit(X, y).partial_fit(X, y[["sum", "last"]])
    assert np.isnan(model.loss_curve_).any()
    display = TrainingHistoryDisplay.from_estimator(model)
    check_lines(display.lines_, model.loss_curve_, list(y))


def test_task_weights(model, data):
    display = TaskWeightDisplay.from_estimator(model)
    check_lines(display.lines_, model.task_weights_, list(data[1]))
    assert np.ptp(model.task_weights_, axis=0).min() > 0
    assert legend(display.ax_) == list(data[1])


def test_task_relation(model, data):
    display = TaskRelationDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.image_.get_array(), model.task_relation_)
    assert labels(display.ax_.xaxis) == labels(display.ax_.yaxis) == list(data[1])
    for place, text in np.ndenumerate(display.texts_):
        assert text.get_text() == f"{model.task_relation_[place]:.2f}"
        assert text.get_position() == place[::-1]
    assert display.image_.get_clim() == (0.0, model.task_relation_.max())
    assert display.colorbar_.mappable is display.image_


def test_a_task_beside_the_relation_is_left_out(data):
    X, y = data
    model = MultiTaskRNNRegressor(**SMALL, task_relation="gcn").fit(X, y[["sum", "last"]])
    model.add_task(X, y["first"])
    display = TaskRelationDisplay.from_estimator(model)
    assert labels(display.ax_.xaxis) == ["sum", "last"]
    history = TrainingHistoryDisplay.from_estimator(model)
    check_lines(history.lines_, model.loss_curve_, list(y))


def test_any_matrix_of_tasks(plain, data):
    X, y = data
    for matrix in (gradient_similarity(plain, X, y), task_relatedness(y)):
        display = TaskRelationDisplay.from_matrix(matrix)
        np.testing.assert_array_equal(display.image_.get_array(), matrix)
        assert labels(display.ax_.xaxis) == list(y)
    bare = np.array([[1.0, -0.5], [np.nan, 0.25]])
    display = TaskRelationDisplay.from_matrix(bare, colorbar=False, values_format=".1f")
    assert labels(display.ax_.yaxis) == ["0", "1"]
    assert display.image_.get_clim() == (-1.0, 1.0)  # 0 in the middle
    assert display.texts_[1, 0].get_text() == "nan"
    assert display.texts_[0, 1].get_text() == "-0.5"
    assert display.colorbar_ is None
    named = TaskRelationDisplay.from_matrix(bare, task_names=["a", "b"], cmap="gray")
    assert labels(named.ax_.xaxis) == ["a", "b"]
    assert named.image_.cmap.name == "gray"
    for flat in (np.zeros((2, 2)), np.full((2, 2), np.nan)):
        low, high = TaskRelationDisplay.from_matrix(flat).image_.get_clim()
        assert low < high


def test_numbers_can_be_read_on_their_colours():
    display = TaskRelationDisplay.from_matrix(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    assert display.texts_[0, 0].get_color() == "white"  # on viridis's dark end
    assert display.texts_[0, 1].get_color() == "black"
    assert display.texts_[1, 0].get_color() == "black"


def test_report(data):
    model = MultiTaskRNNRegressor(**SMALL)
    report = multitask_report(model, *data, cv=2)
    computed = MultiTaskReportDisplay.from_estimator(model, *data, cv=2)
    measured = ["alone", "together", "difference", "low", "high"]
    pd.testing.assert_frame_equal(computed.report[measured], report[measured])
    for display in (computed, MultiTaskReportDisplay.from_report(report)):
        points, _, (bars,) = display.errorbar_
        np.testing.assert_array_equal(points.get_xdata(), report["difference"])
        np.testing.assert_array_equal(points.get_ydata(), [0, 1, 2])
        ends = np.array([bar[:, 0] for bar in bars.get_segments()])
        np.testing.assert_allclose(ends, report[["low", "high"]], rtol=1e-12)
        assert labels(display.ax_.yaxis) == list(data[1])
        assert display.ax_.yaxis_inverted()  # the first task at the top
        assert set(display.zero_line_.get_xdata()) == {0.0}


def test_report_of_one_split_has_no_bars(data):
    splits = [(np.arange(30), np.arange(30, 40))]
    display = MultiTaskReportDisplay.from_estimator(
        MultiTaskRNNRegressor(**SMALL), *data, cv=splits
    )
    display.figure_.canvas.draw()
    points = display.errorbar_[0]
    np.testing.assert_array_equal(points.get_xdata(), display.report["difference"])


@pytest.mark.parametrize("display", DISPLAYS)
def test_axes_of_ones_own(model, display):
    figure, ax = plt.subplots()
    drawn = display.from_estimator(model, ax=ax)
    assert drawn.ax_ is ax
    assert drawn.figure_ is figure
    fresh = display.from_estimator(model)
    assert fresh.ax_ is not ax
    assert fresh.plot() is fresh  # again, in a figure of its own
    assert fresh.ax_.figure is fresh.figure_ is not figure
    assert fresh.plot(ax=ax).ax_ is ax
    figure.canvas.draw()


def test_axes_of_ones_own_for_the_report(data):
    report = pd.DataFrame({"difference": [0.1], "low": [0.0], "high": [0.2]}, index=["a"])
    figure, ax = plt.subplots()
    display = MultiTaskReportDisplay.from_report(report, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.plot().ax_ is not ax


@pytest.mark.parametrize("display", DISPLAYS)
def test_estimators_that_cannot_be_drawn(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(MultiTaskRNN())
    with refused("estimator must be a MultiTaskRNN", "found LinearRegression()"):
        display.from_estimator(LinearRegression())


def test_the_end_of_a_pipeline_is_drawn(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), MultiTaskRNNRegressor(**SMALL)).fit(X, y)
    display = TrainingHistoryDisplay.from_estimator(pipeline)
    check_lines(display.lines_, pipeline[-1].loss_curve_, list(y))


def test_refusals(plain):
    with refused("estimator must have a relation", "task_relation_ is None", "task_relation=None"):
        TaskRelationDisplay.from_estimator(plain)
    with refused("matrix must have one row and one column a task", "(2, 3)"):
        TaskRelationDisplay.from_matrix(np.zeros((2, 3)))
    with refused("task_names must name the 2 tasks", "found 1 names"):
        TaskRelationDisplay.from_matrix(np.eye(2), task_names=["a"])
    with refused("report must be a DataFrame with the columns", "found list"):
        MultiTaskReportDisplay.from_report([1.0])
    with refused("report must be a DataFrame with the columns", "found ['low']"):
        MultiTaskReportDisplay.from_report(pd.DataFrame({"low": [1.0]}))


@pytest.mark.parametrize("display", [*DISPLAYS, MultiTaskReportDisplay])
def test_without_matplotlib_an_error_says_so(monkeypatch, model, data, display):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    given = (model, *data) if display is MultiTaskReportDisplay else (model,)
    with pytest.raises(ImportError, match=f"{display.__name__}.*requires matplotlib"):
        display.from_estimator(*given)


def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, sk_mtrnn.inspection; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
