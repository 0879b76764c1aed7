"""SNIPS: sentences, intents and slots of every part, and of nothing else."""

import os
import sys

import pandas as pd
import pytest
from made_files import PACKED, FakePooch, write
from numpy.testing import assert_array_equal

from sk_mtrnn.datasets import _snips, fetch_snips
from sk_mtrnn.sequences import read_labels

SENTENCES = {
    "train": [("play  the blues ", "O O B-genre ", "Play"), ("rate it", "O B-object", "Rate")],
    "valid": [("españa\u00a0now", "B-place", "Weather"), ("add", "O", "Add")],
    "test": [("play jazz", "O B-genre", "Play")],
}
COLUMNS = ("seq.in", "seq.out", "label")


def fill(home, suffix="", sentences=SENTENCES, name="snips/{split}.{kind}"):
    for split, rows in sentences.items():
        for kind, column in zip(COLUMNS, zip(*rows, strict=True), strict=True):
            write(home / name.format(split=split, kind=kind), "\n".join(column) + "\n", suffix)


@pytest.fixture
def unverified(monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setattr(_snips, "_SHA256", dict.fromkeys(SENTENCES))


@pytest.mark.parametrize("suffix", PACKED)
def test_sentences_and_their_labels_in_order(unverified, tmp_path, suffix):
    fill(tmp_path, suffix)
    snips = fetch_snips(data_home=tmp_path)
    assert snips.data[0] == ["play", "the", "blues"]
    assert [len(words) for words in snips.data] == [3, 2, 1, 1, 2]
    assert list(snips.target["slots"][0]) == ["O", "O", "B-genre"]
    assert list(snips.target["intent"]) == ["Play", "Rate", "Weather", "Add", "Play"]
    assert list(snips.split) == ["train", "train", "valid", "valid", "test"]
    assert snips.task_names == list(snips.target) == ["intent", "slots"]
    assert snips.frame is None
    columns = read_labels(snips.target, [len(words) for words in snips.data]).columns
    assert [column.per_step for column in columns] == [False, True]
    X, y = fetch_snips(data_home=tmp_path, return_X_y=True)
    assert snips.data == X
    assert y.equals(snips.target[["intent"]].join(y["slots"]))


def test_a_subset_needs_its_own_files_only(unverified, tmp_path):
    fill(tmp_path, sentences={"valid": SENTENCES["valid"]})
    snips = fetch_snips(subset="valid", data_home=tmp_path)
    assert set(snips.split) == {"valid"}
    assert len(snips.data) == 2
    with pytest.raises(OSError, match=r"train.seq.in .*test.label") as caught:
        fetch_snips(data_home=tmp_path, download_if_missing=False)
    assert "valid" not in str(caught.value)
    with pytest.raises(ValueError, match="'subset' parameter"):
        fetch_snips(subset="dev", data_home=tmp_path)


def test_as_frame_is_one_row_a_word(unverified, tmp_path):
    fill(tmp_path)
    snips = fetch_snips(data_home=tmp_path, as_frame=True)
    words = fetch_snips(data_home=tmp_path).data
    assert snips.data.index.names == ["sample", "time"]
    assert [list(part) for _, part in snips.data.groupby(level=0)["token"]] == words
    assert list(snips.frame) == ["token", "intent", "slots"]
    assert snips.frame.loc[(0, 2)].to_list() == ["blues", "Play", "B-genre"]
    assert snips.frame.loc[(4, 1)].to_list() == ["jazz", "Play", "B-genre"]


def test_broken_sentences_are_skipped_and_counted(unverified, tmp_path):
    sentences = dict(SENTENCES)
    sentences["valid"] = [("", "", "Play"), ("a b", "O", "Play"), ("c", "O", ""), ("d", "O", "Add")]
    fill(tmp_path, sentences=sentences)
    with pytest.warns(
        UserWarning,
        match=r"SNIPS: skipped 3 broken row\(s\): 2 with no word or no intent, 1 with another "
        r"number of labels than words; the first is line 1 of valid.seq.in",
    ) as caught:
        snips = fetch_snips(data_home=tmp_path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert snips.data[2] == ["d"]


def test_columns_of_other_lengths_are_refused(unverified, tmp_path):
    fill(tmp_path)
    write(tmp_path / "snips" / "test.label", "Play\nPlay\n")
    with pytest.raises(OSError, match=r"test.label must hold as many lines .* found \[1, 1, 2\]"):
        fetch_snips(data_home=tmp_path)


def test_other_sentences_are_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(
        OSError, match=r"train.seq.in, .*train.label must hold SNIPS \(train\), SHA-256 98b094d5"
    ):
        fetch_snips(data_home=tmp_path)


def test_files_are_downloaded_from_the_folders_of_the_repository(unverified, tmp_path, monkeypatch):
    fill(tmp_path / "remote", name="{split}/{kind}")
    served = {
        f"{_snips._URL}/{split}/{kind}": (tmp_path / "remote" / split / kind).read_bytes()
        for split in SENTENCES
        for kind in COLUMNS
    }
    fake = FakePooch(served)
    monkeypatch.setitem(sys.modules, "pooch", fake)
    downloaded = fetch_snips(data_home=tmp_path / "home")
    assert sorted(fake.asked) == sorted(served)
    assert (tmp_path / "home" / "snips" / "train.seq.in").is_file()
    assert fetch_snips(data_home=tmp_path / "home").data == downloaded.data
    assert len(fake.asked) == 9
    fill(tmp_path / "cloned", name="snips/{split}/{kind}")  # as the repository has them
    assert fetch_snips(data_home=tmp_path / "cloned").data == downloaded.data


needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_counts():
    snips = fetch_snips(download_if_missing=False)
    parts = pd.Series(snips.split).value_counts()
    assert parts.to_dict() == {"train": 13084, "valid": 700, "test": 700}
    lengths = [len(words) for words in snips.data]
    assert (min(lengths), max(lengths)) == (2, 35)
    assert snips.target["intent"].nunique() == 7
    assert len({slot for slots in snips.target["slots"] for slot in slots}) == 72
    assert_array_equal(lengths, [len(slots) for slots in snips.target["slots"]])


@needs_data
def test_a_broken_line_among_the_real_ones_is_skipped_and_the_rest_passes(tmp_path):
    real = fetch_snips(subset="valid", download_if_missing=False)
    rows = [
        (" ".join(words), " ".join(slots), intent)
        for words, slots, intent in zip(
            real.data, real.target["slots"], real.target["intent"], strict=True
        )
    ]
    fill(tmp_path, sentences={"valid": [*rows[:5], ("one two", "O", "Play"), *rows[5:]]})
    with pytest.warns(UserWarning, match="1 broken row.*line 6 of valid.seq.in"):
        again = fetch_snips(subset="valid", data_home=tmp_path)
    assert again.data == real.data
