"""The report against loops and formulas written by hand."""

import joblib
import numpy as np
import pandas as pd
import pytest
from refusals import refused
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, Ragged
from sk_mtrnn.inspection import multitask_report
from sk_mtrnn.metrics import task_scores
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold
from sk_mtrnn.sharing import Independent, MixtureOfExperts

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}
ALONE = {
    "sharing": "none",
    "task_relation": None,
    "task_weights": None,
    "gradient_aggregation": None,
    "batching": "mixed",
}
MEASURED = ["alone", "together", "difference", "low", "high"]


@pytest.fixture
def table():
    """Forty rows of six steps, and two quantities in them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    return X, np.column_stack([X.sum(1), X[:, -1] - X[:, 0]])


def single(report):
    """Scores of single splits."""
    return pd.DataFrame(report.attrs["scores"])


def take(data, samples):
    if isinstance(data, pd.DataFrame):
        return data.iloc[samples]
    return data[samples] if hasattr(data, "shape") else [data[i] for i in samples]


def by_hand(model, X, y, splits, metrics):
    """The scores of single splits, a row each: (model, split, task)."""
    scores = np.empty((2, len(splits), len(metrics)))
    for i, params in enumerate([ALONE, {}]):
        for j, (train, test, seed) in enumerate(splits):
            fitted = clone(model).set_params(random_state=seed, **params)
            fitted.fit(take(X, train), take(y, train))
            table = task_scores(fitted, take(X, test), take(y, test), metrics=metrics)
            scores[i, j] = table["score"]
    return scores


def test_it_is_the_loop_one_would_write(ragged, mixed_labels):
    model = MultiTaskRNN(**SMALL, task_weights="uncertainty", task_relation="gcn")
    cv = KFold(2, shuffle=True, random_state=3)
    report = multitask_report(model, ragged, mixed_labels, cv=cv, random_state=5, n_repeats=2)

    seeds = np.random.RandomState(5).randint(np.iinfo(np.int32).max, size=2)
    folds = [cv, KFold(2, shuffle=True, random_state=seeds[1])]
    splits = [(*split, s) for c, s in zip(folds, seeds, strict=True) for split in c.split(ragged)]
    metrics = {"sign": "accuracy", "level": "r2", "positive": "accuracy", "total": "r2"}
    alone, together = by_hand(model, ragged, mixed_labels, splits, metrics)

    found = single(report)
    assert list(found.columns) == ["repeat", "fold", "task", "alone", "together"]
    assert found["repeat"].tolist() == np.repeat([0, 0, 1, 1], 4).tolist()
    assert found["fold"].tolist() == np.repeat([0, 1, 0, 1], 4).tolist()
    assert found["task"].tolist() == list(metrics) * 4
    np.testing.assert_array_equal(found["alone"], alone.ravel())
    np.testing.assert_array_equal(found["together"], together.ravel())
    assert (alone != together).any()
    assert report.index.tolist() == list(metrics)
    assert report.index.name == "task"
    np.testing.assert_allclose(report["alone"], alone.mean(0), rtol=1e-12)
    np.testing.assert_allclose(report["together"], together.mean(0), rtol=1e-12)
    np.testing.assert_allclose(report["difference"], (together - alone).mean(0), atol=1e-12)


def test_the_interval_is_the_corrected_one(table):
    model = MultiTaskRNNRegressor(**SMALL)
    cv = ShuffleSplit(4, test_size=10, random_state=0)
    report = multitask_report(model, *table, cv=cv, confidence=0.9)
    scores = single(report)
    for task, row in report.iterrows():
        d = (scores["together"] - scores["alone"])[scores["task"] == task].to_numpy()
        assert len(d) == 4
        error = np.sqrt((1 / 4 + 10 / 30) * np.var(d, ddof=1))
        low, high = stats.t.interval(0.9, 3, d.mean(), error)
        np.testing.assert_allclose(row[["low", "high"]].tolist(), [low, high], rtol=1e-10)
        assert row["low"] < row["difference"] < row["high"]
    wider = multitask_report(model, *table, cv=cv, confidence=0.99)
    assert (wider["low"] < report["low"]).all()
    assert (wider["high"] > report["high"]).all()


def test_the_mean_over_tasks_is_the_mean_of_score(table):
    X, y = table
    report = multitask_report(MultiTaskRNNRegressor(**SMALL), X, y, cv=[(range(30), range(30, 40))])
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    model = MultiTaskRNNRegressor(**SMALL).set_params(random_state=seed).fit(X[:30], y[:30])
    assert report["together"].mean() == pytest.approx(model.score(X[30:], y[30:]), rel=1e-12)
    assert report[["low", "high"]].isna().all(axis=None)  # of one split there is no interval


def test_size_and_time_are_those_of_the_fits(table):
    X, y = table
    report = multitask_report(MultiTaskRNNRegressor(**SMALL), X, y, cv=2)

    def size(sharing):
        module = MultiTaskRNNRegressor(**SMALL, sharing=sharing).fit(X, y).net_.module_
        return sum(parameter.numel() for parameter in module.parameters())

    assert set(report["n_parameters_alone"]) == {size("none")}
    assert set(report["n_parameters_together"]) == {size("hard")}
    assert (report[["fit_time_alone", "fit_time_together"]] > 0).all(axis=None)
    assert report["fit_time_alone"].nunique() == 1


def test_the_same_seed_gives_the_same_report(table):
    model = MultiTaskRNNRegressor(**SMALL)
    first = multitask_report(model, *table, cv=2, n_repeats=2)
    scores = single(first)
    assert scores["repeat"].tolist() == [0] * 4 + [1] * 4
    assert not scores[["alone", "together"]][:4].equals(scores[["alone", "together"]][4:])
    again = multitask_report(model, *table, cv=2, n_repeats=2, random_state=0)  # the model's
    assert first.attrs == again.attrs
    other = multitask_report(model, *table, cv=2, n_repeats=2, random_state=1)
    assert first.attrs != other.attrs
    joined = pd.concat([first, other])  # pandas compares attrs where they meet
    assert len(joined) == 4


def test_the_estimator_stays_as_it_is(table):
    generator = np.random.RandomState(0)
    sharing = MixtureOfExperts(2)
    model = MultiTaskRNNRegressor(
        hidden_layer_sizes=(4,), max_epochs=1, sharing=sharing, random_state=generator
    )
    before = generator.get_state()[1].copy(), generator.get_state()[2]
    multitask_report(model, *table, cv=2)
    assert model.sharing is sharing
    assert model.random_state is generator
    assert not hasattr(model, "net_")
    np.testing.assert_array_equal(generator.get_state()[1], before[0])
    assert generator.get_state()[2] == before[1]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_jobs_change_nothing(table, backend):
    model = MultiTaskRNNRegressor(**SMALL)
    one = multitask_report(model, *table, cv=2)
    with joblib.parallel_config(backend):
        two = multitask_report(model, *table, cv=2, n_jobs=2)
    np.testing.assert_allclose(one[MEASURED], two[MEASURED], rtol=1e-6)


def test_missing_labels_are_left_out(ragged):
    rng = np.random.default_rng(1)
    y = pd.DataFrame(
        {
            "sum": [x.sum() for x in ragged],
            "sign": [float(x[:, 0].sum() > 0) for x in ragged],
        }
    ).mask(rng.random((40, 2)) < 0.4)
    model = MultiTaskRNN(**SMALL, tasks={"sign": "classification"})
    report = multitask_report(model, ragged, y, cv=2)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    folds = MultiTaskStratifiedKFold(2, shuffle=True, random_state=seed).split(ragged, y)
    splits = [(*split, seed) for split in folds]
    scores = by_hand(model, ragged, y, splits, {"sum": "r2", "sign": "accuracy"})
    np.testing.assert_allclose(report[["alone", "together"]].T, scores.mean(1), rtol=1e-12)
    packed = multitask_report(model, Ragged.from_list(ragged), y, cv=2)
    np.testing.assert_array_equal(packed[MEASURED], report[MEASURED])


def test_a_split_without_labels_of_a_task_is_left_out_for_it(table):
    X, y = table
    y[:20, 1] = np.nan
    cv = [(range(20, 40), range(20)), (range(10, 40), range(10)), (range(30), range(30, 40))]
    report = multitask_report(MultiTaskRNNRegressor(**SMALL), X, y, cv=cv)
    scores = single(report)
    assert scores.loc[scores["task"] == 1, "alone"].isna().tolist() == [True, True, False]
    assert report[["low", "high"]].notna().all(axis=1).tolist() == [True, False]
    last = scores.iloc[-1]
    assert report.loc[1, "difference"] == last["together"] - last["alone"]


def test_scoring_as_everywhere(table):
    X, y = table
    model, cv = MultiTaskRNNRegressor(**SMALL), [(np.arange(30), np.arange(30, 40))]
    name = multitask_report(model, X, y, cv=cv, scoring="neg_mean_absolute_error")
    function = multitask_report(model, X, y, cv=cv, scoring=mean_absolute_error)
    np.testing.assert_array_equal(name["together"], -function["together"])
    some = multitask_report(model, X, y, cv=cv, scoring={1: "neg_mean_absolute_error"})
    assert some.index.tolist() == [1]
    assert some.loc[1, "alone"] == name.loc[1, "alone"]


def test_labels_per_step_and_classes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 5, 2))
    y = (X > 0).astype(int)  # two tasks at every step
    report = multitask_report(MultiTaskRNNClassifier(**SMALL), X, y, cv=2)
    assert report.index.tolist() == [0, 1]
    assert report[["alone", "together"]].stack().between(0, 1).all()


def test_a_pipeline_is_taken_whole(table):
    X, y = table
    model, cv = MultiTaskRNNRegressor(**SMALL, standardize=False), KFold(2)
    piped = multitask_report(make_pipeline(StandardScaler(), model), 100 * X, y, cv=cv)
    splits = [(StandardScaler().fit(X[train]), train, test) for train, test in KFold(2).split(X)]
    found = single(piped)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    for fold, (scaler, train, test) in enumerate(splits):
        fitted = clone(model).set_params(random_state=seed)
        fitted.fit(scaler.transform(X[train]), y[train])
        expected = task_scores(fitted, scaler.transform(X[test]), y[test], metrics="r2")["score"]
        rows = found[found["fold"] == fold]
        np.testing.assert_allclose(rows["together"], expected, rtol=1e-5)
        assert rows["task"].tolist() == [0, 1]


def test_splits_with_groups(table):
    X, y = table
    splits = GroupKFold(2).split(X, y, np.repeat(range(8), 5))
    assert len(multitask_report(MultiTaskRNNRegressor(**SMALL), X, y, cv=splits)) == 2


def test_refusals(table):
    model = MultiTaskRNNRegressor(**SMALL)
    with refused("estimator must be a MultiTaskRNN", "Pipeline", "found LinearRegression()"):
        multitask_report(LinearRegression(), *table)
    with refused("estimator must be", "found Pipeline"):
        multitask_report(make_pipeline(StandardScaler(), LinearRegression()), *table)
    for sharing in ("none", Independent()):
        with refused("estimator must share", f"found sharing={sharing!r}"):
            multitask_report(MultiTaskRNNRegressor(sharing=sharing), *table)
    for scoring in ("nonsense", ["r2", "max_error"]):
        with refused("scoring must be one metric", "found", str(scoring)):
            multitask_report(model, *table, scoring=scoring)
    for cv in (KFold(2), [(range(30), range(30, 40))]):
        with refused("n_repeats=2 needs folds that can be drawn anew", "found", str(cv)):
            multitask_report(model, *table, cv=cv, n_repeats=2)
    for name, value in {"n_repeats": 0, "confidence": 1.0, "cv": "many"}.items():
        with refused(f"'{name}' parameter of multitask_report", repr(value)):
            multitask_report(model, *table, **{name: value})
