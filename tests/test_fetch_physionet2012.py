"""PhysioNet 2012: minutes, variables and outcomes, from texts and from the arrays made of them."""

import io
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from made_files import PACKED, FakePooch, write
from numpy.testing import assert_array_equal

from sk_mtrnn.datasets import _physionet2012 as physionet2012
from sk_mtrnn.datasets import fetch_physionet2012
from sk_mtrnn.datasets._physionet2012_files import VARIABLES
from sk_mtrnn.sequences import Ragged, read_labels

HEADER = "Time,Parameter,Value"
NAN = np.nan


def described(record, unit_type, weight="-1"):
    values = {"RecordID": record, "Age": 54, "Gender": 0, "Height": -1, "ICUType": unit_type}
    return [HEADER, *(f"00:00,{k},{v}" for k, v in values.items()), f"00:00,Weight,{weight}"]


STAYS = {
    "132540.txt": [*described(132540, 2, "76.5"), "00:00,Weight,77", "47:59,HR,80", "48:00,pH,7.4"],
    "132539.txt": [*described(132539, 4), "00:07,GCS,15", "00:07,HR,73", "00:37,HR,77"],
    "132600.txt": described(132600, 3),
    "132545.txt": [*described(132545, 1), "01:00,HR,70", "01:00,HR,71", "00:30,Temp,-17.8"],
}
OUTCOMES = [
    "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death",
    "132539,6,1,5,-1,0",
    "132540,-1,8,2,-1,1",
    "132545,21,-1,-1,-1,0",
    "132600,7,3,3,-1,0",
]


