"""From raw events, panels and long series to predictions, through whole pipelines."""

import pickle

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from same_predictions import same
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, Ragged
from sk_mtrnn.augmentation import Jitter, WindowCrop
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.metrics import multitask_scorer
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold, cross_val_predict, task_weight_grid
from sk_mtrnn.preprocessing import (
    Concatenate,
    OutlierMasker,
    Resample,
    SequenceTransformer,
    SlidingWindow,
    TimeDelayEmbedding,
    from_events,
)

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


# ---------------------------------------------------------------- raw events

VARIABLES = ["pulse", "temp", "urine"]


def make_events(n=60, seed=0):
    """Stays of a day: irregular events, one row each, a broken sensor among them; and labels."""
    rng = np.random.default_rng(seed)
    rows, labels = [], {}
    for stay in rng.permutation(1000)[:n]:
        level = rng.normal()
        for variable, rate in zip(VARIABLES, (8, 4, 1), strict=True):
            hours = np.sort(rng.uniform(0, 24, rng.poisson(rate)))
            values = level + rng.normal(size=len(hours))
            rows += [(stay, hour, variable, v) for hour, v in zip(hours, values, strict=True)]
        rows.append((stay, rng.uniform(0, 24), "pulse", 1e4 if rng.random() < 0.1 else level))
        labels[stay] = ("ill" if level > 0 else "well", 5 + level)
    columns = ["stay", "hour", "variable", "value"]
    events = pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=seed)
    y = pd.DataFrame.from_dict(labels, orient="index", columns=["state", "days"])
    y.iloc[::7, 1] = np.nan
    return events, y


EVENTS, OUTCOMES = make_events()
STAYS = OUTCOMES.index.to_numpy()
STATIC = pd.DataFrame(
    {
        "age": np.random.default_rng(2).uniform(20, 90, 60),
        "ward": pd.Categorical(np.resize(list("abca"), 60), categories=list("abcd")),
    },
    index=STAYS,
)


def read(stays, events):
    return from_events(
        events,
        sample="stay",
        time="hour",
        variable="variable",
        value="value",
        samples=stays,
        variables=VARIABLES,
    )


def from_raw(*steps, events=EVENTS, **params):
    """A pipeline whose X are the names of the stays."""
    network = MultiTaskRNN(**{"missing": "mask", "time_feature": "time", **SMALL, **params})
    return make_pipeline(FunctionTransformer(read, kw_args={"events": events}), *steps, network)


def all_steps():
    return (
        OutlierMasker(EllipticEnvelope(random_state=0), per_channel=True, time_feature="time"),
        Resample(6.0, time_feature="time", start=0, end=24),
        Concatenate(STATIC),
    )


