"""A fitted model as a feature extractor: the pooled states its tasks share."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, RegressionTask
from sk_mtrnn.datasets import make_multitask_sequences

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 3, "random_state": 0, "dtype": "float64"}
X, Y = make_multitask_sequences(60, (4, 12), random_state=0)


def test_heads_over_the_features_are_the_predictions():
    for pooling in ("last", "mean", "max"):
        model = MultiTaskRNNRegressor(**SMALL, pooling=pooling, standardize=False)
        model.fit(X, Y[["level"]])
        (heads,) = model.net_.module_.heads
        wanted = model.transform(X) @ heads.weight.detach().numpy().T + heads.bias.item()
        np.testing.assert_allclose(model.predict(X)["level"], wanted[:, 0], rtol=1e-12)


def test_attending_tasks_give_their_mean():
    model = MultiTaskRNN(**SMALL, pooling="attention").fit(X, Y[["kind", "level"]])
    with torch.no_grad():
        model.net_.module_.readings[0].pooling.query.normal_()
    attention = model.attention_weights(X)
    plain = MultiTaskRNN(**SMALL, pooling="mean").fit(X, Y[["kind", "level"]])
    own = model.net_.module_.state_dict()
    plain.net_.module_.load_state_dict(
        {name: own[name] for name in plain.net_.module_.state_dict()}
    )
    for i in (0, 5):  # prefixes of one step are pooled states of one step
        steps = np.concatenate([_states(plain, X[i])])
        wanted = attention[i].mean(1) @ steps
        np.testing.assert_allclose(model.transform([X[i]])[0], wanted, rtol=1e-9)


def _states(model, x):
    """States of every step: those that mean pooling over one prefix more adds."""
    sums = np.array([model.transform([x[: t + 1]])[0] * (t + 1) for t in range(len(x))])
    return np.diff(sums, axis=0, prepend=0)


@pytest.mark.parametrize("estimator", [MultiTaskRNNClassifier, MultiTaskRNNRegressor, MultiTaskRNN])
def test_it_works_in_a_pipeline(estimator):
    y = (Y["level"] > 0).astype(int).to_numpy()
    model = make_pipeline(estimator(**SMALL), StandardScaler(), LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.6
    assert model.predict_proba(X).shape == (60, 2)


def test_names_and_containers():
    model = MultiTaskRNN(**SMALL, bidirectional=True).fit(X, Y)
    names = model.get_feature_names_out()
    assert list(names[:2]) == ["multitaskrnn0", "multitaskrnn1"]
    features = model.transform(X)
    assert features.shape == (60, 12) == (60, len(names))
    assert features.dtype == np.float64
    frame = model.set_output(transform="pandas").transform(X)
    assert list(frame) == list(names)
    np.testing.assert_array_equal(frame, features)


def test_a_panel_keeps_its_samples():
    index = pd.MultiIndex.from_product([list("abcdefgh"), range(5)], names=["sample", "time"])
    panel = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), index=index)
    panel.columns = ["p", "q"]
    model = MultiTaskRNNRegressor(**SMALL).fit(panel, np.arange(8.0))
    assert isinstance(model.transform(panel), np.ndarray)
    frame = model.set_output(transform="pandas").transform(panel)
    assert list(frame.index) == list("abcdefgh")
    frame = make_pipeline(model, Ridge()).fit(panel, np.arange(8.0)).predict(panel)
    assert frame.shape == (8,)


def test_it_is_the_highest_layer_that_tasks_read():
    params = {**SMALL, "hidden_layer_sizes": (5, 4, 3)}
    tasks = {"level": RegressionTask(layer=0), "trace": RegressionTask(layer=1)}
    model = MultiTaskRNN(**params, tasks=tasks).fit(X, Y[["level", "trace"]])
    assert model.transform(X).shape == (60, 4)
    assert len(model.get_feature_names_out()) == 4


def test_shared_and_private_give_the_shared_states():
    model = MultiTaskRNN(**SMALL, sharing="shared_private").fit(X, Y)
    assert model.transform(X).shape == (60, 6)
    attending = MultiTaskRNN(**SMALL, sharing="shared_private", pooling="attention").fit(X, Y)
    assert not hasattr(attending, "transform")


@pytest.mark.parametrize("sharing", ["cross_stitch", "mmoe", "none"])
def test_without_a_common_state_there_is_no_such_method(sharing):
    model = MultiTaskRNN(**SMALL, sharing=sharing)
    for _ in range(2):
        assert not hasattr(model, "transform")
        assert not hasattr(model, "fit_transform")
        assert not hasattr(model, "_n_features_out")
        model.fit(X, Y)


def test_tasks_with_features_of_their_own_share_no_state():
    tasks = {"level": RegressionTask(features=[0])}
    model = MultiTaskRNN(**SMALL, tasks=tasks).fit(X, Y)
    with pytest.raises(AttributeError) as caught:
        model.transform(X)
    assert "features of its own" in str(caught.value.__cause__)
