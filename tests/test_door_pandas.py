"""What pandas knows of rows and columns is used, or refused; never silently dropped."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNRegressor, Ragged
from sk_mtrnn.preprocessing import SequenceTransformer, SlidingWindow, concatenate_static

SMALL = {"hidden_layer_sizes": (4,), "max_epochs": 2, "random_state": 0}


@pytest.fixture
def panel():
    """Eight samples that appear in no sorted order, three to five steps each."""
    rng = np.random.default_rng(0)
    samples = [5, 3, 7, 1, 0, 2, 6, 4]
    index = [(sample, t) for sample in samples for t in range(3 + sample % 3)]
    index = pd.MultiIndex.from_tuples(index, names=["id", "t"])
    return pd.DataFrame(rng.normal(size=(len(index), 2)), index=index, columns=["u", "v"])


def test_labels_in_another_order_than_the_samples_are_refused(panel):
    """`groupby` sorts, a panel does not: training on shuffled labels would go unnoticed."""
    y = panel.groupby("id")[["u"]].mean()
    samples = Ragged.from_panel(panel).index
    model = MultiTaskRNNRegressor(**SMALL)
    with pytest.raises(ValueError, match="row 0 X has 5 and y 0"):
        model.fit(panel, y)
    aligned = model.fit(panel, y.loc[samples])
    assert list(aligned.predict(panel).index) == list(samples)
    with pytest.raises(ValueError, match="samples in the order of X"):
        aligned.score(panel, y)
    with pytest.raises(ValueError, match="samples in the order of X"):
        model.partial_fit(Ragged.from_panel(panel), y["u"])
    model.fit(panel, y.loc[samples].reset_index(drop=True))  # no index of samples: by position


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("int64", "Int64"), ("Int64", "int64"), ("int64", "float64"), ("object", "Int64")],
)
def test_an_index_of_another_dtype_is_in_order(panel, ours, theirs):
    """`Index.equals` minds the dtype, as `convert_dtypes` of one of the tables changes it."""
    levels = panel.index.levels[0].astype(ours), panel.index.levels[1]
    panel.index = panel.index.set_levels(levels)
    samples = Ragged.from_panel(panel).index
    y = pd.DataFrame({"u": np.arange(8.0)}, index=samples.astype(theirs))
    MultiTaskRNNRegressor(**SMALL).fit(panel, y)
    assert concatenate_static(panel, y.rename(columns={"u": "w"})).shape[1] == 3
    with pytest.raises(ValueError, match="row 0 X has 5 and y 4"):
        MultiTaskRNNRegressor(**SMALL).fit(panel, y[::-1])
    with pytest.raises(ValueError, match="row 0 X has 5 and static 4"):
        concatenate_static(panel, y[::-1].rename(columns={"u": "w"}))


def test_an_index_with_a_missing_name_is_in_order():
    X = Ragged.from_list([np.ones((2, 1))] * 3, index=pd.Index([1, 2, None], dtype="Int64"))
    y = pd.DataFrame({"u": [1.0, 2.0, 3.0]}, index=pd.Index([1, 2, np.nan]))
    for names in (y.index, y.index.astype("Int64")):
        MultiTaskRNNRegressor(**SMALL).fit(X, y.set_axis(names))


@pytest.mark.parametrize(
    "index",
    [
        pd.MultiIndex.from_product([["a", "b"], [0, 1]]),
        pd.CategoricalIndex(list("abcd"), categories=list("abcde")),
    ],
)
def test_every_kind_of_index_is_compared(index):
    X = pd.Series([np.ones((2, 1))] * 4, index=index, dtype=object)
    y = pd.DataFrame({"u": np.arange(4.0)}, index=index)
    others = [y]
    if isinstance(index, pd.CategoricalIndex):
        others += [y.set_axis(pd.CategoricalIndex(list("abcd"))), y.set_axis(list("abcd"))]
    for other in others:
        MultiTaskRNNRegressor(**SMALL).fit(X, other)
        with pytest.raises(ValueError, match="samples in the order of X"):
            MultiTaskRNNRegressor(**SMALL).fit(X, other[::-1])
    renamed = y.set_axis(pd.CategoricalIndex(list("wxyz")))  # other names: by position
    MultiTaskRNNRegressor(**SMALL).fit(X, renamed)


def test_a_series_of_rows_where_a_table_was_fitted():
    table = np.random.default_rng(0).normal(size=(6, 3))
    model = MultiTaskRNNRegressor(**SMALL).fit(table, np.arange(6.0))
    rows = pd.Series(list(table), dtype=object)
    np.testing.assert_array_equal(model.predict(rows), model.predict(table))
    with pytest.raises(ValueError, match="2-dimensional container"):
        model.fit(pd.Series([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])


def test_dates_in_another_time_zone_are_the_same():
    hours = pd.date_range("2020-01-01", periods=9, freq="h", tz="UTC")
    series = pd.DataFrame({"a": np.arange(9.0)}, index=hours)
    cutter = SlidingWindow(2, 1).fit(series)
    X, y = cutter.windows(series, series["a"])
    X_there, y_there = cutter.windows(series, series["a"].tz_convert("Europe/Berlin"))
    np.testing.assert_array_equal(X.values, X_there.values)
    np.testing.assert_array_equal(y, y_there)


def test_labels_by_row_of_a_panel_say_what_to_do(panel):
    with pytest.raises(ValueError, match=r"Ragged.from_panel\(y\) gives labels per time step"):
        MultiTaskRNNRegressor(**SMALL).fit(panel, panel[["u"]])
    model = MultiTaskRNNRegressor(**SMALL).fit(panel, Ragged.from_panel(panel[["u"]]))
    assert [len(p) for p in model.predict(panel)] == [len(x) for x in Ragged.from_panel(panel)]


def test_nullable_columns_are_numbers_and_others_are_named(panel):
    panel["w"] = pd.array([1, None] * (len(panel) // 2) + [1] * (len(panel) % 2), dtype="Int64")
    values = Ragged.from_panel(panel).values
    assert np.isnan(values[:, 2]).sum() == panel["w"].isna().sum()
    panel["w"] = "x"
    with pytest.raises(ValueError, match="column 'w'"):
        Ragged.from_panel(panel)


def test_lists_of_frames_keep_their_columns(panel):
    frames = [frame.droplevel(0) for _, frame in panel.groupby("id")]
    y = np.arange(8.0)
    model = MultiTaskRNNRegressor(**SMALL).fit(frames, y)
    assert list(model.feature_names_in_) == ["u", "v"]
    swapped = [frame[["v", "u"]] for frame in frames]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(swapped)
    with pytest.raises(ValueError, match=r"same columns in the same order.*in sample 3"):
        model.fit([*frames[:3], *swapped[3:]], y)
    by_name = make_column_transformer((StandardScaler(), ["u"]))
    assert SequenceTransformer(by_name).fit_transform(frames)[0].shape[1] == 1


def test_weights_by_task_are_matched_by_name(panel):
    X = Ragged.from_panel(panel)
    y = pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8.0) ** 2})
    weights = pd.DataFrame({"a": np.arange(1.0, 9.0), "b": 1.0})
    model = MultiTaskRNNRegressor(**SMALL)
    first = model.fit(X, y, sample_weight=weights).predict(X)
    second = model.fit(X, y, sample_weight=weights[["b", "a"]]).predict(X)
    pd.testing.assert_frame_equal(first, second)
    with pytest.raises(ValueError, match=r"columns \['a', 'b'\] as y has, found \['a', 'c'\]"):
        model.fit(X, y, sample_weight=weights.rename(columns={"b": "c"}))


@pytest.mark.parametrize(
    "imputer",
    [
        SimpleImputer(),
        make_pipeline(SimpleImputer(), StandardScaler()),
        make_column_transformer((SimpleImputer(), [0, 1])),
        FunctionTransformer(np.nan_to_num),
    ],
    ids=str,
)
def test_holes_go_to_the_transformer(panel, imputer):
    holes = [x.copy() for x in Ragged.from_panel(panel)]
    for x in holes:
        x[0, 0] = np.nan
    pipeline = make_pipeline(SequenceTransformer(imputer), MultiTaskRNN(**SMALL))
    assert pipeline.fit(holes, ["a", "b"] * 4).predict(holes).shape == (8,)
    with pytest.raises(ValueError, match="NaN"):
        MultiTaskRNN(**SMALL).fit(holes, ["a", "b"] * 4)


def test_missing_methods_say_what_they_need(panel):
    X, y = Ragged.from_panel(panel), np.arange(8) + 0.5
    model = MultiTaskRNN(**SMALL).fit(X, y)
    for method, text in {
        "attention_weights": "needs pooling='attention', found 'last'",
        "predict_proba": "needs a classification task",
    }.items():
        with pytest.raises(AttributeError) as error:
            getattr(model, method)
        assert text in str(error.value.__cause__)


def test_a_long_series_is_not_silently_a_table():
    """Rows of a DataFrame with dates are hardly one series each."""
    log = pd.DataFrame(
        np.random.default_rng(0).normal(size=(20, 3)),
        index=pd.date_range("2024-01-01", periods=20, freq="h"),
    )
    with pytest.warns(UserWarning, match=r"20 univariate series of 3 steps.*SlidingWindow"):
        fitted = MultiTaskRNNRegressor(max_epochs=1, random_state=0).fit(log, np.arange(20.0))
    fitted.predict(log)  # it has been said
    levels = pd.MultiIndex.from_product([range(5), range(2), range(2)], names=list("abc"))
    with pytest.raises(ValueError, match=r"found a DataFrame with the 3 levels \['a', 'b', 'c'\]"):
        MultiTaskRNNRegressor().fit(log.set_index(levels), np.arange(20.0))


def test_names_that_are_new_or_gone_are_listed():
    panel = pd.concat({i: pd.DataFrame(np.eye(3), columns=list("abc")) for i in range(4)})
    fitted = MultiTaskRNNRegressor(max_epochs=1, random_state=0).fit(panel, np.arange(4.0))
    with pytest.raises(ValueError, match=r"X has 2 features.*expecting 3.*Missing: \['b'\]"):
        fitted.predict(panel.drop(columns="b"))
    with pytest.raises(ValueError, match=r"names should match.*Unknown: \['d'\]. Missing: \['a'\]"):
        fitted.predict(panel.rename(columns={"a": "d"}))
    with pytest.raises(ValueError, match=r"names should match.*The order differs"):
        fitted.predict(panel[["c", "b", "a"]])


def test_what_is_no_table_says_what_it_needs():
    long = pd.DataFrame({"stay": ["a", "a", "b"], "hour": [0, 1, 0], "value": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match=r"in column 'stay'.*set_index.*from_events"):
        MultiTaskRNNRegressor().fit(long, np.arange(3.0))
    with pytest.raises(ValueError, match=r"X must hold sequences.*found a dict"):
        MultiTaskRNNRegressor().fit({"a": long}, np.arange(1.0))
    codes = pd.DataFrame(np.arange(12).reshape(4, 3) % 2).astype("category")
    with pytest.raises(
        ValueError, match=r"'from_dtype'.*found a table.*categorical_features=\[0\]"
    ):
        MultiTaskRNNRegressor(categorical_features="from_dtype").fit(codes, np.arange(4.0))