def test_a_pipeline_is_its_steps_one_after_the_other():
    pipeline = from_raw(*all_steps()).fit(STAYS, OUTCOMES)
    X = read(STAYS, EVENTS)
    for step in all_steps():
        X = step.fit_transform(X)
    assert list(X.feature_names) == ["time", *VARIABLES, "age", "ward"]
    assert X.categorical.tolist() == [False] * 5 + [True]
    assert X.lengths.tolist() == [4] * 60
    assert np.nanmax(X.values[:, 1]) < 100  # the broken sensor is a hole
    np.testing.assert_array_equal([x[-1, 4] for x in X], STATIC["age"])
    by_hand = clone(pipeline[-1]).fit(X, OUTCOMES)
    predicted = pipeline.predict(STAYS)
    same(predicted, by_hand.predict(X))
    assert list(predicted.index) == list(STAYS)
    assert pipeline[-1].categories_["ward"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("missing", ["mean", "forward", "mask", "decay"])
@pytest.mark.parametrize(
    "steps",
    [
        (),
        (TimeDelayEmbedding((0, 1)),),
        (Resample(6.0, time_feature="time"), TimeDelayEmbedding((0, 2), fill="edge")),
    ],
)
def test_events_reach_predictions(steps, missing):
    pipeline = from_raw(*steps, missing=missing).fit(STAYS, OUTCOMES)
    predicted = pipeline.predict(STAYS[::-1])
    assert list(predicted.index) == list(STAYS[::-1])
    assert np.isfinite(predicted["days"]).all()
    same(pickle.loads(pickle.dumps(pipeline)).predict(STAYS[::-1]), predicted)


def test_events_under_cross_validation():
    pipeline = from_raw(*all_steps(), max_epochs=25, learning_rate=0.02)
    scorer = multitask_scorer({"state": "roc_auc", "days": "r2"}, average=None)
    cv = MultiTaskStratifiedKFold(2, shuffle=True, random_state=0)
    found = cross_validate(
        pipeline,
        STAYS,
        OUTCOMES,
        cv=cv,
        scoring=scorer,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    assert found["test_state"].mean() > 0.75
    assert found["test_days"].mean() > 0.2
    train, test = found["indices"]["train"][0], found["indices"]["test"][0]
    alone = clone(pipeline).fit(STAYS[train], OUTCOMES.iloc[train])
    same(alone.predict(STAYS[test]), found["estimator"][0].predict(STAYS[test]))
    other = EVENTS.copy()  # what a fold does not train on is not learned from
    other.loc[other["stay"].isin(STAYS[test]), "value"] *= -7
    changed = clone(pipeline).set_params(functiontransformer__kw_args={"events": other})
    changed.fit(STAYS[train], OUTCOMES.iloc[train])
    same(changed.predict(STAYS[train]), alone.predict(STAYS[train]))
    assert cross_val_predict(clone(pipeline), STAYS, OUTCOMES, cv=cv).shape == OUTCOMES.shape


def test_preprocessing_and_task_weights_are_searched_at_once():
    grid = {
        "resample__interval": [6.0, 12.0],
        "outliermasker__estimator__contamination": [0.05],
        "concatenate": ["passthrough", Concatenate(STATIC)],
        "multitaskrnn__task_weights": task_weight_grid(["state", "days"], 3)[1:],
        "multitaskrnn__missing": ["mask"],
    }
    scorer = multitask_scorer({"state": "accuracy", "days": "neg_mean_squared_error"})
    pipeline = from_raw(*all_steps(), max_epochs=1)
    search = GridSearchCV(pipeline, grid, cv=KFold(2), scoring=scorer, error_score="raise")
    search.fit(STAYS, OUTCOMES)
    assert len(search.cv_results_["params"]) == 8
    assert len(set(search.cv_results_["mean_test_score"])) > 4
    again = clone(pipeline).set_params(**search.best_params_).fit(STAYS, OUTCOMES)
    same(search.predict(STAYS), again.predict(STAYS))
    same(pickle.loads(pickle.dumps(search)).predict(STAYS), search.predict(STAYS))


def test_stays_that_training_did_not_see():
    """Of a category training lacked, without any event of a variable, or of one unknown."""
    pipeline = from_raw(*all_steps()).fit(STAYS, OUTCOMES)
    rows = [(-1, 3.0, "pulse", 1.0), (-1, 20.0, "pulse", 0.5), (-2, 1.0, "urine", 2.0)]
    events = pd.DataFrame(rows, columns=EVENTS.columns)
    static = STATIC.iloc[:3].set_axis([-1, -2, -3]).assign(age=[30.0, np.nan, 50.0])
    X = read([-1, -2, -3], events)
    for step in pipeline[1:3]:
        X = step.transform(X)

    def descriptors(ward):
        wards = pd.Categorical([ward] * 3, categories=list("abcd"))
        return Concatenate(static.assign(ward=wards)).fit_transform(X)

    network = pipeline[-1]
    unseen = network.predict(descriptors("d"))
    assert np.isfinite(unseen["days"]).all()
    same(unseen, network.predict(descriptors(None)))  # a hole is as unknown
    assert (unseen["days"] != network.predict(descriptors("a"))["days"]).any()
    assert list(unseen.index) == [-1, -2, -3]
    other = pd.concat([events, pd.DataFrame([(-1, 4.0, "lactate", 3.0)], columns=events.columns)])
    with pytest.warns(UserWarning, match=r"1 event\(s\) are left out: .* \['lactate'\]"):
        known = read([-1, -2, -3], other)
    np.testing.assert_array_equal(known.values, read([-1, -2, -3], events).values)
    with refused("X has 4 features, but MultiTaskRNN is expecting 6"):
        network.predict(read([-1], events))
    turned = descriptors("a")
    turned = turned.with_values(turned.values, ["time", *VARIABLES[::-1], "age", "ward"])
    with refused(
        "feature names should match", "expected ['time', 'pulse'", "found ['time', 'urine'"
    ):
        network.predict(turned)


def test_events_in_an_ensemble():
    pipeline = from_raw(*all_steps(), tasks={"days": "regression"}, augmentation=[Jitter()])
    ensemble = DeepEnsemble(pipeline, n_estimators=2, random_state=0).fit(STAYS, OUTCOMES)
    predicted = ensemble.predict(STAYS)
    members = [member.predict(STAYS)["days"] for member in ensemble.estimators_]
    np.testing.assert_allclose(predicted["days"], np.mean(members, axis=0))
    mean, std = ensemble.predict(STAYS, return_std=True)
    same(mean, predicted)
    np.testing.assert_allclose(std["days"], np.std(members, axis=0))
    same(pickle.loads(pickle.dumps(ensemble)).predict(STAYS), predicted)
    grid = {"estimator__resample__interval": [6.0, 12.0], "n_estimators": [1]}
    search = GridSearchCV(ensemble, grid, cv=KFold(2), error_score="raise", refit=False)
    assert np.ptp(search.fit(STAYS, OUTCOMES).cv_results_["mean_test_score"]) > 0


# ---------------------------------------------------------------- panels with category columns


def make_panel(n=50, seed=0):
    """A frame with a (sample, time) index, a number with holes, and two columns of symbols."""
    rng = np.random.default_rng(seed)
    frames, total = {}, {}
    for sample in rng.permutation(500)[:n]:
        length = rng.integers(2, 7)
        kind = rng.choice(["calm", "rain", "storm"], size=length)
        value = rng.normal(size=length)
        total[sample] = value.sum() + 2 * (kind == "storm").sum()
        value[rng.random(length) < 0.2] = np.nan
        where = np.full(length, rng.choice(["sea", "land"]))
        frames[sample] = pd.DataFrame({"wind": value, "kind": kind, "where": where})
    panel = pd.concat(frames, names=["sample", "time"])
    panel = panel.astype({"kind": "category", "where": "category"})
    return panel, pd.Series(total, name="total")


def regressor(**params):
    options = {"missing": "mask", "categorical_features": "from_dtype", **SMALL, **params}
    return MultiTaskRNNRegressor(**options)


def parts_of(panel):
    return [part.droplevel(0) for _, part in panel.groupby(level=0, sort=False)]


def test_panels_and_lists_of_frames_are_one():
    panel, y = make_panel()
    fitted = regressor().fit(panel, y)
    assert fitted.categories_["kind"].tolist() == ["calm", "rain", "storm"]
    listed = regressor().fit(parts_of(panel), y.to_numpy())
    np.testing.assert_array_equal(fitted.predict(panel), listed.predict(parts_of(panel)))
    shuffled = panel.sample(frac=1, random_state=0)
    order = shuffled.index.get_level_values(0).unique()
    np.testing.assert_allclose(
        fitted.predict(shuffled), pd.Series(fitted.predict(panel), index=y.index)[order], rtol=1e-5
    )
    with refused("y must hold the samples in the order of X"):
        regressor().fit(shuffled, y)


def test_symbols_and_channels_that_training_lacked():
    panel, y = make_panel()
    fitted = regressor(unknown_rate="frequency", max_epochs=40).fit(panel, y)

    def predict(kind):
        return fitted.predict(panel.assign(kind=pd.Categorical([kind] * len(panel))))

    np.testing.assert_array_equal(predict("hail"), predict("fog"))
    np.testing.assert_array_equal(predict("hail"), predict(None))
    assert not np.allclose(predict("hail"), predict("storm"))
    assert predict("storm").mean() > predict("calm").mean() + 1
    assert np.isfinite(fitted.predict(panel.assign(wind=np.nan))).all()
    with refused("feature names should match", "expected ['wind', 'kind'", "found ['wind', 'sort'"):
        fitted.predict(panel.rename(columns={"kind": "sort"}).assign(sort=0))
    with refused("X has 4 features, but MultiTaskRNNRegressor is expecting 3"):
        fitted.predict(panel.assign(rain=1.0))


def test_frames_under_cross_validation():
    panel, y = make_panel()
    frames = parts_of(panel)
    grid = {
        "missing": ["mean", "mask", "decay"],
        "embedding_dim": ["auto", {"kind": 3}],
        "augmentation": [None, [Jitter(channels=["wind"]), WindowCrop()]],
    }
    search = GridSearchCV(regressor(max_epochs=1), grid, cv=KFold(2), error_score="raise")
    search.fit(frames, y.to_numpy())
    assert len(search.cv_results_["params"]) == 12
    again = clone(search.best_estimator_).fit(frames, y.to_numpy())
    np.testing.assert_array_equal(search.predict(frames), again.predict(frames))
    copied = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copied.predict(frames), again.predict(frames))


def test_codes_pass_a_scaler_on_their_way():
    """Of a Ragged that marks them; so the pipeline is the network on what was scaled by hand."""
    panel, y = make_panel()
    codes = panel.assign(kind=panel["kind"].cat.codes, where=panel["where"].cat.codes)
    X = Ragged.from_panel(codes)
    X = X.with_values(X.values, list(codes.columns), [False, True, True])
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), regressor())
    by_pipeline = pipeline.fit(X, y)
    scaled = codes.assign(wind=StandardScaler().fit_transform(codes[["wind"]]))
    by_hand = regressor(categorical_features=["kind", "where"]).fit(scaled, y)
    np.testing.assert_allclose(by_pipeline.predict(X), by_hand.predict(scaled), rtol=1e-5)
    assert set(pipeline[-1].categories_) == {"kind", "where"}
    cv = KFold(3)
    scores = cross_validate(pipeline, X, y.to_numpy(), cv=cv, error_score="raise")["test_score"]
    assert np.isfinite(scores).all()


