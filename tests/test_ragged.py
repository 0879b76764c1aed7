import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import _safe_indexing, resample

from sk_mtrnn import Ragged, stack_tasks
from sk_mtrnn.sequences import LengthBatches, packed_order

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def sequences_of(lengths, width=2):
    """Sequences whose every value tells its sample, step and feature."""
    return [
        np.add.outer(1000.0 * i + 10.0 * np.arange(n), np.arange(width))
        for i, n in enumerate(lengths)
    ]


@given(lengths)
def test_every_conversion_gives_the_same_sequences(lengths):
    sequences = sequences_of(lengths)
    X = Ragged.from_list(sequences)
    assert X.shape == (len(lengths),)
    assert X.n_features == 2
    padded = X.to_padded(fill_value=-1.0)
    for other in (X, Ragged.from_padded(padded, X.lengths), X[:], X[list(range(len(X)))]):
        assert len(other) == len(sequences)
        for found, expected in zip(other, sequences, strict=True):
            np.testing.assert_array_equal(found, expected)
    for found, expected in zip(padded, sequences, strict=True):
        assert (found[len(expected) :] == -1.0).all()


@given(lengths, st.data())
def test_indexing_is_that_of_a_list(lengths, data):
    sequences = sequences_of(lengths)
    X = Ragged.from_list(sequences, index=pd.RangeIndex(len(lengths)))
    n = len(lengths)
    key = data.draw(
        st.one_of(
            st.slices(n),
            st.lists(st.integers(-n, n - 1), max_size=10),
            st.lists(st.booleans(), min_size=n, max_size=n).map(np.array),
        )
    )
    which = np.arange(n)[key if not isinstance(key, list) else np.array(key, dtype=int)]
    for part in (X[key], X[key, ...]):
        assert [s.tolist() for s in part] == [sequences[i].tolist() for i in which]
        assert list(part.index) == which.tolist()
    assert X[-1].tolist() == sequences[-1].tolist()


def test_slices_are_views():
    X = Ragged.from_list(sequences_of([3, 4, 5]))
    assert np.shares_memory(X[1:].values, X.values)
    assert np.shares_memory(X[1], X.values)
    array = np.zeros((4, 5, 2))
    assert np.shares_memory(Ragged.from_padded(array).values, array)


def test_scikit_learn_indexes_it():
    X = Ragged.from_list(sequences_of([3, 4, 5]))
    assert _safe_indexing(X, [2, 0]).lengths.tolist() == [5, 3]
    assert _safe_indexing(X, np.array([True, False, True])).lengths.tolist() == [3, 5]
    assert len(resample(X, random_state=0)) == 3
    assert [len(x) for x in np.asarray(X)] == [3, 4, 5]


