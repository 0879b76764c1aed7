"""The Free Spoken Digit Dataset as sequences of log-mel frames."""

import re
import tarfile
import wave

import numpy as np
import pandas as pd
from scipy import fft
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..sequences import Ragged, offsets_of
from ._fetch import UNREADABLE, RemoteFile, data_folders, fetch_constraints, located, verify
from ._frames import panel_frame, with_tasks

_TITLE = "Free Spoken Digit Dataset"
_REVISION = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"  # fixed: the data set may still grow
_URL = f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{_REVISION}.tar.gz"
_FOLDER = "fsdd"
_ARCHIVE = RemoteFile(
    ("fsdd_recordings.tar.xz", "fsdd_recordings.tar.gz"), _URL, "fsdd_recordings.tar.gz"
)
# Over names and samples, not over the archive: however packed, the same recordings pass.
_SHA256 = "c8561bca57f668363317b9a5c554392cae37561fa99077368d9a9f32b9618584"
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")

_RATE = 8000  # Hz
_WINDOW, _HOP = 256, 128  # 32 ms, 16 ms
_N_BANDS, _LOWEST = 20, 50.0  # Hz
_FLOOR = 1e-8  # keeps the logarithm finite where a recording is silent
_BLOCK = 1 << 13  # frames transformed at once: bounds the memory

_DESCR = """\
Free Spoken Digit Dataset
=========================

3000 recordings of English digits: ten digits, six speakers, 50 takes of each. Every recording (8
kHz, 16 bit, mono, 0.14 to 2.3 s, little silence at either end) is a sequence of 7 to 141 log-mel
frames of 20 bands; `fetch_spoken_digits` gives the formula.

Tasks, one label a sequence:

- digit: the digit spoken, 0-9 (classification).
- speaker: who speaks it: george, jackson, lucas, nicolas, theo or yweweler (classification).

By its authors' convention takes 0-4 of each digit and speaker are the test set, 5-49 the training
set: `test = data.take < 5`.

Source: Zohar Jackson, César Souza, Jason Flaks, Yuxin Pan, Hereman Nicolas and Adhish Thite (2018).
Jakobovski/free-spoken-digit-dataset. Zenodo. https://doi.org/10.5281/zenodo.1342401, at
revision 26eb9aaf.

Licence of the recordings: Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0),
https://creativecommons.org/licenses/by-sa/4.0/
"""


@validate_params(fetch_constraints(), prefer_skip_nested_validation=True)
def fetch_spoken_digits(
    *, data_home=None, download_if_missing=True, as_frame=False, return_X_y=False
):
    """Load the Free Spoken Digit Dataset [1]_, downloading it if it is not there yet.

    3000 recordings, each with two labels: the digit spoken and the speaker. A recording x, samples
    at 8 kHz scaled to [-1, 1), becomes T = 1 + ⌊(len(x) - 256) / 128⌋ frames of 32 ms, one every
    16 ms, each of 20 numbers::

        X_tf  = Σ_n x_{128 t + n} w_n exp(-2πi f n / 256),  w_n = ½ - ½ cos(2π n / 255),  n = 0..255
        m_tb  = log(1e-8 + Σ_f M_bf |X_tf|²)

    with the natural logarithm. Band b of M is a triangle over the frequencies f · 31.25 Hz, rising
    from 0 at e_b to 1 at e_{b+1} and falling to 0 at e_{b+2}; the 22 edges e lie evenly between 50
    Hz and 4000 Hz on the mel scale, mel(e) = 2595 log₁₀(1 + e / 700).

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. The file ``fsdd_recordings.tar.xz`` or
        ``fsdd_recordings.tar.gz``, a tar archive of the wav files, is looked for in its subfolder
        ``fsdd``, then in the folder itself, and only read.
    download_if_missing : bool, default=True
        Whether to download the recordings (some 16 MB) to ``fsdd/fsdd_recordings.tar.gz`` in that
        folder if they are in neither place; that needs pooch.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with one row a frame, and the Bunch has a ``frame``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes, samples in the order of the names of their recordings,

        data : Ragged of 3000 sequences (T_i, 20), float32
            Log-mel frames; T_i from 7 to 141. If ``as_frame``, a DataFrame with the MultiIndex
            (sample, time), time counting frames.
        target : DataFrame of shape (3000, 2)
            ``digit``, 0 to 9, and ``speaker``, a name.
        take : ndarray of int, shape (3000,)
            Which of the speaker's recordings of that digit, 0 to 49. By convention takes 0 to 4
            are the test set.
        duration : ndarray of float64, shape (3000,)
            Length of each recording in seconds.
        frame : DataFrame or None
            If ``as_frame``, data and target with one row a frame.
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            "mel_00" to "mel_19", from low to high.
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    Raises
    ------
    OSError
        If the recordings are not there and may not, or cannot, be downloaded, or if what is there
        is not these recordings. The message names the file, what was expected and what was found.

    Notes
    -----
    The recordings are verified by the SHA-256 of their names and samples, in the order of the
    names, so that any archive of the same recordings passes. They are licensed CC BY-SA 4.0.

    References
    ----------
    .. [1] Z. Jackson, C. Souza, J. Flaks, Y. Pan, H. Nicolas and A. Thite (2018).
       Jakobovski/free-spoken-digit-dataset. Zenodo. https://doi.org/10.5281/zenodo.1342401

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_spoken_digits
    >>> spoken = fetch_spoken_digits()  # doctest: +SKIP
    >>> spoken.data  # doctest: +SKIP
    Ragged(n_samples=3000, n_features=20, lengths 7..141, float32)
    >>> test = spoken.take < 5  # doctest: +SKIP
    >>> X_train, X_test = spoken.data[~test], spoken.data[test]  # doctest: +SKIP
    """
    folders = data_folders(data_home, _FOLDER)
    with located(_TITLE, folders, [_ARCHIVE], download_if_missing=download_if_missing) as (path,):
        recordings = _read(path)
        content = (part for name in recordings for part in (name, recordings[name]))
        verify(_TITLE, path, _SHA256, content)

    parts = [_NAME.fullmatch(name).groups() for name in recordings]
    digit, speaker, take = (list(part) for part in zip(*parts, strict=True))
    target = pd.DataFrame({"digit": np.array(digit, dtype=int), "speaker": speaker})
    feature_names = [f"mel_{band:02d}" for band in range(_N_BANDS)]
    data = _log_mel(list(recordings.values()), feature_names)
    data = panel_frame(data) if as_frame else data
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        take=np.array(take, dtype=int),
        duration=np.array([len(samples) / _RATE for samples in recordings.values()]),
        frame=with_tasks(data, target) if as_frame else None,
        task_names=list(target.columns),
        feature_names=feature_names,
        DESCR=_DESCR,
    )