# ---------------------------------------------------------------- one long series


def make_series(n=400):
    """Two gases that follow each other, with holes; hours as index."""
    rng = np.random.default_rng(0)
    gas = np.sin(np.arange(n) / 6) + 0.3 * rng.normal(size=n).cumsum() / np.sqrt(
        np.arange(1, n + 1)
    )
    frame = pd.DataFrame({"no": gas, "co": np.roll(gas, 2) + 0.1 * rng.normal(size=n)})
    frame.index = pd.date_range("2024-01-01", periods=n, freq="h")
    frame[rng.random(frame.shape) < 0.1] = np.nan
    return frame


SERIES = make_series()
CUTTER = SlidingWindow(12, horizon=3, stride=2).fit(SERIES)


def forecaster(**params):
    options = {"missing": "mask", **SMALL, **params}
    return make_pipeline(SequenceTransformer(StandardScaler()), MultiTaskRNNRegressor(**options))


def test_windows_under_time_ordered_validation():
    X, y = CUTTER.windows(SERIES, SERIES)
    cv = TimeSeriesSplit(3, gap=CUTTER.gap)
    located = CUTTER.locate(SERIES, labelled=True)
    for train, test in cv.split(X):
        touched = located.iloc[train][["last", "target"]].to_numpy().max()
        assert touched < located["first"].iloc[test].min()
    network = forecaster(max_epochs=30)
    scorer = multitask_scorer("r2")
    found = cross_validate(network, X, y, cv=cv, scoring=scorer, error_score="raise")
    assert found["test_score"][-1] > 0.5
    grid = {
        "sequencetransformer": [network[0], "passthrough", TimeDelayEmbedding((0, 3))],
        "multitaskrnnregressor__task_weights": task_weight_grid(["no", "co"], 3),
    }
    search = GridSearchCV(
        forecaster(max_epochs=1), grid, cv=cv, scoring=scorer, error_score="raise"
    )
    assert len(search.fit(X, y).cv_results_["params"]) == 9


