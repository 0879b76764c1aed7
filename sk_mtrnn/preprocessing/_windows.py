"""Long series cut into overlapping windows, with the labels that belong to them."""

import warnings
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..sequences import Ragged, check_same_order, validate_sequences
from ._containers import BaseSequenceTransformer, check_times, packed_rows


class SlidingWindow(BaseSequenceTransformer):
    """Cut long series into overlapping windows, each one a sample.

    With w the width, s the stride and h the horizon, window j of a series x_0, ..., x_{T-1} and its
    label are::

        X_j = (x_{js}, ..., x_{js + w - 1}),   y_j = y_{js + w - 1 + h}

    or, where ``per_step``, y_j = (y_{js + h}, ..., y_{js + w - 1 + h}), a label for each step. No
    window reaches beyond its series, nor over two of them.

    Parameters
    ----------
    width : int
        w, time steps of a window.
    horizon : int, default=0
        h: how many steps the label lies after the step it is predicted at. 0 labels the present;
        with y a channel of X, 1 forecasts the next step.
    stride : int, default=1
        s, steps from the start of a window to that of the next one.
    per_step : bool, default=False
        Whether every step of a window keeps a label, rather than the last one alone.

    Attributes
    ----------
    gap : int
        ⌈(w + h) / s⌉ - 1: so many windows lie between two that share no step, neither in X nor in
        the label.
    n_features_in_ : int
        Width of a time step.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features.

    Notes
    -----
    X is one series: an array of shape (T,) or (T, n_features), a Series, or a DataFrame with a row
    for each step; or several: a 3-D array, a list or array of arrays, a `Ragged`, or a DataFrame
    with a (sample, time) index. Here alone, a 2-D array is not a table of univariate series. Where
    X is pandas or a `Ragged` the windows are a `Ragged` that carries the names; else they are an
    array of shape (n_windows, width, n_features).

    A transformer in a `Pipeline` cannot change the number of labels, so cut first, with `windows`,
    and validate over the windows. They are in order of time and overlap: shuffled folds put almost
    the same window into training and test. For one series::

        cutter = SlidingWindow(24, horizon=1)
        X, y = cutter.fit(series).windows(series, target)
        cross_validate(model, X, y, cv=TimeSeriesSplit(gap=cutter.gap))

    for several, `GroupKFold` with ``groups=cutter.locate(X, labelled=True)["series"]``. A scaler of
    the whole series has seen the test part; put it behind the windows, into the pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import SlidingWindow
    >>> series = np.arange(5.0)
    >>> cutter = SlidingWindow(3, horizon=1).fit(series)
    >>> X, y = cutter.windows(series, series)
    >>> X[:, :, 0]
    array([[0., 1., 2.],
           [1., 2., 3.]])
    >>> y
    array([3., 4.])
    >>> cutter.transform(series)[-1].ravel()  # the window the next, unknown step follows
    array([2., 3., 4.])
    >>> cutter.gap
    3
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "horizon": [Interval(Integral, 0, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "per_step": ["boolean"],
    }

    def __init__(self, width, horizon=0, stride=1, per_step=False):
        self.width = width
        self.horizon = horizon
        self.stride = stride
        self.per_step = per_step

    @property
    def gap(self):
        return -(-(self.width + self.horizon) // self.stride) - 1

    def fit(self, X, y=None):
        """Check the parameters and the series; nothing is learned.

        Parameters
        ----------
        X : series
            One or several; see Notes.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `transform`.
        """
        self._validate_params()
        self._read(X, reset=True)
        return self

    def transform(self, X):
        """Cut all windows, also those whose label lies beyond the end: they are to be predicted.

        Parameters
        ----------
        X : series

        Returns
        -------
        ndarray of shape (n_windows, width, n_features) or Ragged
            Series by series, in order of time. The ``index`` of a Ragged is that of the last row of
            each window; for several series, the series.

        Raises
        ------
        ValueError
            If X is not of the width of ``fit``, holds an infinity or no series as long as a window,
            or the numbers or dates in its index run backwards; the message names the step.

        Warns
        -----
        UserWarning
            If some, but not all, series are too short for a window; they are left out.
        """
        check_is_fitted(self)
        return self._cut(X, labelled=False)[0]

    def windows(self, X, y):
        """Cut all windows that have a label, and their labels.

        Parameters
        ----------
        X : series
        y : labels
            One for each step. For one series: array-like of shape (T,) or (T, n_tasks), Series or
            DataFrame. For several: a list of such arrays, a 3-D array, a Ragged, a frame or series
            with the (sample, time) index of X, or a Series or DataFrame with a row for each series,
            whose cells are arrays or, where there is one label for the whole series, that label.

        Returns
        -------
        X : ndarray of shape (n_windows, width, n_features) or Ragged
            As `transform` gives, without the windows at the end whose label is not known.
        y : ndarray, Series or DataFrame
            One row a window. Arrays: shape (n_windows,) or (n_windows, n_tasks), and where
            ``per_step`` (n_windows, width, n_tasks). Pandas: with the index of the windows, and
            where ``per_step`` an array in each cell.

        Raises
        ------
        ValueError
            As `transform`, or if y has not one label for each step of X.
        """
        check_is_fitted(self)
        X_windows, (series, last), sequences, single = self._cut(X, labelled=True)
        index = getattr(X_windows, "index", None)
        if single:
            check_same_order(X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None, y)
            labels = _labels_of_one(y, len(sequences.values))
        else:
            check_same_order(sequences.index, y)
            labels = _labels_of_many(y, X, sequences)
        rows = sequences.offsets[series] + last + self.horizon
        if not self.per_step:
            if isinstance(labels, (pd.Series, pd.DataFrame)):
                labels = labels.iloc[rows]
                return X_windows, labels.set_axis(_of_rows(index, len(rows)), axis=0)
            return X_windows, labels[rows]
        rows = rows[:, None] + np.arange(1 - self.width, 1)  # [n_windows, width]
        if isinstance(labels, pd.Series):
            return X_windows, _boxed(labels, rows, index)
        if isinstance(labels, pd.DataFrame):
            cells = [_boxed(labels.iloc[:, k], rows, index) for k in range(labels.shape[1])]
            return X_windows, pd.concat(cells, axis=1)
        return X_windows, labels.reshape(len(labels), -1)[rows]

    def locate(self, X, labelled=False):
        """Tell where each window lies.

        Parameters
        ----------
        X : series
        labelled : bool, default=False
            Only the windows that have a label, which are those of `windows`.

        Returns
        -------
        DataFrame of shape (n_windows, 4)
            Columns "series" (its name where X names it, else its number), "first" and "last" (step
            of the series each window begins and ends with) and "target" (step of its label). The
            index is that of the windows.
        """
        check_is_fitted(self)
        X_windows, (series, last), sequences, _ = self._cut(X, labelled)
        names = series if sequences.index is None else sequences.index[series]
        columns = {
            "series": np.asarray(names),
            "first": last - self.width + 1,
            "last": last,
            "target": last + self.horizon,
        }
        return pd.DataFrame(columns, index=getattr(X_windows, "index", None))

    def get_feature_names_out(self, input_features=None):
        """Name the features of a time step.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None: ``feature_names_in_``, else ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            As in the input.
        """
        check_is_fitted(self)
        return self._channel_names(input_features)

    def _read(self, X, reset):
        """X as Ragged, and whether it is one series."""
        sequences, single = _as_series(X)
        sequences = validate_sequences(self, sequences, reset=reset, allow_nan=True)
        if single and isinstance(X, (pd.DataFrame, pd.Series)):
            _check_clock(X.index)
        return sequences, single

    def _cut(self, X, labelled):
        """The windows, the series and last step of each, and the series they are cut from."""
        sequences, single = self._read(X, reset=False)
        beyond = self.horizon if labelled else 0
        count = np.maximum((sequences.lengths - beyond - self.width) // self.stride + 1, 0)
        needed = f"width={self.width}" + (f" plus horizon={beyond}" if beyond else "")
        if not count.any():
            raise ValueError(
                f"X must hold a series of at least {self.width + beyond} time steps ({needed}), "
                f"found {sequences.lengths.max()} at most."
            )
        if not count.all():
            short = int(np.argmin(count))
            warnings.warn(
                f"{np.sum(count == 0)} of {len(count)} series are shorter than {needed} and left "
                f"out: the first is sample {short}, of {sequences.lengths[short]} time step(s).",
                UserWarning,
                stacklevel=3,
            )
        series = np.repeat(np.arange(len(count)), count)
        number = np.arange(len(series)) - np.repeat(np.cumsum(count) - count, count)
        last = number * self.stride + self.width - 1
        rows = (sequences.offsets[series] + last)[:, None] + np.arange(1 - self.width, 1)
        windows = sequences.values[rows]  # [n_windows, width, n_features]
        if isinstance(X, (Ragged, pd.DataFrame, pd.Series)):
            offsets = np.arange(len(series) + 1) * self.width
            index = X.index[last] if single else sequences.index
            index = index if single or index is None else index[series]
            values = windows.reshape(-1, sequences.n_features)
            names, marks = sequences.feature_names, sequences.categorical
            windows = Ragged(values, offsets, names, index, marks)
        return windows, (series, last), sequences, single


def _as_series(X):
    """Read X as Ragged, and tell whether it is one series."""
    if isinstance(X, Ragged):
        return X, False
    if isinstance(X, pd.DataFrame):
        if X.index.nlevels == 2:
            return Ragged.from_panel(X), False
        return Ragged.from_list([X]), True
    if isinstance(X, pd.Series):
        if X.dtype == object and len(X) and np.ndim(X.iloc[0]):
            return Ragged.from_list(X, index=X.index), False
        return Ragged.from_list([X.to_numpy(na_value=np.nan, dtype=np.float64)]), True
    boxed = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if (boxed or isinstance(X, (list, tuple))) and any(getattr(x, "ndim", 0) for x in X):
        return Ragged.from_list(X), False
    number = [np.float64, np.float32]
    array = check_array(X, dtype=number, ensure_all_finite=False, ensure_2d=False, allow_nd=True)
    if array.ndim > 2:
        return Ragged.from_padded(array), False
    return Ragged.from_list([array]), True


def _check_clock(index):
    """Refuse an index of numbers or dates that runs backwards: rows out of order leak."""
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex)):
        times = np.where(index.isna(), np.nan, index.asi8.astype(np.float64))
    elif pd.api.types.is_numeric_dtype(index.dtype):
        times = index.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        return
    check_times(times, np.array([0, len(times)]), "The index of X")


def _labels_of_one(y, n_steps):
    """The labels of one series, one row a step, as an array, Series or DataFrame."""
    y = y if isinstance(y, (pd.Series, pd.DataFrame)) else _as_array(y)
    if y.ndim not in (1, 2) or len(y) != n_steps:
        raise ValueError(
            f"y must have one row for each of the {n_steps} time steps of X, shape ({n_steps},) or "
            f"({n_steps}, n_tasks), found shape {y.shape}."
        )
    return y


def _as_array(labels):
    """Labels as an array, without numpy's turning ["a", nan] into text."""
    if isinstance(labels, (list, tuple)) and all(np.ndim(label) == 0 for label in labels):
        return pd.Series(labels).to_numpy()
    return np.asarray(labels)


