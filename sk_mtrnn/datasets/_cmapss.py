"""C-MAPSS: turbofan engines that run until they fail."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from ..sequences import Ragged, offsets_of
from ._fetch import (
    BrokenRows,
    RemoteFile,
    data_folders,
    fetch_constraints,
    lines_of,
    located,
    read_text,
    verify,
)
from ._frames import panel_frame, with_tasks

_TITLE = "C-MAPSS"
_FOLDER = "cmapss"
_ARCHIVE = "CMAPSSData.zip"
_URL = f"https://data.nasa.gov/docs/legacy/{_ARCHIVE}"
_SHA256 = {
    "train_FD001.txt": "67cddae6022259051186f8e07ff6a6e4dd6c9c43465ca928fb787eb0e23e5e5a",
    "test_FD001.txt": "f2e1fccd6ac174e0d18f511871035b757cc992927014dfec820f24108e5133c8",
    "RUL_FD001.txt": "da1da25e3a16a0b5cda952e87d2b64f6ac224823fd88e095722dd068bb2f7201",
}

_CHANNELS = [f"setting_{k}" for k in range(1, 4)] + [f"sensor_{k:02d}" for k in range(1, 22)]
_HEALTHY_ABOVE, _CRITICAL_TO = 125, 50  # cycles

_DESCR = """\
C-MAPSS turbofan engine degradation, {subset}
=============================================

Simulated turbofan engines, each with some wear of its own at first, that develop a fault and run on
until they fail. A time step is a flight, a cycle, with 3 operational settings and 21 sensors,
noisy; some of them are constant. {n_train} engines of the training part are seen until they fail,
{n_test} of the test part until some cycle before.

Subsets: FD001 (one condition, one fault mode), FD002 (six, one), FD003 (one, two), FD004 (six,
two).

Tasks, one label a cycle:

- rul: the remaining useful life, how many cycles are left after this one (regression). In the
  training part it is 0 at the last cycle; in the test part the published number there, and one more
  for each cycle before. The literature mostly caps it at 125, as wear cannot be seen earlier: the
  parameter `cap`.
- health: "healthy" where more than 125 cycles are left, "degrading" from 125 to 51, "critical" at
  50 or less (classification). These classes are this package's definition; whatever the cap, they
  are read off the uncapped life.

Source: A. Saxena, K. Goebel, D. Simon and N. Eklund (2008). Damage Propagation Modeling for
Aircraft Engine Run-to-Failure Simulation. PHM08. NASA Prognostics Center of Excellence.
https://data.nasa.gov/dataset/cmapss-jet-engine-simulated-data

