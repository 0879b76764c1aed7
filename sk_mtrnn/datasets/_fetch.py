"""The files of a data set: where they lie, how they are downloaded, read and verified."""

import gzip
import hashlib
import io
import lzma
import os
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils._param_validation import StrOptions

FETCH_CONSTRAINTS = {
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "as_frame": ["boolean"],
    "return_X_y": ["boolean"],
}
UNREADABLE = (lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, EOFError)


def fetch_constraints(**choices):
    """The constraints every loader has, and one more for each parameter with choices."""
    return FETCH_CONSTRAINTS | {name: [StrOptions(set(of))] for name, of in choices.items()}


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes
    ----------
    names : tuple of str
        What it may be called on disk; the first one found counts.
    url : str or None
        Where it is downloaded from; None: it has to be placed by hand.
    saved_as : str
        What it is called when downloaded, one of the names.
    """

    names: tuple
    url: str | None
    saved_as: str

    @classmethod
    def text(cls, name, url, *, archive=None):
        """A text file, plain, compressed or, where ``archive`` names one, in a zip archive."""
        names = (name, f"{name}.xz", f"{name}.gz")
        return cls(names + ((archive,) if archive else ()), url, archive or name)


def data_folders(data_home, *subfolders):
    """Where to look: the folders of the data set in the folder of the data, then that itself."""
    home = Path(data_home or os.environ.get("SK_MTRNN_DATA") or get_data_home()).expanduser()
    return [home / subfolder for subfolder in subfolders] + [home]


def find(folders, file):
    """Path of a file in the first of the folders that has it, or None."""
    paths = [folder / name for folder in folders for name in file.names]
    return next((path for path in paths if path.exists()), None)


@contextmanager
def located(title, folders, files, *, download_if_missing, broken=None):
    """Find the files of a data set, and download those that are in none of the folders.

    What is downloaded lies in a scratch folder while the block runs, which is to read and to verify
    it, and in the first of the folders only if the block ends without an error.

    Parameters
    ----------
    title : str
        What the data set is called in errors.
    folders : list of Path
        Where to look, in order; downloads go to the first.
    files : list of RemoteFile
    download_if_missing : bool
    broken : BrokenRows, default=None
        What the block skips of the content: a damaged file is refused if it was downloaded.

    Yields
    ------
    list of Path
        One for each file.

    Raises
    ------
    OSError
        If a file is missing and may not, or cannot, be downloaded; it names the files, the folders
        looked in and the addresses.
    ImportError
        If files would have to be downloaded and pooch is not installed.
    """
    found = {file: find(folders, file) for file in files}
    missing = {file.url: file for file in files if found[file] is None}  # an archive counts once
    if not missing:
        yield list(found.values())
        return
    wanted = [file for file in files if found[file] is None]
    if not download_if_missing:
        raise OSError(_missing_message(title, folders, wanted, "download_if_missing is False."))
    if None in missing:
        raise OSError(
            _missing_message(title, folders, wanted, "There is no address to download it from.")
        )
    try:
        import pooch
    except ImportError as error:
        reason = "Downloading needs pooch: pip install sk_mtrnn[data]."
        raise ImportError(_missing_message(title, folders, wanted, reason)) from error
    try:
        folders[0].mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=folders[0])
    except OSError as error:
        reason = f"Nothing can be saved in {folders[0]}: {error}."
        raise OSError(_missing_message(title, folders, wanted, reason)) from error
    with scratch as part:
        for url, file in missing.items():
            try:  # verified after reading: a checksum of the content holds for any container
                pooch.retrieve(url, known_hash=None, fname=file.saved_as, path=part)
            except (OSError, ValueError) as error:
                reason = f"Downloading {url} failed: {error}."
                raise OSError(_missing_message(title, folders, wanted, reason)) from error
        yield [found[file] or Path(part) / file.saved_as for file in files]
        if broken and broken.differs:
            raise OSError(broken.differs)
        for file in missing.values():
            (Path(part) / file.saved_as).replace(folders[0] / file.saved_as)


def _missing_message(title, folders, wanted, reason):
    names = "; ".join(" or ".join(file.names) for file in wanted)
    places = " and ".join(map(str, folders))
    by_hand = {
        f"save {file.url} as {folders[0] / file.saved_as}": None for file in wanted if file.url
    }
    by_hand = by_hand or {f"put {file.names[0]} into {folders[0]}": None for file in wanted}
    return (
        f"{title}: not found: {names}; looked in {places}. {reason} To place what is missing by "
        f"hand, {'; '.join(by_hand)}."
    )


def read_text(path, name):
    """Read a text file in UTF-8.

    Parameters
    ----------
    path : Path
        The file itself, the file compressed (``.xz``, ``.gz``), or a zip archive (``.zip``) that
        holds it in any folder, or in an archive inside.
    name : str
        What the file is called in the archive.

    Returns
    -------
    str

    Raises
    ------
    OSError
        If it cannot be read; the message names it.
    """
    if path.is_dir():
        raise OSError(f"{path} must hold the text of {name}, found a folder.")
    content = path.read_bytes()
    try:
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        elif path.suffix == ".gz":
            content = gzip.decompress(content)
        elif path.suffix == ".zip":
            content = _member(content, name)
            if content is None:
                raise OSError(f"{path} must be a zip archive that holds {name}, found none in it.")
        return content.decode("utf-8-sig")
    except (*UNREADABLE, UnicodeDecodeError) as error:
        raise OSError(
            f"{path} must hold the text of {name}, found what cannot be read to its end: {error}"
        ) from error


def _member(content, name):
    """Content of the file of that name in a zip archive or in one inside it, or None."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            if PurePosixPath(member).name == name:
                return archive.read(member)
        inside = (archive.read(member) for member in archive.namelist() if member.endswith(".zip"))
        found = (_member(inner, name) for inner in inside)
        return next((member for member in found if member is not None), None)


