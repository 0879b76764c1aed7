"""Containers of sktime and aeon: by hand, there and back, and as the libraries see them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from refusals import refused

from sk_mtrnn import Ragged
from sk_mtrnn.preprocessing import from_aeon, from_sktime, to_aeon, to_sktime

SKTIME = ["numpy3D", "df-list", "pd-multiindex", "nested_univ"]
AEON = ["numpy3D", "np-list", "df-list", "pd-multiindex", "numpy2D", "pd-wide"]
RECTANGULAR = {"numpy3D", "numpy2D", "pd-wide"}
ONE_CHANNEL = {"numpy2D", "pd-wide"}
NAMES, SAMPLES = ["height", "weight"], ["tom", "ann", "bob"]  # neither in sorted order

# two samples of two channels, of 3 and 2 time steps
STEPS = [np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), np.array([[4.0, 40.0], [5.0, 50.0]])]


def sequences(mtype, dtype=np.float64, named=True):
    """Three samples that the container can hold."""
    rng = np.random.default_rng(0)
    lengths = [4, 4, 4] if mtype in RECTANGULAR else [4, 2, 5]
    n_features = 1 if mtype in ONE_CHANNEL else 2
    parts = [rng.normal(size=(length, n_features)).astype(dtype) for length in lengths]
    if not named:
        return Ragged.from_list(parts)
    return Ragged.from_list(parts, NAMES[:n_features], pd.Index(SAMPLES))


def assert_same(packed, expected):
    assert isinstance(packed, Ragged)
    assert packed.dtype == expected.dtype
    assert_array_equal(packed.offsets, expected.offsets)
    assert_array_equal(packed.values, expected.values)


def nested(rows, columns=("a", "b"), index=None):
    """A frame of these cells."""
    cells = np.empty((len(rows), len(columns)), dtype=object)
    for i, row in enumerate(rows):
        for c, cell in enumerate(row):
            cells[i, c] = cell
    return pd.DataFrame(cells, columns=list(columns), index=index)


# ------------------------------------------------------------------ by hand


def by_hand(library):
    """STEPS in each container, written out."""
    frames = [pd.DataFrame(steps, columns=["a", "b"]) for steps in STEPS]
    return {
        "np-list": [steps.T for steps in STEPS],
        "df-list": frames if library == "sktime" else [frame.T for frame in frames],
        "pd-multiindex": pd.concat(frames, keys=[0, 1]),
        "nested_univ": nested([[frame["a"], frame["b"]] for frame in frames]),
    }


@pytest.mark.parametrize("mtype", ["np-list", "df-list", "pd-multiindex", "nested_univ"])
@pytest.mark.parametrize("library", ["sktime", "aeon"])
def test_containers_written_out(library, mtype):
    X = by_hand(library)[mtype]
    read = {"sktime": from_sktime, "aeon": from_aeon}[library]
    for packed in (read(X), read(X, mtype)):
        assert_same(packed, Ragged.from_list(STEPS))
        names = packed.feature_names
        assert (names is None) if mtype == "np-list" else list(names) == ["a", "b"]
    assert (packed.index is None) == (mtype in ("np-list", "df-list"))


@pytest.mark.parametrize("read", [from_sktime, from_aeon])
def test_numpy3d_has_channels_on_axis_1(read):
    X = np.arange(24.0).reshape(2, 3, 4)
    packed = read(X)
    for i in range(2):
        for c in range(3):
            for t in range(4):
                assert packed[i][t, c] == X[i, c, t]


def test_tables_of_aeon_are_one_channel():
    table = np.arange(6.0).reshape(2, 3)
    # names of columns are no times: their order is that of the columns
    frame = pd.DataFrame(table, index=["x", "y"], columns=["t1", "t10", "t2"])
    for X in (table, frame):
        assert_same(from_aeon(X), Ragged.from_padded(table))
    assert list(from_aeon(frame).index) == ["x", "y"]


def test_nested_cells_are_series_arrays_or_a_number_for_every_step():
    X = nested([[pd.Series([1, 2]), np.array([5, 6])], [pd.Series([3]), np.array([7])]])
    X["c"] = [8.5, 9.5]
    packed = from_sktime(X)
    assert_array_equal(packed.values, [[1, 5, 8.5], [2, 6, 8.5], [3, 7, 9.5]])
    assert_array_equal(packed.lengths, [2, 1])
    assert list(packed.feature_names) == ["a", "b", "c"]


def test_a_panel_is_sorted_by_time_and_keeps_the_order_of_samples():
    X = to_sktime(sequences("pd-multiindex"))
    assert_same(from_sktime(X.iloc[::-1]), sequences("pd-multiindex")[::-1])


@pytest.mark.parametrize("mtype", ["df-list", "pd-multiindex", "nested_univ"])
def test_holes_stay_in_any_dtype(mtype):
    X = to_sktime([np.array([[1.0, np.nan], [np.nan, 4.0]])], mtype)
    expected = [[1, np.nan], [np.nan, 4]]
    assert_array_equal(from_sktime(X).values, expected)
    if mtype != "nested_univ":
        nullable = [x.convert_dtypes() for x in X] if mtype == "df-list" else X.convert_dtypes()
    else:
        nullable = X.map(lambda cell: cell.astype("Int64"))
    assert_array_equal(from_sktime(nullable).values, expected)


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("write", "read", "mtype"),
    [(to_sktime, from_sktime, m) for m in SKTIME] + [(to_aeon, from_aeon, m) for m in AEON],
)
def test_there_and_back(write, read, mtype, dtype):
    X = sequences(mtype, dtype)
    back = read(write(X, mtype), mtype)
    assert_same(back, X)
    if mtype not in ("numpy3D", "np-list", "numpy2D", "pd-wide"):
        assert list(back.feature_names) == NAMES
    if mtype in ("pd-multiindex", "nested_univ", "pd-wide"):
        assert list(back.index) == SAMPLES


@pytest.mark.parametrize(
    ("write", "mtype"), [(to_sktime, m) for m in SKTIME] + [(to_aeon, m) for m in AEON]
)
def test_what_is_written_is_a_copy(write, mtype):
    X = sequences(mtype)
    out = write(X, mtype)
    out = out[0] if isinstance(out, list) else out
    out = out.iloc[0, 0] if mtype == "nested_univ" else out
    assert not np.shares_memory(np.asarray(out), X.values)


@pytest.mark.parametrize("write", [to_sktime, to_aeon])
def test_every_layout_of_the_estimators_is_written(write):
    parts = [np.ones((3, 2)), np.zeros((3, 2))]
    expected = np.stack(parts).swapaxes(1, 2)
    for X in (parts, np.stack(parts), pd.Series(parts), Ragged.from_list(parts)):
        assert_array_equal(write(X, "numpy3D"), expected)
    assert write(np.eye(3), "numpy3D").shape == (3, 1, 3)  # a table: one channel


def test_names_where_there_are_none():
    X = sequences("df-list", named=False)
    frame = to_sktime(X)
    assert list(frame.columns) == ["var_0", "var_1"]
    assert list(frame.index.names) == ["instances", "timepoints"]
    assert list(frame.index.unique(0)) == [0, 1, 2]
    frame = to_aeon(X, "pd-multiindex")
    assert list(frame.columns) == [0, 1]
    assert [frame.columns.name, *frame.index.names] == ["channel", "case", "timepoint"]
    assert [list(x.index) for x in to_aeon(X, "df-list")] == [[0, 1]] * 3


def test_a_name_of_the_index_is_kept():
    X = sequences("nested_univ")
    X = Ragged(X.values, X.offsets, index=pd.Index(SAMPLES, name="child"))
    assert to_sktime(X).index.names[0] == to_sktime(X, "nested_univ").index.name == "child"
    assert from_sktime(to_sktime(X)).index.name == "child"


def test_category_columns_are_categories():
    coded = pd.Series([1, 2], dtype="category")
    frames = [
        pd.DataFrame({"v": [0.5, 1.5], "c": coded}),
        pd.DataFrame({"v": [2.5], "c": coded[:1]}),
    ]
    frames[1]["c"] = frames[1]["c"].cat.remove_unused_categories()  # of other categories
    cells = nested([[np.ones(2), coded], [np.ones(1), coded[:1]]])
    constant = pd.DataFrame({"v": cells.iloc[:, 0], "c": pd.Categorical([1, 2])})
    for X in (
        frames,
        pd.concat(dict(enumerate(frames))).astype({"c": "category"}),
        cells,
        constant,
    ):
        packed = from_sktime(X)
        assert packed.categorical.tolist() == [False, True]
        assert packed[0][0, 1] == 1
    assert from_sktime([frame[["v"]] for frame in frames]).categorical is None


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("write", "mtype"),
    [(to_sktime, "numpy3D"), (to_aeon, "numpy3D"), (to_aeon, "numpy2D"), (to_aeon, "pd-wide")],
)
def test_different_lengths_are_refused_by_what_cannot_hold_them(write, mtype):
    with refused(f"mtype '{mtype}'", "equal length only", "2..5", "df-list"):
        write(sequences("df-list"), mtype)


@pytest.mark.parametrize("mtype", ["numpy2D", "pd-wide"])
def test_channels_are_refused_by_tables(mtype):
    with refused(mtype, "one channel", "found 2"):
        to_aeon(np.zeros((3, 4, 2)), mtype)


@pytest.mark.parametrize("write", [to_sktime, to_aeon])
def test_an_index_that_names_two_samples_alike_is_refused(write):
    with refused("index of X", "once", "'tom' twice"):
        write(sequences("df-list")[[0, 1, 0]], "pd-multiindex")


@pytest.mark.parametrize("convert", [from_sktime, to_sktime, from_aeon, to_aeon])
def test_an_unknown_mtype_is_refused(convert):
    with refused("mtype must be one of", "'numpy3D'", "found 'numpy4D'"):
        convert(np.zeros((2, 3, 4)), "numpy4D")
    with refused("mtype must be one of", "found ['numpy3D']"):
        convert(np.zeros((2, 3, 4)), ["numpy3D"])


@pytest.mark.parametrize("read", [from_sktime, from_aeon])
def test_another_container_than_the_one_named_is_refused(read):
    with refused("mtype 'df-list'", "found 'numpy3D'"):
        read(np.zeros((2, 3, 4)), "df-list")


@pytest.mark.parametrize(
    "X",
    [
        "text",
        None,
        np.zeros(3),
        np.zeros((2, 2, 2, 2)),
        [[1.0, 2.0]],
        [np.zeros((2, 3)), pd.DataFrame()],
        pd.Series([1.0]),
        Ragged(np.zeros(3), [0, 3]),
    ],
)
@pytest.mark.parametrize("read", [from_sktime, from_aeon])
def test_what_is_no_container_is_refused(read, X):
    with refused("X must be one of the containers", "numpy3D", f"found {type(X).__name__}"):
        read(X)


def test_tables_are_not_sktimes():
    for X in (np.zeros((2, 3)), pd.DataFrame(np.zeros((2, 3)))):
        with refused("X must be one of", "sktime", "(2, 3); from_aeon reads it"):
            from_sktime(X)


@pytest.mark.parametrize("read", [from_sktime, from_aeon])
@pytest.mark.parametrize(
    "X", [[], np.zeros((0, 2, 3)), by_hand("sktime")["pd-multiindex"].iloc[:0]]
)
def test_no_sample_is_refused(read, X):
    with refused("X must hold at least one series", "0 samples"):
        read(X)


@pytest.mark.parametrize(
    "X",
    [
        [np.zeros((2, 3)), np.zeros((2, 0))],
        [pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": []}, dtype=float)],
        nested([[pd.Series([1.0])] * 2, [pd.Series([], dtype=float)] * 2]),
    ],
)
def test_an_empty_series_is_refused(X):
    with refused("at least one time step", "0 in sample 1"):
        from_sktime(X)


def test_different_channels_are_refused():
    with refused("3 in sample 1"):
        from_aeon([np.zeros((2, 4)), np.zeros((3, 4))])
    frames = [pd.DataFrame({"a": [1.0], "b": [1.0]}), pd.DataFrame({"b": [1.0], "a": [1.0]})]
    with refused("same channels", "['a', 'b']", "['b', 'a'] in sample 1"):
        from_sktime(frames)
    with refused("same channels", "sample 1"):
        from_aeon([frame.T for frame in frames])
    lengths = [pd.DataFrame(np.zeros((2, 3))), pd.DataFrame(np.zeros((2, 4)))]
    with refused("same channels", "channels in rows: from_aeon reads them"):
        from_sktime(lengths)
    with refused("same channels", "channels in columns: from_sktime reads them"):
        from_aeon([frame.T for frame in lengths])
    assert_array_equal(from_aeon(lengths).lengths, [3, 4])


def test_times_that_run_backwards_are_refused():
    backwards = pd.Series([1.0, 2.0], index=[1, 0])
    with refused("time index", "forwards", "sample 1"):
        from_sktime([pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": backwards})])
    with refused("time index", "forwards", "sample 0, column 'a'"):
        from_sktime(nested([[backwards, backwards]]))
    with refused("time index", "forwards", "sample 0"):
        from_sktime([pd.DataFrame({"a": [1.0, 2.0]}, index=[0, 0])])


def test_cells_that_do_not_fit_are_refused():
    one, two = pd.Series([1.0]), pd.Series([1.0, 2.0])
    with refused("equal length", "2 at first and 1 in sample 1, column 'b'"):
        from_sktime(nested([[two, two], [two, one]]))
    with refused("same times", "sample 0, column 'b'"):
        from_sktime(nested([[two, pd.Series([1.0, 2.0], index=[0, 5])]]))
    with refused("every cell", "found float in sample 1, column 'a'"):
        from_sktime(nested([[two, two], [1.0, two]]))
    with refused("every cell", "found ndarray in sample 0, column 'b'"):
        from_sktime(nested([[two, np.zeros((2, 2))]]))


# ------------------------------------------------------------------ the libraries themselves


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("mtype", SKTIME)
def test_sktime_accepts_what_is_written(mtype, named):
    datatypes = pytest.importorskip("sktime.datatypes")
    X = sequences(mtype, named=named)
    valid, message, about = datatypes.check_is_mtype(
        to_sktime(X, mtype), mtype, scitype="Panel", return_metadata=True
    )
    assert valid, message
    assert about["n_instances"] == 3
    assert about["n_features"] == 2
    assert about["is_equal_length"] == X.equal_length
    if named and mtype != "numpy3D":
        assert about["feature_names"] == NAMES


@pytest.mark.parametrize("source", SKTIME)
@pytest.mark.parametrize("target", SKTIME)
def test_sktime_converts_one_into_the_other(source, target):
    datatypes = pytest.importorskip("sktime.datatypes")
    X = sequences("numpy3D" if "numpy3D" in (source, target) else source)
    theirs = datatypes.convert(to_sktime(X, source), source, target, as_scitype="Panel")
    assert_same(from_sktime(theirs, target), X)


def test_sktimes_own_examples_are_read():
    datatypes = pytest.importorskip("sktime.datatypes")
    n_read = 0
    for number in range(4):
        examples = {m: datatypes.get_examples(m, "Panel").get(number) for m in SKTIME}
        packed = [from_sktime(X, m) for m, X in examples.items() if X is not None]
        n_read += len(packed)
        for one in packed:
            assert_same(one, packed[0])
    assert n_read >= 8


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("mtype", AEON)
def test_aeon_accepts_what_is_written(mtype, named):
    collection = pytest.importorskip("aeon.utils.validation.collection")
    X = sequences(mtype, named=named)
    out = to_aeon(X, mtype)
    assert collection.get_type(out) == mtype
    assert collection.get_n_cases(out) == 3
    assert collection.get_n_channels(out) == X.n_features
    assert collection.is_equal_length(out) == X.equal_length
    if X.equal_length:
        assert collection.get_n_timepoints(out) == 4


@pytest.mark.parametrize("source", AEON)
@pytest.mark.parametrize("target", AEON)
def test_aeon_converts_one_into_the_other(source, target):
    conversion = pytest.importorskip("aeon.utils.conversion")
    rectangular = sorted({source, target} & RECTANGULAR) or [source]
    table = sorted({source, target} & ONE_CHANNEL) or rectangular
    X = sequences(table[0], named=False)
    theirs = conversion.convert_collection(to_aeon(X, source), target)
    assert_same(from_aeon(theirs, target), X)


def test_aeon_keeps_the_order_of_samples_that_have_names():
    conversion = pytest.importorskip("aeon.utils.conversion")
    X = sequences("pd-multiindex")[[0, 2]]  # not sorted, and one is gone
    X = Ragged(X.values, X.offsets, index=X.index)
    theirs = conversion.convert_collection(to_aeon(X, "pd-multiindex"), "np-list")
    assert_same(from_aeon(theirs), Ragged(X.values, X.offsets))
