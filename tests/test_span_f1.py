"""Span F1: conlleval's rules, missing labels, layouts, and as a metric of scorers."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scoring_models import Fixed
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from sk_mtrnn import MultiTaskRNN, Ragged
from sk_mtrnn.metrics import multitask_scorer, span_f1, task_scorer, task_scores

TAGS = ["O", "O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "E-y"]


def conlleval(tags):
    """Chunks as conlleval finds them: its two functions, rule by rule."""
    chunks, begun, before, type_before = set(), None, "O", ""
    for step, tag in enumerate([*tags, "O"]):
        prefix, _, type_ = tag.partition("-")
        ends = (
            before in ("E", "S")
            or (before in ("B", "I") and prefix in ("B", "S", "O"))
            or (before != "O" and type_before != type_)
        )
        starts = (
            prefix in ("B", "S")
            or (before in ("E", "S", "O") and prefix in ("E", "I"))
            or (prefix != "O" and type_before != type_)
        )
        if ends and begun is not None:
            chunks.add((type_before, begun, step - 1))
            begun = None
        if starts:
            begun = step
        before, type_before = prefix, type_
    return chunks


def f1(y_true, y_pred, type_=None, weights=None):
    """2 Σ s of right spans / Σ s of all, from conlleval's chunks."""
    weights = np.ones(len(y_true)) if weights is None else weights
    right = total = 0.0
    for true, pred, weight in zip(y_true, y_pred, weights, strict=True):
        true, pred = (
            {c for c in conlleval(tags) if type_ in (None, c[0])} for tags in (true, pred)
        )
        right += weight * len(true & pred)
        total += weight * (len(true) + len(pred))
    return 2 * right / total


def drawn(seed, n=60, tags=TAGS):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n)
    y_true = [rng.choice(tags, size) for size in lengths]
    y_pred = [np.where(rng.random(len(t)) < 0.7, t, rng.choice(tags, len(t))) for t in y_true]
    return [t.astype(object) for t in y_true], [p.astype(object) for p in y_pred]


@pytest.mark.parametrize("seed", range(5))
def test_is_conllevals(seed):
    y_true, y_pred = drawn(seed)
    assert_allclose(span_f1(y_true, y_pred), f1(y_true, y_pred))
    each = [f1(y_true, y_pred, type_) for type_ in "xy"]
    assert_allclose(span_f1(y_true, y_pred, average=None), each)
    assert_allclose(span_f1(y_true, y_pred, average=None, labels=["y", "x"]), each[::-1])
    assert_allclose(span_f1(y_true, y_pred, average="macro"), np.mean(each))
    assert_allclose(span_f1(y_true, y_pred, labels=["y"]), each[1])
    support = [sum(c[0] == type_ for t in y_true for c in conlleval(t)) for type_ in "xy"]
    assert_allclose(span_f1(y_true, y_pred, average="weighted"), np.average(each, weights=support))
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(y_true))
    assert_allclose(
        span_f1(y_true, y_pred, sample_weight=weights), f1(y_true, y_pred, weights=weights)
    )


@pytest.mark.parametrize(
    ("true", "pred", "expected"),
    [
        ("B-x I-x O", "B-x I-x O", 1.0),
        ("B-x I-x O", "I-x I-x O", 1.0),  # a chunk may begin with I after O
        ("B-x I-y O", "B-x B-y O", 1.0),  # and after another type
        ("B-x I-x O", "B-x B-x O", 0.0),
        ("B-x I-x O", "B-x O O", 0.0),
        ("B-x I-x O", "B-y I-y O", 0.0),
        ("B-x I-x B-y", "B-x I-x O", 2 / 3),
        ("B-x L-x U-y", "B-x E-x S-y", 1.0),
        ("B-a-b I-a-b O", "B-a-b I-a-c O", 0.0),  # the type is all behind the first dash
        ("B I O", "B I O", 1.0),
    ],
)
def test_by_hand(true, pred, expected):
    assert_allclose(span_f1([true.split()], [pred.split()]), expected)


