"""Exact match: all tasks and steps of a sample at once."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from scoring_models import Fixed
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, KFold

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier
from sk_mtrnn.metrics import exact_match, exact_match_scorer, multitask_scorer, task_scorer


@pytest.fixture
def pair():
    """Truth and answers of two tasks per time step and one per sequence, with holes."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 6, 30)

    def draw():
        return pd.DataFrame(
            {
                "upos": [rng.choice(["noun", "verb"], size).astype(object) for size in lengths],
                "count": [rng.integers(3, size=size).astype(float) for size in lengths],
                "intent": rng.choice(["play", "stop"], 30).astype(object),
            }
        )

    y_true, noise = draw(), draw()
    y_pred = pd.DataFrame(
        {
            name: [
                b if rng.random() < 0.25 else a
                for a, b in zip(y_true[name], noise[name], strict=True)
            ]
            for name in y_true
        }
    )
    for row in (0, 3, 7):
        y_true.at[row, "upos"] = np.where(rng.random(lengths[row]) < 0.5, None, y_true["upos"][row])
        y_true.at[row, "count"] = None
        y_true.at[row + 1, "intent"] = None
    y_true.loc[20] = [None, None, np.nan]  # no label at all
    return y_true, y_pred


def by_hand(y_true, y_pred, weights=None):
    """The definition, cell by cell."""
    hits, kept = [], []
    weights = np.ones(len(y_true)) if weights is None else weights
    for row, weight in enumerate(weights):
        entries = []
        for name in y_true:
            true, pred = y_true[name][row], y_pred[name][row]
            if np.ndim(true) == 0:
                true, pred = [true], [pred] if np.ndim(pred) == 0 else [None]
            entries += [t == p for t, p in zip(true, pred, strict=True) if not pd.isna(t)]
        if entries:
            hits.append(all(entries))
            kept.append(weight)
    return np.average(hits, weights=kept)


def test_is_the_definition(pair):
    y_true, y_pred = pair
    expected = by_hand(y_true, y_pred)
    assert 0.2 < expected < 0.9
    assert_allclose(exact_match(y_true, y_pred), expected)
    assert_allclose(exact_match(y_true, y_pred[["intent", "count", "upos"]]), expected)
    weights = np.random.default_rng(1).uniform(0, 2, 30)
    assert_allclose(
        exact_match(y_true, y_pred, sample_weight=weights), by_hand(y_true, y_pred, weights)
    )
    few = y_true[["intent"]]
    assert_allclose(exact_match(few, y_pred), by_hand(few, y_pred))


def test_one_label_a_sample_is_the_accuracy():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(3, size=(2, 40))
    weights = rng.uniform(size=40)
    for true, pred in ((y_true, y_pred), (y_true.astype(str), y_pred.astype(str))):
        assert_allclose(exact_match(true, pred), accuracy_score(true, pred))
        assert_allclose(
            exact_match(true, pred, sample_weight=weights),
            accuracy_score(true, pred, sample_weight=weights),
        )


def test_indicators_give_the_subset_accuracy():
    y_true, y_pred = np.random.default_rng(0).integers(2, size=(2, 40, 3))
    assert_allclose(exact_match(y_true, y_pred), accuracy_score(y_true, y_pred))
    boolean = y_true.astype(bool), y_pred.astype(bool)
    assert_allclose(exact_match(*boolean), accuracy_score(y_true, y_pred))


def test_layouts():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(2, size=(2, 20, 3, 2)).astype(float)
    y_true[rng.random(y_true.shape) < 0.3] = np.nan
    known = ~np.isnan(y_true)
    right = ((y_true == y_pred) | ~known).all(axis=(1, 2))[known.any(axis=(1, 2))]
    expected = right.mean()
    assert_allclose(exact_match(y_true, y_pred), expected)
    assert_allclose(exact_match(list(y_true), list(y_pred)), expected)
    frames = [
        pd.DataFrame({name: list(y[:, :, k]) for k, name in enumerate("ab")})
        for y in (y_true, y_pred)
    ]
    assert_allclose(exact_match(*frames), expected)
    assert_allclose(exact_match(list(y_true), y_pred), expected)


def test_lists_of_words():
    true, pred = [["a", "b"], ["a", "c"]], [["a", "b"], ["a", "d"]]
    assert exact_match(true, pred) == 0.5
    assert exact_match(true, [np.array(row) for row in pred]) == 0.5
    assert exact_match([["a", "b"], None], pred) == 1.0
    assert exact_match([["a", "b"], ["a"]], [["a", "b"], ["b"]]) == 0.5
    assert exact_match([["a", None], ["a", "c"]], pred) == 0.5