def _read(path):
    """Read the recordings in an archive.

    Parameters
    ----------
    path : Path
        A tar archive, compressed or not, that holds the wav files in any folder.

    Returns
    -------
    dict from name to ndarray of int16, shape (n_frames,)
        In the order of the names.

    Raises
    ------
    OSError
        If the archive cannot be read, or holds recordings of another form.
    """
    recordings = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if not member.isfile() or not _NAME.fullmatch(name):
                    continue
                with archive.extractfile(member) as file, wave.open(file) as sound:
                    form = sound.getframerate(), 8 * sound.getsampwidth(), sound.getnchannels()
                    if form != (_RATE, 16, 1):
                        raise OSError(
                            f"{path} must hold recordings of (8000 Hz, 16 bit, 1 channel), "
                            f"found {form} in {name}."
                        )
                    samples = sound.readframes(sound.getnframes())
                    recordings[name] = np.frombuffer(samples, dtype="<i2")
    except (tarfile.TarError, wave.Error, *UNREADABLE) as error:
        raise OSError(
            f"{path} must be a tar archive of wav files, found one that cannot be read to its "
            f"end: {error}"
        ) from error
    return dict(sorted(recordings.items()))


def _log_mel(recordings, feature_names):
    """Log-mel frames of recordings, each an array of int16, as a Ragged in float32."""
    frames = [
        np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP] for samples in recordings
    ]
    offsets = offsets_of([len(frame) for frame in frames])
    frames = np.concatenate(frames)  # [sum_T, window]
    window, bands = np.hanning(_WINDOW) / 2**15, _mel_bands()
    values = np.empty((len(frames), _N_BANDS), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        power = np.abs(fft.rfft(frames[block] * window, axis=1)) ** 2  # [block, n_frequencies]
        values[block] = np.log(_FLOOR + power @ bands.T)
    return Ragged(values, offsets, feature_names)


def _mel_bands():
    """The triangles M, an array of shape (n_bands, n_frequencies)."""
    frequency = fft.rfftfreq(_WINDOW, 1 / _RATE)
    low, high = 2595 * np.log10(1 + np.array([_LOWEST, _RATE / 2]) / 700)
    edge = 700 * (10 ** (np.linspace(low, high, _N_BANDS + 2) / 2595) - 1)
    left, peak, right = edge[:-2, None], edge[1:-1, None], edge[2:, None]
    rising = (frequency - left) / (peak - left)
    falling = (right - frequency) / (right - peak)
    return np.maximum(0, np.minimum(rising, falling))
