"""ROC AUC and average precision of each task, on the labels it has."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scoring_models import Fixed
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, roc_auc_score

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.metrics import multitask_scorer, task_scorer, task_scores

METRICS = ["roc_auc_ovr", "average_precision"]
NAMES = ["flag", "word", "grade"]


def auc_by_counting(positive, score):
    """The share of pairs of a positive and a negative that are in order, ties half."""
    higher = score[positive][:, None] - score[~positive]
    return np.mean((higher > 0) + 0.5 * (higher == 0))


@pytest.fixture
def answers():
    """Two tasks of two classes and one of three, a third of the labels missing."""
    rng = np.random.default_rng(0)
    n = 90
    y = pd.DataFrame(
        {
            "flag": rng.integers(2, size=n).astype(float),
            "word": rng.choice(["no", "yes"], n).astype(object),
            "grade": pd.array(rng.integers(3, size=n), dtype="Int64"),
        }
    )
    classes = {"flag": np.arange(2.0), "word": np.array(["no", "yes"]), "grade": np.arange(3)}
    proba = {name: rng.dirichlet(np.ones(len(classes[name])), size=n) for name in NAMES}
    for k, (name, missing) in enumerate(zip(NAMES, (np.nan, None, pd.NA), strict=True)):
        y.loc[rng.random(n) < 0.2 + 0.1 * k, name] = missing
    return y, proba, classes


@pytest.mark.parametrize("metric", METRICS)
def test_table_and_scorers_take_the_labelled_rows(answers, metric):
    y, proba, classes = answers
    told = Fixed(None, proba, classes, names=NAMES)
    function = {"roc_auc_ovr": roc_auc_score, "average_precision": average_precision_score}[metric]
    expected = {}
    for name in NAMES:
        rows = y[name].notna().to_numpy()
        one_hot = (y[name][rows].to_numpy()[:, None] == classes[name]).astype(int)
        scores = proba[name][rows]
        if len(classes[name]) == 2:
            one_hot, scores = one_hot[:, 1], scores[:, 1]
        expected[name] = function(one_hot, scores)
    table = task_scores(told, None, y, metrics=METRICS)
    assert_allclose(table["score"][table["metric"] == metric], list(expected.values()))
    assert table["n_labels"][::2].tolist() == y.notna().sum().tolist()
    each = multitask_scorer(metric, average=None)(told, None, y)
    assert_allclose(list(each.values()), list(expected.values()))
    assert_allclose(multitask_scorer(metric)(told, None, y), np.mean(list(expected.values())))


def test_roc_auc_is_the_share_of_pairs_in_order(answers):
    y, proba, classes = answers
    told = Fixed(None, proba, classes, names=NAMES)
    rows = y["word"].notna().to_numpy()
    expected = auc_by_counting(y["word"][rows].to_numpy() == "yes", proba["word"][rows, 1])
    for metric in ("roc_auc", "roc_auc_ovr"):
        assert_allclose(task_scorer(metric, "word")(told, None, y), expected)


def test_what_stands_where_no_label_is_changes_nothing(answers):
    y, proba, classes = answers
    before = task_scores(Fixed(None, proba, classes, names=NAMES), None, y, metrics=METRICS)
    for name in NAMES:
        hole = y[name].isna().to_numpy()
        proba[name][hole] = np.eye(len(classes[name]))[0]
    after = task_scores(Fixed(None, proba, classes, names=NAMES), None, y, metrics=METRICS)
    pd.testing.assert_frame_equal(before, after)


def test_a_task_with_labels_of_one_class():
    rng = np.random.default_rng(0)
    y = np.column_stack([np.ones(20), rng.integers(2, size=20)])
    proba = [rng.dirichlet([1, 1], size=20) for _ in range(2)]
    told = Fixed(None, proba, [np.arange(2)] * 2)
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(task_scorer("roc_auc", 0)(told, None, y))
    assert_allclose(task_scorer("average_precision", 0)(told, None, y), 1)  # all are positive
    y[:, 0] = np.nan  # no label at all: NaN in the table, and left out of the mean
    table = task_scores(told, None, y, metrics="roc_auc")
    assert np.isnan(table["score"][0])
    assert table["n_labels"].tolist() == [0, 20]
    assert multitask_scorer("roc_auc")(told, None, y) == table["score"][1]


def test_of_a_network_with_labels_per_step(ragged, mixed_labels):
    y = mixed_labels[["sign", "positive"]].copy()
    y.loc[::3, "sign"] = None
    y["positive"] = [
        np.where(np.arange(len(steps)) % 3 == 1, np.nan, steps) for steps in y["positive"]
    ]
    model = MultiTaskRNN(hidden_layer_sizes=8, max_epochs=5, random_state=0).fit(ragged, y)
    proba = model.predict_proba(ragged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = task_scores(model, ragged, y, metrics=["roc_auc", "average_precision"])
    steps, flat = np.concatenate(y["positive"]), np.concatenate(proba["positive"])[:, 1]
    known, rows = ~np.isnan(steps), y["sign"].notna().to_numpy()
    assert_allclose(
        table["score"],
        [
            auc_by_counting(y["sign"][rows].to_numpy() == "up", proba["sign"][rows, 1]),
            average_precision_score(y["sign"][rows] == "up", proba["sign"][rows, 1]),
            auc_by_counting(steps[known] == 1, flat[known]),
            average_precision_score(steps[known] == 1, flat[known]),
        ],
    )