def test_copies_and_pickles():
    X = Ragged.from_list(sequences_of([3, 4]), feature_names=["a", "b"])
    for other in (copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        np.testing.assert_array_equal(other.values, X.values)
        assert list(other.feature_names) == ["a", "b"]


def test_panel_keeps_samples_features_and_time_order():
    index = pd.MultiIndex.from_tuples(
        [("b", 2), ("b", 1), ("a", 1), ("b", 10)], names=["stay", "time"]
    )
    panel = pd.DataFrame({"u": [2.0, 1.0, 7.0, 3.0], "v": [0.0, 1.0, 2.0, 3.0]}, index=index)
    X = Ragged.from_panel(panel)
    assert list(X.index) == ["b", "a"]
    assert list(X.feature_names) == ["u", "v"]
    assert X[0][:, 0].tolist() == [1.0, 2.0, 3.0]
    assert X[1].tolist() == [[7.0, 2.0]]


def panel(times=(0.0, 1.0, 2.0), **columns):
    index = pd.MultiIndex.from_arrays([["m00"] * len(times), times])
    return pd.DataFrame(columns or {"u": np.arange(len(times))}, index=index)


def test_category_columns_of_a_panel_are_marked():
    codes = pd.Categorical([4, None, 2], categories=[2, 3, 4])
    X = Ragged.from_panel(panel(u=[0.0, 1.0, 2.0], code=codes).iloc[::-1])
    np.testing.assert_array_equal(X[0], [[0, 4], [1, np.nan], [2, 2]])
    assert X.categorical.tolist() == [False, True]
    assert Ragged.from_panel(panel()).categorical is None
    dates = pd.Categorical(pd.to_datetime(["2024", "2025", "2024"]))
    for column in (list("abc"), pd.Categorical(list("abc")), dates):
        with pytest.raises(ValueError, match=r"found .* in column 'state'\. An estimator that"):
            Ragged.from_panel(panel(state=column))
    with pytest.raises(ValueError, match="numeric") as caught:
        Ragged.from_panel(panel(state=list("abc")))
    dtype = panel(state=list("abc"))["state"].dtype  # object before pandas 3
    assert str(caught.value) == (
        f"X must be numeric, found {dtype} in column 'state'. An estimator that gets the DataFrame "
        "itself, or a list of DataFrames (one a sample), reads such columns if "
        "categorical_features names them; a transformer needs numbers, as "
        "sklearn.preprocessing.OrdinalEncoder gives them."
    )


def test_time_stamps_of_a_panel_are_no_text():
    for times in (["9", "10"], pd.Categorical(["9", "10"]), [9, "10"], [b"9", b"10"]):
        with pytest.raises(ValueError, match=r"as time, found the text b?'(9|10)', which"):
            Ragged.from_panel(panel(times))
    days = pd.Categorical(["Mon", "Fri"], categories=["Mon", "Fri"], ordered=True)
    dates = pd.date_range("2024", periods=2)
    for times in ([9, 10], dates, dates - dates[0], dates.to_period("D"), dates.date, days):
        assert Ragged.from_panel(panel(times).iloc[::-1])[0][:, 0].tolist() == [0, 1]


def test_every_row_of_a_panel_has_a_time():
    for times in ([pd.Timestamp("2024"), pd.NaT], [0.0, np.nan]):
        with pytest.raises(ValueError, match=r"time of every row.* missing one in sample 'm00'"):
            Ragged.from_panel(panel(times))


def test_masked_entries_are_holes():
    steps = np.ma.array([[1, 999], [2, 999]], mask=[[0, 1], [0, 1]])
    expected = [[1, np.nan], [2, np.nan]]
    for X in (Ragged.from_list([steps, steps[:1]]), Ragged(steps, [0, 1, 2])):
        np.testing.assert_array_equal(X.values[:2], expected)
    padded = Ragged.from_padded(np.ma.stack([steps, steps]).astype(np.float32))
    np.testing.assert_array_equal(padded[1], expected)
    assert padded.dtype == np.float32


def test_names_may_be_tuples():
    names = pd.Index([("a", "b")], tupleize_cols=False)
    assert list(Ragged.from_panel(panel().set_axis(names, axis=1)).feature_names) == [("a", "b")]


def test_a_time_that_stands_twice_is_written_plainly():
    for times, found in (
        (np.zeros(2), r"\('m00', 0\.0\) twice"),
        (pd.to_datetime(["2024", "2024"]), r"\('m00', 2024-01-01 00:00:00\) twice"),
    ):
        with pytest.raises(ValueError, match=rf"each \(sample, time\) once, found {found}"):
            Ragged.from_panel(panel(times))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ragged(np.zeros((3, 1)), [0, 2]), "offsets must run from 0 to .*found 0 to 2"),
        (lambda: Ragged(np.zeros((3, 1)), [0, 3, 3]), "found 0 in sample 1 .an empty sequence"),
        (lambda: Ragged(np.zeros((3, 1)), [0.0, 3.0]), "offsets must be a 1-D array .* integers"),
        (lambda: Ragged(np.zeros((1, 1, 1)), [0, 1]), "values must have shape"),
        (lambda: Ragged(np.zeros((1, 2)), [0, 1], ["a"]), "feature_names must name 2 features"),
        (lambda: Ragged(["a"], [0, 1]), "X must be numeric"),
        (lambda: Ragged([1j], [0, 1]), "Complex data not supported"),
        (lambda: Ragged.from_list([]), "at least one sequence, found 0"),
        (lambda: Ragged.from_list([[1.0], []]), "found 0 in sample 1"),
        (
            lambda: Ragged.from_list([np.ones((2, 1)), np.ones((2, 3))]),
            "1 in sample 0 and 3 in sam",
        ),
        (
            lambda: Ragged.from_padded(np.ones((2, 3, 1)), [3, 4]),
            "lie in 1..3, found 4 in sample 1",
        ),
        (lambda: Ragged.from_padded(np.ones((2, 3, 1)), [3]), "lengths must be 2 integers"),
        (lambda: Ragged.from_panel(pd.DataFrame({"a": [1]})), "MultiIndex, found DataFrame with 1"),
        (
            lambda: Ragged.concatenate([Ragged.from_list([[1.0]]), Ragged([[1, 2]], [0, 1])]),
            "same num",
        ),
        (lambda: np.asarray(Ragged([1.0], [0, 1]), dtype=float), "to_padded"),
    ],
)
def test_errors_name_what_was_expected_and_found(make, text):
    with pytest.raises((ValueError, TypeError), match=text):
        make()


