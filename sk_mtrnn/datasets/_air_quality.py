"""Air Quality: gases in a street, from cheap sensors."""

from datetime import datetime

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

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

_TITLE = "Air Quality"
_FOLDER = "air_quality"
_NAME, _ARCHIVE = "AirQualityUCI.csv", "air+quality.zip"
_URL = f"https://archive.ics.uci.edu/static/public/360/{_ARCHIVE}"
_SHA256 = "bc74533e126fff65819fd8f6eef69eab8c2789970aede0e42534ed018295811c"
_MISSING = -200

_TASKS = {"CO(GT)": "CO", "C6H6(GT)": "C6H6", "NOx(GT)": "NOx", "NO2(GT)": "NO2"}
_SENSORS = ["PT08.S1(CO)", "PT08.S2(NMHC)", "PT08.S3(NOx)", "PT08.S4(NO2)", "PT08.S5(O3)"]
_FEATURES = [*_SENSORS, "T", "RH", "AH"]
_HARDLY_MEASURED = "NMHC(GT)"
_COLUMNS = [*_FEATURES, *_TASKS, _HARDLY_MEASURED]

_DESCR = """\
Air Quality
===========

9357 hours, from 10 March 2004, 18:00, to 4 April 2005, 14:00, at a road in an Italian city: five
metal oxide sensors of a cheap device, temperature T (°C), relative humidity RH (%) and absolute
humidity AH, and beside them what a certified analyser measured. It is one long series, with holes
in the sensors as well as in the gases; they are NaN.

Tasks, one label an hour (regression):

- CO: carbon monoxide, mg/m³.
- C6H6: benzene, µg/m³.
- NOx: nitrogen oxides, ppb.
- NO2: nitrogen dioxide, µg/m³.

Hydrocarbons, NMHC(GT), were measured in the first weeks only; they are in `frame`, but neither data
nor a task.

Source: S. De Vito, E. Massera, M. Piga, L. Martinotto and G. Di Francia (2008). On field
calibration of an electronic nose for benzene estimation in an urban pollution monitoring scenario.
Sensors and Actuators B, 129(2). UCI Machine Learning Repository, https://doi.org/10.24432/C59K5F

Licence: Creative Commons Attribution 4.0 International (CC BY 4.0)
"""


@validate_params(fetch_constraints(), prefer_skip_nested_validation=True)
def fetch_air_quality(
    *, data_home=None, download_if_missing=True, as_frame=False, return_X_y=False
):
    """Load the hourly Air Quality series [1]_, downloading it if it is not there yet.

    One row an hour: five sensors and the weather as inputs, four gases as targets, both with holes.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. The file ``AirQualityUCI.csv``, plain, ``.xz`` or
        ``.gz``, or ``air+quality.zip``, which holds it, is looked for in its subfolder
        ``air_quality``, then in the folder itself, and only read.
    download_if_missing : bool, default=True
        Whether to download the archive if it is in neither place; that needs pooch.
    as_frame : bool, default=False
        A series in time is a DataFrame either way, so that this changes nothing.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes, each DataFrame indexed by the time of its rows,

        data : DataFrame of shape (9357, 8), float64
            The sensors "PT08.S1(CO)", ..., "PT08.S5(O3)", and "T", "RH" and "AH". NaN: missing.
        target : DataFrame of shape (9357, 4), float64
            ``CO``, ``C6H6``, ``NOx`` and ``NO2``. NaN: missing.
        frame : DataFrame of shape (9357, 13)
            Data, target and "NMHC(GT)".
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            The columns of the data.
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    Raises
    ------
    OSError
        If the file is not there and may not, or cannot, be downloaded, or does not hold this
        series. The message names the file, what was expected and what was found.

    Notes
    -----
    The file is read in UCI's notation (semicolons, decimal commas, days first) and in that of its
    copies (commas, decimal points, ISO dates). Rows without any entry are none; rows with another
    number of entries, or with one that cannot be read, are skipped, and a UserWarning counts them.
    The SHA-256 is taken over the times and the numbers kept; where rows were skipped, the warning
    says if that is not all, and a download is refused.

    References
    ----------
    .. [1] S. De Vito, E. Massera, M. Piga, L. Martinotto and G. Di Francia (2008). On field
       calibration of an electronic nose for benzene estimation in an urban pollution monitoring
       scenario. Sensors and Actuators B, 129(2). https://doi.org/10.24432/C59K5F

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_air_quality
    >>> air = fetch_air_quality()  # doctest: +SKIP
    >>> air.data.shape, air.target.isna().sum()["CO"]  # doctest: +SKIP
    ((9357, 8), 1683)
    """
    file = RemoteFile.text(_NAME, _URL, archive=_ARCHIVE)
    folders = data_folders(data_home, _FOLDER)
    broken = BrokenRows()
    with located(
        _TITLE, folders, [file], download_if_missing=download_if_missing, broken=broken
    ) as (path,):
        table = _read(path, broken)
        seconds = table.index.to_numpy().astype("datetime64[s]").astype(np.int64)
        verify(_TITLE, path, _SHA256, [seconds, table.to_numpy()], broken)
    broken.warn(_TITLE)

    table = table.mask(table == _MISSING).rename(columns=_TASKS)
    data, target = table[_FEATURES], table[list(_TASKS.values())]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=table,
        task_names=list(target.columns),
        feature_names=list(_FEATURES),
        DESCR=_DESCR,
    )


def _read(path, broken):
    """The table, by time, with the columns and the numbers of the file, -200 included."""
    header, *lines = lines_of(read_text(path, _NAME))
    separator = ";" if ";" in header else ","
    names = header.rstrip(separator).split(separator)
    if set(names) != {"Date", "Time", *_COLUMNS}:
        raise OSError(
            f"{path} must have the columns Date, Time, {', '.join(_COLUMNS)}, found {names}."
        )
    times, rows = [], []
    for line, text in enumerate(lines, start=2):
        where = f"line {line} of {_NAME}"
        fields = text.split(separator)
        surplus = fields[len(names) :]
        if not any(fields):
            continue  # the published file ends with rows of separators
        if len(fields) < len(names) or any(surplus):
            broken.add(f"another number of entries than {len(names)}", where)
            continue
        entry = dict(zip(names, fields, strict=False))
        try:
            time = _time(entry["Date"], entry["Time"])
            row = [float(entry[name].replace(",", ".") or _MISSING) for name in _COLUMNS]
        except ValueError:
            broken.add("an entry that cannot be read", where)
            continue
        times.append(time)
        rows.append(row)
    if not rows:
        raise OSError(f"{path} must hold rows of {len(names)} entries, found none.")
    return pd.DataFrame(rows, columns=_COLUMNS, index=pd.DatetimeIndex(times, name="time"))


def _time(date, time):
    """Time of a row, of "2004-03-10" and "18:00:00" or of "10/03/2004" and "18.00.00"."""
    days = "%Y-%m-%d" if "-" in date else "%d/%m/%Y"
    return datetime.strptime(f"{date} {time.replace('.', ':')}", f"{days} %H:%M:%S")