def packed(stays, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, lines in {"readme": ["about"], **stays}.items():
            content = "\n".join([*lines, ""]).encode()
            member = tarfile.TarInfo(f"set-a/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def fill(folder, stays=STAYS, outcomes=OUTCOMES, kind="set-a.tar.xz", suffix=""):
    write(folder / "Outcomes-a.txt", "\n".join(outcomes), suffix)
    if kind == "set-a":
        for name, lines in stays.items():
            write(folder / kind / name, "\r\n".join(lines))
    else:
        mode = {"xz": "w:xz", "gz": "w:gz", "tar": "w:"}[kind.rpartition(".")[2]]
        (folder / kind).write_bytes(packed(stays, mode))


@pytest.fixture
def unverified(monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setattr(physionet2012, "_SHA256", None)


def channel(stays, name):
    return stays.data.values[:, stays.feature_names.index(name)]


@pytest.mark.parametrize("kind", ["set-a.tar.xz", "set-a.tar.gz", "set-a.tar", "set-a"])
@pytest.mark.parametrize("suffix", PACKED)
def test_stays_by_number_and_their_minutes_in_order(unverified, tmp_path, kind, suffix):
    fill(tmp_path / "physionet2012", kind=kind, suffix=suffix)
    stays = fetch_physionet2012(data_home=tmp_path)
    assert isinstance(stays.data, Ragged)
    assert stays.data.dtype == np.float32
    assert list(stays.data.feature_names) == stays.feature_names == ["minute", *VARIABLES]
    assert_array_equal(stays.data.lengths, [2, 3, 2, 1])
    assert_array_equal(channel(stays, "minute"), [7, 37, 0, 2879, 2880, 30, 60, 0])
    assert_array_equal(channel(stays, "HR"), [73, 77, NAN, 80, NAN, NAN, 71, NAN])
    assert_array_equal(channel(stays, "GCS"), [15, *[NAN] * 7])
    assert_array_equal(channel(stays, "Weight"), [NAN, NAN, 77, *[NAN] * 5])
    assert channel(stays, "Temp")[5] == np.float32(-17.8)
    assert np.isnan(stays.data[3][:, 1:]).all()
    assert np.count_nonzero(~np.isnan(stays.data.values[:, 1:])) == 9 - 1
    assert stays.n_overwritten == 1


def test_descriptors_and_tasks(unverified, tmp_path):
    fill(tmp_path)
    stays = fetch_physionet2012(data_home=tmp_path)
    assert list(stays.descriptors["RecordID"]) == [132539, 132540, 132545, 132600]
    assert_array_equal(stays.descriptors["Weight"], [NAN, 76.5, NAN, NAN])
    assert_array_equal(stays.descriptors["ICUType"], [4, 2, 1, 3])
    assert stays.descriptors["Height"].isna().all()
    expected = {
        "death": [0, 1, 0, 0],
        "los_below_3": [0, 1, NAN, 0],
        "cardiac": [0, 1, 1, 0],
        "surgery": [1, 1, 0, 0],
        "saps": [6, NAN, 21, 7],
        "sofa": [1, 8, NAN, 3],
        "los": [5, 2, NAN, 3],
    }
    assert stays.task_names == list(stays.target) == list(expected)
    for name, labels in expected.items():
        assert_array_equal(stays.target[name], labels)
        assert f"- {name}:" in stays.DESCR
    columns = read_labels(stays.target, stays.data.lengths).columns
    assert [column.missing.sum() for column in columns] == [0, 1, 0, 0, 1, 1, 1]
    X, y = fetch_physionet2012(data_home=tmp_path, return_X_y=True)
    assert_array_equal(X.values, stays.data.values)
    assert y.equals(stays.target)


def test_an_unknown_unit_is_a_missing_label(unverified, tmp_path):
    fill(tmp_path, {**STAYS, "132600.txt": described(132600, -1)})
    target = fetch_physionet2012(data_home=tmp_path).target
    assert_array_equal(target["cardiac"].isna(), [False, False, False, True])
    assert_array_equal(target["surgery"].isna(), [False, False, False, True])


def test_as_frame_is_a_panel_by_minute(unverified, tmp_path):
    fill(tmp_path)
    stays = fetch_physionet2012(data_home=tmp_path)
    panel = fetch_physionet2012(data_home=tmp_path, as_frame=True)
    again = Ragged.from_panel(panel.data)
    assert_array_equal(again.values, stays.data.values)
    assert_array_equal(again.offsets, stays.data.offsets)
    assert list(panel.data.loc[1].index) == [0, 2879, 2880]
    assert list(panel.frame) == [*stays.feature_names, *stays.task_names]
    assert_array_equal(panel.frame["sofa"], [1, 1, 8, 8, 8, NAN, NAN, 3])


def test_broken_rows_are_skipped_and_counted(unverified, tmp_path):
    expected = (fill(tmp_path / "whole"), fetch_physionet2012(data_home=tmp_path / "whole"))[1]
    broken = ["05:00,,7", "05:00,HR", "x,HR,7", "05:60,HR,7", "05:00,HR,seven", "05:00,HR,nan"]
    broken += ["05:00,Height,170", "05:00,HeartRate,7", ""]
    stays = {**STAYS, "132539.txt": [*STAYS["132539.txt"][:8], *broken, *STAYS["132539.txt"][8:]]}
    fill(tmp_path, stays, [*OUTCOMES, "132700,a,b,c,d,e"])
    with pytest.warns(
        UserWarning,
        match=r"PhysioNet 2012 \(set a\): skipped 10 broken row\(s\): 1 with no parameter name, 2 "
        r"with another number of entries than 3, 2 with a time that cannot be read, 2 with a value "
        r"that is no number, 2 with an unknown parameter name, 1 with an outcome that is no "
        r"number; the first is line 9 of 132539.txt\.",
    ) as caught:
        found = fetch_physionet2012(data_home=tmp_path)
    assert len(caught) == 1
    assert_array_equal(found.data.values, expected.data.values)
    assert found.target.equals(expected.target)


def test_a_broken_outcome_is_a_missing_label(unverified, tmp_path):
    broken = OUTCOMES[3].rpartition(",")[0] + ",x"
    fill(tmp_path, outcomes=[*OUTCOMES[:3], broken, *OUTCOMES[4:]])
    with pytest.warns(UserWarning, match=r"1 broken row\(s\): 1 with an outcome that is no number"):
        found = fetch_physionet2012(data_home=tmp_path)
    assert len(found.data) == len(found.target) == 4
    for name in ("death", "los_below_3", "saps", "sofa", "los"):
        assert np.isnan(found.target[name][2])
    assert not found.target[["cardiac", "surgery"]].isna().any(axis=None)
    fill(tmp_path, outcomes=[*OUTCOMES[:3], broken])  # and one row that is not there at all
    with pytest.raises(OSError, match=r"Outcomes-a.txt must hold .*none of \d+ and 1 others"):
        fetch_physionet2012(data_home=tmp_path)


def test_a_missing_outcome_a_missing_column_and_an_empty_archive_are_named(unverified, tmp_path):
    fill(tmp_path, outcomes=OUTCOMES[:3])
    with pytest.raises(OSError, match=r"Outcomes-a.txt must hold .*none of 132545 and 1 others"):
        fetch_physionet2012(data_home=tmp_path)
    fill(tmp_path, outcomes=["RecordID,SOFA"])
    with pytest.raises(OSError, match=r"Outcomes-a.txt must have the columns .*\['RecordID', 'SO"):
        fetch_physionet2012(data_home=tmp_path)
    fill(tmp_path, {})
    with pytest.raises(OSError, match=r"set-a.tar.xz must hold files <number>.txt, found none"):
        fetch_physionet2012(data_home=tmp_path)


@pytest.mark.parametrize("kind", ["set-a.tar.xz", "set-a.tar.gz"])
def test_a_broken_archive_is_named(unverified, tmp_path, kind):
    fill(tmp_path, kind=kind)
    content = (tmp_path / kind).read_bytes()
    for broken in (b"", content[: len(content) // 3], b"?" + content[1:]):
        (tmp_path / kind).write_bytes(broken)
        with pytest.raises(OSError, match=f"{kind} must (be a tar archive|hold files)"):
            fetch_physionet2012(data_home=tmp_path)


def test_other_stays_are_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(OSError, match=r"set-a.tar.xz must hold PhysioNet 2012.*SHA-256 f9470a220e"):
        fetch_physionet2012(data_home=tmp_path)


def parsed(stays):
    """The arrays that hold what was read from the texts above."""
    events = [
        (
            k,
            60 * int(row[:2]) + int(row[3:5]),
            VARIABLES.index(row.split(",")[1]),
            row.split(",")[2],
        )
        for k, name in enumerate(sorted(STAYS))
        for row in STAYS[name][7:]
    ]
    rec, minute, var, value = (list(column) for column in zip(*events, strict=True))
    return {
        "rec": np.array(rec, np.uint16),
        "minute": np.array(minute, np.uint16),
        "var": np.array(var, np.uint8),
        "value": np.array(value, np.float32),
        "var_names": np.array(VARIABLES),
        "record_id": stays.descriptors["RecordID"].to_numpy(),
        "descriptors": stays.descriptors.fillna(-1).to_numpy(np.float32),
        "SAPS": stays.target["saps"].fillna(-1),
        "SOFA": stays.target["sofa"].fillna(-1),
        "LOS": stays.target["los"].fillna(-1),
        "death": stays.target["death"],
    }


def test_what_has_been_parsed_is_read_first_and_is_the_same(unverified, tmp_path):
    fill(tmp_path)
    stays = fetch_physionet2012(data_home=tmp_path)
    path = tmp_path / "physionet2012" / "p12_set_a_long.npz"
    path.parent.mkdir()
    np.savez(path, **parsed(stays))
    (tmp_path / "set-a.tar.xz").write_bytes(b"not read")
    again = fetch_physionet2012(data_home=tmp_path)
    assert_array_equal(again.data.values, stays.data.values)
    assert_array_equal(again.data.offsets, stays.data.offsets)
    assert again.target.equals(stays.target)
    assert again.descriptors.equals(stays.descriptors)
    for broken in ({}, {**parsed(stays), "var_names": VARIABLES[::-1]}):
        np.savez(path, **broken)
        with pytest.raises(OSError, match=r"p12_set_a_long.npz must hold the parsed"):
            fetch_physionet2012(data_home=tmp_path)
    path.write_bytes(b"PK")
    with pytest.raises(OSError, match=r"p12_set_a_long.npz must hold the parsed"):
        fetch_physionet2012(data_home=tmp_path)


def test_what_is_missing_is_downloaded(unverified, tmp_path, monkeypatch):
    url = physionet2012._URL
    served = {
        f"{url}/set-a.tar.gz": packed(STAYS, "w:gz"),
        f"{url}/Outcomes-a.txt": "\n".join(OUTCOMES).encode(),
    }
    fake = FakePooch(served)
    monkeypatch.setitem(sys.modules, "pooch", fake)
    for _ in range(2):
        assert len(fetch_physionet2012(data_home=tmp_path).data) == 4
    assert fake.asked == list(served)
    kept = sorted(path.name for path in (tmp_path / "physionet2012").iterdir())
    assert kept == ["Outcomes-a.txt", "set-a.tar.gz"]


needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_counts():
    stays = fetch_physionet2012(download_if_missing=False)
    assert len(stays.data) == len(stays.target) == len(stays.descriptors) == 4000
    assert stays.data.n_features == 38
    assert channel(stays, "minute").max() == 2880
    silent = [np.isnan(stay[:, 1:]).all() for stay in stays.data]
    assert sum(silent) == 3
    assert all(
        len(stay) == 1 for stay, is_silent in zip(stays.data, silent, strict=True) if is_silent
    )
    measured = np.count_nonzero(~np.isnan(stays.data.values[:, 1:]))
    assert measured + stays.n_overwritten == 1733980
    assert set(np.unique(channel(stays, "MechVent"))[:1]) == {1}
    assert stays.target["death"].sum() == 554
    assert stays.target["los_below_3"].sum() == 51
    assert stays.target["los_below_3"].isna().sum() == 60


@needs_data
def test_real_texts_and_parsed_arrays_are_the_same(tmp_path):
    folder = Path(os.environ["SK_MTRNN_DATA"]) / "physionet2012"
    if not (folder / "p12_set_a_long.npz").is_file():
        pytest.skip("SK_MTRNN_DATA holds no p12_set_a_long.npz")
    for name in ("set-a.tar.xz", "Outcomes-a.txt"):
        (tmp_path / name).symlink_to(folder / name)
    one = fetch_physionet2012(download_if_missing=False)
    other = fetch_physionet2012(data_home=tmp_path, download_if_missing=False)
    assert_array_equal(one.data.values, other.data.values)
    assert_array_equal(one.data.offsets, other.data.offsets)
    assert one.target.equals(other.target)
    assert one.descriptors.equals(other.descriptors)
