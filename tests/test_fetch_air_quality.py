"""Air Quality: one series, in the notation of its source and in that of its copies."""

import os
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from made_files import PACKED, FakePooch, write
from numpy.testing import assert_array_equal

from sk_mtrnn.datasets import _air_quality, fetch_air_quality

HEADER = """\
Date,Time,CO(GT),PT08.S1(CO),NMHC(GT),C6H6(GT),PT08.S2(NMHC),NOx(GT),PT08.S3(NOx),NO2(GT),\
PT08.S4(NO2),PT08.S5(O3),T,RH,AH"""
NAMES = HEADER.split(",")
ROWS = [
    "2004-03-10,18:00:00,2.6,1360,150,11.9,1046,166,1056,113,1692,1268,13.6,48.9,0.7578",
    "2004-03-10,19:00:00,-200,1292,-200,9.4,-200,103,1174,92,1559,972,13.3,47.7,-200",
    "2004-04-01,00:00:00,2.2,1402,-200.0,9,939,131,1140,114,,1074,11.9,54,0.7502",
]


def as_published(rows):
    """The rows with semicolons, decimal commas, days first, and two empty columns."""
    lines = [";".join([*NAMES, "", ""])]
    for row in rows:
        date, time, *numbers = row.split(",")
        date, time = "/".join(date.split("-")[::-1]), time.replace(":", ".")
        lines.append(";".join([date, time, *(n.replace(".", ",") for n in numbers), "", ""]))
    return "\r\n".join([*lines, *[";" * 16] * 3]) + "\r\n"


def as_copied(rows):
    return "\ufeff" + "\n".join([",".join(NAMES), *rows]) + "\n"


@pytest.fixture
def unverified(monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setattr(_air_quality, "_SHA256", None)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("notation", [as_published, as_copied])
def test_both_notations_are_the_same_series(unverified, tmp_path, notation, suffix):
    write(tmp_path / "air_quality" / "AirQualityUCI.csv", notation(ROWS), suffix)
    air = fetch_air_quality(data_home=tmp_path)
    times = ["2004-03-10 18:00", "2004-03-10 19:00", "2004-04-01 00:00"]
    assert_array_equal(air.data.index, pd.to_datetime(times))
    assert air.target.index.equals(air.data.index)
    assert air.feature_names == list(air.data) == [n for n in NAMES if n[:2] in "PT RH AH T"]
    assert air.task_names == list(air.target) == ["CO", "C6H6", "NOx", "NO2"]
    assert set(air.frame) == {*air.data, *air.target, "NMHC(GT)"}
    expected = [[1360, 1046, 1056, 1692, 1268, 13.6, 48.9, 0.7578]]
    expected += [[1292, np.nan, 1174, 1559, 972, 13.3, 47.7, np.nan]]
    expected += [[1402, 939, 1140, np.nan, 1074, 11.9, 54, 0.7502]]
    assert_array_equal(air.data, expected)
    nan = np.nan
    assert_array_equal(air.target, [[2.6, 11.9, 166, 113], [nan, 9.4, 103, 92], [2.2, 9, 131, 114]])
    assert_array_equal(air.frame["NMHC(GT)"], [150, nan, nan])
    X, y = fetch_air_quality(data_home=tmp_path, as_frame=True, return_X_y=True)
    assert X.equals(air.data)
    assert y.equals(air.target)


def test_broken_rows_are_skipped_and_counted(unverified, tmp_path):
    broken = ["2004-03-10,20:00:00,1", ROWS[0].replace("1360", "high"), "2004-13-40" + ROWS[1][10:]]
    text = as_copied([ROWS[0], *broken, ROWS[2] + ",7", ROWS[1]])
    write(tmp_path / "AirQualityUCI.csv", text)
    with pytest.warns(
        UserWarning,
        match=r"Air Quality: skipped 4 broken row\(s\): 2 with another number of entries than 15, "
        "2 with an entry that cannot be read; the first is line 3 of AirQualityUCI.csv",
    ) as caught:
        air = fetch_air_quality(data_home=tmp_path)
    assert len(caught) == 1
    assert len(air.data) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"AirQualityUCI.csv must have the columns Date, .* found \['a', 'b'\]"),
        (as_copied([]), "AirQualityUCI.csv must hold rows of 15 entries, found none"),
    ],
)
def test_a_file_of_something_else_is_refused(unverified, tmp_path, text, message):
    write(tmp_path / "AirQualityUCI.csv", text)
    with pytest.raises(OSError, match=message):
        fetch_air_quality(data_home=tmp_path)


def test_another_series_is_refused(tmp_path):
    write(tmp_path / "AirQualityUCI.csv", as_copied(ROWS))
    with pytest.raises(OSError, match=r"AirQualityUCI.csv must hold Air Quality, SHA-256 bc74533e"):
        fetch_air_quality(data_home=tmp_path)


def test_the_archive_is_downloaded_and_kept(unverified, tmp_path, monkeypatch):
    path = tmp_path / "served.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AirQualityUCI.csv", as_published(ROWS))
        archive.writestr("AirQualityUCI.xlsx", b"a spreadsheet")
    fake = FakePooch({_air_quality._URL: path.read_bytes()})
    monkeypatch.setitem(sys.modules, "pooch", fake)
    for _ in range(2):
        assert len(fetch_air_quality(data_home=tmp_path).data) == 3
    assert fake.asked == [_air_quality._URL]
    assert (tmp_path / "air_quality" / "air+quality.zip").is_file()


needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_counts():
    air = fetch_air_quality(download_if_missing=False)
    assert air.data.shape == (9357, 8)
    assert (np.diff(air.data.index.to_numpy()) == np.timedelta64(1, "h")).all()
    missing = air.frame.isna().sum()
    gases = {"CO": 1683, "NMHC(GT)": 8443, "C6H6": 366, "NOx": 1639, "NO2": 1642}
    assert missing[list(gases)].to_dict() == gases
    assert (missing[air.feature_names] == 366).all()


@needs_data
def test_the_published_notation_of_the_real_series_passes(tmp_path):
    air = fetch_air_quality(download_if_missing=False)
    original = {"CO": "CO(GT)", "C6H6": "C6H6(GT)", "NOx": "NOx(GT)", "NO2": "NO2(GT)"}
    table = air.frame.rename(columns=original)[NAMES[2:]].fillna(-200)
    rows = [
        f"{time:%Y-%m-%d,%H:%M:%S},{','.join(map(repr, map(float, numbers)))}"
        for time, numbers in zip(table.index, table.to_numpy(), strict=True)
    ]
    write(tmp_path / "AirQualityUCI.csv", as_published(rows))
    assert fetch_air_quality(data_home=tmp_path).frame.equals(air.frame)