def test_a_weight_for_each_task():
    y_true = np.array([[0, 0], [1, 1], [0, 1]])
    y_pred = np.array([[0, 1], [1, 1], [1, 1]])
    weights = np.array([[1.0, 0.0], [1.0, 3.0], [2.0, 4.0]])
    # the first sample is right, as its second label is taken away; they weigh 1, 2 and 3
    assert_allclose(exact_match(y_true, y_pred, sample_weight=weights), 3 / 6)
    told = Fixed(y_pred, classes=[np.arange(2)] * 2)
    assert_allclose(exact_match_scorer()(told, None, y_true, sample_weight=weights), 3 / 6)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0.5, 1.0], [0, 1], "compares classes, but task 0 holds quantities such as 0.5 in y_true"),
        ([0, 1], [0.0, 1.5], "compares classes, but task 0 holds quantities such as 1.5 in y_pred"),
        ([0, 1], [0, 1, 1], "y_pred must hold the 2 samples of y_true, found 3"),
        (np.zeros((2, 2)), [0, 1], r"y_pred must hold the 2 task\(s\) of y_true, found 1"),
        ([np.nan, np.nan], [0, 1], "no label among the 2 samples"),
        (["a", "b"], ["a", None], "found none in task 0, row 1"),
        (
            pd.DataFrame({"a": [1]}),
            pd.DataFrame({"b": [1]}),
            r"tasks \['a'\] of y_true, found \['b",
        ),
        ([np.zeros(2), np.zeros(3)], [np.zeros(2), np.zeros(2)], "row 1 must be as long"),
        (
            pd.DataFrame({"a": [[0, 1], [1]], "b": [0, 0]}),
            pd.DataFrame({"a": [0, 1], "b": [[0, 0], [1]]}),
            "Task 'a' has 3 entries in y_true and 2 in y_pred",
        ),
    ],
)
def test_what_is_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        exact_match(y_true, y_pred)


# ----------------------------------------------------------------------------------- the scorer


def classes(y_pred):
    return {name: np.unique(np.hstack(list(y_pred[name]))) for name in y_pred}


def test_the_scorer_is_the_function(pair):
    y_true, y_pred = pair
    told, scorer = Fixed(y_pred, classes=classes(y_pred)), exact_match_scorer()
    assert_allclose(scorer(told, None, y_true), exact_match(y_true, y_pred))
    weights = np.random.default_rng(1).integers(0, 3, 30).astype(float)
    assert_allclose(
        scorer(told, None, y_true, sample_weight=weights),
        exact_match(y_true, y_pred, sample_weight=weights),
    )
    two = ["upos", "intent"]
    assert_allclose(
        exact_match_scorer(two)(told, None, y_true), exact_match(y_true[two], y_pred[two])
    )
    assert_allclose(scorer(told, None, y_true[two]), exact_match(y_true[two], y_pred[two]))
    assert told.n_proba == 0


def test_is_below_the_score_of_every_task(pair):
    y_true, y_pred = pair
    told = Fixed(y_pred, classes=classes(y_pred))
    y_true = y_true.drop(index=[0, 1, 3, 4, 7, 8, 20]).reset_index(drop=True)
    y_pred = y_pred.drop(index=[0, 1, 3, 4, 7, 8, 20]).reset_index(drop=True)
    told = Fixed(y_pred, classes=classes(y_pred))
    whole = exact_match_scorer()(told, None, y_true)
    for name in y_true:
        alone = task_scorer(exact_match, name)(told, None, y_true)
        assert_allclose(alone, exact_match(y_true[[name]], y_pred[[name]]))
        assert_allclose(alone, exact_match_scorer([name])(told, None, y_true))
        assert whole <= alone
    scores = multitask_scorer(exact_match, average=None)(told, None, y_true)
    assert whole < min(scores.values())


def test_the_scorer_refuses():
    y = pd.DataFrame({"word": ["a", "b"], "level": [1.0, 2.0]})
    told = Fixed(y, classes={"word": np.array(["a", "b"])})
    with pytest.raises(ValueError, match="task 'level' is not classification"):
        exact_match_scorer()(told, None, y)
    assert exact_match_scorer(["word"])(told, None, y) == 1.0
    with pytest.raises(ValueError, match=r"task must be one of \['word', 'level'\], found 'wrod'"):
        exact_match_scorer(["wrod"])(told, None, y)
    with pytest.raises(ValueError, match="no label among the 2 samples"):
        exact_match_scorer(["word"])(told, None, y.assign(word=None))
    with pytest.raises(ValueError, match="tasks must be a list of task names or None, found 'word"):
        exact_match_scorer("word")
    with pytest.raises(ValueError, match="at least one task"):
        exact_match_scorer([])


def test_copied_and_routed():
    scorer = exact_match_scorer(["a", "b"])
    assert repr(scorer) == "exact_match_scorer(tasks=['a', 'b'])"
    for copy in (clone(scorer), pickle.loads(pickle.dumps(scorer))):
        assert copy.tasks == ["a", "b"]
    with sklearn.config_context(enable_metadata_routing=True):
        asking = scorer.set_score_request(sample_weight=True)
        assert asking.get_metadata_routing().score.requests == {"sample_weight": True}


def test_in_early_stopping_and_searches(ragged, mixed_labels):
    y = mixed_labels[["sign", "positive"]].copy()
    y.loc[::7, "sign"] = None
    model = MultiTaskRNN(
        hidden_layer_sizes=8,
        max_epochs=4,
        early_stopping=True,
        validation_fraction=0.5,
        scoring=exact_match_scorer(),
        random_state=0,
    ).fit(ragged, y)
    assert ((model.validation_scores_ >= 0) & (model.validation_scores_ <= 1)).all()
    assert_allclose(exact_match_scorer()(model, ragged, y), exact_match(y, model.predict(ragged)))
    model = MultiTaskRNNClassifier(hidden_layer_sizes=8, random_state=0)
    X = np.empty(40, dtype=object)
    X[:] = ragged
    search = GridSearchCV(
        model, {"max_epochs": [1, 30]}, scoring=exact_match_scorer(), cv=KFold(2)
    ).fit(X, y)
    assert search.best_params_ == {"max_epochs": 30}
    both = mixed_labels[["sign", "total"]]
    model = MultiTaskRNN(max_epochs=1).fit(ragged, both)
    with pytest.raises(ValueError, match="task 'total' is not classification"):
        exact_match_scorer()(model, ragged, both)