@pytest.mark.parametrize("key", [5, [7], [[0]], (0, 1), np.array([True]), [0.5]])
def test_bad_index_is_an_index_error(key):
    with pytest.raises(IndexError):
        Ragged.from_list(sequences_of([1, 2]))[key]


@given(lengths, st.integers(1, 12))
def test_batches_are_a_partition_and_packed_order_is_torchs(lengths, batch_size):
    import torch

    sequences = sequences_of(lengths, width=1)
    X = Ragged.from_list(sequences)
    for rng in (None, np.random.default_rng(0)):
        batches = list(LengthBatches(X.lengths, batch_size, rng))
        assert sorted(np.concatenate(batches)) == list(range(len(X)))
        for batch in batches:
            order = packed_order(X.offsets, X.lengths, batch)
            tensors = [torch.from_numpy(sequences[i]) for i in order.samples]
            packed = torch.nn.utils.rnn.pack_sequence(tensors)
            np.testing.assert_array_equal(X.values[order.rows], packed.data.numpy())
            np.testing.assert_array_equal(order.batch_sizes, packed.batch_sizes.numpy())


def test_batches_hold_near_equal_lengths():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 200, size=2000)
    spans = [np.ptp(lengths[b]) for b in LengthBatches(lengths, 32, rng)]
    assert np.mean(spans) < 0.1 * np.ptp(lengths)


def test_stack_tasks_keeps_every_data_set_apart():
    Xa, Xb = sequences_of([3, 2]), sequences_of([4])
    X, y = stack_tasks({"a": (Xa, ["yes", "no"]), "b": (Xb, [np.array([1.0, 2.0, 3.0, 4.0])])})
    assert [x.tolist() for x in X] == [x.tolist() for x in Xa + Xb]
    assert list(y.columns) == ["a", "b"]
    assert y["a"].isna().tolist() == [False, False, True]
    assert y["b"].isna().tolist() == [True, True, False]
    assert y["b"][2].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_stack_tasks_keeps_tables():
    frame = pd.DataFrame({"t0": [1.0, 2.0], "t1": [3.0, 4.0]})
    X, y = stack_tasks({"a": (frame, [0, 1]), "b": (frame, [0.5, None])})
    assert list(X.columns) == ["t0", "t1"]
    assert y["b"].tolist()[2] == 0.5
    assert y.isna().sum().tolist() == [2, 3]


