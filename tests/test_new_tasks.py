"""A task that was never seen: a new head on a fitted model."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    RegressionTask,
)
from sk_mtrnn.datasets import make_multitask_sequences

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 3, "random_state": 0}
X, Y = make_multitask_sequences(60, (4, 12), missing_labels=0.2, random_state=0)
LEVEL = Y["level"].fillna(0.0)


def same(one, other):
    """Whether two columns of predictions are equal, bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"sharing": "shared_private"},
        {"task_relation": "chain"},
        {"task_relation": "gcn", "pooling": "mean"},
        {"pooling": "attention"},
        {"cell": "lstm", "bidirectional": True, "hidden_layer_sizes": (5, 4)},
        {"task_weights": "uncertainty"},
        {"batching": "alternate", "input_skip": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("per_step", [False, True])
def test_old_tasks_predict_bit_for_bit_as_before(params, per_step):
    model = MultiTaskRNN(**{**SMALL, **params}).fit(X, Y)
    before = model.predict(X)
    weights = copy.deepcopy(model.net_.module_.state_dict())
    cells = [x[:, 0] for x in X[:20]] if per_step else [x[0, 0] for x in X[:20]]
    model.add_task(X[:20], pd.DataFrame({"new": cells}))
    after = model.predict(X)
    assert list(after) == [*before, "new"]
    for name in before:
        assert same(before[name], after[name])
    now = model.net_.module_.state_dict()
    assert all(np.array_equal(value, now[name]) for name, value in weights.items())
    shape = np.shape(after["new"][0])
    assert shape == ((len(X[0]),) if per_step else ())
    back = pickle.loads(pickle.dumps(model))
    assert same(back.predict(X)["new"], after["new"])


def test_twenty_samples_are_enough_for_what_the_trunk_knows():
    many, labels = make_multitask_sequences(600, 30, tasks={"a": "regression"}, random_state=0)
    model = MultiTaskRNNRegressor(random_state=0).fit(many[:400], labels[:400])
    new = 3.0 - 2.0 * labels["a"].to_numpy()
    model.add_task(many[:20], new[:20], name="b")
    alone = MultiTaskRNNRegressor(random_state=0).fit(many[:20], new[:20])
    error = np.mean((model.predict(many[400:])["b"] - new[400:]) ** 2)
    assert error < 0.5 * np.mean((alone.predict(many[400:]) - new[400:]) ** 2)


def test_an_unfrozen_trunk_moves():
    frozen, moved = (MultiTaskRNN(**SMALL).fit(X, Y) for _ in range(2))
    before = frozen.predict(X)["level"]
    frozen.add_task(X, LEVEL, name="new")
    moved.add_task(X, LEVEL, name="new", freeze_trunk=False)
    assert same(frozen.predict(X)["level"], before)
    assert not np.allclose(moved.predict(X)["level"], before)
    assert moved.loss_curve_[-1, -1] < frozen.loss_curve_[-1, -1]
    for model in (frozen, moved):  # and afterwards everything may learn again
        assert all(parameter.requires_grad for parameter in model.net_.module_.parameters())


# ---------------------------------------------------------------------------------- layouts


def test_a_1d_y_becomes_two_columns():
    y = np.arange(60) % 2
    model = MultiTaskRNNClassifier(**SMALL).fit(X, y)
    before = model.predict(X)
    assert model.add_task(X[:30], np.arange(30) % 3) is model
    after = model.predict(X)
    assert after.shape == (60, 2)
    np.testing.assert_array_equal(after[:, 0], before)
    assert [c.tolist() for c in model.classes_] == [[0, 1], [0, 1, 2]]
    assert [p.shape for p in model.predict_proba(X)] == [(60, 2), (60, 3)]
    assert model.task_names_ == [0, 1]
    assert model.n_tasks_ == 2
    assert 0 <= model.score(X, np.column_stack([y, np.arange(60) % 3])) <= 1


def test_a_mixed_model_may_gain_any_type():
    model = MultiTaskRNN(**SMALL).fit(X, LEVEL.to_numpy())
    model.add_task(X, np.where(LEVEL > 0, "up", "down"), name="sign")
    model.add_task(X, LEVEL * 10, name="tenfold", task=RegressionTask("huber"))
    prediction = model.predict(X)
    assert prediction.shape == (60, 3)
    assert set(prediction[:, 1]) <= {"up", "down"}
    assert model.task_types_ == {0: "regression", "sign": "classification", "tenfold": "regression"}
    assert list(model.predict_proba(X)) == ["sign"]
    np.testing.assert_array_equal(model.classes_["sign"], ["down", "up"])


@pytest.mark.parametrize("layout", ["3d", "steps"])
def test_labels_per_step_gain_a_column(layout):
    steps = np.random.default_rng(0).normal(size=(30, 5, 3))
    y = steps[:, :, :2] if layout == "3d" else list(steps[:, :, :2])
    model = MultiTaskRNNRegressor(**SMALL).fit(steps, y)
    before = np.asarray(model.predict(steps))
    model.add_task(steps, steps[:, :, 2:])
    after = np.asarray(model.predict(steps))
    assert after.shape == (30, 5, 3)
    np.testing.assert_array_equal(after[..., :2], before)
    with pytest.raises(ValueError, match="must have labels per time step"):
        model.add_task(steps, np.arange(30.0))


def test_the_name_comes_from_y():
    model = MultiTaskRNN(**SMALL).fit(X, Y)
    model.add_task(X, LEVEL.rename("series")).add_task(X, LEVEL.to_frame("frame"))
    model.add_task(X, LEVEL, name="given")
    assert model.task_names_ == [*Y, "series", "frame", "given"]


# ---------------------------------------------------------------------------------- what follows


def test_it_goes_on_learning():
    model = MultiTaskRNN(**SMALL, tasks=dict.fromkeys(Y, "regression")).fit(X, Y.assign(kind=1.5))
    model.add_task(X, LEVEL, name="new")
    y = Y.assign(kind=1.5, new=LEVEL)
    before = model.predict(X)
    model.partial_fit(X, y)
    assert not same(model.predict(X)["new"], before["new"])
    assert not same(model.predict(X)["level"], before["level"])
    again = model.set_params(warm_start=True).fit(X, y)
    assert list(again.predict(X)) == list(y)
    assert again.loss_curve_.shape == (3 + 3 + 1 + 3, 4)


def test_what_was_recorded_gains_a_column():
    model = MultiTaskRNN(**SMALL).fit(X, Y)
    curve = model.loss_curve_.copy()
    model.add_task(X, LEVEL, name="new")
    assert model.loss_curve_.shape == model.task_weights_.shape == (6, 4)
    np.testing.assert_array_equal(model.loss_curve_[:3, :3], curve)
    assert np.isnan(model.loss_curve_[:3, 3]).all()
    assert np.isnan(model.loss_curve_[3:, :3]).all()
    assert np.isfinite(model.loss_curve_[3:, 3]).all()
    assert model.n_iter_ == 6


def test_clone_forgets_it():
    model = MultiTaskRNN(**SMALL).fit(X, Y).add_task(X, LEVEL, name="new")
    assert list(clone(model).fit(X, Y).predict(X)) == list(Y)


def test_the_same_seed_learns_the_same():
    one, other = (
        MultiTaskRNN(**SMALL).fit(X, Y).add_task(X[:20], LEVEL[:20], name="new") for _ in "ab"
    )
    assert same(one.predict(X)["new"], other.predict(X)["new"])


def test_sample_weights_count():
    labels, weights = LEVEL.to_numpy().copy(), np.ones(60)
    labels[30:], weights[30:] = 1e3, 0.0
    one = MultiTaskRNN(**SMALL).fit(X, Y).add_task(X, labels, name="new", sample_weight=weights)
    other = MultiTaskRNN(**SMALL).fit(X, Y).add_task(X, LEVEL, name="new", sample_weight=weights)
    np.testing.assert_array_equal(one.predict(X)["new"], other.predict(X)["new"])


def test_class_weights_of_other_tasks_are_none_of_its():
    model = MultiTaskRNN(**SMALL, class_weight={0.0: 2.0, "up": 3.0})
    with pytest.raises(ValueError, match="unknown class 'up'"):
        model.fit(X, Y)
    model.set_params(class_weight={0.0: 2.0}).fit(X, Y)
    model.add_task(X, np.where(LEVEL > 0, "up", "down"), name="sign")
    model.set_params(class_weight={"up": 3.0})
    model.add_task(X, np.where(LEVEL > 0, "up", "down"), name="again")
    assert model._task_set.tasks[-2].class_factor_.tolist() == [1.0, 1.0]
    assert model._task_set.tasks[-1].class_factor_.tolist() == [1.0, 3.0]


def test_early_stopping_holds_out_a_part():
    model = MultiTaskRNN(**SMALL, early_stopping=True, validation_fraction=0.3).fit(X, Y)
    scores = model.validation_scores_.copy()
    model.add_task(X, LEVEL, name="new")
    assert "new" in model.predict(X)
    np.testing.assert_array_equal(model.validation_scores_[: len(scores)], scores)
    assert len(model.validation_scores_) == model.n_iter_
    assert len(scores) < model.best_epoch_ <= model.n_iter_


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("y", "params", "text"),
    [
        (Y[["level", "kind"]], {}, "y must hold the labels of one task, found 2 columns"),
        (LEVEL, {}, "name must be a new one, found 'level'"),
        (LEVEL.to_numpy(), {}, "name must be given"),
        (LEVEL, {"name": "kind"}, "name must be a new one, found 'kind'"),
        (np.full(60, np.nan), {"name": "new"}, "at least one label, found none"),
        (LEVEL[:50], {"name": "new"}, "50"),
        (LEVEL, {"name": "new", "task": "ranking"}, "task must be None, one of"),
        (LEVEL, {"name": "new", "task": RegressionTask(layer=4)}, "layer of task 'new'"),
        (LEVEL, {"name": "new", "task": RegressionTask(delay=1)}, "delay of task 'new'"),
        (LEVEL, {"name": "new", "task": RegressionTask(features=[0])}, "features of task 'new'"),
        (np.where(LEVEL > 0, "a", "b"), {"name": "new", "task": "regression"}, "takes numbers"),
    ],
)
def test_a_refused_task_leaves_the_model_as_it_was(y, params, text):
    model = MultiTaskRNN(**SMALL).fit(X, Y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=text):
        model.add_task(X, y, **params)
    after = model.predict(X)
    assert list(after) == list(before)
    assert all(same(before[name], after[name]) for name in before)


@pytest.mark.parametrize("sharing", ["cross_stitch", "mmoe", "none"])
def test_it_needs_a_common_state(sharing):
    model = MultiTaskRNN(**SMALL, sharing=sharing)
    assert not hasattr(model, "add_task")
    model.fit(X, Y)
    with pytest.raises(AttributeError) as caught:
        model.add_task(X, LEVEL, name="new")
    assert "a state all tasks share" in str(caught.value.__cause__)


def test_a_task_of_another_type_is_refused():
    model = MultiTaskRNNRegressor(**SMALL).fit(X, LEVEL)
    with pytest.raises(ValueError, match="takes regression only"):
        model.add_task(X, LEVEL > 0, name="new", task=ClassificationTask())


def test_it_needs_a_fitted_model():
    with pytest.raises(ValueError, match="not fitted"):
        MultiTaskRNN(**SMALL).add_task(X, LEVEL, name="new")
