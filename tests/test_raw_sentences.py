"""From raw sentences to predictions, through whole pipelines."""

import pickle

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from same_predictions import same
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from sk_mtrnn import ClassificationTask, MultiTaskRNN
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.metrics import exact_match_scorer, multitask_scorer, span_f1, task_scorer
from sk_mtrnn.model_selection import cross_val_predict
from sk_mtrnn.preprocessing import TokenEncoder

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


SENTENCES = [
    "play some Miles Davis",
    "play Prince now",
    "please play U2",
    "wake me at 7",
    "set an alarm for 10:30",
    "wake everybody at 12 please",
] * 6
SLOTS = [
    "O O B-who I-who",
    "O B-who O",
    "O O B-who",
    "O O O B-when",
    "O O O O B-when",
    "O O O B-when O",
] * 6
SAID = [sentence.split() for sentence in SENTENCES]
MEANT = pd.DataFrame(
    {
        "intent": ["music", "music", "music", "alarm", "alarm", "alarm"] * 6,
        "slots": [np.array(slots.split(), dtype=object) for slots in SLOTS],
    }
)


def tagger(transitions="learned", **params):
    tasks = {"intent": "classification", "slots": ClassificationTask(transitions=transitions)}
    options = {"tasks": tasks, "unknown_rate": "frequency", **SMALL, **params}
    return make_pipeline(TokenEncoder(("word", "suffix1", "shape")), MultiTaskRNN(**options))


def test_unseen_words_among_known_ones():
    fitted = tagger(max_epochs=40, learning_rate=0.03).fit(SAID, MEANT)
    assert exact_match_scorer()(fitted, SAID, MEANT) > 0.9
    queries = [["play", "Prokofjew", "now"], ["wake", "me", "at", "11:45", "please"], ["Ħ"]]
    said = pd.Series(queries, index=["x", "y", "z"])
    predicted = fitted.predict(said)
    assert list(predicted.index) == ["x", "y", "z"]
    assert [len(slots) for slots in predicted["slots"]] == [3, 5, 1]
    assert predicted["intent"].tolist()[:2] == ["music", "alarm"]
    assert predicted["slots"].iloc[1][3] == "B-when"
    marginals = fitted.predict_proba(queries)["slots"]
    assert all(np.allclose(steps.sum(axis=1), 1) for steps in marginals)
    same(pickle.loads(pickle.dumps(fitted)).predict(said), predicted)
    known, strange = (
        fitted.predict_proba([["play", "Zappa"]]),
        fitted.predict_proba(
            [["play", "Dodda"]]  # of the same suffix and shape, as unknown
        ),
    )
    np.testing.assert_array_equal(known["intent"], strange["intent"])


def test_sentences_under_cross_validation():
    scoring = {
        "slots": task_scorer(span_f1, "slots"),
        "sentence": exact_match_scorer(),
        "both": multitask_scorer("neg_log_loss"),
    }
    pipeline = tagger(max_epochs=40, learning_rate=0.03)
    cv = KFold(3, shuffle=True, random_state=0)
    found = cross_validate(pipeline, SAID, MEANT, cv=cv, scoring=scoring, error_score="raise")
    assert found["test_slots"].mean() > 0.8
    assert (found["test_sentence"] <= 1).all()
    assert (found["test_both"] < 0).all()
    predicted = cross_val_predict(pipeline, SAID, MEANT, cv=cv)
    right = [
        intent == one and (slots == several).all()
        for intent, one, slots, several in zip(
            predicted["intent"], MEANT["intent"], predicted["slots"], MEANT["slots"], strict=True
        )
    ]
    shares = [np.mean(np.array(right)[test]) for _, test in cv.split(SAID)]
    np.testing.assert_allclose(shares, found["test_sentence"])


def test_columns_transitions_and_weights_are_searched_at_once():
    linked = {"slots": ClassificationTask(transitions="constrained")}
    grid = {
        "tokenencoder__columns": [("word",), ("word", "shape")],
        "multitaskrnn__tasks": [None, linked],
        "multitaskrnn__task_weights": [None, {"intent": 0.2, "slots": 1.0}],
        "multitaskrnn__embedding_dim": ["auto", {"word": 3}],
    }
    search = GridSearchCV(
        tagger(max_epochs=1), grid, cv=KFold(2), scoring=exact_match_scorer(), error_score="raise"
    )
    search.fit(SAID, MEANT)
    assert len(search.cv_results_["params"]) == 16
    again = clone(search.best_estimator_).fit(SAID, MEANT)
    same(search.predict(SAID), again.predict(SAID))
    assert "word" in search.best_estimator_[-1].embeddings_


def test_sentences_stop_early_on_spans():
    scorer = task_scorer(span_f1, "slots")
    pipeline = tagger(
        scoring=scorer, early_stopping=True, validation_fraction=0.3, n_iter_no_change=3, tol=0.0
    )
    pipeline.set_params(multitaskrnn__max_epochs=40, multitaskrnn__learning_rate=0.03)
    network = pipeline.fit(SAID, MEANT)[-1]
    assert network.n_iter_ < 40
    assert network.best_epoch_ == 1 + np.argmax(network.validation_scores_)


def test_sentences_in_an_ensemble():
    ensemble = DeepEnsemble(tagger(), n_estimators=2, random_state=0).fit(SAID, MEANT)
    members = [member.predict_proba(SAID)["slots"] for member in ensemble.estimators_]
    for steps, *parts in zip(ensemble.predict_proba(SAID)["slots"], *members, strict=True):
        np.testing.assert_allclose(steps, np.mean(parts, axis=0))
    assert [len(slots) for slots in ensemble.predict([["play", "Ψ"]])["slots"]] == [2]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [("play jazz", "str"), (["play jazz"], "str"), ([["play"], []], "empty sequence")],
)
def test_what_is_no_list_of_words(wrong, found):
    with refused(found):
        tagger().fit(SAID, MEANT).predict(wrong)