@pytest.mark.parametrize(
    ("datasets", "text"),
    [
        ({}, "datasets must be a dict"),
        ({"a": 3}, "must be a pair"),
        ({"a": ([[1.0]], [[1, 2]])}, "labels of one task, found 2"),
        ({"a": ([[1.0]], [1, 2])}, "X has 1, y has 2"),
        ({"a": ([[1.0]], [1]), "b": ([[1.0, 2.0]], [1])}, "same width"),
    ],
)
def test_stack_tasks_errors(datasets, text):
    with pytest.raises(ValueError, match=text):
        stack_tasks(datasets)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([np.array(["u", None], dtype=object), None], [["u", None], None]),
        ([np.array([1, None], dtype=object), None], [[1, None], None]),
        ([np.array([0.5, np.nan]), None], [[0.5, None], None]),
    ],
)
def test_stack_tasks_keeps_holes_in_per_step_labels(labels, expected):
    X = sequences_of([2, 3])
    _, y = stack_tasks({"a": (X, labels), "b": (X, [1, 2])})
    first = [None if pd.isna(cell) else cell for cell in y["a"][0]]
    assert first == expected[0]
    assert pd.isna(y["a"][1]).all()
    assert len(y["a"][1]) == 3


def test_features_of_other_names_are_not_joined():
    first = pd.DataFrame({"p": [1.0], "q": [2.0]})
    other = pd.DataFrame({"q": [1.0], "r": [2.0]})
    with pytest.raises(ValueError, match=r"same feature names.*\['p', 'q'\] and \['q', 'r'\]"):
        stack_tasks({"a": (first, [1]), "b": (other, [1])})
    parts = [Ragged([[1.0, 2.0]], [0, 1], names) for names in (["p", "q"], None, ["q", "p"])]
    with pytest.raises(ValueError, match="same feature names"):
        Ragged.concatenate(parts)
    assert list(Ragged.concatenate(parts[:2]).feature_names) == ["p", "q"]


def test_panels_with_a_column_name_twice_are_read_by_position():
    index = pd.MultiIndex.from_product([[0], [0, 1]])
    frame = pd.DataFrame({"a": pd.array([1, 2], dtype="Int64"), "b": [0.5, 1.5]}, index=index)
    frame.columns = ["a", "a"]
    assert Ragged.from_panel(frame)[0].tolist() == [[1.0, 0.5], [2.0, 1.5]]
    frame = frame.astype(str)
    with pytest.raises(ValueError, match=r"X must be numeric, found .* in column 'a'"):
        Ragged.from_panel(frame.replace("0.5", "x"))


def test_lists_of_frames_keep_marks_and_read_nullable_dtypes():
    frames = [
        pd.DataFrame({"v": pd.array([1.5, None], dtype="Float64"), "k": pd.Categorical([1, 2])}),
        pd.DataFrame({"v": [2.0], "k": pd.Categorical([2])}),
    ]
    X = Ragged.from_list(frames)
    assert X.categorical.tolist() == [False, True]
    np.testing.assert_array_equal(X.values, [[1.5, 1], [np.nan, 2], [2, 2]])
    plain = Ragged([[1.0, 2.0]], [0, 1], categorical=[False, False])
    assert len(Ragged.concatenate([Ragged([[1.0, 2.0]], [0, 1]), plain])) == 2
    with pytest.raises(ValueError, match=r"same categorical features, found those at \[\] and"):
        Ragged.concatenate([plain, Ragged([[1.0, 2.0]], [0, 1], categorical=[True, False])])


def test_names_of_samples_are_an_index_in_whatever_they_are_given():
    X = Ragged.from_list([np.ones((2, 1)), np.ones((3, 1))], index=["a", "b"])
    assert isinstance(X.index, pd.Index)
    assert list(X[[1]].index) == ["b"]
    assert list(Ragged(X.values, X.offsets, index=np.array([7, 9])).index) == [7, 9]
