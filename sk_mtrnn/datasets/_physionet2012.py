"""PhysioNet 2012: two days in intensive care, measured when somebody measured."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ..sequences import Ragged, offsets_of
from ._fetch import BrokenRows, RemoteFile, data_folders, fetch_constraints, find, located, verify
from ._frames import panel_frame, with_tasks
from ._physionet2012_files import (
    DESCRIPTORS,
    OUTCOMES,
    VARIABLES,
    read_parsed,
    read_stays,
)

_TITLE = "PhysioNet 2012 (set a)"
_FOLDER = "physionet2012"
_URL = "https://physionet.org/files/challenge-2012/1.0.0"
_PARSED = RemoteFile(("p12_set_a_long.npz",), None, "p12_set_a_long.npz")
_STAYS = RemoteFile(
    ("set-a.tar.xz", "set-a.tar.gz", "set-a.tar", "set-a"), f"{_URL}/set-a.tar.gz", "set-a.tar.gz"
)
_OUTCOMES = RemoteFile.text(OUTCOMES, f"{_URL}/{OUTCOMES}")
# The same for the text files and for what has been parsed from them.
_SHA256 = "f9470a220eeaffb881eab354fbc40e97ddde925acbd84f4eba6f3944e40384f1"

_DESCR = """\
PhysioNet/Computing in Cardiology Challenge 2012, set a
=======================================================

4000 stays in intensive care units, the first 48 hours: 37 variables, measured irregularly, from
laboratory values to vital signs. A stay is a sequence with one row for each minute at which
anything was measured; what was not measured then is NaN. Three stays without any measurement have
one row at minute 0. Of two values of one variable in one minute the later one in the file is kept.

Descriptors, one a stay: RecordID, Age, Gender (1: male), Height, ICUType (1: coronary care, 2:
cardiac surgery recovery, 3: medical, 4: surgical), Weight.

Tasks, one label a stay:

- death: whether the patient died in hospital, 0 or 1 (classification).
- los_below_3: whether the stay lasted less than 3 days (classification).
- cardiac: whether ICUType is 1 or 2 (classification).
- surgery: whether ICUType is 2 or 4 (classification).
- saps: the SAPS-I score (regression).
- sofa: the SOFA score (regression).
- los: the length of the stay in days (regression).

NaN is an unknown label. Che et al. (2018), whose four tasks the first four are after, define
neither cardiac nor surgery; the above is this package's reading, with which ICUType is no input.

Source: I. Silva, G. Moody, D. J. Scott, L. A. Celi and R. G. Mark (2012). Predicting In-Hospital
Mortality of ICU Patients: The PhysioNet/Computing in Cardiology Challenge 2012. Computing in
Cardiology 39. https://physionet.org/content/challenge-2012/1.0.0/, and A. L. Goldberger et al.
(2000). PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23).

