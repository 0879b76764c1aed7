"""Labels that are missing, disjoint, or come later."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    RegressionTask,
    stack_tasks,
)
from sk_mtrnn.datasets import make_multitask_sequences

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


def test_disjoint_label_sets_train_every_task():
    """Each row is labelled for one task only, and each task is learned."""
    X, y = make_multitask_sequences(600, (10, 20), noise=0.0, random_state=0)
    complete = y.copy()
    owner = np.random.default_rng(0).integers(0, 3, size=600)
    for k, name in enumerate(y):
        y[name] = y[name].astype(object)
        y.loc[owner != k, name] = None
    tasks = {"kind": "classification", "level": "regression", "trace": "regression"}
    model = MultiTaskRNN(tasks=tasks, max_epochs=30, random_state=0).fit(X, y)
    scores = {name: model._task_set.types[name] for name in y}
    prediction = model.predict(X)
    hidden = owner != 0
    assert accuracy_score(complete["kind"][hidden], prediction["kind"][hidden]) > 0.75
    assert r2_score(complete["level"][owner != 1], prediction["level"][owner != 1]) > 0.8
    steps = [np.concatenate(list(f["trace"][owner != 2])) for f in (complete, prediction)]
    assert r2_score(*steps) > 0.8
    assert set(scores) == set(y)


def test_stacked_data_sets_are_one_fit():
    rng = np.random.default_rng(0)
    Xa = [rng.normal(size=(rng.integers(4, 9), 2)) for _ in range(150)]
    Xb = [rng.normal(size=(rng.integers(4, 9), 2)) for _ in range(150)]
    ya = np.array(["long" if x[:, 0].sum() > 0 else "short" for x in Xa])
    yb = np.array([x[:, 1].mean() for x in Xb])
    X, y = stack_tasks({"a": (Xa, ya), "b": (Xb, yb)})
    model = MultiTaskRNN(random_state=0).fit(X, y)
    assert model.task_types_ == {"a": "classification", "b": "regression"}
    prediction = model.predict(Xa + Xb)
    assert (prediction["a"][:150] == ya).mean() > 0.9
    assert r2_score(yb, prediction["b"][150:]) > 0.8


def test_score_is_over_labelled_entries_only(ragged):
    y = np.array([[x.mean(), x[:, 0].sum()] for x in ragged])
    model = MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    partly = y.copy()
    partly[5:30, 0] = np.nan
    rows = np.r_[0:5, 30:40]
    prediction = model.predict(ragged)
    expected = [r2_score(y[rows, 0], prediction[rows, 0]), r2_score(y[:, 1], prediction[:, 1])]
    assert model.score(ragged, partly) == pytest.approx(np.mean(expected))
    partly[:, 0] = np.nan
    assert model.score(ragged, partly) == pytest.approx(expected[1])
    with pytest.raises(ValueError, match="at least one label to score"):
        model.score(ragged, np.full((40, 2), np.nan))


def test_score_counts_steps_and_weights(ragged, mixed_labels):
    y = mixed_labels[["positive"]]
    model = MultiTaskRNNClassifier(**SMALL).fit(ragged, y)
    weights = np.random.default_rng(0).uniform(0.1, 2.0, 40)
    lengths = [len(x) for x in ragged]
    flat = [np.concatenate(list(frame["positive"])) for frame in (y, model.predict(ragged))]
    expected = accuracy_score(*flat, sample_weight=np.repeat(weights, lengths))
    assert model.score(ragged, y, sample_weight=weights) == pytest.approx(expected)
    # weights by task follow the columns of y, whatever their order
    both = mixed_labels[["positive", "sign"]]
    model = MultiTaskRNNClassifier(**SMALL).fit(ragged, both)
    by_task = np.column_stack([weights, np.ones(40)])
    assert model.score(ragged, both, by_task) == pytest.approx(
        model.score(ragged, both[["sign", "positive"]], by_task[:, ::-1])
    )


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("loss", ["squared_error", "gaussian", "poisson"])
def test_a_label_that_does_not_weigh_may_be_any_number(ragged, row, loss):
    """0 times its loss would be 0 times infinity."""
    y = np.array([[len(x), x[0, 0]] for x in ragged])
    weights = np.ones(y.shape)
    weights[row, 0] = 0
    y[10:20, 0] = np.nan
    model = MultiTaskRNNRegressor(**SMALL, tasks={0: RegressionTask(loss)})
    losses = []
    for value in (y[row, 0], 9.97e36):
        y[row, 0] = value
        losses.append(clone(model).fit(ragged, y, sample_weight=weights).loss_curve_)
    assert losses[0].shape == (3, 2)
    np.testing.assert_array_equal(*losses)


def test_a_row_without_label_moves_no_weight(ragged):
    """Unlabelled samples add no gradient: only the scaling of inputs and the step size see them."""
    y = np.array([[x.mean(), x[:, 0].sum()] for x in ragged])
    y[20:] = np.nan
    params = {**SMALL, "standardize": False, "batch_size": 40, "dtype": "float64"}
    among = MultiTaskRNNRegressor(**params).fit(ragged, y)
    alone = MultiTaskRNNRegressor(**params).fit(ragged[:20], y[:20])
    np.testing.assert_allclose(among.loss_curve_, alone.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(among.predict(ragged), alone.predict(ragged), rtol=1e-8)


class TestPartialFit:
    def test_chunks_in_a_row_learn(self, ragged):
        y = np.array([[x[:, 0].sum() > 0, x[0, 1] > 0] for x in ragged]).astype(int)
        model = MultiTaskRNNClassifier(random_state=0)
        for _ in range(30):
            for start in (0, 20):
                chunk = slice(start, start + 20)
                model.partial_fit(ragged[chunk], y[chunk], classes=[[0, 1], [0, 1]])
        assert model.n_iter_ == 60
        assert model.loss_curve_.shape == (60, 2)
        assert model.score(ragged, y) > 0.9

    def test_one_call_is_one_epoch_of_fit(self, ragged):
        y = np.array([[x.mean(), x[:, 0].sum()] for x in ragged])
        model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 1})
        by_fit = clone(model).fit(ragged, y)
        by_chunk = clone(model).partial_fit(ragged, y)
        np.testing.assert_array_equal(by_fit.predict(ragged), by_chunk.predict(ragged))

    def test_it_goes_on_after_fit(self, ragged):
        y = np.array([x.mean() for x in ragged])
        model = MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
        before = model.predict(ragged)
        model.partial_fit(ragged, y)
        assert model.n_iter_ == 4
        assert not np.array_equal(before, model.predict(ragged))

    def test_scales_are_frozen_after_the_first_labels(self, ragged):
        y = pd.DataFrame({"a": [100 + x.mean() for x in ragged], "b": np.nan})
        later = pd.DataFrame({"a": np.nan, "b": [-7 + 0.1 * x[:, 0].mean() for x in ragged]})
        model = MultiTaskRNNRegressor(random_state=0)
        for _ in range(20):
            model.partial_fit(ragged, y)
        assert np.isnan(model.predict(ragged)["b"]).all()  # no label has told its units yet
        for _ in range(20):
            model.partial_fit(ragged, later)
        scale = model._task_set.tasks[0].scale_
        prediction = model.predict(ragged)
        assert abs(prediction["a"].mean() - 100) < 2
        assert abs(prediction["b"].mean() + 7) < 0.2
        model.partial_fit(ragged, y * 50)
        assert model._task_set.tasks[0].scale_ == scale

    @pytest.mark.parametrize("loss", ["poisson", "gaussian", "quantile"])
    def test_any_loss_may_wait_for_its_first_label(self, ragged, loss):
        y = pd.DataFrame({"a": [x.mean() for x in ragged], "b": [float(len(x)) for x in ragged]})
        model = MultiTaskRNNRegressor(tasks={"b": RegressionTask(loss)}, **SMALL)
        model.partial_fit(ragged, y.assign(b=np.nan))
        assert np.isnan(model.predict(ragged)["b"]).all()
        model.partial_fit(ragged, y)
        assert np.isfinite(model.predict(ragged)).all(axis=None)

    def test_a_chunk_may_lack_whole_tasks_and_their_columns(self, ragged, mixed_labels):
        tasks = {
            "sign": "classification",
            "level": "regression",
            "positive": "classification",
            "total": RegressionTask(loss="huber"),
        }
        classes = {"sign": ["down", "up"], "positive": [0, 1]}
        model = MultiTaskRNN(tasks=tasks, pooling="attention", random_state=0)
        for _ in range(15):
            for name in mixed_labels:
                model.partial_fit(ragged, mixed_labels[[name]], classes=classes)
        prediction = model.predict(ragged)
        assert sorted(prediction) == sorted(mixed_labels)
        assert [len(p) for p in prediction["total"]] == [len(x) for x in ragged]
        assert model.score(ragged, mixed_labels) > 0.6

    def test_per_step_task_may_start_with_a_chunk_without_labels(self, ragged, mixed_labels):
        empty = mixed_labels[["level", "total"]].copy()
        empty["total"] = None
        model = MultiTaskRNNRegressor(**SMALL).partial_fit(ragged, empty)
        model.partial_fit(ragged, mixed_labels[["level", "total"]])
        assert [len(p) for p in model.predict(ragged)["total"]] == [len(x) for x in ragged]

    def test_classes_may_come_as_list_dict_or_alone(self, ragged):
        y = np.array([int(len(x) > 6) for x in ragged])
        fits = [
            MultiTaskRNNClassifier(**SMALL).partial_fit(ragged, y, classes=classes)
            for classes in ([0, 1, 2], np.array([2, 1, 0]), [[0, 1, 2]], {0: [0, 1, 2]})
        ]
        for model in fits:
            assert list(model.classes_) == [0, 1, 2]
            assert model.predict_proba(ragged).shape == (40, 3)
