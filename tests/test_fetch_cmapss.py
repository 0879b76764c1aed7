"""C-MAPSS: what is left of an engine's life, at every cycle of both parts."""

import os
import sys
import zipfile

import numpy as np
import pytest
from made_files import PACKED, FakePooch, write
from numpy.testing import assert_array_equal

from sk_mtrnn.datasets import _cmapss, fetch_cmapss
from sk_mtrnn.sequences import Ragged, read_labels


def rows(lengths, offset=0.0):
    """A row a cycle of each engine; channel c of cycle t of engine u is 100 u + t + c/100."""
    return [
        f"{unit} {cycle} "
        + " ".join(f"{100 * unit + cycle + c / 100 + offset:.4f}" for c in range(24))
        + "  "
        for unit, length in enumerate(lengths, start=1)
        for cycle in range(1, length + 1)
    ]


def texts(subset="FD001", train=(200, 3), test=(4, 2, 1), remaining=(10, 124, 0)):
    return {
        f"train_{subset}.txt": "\n".join(rows(train)) + "\n",
        f"test_{subset}.txt": "\n".join(rows(test, 0.5)) + "\n",
        f"RUL_{subset}.txt": "\n".join(f"{life} " for life in remaining) + "\n\n",
    }


def fill(folder, suffix="", **arguments):
    for name, text in texts(**arguments).items():
        write(folder / name, text, suffix)


@pytest.fixture
def unverified(monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setattr(_cmapss, "_SHA256", {})


@pytest.mark.parametrize("suffix", PACKED)
def test_engines_and_what_is_left_of_them(unverified, tmp_path, suffix):
    fill(tmp_path / "cmapss", suffix)
    engines = fetch_cmapss(data_home=tmp_path)
    assert isinstance(engines.data, Ragged)
    assert_array_equal(engines.data.lengths, [200, 3, 4, 2, 1])
    assert list(engines.split) == ["train"] * 2 + ["test"] * 3
    assert_array_equal(engines.unit, [1, 2, 1, 2, 3])
    assert list(engines.data.feature_names) == engines.feature_names
    assert engines.feature_names[:4] == ["setting_1", "setting_2", "setting_3", "sensor_01"]
    assert engines.feature_names[-1] == "sensor_21"
    assert engines.data[1][2, 5] == 203.05
    assert engines.data[3][0, 23] == 201.73
    rul = [list(cell) for cell in engines.target["rul"]]
    assert rul == [list(range(199, -1, -1)), [2, 1, 0], [13, 12, 11, 10], [125, 124], [0]]
    health = [list(cell) for cell in engines.target["health"]]
    assert health[0] == ["healthy"] * 74 + ["degrading"] * 75 + ["critical"] * 51
    assert health[3] == ["degrading"] * 2
    assert engines.task_names == list(engines.target) == ["rul", "health"]
    assert all(c.per_step for c in read_labels(engines.target, engines.data.lengths).columns)
    assert "2 engines of the training part" in engines.DESCR


def test_a_cap_holds_for_the_life_and_not_for_the_health(unverified, tmp_path):
    fill(tmp_path)
    free, capped = (fetch_cmapss(data_home=tmp_path, cap=cap).target for cap in (None, 7.5))
    for life, most, one, other in zip(
        free["rul"], capped["rul"], free["health"], capped["health"], strict=True
    ):
        assert_array_equal(most, np.minimum(life, 7.5))
        assert_array_equal(one, other)
    for cap in (0, -1, "125"):
        with pytest.raises(ValueError, match="'cap' parameter"):
            fetch_cmapss(data_home=tmp_path, cap=cap)


def test_as_frame_is_a_panel_by_cycle(unverified, tmp_path):
    fill(tmp_path)
    engines, panel = (
        fetch_cmapss(data_home=tmp_path),
        fetch_cmapss(data_home=tmp_path, as_frame=True),
    )
    again = Ragged.from_panel(panel.data)
    assert_array_equal(again.values, engines.data.values)
    assert_array_equal(again.offsets, engines.data.offsets)
    assert list(panel.data.loc[2].index) == [1, 2, 3, 4]
    assert list(panel.frame) == [*engines.feature_names, "rul", "health"]
    assert panel.frame.loc[(3, 1), "rul"] == 125
    assert engines.frame is None
    X, y = fetch_cmapss(data_home=tmp_path, as_frame=True, return_X_y=True)
    assert X.equals(panel.data)
    assert list(y) == ["rul", "health"]


def test_rows_in_another_order_and_broken_ones(unverified, tmp_path):
    fill(tmp_path)
    lines = rows((200, 3))
    shuffled = [
        *lines[::-1][:150],
        "1 2 3",
        "1 9 " + "x " * 24,
        *lines[::-1][150:],
        lines[0] + "nan",
    ]
    write(tmp_path / "train_FD001.txt", "\n".join(shuffled))
    expected = fetch_cmapss(data_home=fill_other(tmp_path))
    with pytest.warns(
        UserWarning,
        match=r"C-MAPSS FD001: skipped 3 broken row\(s\): 3 with what is not 26 numbers; the first "
        "is line 151 of train_FD001.txt",
    ) as caught:
        engines = fetch_cmapss(data_home=tmp_path)
    assert len(caught) == 1
    assert_array_equal(engines.data.values, expected.data.values)


def test_the_labels_of_others_stay_where_a_last_row_cannot_be_read(unverified, tmp_path):
    fill(tmp_path)
    path = tmp_path / "train_FD001.txt"
    lines = path.read_text().splitlines()
    last = next(k for k, line in enumerate(lines) if line.split()[0] == "2") - 1
    whole = fetch_cmapss(data_home=tmp_path).target["rul"][0]
    path.write_text("\n".join([*lines[:last], "garbage", *lines[last + 1 :]]))
    with pytest.warns(UserWarning, match="1 with what is not 26 numbers"):
        rul = fetch_cmapss(data_home=tmp_path).target["rul"][0]
    assert_array_equal(rul, whole[:-1])


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda line: line, "a cycle that stands twice"),
        (lambda line: line.replace("1 ", "1.5 ", 1), "what is not 26 numbers"),
        (lambda line: line.replace("1 ", "-1 ", 1), "what is not 26 numbers"),
        (lambda line: line.replace("1 1 ", "1 0.5 ", 1), "what is not 26 numbers"),
    ],
)
def test_units_and_cycles_are_counted_once(unverified, tmp_path, wrong, reason):
    fill(tmp_path)
    path = tmp_path / "train_FD001.txt"
    lines = path.read_text().splitlines()
    expected = fetch_cmapss(data_home=tmp_path).data
    path.write_text("\n".join([lines[0], wrong(lines[0]), *lines[1:]]))
    with pytest.warns(UserWarning, match=f"1 with {reason}"):
        found = fetch_cmapss(data_home=tmp_path).data
    assert_array_equal(found.values, expected.values)
    assert_array_equal(found.offsets, expected.offsets)


