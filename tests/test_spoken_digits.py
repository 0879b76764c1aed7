"""Fetched recordings are verified, found where they lie, and framed by the formula."""

import hashlib
import io
import os
import sys
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
from made_files import FakePooch
from numpy.testing import assert_allclose, assert_array_equal

from sk_mtrnn.datasets import _spoken_digits as spoken_digits
from sk_mtrnn.datasets import fetch_spoken_digits
from sk_mtrnn.sequences import Ragged

# Four recordings of noise


def wav_bytes(samples, rate=8000):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def pack(recordings, folder, compression, rate=8000):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        files = {f"{folder}/{name}": wav_bytes(x, rate) for name, x in recordings.items()}
        for name, content in {f"{folder}/README.md": b"read me", **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def recordings(monkeypatch):
    """Recordings out of order, the checksum of the data set set to theirs, and no network."""
    rng = np.random.default_rng(0)
    lengths = {"1_bob_3.wav": 384, "0_ann_12.wav": 1000, "0_ann_2.wav": 256, "0_ann_0.wav": 383}
    noise = {name: rng.integers(-(2**15), 2**15, n) for name, n in lengths.items()}
    digest = hashlib.sha256()
    for name in sorted(noise):
        digest.update(name.encode() + noise[name].astype("<i2").tobytes())
    monkeypatch.setattr(spoken_digits, "_SHA256", digest.hexdigest())
    monkeypatch.delenv("SK_MTRNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", FakePooch())
    return noise


@pytest.fixture
def home(recordings, tmp_path):
    """A folder that holds the recordings."""
    archive = pack(recordings, "recordings", "xz")
    (tmp_path / "fsdd_recordings.tar.xz").write_bytes(archive)
    return tmp_path


def test_spoken_digits_are_the_recordings_in_order_of_name(home):
    spoken = fetch_spoken_digits(data_home=home)
    assert isinstance(spoken.data, Ragged)
    assert spoken.data.dtype == np.float32
    assert_array_equal(spoken.data.lengths, [1, 6, 1, 2])
    assert list(spoken.data.feature_names) == spoken.feature_names
    assert spoken.feature_names[0] == "mel_00"
    assert spoken.feature_names[-1] == "mel_19"
    assert spoken.target["digit"].to_list() == [0, 0, 0, 1]
    assert spoken.target["speaker"].to_list() == ["ann", "ann", "ann", "bob"]
    assert_array_equal(spoken.take, [0, 12, 2, 3])
    assert_allclose(spoken.duration, np.array([383, 1000, 256, 384]) / 8000)
    assert spoken.task_names == list(spoken.target) == ["digit", "speaker"]
    for said in ("CC BY-SA 4.0", "10.5281/zenodo.1342401", "takes 0-4"):
        assert said in spoken.DESCR
    X, y = fetch_spoken_digits(data_home=str(home), return_X_y=True)
    assert_array_equal(X.values, spoken.data.values)
    assert y.equals(spoken.target)


def test_as_frame_is_a_panel(home):
    spoken, panel = (fetch_spoken_digits(data_home=home, as_frame=k) for k in (False, True))
    assert spoken.frame is None
    assert_array_equal(Ragged.from_panel(panel.data).values, spoken.data.values)
    assert list(panel.frame) == [*spoken.feature_names, "digit", "speaker"]
    assert panel.frame["speaker"].to_list() == ["ann"] * 8 + ["bob"] * 2


def test_log_mel_is_its_formula_term_by_term(recordings, home):
    frames = fetch_spoken_digits(data_home=home).data[1]
    x = recordings["0_ann_12.wav"] / 32768
    n, edges = np.arange(256), np.linspace(*(2595 * np.log10(1 + np.array([50, 4000]) / 700)), 22)
    edges = 700 * (10 ** (edges / 2595) - 1)
    for t in range(6):
        windowed = x[128 * t + n] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 255))
        power = [abs(windowed @ np.exp(-2j * np.pi * f * n / 256)) ** 2 for f in range(129)]
        for b in range(20):
            triangle = np.interp(31.25 * np.arange(129), edges[b : b + 3], [0, 1, 0])
            assert frames[t, b] == pytest.approx(np.log(1e-8 + triangle @ power), abs=1e-5)


