"""Treebanks: CoNLL-U is read as its definition says, whichever treebank lies there."""

import os
import sys

import numpy as np
import pytest
from made_files import PACKED, FakePooch, write

from sk_mtrnn.datasets import _universal_dependencies as ud
from sk_mtrnn.datasets import fetch_universal_dependencies
from sk_mtrnn.sequences import read_labels


def row(number, form, upos="NOUN", xpos="N", feats="_", head=0, deprel="root"):
    return f"{number}\t{form}\t{form.lower()}\t{upos}\t{xpos}\t{feats}\t{head}\t{deprel}\t_\t_"


CONTRACTION = [
    "# sent_id = 1",
    "# text = Zum Haus",
    "1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_",
    row(1, "zu", "ADP", "APPR", head=3, deprel="case"),
    row(2, "dem", "DET", "ART", "Case=Dat|Number=Sing", head=3, deprel="det"),
    row(3, "Haus"),
    row("3.1", "understood"),
    "",
]
SHORT = [row(1, "Ja", "INTJ", "_"), "", "", row(1, "Nee", "_", "ITJ", head="_", deprel="_"), ""]


@pytest.fixture
def unverified(monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setattr(ud, "_SHA256", {})


def fill(folder, treebank="af_afribooms", suffix="", **parts):
    for split, lines in (parts or {"train": CONTRACTION, "dev": SHORT, "test": SHORT}).items():
        write(folder / f"{treebank}-ud-{split}.conllu", "\n".join(lines) + "\n", suffix)


@pytest.mark.parametrize("suffix", PACKED)
def test_words_and_their_tags(unverified, tmp_path, suffix):
    fill(tmp_path / "ud_afrikaans", suffix=suffix)
    bank = fetch_universal_dependencies(data_home=tmp_path)
    assert bank.data == [["zu", "dem", "Haus"], ["Ja"], ["Nee"], ["Ja"], ["Nee"]]
    assert list(bank.split) == ["train", "dev", "dev", "test", "test"]
    assert bank.task_names == list(bank.target) == ["upos", "xpos", "feats", "deprel"]
    assert list(bank.target["upos"][0]) == ["ADP", "DET", "NOUN"]
    assert list(bank.target["feats"][0]) == ["_", "Case=Dat|Number=Sing", "_"]
    assert list(bank.target["deprel"][0]) == ["case", "det", "root"]
    assert bank.head == [[3, 3, 0], [0], [None], [0], [None]]
    assert bank.lemma[0] == ["zu", "dem", "haus"]
    assert "5 sentences, split into 7 words: 1 train, 2 dev, 2 test" in bank.DESCR


def test_what_is_not_annotated_is_a_missing_label_but_no_features_are_a_label(unverified, tmp_path):
    fill(tmp_path)
    bank = fetch_universal_dependencies(data_home=tmp_path)
    lengths = [len(words) for words in bank.data]
    columns = {column.name: column for column in read_labels(bank.target, lengths).columns}
    missing = {name: list(np.flatnonzero(column.missing)) for name, column in columns.items()}
    assert missing == {"upos": [4, 6], "xpos": [3, 5], "feats": [], "deprel": [4, 6]}
    assert all(column.per_step for column in columns.values())


def test_any_treebank_that_lies_there_is_read(unverified, tmp_path):
    fill(tmp_path / "UD_Dutch-Other", "nl_other", ".xz", test=SHORT)
    bank = fetch_universal_dependencies(treebank="nl_other", data_home=tmp_path)
    assert bank.data == [["Ja"], ["Nee"]]
    assert set(bank.split) == {"test"}
    assert "Universal Dependencies: nl_other" in bank.DESCR
    with pytest.raises(
        OSError, match=r"\(de_gsd\): not found: .*no address to download it.*put de_gsd-"
    ):
        fetch_universal_dependencies(treebank="de_gsd", data_home=tmp_path)


@pytest.mark.parametrize("treebank", ["", "../af_afribooms", "UD_Afrikaans-AfriBooms", "af"])
def test_a_name_that_is_none_is_refused(tmp_path, treebank):
    with pytest.raises(ValueError, match=r"treebank must be the name .*'af_afribooms', found"):
        fetch_universal_dependencies(treebank=treebank, data_home=tmp_path)


def test_the_known_treebank_needs_all_its_parts(unverified, tmp_path, monkeypatch):
    fill(tmp_path / "ud_afrikaans", train=CONTRACTION)
    with pytest.raises(OSError, match=r"dev.conllu .*test.conllu .*r2.2/af_afribooms-ud-dev"):
        fetch_universal_dependencies(data_home=tmp_path, download_if_missing=False)
    text = "\n".join(SHORT).encode()
    address = f"{ud._URLS['af_afribooms']}/af_afribooms-ud-"
    fake = FakePooch({f"{address}{split}.conllu": text for split in ("dev", "test")})
    monkeypatch.setitem(sys.modules, "pooch", fake)
    assert len(fetch_universal_dependencies(data_home=tmp_path).data) == 5
    assert (tmp_path / "ud_afrikaans" / "af_afribooms-ud-dev.conllu").is_file()


def test_as_frame_is_one_row_a_word(unverified, tmp_path):
    fill(tmp_path)
    bank = fetch_universal_dependencies(data_home=tmp_path, as_frame=True)
    assert bank.data["token"].to_list() == ["zu", "dem", "Haus", "Ja", "Nee", "Ja", "Nee"]
    assert list(bank.frame) == ["token", "upos", "xpos", "feats", "deprel"]
    assert bank.frame.loc[(0, 1)].to_list() == ["dem", "DET", "ART", "Case=Dat|Number=Sing", "det"]
    X, y = fetch_universal_dependencies(data_home=tmp_path, as_frame=True, return_X_y=True)
    assert X.equals(bank.data)
    assert list(y["upos"][0]) == list(bank.target["upos"][0])


def test_broken_rows_are_skipped_and_counted(unverified, tmp_path):
    lines = [*CONTRACTION[:-1], "4\tten\tcolumns", row("x", "a"), row(5, "b", head="three"), ""]
    fill(tmp_path, train=lines, dev=SHORT, test=SHORT)
    with pytest.warns(
        UserWarning,
        match=r"\(af_afribooms\): skipped 3 broken row\(s\): 1 with another number of columns than "
        r"10, 1 with an ID that is no number, 1 with a head that is no number; the first is line 8 "
        r"of af_afribooms-ud-train.conllu",
    ) as caught:
        bank = fetch_universal_dependencies(data_home=tmp_path)
    assert len(caught) == 1
    assert bank.data[0] == ["zu", "dem", "Haus"]


def test_a_file_of_something_else_is_refused(unverified, tmp_path):
    fill(tmp_path, train=["# nothing"], dev=SHORT, test=SHORT)
    with pytest.raises(OSError, match=r"ud-train.conllu must hold sentences in CoNLL-U, found no"):
        fetch_universal_dependencies(data_home=tmp_path)


def test_another_version_of_the_treebank_is_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(OSError, match=r"train.conllu must hold Universal .*SHA-256 7a856a133ac"):
        fetch_universal_dependencies(data_home=tmp_path)


needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_counts():
    bank = fetch_universal_dependencies(download_if_missing=False)
    words = dict.fromkeys(("train", "dev", "test"), 0)
    for split, sentence in zip(bank.split, bank.data, strict=True):
        words[split] += len(sentence)
    assert {split: int((bank.split == split).sum()) for split in words} == {
        "train": 1315,
        "dev": 194,
        "test": 425,
    }
    assert words == {"train": 33894, "dev": 5317, "test": 10065}
    assert max(map(len, bank.data)) == 97
    train = bank.target[bank.split == "train"]
    labels = {task: len(set(np.concatenate(list(train[task])))) for task in train}
    assert (labels["upos"], labels["feats"]) == (16, 54)
    assert labels["deprel"] == 26
    universal = {label.partition(":")[0] for label in np.concatenate(list(train["deprel"]))}
    assert len(universal) == 24
    for heads, deprel in zip(bank.head, bank.target["deprel"], strict=True):
        assert max(heads) <= len(heads)
        assert [label == "root" for label in deprel] == [head == 0 for head in heads]