Licence: published by NASA as open data.
"""


@validate_params(
    fetch_constraints(subset=("FD001", "FD002", "FD003", "FD004"))
    | {"cap": [Interval(Real, 0, None, closed="neither"), None]},
    prefer_skip_nested_validation=True,
)
def fetch_cmapss(
    subset="FD001",
    *,
    cap=None,
    data_home=None,
    download_if_missing=True,
    as_frame=False,
    return_X_y=False,
):
    """Load the C-MAPSS turbofan engines [1]_, downloading them if they are not there yet.

    For an engine whose last cycle T is followed by R more (R = 0 in the training part, where it
    fails), the labels of cycle t are::

        rul_t    = min(R + T - t, cap)
        health_t = "healthy" if R + T - t > 125, "critical" if R + T - t <= 50, else "degrading"

    Parameters
    ----------
    subset : {"FD001", "FD002", "FD003", "FD004"}, default="FD001"
    cap : float > 0 or None, default=None
        The largest ``rul``, in cycles; 125 in most of the literature. None: as it is.
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. The files ``train_FD001.txt``, ``test_FD001.txt``
        and ``RUL_FD001.txt``, plain, ``.xz`` or ``.gz``, or ``CMAPSSData.zip``, which holds those
        of all subsets, are looked for in its subfolder ``cmapss``, then in the folder itself, and
        only read.
    download_if_missing : bool, default=True
        Whether to download the archive if files are in neither place; that needs pooch.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with one row a cycle, and the Bunch has a ``frame``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes, engines of the training part first,

        data : Ragged of n sequences (T_i, 24), float64
            3 settings and 21 sensors. If ``as_frame``, a DataFrame with the MultiIndex (sample,
            time), time being the cycle.
        target : DataFrame of shape (n, 2)
            ``rul`` and ``health``, whose cells are arrays of shape (T_i,).
        split : ndarray of str, shape (n,)
            "train" or "test".
        unit : ndarray of int, shape (n,)
            The number of the engine in its part.
        frame : DataFrame or None
            If ``as_frame``, data and target with one row a cycle.
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            "setting_1" to "setting_3" and "sensor_01" to "sensor_21".
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    Raises
    ------
    OSError
        If files are not there and may not, or cannot, be downloaded, or do not hold these engines.
        The message names the file, what was expected and what was found.

    Notes
    -----
    Rows that are not 26 numbers, of which the first two count units and cycles, and cycles that
    stand twice are skipped, and a UserWarning counts them. The numbers of the cycles, and so the
    labels of the others, stay as they are; a row that cannot be read is taken for the cycle after
    the one above it. The SHA-256 of FD001 is taken over the numbers kept; where rows were
    skipped, the warning says if that is not all, and a download is refused. Those of the other
    subsets are not known.

    References
    ----------
    .. [1] A. Saxena, K. Goebel, D. Simon and N. Eklund (2008). Damage Propagation Modeling for
       Aircraft Engine Run-to-Failure Simulation. PHM08.

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_cmapss
    >>> engines = fetch_cmapss(cap=125)  # doctest: +SKIP
    >>> engines.data  # doctest: +SKIP
    Ragged(n_samples=200, n_features=24, lengths 31..362, float64)
    >>> train = engines.split == "train"  # doctest: +SKIP
    >>> X_train, y_train = engines.data[train], engines.target[train]  # doctest: +SKIP
    """
    title = f"{_TITLE} {subset}"
    names = [f"{part}_{subset}.txt" for part in ("train", "test", "RUL")]
    files = [RemoteFile.text(name, _URL, archive=_ARCHIVE) for name in names]
    folders = data_folders(data_home, _FOLDER)
    broken = BrokenRows()
    with located(
        title, folders, files, download_if_missing=download_if_missing, broken=broken
    ) as paths:
        (train, train_ends), (test, test_ends) = (
            _read_cycles(paths[k], names[k], broken) for k in (0, 1)
        )
        remaining = _read_remaining(paths[2], names[2])
        for path, name, content in zip(paths, names, (train, test, remaining), strict=True):
            verify(f"{title} ({name})", path, _SHA256.get(name), [content], broken)
        n_test = len(np.unique(test[:, 0]))
        if len(remaining) != n_test:
            raise OSError(
                f"{paths[2]} must hold one number for each of the {n_test} engines in {paths[1]}, "
                f"found {len(remaining)}."
            )
    broken.warn(title)

    units = [np.unique(part[:, 0], return_counts=True) for part in (train, test)]
    unit, lengths = (np.concatenate(arrays) for arrays in zip(*units, strict=True))
    cycles = np.concatenate([train, test])
    data = Ragged(cycles[:, 2:], offsets_of(lengths), _CHANNELS)
    n_train = len(unit) - n_test
    after_last = np.concatenate([np.zeros(n_train), remaining])
    last = cycles[data.offsets[1:] - 1, 1]
    if names[0] in _SHA256 and not broken.differs:  # all is there: what was skipped is no cycle
        train_ends = test_ends = {}
    known = [train_ends.get(u, 0) for u in units[0][0]] + [test_ends.get(u, 0) for u in units[1][0]]
    last = np.maximum(last, known)  # where the last row is broken
    life = np.repeat(after_last + last, lengths) - cycles[:, 1]  # [sum_T]
    health = np.where(life > _HEALTHY_ABOVE, "healthy", "degrading").astype(object)
    health[life <= _CRITICAL_TO] = "critical"
    rul = life if cap is None else np.minimum(life, cap)
    ends = data.offsets[1:-1]
    target = pd.DataFrame({"rul": np.split(rul, ends), "health": np.split(health, ends)})
    data = panel_frame(data, cycles[:, 1].astype(int)) if as_frame else data
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        split=np.repeat(["train", "test"], [n_train, n_test]),
        unit=unit.astype(int),
        frame=with_tasks(data, target) if as_frame else None,
        task_names=list(target.columns),
        feature_names=list(_CHANNELS),
        DESCR=_DESCR.format(subset=subset, n_train=n_train, n_test=n_test),
    )


def _read_cycles(path, name, broken):
    """The rows of a part by unit and cycle: (unit, cycle, 3 settings, 21 sensors).

    With them, of units that have broken rows, the highest cycle those tell of.
    """
    rows, ends = {}, {}
    n_columns = 2 + len(_CHANNELS)
    unit, cycle = 0, 0
    for line, text in enumerate(lines_of(read_text(path, name)), start=1):
        where = f"line {line} of {name}"
        fields = text.split()
        if len(fields) > 1 and _counts(fields[0]) and _counts(fields[1]):
            unit, cycle = int(float(fields[0])), int(float(fields[1]))
        else:  # the cycle after the one above
            fields, cycle = [], cycle + 1
        try:
            row = [float(field) for field in fields]
        except ValueError:
            row = []
        if len(row) != n_columns or not np.isfinite(row).all():
            broken.add(f"what is not {n_columns} numbers", where)
            ends[unit] = max(ends.get(unit, 0), cycle)
        elif (unit, cycle) in rows:
            broken.add("a cycle that stands twice", where)
        else:
            rows[unit, cycle] = row
    if not rows:
        raise OSError(f"{path} must hold rows of {n_columns} numbers, found none.")
    return np.array([rows[key] for key in sorted(rows)]), ends


def _counts(field):
    """Whether a field is a whole number from 1 on."""
    try:
        number = float(field)
    except ValueError:
        return False
    return number >= 1 and number.is_integer()


def _read_remaining(path, name):
    """The cycles each engine of the test part still has after the last one seen."""
    remaining = []
    for line, text in enumerate(lines_of(read_text(path, name)), start=1):
        try:
            remaining.append(float(text))
        except ValueError:
            remaining.append(np.nan)
        if not 0 <= remaining[-1] < np.inf:  # to skip it would give its engine the life of the next
            raise OSError(
                f"{path} must hold one number of cycles, from 0 on, a line, found {text!r} in line "
                f"{line}."
            )
    return np.array(remaining)