def test_the_end_of_a_sequence_ends_a_span():
    assert span_f1([["B-x"], ["I-x"]], [["B-x"], ["I-x"]], average=None).tolist() == [1.0]
    assert span_f1([["B-x"], ["I-x"]], [["B-x"], ["O"]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_a_prediction_without_label_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    y_true, y_pred = drawn(seed)
    holes = [rng.random(len(t)) < 0.2 for t in y_true]
    y_true = [np.where(hole, None, t) for hole, t in zip(holes, y_true, strict=True)]
    score = span_f1(y_true, y_pred)
    for _ in range(20):
        other = [
            np.where(hole, rng.choice(TAGS, len(p)), p)
            for hole, p in zip(holes, y_pred, strict=True)
        ]
        assert span_f1(y_true, other) == score
    absent = [np.where(hole, None, p) for hole, p in zip(holes, y_pred, strict=True)]
    assert span_f1(y_true, absent) == score


def test_spans_beside_a_missing_label_are_not_scored():
    pred = ["B-x", "I-x", "O", "B-y", "O", "B-x"]
    # the first x is open on both sides, y is right, and the last x is wrong
    assert_allclose(span_f1([["B-x", None, "O", "B-y", "O", "O"]], [pred]), 2 / 3)
    assert_allclose(span_f1([["B-x", "I-x", "O", None, "O", "O"]], [pred]), 2 / 3)
    assert_allclose(span_f1([["B-x", "I-x", "O", "B-y", pd.NA, "B-x"]], [pred]), 1)
    # a span that is known is missed, whatever stands beyond
    assert_allclose(span_f1([["B-x", "I-x", "O", np.nan, "O"]], [["B-x", "O", "O", "O", "O"]]), 0)


def test_padding_is_cut_off():
    y_true, y_pred = drawn(0)
    padded = [np.r_[[np.nan], t, [None, None]].astype(object) for t in y_true]
    longer = [np.r_[["I-x"], p, ["I-x", "I-y"]].astype(object) for p in y_pred]
    assert span_f1(padded, longer) == span_f1(y_true, y_pred)


def test_a_sequence_without_labels_is_left_out():
    y_true, y_pred = drawn(0)
    rest = span_f1(y_true[2:], y_pred[2:])
    weights = np.r_[0, 0, np.ones(58)]
    assert span_f1(y_true, y_pred, sample_weight=weights) == rest
    rare = [["B-z"]] * 2 + y_true[2:]
    pred = [["O"]] * 2 + y_pred[2:]
    assert len(span_f1(rare, pred, average=None, sample_weight=weights)) == 2  # z does not occur
    assert span_f1([None, np.full(len(y_true[1]), None), *y_true[2:]], y_pred) == rest


def test_layouts():
    y_true, y_pred = drawn(3)
    score = span_f1(y_true, y_pred)
    for lay in (
        lambda y: [labels.tolist() for labels in y],
        lambda y: [labels[:, None] for labels in y],
        pd.Series,
        lambda y: pd.DataFrame({"slots": y}),
        lambda y: [pd.Series(labels) for labels in y],
        lambda y: [labels.astype(str) for labels in y],
    ):
        assert span_f1(lay(y_true), lay(y_pred)) == score
    equal = [np.array(y, dtype=object) for y in (np.resize(y_true[4], (3, 4)),) * 2]
    assert span_f1(*equal) == span_f1(*([*y] for y in equal)) == 1.0
    assert span_f1(*(y[:, :, None] for y in equal)) == 1.0


def test_no_span_at_all():
    y = [["O", "O"]]
    with pytest.warns(UndefinedMetricWarning, match="no true or predicted span"):
        assert span_f1(y, y) == 0.0
    for average in ("micro", "macro", "weighted"):
        assert span_f1(y, y, average=average, zero_division=1.0) == 1.0
        assert np.isnan(span_f1(y, y, average=average, zero_division=np.nan))
    pair = [["B-x"]], [["B-x"]]
    with pytest.warns(UndefinedMetricWarning, match=r"of \['z'\]"):
        assert span_f1(*pair, average=None, labels=["x", "z"]).tolist() == [1.0, 0.0]
    assert span_f1(*pair, average="macro", labels=["x", "z"], zero_division=np.nan) == 1.0
    assert span_f1([["O"]], [["B-x"]]) == 0.0  # defined, and without warning
    assert span_f1([["O"]], [["B-x"]], average="weighted") == 0.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([["B-x"]], [["B-x"], ["O"]], "y_pred must hold the 1 sequences of y_true, found 2"),
        ([["B-x", "O"]], [["B-x"]], "each of the 2 time steps of sample 0, found 1"),
        ([["O"], ["O", "O"]], [["O"], None], "each of the 2 time steps of sample 1, found none"),
        ([["O", "O"]], [["O", None]], "found none in sample 0, time step 1"),
        ([["O"]], [["Q-x"]], "'B-city', found 'Q-x'"),
        ([["city"]], [["O"]], "'B-city', found 'city'"),
        (["B-x", "O"], ["B-x", "O"], "a sequence of labels for each sample.*found 'B-x' in sampl"),
        ("B-x", "B-x", "y_true must be a list of sequences of labels, found 'B-x'"),
        ([[1, 0]], [[1, 0]], "strings such as 'O' and 'B-city', found 1 in sample 0, time step 0"),
        ([np.full((2, 2), "O")], [["O", "O"]], r"found shape \(2, 2\) in sample 0"),
        ([[None]], [["O"]], r"y_true must hold at least one label \(of a weight above 0\), found"),
        (pd.DataFrame({"a": [["O"]], "b": [["O"]]}), [["O"]], r"found the columns \['a', 'b'\]"),
    ],
)
def test_what_is_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        span_f1(y_true, y_pred)


