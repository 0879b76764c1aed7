import numpy as np
import pandas as pd
import pytest

from sk_mtrnn.sequences import assemble, read_labels

LENGTHS = np.array([2, 3])
OFFSETS = np.array([0, 2, 5])


@pytest.mark.parametrize(
    "y",
    [
        [1, 2],
        np.array([0.5, 1.5]),
        np.array(["a", "b"], dtype=object),
        np.array([[1, 2], [3, 4]]),
        np.array([[1.5, "a"], [2.5, "b"]], dtype=object),
        pd.DataFrame({"p": [1, 2], "q": ["x", "y"]}),
        pd.DataFrame({"p": [1, 2], "q": [np.array([1, 2]), np.array([1, 2, 3])]}),
        [np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8], [9, 10]])],
        [np.array([1, 2]), np.array([3, 4, 5])],
    ],
    ids=str,
)
def test_reading_and_assembling_is_the_identity(y):
    labels = read_labels(y, LENGTHS)
    columns = [column.values for column in labels.columns]
    back = assemble(labels, columns, [c.per_step for c in labels.columns], OFFSETS)
    assert type(back) is (np.ndarray if isinstance(y, list) and np.isscalar(y[0]) else type(y))
    if isinstance(y, list) and isinstance(back, list):
        assert [cell.tolist() for cell in back] == [cell.tolist() for cell in y]
    elif isinstance(y, pd.DataFrame):
        for name in y:
            assert [np.asarray(c).tolist() for c in back[name]] == [
                np.asarray(c).tolist() for c in y[name]
            ]
    else:
        assert back.tolist() == np.asarray(y).tolist()


@pytest.mark.parametrize("box", [list, "array", "series", "frame"])
def test_masked_labels_of_steps_are_missing(box):
    cells = np.empty(2, dtype=object)
    cells[:] = [np.ma.array([1, 999], mask=[0, 1]), np.ma.array([3, 4, 999], mask=[0, 0, 1])]
    boxes = {"array": cells, "series": pd.Series(cells), "frame": pd.DataFrame({"p": cells})}
    labels = read_labels(list(cells) if box is list else boxes[box], LENGTHS)
    (column,) = labels.columns
    assert column.missing.tolist() == [False, True, False, False, True]
    assert column.labelled.tolist() == [1, 3, 4]
    both = [np.ma.stack([cell, cell], axis=1) for cell in cells]
    for column in read_labels(both, LENGTHS).columns:
        assert column.labelled.tolist() == [1, 3, 4]


def test_three_dimensional_labels_come_back_so():
    y = np.arange(12).reshape(2, 3, 2)
    labels = read_labels(y, np.array([3, 3]))
    back = assemble(labels, [c.values for c in labels.columns], [True, True], labels.offsets)
    np.testing.assert_array_equal(back, y)


@pytest.mark.parametrize(
    "column",
    [
        [1.0, np.nan, 2.0],
        [1, None, 2],
        ["a", np.nan, "b"],
        ["a", None, "b"],
        [True, None, False],
        pd.Series([1, pd.NA, 2], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype="string"),
        pd.Series([True, pd.NA, False], dtype="boolean"),
        pd.Categorical(["a", None, "b"]),
        np.array([1, pd.NaT, 2], dtype=object),
    ],
    ids=repr,
)
def test_every_way_to_say_missing(column):
    expected = [v for i, v in enumerate(list(column)) if i != 1]
    frame = pd.DataFrame({"task": column, "other": [1, 2, 3]})
    for y in (frame, frame[["task"]], frame["task"], list(column)):
        first = read_labels(y).columns[0]
        assert first.missing.tolist() == [False, True, False]
        assert first.labelled.tolist() == expected
    table = np.array([[v, 0] for v in column], dtype=object)
    assert read_labels(table).columns[0].missing.tolist() == [False, True, False]


def test_missing_cells_and_missing_steps():
    y = pd.DataFrame({"steps": [None, np.array([1.0, np.nan, 3.0])]})
    (column,) = read_labels(y, LENGTHS).columns
    assert column.per_step
    assert column.missing.tolist() == [True, True, False, True, False]


def test_labels_keep_their_own_type():
    y = pd.DataFrame({"i": [1, None], "s": ["1", "2"], "b": [True, None], "f": [1.5, 2.5]})
    y["i"] = y["i"].astype("Int64")
    kinds = [column.values.dtype.kind for column in read_labels(y).columns]
    assert kinds == ["i", "O", "b", "f"]


def test_rows_given_as_arrays_are_rows_where_no_sequence_is_that_long():
    rows = [np.array([0, 1, 0]), np.array([1, 1, 0])]
    assert len(read_labels(rows, np.array([7, 8])).columns) == 3
    assert len(read_labels(rows, np.array([3, 3])).columns) == 1


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (None, "requires y to be passed"),
        ([], "at least one label, found an empty list"),
        ([1, 2, 3], "X has 2, y has 3"),
        ([1, "a"], "labels of one type within a task"),
        ([1, np.inf], "Input y contains infinity, in task 0, row 1"),
        (np.ones((2, 4, 1)), "4 per-step labels in row 0, but its sequence in X has 2"),
        (np.ones((2, 1, 1, 1)), "1, 2 or 3 dimensions, found 4"),
        (np.empty((2, 0)), "at least one task"),
        ([np.array([1]), np.array([1, 2, 3])], "row 0 must be as long as its sequence .2 time"),
        ([np.ones((2, 1)), np.ones((2, 1))], "row 1 .sequence of 3 time steps. has shape .2, 1."),
        (pd.DataFrame({"q": [np.array([1, 2]), 5]}), "'q' has labels per time step, but row 1"),
        (pd.DataFrame({"q": pd.to_datetime(["2020", "2021"])}), "found datetime64"),
        (np.array([1j, 2j]), "Complex data not supported"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "name each task once"),
    ],
)
def test_errors_name_task_and_row(y, text):
    with pytest.raises(ValueError, match=text):
        read_labels(y, LENGTHS)
