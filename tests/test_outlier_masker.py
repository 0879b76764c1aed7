"""What a detector flags becomes NaN: the same rows the detector names on its own."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from refusals import refused
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import OutlierMasker, SequenceTransformer

FOREST = IsolationForest(n_estimators=20, contamination=0.1, random_state=0)
DETECTORS = [
    FOREST,
    LocalOutlierFactor(n_neighbors=5, novelty=True),
    OneClassSVM(nu=0.1),
    EllipticEnvelope(contamination=0.1, random_state=0),
    make_pipeline(StandardScaler(), clone(FOREST)),
]


class Far(OutlierMixin, BaseEstimator):
    """A detector one can read: flags rows that leave [-limit, limit]."""

    def __init__(self, limit=3):
        self.limit = limit

    def fit(self, X, y=None):
        assert np.isfinite(X).all()
        self.n_rows_ = len(X)
        return self

    def predict(self, X):
        return np.where((np.abs(X) > self.limit).any(axis=1), -1, 1)


def sequences(lengths=(20, 5, 30), holes=False, seed=0):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(length, 3)) for length in lengths]
    for part in parts:
        part[2, 1] = 50.0
        if holes:
            part[1, 0] = part[3, 2] = np.nan
    return parts


@pytest.mark.parametrize(
    "transformer",
    [
        OutlierMasker(IsolationForest(n_estimators=5, random_state=0)),
        OutlierMasker(LocalOutlierFactor(novelty=True), per_channel=True),
    ],
)
def test_scikit_learns_checks(transformer):
    results = check_estimator(transformer, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# ------------------------------------------------------------------ what is flagged


@pytest.mark.parametrize("detector", DETECTORS)
def test_rows_are_those_the_detector_flags(detector):
    X, new = sequences(), sequences(seed=1)
    model = OutlierMasker(detector).fit(X)
    alone = clone(detector).fit(np.concatenate(X))
    for data in (X, new):
        rows = np.concatenate(data)
        flagged = alone.predict(rows) == -1
        assert flagged.any()
        out = np.concatenate(model.transform(data))
        assert_array_equal(out, np.where(flagged[:, None], np.nan, rows))
    assert_array_equal(model.flags_, np.isnan(np.concatenate(model.transform(X))))


@pytest.mark.parametrize("detector", DETECTORS)
def test_channels_are_judged_alone(detector):
    X = sequences(holes=True)
    rows = np.concatenate(X)
    model = OutlierMasker(detector, per_channel=True).fit(X)
    out = np.concatenate(model.transform(X))
    for channel in range(3):
        seen = ~np.isnan(rows[:, channel])
        values = rows[seen, channel][:, None]
        expected = rows[:, channel].copy()
        expected[np.flatnonzero(seen)[clone(detector).fit(values).predict(values) == -1]] = np.nan
        assert_array_equal(out[:, channel], expected)
    assert_array_equal(model.flags_, np.isnan(out) & ~np.isnan(rows))
    assert len(model.estimators_) == 3


def test_rows_with_holes_are_neither_used_nor_judged():
    X = sequences(holes=True)
    X[0][1] = [np.nan, 99.0, 0.0]  # would be flagged, were it judged
    model = OutlierMasker(Far()).fit(X)
    rows, out = np.concatenate(X), np.concatenate(model.transform(X))
    assert model.estimators_[0].n_rows_ == (~np.isnan(rows).any(axis=1)).sum() == 49
    assert out[1, 1] == 99
    assert np.isnan(out[2]).all()
    channelwise = OutlierMasker(Far(), per_channel=True).fit(X).transform(X)
    assert_array_equal(np.isnan(channelwise[0][1]), [True, True, False])
    assert_array_equal(np.isnan(channelwise[0][2]), [False, True, False])


def test_a_detector_that_takes_holes_is_given_them():
    X = sequences(holes=True)
    X[0][1] = [np.nan, 99.0, 0.0]
    X[1][4] = np.nan  # nothing observed: nothing to judge
    rows = np.concatenate(X)
    observed = ~np.isnan(rows).all(axis=1)
    model = OutlierMasker(FOREST).fit(X)
    expected = np.zeros(rows.shape, dtype=bool)
    expected[observed] = (clone(FOREST).fit_predict(rows[observed]) == -1)[:, None]
    assert_array_equal(model.flags_, expected & ~np.isnan(rows))
    assert model.flags_[1].tolist() == [False, True, True]
    assert_array_equal(np.concatenate(model.transform(X)), np.where(expected, np.nan, rows))
    with refused("X must hold a value to fit on, found none"):
        OutlierMasker(FOREST).fit([np.full((3, 2), np.nan)])


def test_category_columns_of_a_panel_stay():
    index = pd.MultiIndex.from_product([["b", "a"], range(3)])
    frame = pd.DataFrame({"v": [0.0, 50, 1, 0, 1, 2], "code": [7, 7, 9, 7, 9, 7]}, index=index)
    frame["code"] = frame["code"].astype("category")
    out = OutlierMasker(Far()).fit_transform(frame)
    assert out["v"].isna().tolist() == [False, True, False, False, False, False]
    pd.testing.assert_series_equal(out["code"], frame["code"])


def test_time_stamps_and_categories_stay():
    values = np.column_stack([np.arange(6) * 100, [0, 1, 50, 0, 1, 0], [9, 9, 0, 9, 9, 9]])
    marks = np.array([False, False, True])
    X = Ragged(values, [0, 2, 6], ["time", "v", "code"], pd.Index(["a", "b"]), marks)
    for per_channel in (False, True):
        model = OutlierMasker(Far(), per_channel, time_feature="time").fit(X)
        out = model.transform(X)
        expected = values.astype(float)
        expected[2, 1] = np.nan
        assert_array_equal(out.values, expected)
        assert_array_equal(out.categorical, marks)
        assert list(out.index) == ["a", "b"]
        assert (
            list(out.feature_names) == ["time", "v", "code"] == list(model.get_feature_names_out())
        )
    assert [found is None for found in model.estimators_] == [True, False, True]


def test_a_channel_never_observed_is_left_alone():
    X = [np.column_stack([[0.0, 9.0], [np.nan, np.nan]])]
    model = OutlierMasker(Far(), per_channel=True).fit(X)
    assert model.estimators_[1] is None
    new = [np.array([[9.0, 9.0]])]
    assert_array_equal(model.transform(new)[0], [[np.nan, 9]])


def test_the_input_stays_as_it_was():
    X = Ragged.from_list(sequences())
    before = X.values.copy()
    out = OutlierMasker(Far()).fit_transform(X)
    assert np.isnan(out.values).any()
    assert_array_equal(X.values, before)


# ------------------------------------------------------------------ containers


@pytest.mark.parametrize("kind", ["list", "series", "panel", "3d", "table", "frame"])
def test_every_container_comes_back(kind):
    parts = sequences((6, 6, 6))
    keys = [(f"s{i}", t) for i in range(3) for t in range(6)]
    panel = pd.DataFrame(np.concatenate(parts), index=pd.MultiIndex.from_tuples(keys))
    table = np.stack(parts)[:, :, 1]
    X = {
        "list": parts,
        "series": pd.Series(parts, index=list("abc")),
        "panel": panel.rename(columns=str).sample(frac=1, random_state=0),
        "3d": np.stack(parts),
        "table": table,
        "frame": pd.DataFrame(table, index=list("abc")).rename(columns=str),
    }[kind]
    out = OutlierMasker(Far(), per_channel=True).fit_transform(X)
    assert type(out) is type(X)
    if kind in ("list", "series"):
        out, X = np.stack(list(out)), np.stack(list(X))
    assert_array_equal(out, np.where(np.abs(X) > 3, np.nan, X))
    if kind in ("panel", "frame"):
        assert out.index.equals(X.index)
        assert out.columns.equals(X.columns)


# ------------------------------------------------------------------ with a model


def test_in_a_pipeline_under_a_search():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(8, 1)) for _ in range(60)]
    y = np.array([x.mean() for x in X])
    for x in X[::3]:
        x[rng.integers(8)] = 100.0  # broken readings
    pipeline = make_pipeline(
        OutlierMasker(Far()),
        SequenceTransformer(SimpleImputer()),
        MultiTaskRNNRegressor(hidden_layer_sizes=(8,), max_epochs=15, random_state=0),
    )
    grid = {"outliermasker__estimator__limit": [5, 1000], "outliermasker__per_channel": [True]}
    search = GridSearchCV(pipeline, grid, cv=KFold(3), error_score="raise").fit(X, y)
    assert search.best_params_["outliermasker__estimator__limit"] == 5
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_array_equal(again.predict(X), search.predict(X))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("estimator", [None, "forest", StandardScaler(), LocalOutlierFactor()])
def test_something_that_is_no_detector(estimator):
    with refused(
        "estimator must be a scikit-learn outlier detector, with fit and", error=TypeError
    ):
        OutlierMasker(estimator).fit(sequences())


def test_clusters_are_no_outliers():
    for estimator in (KMeans(2), make_pipeline(StandardScaler(), KMeans(2))):
        with refused("such as IsolationForest, found", "KMeans", error=TypeError):
            OutlierMasker(estimator).fit(sequences())
    with refused("without predict; novelty=True gives it", error=TypeError):
        OutlierMasker(LocalOutlierFactor()).fit(sequences())


def test_a_classifier_has_nothing_to_say():
    with refused("estimator must not need y", "RandomForestClassifier()"):
        OutlierMasker(RandomForestClassifier()).fit(sequences())


def test_nothing_to_fit_on():
    holed = [np.array([[1.0, np.nan], [np.nan, 2.0]])]
    with refused("X must hold a time step without NaN to fit on (per_channel=True needs no such)"):
        OutlierMasker(Far()).fit(holed)
    OutlierMasker(Far(), per_channel=True).fit(holed)
    with refused("X must hold a value to fit on, found none"):
        OutlierMasker(Far(), per_channel=True).fit([np.full((3, 2), np.nan)])
    with refused("X must have a channel to judge beside time stamps and categories, found ['x0']"):
        OutlierMasker(Far(), time_feature=0).fit([np.ones((3, 1))])
    with refused(
        "time_feature must name a channel of X, one of ['x0', 'x1', 'x2']", "found 'when'"
    ):
        OutlierMasker(Far(), time_feature="when").fit(sequences())


def test_another_width():
    with refused("X has 2 features, but OutlierMasker is expecting 3"):
        OutlierMasker(Far()).fit(sequences()).transform([np.ones((2, 2))])