Licence: Open Data Commons Attribution License 1.0 (ODC-By 1.0),
https://opendatacommons.org/licenses/by/1-0/
"""


@validate_params(fetch_constraints(), prefer_skip_nested_validation=True)
def fetch_physionet2012(
    *, data_home=None, download_if_missing=True, as_frame=False, return_X_y=False
):
    """Load set a of the PhysioNet Challenge 2012 [1]_, downloading it if it is not there yet.

    4000 stays in intensive care, each a sequence with one row for each minute at which any of 37
    variables was measured, and NaN for what was not. From the ICU type c and the length of stay d::

        los_below_3 = [d < 3],  cardiac = [c ∈ {1, 2}],  surgery = [c ∈ {2, 4}]

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. In its subfolder ``physionet2012``, then in the
        folder itself, are looked for: ``p12_set_a_long.npz``, the parsed measurements, quickest to
        read; ``set-a.tar.xz``, ``set-a.tar.gz``, ``set-a.tar`` or a folder ``set-a`` of text files,
        with ``Outcomes-a.txt``, plain, ``.xz`` or ``.gz``. They are only read.
    download_if_missing : bool, default=True
        Whether to download ``set-a.tar.gz`` and ``Outcomes-a.txt`` if they are in neither place;
        that needs pooch.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with one row a minute, and the Bunch has a ``frame``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes, stays in the order of their numbers,

        data : Ragged of 4000 sequences (T_i, 38), float32
            "minute", from 0 to 2880, and 37 variables; NaN: not measured. If ``as_frame``, a
            DataFrame with the MultiIndex (sample, time), time being the minute.
        target : DataFrame of shape (4000, 7), float64
            ``death``, ``los_below_3``, ``cardiac`` and ``surgery``, 0 or 1; ``saps``, ``sofa`` and
            ``los``. NaN: unknown.
        descriptors : DataFrame of shape (4000, 6)
            ``RecordID``, ``Age``, ``Gender``, ``Height``, ``ICUType`` and ``Weight``. NaN: unknown.
        n_overwritten : int
            How many values a later one of the same variable and minute replaced.
        frame : DataFrame or None
            If ``as_frame``, data and target with one row a minute.
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            "minute" and the names of the variables.
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    Raises
    ------
    OSError
        If files are not there and may not, or cannot, be downloaded, or do not hold set a. The
        message names the file, what was expected and what was found.

    Notes
    -----
    Rows without, or with an unknown, parameter name, with a time that cannot be read or with a
    value that is no number are skipped, and a UserWarning counts them; so are rows of outcomes that
    are no numbers, which are missing labels. The SHA-256 is taken over the numbers kept; where some
    were skipped, the warning says if that is not all, and a download is refused. Values are given
    as they were recorded, implausible ones included.

    References
    ----------
    .. [1] I. Silva, G. Moody, D. J. Scott, L. A. Celi and R. G. Mark (2012). Predicting In-Hospital
       Mortality of ICU Patients: The PhysioNet/Computing in Cardiology Challenge 2012. Computing in
       Cardiology 39.
    .. [2] Z. Che, S. Purushotham, K. Cho, D. Sontag and Y. Liu (2018). Recurrent Neural Networks
       for Multivariate Time Series with Missing Values. Scientific Reports 8.

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_physionet2012
    >>> stays = fetch_physionet2012()  # doctest: +SKIP
    >>> stays.data  # doctest: +SKIP
    Ragged(n_samples=4000, n_features=38, lengths 1..202, float32)
    >>> stays.target["death"].sum()  # doctest: +SKIP
    np.float64(554.0)
    """
    folders = data_folders(data_home, _FOLDER)
    parsed = find(folders, _PARSED)
    broken = BrokenRows()
    files = [_PARSED] if parsed else [_STAYS, _OUTCOMES]
    with located(
        _TITLE, folders, files, download_if_missing=download_if_missing, broken=broken
    ) as paths:
        events = read_parsed(*paths) if parsed else read_stays(*paths, broken)
        verify(_TITLE, paths[0], _SHA256, events.arrays(), broken)
    broken.warn(_TITLE)

    data, n_overwritten = _sequences(events)
    descriptors = pd.DataFrame(_known(events.descriptors), columns=list(DESCRIPTORS))
    descriptors["RecordID"] = events.record
    target = _target(descriptors["ICUType"], events)
    if as_frame:
        data = panel_frame(data, data.values[:, 0].astype(int))
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        descriptors=descriptors,
        n_overwritten=n_overwritten,
        frame=with_tasks(data, target) if as_frame else None,
        task_names=list(target.columns),
        feature_names=["minute", *VARIABLES],
        DESCR=_DESCR,
    )


def _known(values):
    """Values as float64, with NaN for -1."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(values == -1, np.nan, values)


def _target(unit_type, events):
    saps, sofa, los, death = (_known(column) for column in events.outcomes.T)

    def whether(holds, value):
        return np.where(np.isnan(value), np.nan, holds)

    return pd.DataFrame(
        {
            "death": death,
            "los_below_3": whether(los < 3, los),
            "cardiac": whether(unit_type.isin([1, 2]), unit_type),
            "surgery": whether(unit_type.isin([2, 4]), unit_type),
            "saps": saps,
            "sofa": sofa,
            "los": los,
        }
    )


def _sequences(events):
    """One row for each minute of a stay with any value; and how many values were overwritten."""
    n_stays = len(events.record)
    silent = np.flatnonzero(np.bincount(events.stay, minlength=n_stays) == 0)
    moment = events.stay.astype(np.int64) << 16 | events.minute
    # The inverse makes numpy sort; without it, it hashes, which takes ten times as long on these.
    moments, row = np.unique(np.concatenate([moment, silent << 16]), return_inverse=True)
    stay, minute = moments >> 16, moments & 0xFFFF
    values = np.full((len(moments), 1 + len(VARIABLES)), np.nan, dtype=np.float32)
    values[row[: len(moment)], 1 + events.variable.astype(np.int64)] = events.value  # the last one
    n_overwritten = len(moment) - int(np.count_nonzero(~np.isnan(values)))
    values[:, 0] = minute
    offsets = offsets_of(np.bincount(stay, minlength=n_stays))
    return Ragged(values, offsets, ["minute", *VARIABLES]), n_overwritten
