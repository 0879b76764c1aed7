"""Parameters that change between calls, and doors to other libraries."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture
def y(ragged):
    return np.array([[x[:, 0].mean(), x[-1, 1]] for x in ragged])


def test_groups_of_net_params_keep_their_own_rates(ragged, y):
    groups = [("heads*", {"lr": 0.5})]
    model = MultiTaskRNNRegressor(**SMALL, net_params={"optimizer__param_groups": groups})
    rates = []
    for rate in (0.01, 0.01, 0.02):
        model.set_params(learning_rate=rate).partial_fit(ragged, y)
        rates.append([group["lr"] for group in model.net_.optimizer_.param_groups])
    np.testing.assert_allclose(rates, [[0.5, 0.01], [0.5, 0.01], [1.0, 0.02]])


def test_partial_fit_leaves_the_end_of_a_schedule(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL, learning_rate_schedule="cosine").fit(ragged, y)
    assert model.net_.optimizer_.param_groups[0]["lr"] < 1e-3
    model.partial_fit(ragged, y)
    assert model.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0.01)


def test_partial_fit_follows_batch_size_dropout_and_decay(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL, batch_size=40).partial_fit(ragged, y)
    model.set_params(batch_size=10, dropout=0.5, weight_decay=0.1).partial_fit(ragged, y)
    assert model.net_.history[-1, "train_batch_count"] == 4
    assert model.net_.module_.dropout.p == 0.5
    assert model.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1


@pytest.mark.parametrize(
    "change", [{"hidden_layer_sizes": (9,)}, {"cell": "lstm"}, {"dtype": "float64"}], ids=str
)
def test_partial_fit_refuses_another_network(ragged, y, change):
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(ragged, y)
    name = next(iter(change))
    with pytest.raises(ValueError, match=f"goes on with the network it has, but {name} changed"):
        model.set_params(**change).partial_fit(ragged, y)


def test_predict_is_that_of_the_fit_whatever_is_set_later(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    before = model.predict(ragged)
    model.set_params(dtype="float64", pooling="mean", hidden_layer_sizes=(3,), standardize=False)
    np.testing.assert_array_equal(model.predict(ragged), before)


def test_a_chunk_without_labels_of_a_task_has_no_loss_of_it(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL).partial_fit(ragged, y)
    y[:, 1] = np.nan
    model.partial_fit(ragged, y)
    assert np.isfinite(model.loss_curve_).tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("optimizer", "net_params"),
    [
        ("adam", {"optimizer__foreach": True}),
        ("adam", {"optimizer__fused": False}),
        ("sgd", {"optimizer__momentum": 0.0}),
    ],
)
def test_net_params_may_say_what_is_only_a_default(ragged, y, optimizer, net_params):
    MultiTaskRNNRegressor(**SMALL, optimizer=optimizer, net_params=net_params).fit(ragged, y)


def test_optimizers_are_what_they_are_called(ragged, y):
    fits = {
        name: MultiTaskRNNRegressor(**SMALL, optimizer=name).fit(ragged, y)
        for name in ("adam", "adamw", "rmsprop", "sgd")
    }
    classes = [type(model.net_.optimizer_) for model in fits.values()]
    optim = torch.optim
    assert classes == [optim.Adam, optim.AdamW, optim.RMSprop, optim.SGD]


def test_attention_weights_of_per_step_tasks_are_missing(ragged, mixed_labels):
    model = MultiTaskRNN(**SMALL, pooling="attention").fit(ragged, mixed_labels)
    for weights, x in zip(model.attention_weights(ragged), ragged, strict=True):
        assert weights.shape == (len(x), 4)
        np.testing.assert_allclose(weights[:, :2].sum(axis=0), 1.0, rtol=1e-5)
        assert np.isnan(weights[:, 2:]).all()
    array = np.zeros((3, 5, 2))
    assert model.attention_weights(array).shape == (3, 5, 4)


def test_class_weight_without_classes_is_refused(ragged, y):
    model = MultiTaskRNN(**SMALL, class_weight={0: 1.0})
    with pytest.raises(ValueError, match="class_weight names classes, but no task has any"):
        model.fit(ragged, y)
    clone(model).set_params(class_weight="balanced").fit(ragged, y)


def test_score_leaves_out_what_is_not_defined(ragged, y):
    model = MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    y[1:, 0] = np.nan
    with pytest.warns(UserWarning, match="R\\^2 score is not well-defined"):
        found = model.score(ragged, y)
    y[:, 0] = np.nan
    assert found == model.score(ragged, y)


def test_a_refused_call_loses_no_model(ragged, y):
    """Whatever is wrong, a fitted model stays the model it was; an unfitted one stays unfitted."""
    fresh = MultiTaskRNNRegressor(**SMALL)
    model = clone(fresh).fit(ragged, y)
    before = model.predict(ragged)
    wide = [np.hstack([x, x]) for x in ragged]
    bad_calls = [
        ("fit", (wide, y[:5]), {}),
        ("fit", (wide, y), {"sample_weight": -np.ones(40)}),
        ("fit", (wide, y.astype(str)), {}),
        ("partial_fit", (wide, y), {}),
        ("partial_fit", (ragged, y[:, :1]), {}),
    ]
    for method, args, kwargs in bad_calls:
        for estimator in (model, fresh):
            if estimator is fresh and method == "partial_fit":
                continue
            with pytest.raises(ValueError, match=r"."):
                getattr(estimator, method)(*args, **kwargs)
        assert vars(fresh) == vars(clone(fresh))
        assert model.n_features_in_ == 2
        np.testing.assert_array_equal(model.predict(ragged), before)