def test_bad_options():
    pair = [["B-x"]], [["B-x"]]
    with pytest.raises(ValueError, match="'average' parameter of span_f1 must be"):
        span_f1(*pair, average="samples")
    with pytest.raises(ValueError, match="'zero_division' parameter of span_f1 must be"):
        span_f1(*pair, zero_division=0.5)
    with pytest.raises(ValueError, match=r"each of the 1 sequences, found shape \(2,\)"):
        span_f1(*pair, sample_weight=[1, 2])
    with pytest.raises(ValueError, match="nonnegative and finite"):
        span_f1(*pair, sample_weight=[-1])


# --------------------------------------------------------------------------- as a metric of scorers


def told(y_pred, intents):
    return Fixed(pd.DataFrame({"slots": y_pred, "intent": intents}))


def test_scorers_hand_it_sequences():
    y_true, y_pred = drawn(1)
    intents = np.where(np.arange(len(y_true)) % 2, "play", "stop")
    y = pd.DataFrame({"slots": y_true, "intent": intents})
    model, score = told(y_pred, intents), span_f1(y_true, y_pred)
    macro = span_f1(y_true, y_pred, average="macro")
    assert task_scorer(span_f1, "slots")(model, None, y) == score
    made = make_scorer(span_f1, average="macro")
    assert task_scorer(made, "slots")(model, None, y) == macro
    assert task_scorer(partial(span_f1, average="macro"), "slots")(model, None, y) == macro
    both = multitask_scorer({"slots": span_f1, "intent": "accuracy"}, average=None)
    assert both(model, None, y) == {"slots": score, "intent": 1.0}
    table = task_scores(model, None, y, metrics={"slots": [span_f1, "accuracy"]})
    assert table["metric"].tolist() == ["span_f1", "accuracy"]
    assert table["score"][0] == score
    assert table["n_labels"][0] == sum(map(len, y_true))
    weights = np.random.default_rng(0).integers(0, 3, len(y_true)).astype(float)
    assert_allclose(
        task_scorer(span_f1, "slots")(model, None, y, sample_weight=weights),
        f1(y_true, y_pred, weights=weights),
    )


