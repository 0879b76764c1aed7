"""The files of the PhysioNet Challenge 2012: one text a stay, or all of them parsed."""

import math
import re
import tarfile
from dataclasses import dataclass

import numpy as np

from ._fetch import UNREADABLE, lines_of, read_text

OUTCOMES = "Outcomes-a.txt"
DESCRIPTORS = ("RecordID", "Age", "Gender", "Height", "ICUType", "Weight")
_VARIABLES = """
    ALP ALT AST Albumin BUN Bilirubin Cholesterol Creatinine DiasABP FiO2 GCS Glucose HCO3 HCT HR
    K Lactate MAP MechVent Mg NIDiasABP NIMAP NISysABP Na PaCO2 PaO2 Platelets RespRate SaO2
    SysABP Temp TroponinI TroponinT Urine WBC Weight pH
"""
VARIABLES = tuple(_VARIABLES.split())
_OUTCOME_COLUMNS = ("SAPS-I", "SOFA", "Length_of_stay", "In-hospital_death")
_STAY = re.compile(r"(\d+)\.txt")
_HEADER = "Time,Parameter,Value"


@dataclass(frozen=True)
class Events:
    """All measurements of n stays as a long table, in the order of the stays and of their files.

    Attributes
    ----------
    record : ndarray of int64, shape (n,)
        The numbers of the stays, ascending.
    descriptors : ndarray of float32, shape (n, 6)
        -1: unknown.
    outcomes : ndarray of float64, shape (n, 4)
        SAPS-I, SOFA, length of stay, death in hospital; -1: unknown.
    stay, minute, variable : ndarray of int, shape (n_events,)
        Whose, when and what: positions in ``record``, minutes, positions in ``VARIABLES``.
    value : ndarray of float32, shape (n_events,)
    """

    record: np.ndarray
    descriptors: np.ndarray
    outcomes: np.ndarray
    stay: np.ndarray
    minute: np.ndarray
    variable: np.ndarray
    value: np.ndarray

    def arrays(self):
        """What a checksum is taken over."""
        yield self.record.astype(np.int64)
        yield self.descriptors.astype(np.float32)
        yield self.outcomes.astype(np.float64)
        yield self.stay.astype(np.uint16)
        yield self.minute.astype(np.uint16)
        yield self.variable.astype(np.uint8)
        yield self.value.astype(np.float32)


def read_parsed(path):
    """Read `Events` from an archive of numpy arrays.

    Raises
    ------
    OSError
        If it cannot be read, or lacks an array; the message names it.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if tuple(arrays["var_names"]) != tuple(VARIABLES):
                raise ValueError("other variables")
            outcomes = [arrays[name] for name in ("SAPS", "SOFA", "LOS", "death")]
            return Events(
                arrays["record_id"],
                arrays["descriptors"],
                np.column_stack(outcomes).astype(np.float64),
                arrays["rec"],
                arrays["minute"],
                arrays["var"],
                arrays["value"],
            )
    except (*UNREADABLE, KeyError, ValueError) as error:
        raise OSError(
            f"{path} must hold the parsed measurements of set a, found what cannot be read: {error}"
        ) from error


def read_stays(stays, outcomes, broken):
    """Read `Events` from the text files of the challenge.

    Parameters
    ----------
    stays : Path
        A tar archive of files ``<number>.txt``, compressed or not, or a folder of them.
    outcomes : Path
        The table of outcomes.
    broken : BrokenRows
        Where rows that cannot be read are counted.

    Raises
    ------
    OSError
        If a file cannot be read, or a stay has no row of outcomes, not even a broken one; the
        message names it.
    """
    texts = _texts(stays)
    if not texts:
        raise OSError(f"{stays} must hold files <number>.txt, found none.")
    record = np.array(sorted(texts))
    descriptors = np.full((len(record), len(DESCRIPTORS)), -1, dtype=np.float32)
    columns = stay, minute, variable, value = [], [], [], []
    minute_of = {f"{h:02d}:{m:02d}": 60 * h + m for h in range(100) for m in range(60)}
    place = {name: k for k, name in enumerate(VARIABLES)}
    for k, number in enumerate(record):
        to_describe = dict(zip(DESCRIPTORS, range(len(DESCRIPTORS)), strict=True))
        for line, row in enumerate(lines_of(texts[number]), start=1):
            if row == _HEADER:
                continue
            try:
                time, parameter, number_read = _row(row, minute_of)
            except ValueError as error:
                broken.add(str(error), f"line {line} of {number}.txt")
                continue
            if time == 0 and parameter in to_describe:  # Weight is also measured later
                descriptors[k, to_describe.pop(parameter)] = number_read
            elif parameter in place:
                stay.append(k)
                minute.append(time)
                variable.append(place[parameter])
                value.append(number_read)
            else:
                broken.add("an unknown parameter name", f"line {line} of {number}.txt")
    kinds = np.uint16, np.uint16, np.uint8, np.float32
    arrays = [np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)]
    return Events(record, descriptors, _outcomes(outcomes, record, broken), *arrays)


def _row(row, minute_of):
    """(minute, parameter, value) of a row; the ValueError says what it is a row with."""
    fields = row.split(",")
    if len(fields) != 3:
        raise ValueError("another number of entries than 3")
    time, parameter, value = fields
    if not parameter.strip():
        raise ValueError("no parameter name")
    if time not in minute_of:
        raise ValueError("a time that cannot be read")
    try:
        value = float(value)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("a value that is no number")
    return minute_of[time], parameter, value


def _texts(path):
    """The text of each stay by its number."""
    if path.is_dir():
        files = {file.name: file for file in path.iterdir() if _STAY.fullmatch(file.name)}
        contents = {name: file.read_bytes() for name, file in files.items()}
    else:
        contents = {}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    if member.isfile() and _STAY.fullmatch(name):
                        contents[name] = archive.extractfile(member).read()
        except (tarfile.TarError, *UNREADABLE) as error:
            raise OSError(
                f"{path} must be a tar archive of text files, found one that cannot be read to its "
                f"end: {error}"
            ) from error
    # A byte that is no text leaves a row that is broken, not a file.
    return {int(name[:-4]): text.decode(errors="replace") for name, text in contents.items()}


def _outcomes(path, record, broken):
    """The four outcomes of each stay, an array of shape (n, 4)."""
    header, *lines = (line.split(",") for line in lines_of(read_text(path, OUTCOMES)))
    wanted = ("RecordID", *_OUTCOME_COLUMNS)
    if not set(wanted) <= set(header):
        raise OSError(f"{path} must have the columns {', '.join(wanted)}, found {header}.")
    places = [header.index(name) for name in wanted]
    found, n_broken = {}, 0
    for line, fields in enumerate(lines, start=2):
        try:
            number, *outcomes = (float(fields[place]) for place in places)
            found[int(number)] = outcomes
        except (ValueError, IndexError, OverflowError):
            broken.add("an outcome that is no number", f"line {line} of {path.name}")
            n_broken += 1
    lacking = [int(number) for number in record if number not in found]
    if len(lacking) > n_broken:  # not theirs alone were skipped
        raise OSError(
            f"{path} must hold an outcome of every stay, found none of {lacking[0]} and "
            f"{len(lacking) - 1} others."
        )
    unknown = [-1] * len(_OUTCOME_COLUMNS)
    return np.array([found.get(number, unknown) for number in record], dtype=np.float64)