def fill_other(tmp_path):
    fill(tmp_path / "other")
    return tmp_path / "other"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("RUL_FD001.txt", "1\n2\n", "must hold one number for each of the 3 engines.*found 2"),
        (
            "RUL_FD001.txt",
            "1\n\n3\n",
            "one number of cycles, .*found '' in line 2",
        ),
        ("RUL_FD001.txt", "1\n2\n-5\n", "found '-5' in line 3"),
        ("train_FD001.txt", "nothing", "train_FD001.txt must hold rows of 26 numbers, found none"),
    ],
)
def test_files_that_do_not_fit_are_refused(unverified, tmp_path, name, text, message):
    fill(tmp_path)
    write(tmp_path / name, text)
    with pytest.raises(OSError, match=message):
        fetch_cmapss(data_home=tmp_path)


def test_other_engines_are_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(OSError, match=r"train_FD001.txt must hold C-MAPSS .*SHA-256 67cddae602"):
        fetch_cmapss(data_home=tmp_path)


def test_all_subsets_come_from_one_archive(unverified, tmp_path, monkeypatch):
    path = tmp_path / "served.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for subset, train in (("FD001", (3, 2)), ("FD004", (5, 4, 3))):
            for name, text in texts(subset, train=train).items():
                archive.writestr(f"CMAPSSData/{name}", text)
    fake = FakePooch({_cmapss._URL: path.read_bytes()})
    monkeypatch.setitem(sys.modules, "pooch", fake)
    assert fetch_cmapss(data_home=tmp_path).data.lengths.max() == 4
    assert fetch_cmapss(subset="FD004", data_home=tmp_path).data.lengths.max() == 5
    assert fake.asked == [_cmapss._URL]
    assert (tmp_path / "cmapss" / "CMAPSSData.zip").is_file()
    with pytest.raises(
        OSError, match=r"CMAPSSData.zip must be a zip archive that holds train_FD002"
    ):
        fetch_cmapss(subset="FD002", data_home=tmp_path)
    with pytest.raises(ValueError, match="'subset' parameter"):
        fetch_cmapss(subset="FD005", data_home=tmp_path)


needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_counts():
    engines = fetch_cmapss(download_if_missing=False)
    train = engines.split == "train"
    assert (train.sum(), (~train).sum()) == (100, 100)
    assert engines.data[train].values.shape == (20631, 24)
    assert engines.data[~train].values.shape == (13096, 24)
    assert (engines.data[train].lengths.min(), engines.data[train].lengths.max()) == (128, 362)
    last = np.array([cell[-1] for cell in engines.target["rul"]])
    assert (last[train] == 0).all()
    assert (last[~train].min(), last[~train].max()) == (7, 145)
    assert (np.ptp(engines.data[train].values[:, 3:], axis=0) < 0.011).sum() == 7
    assert np.std(np.minimum(last[~train], 125)) == pytest.approx(40.07, abs=0.005)


def test_a_broken_last_row_shifts_no_label(unverified, tmp_path):
    fill(tmp_path)
    path = tmp_path / "test_FD001.txt"
    lines = path.read_text().splitlines()
    lines[3] = "1 4 not a number"  # the last cycle of the first engine
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="line 4 of test_FD001"):
        engines = fetch_cmapss(data_home=tmp_path)
    assert list(engines.target["rul"][2]) == [13, 12, 11]
