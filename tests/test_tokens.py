"""Sentences to categories: what each column tells, what is unknown, and the way back."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from refusals import refused, small
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
    check_valid_tag_types,
)

from sk_mtrnn import MultiTaskRNN, Ragged
from sk_mtrnn.preprocessing import TokenEncoder

X = [["Play", "Jazz", "on", "Deezer"], ["play", "U2"], ["Wake", "me", "at", "7", "or", "12"]]
ALL = ("word", "prefix2", "prefix3", "suffix1", "suffix2", "suffix3", "shape")


def vowels(word):
    return re.sub("[^aeiou]", "", word)


class KnownShare(BaseEstimator):
    """Scores the share of words that are known."""

    def fit(self, X, y=None):
        self.n_features_ = X.n_features
        return self

    def predict(self, X):
        assert X.categorical.all()
        return np.array([(x > 0).mean() for x in X])

    def score(self, X, y=None):
        return float(self.predict(X).mean())


def told(column, word, **params):
    """What a column tells of a word."""
    encoder = TokenEncoder((column,), **params).fit([[word]])
    (vocabulary,) = encoder.vocabularies_.values()
    assert_array_equal(encoder.transform([[word]]).values, [[1.0]])
    return vocabulary.tolist()[0]


# ------------------------------------------------------------------ codes


@pytest.mark.filterwarnings("ignore:min_frequency=")
@given(
    st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=5), min_size=1, max_size=5),
    st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=5), min_size=1, max_size=5),
    st.integers(1, 3),
    st.booleans(),
)
def test_codes_are_places_among_the_sorted_values_of_training(train, other, least, lowercase):
    encoder = TokenEncoder(("word", "suffix1"), lowercase, least).fit(train)
    functions = [lambda w: w, lambda w: w[-1:]]
    if lowercase:
        functions = [lambda w: w.lower(), lambda w: w.lower()[-1:]]
    for sentences in (train, other):
        packed = encoder.transform(sentences)
        assert_array_equal(packed.lengths, [len(sentence) for sentence in sentences])
        for c, function in enumerate(functions):
            seen = [function(word) for sentence in train for word in sentence]
            known = sorted(value for value in set(seen) if seen.count(value) >= least)
            now = [function(word) for sentence in sentences for word in sentence]
            expected = [known.index(value) + 1 if value in known else 0 for value in now]
            assert_array_equal(packed.values[:, c], expected)


def test_output_is_categorical_and_named():
    packed = TokenEncoder().fit_transform(X)
    assert isinstance(packed, Ragged)
    assert packed.categorical.tolist() == [True] * len(ALL)
    assert packed.feature_names.tolist() == list(ALL)
    assert packed.index is None
    assert_array_equal(packed[1], TokenEncoder().fit(X).transform(X[1:2])[0])


def test_vocabularies_are_sorted_and_the_feature_names_are_those_of_the_columns():
    encoder = TokenEncoder(["word", ("last", lambda w: w[-1])]).fit(X)
    assert list(encoder.vocabularies_) == ["word", "last"]
    words = sorted({word.lower() for sentence in X for word in sentence})
    assert encoder.vocabularies_["word"].tolist() == words
    assert encoder.get_feature_names_out().tolist() == ["word", "last"]
    assert encoder.get_feature_names_out(["anything"]).tolist() == ["word", "last"]


# ------------------------------------------------------------------ columns


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("word", "gaming"),
        ("prefix1", "g"),
        ("prefix3", "gam"),
        ("prefix12", "gaming"),
        ("suffix1", "g"),
        ("suffix3", "ing"),
        ("suffix12", "gaming"),
        ("shape", "Xx"),
        (vowels, "ai"),
        (("vowels", vowels), "ai"),
        (["length", lambda word: str(len(word))], "6"),
    ],
)
def test_what_columns_tell(column, expected):
    assert told(column, "Gaming") == expected


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("word", "x"),
        ("Word", "Xx"),
        ("WORD", "X"),
        ("McDonald", "XxXx"),
        ("A", "X"),
        ("2017", "d"),
        ("3.5", "d.d"),
        ("U2", "Xd"),
        ("Jean-Luc", "Xx-Xx"),
        ("X-ray", "X-x"),
        ("...", "."),
        ("?!", "?!"),
        ("$5", "$d"),
        ("über", "x"),
        ("u\u0308ber", "x"),  # an accent of its own
        ("Ǆ", "X"),
        ("ǅ", "X"),  # a title-case letter
        ("东京", "x"),  # letters without case
        ("हिन्दी", "x"),
        ("٣", "d"),
        ("", ""),
    ],
)
def test_shapes(word, shape):
    assert told("shape", word) == shape


def test_lowercase_leaves_shapes_and_callables_alone():
    for lowercase, word in ((True, "jazz"), (False, "JAZz")):
        assert told("word", "JAZz", lowercase=lowercase) == word
        assert told("prefix2", "JAZz", lowercase=lowercase) == word[:2]
        assert told("suffix2", "JAZz", lowercase=lowercase) == word[-2:]
        assert told("shape", "JAZz", lowercase=lowercase) == "Xx"
        assert told(vowels, "JaZz", lowercase=lowercase) == "a"


def test_a_callable_is_named_by_its_name():
    assert list(TokenEncoder((vowels, str.upper)).fit(X).vocabularies_) == ["vowels", "upper"]


# ------------------------------------------------------------------ what is unknown


def test_what_training_lacked_is_zero_and_what_it_shares_is_not():
    packed = TokenEncoder(("word", "prefix2", "shape")).fit(X).transform([["Players", "77", "?"]])
    assert_array_equal(packed.values > 0, [[0, 1, 1], [0, 0, 1], [0, 0, 0]])


def test_min_frequency_counts_each_column_in_training():
    train = [["a", "a", "a", "b1"], ["b2", "c"]]
    encoder = TokenEncoder(("word", "prefix1"), min_frequency=2).fit(train)
    assert encoder.vocabularies_["word"].tolist() == ["a"]
    assert encoder.vocabularies_["prefix1"].tolist() == ["a", "b"]
    assert encoder.fit_transform(train).values[:, 0].tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize(("share", "known"), [(0.5, ["a"]), (0.2, ["a"])])
def test_min_frequency_as_a_share_of_all_words(share, known):
    train = [["a", "a", "a", "b"], ["c", "d"]]
    encoder = TokenEncoder(("word",), min_frequency=share).fit(train)
    assert encoder.vocabularies_["word"].tolist() == known
    assert encoder.transform(train).values.sum() == 3 * len(known)


def test_a_vocabulary_that_is_empty_is_told_of():
    train = [["a", "a", "a", "b"], ["c", "d"]]
    encoder = TokenEncoder(("word", "shape"), min_frequency=0.51)
    with pytest.warns(UserWarning, match=r"min_frequency=0.51 leaves no value .* \['word'\]"):
        encoder.fit(train)
    assert encoder.transform(train).values[:, 0].sum() == 0


# ------------------------------------------------------------------ containers


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        lambda X: tuple(map(tuple, X)),
        lambda X: [np.array(x) for x in X],
        lambda X: [pd.Series(x) for x in X],
        lambda X: [pd.array(x, dtype="string") for x in X],
        lambda X: np.array(X, dtype=object),
        lambda X: pd.Series(X),
    ],
)
def test_containers_of_sentences(container):
    expected = TokenEncoder().fit_transform(X)
    packed = TokenEncoder().fit_transform(container(X))
    assert_array_equal(packed.values, expected.values)
    assert_array_equal(packed.offsets, expected.offsets)


def test_a_two_dimensional_array_holds_one_sentence_a_row():
    rows = [["a", "b"], ["b", "c"], ["c", "a"]]
    encoder = TokenEncoder(("word",)).fit(np.array(rows))
    assert_array_equal(encoder.transform(rows).values[:, 0], [1, 2, 2, 3, 3, 1])
    assert all(type(word) is str for word in encoder.vocabularies_["word"])


def test_a_series_keeps_its_index():
    index = pd.Index(["x", "y", "z"], name="query")
    packed = TokenEncoder().fit_transform(pd.Series(X, index=index))
    assert packed.index.equals(index)
    assert packed.index.name == "query"


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_a_frame_of_words_is_sentences(dtype):
    keys = [(name, t) for name, words in zip("bca", X, strict=True) for t in range(len(words))]
    index = pd.MultiIndex.from_tuples(keys, names=["sample", "time"])
    frame = pd.DataFrame({"token": np.concatenate(X)}, index=index).astype(dtype)
    encoder = TokenEncoder().fit(frame)
    for shuffled in (frame, frame.iloc[[*range(5, 12), *range(4, -1, -1)]]):
        packed = encoder.transform(shuffled)
        assert packed.index.name == "sample"
        for name, words in zip("bca", X, strict=True):
            (found,) = packed[np.flatnonzero(packed.index == name)]
            assert_array_equal(found, TokenEncoder().fit(X).transform([words])[0])
    assert list(packed.index) == ["c", "a", "b"]
    with refused("words as str, found nan (float) in sample 0, step 1"):
        encoder.transform(frame.astype(object).where((index != ("b", 1))[:, None]))


def test_other_frames_are_refused_in_one_line():
    index = pd.MultiIndex.from_product([range(9), range(9)])
    two = pd.DataFrame({"a": "x", "b": "y"}, index=index)
    for frame, found in (
        (two, "found a DataFrame of shape (81, 2) with 2 index levels."),
        (two[["a"]].reset_index(drop=True), "of shape (81, 1) with 1 index level."),
        (two[["a"]][:0], "of shape (0, 1)"),
    ):
        with refused("X must be a list, array or Series of sentences", found) as caught:
            TokenEncoder().fit(frame)
        assert "\n" not in str(caught.value)


def test_permuted_sentences_are_permuted_outputs():
    encoder = TokenEncoder().fit(X)
    permuted = encoder.transform([X[2], X[0], X[1]])
    assert_array_equal(permuted.values, encoder.transform(X)[[2, 0, 1]].values)


# ------------------------------------------------------------------ the way back


def test_inverse_transform_gives_words_and_none():
    encoder = TokenEncoder(("word", "shape"), lowercase=False).fit(X)
    assert encoder.inverse_transform(encoder.transform(X)) == X
    assert encoder.inverse_transform(list(encoder.transform(X))) == X
    assert encoder.inverse_transform(encoder.transform([["me", "too"]])) == [["me", None]]
    lower = [[word.lower() for word in sentence] for sentence in X]
    encoder = TokenEncoder().fit(X)
    assert encoder.inverse_transform(encoder.transform(X)) == lower


def test_inverse_transform_reads_the_first_column():
    encoder = TokenEncoder(("shape", "word")).fit(X)
    assert encoder.inverse_transform(encoder.transform([["Me", "7"]])) == [["Xx", "d"]]


@pytest.mark.parametrize("code", [-1.0, 0.5, 99.0])
def test_inverse_transform_refuses_what_is_no_code(code):
    encoder = TokenEncoder(("word",)).fit(X)
    wrong = [np.array([[1.0]]), np.array([[1.0], [code]])]
    with refused("X must hold codes of 'word'", "0..11", f"{code:g} in sample 1, step 1"):
        encoder.inverse_transform(wrong)
    with refused("2 features", "TokenEncoder is expecting 1"):
        encoder.inverse_transform(np.ones((1, 2, 2)))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        (["play jazz", "stop"], ("found 'play jazz' in sample 0", "split")),
        ([["play"], "stop now"], ("'stop now' in sample 1", "split")),
        (np.array(["play", "stop"]), ("'play'", "in sample 0", "[X]")),
        (pd.Series(["play", "stop"]), ("found 'play' in sample 0",)),
        ("play jazz", ("X must be a list", "found 'play jazz'")),
        (np.array("play jazz"), ("X must be a list",)),
        (None, ("X must be a list", "found None")),
        ({"a": ["b"]}, ("X must be a list", "found {'a'")),
        (iter([["a"]]), ("X must be a list",)),
        (pd.DataFrame({"a": [["b"]]}), ("X must be a list",)),
        ([], ("at least one sentence", "0 samples")),
        ([["a"], []], ("at least one word", "0 in sample 1")),
        ([["a"], None], ("lists of words", "found None in sample 1")),
        ([["a"], {"b"}], ("lists of words", "found {'b'} in sample 1")),
        ([["a"], np.array("b")], ("lists of words", "in sample 1")),
        ([["a"], ["b", 3.5]], ("words as str", "3.5 (float) in sample 1, step 1")),
        ([["a", None]], ("words as str", "None (NoneType) in sample 0, step 1")),
        ([["a"], ["b", ["c"]]], ("words as str", "['c'] (list) in sample 1, step 1")),
        ([[b"a"]], ("words as str", "b'a' (bytes) in sample 0, step 0")),
        (np.zeros((2, 3)), ("words as str", "(float64) in sample 0, step 0")),
        (Ragged(np.ones(3), [0, 3]), ("X must be a list", "Ragged")),
    ],
)
def test_what_is_no_list_of_sentences_is_refused(method, wrong, parts):
    encoder = TokenEncoder() if method == "fit" else TokenEncoder().fit(X)
    with refused(*parts):
        getattr(encoder, method)(wrong)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (("sufix3",), "'sufix3'"),
        (("prefix0",), "'prefix0'"),
        (("suffix",), "'suffix'"),
        (("suffix-1",), "'suffix-1'"),
        ((3,), "3"),
        ((("word", "suffix1"),), "('word', 'suffix1')"),
        (((1, vowels),), "(1, <function"),
        ((("a", "b", "c"),), "('a', 'b', 'c')"),
    ],
)
def test_unknown_columns_are_refused(columns, found):
    with refused("columns must hold 'word'", "'prefixN'", "callable", f"found {found}"):
        TokenEncoder(columns).fit(X)


def test_columns_that_do_not_work_are_refused():
    with refused("different names", "'word' twice"):
        TokenEncoder(("word", ("word", vowels))).fit(X)
    with refused("at least one column"):
        TokenEncoder(()).fit(X)
    with refused("'columns'", "must be an array-like", "'word'"):
        TokenEncoder("word").fit(X)
    with refused("column 'length'", "give a str", "found 4", "'Play'"):
        TokenEncoder((("length", len),)).fit(X)


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("min_frequency", 0),
        ("min_frequency", 1.0),
        ("min_frequency", 0.0),
        ("min_frequency", "2"),
        ("lowercase", "yes"),
    ],
)
def test_parameters_are_checked(param, value):
    with refused(f"'{param}'", "TokenEncoder", "must be"):
        TokenEncoder(**{param: value}).fit(X)


# ------------------------------------------------------------------ scikit-learn


def test_scikit_learns_checks():
    # those of data need numbers, and skip what takes strings, as they do for CountVectorizer
    with pytest.warns(Warning, match="Can't test estimator TokenEncoder"):
        results = check_estimator(TokenEncoder(), on_skip=None)
    assert [result["status"] for result in results] == ["passed"] * len(results)
    for check in (
        check_estimator_tags_renamed,
        check_estimator_repr,
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
        check_valid_tag_types,
    ):
        check("TokenEncoder", TokenEncoder())


def test_not_fitted():
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with refused("TokenEncoder instance is not fitted", error=ValueError):
            getattr(TokenEncoder(), method)(X)


def test_clone_pickle_and_set_params():
    encoder = TokenEncoder(("suffix1", vowels), lowercase=False, min_frequency=2).fit(X)
    again = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(again.transform(X).values, encoder.transform(X).values)
    assert clone(encoder).get_params() == encoder.get_params()
    assert not hasattr(clone(encoder), "vocabularies_")
    before = encoder.transform(X).values
    encoder.set_params(columns=("shape",), lowercase=True)  # until fitted again, nothing changes
    assert_array_equal(encoder.transform(X).values, before)
    assert encoder.fit(X).transform(X).n_features == 1


def test_fit_leaves_parameters_and_sentences_alone():
    columns, sentences = ["word", "shape"], [list(sentence) for sentence in X]
    encoder = TokenEncoder(columns).fit(sentences)
    assert encoder.columns is columns
    assert columns == ["word", "shape"]
    assert sentences == X


def test_set_output_changes_nothing():
    pipeline = make_pipeline(TokenEncoder(), KnownShare()).set_output(transform="pandas")
    assert isinstance(pipeline[:1].fit_transform(X), Ragged)


def test_columns_are_searched_in_a_pipeline():
    train = [["play", "jazz"], ["play", "rock"], ["stop", "rock"], ["plan", "jobs"]]
    grid = {"tokenencoder__columns": [("word",), ("prefix1",)], "tokenencoder__lowercase": [True]}
    search = GridSearchCV(make_pipeline(TokenEncoder(), KnownShare()), grid, cv=KFold(2))
    search.fit(train)
    # of each half, the share of words whose prefix, or which themselves, the other half has
    assert_array_equal(search.cv_results_["mean_test_score"], [0.25, 0.875])
    assert search.best_params_["tokenencoder__columns"] == ("prefix1",)
    assert_array_equal(search.predict([["pop", "xylophone"]]), [0.5])


# ------------------------------------------------------------------ before the estimators

QUERIES = [["Play", "some", "jazz"], ["stop", "it"], ["play", "rock"], ["Stop", "this", "U2"]] * 6
LABELS = pd.DataFrame(
    {
        "intent": ["play", "stop", "play", "stop"] * 6,
        "slot": [np.array(list(tags)) for tags in ("OOB", "OO", "OB", "OOB")] * 6,
    }
)


def tagger(max_epochs=20):
    model = small(
        MultiTaskRNN, tasks="classification", hidden_layer_sizes=(8,), max_epochs=max_epochs
    )
    return make_pipeline(TokenEncoder(), model)


def test_sentences_go_in_and_labels_come_out_whatever_the_words():
    model = tagger(max_epochs=100).fit(QUERIES, LABELS)
    assert model.score(QUERIES, LABELS) == 1.0
    queries = [["PLAY", "rock"], ["stop", "nonsense", "Ψ", "9"]]
    predicted = model.predict(pd.Series(queries, index=["a", "b"]))
    assert predicted["intent"].tolist() == ["play", "stop"]
    assert [len(tags) for tags in predicted["slot"]] == [2, 4]
    assert list(predicted.index) == ["a", "b"]
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(queries)["intent"].tolist() == ["play", "stop"]


def test_the_estimator_embeds_each_column():
    model = tagger().fit(QUERIES, LABELS)
    encoder, rnn = model[0], model[-1]
    assert set(rnn.embeddings_) == set(encoder.get_feature_names_out())


def test_columns_and_task_weights_are_searched_at_once():
    grid = {
        "tokenencoder__columns": [("word",), ("word", "suffix1", ("vowels", vowels))],
        "multitaskrnn__task_weights": [None, {"intent": 2.0, "slot": 1.0}],
    }
    search = GridSearchCV(tagger(), grid, cv=KFold(2), error_score="raise").fit(QUERIES, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict([["stop", "nonsense"]])["intent"].tolist() == ["stop"]