def test_nothing_leaks_backwards_in_time():
    """What comes after the training part, holes included, changes no fit."""
    X, y = CUTTER.windows(SERIES, SERIES)
    train, test = next(iter(TimeSeriesSplit(3, gap=CUTTER.gap).split(X)))
    end = CUTTER.locate(SERIES, labelled=True).iloc[train]["target"].max()
    other = SERIES.copy()
    other.iloc[end + 1 :] = 1e3
    X_other, y_other = CUTTER.windows(other, other)
    for network in (forecaster(), forecaster(early_stopping=True)):
        one = clone(network).fit(X[train], y.iloc[train]).predict(X[test])
        two = clone(network).fit(X_other[train], y_other.iloc[train]).predict(X[test])
        np.testing.assert_array_equal(one, two)


def test_the_windows_that_nobody_knows_the_labels_of():
    X, y = CUTTER.windows(SERIES, SERIES)
    fitted = forecaster().fit(X, y)
    unknown = CUTTER.transform(SERIES)[len(X) :]
    forecast = fitted.predict(unknown)
    assert list(forecast.columns) == ["no", "co"]
    assert forecast.index[-1] > y.index[-1]
    assert np.isfinite(forecast.to_numpy()).all()
    ensemble = DeepEnsemble(forecaster(), n_estimators=2, random_state=0).fit(X, y)
    mean, std = ensemble.predict(unknown, return_std=True)
    assert mean.shape == std.shape == forecast.shape
    assert (std.to_numpy() > 0).all()


def test_windows_need_their_transformers_to_take_holes():
    X, y = CUTTER.windows(SERIES, SERIES)
    pipeline = make_pipeline(SequenceTransformer(PCA(1)), MultiTaskRNNRegressor(**SMALL))
    with refused("Input X contains NaN"):
        pipeline.fit(X, y)
