"""Files are found where they lie, downloaded where they are missing, and verified by content."""

import hashlib
import http.server
import io
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_files import PACKED, FakePooch, write

import sk_mtrnn.datasets
from sk_mtrnn.datasets import _fetch as fetch

LOADERS = [name for name in sk_mtrnn.datasets.__all__ if name.startswith("fetch_")]
ONE = fetch.RemoteFile.text("one.txt", "https://a.org/one.txt")
TWO = fetch.RemoteFile.text("two.txt", "https://a.org/two.txt")


@pytest.fixture
def pooch(monkeypatch):
    fake = FakePooch({ONE.url: b"first", TWO.url: b"second"})
    monkeypatch.setitem(sys.modules, "pooch", fake)
    return fake


def read(folders, files=(ONE, TWO), download_if_missing=True):
    arguments = {"download_if_missing": download_if_missing}
    with fetch.located("Letters", folders, list(files), **arguments) as paths:
        return [fetch.read_text(path, path.name) for path in paths]


def test_the_folder_of_the_set_comes_before_that_of_the_data(tmp_path, pooch):
    folders = fetch.data_folders(tmp_path, "letters")
    assert folders == [tmp_path / "letters", tmp_path]
    write(tmp_path / "one.txt", "outer")
    assert read(folders, [ONE]) == ["outer"]
    write(tmp_path / "letters" / "one.txt", "inner", ".gz")
    assert read(folders, [ONE]) == ["inner"]
    assert pooch.asked == []


def test_data_home_is_the_argument_then_the_variable_then_that_of_scikit_learn(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "c"))
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    assert fetch.data_folders(None) == [tmp_path / "c"]
    monkeypatch.setenv("SK_MTRNN_DATA", str(tmp_path / "b"))
    assert fetch.data_folders(None) == [tmp_path / "b"]
    assert fetch.data_folders(str(tmp_path / "a")) == [tmp_path / "a"]
    assert fetch.data_folders("~/a") == [Path.home() / "a"]


@pytest.mark.parametrize("suffix", PACKED)
def test_a_text_is_read_however_compressed(tmp_path, suffix):
    path = write(tmp_path / "one.txt", "\ufeffä\r\nb\r\n\n", suffix)
    text = fetch.read_text(path, "one.txt")
    assert text == "ä\r\nb\r\n\n"
    assert fetch.lines_of(text) == ["ä", "b"]


@pytest.mark.parametrize("nested", [False, True])
def test_a_text_is_read_from_an_archive_and_from_one_inside(tmp_path, nested):
    content = zipped({"folder/one.txt": b"first", "folder/not_one.txt": b"other"})
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({"inner/all.zip": content}) if nested else content)
    assert fetch.read_text(path, "one.txt") == "first"
    with pytest.raises(OSError, match=r"all.zip must be a zip archive that holds two.txt, found"):
        fetch.read_text(path, "two.txt")


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".xz", ".gz", ".zip", ""])
@pytest.mark.parametrize("cut", [False, True])
def test_a_text_that_cannot_be_read_is_named(tmp_path, suffix, cut):
    pack = PACKED.get(suffix) or (lambda content: zipped({"one.txt": content}))
    path = tmp_path / f"one.txt{suffix}"
    path.write_bytes(pack(b"first" * 100)[:-9] if cut and suffix else b"\xff\xfe\x00")
    with pytest.raises(OSError, match=r"must hold the text of one.txt, found what") as caught:
        fetch.read_text(path, "one.txt")
    assert str(path) in str(caught.value)


def test_what_is_missing_is_downloaded_once_and_kept(tmp_path, pooch):
    home = tmp_path / "new" / "home"
    folders = fetch.data_folders(home, "letters")
    assert read(folders) == ["first", "second"]
    assert read(folders) == ["first", "second"]
    assert pooch.asked == [ONE.url, TWO.url]
    assert sorted(path.name for path in folders[0].iterdir()) == ["one.txt", "two.txt"]
    (folders[0] / "two.txt").unlink()
    assert read(folders) == ["first", "second"]
    assert pooch.asked == [ONE.url, TWO.url, TWO.url]


def test_an_archive_of_several_files_is_downloaded_once(tmp_path, pooch):
    url = "https://a.org/all.zip"
    pooch.content[url] = zipped({"one.txt": b"first", "two.txt": b"second"})
    files = [fetch.RemoteFile.text(n, url, archive="all.zip") for n in ("one.txt", "two.txt")]
    for _ in range(2):
        arguments = {"download_if_missing": True}
        with fetch.located("Letters", [tmp_path], files, **arguments) as paths:
            assert fetch.read_text(paths[0], "one.txt") == "first"
            assert fetch.read_text(paths[1], "two.txt") == "second"
    assert pooch.asked == [url]
    assert [path.name for path in tmp_path.iterdir()] == ["all.zip"]


def test_a_download_that_fails_in_reading_is_not_kept(tmp_path, pooch):
    pooch.content[TWO.url] = b"\xff"
    with pytest.raises(OSError, match="must hold the text"):
        read([tmp_path])
    assert list(tmp_path.iterdir()) == []


def test_offline_names_the_files_the_places_and_the_addresses(tmp_path, pooch):
    pooch.content.clear()
    folders = fetch.data_folders(tmp_path, "letters")
    write(tmp_path / "two.txt", "second")
    for download_if_missing, reason in (
        (True, f"Downloading {ONE.url} failed: no route to host."),
        (False, "download_if_missing is False."),
    ):
        with pytest.raises(OSError, match="Letters: not found") as caught:
            read(folders, download_if_missing=download_if_missing)
        message = str(caught.value)
        assert "one.txt or one.txt.xz or one.txt.gz" in message
        assert f"looked in {folders[0]} and {folders[1]}. {reason}" in message
        assert f"save {ONE.url} as {folders[0] / 'one.txt'}" in message
        assert "two.txt" not in message
    assert list(folders[0].iterdir()) == []