def _labels_of_many(y, X, sequences):
    """The labels of several series, one row a step, as an array, Series or DataFrame."""
    if isinstance(y, (pd.DataFrame, pd.Series)):
        if y.index.nlevels == 2:
            if not isinstance(X, pd.DataFrame) or not y.index.equals(X.index):
                raise ValueError(
                    "y must have the (sample, time) index of X, in the same order, found another."
                )
            return y.iloc[packed_rows(X)]
        if isinstance(y, pd.Series):
            return pd.Series(_spread(y, sequences, f" of task {y.name!r}", 1), name=y.name)
        columns = {name: _spread(y[name], sequences, f" of task {name!r}", 1) for name in y}
        return pd.DataFrame(columns)
    return _spread(y, sequences, "", 2)


def _spread(cells, sequences, task, max_ndim):
    """One row a step from one array, or one label, a series."""
    cells = list(cells)
    if len(cells) != len(sequences):
        raise ValueError(
            f"y must hold the labels of the {len(sequences)} series of X, found {len(cells)}."
        )
    parts = []
    for sample, (cell, length) in enumerate(zip(cells, sequences.lengths, strict=True)):
        if np.ndim(cell) == 0:
            part = np.full(length, cell, dtype=object if isinstance(cell, str) else None)
        else:
            part = _as_array(cell)
        if part.ndim > max_ndim or len(part) != length:
            raise ValueError(
                f"y{task} must have one row for each of the {length} time steps of sample {sample},"
                f" found shape {part.shape}."
            )
        parts.append(part)
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1 and kinds - set("iuf"):  # so that numpy turns no number into text
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


def _boxed(labels, rows, index):
    """A Series whose cells are the labels of each window."""
    cells = np.empty(len(rows), dtype=object)
    cells[:] = list(labels.to_numpy()[rows])
    return pd.Series(cells, index=index, name=labels.name)


def _of_rows(index, n_rows):
    return pd.RangeIndex(n_rows) if index is None else index
