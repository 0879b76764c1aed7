"""What the constructor parameters of training do."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import skorch
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    RegressionTask,
)

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture
def y(ragged):
    return np.array([[x[:, 0].mean(), x[-1, 1]] for x in ragged])


def test_attributes_say_what_they_promise(ragged, mixed_labels):
    model = MultiTaskRNN(**SMALL).fit(ragged, mixed_labels)
    assert model.n_tasks_ == 4
    assert model.task_names_ == list(mixed_labels)
    assert model.task_types_ == {
        "sign": "classification",
        "level": "regression",
        "positive": "classification",
        "total": "regression",
    }
    assert {k: list(v) for k, v in model.classes_.items()} == {
        "sign": ["down", "up"],
        "positive": [0, 1],
    }
    assert model.n_features_in_ == 2
    assert (model.n_iter_, model.best_epoch_) == (3, 3)
    assert model.loss_curve_.shape == (3, 4)
    assert not hasattr(model, "validation_scores_")
    assert isinstance(model.net_, skorch.NeuralNet)


def test_loss_curve_is_the_unweighted_loss_of_each_task(ragged, y):
    """In one batch an epoch, and with a rate too small to move, it is the loss of the start."""
    model = MultiTaskRNNRegressor(
        **{**SMALL, "batch_size": 40}, learning_rate=1e-12, task_weights=[3.0, 0.1], dtype="float64"
    ).fit(ragged, y)
    error = ((y - model.predict(ragged)) / y.std(axis=0)) ** 2
    np.testing.assert_allclose(model.loss_curve_, np.tile(error.mean(axis=0), (3, 1)), rtol=1e-6)


def test_same_seed_same_numbers_and_other_seed_others(ragged, y):
    fits = [
        MultiTaskRNNRegressor(**{**SMALL, "random_state": seed}, dropout=0.3).fit(ragged, y)
        for seed in (0, 0, 1)
    ]
    first, again, other = (model.predict(ragged) for model in fits)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_random_state_none_draws_once_from_numpy(ragged, y):
    model = MultiTaskRNNRegressor(**{**SMALL, "random_state": None})
    np.random.seed(5)
    first = clone(model).fit(ragged, y).predict(ragged)
    np.random.seed(5)
    again = clone(model).fit(ragged, y).predict(ragged)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("dump", [pickle, joblib], ids=["pickle", "joblib"])
def test_saved_and_loaded_predicts_exactly_the_same(ragged, mixed_labels, tmp_path, dump):
    model = MultiTaskRNN(**SMALL, early_stopping=True).fit(ragged, mixed_labels)
    with open(tmp_path / "model", "wb") as file:
        dump.dump(model, file)
    with open(tmp_path / "model", "rb") as file:
        loaded = dump.load(file)
    for other in (loaded, copy.deepcopy(model)):
        expected = model.predict(ragged)
        found = other.predict(ragged)
        np.testing.assert_array_equal(found["level"], expected["level"])
        assert str(found["total"].tolist()) == str(expected["total"].tolist())


def test_a_fitted_model_keeps_no_training_data(mixed_labels):
    rng = np.random.default_rng(0)
    y = mixed_labels[["sign", "level"]]
    sizes = []
    for steps in (5, 500):
        X = [rng.normal(size=(steps, 2)) for _ in range(40)]
        for stopping in (False, True):
            model = MultiTaskRNN(**SMALL, early_stopping=stopping, scoring=None).fit(X, y)
            sizes.append(len(pickle.dumps(model)))
    assert sizes[2] - sizes[0] < 2000
    assert sizes[3] - sizes[1] < 2000


class Rates(Callback):
    """Learning rate at the start of every epoch."""

    seen = []  # callbacks are copied

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append(net.optimizer_.param_groups[0]["lr"])


def test_the_cosine_starts_anew_whatever_came_before(ragged, y):
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 5}, callbacks=[Rates()])
    model.set_params(warm_start=True, learning_rate_schedule="cosine")
    Rates.seen.clear()
    model.fit(ragged, y).fit(ragged, y)
    model.add_task(ragged, np.asarray(y)[:, 0], name="new")
    angle = np.pi * np.arange(5) / 5
    rates = model.learning_rate * (1 + np.cos(angle)) / 2
    np.testing.assert_allclose(Rates.seen, np.tile(rates, 3))


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_schedules_lower_the_rate(ragged, y, schedule):
    model = MultiTaskRNNRegressor(
        **{**SMALL, "max_epochs": 12}, learning_rate_schedule=schedule, n_iter_no_change=2, tol=1e9
    ).fit(ragged, y)
    rate = model.net_.optimizer_.param_groups[0]["lr"]
    assert rate < 1e-3 if schedule == "cosine" else rate <= 0.005


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd", torch.optim.NAdam])
def test_optimizers_learn(ragged, y, optimizer):
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 40}, optimizer=optimizer).fit(ragged, y)
    assert (model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]).all()


def test_weight_decay_shrinks_weights(ragged, y):
    norms = [
        float(
            torch.cat(
                [
                    p.detach().ravel()
                    for p in MultiTaskRNNRegressor(**SMALL, optimizer="adamw", weight_decay=decay)
                    .fit(ragged, y)
                    .net_.module_.parameters()
                ]
            ).norm()
        )
        for decay in (0.0, 10.0)
    ]
    assert norms[1] < norms[0]


def test_max_grad_norm_bounds_the_step(ragged, y):
    """Under plain gradient descent, one step moves the weights by at most rate times norm."""
    params = {**SMALL, "max_epochs": 1, "batch_size": 40, "learning_rate": 1.0}
    sgd = {
        "optimizer": "sgd",
        "net_params": {"optimizer__momentum": 0},
    }
    moved = []
    for norm in (1e-3, None):
        model = MultiTaskRNNRegressor(**params, **sgd, max_grad_norm=norm).fit(ragged, y)
        still = MultiTaskRNNRegressor(**{**params, "learning_rate": 1e-30}, **sgd).fit(ragged, y)
        difference = [
            (a - b).detach().ravel()
            for a, b in zip(
                model.net_.module_.parameters(), still.net_.module_.parameters(), strict=True
            )
        ]
        moved.append(float(torch.cat(difference).norm()))
    assert moved[0] == pytest.approx(1e-3, rel=1e-2)
    assert moved[1] > 10 * moved[0]


@pytest.mark.parametrize("norm", [0.05, 1e3])
def test_clipping_is_that_of_torch(ragged, y, norm):
    """Also where it has nothing to do and does nothing."""

    class Torchs(skorch.callbacks.Callback):
        def on_grad_computed(self, net, **kwargs):
            torch.nn.utils.clip_grad_norm_(net.module_.parameters(), norm)

    ours = MultiTaskRNNRegressor(**SMALL, max_grad_norm=norm).fit(ragged, y)
    theirs = MultiTaskRNNRegressor(**SMALL, max_grad_norm=None, callbacks=[Torchs()])
    np.testing.assert_array_equal(ours.predict(ragged), theirs.fit(ragged, y).predict(ragged))


def test_batches_are_those_of_a_data_loader(ragged, y):
    model = MultiTaskRNNRegressor(**{**SMALL, "batch_size": 16})
    plain = clone(model).fit(ragged, y)
    for options in (
        {"iterator_train__drop_last": False},
        {"iterator_train__num_workers": 0, "iterator_valid__num_workers": 0},
    ):
        loaded = clone(model).set_params(net_params=options).fit(ragged, y)
        np.testing.assert_array_equal(plain.predict(ragged), loaded.predict(ragged))


def test_the_history_holds_plain_numbers(ragged, y, tmp_path):
    model = MultiTaskRNNRegressor(**SMALL, early_stopping=True).fit(ragged, y)
    model.net_.history.to_file(tmp_path / "history.json")
    row = model.net_.history[-1]
    assert row["train_loss"] == pytest.approx(sum(row["task_losses"]), rel=1e-5)


def test_task_weight_of_zero_does_not_train_the_task(ragged, y):
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 30}, task_weights={0: 0.0, 1: 1.0})
    losses = model.fit(ragged, y).loss_curve_
    assert losses[-1, 1] < 0.5 * losses[0, 1]
    head = model.net_.module_.heads[0][0]
    assert (head.bias == 0).all()


def test_learned_parameters_of_modules_move(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL, pooling="attention").fit(ragged, y)
    assert (model.net_.module_.readings[0].pooling.query != 0).all()


def test_callbacks_are_copied_and_called(ragged, y):
    class Counter(skorch.callbacks.Callback):
        def __init__(self):
            self.epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.epochs += 1

    counter = Counter()
    model = MultiTaskRNNRegressor(**SMALL, callbacks=[counter]).fit(ragged, y)
    assert counter.epochs == 0
    assert dict(model.net_.callbacks_)["Counter"].epochs == 3


def test_net_params_reach_skorch(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL, net_params={"optimizer__betas": (0.5, 0.6)})
    assert model.fit(ragged, y).net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.6)


@pytest.mark.parametrize("where", ["on_batch_end", "on_epoch_begin", "on_epoch_end"])
def test_ctrl_c_keeps_what_was_learned(ragged, y, where):
    class Interrupt(skorch.callbacks.Callback):
        def initialize(self):
            self.calls = 0

        def interrupt(self, net, **kwargs):
            self.calls += 1
            if self.calls == 4:
                raise KeyboardInterrupt

    setattr(Interrupt, where, Interrupt.interrupt)
    model = MultiTaskRNNRegressor(
        **{**SMALL, "max_epochs": 20, "batch_size": 40}, callbacks=[Interrupt()]
    )
    with pytest.warns(UserWarning, match="Training was interrupted in epoch"):
        model.fit(ragged, y)
    assert 0 < model.n_iter_ == len(model.loss_curve_) < 20
    assert np.isfinite(model.predict(ragged)).all()


def test_a_callback_of_skorch_may_end_training_quietly(ragged, y):
    stopper = skorch.callbacks.EarlyStopping(monitor="train_loss", patience=2, threshold=1e9)
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 20}, callbacks=[stopper])
    assert model.fit(ragged, y).n_iter_ < 20


def test_verbose_one_is_a_bar_and_two_a_line_an_epoch(ragged, y, capsys):
    MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    assert capsys.readouterr() == ("", "")
    MultiTaskRNNRegressor(**SMALL, verbose=1).fit(ragged, y)
    bar = capsys.readouterr().err
    assert "3/3" in bar
    assert "0=" in bar
    MultiTaskRNNRegressor(**SMALL, verbose=2).fit(ragged, y)
    table = capsys.readouterr().out
    assert "0 loss" in table
    assert len(table.strip().splitlines()) == 2 + 3


def test_warm_start_goes_on(ragged, y):
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 20}, warm_start=True)
    first = model.fit(ragged, y).loss_curve_[-1].sum()
    model.fit(ragged, y)
    assert model.n_iter_ == 40
    assert model.loss_curve_.shape == (40, 2)
    assert model.loss_curve_[20].sum() < 2 * first
    model.set_params(warm_start=False).fit(ragged, y)
    assert model.n_iter_ == 20


def test_warm_start_keeps_scales_and_classes(ragged):
    y = np.array(["a" if x[0, 0] > 0 else "b" for x in ragged])
    model = MultiTaskRNNClassifier(**SMALL, warm_start=True).fit(ragged, y)
    model.fit(ragged, np.where(y == "a", "a", "a"))
    assert list(model.classes_) == ["a", "b"]


def test_standardize_off_leaves_units_alone(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL, standardize=False).fit(ragged, 1000 + y)
    assert (model.loss_curve_[0] > 1e5).all()


@pytest.mark.parametrize("params", [{"dtype": "float64"}, {"dtype": "float32"}])
def test_dtype_is_that_of_the_network(ragged, y, params):
    model = MultiTaskRNNRegressor(**SMALL, **params).fit(ragged, y)
    dtype = getattr(torch, params["dtype"])
    assert {p.dtype for p in model.net_.module_.parameters()} == {dtype}
    assert model.predict(ragged).dtype == np.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_predicts_what_the_cpu_predicts(ragged, mixed_labels):
    """float32 on both; recurrences on CUDA may use TF32 unless told not to."""
    model = MultiTaskRNN(**SMALL, device="cpu", bidirectional=True).fit(ragged, mixed_labels)
    other = MultiTaskRNN(**SMALL, device="cuda", bidirectional=True).fit(ragged, mixed_labels)
    other.net_.module_.load_state_dict(model.net_.module_.state_dict())
    np.testing.assert_allclose(
        other.predict_proba(ragged)["sign"], model.predict_proba(ragged)["sign"], atol=1e-3
    )


def test_class_weights_lift_the_rare_class(ragged):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(5, 1)) for _ in range(200)]
    y = np.array([int(x.sum() + rng.normal() > 3) for x in X])
    assert 0 < y.mean() < 0.3
    predicted = {
        name: MultiTaskRNNClassifier(random_state=0, max_epochs=10, **params)
        .fit(X, y)
        .predict_proba(X)[:, 1]
        .mean()
        for name, params in {
            "none": {},
            "balanced": {"class_weight": "balanced"},
            "dict": {"class_weight": {0: 1.0, 1: 20.0}},
            "task": {
                "class_weight": {0: 50.0, 1: 1.0},
                "tasks": ClassificationTask(class_weight="balanced"),
            },
        }.items()
    }
    assert predicted["none"] < 0.7 * predicted["balanced"] < predicted["dict"]
    assert predicted["task"] == predicted["balanced"]


def test_class_weights_are_sample_weights(ragged):
    y = np.array([int(len(x) > 8) for x in ragged])
    params = {**SMALL, "dtype": "float64", "standardize": False}  # inputs are scaled by samples
    by_class = MultiTaskRNNClassifier(**params, class_weight={0: 1.0, 1: 3.0}).fit(ragged, y)
    by_sample = MultiTaskRNNClassifier(**params).fit(ragged, y, sample_weight=np.where(y, 3.0, 1.0))
    counts = np.bincount(y)
    balanced = MultiTaskRNNClassifier(**params, class_weight="balanced").fit(ragged, y)
    explicit = MultiTaskRNNClassifier(
        **params, class_weight=dict(enumerate(len(y) / (2 * counts)))
    ).fit(ragged, y)
    for a, b in ((by_class, by_sample), (balanced, explicit)):
        np.testing.assert_allclose(a.predict_proba(ragged), b.predict_proba(ragged), atol=1e-6)


def test_whole_numbers_with_many_values_draw_a_warning(ragged):
    y = np.arange(40) % 25
    with pytest.warns(UserWarning, match="25 classes.*tasks="):
        model = MultiTaskRNN(**SMALL).fit(ragged, y)
    assert model.task_types_ == {0: "classification"}
    regression = MultiTaskRNN(**SMALL, tasks={0: "regression"}).fit(ragged, y)
    assert regression.task_types_ == {0: "regression"}
    assert not hasattr(regression, "predict_proba")


def test_gaussian_standard_deviation_is_in_the_units_of_y():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(6, 1)) for _ in range(600)]
    mean = np.array([x.sum() for x in X])
    y = np.column_stack([500 + 10 * mean + rng.normal(scale=20, size=600), mean])
    tasks = {0: RegressionTask(loss="gaussian")}
    model = MultiTaskRNNRegressor(tasks=tasks, max_epochs=20, learning_rate=0.003, random_state=0)
    prediction, std = model.fit(X, y).predict(X, return_std=True)
    np.testing.assert_array_equal(prediction, model.predict(X))
    assert abs(std[:, 0].mean() - 20) < 3
    assert np.isnan(std[:, 1]).all()


def test_quantiles_cover_their_share():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(4, 1)) for _ in range(800)]
    noisy = np.array([x.sum() for x in X]) + rng.normal(scale=2.0, size=800)
    tasks = {k: RegressionTask(loss="quantile", quantile=q) for k, q in enumerate((0.1, 0.5, 0.9))}
    model = MultiTaskRNNRegressor(tasks=tasks, max_epochs=20, learning_rate=0.003, random_state=0)
    prediction = model.fit(X, np.column_stack([noisy] * 3)).predict(X)
    covered = (noisy[:, None] <= prediction).mean(axis=0)
    np.testing.assert_allclose(covered, [0.1, 0.5, 0.9], atol=0.07)


def test_class_weight_may_change_with_a_warm_start(ragged):
    y = np.array([int(len(x) > 6) for x in ragged])
    model = MultiTaskRNNClassifier(**SMALL, warm_start=True, class_weight={0: 1.0, 1: 1.0})
    same, other = clone(model).fit(ragged, y), clone(model).fit(ragged, y)
    same.fit(ragged, y)
    other.set_params(class_weight={0: 1.0, 1: 100.0}).fit(ragged, y)
    gain = other.predict_proba(ragged)[:, 1] - same.predict_proba(ragged)[:, 1]
    assert gain.mean() > 0.01


def test_partial_fit_follows_rate_and_task_weights(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(ragged, y)
    before = [p.detach().clone() for p in model.net_.module_.parameters()]
    model.set_params(learning_rate=1e-30, task_weights=[0.0, 5.0]).partial_fit(ragged, y)
    for old, new in zip(before, model.net_.module_.parameters(), strict=True):
        torch.testing.assert_close(old, new.detach(), rtol=0, atol=1e-12)
    assert model.net_.criterion_.weigher.fixed.tolist() == [0.0, 5.0]
    with pytest.raises(ValueError, match="task_weights must be nonnegative"):
        model.set_params(task_weights=[-1.0, 1.0]).partial_fit(ragged, y)


@pytest.mark.parametrize("values", ["fit", "predict"])
def test_values_too_large_for_the_dtype_are_refused(ragged, y, values):
    far = [x * 1e39 for x in ragged]
    model = MultiTaskRNNRegressor(**SMALL, standardize=False)
    with pytest.raises(ValueError, match="too large for dtype='float32' in sample"):
        model.fit(far, y) if values == "fit" else model.fit(ragged, y).predict(far)
    with pytest.raises(ValueError, match="too large to scale, in task 1"):
        clone(model).set_params(standardize=True).fit(ragged, y * [1.0, 1e200])


def test_scoring_must_be_one_finite_number(ragged, y):
    for found in (np.nan, {"a": 1.0}):
        model = MultiTaskRNNRegressor(
            **SMALL, early_stopping=True, scoring=lambda model, X, y, found=found: found
        )
        with pytest.raises(ValueError, match="scoring must give one finite number"):
            model.fit(ragged, y)


def test_masked_is_missing(ragged, y):
    masked = np.ma.MaskedArray(y, mask=np.zeros_like(y, dtype=bool))
    masked[::3, 0] = np.ma.masked
    missing = y.copy()
    missing[::3, 0] = np.nan
    found = [
        MultiTaskRNNRegressor(**SMALL).fit(ragged, v).predict(ragged) for v in (masked, missing)
    ]
    np.testing.assert_array_equal(*found)
    table = np.ma.MaskedArray(np.ones((40, 3)), mask=np.eye(40, 3, dtype=bool))
    with pytest.raises(ValueError, match="X must not be masked"):
        MultiTaskRNNRegressor(**SMALL).fit(table, y)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"callbacks": [3]}, "callbacks must hold skorch callbacks.*found 3"),
        ({"device": "meta"}, "device must be 'auto' or a device of this machine, found 'meta'"),
        ({"tasks": {0: RegressionTask}}, "hold a task object for task 0"),
        (
            {"cell": lambda input_size, hidden_size: torch.nn.Identity()},
            "pair of outputs and state",
        ),
        ({"optimizer": torch.optim.LBFGS, "weight_decay": 0.1}, "weight_decay=0.1 has no meaning"),
    ],
)
def test_unclear_parameters_are_refused_clearly(ragged, y, params, text):
    with pytest.raises(ValueError, match=text):
        MultiTaskRNNRegressor(**SMALL, **params).fit(ragged, y)