def test_nothing_is_written_where_nothing_may_be_downloaded(tmp_path, pooch):
    with pytest.raises(OSError, match="download_if_missing is False"):
        read(fetch.data_folders(tmp_path / "home", "letters"), download_if_missing=False)
    assert list(tmp_path.iterdir()) == []
    assert pooch.asked == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path, pooch):
    write(tmp_path / "letters", "a file where the folder should be")
    with pytest.raises(OSError, match=r"Letters: .*Nothing can be saved in .*letters"):
        read(fetch.data_folders(tmp_path, "letters"))


def test_without_pooch_an_error_says_how_to_get_it_and_how_to_do_without(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install sk_mtrnn\[data\]") as caught:
        read([tmp_path])
    assert f"save {ONE.url} as {tmp_path / 'one.txt'}" in str(caught.value)
    write(tmp_path / "one.txt", "first")
    write(tmp_path / "two.txt", "second")
    assert read([tmp_path]) == ["first", "second"]  # what is there needs none


def test_the_real_pooch_downloads_what_is_served(tmp_path):
    pytest.importorskip("pooch", reason="pooch is optional")
    served = tmp_path / "served"
    write(served / "one.txt", "first")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(served))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        file = fetch.RemoteFile.text("one.txt", f"{address}/one.txt")
        lacking = fetch.RemoteFile.text("two.txt", f"{address}/two.txt")
        folder = tmp_path / "kept"
        assert read([folder], [file]) == ["first"]
        assert [path.name for path in folder.iterdir()] == ["one.txt"]
        with pytest.raises(OSError, match=r"Letters: .*two.txt failed: 404"):
            read([folder], [lacking])
        server.shutdown()


def test_verify_is_the_checksum_of_all_parts():
    array = np.arange(3, dtype=">i4")
    expected = hashlib.sha256("ä".encode() + b"b" + array.astype("<i4").tobytes()).hexdigest()
    parts = ["ä", b"b", array]
    fetch.verify("Letters", "letters.txt", expected, parts)
    fetch.verify("Letters", "letters.txt", None, parts[:1])
    broken = fetch.BrokenRows()
    broken.add("no letter", "line 7")
    message = rf"letters.txt must hold Letters, SHA-256 {expected} .* found [0-9a-f]{{64}}\."
    with pytest.raises(OSError, match=message):
        fetch.verify("Letters", "letters.txt", expected, parts[::-1])
    fetch.verify("Letters", "letters.txt", expected, parts[::-1], broken)
    with pytest.warns(UserWarning, match=rf"the first is line 7\. What is left .*{message}"):
        broken.warn("Letters")


@pytest.mark.parametrize("where", ["local", "downloaded"])
def test_a_damaged_file_is_read_with_a_warning_but_not_downloaded(where, tmp_path, monkeypatch):
    content = "a\nb\n"
    expected = hashlib.sha256(content.encode()).hexdigest()
    damaged = content.replace("b", "7")
    pooch = FakePooch({"https://letters/one.txt": damaged.encode()})
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    if where == "local":
        write(tmp_path / "one.txt", damaged)
    file = fetch.RemoteFile.text("one.txt", "https://letters/one.txt")
    broken = fetch.BrokenRows()

    def kept_letters():
        with fetch.located(
            "Letters", [tmp_path], [file], download_if_missing=True, broken=broken
        ) as (path,):
            letters = fetch.lines_of(fetch.read_text(path, "one.txt"))
            kept = [line for line in letters if line.isalpha()]
            broken.add("no letter", "line 2")
            fetch.verify("Letters", path, expected, [f"{line}\n" for line in kept], broken)
        broken.warn("Letters")
        return kept

    if where == "local":
        with pytest.warns(UserWarning, match=r"skipped 1 broken row.* What is left is not all"):
            assert kept_letters() == ["a"]
    else:
        with pytest.raises(OSError, match=f"must hold Letters, SHA-256 {expected}"):
            kept_letters()
        assert not (tmp_path / "one.txt").exists()


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "one.txt").mkdir()
    with pytest.raises(OSError, match=r"one.txt must hold the text of one.txt, found a folder"):
        fetch.read_text(tmp_path / "one.txt", "one.txt")


def test_broken_rows_are_counted_by_reason_in_one_warning(recwarn):
    broken = fetch.BrokenRows()
    broken.warn("Letters")
    assert len(recwarn) == 0
    for reason, line in (("no letter", 7), ("two letters", 8), ("no letter", 9)):
        broken.add(reason, f"line {line}")
    broken.warn("Letters")
    (warning,) = recwarn
    assert warning.category is UserWarning
    assert str(warning.message) == (
        "Letters: skipped 3 broken row(s): 2 with no letter, 1 with two letters; the first is "
        "line 7."
    )


@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_says_what_it_takes_and_what_it_looked_for(name, tmp_path, monkeypatch):
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", FakePooch())
    loader = getattr(sk_mtrnn.datasets, name)
    with pytest.raises(ValueError, match="'as_frame' parameter"):
        loader(as_frame="yes")
    with pytest.raises(ValueError, match="'data_home' parameter"):
        loader(data_home=3)
    with pytest.raises(OSError, match="download_if_missing is False") as caught:
        loader(data_home=tmp_path / "none", download_if_missing=False)
    assert "save https://" in str(caught.value)
    assert str(tmp_path / "none") in str(caught.value)
    assert not (tmp_path / "none").exists()
    with pytest.raises(OSError, match="no route to host"):
        loader(data_home=tmp_path)