def lines_of(text):
    """The lines of a text without their ends; those that are empty at its end are none."""
    return [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]


class BrokenRows:
    """Rows that were skipped, counted by what is wrong with them."""

    def __init__(self):
        self.reasons = Counter()
        self.first = None
        self.differs = ""  # what `verify` found of the rest

    def add(self, reason, where):
        """Count a row; ``where`` says which one it is."""
        self.reasons[reason] += 1
        self.first = self.first or where

    def warn(self, title):
        """Warn once of all of them, if there are any, on behalf of the caller of the loader."""
        if self.reasons:
            rest = f" What is left is not all: {self.differs}" if self.differs else ""
            warnings.warn(f"{title}: skipped {self}.{rest}", UserWarning, stacklevel=4)

    def __str__(self):
        reasons = ", ".join(f"{count} with {reason}" for reason, count in self.reasons.items())
        return f"{self.reasons.total()} broken row(s): {reasons}; the first is {self.first}"


def verify(title, source, expected, parts, broken=None):
    """Compare the SHA-256 of what was read with that of the data set.

    It is taken over what is kept of the content, in a form that does not depend on compression,
    line ends or notation, so that the same data pass however they are packed.

    Parameters
    ----------
    title, source : str or Path
        What the data set, and what its file, is called in errors.
    expected : str or None
        The checksum in hexadecimal; None: it is not known, anything passes.
    parts : iterable of ndarray, str or bytes
        What was read.
    broken : BrokenRows, default=None
        What was skipped. If something was, a difference is no error but noted there, to be said in
        the warning, and to refuse a download.

    Raises
    ------
    OSError
        If they differ and nothing was skipped.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = part.astype(part.dtype.newbyteorder("<")).tobytes()
        digest.update(part.encode() if isinstance(part, str) else part)
    if expected is None or digest.hexdigest() == expected:
        return
    message = (
        f"{source} must hold {title}, SHA-256 {expected} over its content, found "
        f"{digest.hexdigest()}."
    )
    if broken is None or not broken.reasons:
        raise OSError(message)
    broken.differs = message