def test_scorers_hand_it_missing_labels():
    y_true, y_pred = drawn(2)
    rng = np.random.default_rng(0)
    y_true = [np.where(rng.random(len(t)) < 0.2, None, t) for t in y_true]
    y_true[3] = None
    scorer = task_scorer(span_f1, 0)
    assert scorer(Fixed(y_pred), None, y_true) == span_f1(y_true, y_pred)
    assert scorer(Fixed(y_pred), None, pd.Series(y_true)) == span_f1(y_true, y_pred)


def test_scorers_in_three_dimensions():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.choice(TAGS, size=(2, 9, 5, 2)).astype(object)
    y_true[:4, 2, 1] = None
    score = task_scorer(span_f1, 1)(Fixed(y_pred), None, y_true)
    assert score == span_f1(y_true[:, :, 1], y_pred[:, :, 1])


def test_a_task_with_one_label_a_sample():
    y = pd.DataFrame({"slots": [["O"], ["B-x"]], "intent": ["play", "stop"]})
    with pytest.raises(ValueError, match="a sequence of labels for each sample") as caught:
        task_scorer(span_f1, "intent")(told(y["slots"], y["intent"]), None, y)
    assert "scoring task 'intent'" in caught.value.__notes__[0]


def test_no_metric_of_probabilities_by_sample():
    scorer = make_scorer(span_f1, response_method="predict_proba")
    with pytest.raises(ValueError, match="must not read probabilities if it is one by sample"):
        task_scorer(scorer, "slots")


def test_scorers_are_cloned_and_pickled():
    scorer = task_scorer(span_f1, task="slots")
    assert repr(scorer) == "task_scorer(span_f1, task='slots')"
    y_true, _ = drawn(1)
    y = pd.DataFrame({"slots": y_true})
    for copy in (clone(scorer), pickle.loads(pickle.dumps(scorer))):
        assert copy(Fixed(y), None, y) == 1.0


@pytest.fixture
def sentences():
    """Two channels of codes, spans where the first one is high."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 9), 2)) for _ in range(40)]
    slots = []
    for x in X:
        high = x[:, 0] > 0
        goes_on = np.r_[False, high[:-1]]
        slots.append(np.where(high, np.where(goes_on, "I-x", "B-x"), "O").astype(object))
        if len(slots) % 5 == 0:
            slots[-1][1] = None
    return X, pd.DataFrame({"slots": slots, "intent": [str(len(x) > 5) for x in X]})


def test_in_early_stopping_and_searches(sentences):
    X, y = sentences
    scoring = multitask_scorer({"slots": span_f1, "intent": "accuracy"})
    model = MultiTaskRNN(
        hidden_layer_sizes=8,
        max_epochs=3,
        early_stopping=True,
        validation_fraction=0.5,
        scoring=task_scorer(span_f1, "slots"),
        random_state=0,
    ).fit(X, y)
    assert len(model.validation_scores_) == 3
    assert ((model.validation_scores_ >= 0) & (model.validation_scores_ <= 1)).all()
    packed = Ragged.from_list(X)
    score = task_scorer(span_f1, "slots")(model, packed, y)
    assert score == span_f1(y["slots"], model.predict(X)["slots"])
    model.set_params(early_stopping=False, scoring=None, max_epochs=1)
    found = cross_validate(model, packed, y, scoring=scoring, cv=KFold(2), error_score="raise")
    assert np.isfinite(found["test_score"]).all()
    grid = {"max_epochs": [1, 60]}
    search = GridSearchCV(model, grid, scoring=scoring, cv=KFold(2), error_score="raise")
    search.fit(packed, y, sample_weight=np.ones(40))
    assert search.best_params_ == {"max_epochs": 60}
