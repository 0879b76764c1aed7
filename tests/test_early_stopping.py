"""Early stopping: what is held out, what is watched, which weights are kept."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import make_scorer, r2_score

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor
from sk_mtrnn._early_stopping import hold_out
from sk_mtrnn._network import MultiTaskNetwork
from sk_mtrnn.metrics import multitask_scorer, task_scorer
from sk_mtrnn.sequences import read_labels

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture
def y(ragged):
    return np.array([[x[:, 0].mean(), x[-1, 1]] for x in ragged])


def test_best_weights_are_restored(ragged, y):
    model = MultiTaskRNNRegressor(
        hidden_layer_sizes=(32,),
        early_stopping=True,
        validation_fraction=0.3,
        max_epochs=200,
        n_iter_no_change=5,
        learning_rate_schedule=None,  # which would not know of 200 epochs in the shorter fit
        random_state=0,
    ).fit(ragged, y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 200
    assert model.best_epoch_ == scores.argmax() + 1
    assert model.n_iter_ >= model.best_epoch_ + 1
    # the weights are those of the best epoch: a fit that ends there has the same
    stopped = clone(model).set_params(max_epochs=model.best_epoch_).fit(ragged, y)
    np.testing.assert_array_equal(stopped.predict(ragged), model.predict(ragged))


def test_patience_and_tolerance(ragged, y):
    model = MultiTaskRNNRegressor(
        **{**SMALL, "max_epochs": 50}, early_stopping=True, n_iter_no_change=4, tol=1e9
    ).fit(ragged, y)
    assert model.n_iter_ == 5  # one that counts as a gain, four that do not


@pytest.mark.parametrize(
    "scoring", ["r2", task_scorer("r2", task=1), multitask_scorer({0: "r2", 1: "r2"})], ids=str
)
def test_scoring_is_what_is_watched(ragged, y, scoring):
    model = MultiTaskRNNRegressor(
        **SMALL, early_stopping=True, validation_fraction=0.5, scoring=scoring
    ).fit(ragged, y)
    assert len(model.validation_scores_) == 3
    assert model.validation_scores_.max() <= 1.0
    lossy = clone(model).set_params(scoring=None).fit(ragged, y)
    assert not np.allclose(lossy.validation_scores_, model.validation_scores_)


def test_scoring_on_named_columns_and_weights():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 6)), columns=list("abcdef"))
    y = pd.DataFrame({"sum": X.sum(axis=1), "last": X["f"]})
    y.loc[::2, "sum"] = np.nan
    model = MultiTaskRNNRegressor(
        **SMALL, early_stopping=True, validation_fraction=0.4, scoring="r2"
    ).fit(X, y, sample_weight=rng.uniform(1, 2, 40))
    assert model.n_iter_ == 3


def test_every_task_is_held_out_and_trained(ragged, monkeypatch):
    y = np.full((40, 2), np.nan)
    y[:30, 0] = [len(x) for x in ragged[:30]]
    y[30:, 1] = [len(x) for x in ragged[30:]]
    model = MultiTaskRNNRegressor(**SMALL, early_stopping=True, validation_fraction=0.2)
    parts = []

    def spy(model, labels, seed):
        parts.extend(hold_out(model, labels, seed))
        return parts

    monkeypatch.setattr("sk_mtrnn._base.hold_out", spy)
    model.fit(ragged, y)
    assert [len(part) for part in parts] == [32, 8]
    assert sorted(np.concatenate(parts)) == list(range(40))
    for part in parts:
        assert np.isfinite(y[part]).any(axis=0).all()


def test_scorers_of_scikit_learn_are_watched_and_its_metrics_refused(ragged, y):
    params = {**SMALL, "early_stopping": True, "validation_fraction": 0.5}
    model = MultiTaskRNNRegressor(**params, scoring=make_scorer(r2_score)).fit(ragged, y)
    own = MultiTaskRNNRegressor(**params, scoring="r2").fit(ragged, y)
    np.testing.assert_allclose(model.validation_scores_, own.validation_scores_)
    with pytest.raises(ValueError, match=r"multitask_scorer\(r2_score\) makes one"):
        MultiTaskRNNRegressor(**params, scoring=r2_score).fit(ragged, y)


def test_weights_reach_the_watched_score_as_they_were_given(ragged, y):
    seen = []

    def spy(model, X, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.5

    y = pd.DataFrame(y, columns=["a", "b"])
    weights = pd.DataFrame({"b": np.arange(1.0, 41.0), "a": 1.0})
    model = MultiTaskRNNRegressor(
        **{**SMALL, "max_epochs": 1}, early_stopping=True, validation_fraction=0.5, scoring=spy
    )
    model.fit(ragged, y, sample_weight=weights)
    assert list(seen[0].columns) == ["b", "a"]
    assert len(seen[0]) == 20
    model.fit(ragged, y, sample_weight=2.0)
    assert seen[1] is None


def test_held_out_loss_weighs_classes_as_training_does(ragged):
    """Were classes balanced anew on the held-out part, its loss would be another one."""
    rng = np.random.default_rng(0)
    labels = (rng.random(40) < 0.3).astype(int)
    model = MultiTaskRNNClassifier(
        **{**SMALL, "max_epochs": 1},
        class_weight="balanced",
        early_stopping=True,
        validation_fraction=0.25,
        dtype="float64",
    ).fit(ragged, labels)
    part, out = hold_out(
        model,
        read_labels(labels),
        np.random.RandomState(np.random.RandomState(0).randint(np.iinfo(np.int32).max)).randint(
            np.iinfo(np.int32).max
        ),
    )
    factor = len(part) / (2 * np.bincount(labels[part]))
    proba = model.predict_proba([ragged[i] for i in out])
    loss = -np.log(proba[np.arange(len(out)), labels[out]])
    expected = np.average(loss, weights=factor[labels[out]])
    assert model.validation_scores_[0] == pytest.approx(-expected)


class TestOnePassAnEpoch:
    """A scorer is answered from the pass over the held-out data that gave their loss."""

    STOPPING = {"early_stopping": True, "validation_fraction": 0.25, "batch_size": 8}

    @pytest.fixture
    def passes(self, monkeypatch):
        """Whether each pass of the network was one of training, in order."""
        seen = []
        forward = MultiTaskNetwork.forward

        def counted(module, inputs):
            seen.append(module.training)
            return forward(module, inputs)

        monkeypatch.setattr(MultiTaskNetwork, "forward", counted)
        return seen

    def fit(self, X, y, scoring, **params):
        model = MultiTaskRNNRegressor(**{**SMALL, **self.STOPPING, **params}, scoring=scoring)
        return model.fit(X, y)

    @pytest.mark.parametrize("form", ["list", "table", "frame", "array"])
    def test_as_many_passes_as_without_a_scorer(self, ragged, y, passes, form):
        X = {
            "list": ragged,
            "table": np.random.default_rng(0).normal(size=(40, 6)),
            "frame": pd.DataFrame(np.random.default_rng(0).normal(size=(40, 6))).add_prefix("t"),
            "array": np.random.default_rng(0).normal(size=(40, 6, 2)),
        }[form]
        self.fit(X, y, None)
        without = passes.count(False)
        passes.clear()
        model = self.fit(X, y, multitask_scorer("r2"))
        assert passes.count(False) == without
        passes.clear()
        model.predict(X)  # what was known is forgotten
        assert passes.count(False) > 0

    def test_probabilities_and_predictions_come_from_the_same_pass(self, ragged, passes):
        y = np.array([int(x[:, 0].sum() > 0) for x in ragged])
        models, counts = [], []
        for scoring in (None, {0: "roc_auc"}, {0: "accuracy"}):
            passes.clear()
            scorer = scoring if scoring is None else multitask_scorer(scoring)
            model = MultiTaskRNNClassifier(**SMALL, **self.STOPPING, scoring=scorer)
            models.append(model.fit(ragged, y))
            counts.append(passes.count(False))
        assert len(set(counts)) == 1

    def test_the_answer_is_that_of_a_pass_of_its_own(self, ragged, mixed_labels):
        """Of per-step tasks too, and to the last bit."""
        answers = []

        def scorer(model, X, y):
            known = model.predict(X)
            own = copy.deepcopy(model).predict(X)  # another net, that knows nothing
            answers.append((known, own))
            return -float(len(answers))

        MultiTaskRNN(**SMALL, **self.STOPPING, scoring=scorer).fit(ragged, mixed_labels)
        assert len(answers) == 3
        for known, own in answers:
            for name in known:
                assert str(known[name].tolist()) == str(own[name].tolist())
        assert str(answers[0][0]["level"].tolist()) != str(answers[1][0]["level"].tolist())

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda model, X: X[::-1], id="order"),
            pytest.param(lambda model, X: X[:5], id="fewer"),
            pytest.param(lambda model, X: X.with_values(X.values + 1.0), id="values"),
            pytest.param(lambda model, X: X.values.__iadd__(1.0) is None or X, id="in place"),
            pytest.param(
                lambda model, X: model.net_.module_.heads[0].bias.data.add_(1.0) is None or X,
                id="weights",
            ),
        ],
    )
    def test_other_inputs_and_other_weights_get_a_pass_of_their_own(self, ragged, y, change):
        found = []

        def scorer(model, X, y):
            X = change(model, X)
            found.append((model.predict(X), copy.deepcopy(model).predict(X)))
            return 1.0

        self.fit(ragged, y, scorer, max_epochs=1)
        for known, own in found:
            np.testing.assert_array_equal(known, own)

    def test_a_cell_that_may_draw_is_run_again(self, ragged, y, passes):
        self.fit(ragged, y, None, cell=torch.nn.GRU)
        without = passes.count(False)
        passes.clear()
        self.fit(ragged, y, multitask_scorer("r2"), cell=torch.nn.GRU)
        assert passes.count(False) > without

    def test_a_fitted_model_keeps_none_of_it(self, ragged):
        sizes = []
        for repeats in (1, 50):
            X = [np.tile(x, (repeats, 1)) for x in ragged]
            y = [x[:, :1] for x in X]
            model = self.fit(X, y, multitask_scorer("r2"))
            assert dict(model.net_.callbacks_)["best_weights"].pass_ is None
            sizes.append(len(pickle.dumps(model)))
        assert sizes[1] - sizes[0] < 2000
