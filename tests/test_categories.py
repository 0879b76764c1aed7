"""Symbols in X: categories, their embeddings, and what training lacked."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from sklearn.model_selection import GridSearchCV

from sk_mtrnn import (
    ClassificationTask,
    MultiTaskRNN,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn.inputs import InputLayer, InputSpec, TableSpec


@pytest.fixture
def words():
    """Sequences of one number and the code of one of 6 words; the label counts word 2."""
    rng = np.random.default_rng(0)
    X = [
        np.column_stack([rng.normal(size=n), rng.integers(0, 6, size=n)])
        for n in rng.integers(3, 10, size=120)
    ]
    return X, np.array([(x[:, 1] == 2).sum() for x in X], dtype=float)


def model(**params):
    return MultiTaskRNNRegressor(
        **{"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, **params}
    )


def panel(X, symbols=None):
    """The same sequences as a DataFrame, words as symbols."""
    frame = pd.concat({i: pd.DataFrame(x, columns=["value", "word"]) for i, x in enumerate(X)})
    if symbols is not None:
        frame["word"] = np.array(symbols, dtype=object)[frame["word"].astype(int)]
    return frame


def test_indices_names_and_masks_mean_the_same(words):
    X, y = words
    reference = model(categorical_features=[1]).fit(X, y).predict(X)
    for given in ([-1], [False, True], np.array([False, True])):
        np.testing.assert_array_equal(
            model(categorical_features=given).fit(X, y).predict(X), reference
        )
    frame = panel(X)
    np.testing.assert_array_equal(
        model(categorical_features=["word"]).fit(frame, y).predict(frame), reference
    )
    marked = Ragged.from_list(X)
    marked = Ragged(marked.values, marked.offsets, categorical=[False, True])
    for given in (None, "from_dtype"):
        fitted = model(categorical_features=given).fit(marked, y)
        np.testing.assert_array_equal(fitted.predict(marked), reference)


def test_symbols_are_codes_in_their_order(words):
    X, y = words
    frame = panel(X, symbols=list("abcdef"))
    reference = model(categorical_features=[1]).fit(X, y).predict(X)
    for given, X_given in (
        (["word"], frame),
        (["word"], frame.astype({"word": "category"})),
        ("from_dtype", frame.astype({"word": "category"})),
        (["word"], frame.astype({"word": "string"})),
        (["word"], [part.droplevel(0) for _, part in frame.groupby(level=0)]),
    ):
        fitted = model(categorical_features=given).fit(X_given, y)
        np.testing.assert_array_equal(fitted.predict(X_given), reference)
        assert fitted.categories_["word"].tolist() == list("abcdef")
        assert fitted.feature_names_in_.tolist() == ["value", "word"]


def test_a_symbol_means_the_same_whatever_else_is_there(words):
    """At predict the categories of fit count, not those of the new frame."""
    X, y = words
    frame = panel(X, symbols=list("abcdef")).astype({"word": "category"})
    fitted = model(categorical_features="from_dtype").fit(frame, y)
    part = frame.loc[frame["word"].isin(["c", "e"])]
    part = part.assign(word=part["word"].astype(object).astype("category"))
    codes = [x[np.isin(x[:, 1], [2, 4])] for x in X]
    by_code = model(categorical_features=[1]).fit(X, y)
    np.testing.assert_array_equal(
        fitted.predict(part), by_code.predict([x for x in codes if len(x)])
    )


def test_names_of_categories_change_nothing(words):
    X, y = words
    renamed = [np.column_stack([x[:, 0], 10 * x[:, 1] + 3]) for x in X]
    one = model(categorical_features=[1]).fit(X, y)
    two = model(categorical_features=[1]).fit(renamed, y)
    np.testing.assert_array_equal(one.predict(X), two.predict(renamed))
    assert two.categories_[1].tolist() == [3, 13, 23, 33, 43, 53]


def test_what_training_lacked_is_one_entry(words):
    X, y = words
    fitted = model(categorical_features=[1]).fit(X, y)

    def with_word(code):
        return [np.column_stack([x[:, 0], np.full(len(x), code)]) for x in X]

    reference = fitted.predict(with_word(6.0))
    np.testing.assert_array_equal(fitted.predict(with_word(1e9)), reference)
    assert not np.allclose(fitted.predict(with_word(2.0)), reference)


def test_a_hole_in_a_categorical_channel_is_unknown(words):
    X, y = words
    with refused("NaN", "feature 1"):
        model(categorical_features=[1]).fit([np.where(x == 5, np.nan, x) for x in X], y)
    fitted = model(categorical_features=[1], missing="mask").fit(X, y)
    hole = [np.column_stack([x[:, 0], np.full(len(x), np.nan)]) for x in X]
    unknown = [np.column_stack([x[:, 0], np.full(len(x), 99.0)]) for x in X]
    np.testing.assert_array_equal(fitted.predict(hole), fitted.predict(unknown))
    frame = panel(X, symbols=["a", "b", None, "d", "e", "f"])
    fitted = model(categorical_features=["word"], missing="forward").fit(frame, y)
    assert fitted.categories_["word"].tolist() == list("abdef")


def test_embeddings_are_read_off(words):
    X, y = words
    fitted = model(categorical_features=[1], embedding_dim=4).fit(X, y)
    assert list(fitted.embeddings_) == [1]
    assert fitted.embeddings_[1].shape == (7, 4)
    assert fitted.categories_[1].tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(fitted.embeddings_[1][-1], 0)  # nothing was unknown in training
    fitted.embeddings_[1][:] = 0  # a copy
    assert fitted.embeddings_[1].any()
    with pytest.raises(AttributeError, match="embeddings_ is there only if"):
        _ = model().fit(X, y).embeddings_


@pytest.mark.parametrize(("n", "dim"), [(1, 1), (2, 1), (10, 5), (100, 19), (12000, 63)])
def test_auto_width(n, dim):
    X = [np.arange(n).reshape(-1, 1)] * 2
    fitted = model(categorical_features=[0], max_epochs=1).fit(X, [0.0, 1.0])
    assert fitted.embeddings_[0].shape == (n + 1, dim)


def test_embeddings_start_from_an_array(words):
    X, y = words
    start = np.random.default_rng(3).normal(size=(9, 3))
    fitted = model(categorical_features=[1], embedding_dim={1: start}, learning_rate=1e-12).fit(
        X, y
    )
    np.testing.assert_allclose(fitted.embeddings_[1][:-1], start, rtol=1e-5)
    assert fitted.categories_[1].tolist() == list(range(9))
    # a row that training lacked is known by its vector
    seven = [np.column_stack([x[:, 0], np.full(len(x), 7)]) for x in X]
    unknown = [np.column_stack([x[:, 0], np.full(len(x), 9)]) for x in X]
    assert not np.allclose(fitted.predict(seven), fitted.predict(unknown))
    frame = panel(X)
    named = model(
        categorical_features=["word"], embedding_dim={"word": start}, learning_rate=1e-12
    ).fit(frame, y)
    np.testing.assert_array_equal(named.embeddings_["word"], fitted.embeddings_[1])


def test_widths_by_channel(words):
    X, y = words
    three = [np.column_stack([x, x[:, 1] // 2]) for x in X]
    fitted = model(categorical_features=[1, 2], embedding_dim={1: 5}).fit(three, y)
    assert {c: e.shape for c, e in fitted.embeddings_.items()} == {1: (7, 5), 2: (4, 2)}
    assert fitted.net_.module_.input_layers[0].spec.width == 1 + 5 + 2


@pytest.mark.parametrize(
    ("embedding_dim", "parts"),
    [
        ({1: np.zeros((5, 3))}, ("embedding_dim of channel 1", "n_codes >= 6", "(5, 3)")),
        ({1: np.zeros(6)}, ("embedding_dim of channel 1", "shape (6,)")),
        ({1: np.full((6, 2), np.nan)}, ("embedding_dim of channel 1", "finite")),
        ({1: np.ones((6, 2)) * 1j}, ("embedding_dim of channel 1", "array of numbers", "complex")),
        ({1: [["a"] * 2] * 6}, ("embedding_dim of channel 1", "array of numbers")),
        (
            {1: pd.DataFrame(np.zeros((6, 2)), index=[*"badcef"])},
            ("embedding_dim of channel 1", "row i is that of code i", "labels of its own"),
        ),
        ({0: 3}, ("embedding_dim must name categorical channels", "found 0")),
        ({"word": 3}, ("embedding_dim", "found 'word'")),
        ({1: 0}, ("embedding_dim of channel 1", "positive integer")),
        ({1: "wide"}, ("embedding_dim of channel 1", "found 'wide'")),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(embedding_dim, parts, words):
    X, y = words
    with refused(*parts):
        model(categorical_features=[1], embedding_dim=embedding_dim).fit(X, y)


@pytest.mark.parametrize(
    ("value", "kind"), [(-1.0, "negative -1.0"), (2.5, "fractional 2.5"), (1e20, "huge 1e+20")]
)
def test_values_that_are_no_codes_are_refused(value, kind, words):
    X, y = words
    fitted = model(categorical_features=[1]).fit(X, y)
    X[7][2, 1] = value
    for call in (lambda: fitted.predict(X), lambda: model(categorical_features=[1]).fit(X, y)):
        with refused("categorical channel 1", kind, "sample 7 at time step 2"):
            call()


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ([2], ("categorical_features", "found 2")),
        (["word"], ("categorical_features", "found 'word'")),
        ([True], ("categorical_features", "2 booleans", "found 1")),
        ([1, -1], ("categorical_features", "twice")),
        ([1.5], ("categorical_features", "found 1.5")),
        ("word", ("categorical_features",)),
    ],
)
def test_unknown_channels_are_refused(given, parts, words):
    X, y = words
    with refused(*parts):
        model(categorical_features=given).fit(X, y)


def test_an_unknown_column_of_a_frame_is_refused(words):
    X, y = words
    with refused("categorical_features", "['value', 'word']", "found 'token'"):
        model(categorical_features=["token"]).fit(panel(X), y)


def test_a_name_that_stands_twice_names_nothing(words):
    X, y = words
    frame = panel(X).set_axis(["a", "a"], axis=1)
    for params in ({"categorical_features": ["a"]}, {"time_feature": "a", "missing": "mask"}):
        with refused(f"{next(iter(params))} must name one channel", "'a'", "2 channels"):
            model(**params).fit(frame, y)


def test_one_sample_is_as_good_as_many(words):
    X, y = words
    frames = [frame.droplevel(0) for _, frame in panel(X, symbols=list("abcdef")).groupby(level=0)]
    fitted = model(categorical_features=["word"]).fit(frames, y)
    expected = fitted.predict(frames)[:1]
    for one in (frames[:1], tuple(frames[:1]), pd.Series(frames[:1], index=["stay"])):
        np.testing.assert_allclose(fitted.predict(one), expected, rtol=1e-6)  # other kernels
    assert model(categorical_features=["word"]).fit(frames[:1], y[:1]).categories_


def test_frames_of_other_columns_are_refused(words):
    X, y = words
    frames = [frame.droplevel(0) for _, frame in panel(X, symbols=list("abcdef")).groupby(level=0)]
    frames[3] = frames[3][["word", "value"]]
    with refused("same columns in the same order", "['word', 'value'] in sample 3"):
        model(categorical_features=["word"]).fit(frames, y)


def test_symbols_in_arrays_are_refused_with_the_way_out():
    X = [np.array([["a"], ["b"]], dtype=object)] * 4
    with refused("sample 0", "'a'", "columns of DataFrames that categorical_features names"):
        model(categorical_features=[0]).fit(X, [0.5, 1.5] * 2)
    with refused("TokenEncoder"):
        model().fit([["a", "b"], ["c"]], [0.5, 1.5])


def test_a_channel_is_time_or_category(words):
    X, y = words
    with refused("time_feature must not be one of categorical_features"):
        model(categorical_features=[1], time_feature=1).fit(X, y)


def test_unknown_rates():
    rates = np.array([0.5, 0.1, 0.0])
    layer = InputLayer(InputSpec(1, (TableSpec(2, 3, None, rates),)), dropout=0.0)
    layer.generator = torch.Generator().manual_seed(0)
    steps = torch.tensor([[7.0, 0.0], [7.0, 1.0]]).repeat(20_000, 1)
    read = layer(steps)
    assert (read[:, 0] == 7).all()
    unknown = (read[:, 1:] == layer.embeddings[0][2]).all(dim=1).double()
    assert unknown[0::2].mean() == pytest.approx(0.5, abs=0.02)
    assert unknown[1::2].mean() == pytest.approx(0.1, abs=0.02)
    layer.eval()
    assert (layer(steps)[:, 1:] == layer.embeddings[0][:2].repeat(20_000, 1)).all()


def test_frequency_is_one_over_one_more_than_the_count(words):
    X, y = words
    fitted = model(categorical_features=[1], unknown_rate="frequency").fit(X, y)
    counts = np.bincount(np.concatenate(X)[:, 1].astype(int))
    (table,) = fitted.net_.module_.input_layers[0].spec.tables
    np.testing.assert_allclose(table.unknown_rates, [*(1 / (1 + counts)), 0])
    assert fitted.embeddings_[1][-1].any()  # it was learned


def test_input_dropout_acts_on_the_input_while_training(words):
    X, y = words
    plain = model(categorical_features=[1]).fit(X, y)
    dropped = model(categorical_features=[1], input_dropout=0.5).fit(X, y)
    assert not np.allclose(plain.predict(X), dropped.predict(X))
    np.testing.assert_array_equal(dropped.predict(X), dropped.predict(X))
    layer = dropped.net_.module_.input_layers[0]
    layer.train()
    read = layer(torch.ones(1000, 2)).detach()
    assert (read == 0).double().mean().item() == pytest.approx(0.5, abs=0.05)
    whole = layer.eval()(torch.ones(1000, 2)).detach()
    assert ((read == 0) | torch.isclose(read, 2 * whole)).all()


def test_input_dropout_may_change_between_chunks(words):
    X, y = words
    fitted = model(categorical_features=[1], dropout=0.3, input_dropout=0.5).partial_fit(X, y)
    fitted.set_params(dropout=0.1, input_dropout=0.2).partial_fit(X, y)
    assert fitted.net_.module_.input_layers[0].dropout.p == 0.2
    assert fitted.net_.module_.dropout.p == 0.1


def test_a_task_may_have_categories_of_its_own(words):
    X, y = words
    Y = pd.DataFrame({"count": y, "sum": [x[:, 0].sum() for x in X]})
    tasks = {"count": RegressionTask(features=[1]), "sum": RegressionTask(features=[0])}
    fitted = MultiTaskRNN(tasks=tasks, categorical_features=[1], max_epochs=20, random_state=0).fit(
        X, Y
    )
    other = [np.column_stack([x[:, 0], (x[:, 1] + 1) % 6]) for x in X]
    assert (fitted.predict(other)["sum"] == fitted.predict(X)["sum"]).all()
    assert (fitted.predict(other)["count"] != fitted.predict(X)["count"]).any()
    assert fitted.score(X, Y) > 0.8


def test_categories_alone_are_enough(words):
    X, y = words
    codes = [x[:, 1] for x in X]
    fitted = model(categorical_features=[0], max_epochs=60).fit(codes, y)
    assert fitted.score(codes, y) > 0.9
    table = np.random.default_rng(0).integers(0, 4, size=(60, 5))
    counts = (table == 1).sum(1).astype(float)
    fitted = model(categorical_features=[0], max_epochs=60).fit(table, counts)
    assert fitted.score(table, counts) > 0.9


def test_codes_are_categories_rather_than_numbers(words):
    """Whether a word is word 2 is no monotone function of its code."""
    X, _ = words
    Y = pd.DataFrame({"two": [(x[:, 1] == 2).astype(int) for x in X]})
    options = {"hidden_layer_sizes": (4,), "max_epochs": 25, "random_state": 0}
    as_category = MultiTaskRNN(categorical_features=[1], **options).fit(X, Y).score(X, Y)
    assert as_category > 0.98
    assert MultiTaskRNN(**options).fit(X, Y).score(X, Y) < as_category


def test_it_can_be_pickled_and_searched(words):
    X, y = words
    fitted = model(categorical_features=[1], unknown_rate=0.1).fit(X, y)
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))
    grid = {"embedding_dim": [2, {1: 3}], "unknown_rate": [0.1, "frequency"]}
    search = GridSearchCV(model(categorical_features=[1], max_epochs=1), grid, cv=2)
    search.fit(Ragged.from_list(X), y)
    assert len(search.cv_results_["params"]) == 4


def test_streams_need_plain_channels(words):
    X, y = words
    fitted = model(categorical_features=[1]).fit(X, y)
    with pytest.raises(AttributeError) as refusal:
        fitted.stream()
    assert "stream needs missing='error'" in str(refusal.value.__cause__)
    marked = Ragged.from_list(X)
    marked = Ragged(marked.values, marked.offsets, categorical=[False, True])
    assert not hasattr(model().fit(marked, y), "stream")


def test_linked_steps_and_words_go_together(words):
    X, _ = words
    Y = pd.DataFrame({"slots": [np.where(x[:, 1] > 3, "B", "O").astype(object) for x in X]})
    fitted = MultiTaskRNN(
        tasks=ClassificationTask(transitions="learned"),
        categorical_features=[1],
        max_epochs=15,
        random_state=0,
    ).fit(X, Y)
    assert fitted.score(X, Y) > 0.95


def test_symbols_keep_their_place_whatever_training_holds(words):
    """Category i of a dtype is code i, so that an array of vectors fits every part of the data."""
    X, y = words
    frame = panel(X, symbols=list("abcdef"))
    frame["word"] = pd.Categorical(frame["word"], categories=list("abcdef"))
    part = frame[~frame["word"].isin(["b"])]
    start = np.random.default_rng(0).normal(size=(6, 2))
    rows = part.index.get_level_values(0).unique()
    options = {"categorical_features": "from_dtype", "embedding_dim": {"word": start}}
    fitted = model(**options, learning_rate=1e-12).fit(part, y[rows])
    np.testing.assert_allclose(fitted.embeddings_["word"][:-1], start, rtol=1e-5)
    assert fitted.categories_["word"].tolist() == list("abcdef")
    with refused("embedding_dim of channel 'word'", "each of its 6 symbols", "found 7 rows"):
        model(**{**options, "embedding_dim": {"word": np.zeros((7, 2))}}).fit(part, y[rows])


def test_what_was_categorical_stays_so(words):
    """At predict the columns of fit count, whatever their dtype is now."""
    X, y = words
    frame = panel(X)
    frame["word"] = 10 * frame["word"].astype(int)
    marked = frame.astype({"word": "category"})
    for given in ("from_dtype", None):
        fitted = model(categorical_features=given).fit(marked, y)
        np.testing.assert_array_equal(fitted.predict(frame), fitted.predict(marked))
        assert fitted.categories_["word"].tolist() == [0, 10, 20, 30, 40, 50]
    frames = [part.droplevel(0) for _, part in frame.groupby(level=0)]
    mixed = [frames[0], *(part.astype({"word": "category"}) for part in frames[1:])]
    listed = model(categorical_features="from_dtype").fit(mixed, y)
    np.testing.assert_array_equal(listed.predict(frames), fitted.predict(frame))
    text = panel(X, symbols=list("abcdef"))
    named = model(categorical_features="from_dtype").fit(text.astype({"word": "category"}), y)
    np.testing.assert_array_equal(
        named.predict(text), named.predict(text.astype({"word": "category"}))
    )


def test_frames_of_nullable_dtypes(words):
    X, y = words
    frames = [pd.DataFrame(x, columns=["value", "word"]).convert_dtypes() for x in X]
    frames[0].loc[0, "value"] = pd.NA
    options = {"missing": "mask", "categorical_features": ["word"]}
    fitted = model(**options).fit(frames, y)
    holes = [x.copy() for x in X]
    holes[0][0, 0] = np.nan
    arrays = model(missing="mask", categorical_features=[1]).fit(holes, y)
    np.testing.assert_array_equal(fitted.predict(frames), arrays.predict(holes))


def test_tasks_that_share_nothing_share_no_embeddings(words):
    X, y = words
    rng = np.random.default_rng(0)
    options = {"sharing": "none", "categorical_features": [1], "max_grad_norm": None}
    one = np.column_stack([y, rng.normal(size=len(y))])
    two = np.column_stack([y, rng.normal(size=len(y))])
    first, second = model(**options).fit(X, one), model(**options).fit(X, two)
    np.testing.assert_array_equal(first.predict(X)[:, 0], second.predict(X)[:, 0])
    assert first.embeddings_[1].shape == (2, 7, 3)
    assert (first.embeddings_[1][0] != first.embeddings_[1][1]).any()
    alone = model(categorical_features=[1], max_grad_norm=None).fit(X, y)
    np.testing.assert_allclose(alone.predict(X), first.predict(X)[:, 0], rtol=1e-5)


def test_embeddings_are_shared_parameters(words):
    X, y = words
    Y = np.column_stack([y, -y])
    fitted = model(categorical_features=[1]).fit(X, Y)
    module = fitted.net_.module_
    assert any(p is module.input_layers[0].embeddings[0] for p in module.shared_parameters())
    before = fitted.embeddings_[1].copy()
    fitted.add_task(X, y * 2, name=2)
    np.testing.assert_array_equal(fitted.embeddings_[1], before)
    fitted.add_task(X, y * 3, name=3, freeze_trunk=False)
    assert (fitted.embeddings_[1] != before).any()
