"""Long series cut into overlapping windows, with the labels that belong to them."""

import warnings
from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ..sequences import Ragged, check_same_order, validate_sequences
from ._clocks import check_index, check_same_dates, unevenness, warn_uneven
from ._containers import BaseSequenceTransformer, packed_rows
from ._labels import labels_of_many, labels_of_one


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

    Width, horizon and stride count rows. Where the index holds dates, `fit` warns if they are not
    one step apart; days, months and working days are steps too. Columns of dtype "category" are
    channels of categories, which are numbers, the codes.

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

        Warns
        -----
        UserWarning
            If the dates in the index of X are not one step apart, or repeat. Once: `transform` and
            the others warn only where the X of `fit` was even.
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
            As `transform`, or if y has not one label for each step of X, or other dates.
        """
        check_is_fitted(self)
        X_windows, (series, last), sequences, single = self._cut(X, labelled=True)
        index = getattr(X_windows, "index", None)
        if single:
            clock = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None
            check_same_order(clock, y)
            check_same_dates(clock, y)
            labels = labels_of_one(y, len(sequences.values))
        else:
            check_same_order(sequences.index, y)
            labels = labels_of_many(y, X, sequences)
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
        found = ""
        if single and isinstance(X, (pd.DataFrame, pd.Series)):
            check_index(X.index)
            found = unevenness(X.index, sequences.offsets)
        elif isinstance(X, pd.DataFrame) and isinstance(X.index.levels[1], pd.DatetimeIndex):
            found = unevenness(X.index.get_level_values(1)[packed_rows(X)], sequences.offsets)
        if found and (reset or not self._uneven):
            warn_uneven(found, stacklevel=4)
        if reset:
            self._uneven = bool(found)
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
        rows = pd.MultiIndex.from_arrays([np.zeros(len(X), np.int64), np.arange(len(X))])
        packed = Ragged.from_panel(X.set_axis(rows))
        marks = packed.categorical
        return Ragged(packed.values, packed.offsets, packed.feature_names, None, marks), True
    if isinstance(X, pd.Series):
        if X.dtype == object and len(X) and np.ndim(X.iloc[0]):
            return Ragged.from_list(X, index=X.index), False
        packed = _as_series(X.to_frame())[0]
        return Ragged(packed.values, packed.offsets, categorical=packed.categorical), True
    boxed = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    boxed = boxed or isinstance(X, (list, tuple))
    lengths = {len(x) for x in X if hasattr(x, "__len__")} if boxed else set()
    if boxed and (len(lengths) > 1 or any(getattr(x, "ndim", 0) for x in X)):
        return Ragged.from_list(X), False
    number = [np.float64, np.float32]
    array = check_array(X, dtype=number, ensure_all_finite=False, ensure_2d=False, allow_nd=True)
    if array.ndim > 2:
        return Ragged.from_padded(array), False
    return Ragged.from_list([array]), True


def _boxed(labels, rows, index):
    """A Series whose cells are the labels of each window."""
    cells = np.empty(len(rows), dtype=object)
    cells[:] = list(labels.to_numpy()[rows])
    return pd.Series(cells, index=index, name=labels.name)


def _of_rows(index, n_rows):
    return pd.RangeIndex(n_rows) if index is None else index
