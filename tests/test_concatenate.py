"""Static descriptors as constant channels: looked up by name, under splits, in every container."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from refusals import refused
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_mtrnn import MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import Concatenate, concatenate_static, from_events

NAMES = pd.Index(["c", "a", "b"])
PARTS = [np.random.default_rng(i).normal(size=(length, 2)) for i, length in enumerate([3, 1, 4])]
STATIC = pd.DataFrame({"age": [50, 60, 70, 80], "height": [1.5, np.nan, 1.7, 1.8]}, list("abcd"))


def boxed(kind):
    keys = [(name, t) for name, part in zip(NAMES, PARTS, strict=True) for t in range(len(part))]
    panel = pd.DataFrame(np.concatenate(PARTS), index=pd.MultiIndex.from_tuples(keys))
    return {
        "ragged": Ragged.from_list(PARTS, ["u", "v"], NAMES),
        "series": pd.Series(PARTS, index=NAMES),
        "panel": panel.set_axis(["u", "v"], axis=1).iloc[::-1],
    }[kind]


def beside(part, name):
    return np.column_stack([part, np.tile(STATIC.loc[name], (len(part), 1))])


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("kind", ["ragged", "series", "panel"])
def test_every_step_gets_the_row_of_its_sample(kind):
    X = boxed(kind)
    out = Concatenate(STATIC).fit_transform(X)
    assert type(out) is type(X)
    if kind == "panel":
        assert out.index.equals(X.index)
        assert list(out.columns) == ["u", "v", "age", "height"]
        for name, part in zip(NAMES, PARTS, strict=True):
            assert_array_equal(out.loc[name].sort_index(), beside(part, name))
        return
    assert list(out.index) == list(NAMES)
    for name, part, found in zip(NAMES, PARTS, out, strict=True):
        assert_array_equal(found, beside(part, name))
    if kind == "ragged":
        assert list(out.feature_names) == ["u", "v", "age", "height"]


def test_by_name_and_by_position_agree():
    X = boxed("ragged")
    expected = Concatenate(STATIC).fit_transform(X)
    out = concatenate_static(X, STATIC.loc[NAMES])
    assert_array_equal(out.values, expected.values)
    assert list(out.feature_names) == list(expected.feature_names)
    for found, same in zip(
        concatenate_static(PARTS, STATIC.loc[NAMES].to_numpy()), expected, strict=True
    ):
        assert_array_equal(found, same)


def test_tables_and_arrays():
    table = np.arange(12.0).reshape(3, 4)
    frame = pd.DataFrame(table, index=NAMES, columns=list("wxyz"))
    model = Concatenate(STATIC[["age"]]).fit(frame)
    out = model.transform(frame)
    assert out.shape == (3, 4, 2)
    assert_array_equal(out[:, :, 0], table)
    assert_array_equal(out[:, :, 1], np.tile([[70], [50], [60]], 4))
    assert list(model.get_feature_names_out()) == ["x0", "age"]
    assert_array_equal(concatenate_static(table, [[70], [50], [60]]), out)
    deep = concatenate_static(out, [[1, 2]] * 3)
    assert deep.shape == (3, 4, 4)
    assert_array_equal(deep[:, :, :2], out)


def test_categories_and_booleans():
    static = pd.DataFrame(
        {
            "ward": pd.Categorical(["east", "west", None], categories=["north", "west", "east"]),
            "male": [True, False, True],
            "weight": pd.array([80, None, 60], dtype="Int64"),
        },
        index=NAMES,
    )
    X = boxed("ragged")
    out = Concatenate(static).fit_transform(X)
    expected = [[2, 1, 80], [1, 0, np.nan], [np.nan, 1, 60]]
    assert_array_equal(out.values[:, 2:], np.repeat(np.array(expected), X.lengths, axis=0))
    assert_array_equal(out.categorical, [False, False, True, False, False])
    coded = Ragged(X.values, X.offsets, X.feature_names, X.index, np.array([False, True]))
    assert_array_equal(
        Concatenate(static).fit_transform(coded).categorical, [False, True, True, False, False]
    )
    assert Concatenate(STATIC).fit_transform(X).categorical is None


def test_categories_beside_a_panel_are_category_columns():
    X = boxed("panel").assign(w=pd.Categorical([2, 5] * 4, categories=[2, 3, 5]))
    static = STATIC.assign(ward=pd.Categorical(["n", "s", None, "n"], categories=["s", "n"]))
    out = Concatenate(static).fit_transform(X)
    pd.testing.assert_series_equal(out["w"], X["w"])
    assert isinstance(out["ward"].dtype, pd.CategoricalDtype)
    samples = out.index.get_level_values(0)
    assert_array_equal(out["ward"].astype(float), samples.map({"a": 1.0, "b": 0.0, "c": np.nan}))
    packed = Ragged.from_panel(out)
    assert packed.categorical.tolist() == [False, False, True, False, False, True]


def test_the_codes_of_a_fold_are_those_of_all():
    static = pd.DataFrame({"ward": pd.Categorical(["x", "y", "z"])}, index=NAMES)
    X = boxed("ragged")
    whole = Concatenate(static).fit_transform(X)
    for sample in range(3):
        fold = Concatenate(static).fit_transform(X[[sample]])
        assert_array_equal(fold.values, whole[sample])


def test_the_dtype_stays():
    X = [part.astype(np.float32) for part in PARTS]
    assert concatenate_static(X, np.ones((3, 1)))[0].dtype == np.float32


def test_the_descriptors_stay_as_they_were():
    before = STATIC.copy()
    model = clone(Concatenate(STATIC))
    pd.testing.assert_frame_equal(model.static, STATIC)
    model.fit(boxed("ragged"))
    pd.testing.assert_frame_equal(STATIC, before)


# ------------------------------------------------------------------ under splits


def last_steps(X):
    return np.stack([sequence[-1] for sequence in X])


def test_shuffled_folds_find_their_rows():
    rng = np.random.default_rng(0)
    names = rng.permutation(200)
    X = Ragged.from_list([rng.normal(size=(3, 1)) for _ in names], index=pd.Index(names))
    static = pd.DataFrame({"z": rng.normal(size=200)}, index=np.arange(200))
    y = static["z"].loc[names].to_numpy()  # nothing but the descriptor tells the label
    model = make_pipeline(FunctionTransformer(last_steps), LinearRegression())
    pipeline = make_pipeline(Concatenate(static), model)
    cv = KFold(3, shuffle=True, random_state=0)
    scores = cross_validate(pipeline, X, y, cv=cv, error_score="raise")["test_score"]
    assert_allclose(scores, 1)
    assert cross_validate(model, X, y, cv=cv)["test_score"].max() < 0.2
    other = static[["z"]].sample(frac=1, random_state=0).set_axis(static.index)
    grid = {"concatenate__static": [other, static]}
    search = GridSearchCV(pipeline, grid, cv=cv, error_score="raise").fit(X, y)
    assert search.best_params_["concatenate__static"] is static


def test_a_network_behind_it():
    X = boxed("ragged")[[0, 1, 2] * 4]
    network = MultiTaskRNNRegressor(hidden_layer_sizes=(2,), max_epochs=1, random_state=0)
    pipeline = make_pipeline(Concatenate(STATIC[["age"]]), network)
    by_name = pipeline.fit(X, np.arange(12.0)).predict(X[::-1])
    static = STATIC[["age"]].loc[X.index]
    direct = clone(network).fit(concatenate_static(X, static), np.arange(12.0))
    assert_array_equal(by_name, direct.predict(concatenate_static(X, static)[::-1]))


def test_events_and_descriptors():
    events = pd.DataFrame({"who": list("aab"), "t": [0, 2, 1], "what": "x", "value": 1.0})
    X = from_events(events, sample="who", time="t", variable="what", value="value")
    out = Concatenate(STATIC).fit_transform(X)
    assert list(out.feature_names) == ["time", "x", "age", "height"]
    assert_array_equal(out.values[:, 2], [50, 50, 60])


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("X", [PARTS, np.ones((3, 2, 2)), np.ones((3, 2)), Ragged.from_list(PARTS)])
def test_samples_without_a_name(X):
    with refused("X must name its samples, by the index of a Ragged, a Series or a DataFrame"):
        Concatenate(STATIC).fit(X)


def test_a_sample_that_is_not_described():
    X = boxed("ragged")
    with refused("static must hold every sample of X, found no 'b' (sample 2)"):
        Concatenate(STATIC.drop("b")).fit(X)
    model = Concatenate(STATIC.drop("b")).fit(X[:2])
    with refused("static must hold every sample of X, found no 'b' (sample 2)"):
        model.transform(X)


def test_descriptors_that_are_none():
    X = boxed("ragged")
    with refused("static must be a DataFrame", "found an ndarray of shape (4, 2)."):
        Concatenate(STATIC.to_numpy()).fit(X)
    with refused("static must hold each sample once, found 'a' twice"):
        Concatenate(STATIC.loc[["a", "b", "a", "c"]]).fit(X)
    with refused("static must hold at least one column, found none"):
        Concatenate(STATIC[[]]).fit(X)
    with refused("static must be finite, found infinity in 'age', row 1"):
        Concatenate(STATIC.assign(age=[0, np.inf, 0, 0])).fit(X)
    for column in (list("wxyz"), pd.date_range("2024", periods=4)):
        with refused("static must hold numbers or columns of dtype 'category', found", "'ward'"):
            Concatenate(STATIC.assign(ward=column)).fit(X)
    with refused("static must have names that X has not, each once, found ['u']"):
        Concatenate(STATIC.assign(u=0)).fit(X)


def test_descriptors_by_position_that_do_not_fit():
    with refused("static must have one row for each of the 3 samples of X, found 4"):
        concatenate_static(PARTS, STATIC)
    with refused("static must have shape (n_samples, n_descriptors), found (3,)"):
        concatenate_static(PARTS, [1, 2, 3])
    for static in ([[1, 2], [3], [4]], [["x"]] * 3):
        with refused("static must be numbers of shape (n_samples, n_descriptors), found [["):
            concatenate_static(PARTS, static)
    with refused("static must have shape (n_samples, n_descriptors), found ()"):
        concatenate_static(PARTS, None)
    with refused("static must hold the samples in the order of X", "row 0 X has c and static a"):
        concatenate_static(boxed("ragged"), STATIC.loc[["a", "b", "c"]])


@pytest.mark.parametrize(
    "X", [PARTS, np.ones((3, 2, 2)), *map(boxed, ["ragged", "panel", "series"])]
)
def test_sequences_in_the_place_of_descriptors(X):
    static = STATIC.loc[NAMES]
    with refused("static must", "found sequences", "first: concatenate_static(X, static)"):
        concatenate_static(static, X)
    if not isinstance(X, pd.DataFrame):
        with refused("static must be a DataFrame", type(X).__name__):
            Concatenate(X).fit(static)
        return
    with refused("static must have one row a sample", "Concatenate(static).fit(sequences)"):
        Concatenate(X).fit(static)


def test_another_width():
    model = Concatenate(STATIC).fit(boxed("ragged"))
    with refused("X has 1 features, but Concatenate is expecting 2"):
        model.transform(Ragged([[1.0]], [0, 1], index=pd.Index(["a"])))
