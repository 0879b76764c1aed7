"""A transformer over time steps: the same numbers as on all rows at once, in the same container."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.utils.estimator_checks import check_estimator

from sk_mtrnn import Ragged
from sk_mtrnn.preprocessing import SequenceTransformer
from sk_mtrnn.sequences import validate_sequences

LENGTHS = [3, 5, 2, 4]


def sequences(n_features=3, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_features)) for length in lengths]


def boxed(parts):
    box = np.empty(len(parts), dtype=object)
    box[:] = parts
    return box


def panel(parts):
    """A (sample, time) frame whose rows are in disorder."""
    keys = [(f"s{i}", t) for i, part in enumerate(parts) for t in range(len(part))]
    index = pd.MultiIndex.from_tuples(keys, names=["sample", "time"])
    names = [f"f{k}" for k in range(parts[0].shape[1])]
    return pd.DataFrame(np.concatenate(parts), index=index, columns=names).sample(
        frac=1, random_state=0
    )


class LastStep(BaseEstimator):
    """A regression on the last step of each sequence."""

    def fit(self, X, y):
        self.model_ = LinearRegression().fit(self._last(X, True), y)
        return self

    def predict(self, X):
        return self.model_.predict(self._last(X, False))

    def score(self, X, y):
        return self.model_.score(self._last(X, False), y)

    def _last(self, X, reset):
        return np.stack([sequence[-1] for sequence in validate_sequences(self, X, reset=reset)])


# ------------------------------------------------------------------ scikit-learn's checks


def test_scikit_learns_checks():
    results = check_estimator(SequenceTransformer(StandardScaler()), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) > 40


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    "transformer", [StandardScaler(), MinMaxScaler(), PCA(2), PolynomialFeatures(2)]
)
def test_rows_are_those_of_all_time_steps_at_once(transformer):
    X = sequences()
    out = SequenceTransformer(transformer).fit_transform(X)
    assert [len(part) for part in out] == LENGTHS
    expected = clone(transformer).fit_transform(np.concatenate(X))
    assert_allclose(np.concatenate(out), expected)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=6), st.integers(1, 3))
def test_ragged_is_padded_then_cut(lengths, n_features):
    X = Ragged.from_list(sequences(n_features, lengths))
    model = SequenceTransformer(StandardScaler()).fit(X)
    padded = model.transform(X.to_padded())
    for part, row, length in zip(model.transform(X), padded, lengths, strict=True):
        assert_allclose(part, row[:length])


def test_permuted_samples_are_permuted_outputs():
    X, order = Ragged.from_list(sequences()), [2, 0, 3, 1]
    model = SequenceTransformer(PCA(2)).fit(X)
    assert_allclose(model.transform(X[order]).values, model.transform(X)[order].values)


# ------------------------------------------------------------------ containers


@pytest.mark.parametrize("transformer", [StandardScaler(), PCA(2)])
@pytest.mark.parametrize("kind", ["list", "tuple", "object", "series", "ragged", "panel", "3d"])
def test_every_container_comes_back(kind, transformer):
    parts = sequences(lengths=[4] * 4 if kind == "3d" else LENGTHS)
    flat = np.concatenate(parts)
    expected = clone(transformer).fit(flat)
    names = [f"f{k}" for k in range(3)]
    X = {
        "list": list,
        "tuple": tuple,
        "object": boxed,
        "series": lambda parts: pd.Series(parts, index=list("abcd"), name="x"),
        "ragged": lambda parts: Ragged.from_list(parts, names, index=pd.Index(list("abcd"))),
        "panel": panel,
        "3d": np.stack,
    }[kind](parts)
    model = SequenceTransformer(transformer).fit(X)
    out = model.transform(X)
    assert type(out) is (list if kind == "tuple" else type(X))
    if kind == "panel":
        assert out.index.equals(X.index)
        assert_allclose(out, expected.transform(X.to_numpy()))
    elif kind == "ragged":
        assert_allclose(out.values, expected.transform(flat))
    else:
        assert_allclose(np.concatenate(list(out)), expected.transform(flat))
    if kind in ("panel", "ragged"):
        named = out.columns if kind == "panel" else out.feature_names
        assert list(named) == list(expected.get_feature_names_out(names))
    if kind == "object":
        assert out.shape == (4,)
    if kind in ("series", "ragged"):
        assert list(out.index) == list("abcd")
    back = model.inverse_transform(out)
    assert type(back) is type(out)
    if transformer.__class__ is StandardScaler:
        for one, other in zip(
            back.to_numpy() if kind == "panel" else back,
            X.to_numpy() if kind == "panel" else X,
            strict=True,
        ):
            assert_allclose(one, other)


@pytest.mark.parametrize("kind", [list, boxed, pd.Series])
def test_sequences_that_happen_to_be_of_one_length(kind):
    X = kind(sequences(lengths=[4, 4, 4]))
    out = SequenceTransformer(StandardScaler()).fit_transform(X)
    assert type(out) is type(X)
    assert [part.shape for part in out] == [(4, 3)] * 3


def test_flat_sequences_stay_flat():
    X = [part[:, 0] for part in sequences()]
    out = SequenceTransformer(StandardScaler()).fit_transform(X)
    assert [part.shape for part in out] == [(length,) for length in LENGTHS]
    wide = SequenceTransformer(PolynomialFeatures(2)).fit_transform(X)
    assert [part.shape for part in wide] == [(length, 3) for length in LENGTHS]
    lists = SequenceTransformer(StandardScaler()).fit_transform([list(part) for part in X])
    for part, same in zip(lists, out, strict=True):
        assert_allclose(part, same)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    X = np.stack(sequences(lengths=[4, 4])).astype(dtype)
    assert SequenceTransformer(StandardScaler()).fit_transform(X).dtype == dtype


def test_a_table_is_one_feature_over_time():
    table = np.random.default_rng(0).normal(size=(6, 4))
    model = SequenceTransformer(StandardScaler())
    expected = (table - table.mean()) / table.std()
    assert_allclose(model.fit_transform(table), expected)
    assert_allclose(model.inverse_transform(expected), table)
    frame = pd.DataFrame(table, index=list("abcdef"), columns=["t0", "t1", "t2", "t3"])
    out = model.fit_transform(frame)
    pd.testing.assert_frame_equal(out, (frame - table.mean()) / table.std())
    pd.testing.assert_frame_equal(model.inverse_transform(out), frame)
    assert list(model.get_feature_names_out()) == list(frame.columns)


def test_a_table_gains_an_axis_with_more_features():
    table = np.random.default_rng(0).normal(size=(6, 4))
    model = SequenceTransformer(PolynomialFeatures(2, include_bias=False)).fit(table)
    out = model.transform(table)
    assert_allclose(out, np.stack([table, table**2], axis=2))
    assert list(model.get_feature_names_out()) == ["x0", "x0^2"]
    assert not hasattr(model, "inverse_transform")
    doubled = FunctionTransformer(
        lambda X: np.hstack([X, X]), lambda X: X[:, :1], feature_names_out=None
    )
    model = SequenceTransformer(doubled).fit(table)
    assert_allclose(model.inverse_transform(model.transform(table)), table)
    assert list(model.get_feature_names_out()) == ["functiontransformer0", "functiontransformer1"]


def test_a_table_at_transform_after_sequences_at_fit():
    X = [part[:, 0] for part in sequences(lengths=[4, 4, 4])]
    model = SequenceTransformer(StandardScaler()).fit(X)
    out = model.transform(np.stack(X))
    assert out.shape == (3, 4)
    assert_allclose(out, np.stack(model.transform(X)))


# ------------------------------------------------------------------ names, NaN, sparse output


def test_columns_are_picked_by_name():
    frame = panel(sequences())
    model = SequenceTransformer(
        ColumnTransformer([("scaled", StandardScaler(), ["f2"])], remainder="drop")
    )
    out = model.fit_transform(frame)
    assert list(out.columns) == ["scaled__f2"]
    assert_allclose(out["scaled__f2"], (frame["f2"] - frame["f2"].mean()) / frame["f2"].std(ddof=0))


def test_missing_values_pass_where_the_transformer_allows_them():
    X = np.stack(sequences(lengths=[4, 4]))
    X[0, 1, 2] = np.nan
    assert np.isnan(SequenceTransformer(StandardScaler()).fit_transform(X)).sum() == 1
    filled = SequenceTransformer(SimpleImputer()).fit_transform(X)
    assert_allclose(filled[0, 1, 2], np.nanmean(X[:, :, 2]))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        SequenceTransformer(PCA(2)).fit(X)
    X[0, 1, 2] = np.inf
    with pytest.raises(ValueError, match="contains infinity: sample 0, time step 1, feature 2"):
        SequenceTransformer(StandardScaler()).fit(X)


def test_sparse_output_becomes_dense():
    X = [np.array([[0.0], [1.0]]), np.array([[2.0]])]
    out = SequenceTransformer(OneHotEncoder()).fit_transform(X)
    assert_array_equal(np.concatenate(out), np.eye(3))


# ------------------------------------------------------------------ codes of categories


def coded(named=True):
    """A Ragged with codes in the first and third of its four channels."""
    parts = sequences(4)
    rng = np.random.default_rng(1)
    for part in parts:
        part[:, [0, 2]] = rng.integers(0, 9, size=(len(part), 2))
    names = ["word", "pitch", "shape", "pace"] if named else None
    X = Ragged.from_list(parts, names, pd.Index(list("abcd")))
    return X.with_values(X.values, names, [True, False, True, False])


@pytest.mark.parametrize("transformer", [StandardScaler(), PCA(1), PolynomialFeatures(2)])
def test_codes_go_by_behind_what_the_transformer_gives(transformer):
    X = coded()
    model = SequenceTransformer(transformer).fit(X)
    out = model.transform(X)
    numbers = pd.DataFrame(X.values[:, [1, 3]], columns=["pitch", "pace"])
    expected = clone(transformer).fit(numbers)
    n = expected.transform(numbers).shape[1]
    assert_allclose(out.values[:, :n], expected.transform(numbers))
    assert_array_equal(out.values[:, n:], X.values[:, [0, 2]])
    assert out.categorical.tolist() == [False] * n + [True, True]
    names = [*expected.get_feature_names_out(), "word", "shape"]
    assert list(out.feature_names) == names == list(model.get_feature_names_out())
    assert list(out.index) == list("abcd")


def test_columns_of_categories_stay_such_in_a_panel():
    X = coded()
    index = pd.MultiIndex.from_tuples(
        [(i, t) for i, part in enumerate(X) for t in range(len(part))]
    )
    frame = pd.DataFrame(X.values, index=index, columns=list(X.feature_names))
    marked = frame.astype({"word": "category", "shape": "category"}).sample(frac=1, random_state=0)
    model = SequenceTransformer(StandardScaler()).fit(marked)
    out = model.transform(marked)
    assert list(out.columns) == ["pitch", "pace", "word", "shape"]
    assert out.index.equals(marked.index)
    pd.testing.assert_frame_equal(out[["word", "shape"]], marked[["word", "shape"]])
    assert_allclose(out[["pitch", "pace"]].mean(), 0, atol=1e-12)
    back = model.inverse_transform(out)
    assert list(back.columns) == list(marked.columns)
    assert_allclose(back.astype(float), marked.astype(float))
    encoder = ColumnTransformer([("one", OneHotEncoder(), ["word"])])  # sees what is not marked
    plain = SequenceTransformer(encoder).fit_transform(frame)
    assert_array_equal(plain.sum(axis=1), 1)


def test_codes_come_back_to_their_places():
    X = coded()
    model = SequenceTransformer(StandardScaler()).fit(X)
    out = model.transform(X)
    back = model.inverse_transform(out)
    assert_allclose(back.values, X.values)
    assert_array_equal(back.categorical, X.categorical)
    assert list(back.feature_names) == list(X.feature_names)
    with pytest.raises(ValueError, match="X has 2 features, but SequenceTransformer is expecting"):
        model.inverse_transform([part[:, :2] for part in out])


def test_codes_are_those_that_fit_saw():
    X = coded(named=False)
    model = SequenceTransformer(StandardScaler()).fit(X)
    assert list(model.get_feature_names_out()) == ["x1", "x3", "x0", "x2"]
    out = model.transform(X)
    for other in (X.with_values(X.values), list(X)):
        again = model.transform(other)
        assert_array_equal(np.concatenate(list(again)), out.values)
    assert model.transform(X.with_values(X.values)).categorical.tolist() == [False] * 2 + [True] * 2
    unmarked = model.fit(list(X)).transform(X)
    assert unmarked.categorical is None
    assert list(model.get_feature_names_out()) == ["x0", "x1", "x2", "x3"]


def test_a_hole_among_codes_stays_one():
    X = coded()
    X.values[2, 0] = np.nan
    out = SequenceTransformer(PCA(1)).fit_transform(X)  # which refuses NaN
    assert_array_equal(out.values[:, 1], X.values[:, 0])


def test_codes_alone_are_nothing_to_transform():
    X = coded()[:3]
    codes = X.with_values(X.values[:, [0, 2]], ["word", "shape"], [True, True])
    with pytest.raises(ValueError, match="channel of numbers to transform, found that all 2 are"):
        SequenceTransformer(StandardScaler()).fit(codes)


# ------------------------------------------------------------------ in pipelines


@pytest.mark.parametrize("kind", ["2d", "3d", "list", "ragged"])
def test_in_a_pipeline(kind):
    parts = sequences(1 if kind == "2d" else 6, [5] * 12 if kind in ("2d", "3d") else LENGTHS * 3)
    X = {"2d": lambda p: np.stack(p)[:, :, 0], "3d": np.stack, "list": list}.get(
        kind, Ragged.from_list
    )(parts)
    y = np.array([part[-1, 0] for part in parts])
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), LastStep()).fit(X, y)
    assert_allclose(pipeline.predict(X), y, atol=1e-12)
    assert_allclose(pipeline.predict(X[:2]), y[:2], atol=1e-12)
    if kind != "2d":
        pipeline = make_pipeline(SequenceTransformer(PCA(5)), LastStep()).fit(X, y)
        assert pipeline[0].transform(X)[0].shape == (len(parts[0]), 5)


def test_nested_parameters_are_searched():
    X = Ragged.from_list(sequences(6, LENGTHS * 5))
    y = np.array([part[-1].sum() for part in X])
    pipeline = make_pipeline(SequenceTransformer(PCA()), LastStep())
    grid = {"sequencetransformer__transformer__n_components": [1, 6]}
    search = GridSearchCV(pipeline, grid, cv=KFold(4)).fit(X, y)
    assert list(search.best_params_.values()) == [6]


def test_set_output_leaves_the_container_alone():
    X = sequences()
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()))
    expected = pipeline.fit_transform(X)
    for out in (
        pipeline.set_output(transform="pandas").fit_transform(X),
        make_pipeline(
            SequenceTransformer(StandardScaler().set_output(transform="pandas"))
        ).fit_transform(X),
    ):
        assert_allclose(np.concatenate(out), np.concatenate(expected))
    with sklearn.config_context(transform_output="pandas"):
        out = clone(pipeline).fit_transform(np.stack(sequences(lengths=[4, 4])))
    assert out.shape == (2, 4, 3)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("transformer", [3, "scale", None, LinearRegression()])
def test_something_that_is_no_transformer(transformer):
    with pytest.raises(TypeError, match="transformer must be a scikit-learn transformer, with fit"):
        SequenceTransformer(transformer).fit(sequences())


def test_a_transformer_that_needs_labels():
    message = r"transformer must not need y, .* found LinearDiscriminantAnalysis\(\)"
    with pytest.raises(ValueError, match=message):
        SequenceTransformer(LinearDiscriminantAnalysis()).fit(sequences(), [0, 1, 0, 1])


def test_a_transformer_that_drops_rows():
    halve = FunctionTransformer(lambda X: X[::2])
    message = r"one row for each time step: FunctionTransformer.transform gave shape \(2, 3\) for 3"
    with pytest.raises(ValueError, match=message):
        SequenceTransformer(halve).fit(sequences())
    flatten = FunctionTransformer(lambda X: X[:, 0])
    with pytest.raises(ValueError, match=r"FunctionTransformer.transform gave shape \(3,\) for 3"):
        SequenceTransformer(flatten).fit(sequences())


def test_another_width():
    model = SequenceTransformer(PCA(2)).fit(sequences())
    with pytest.raises(
        ValueError, match="X has 4 features, but SequenceTransformer is expecting 3"
    ):
        model.transform(sequences(4))
    with pytest.raises(
        ValueError, match="X has 3 features, but SequenceTransformer is expecting 2"
    ):
        model.inverse_transform(sequences(3))
    named = SequenceTransformer(StandardScaler()).fit(panel(sequences()))
    with pytest.raises(
        ValueError, match="feature names should match those that were passed during"
    ):
        named.transform(panel(sequences()).add_prefix("g"))


def test_sparse_input():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        SequenceTransformer(StandardScaler()).fit(sparse.csr_array(np.eye(3)))