def test_log_mel_of_silence_of_a_tone_and_of_half_the_loudness():
    time = np.arange(800) / 8000
    tone = (10000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    silence, loud, half = (
        spoken_digits._log_mel([x], None)[0] for x in (0 * tone, tone, (tone / 2).astype(np.int16))
    )
    assert_allclose(silence, np.log(1e-8), rtol=1e-6)
    peak = np.argmax(spoken_digits._mel_bands()[:, 1000 * 256 // 8000])
    assert (loud.argmax(axis=1) == peak).all()
    assert_allclose(loud[:, peak] - half[:, peak], np.log(4), atol=1e-3)


def test_data_home_is_the_argument_then_the_variable_then_that_of_scikit_learn(
    home, monkeypatch, tmp_path
):
    empty = tmp_path / "empty"
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    assert len(fetch_spoken_digits().data) == 4
    monkeypatch.setenv("SK_MTRNN_DATA", str(empty))
    with pytest.raises(OSError, match="empty"):
        fetch_spoken_digits(download_if_missing=False)
    assert len(fetch_spoken_digits(data_home=home).data) == 4
    monkeypatch.setenv("SK_MTRNN_DATA", str(home))
    with pytest.raises(OSError, match="empty"):
        fetch_spoken_digits(data_home=empty, download_if_missing=False)
    assert not empty.exists()


def test_any_archive_of_the_same_recordings_passes(recordings, tmp_path):
    (tmp_path / "fsdd").mkdir()
    backwards = dict(reversed(recordings.items()))
    archive = pack(backwards, "free-spoken-digit-dataset-26eb9aaf/recordings", "gz")
    (tmp_path / "fsdd" / "fsdd_recordings.tar.gz").write_bytes(archive)
    assert len(fetch_spoken_digits(data_home=tmp_path).data) == 4


def test_other_recordings_are_refused(recordings, home):
    expected = spoken_digits._SHA256
    recordings["1_bob_3.wav"][7] ^= 1
    path = home / "fsdd_recordings.tar.xz"
    path.write_bytes(pack(recordings, "recordings", "xz"))
    with pytest.raises(
        OSError, match=f"{path.name} must hold Free Spoken.*{expected}.*found [0-9a-f]{{64}}"
    ) as caught:
        fetch_spoken_digits(data_home=home)
    assert str(path) in str(caught.value)


def test_recordings_of_another_rate_are_refused(recordings, home):
    path = home / "fsdd_recordings.tar.xz"
    path.write_bytes(pack(recordings, "recordings", "xz", rate=16000))
    with pytest.raises(OSError, match=r"tar.xz must hold .*8000 Hz.*found \(16000, 16, 1\) in "):
        fetch_spoken_digits(data_home=home)


@pytest.mark.parametrize("keep", [0, 10, 300, -300])
def test_a_broken_archive_is_named(home, keep):
    path = home / "fsdd_recordings.tar.xz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(OSError, match=r"fsdd_recordings.tar.xz must (be a tar|hold Free Spoken)"):
        fetch_spoken_digits(data_home=home)


def test_offline_says_what_is_wanted_and_where(recordings, tmp_path):
    with pytest.raises(OSError, match="no route to host") as caught:
        fetch_spoken_digits(data_home=tmp_path)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "fsdd_recordings.tar.xz or fsdd_recordings.tar.gz" in str(caught.value)
    assert f"looked in {tmp_path / 'fsdd'} and {tmp_path}." in str(caught.value)
    by_hand = f"save {spoken_digits._URL} as {tmp_path / 'fsdd' / 'fsdd_recordings.tar.gz'}"
    assert by_hand in str(caught.value)
    with pytest.raises(OSError, match="download_if_missing is False") as caught:
        fetch_spoken_digits(data_home=tmp_path, download_if_missing=False)
    assert by_hand in str(caught.value)
    assert list((tmp_path / "fsdd").iterdir()) == []


def test_download_is_kept_and_not_repeated(recordings, tmp_path, monkeypatch):
    archive = pack(recordings, "free-spoken-digit-dataset/recordings", "gz")
    fake = FakePooch({spoken_digits._URL: archive})
    monkeypatch.setitem(sys.modules, "pooch", fake)
    home = tmp_path / "new" / "home"
    downloaded = fetch_spoken_digits(data_home=home)
    read = fetch_spoken_digits(data_home=home)
    assert fake.asked == [spoken_digits._URL]
    assert_array_equal(downloaded.data.values, read.data.values)
    assert [path.name for path in (home / "fsdd").iterdir()] == ["fsdd_recordings.tar.gz"]


@pytest.mark.parametrize("cut", [0, 1])
def test_a_bad_download_is_refused_and_not_kept(recordings, tmp_path, monkeypatch, cut):
    archive = pack(recordings, "recordings", "gz")
    if cut:
        archive = archive[: len(archive) // 2]
    else:
        monkeypatch.setattr(spoken_digits, "_SHA256", "0" * 64)
    monkeypatch.setitem(sys.modules, "pooch", FakePooch({spoken_digits._URL: archive}))
    with pytest.raises(OSError, match=r"fsdd_recordings.tar.gz must"):
        fetch_spoken_digits(data_home=tmp_path)
    assert list((tmp_path / "fsdd").iterdir()) == []


# The real recordings

needs_data = pytest.mark.skipif(
    "SK_MTRNN_DATA" not in os.environ, reason="SK_MTRNN_DATA does not name a folder of data sets"
)


@needs_data
def test_real_spoken_digits_are_balanced():
    spoken = fetch_spoken_digits(download_if_missing=False)
    assert len(spoken.data) == 3000
    assert (spoken.target.value_counts() == 50).all()
    assert (np.bincount(spoken.take) == 60).all()
    assert spoken.data.lengths.min() == 7
    assert spoken.data.lengths.max() == 141


@needs_data
def test_real_log_mel_is_that_computed_elsewhere():
    paths = sorted(Path(os.environ["SK_MTRNN_DATA"]).glob("**/fsdd_logmel20.npz"))
    if not paths:
        pytest.skip("SK_MTRNN_DATA holds no fsdd_logmel20.npz")
    spoken = fetch_spoken_digits(download_if_missing=False)
    with np.load(paths[0]) as elsewhere:
        assert_array_equal(spoken.data.lengths, elsewhere["lengths"])
        assert_array_equal(spoken.target["digit"], elsewhere["digit"])
        assert_array_equal(spoken.target["speaker"], elsewhere["speaker"])
        assert_array_equal(spoken.take, elsewhere["take"])
        rounded = spoken.data.values.astype(np.float16)
        # Kept in half precision; a tie may round otherwise on another machine.
        assert_allclose(rounded.astype(float), elsewhere["frames"].astype(float), rtol=2e-3)
        assert (rounded == elsewhere["frames"]).mean() > 0.999
