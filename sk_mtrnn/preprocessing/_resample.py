"""Sequences of uneven or other steps, brought to a regular grid of time."""

import datetime
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..sequences import (
    Ragged,
    channel_index,
    check_times,
    offsets_of,
    split_steps,
    validate_sequences,
)
from ._aggregate import AGGREGATES, aggregate_cells
from ._clocks import DATES, as_index, index_seconds
from ._containers import (
    BaseSequenceTransformer,
    as_panel,
    packed_rows,
    repack,
    repack_list,
)

_DIFFERENCES = (np.timedelta64, datetime.timedelta)  # the first is an Integral as well
_OF_CODES = ("last", "first", "count")  # what can be said of categories
_MOST_STEPS = 10**8  # of all sequences together; more is a slip of the unit


class Resample(BaseSequenceTransformer):
    """Bring sequences to a regular grid of time.

    Step k of a sequence holds, for each channel, what was observed from s + k Δ up to, but without,
    s + (k + 1) Δ, aggregated; where nothing was, NaN. Δ is ``interval`` and s the start of the
    grid.

    Parameters
    ----------
    interval : float, str or timedelta
        Δ, in the unit of the time stamps. Text ("1h") and time differences are for dates and time
        differences in the index of a DataFrame.
    aggregate : str or dict from channel to str, default="mean"
        What stands for the observations of an interval: "mean", "last", "first", "min", "max",
        "median", "sum" or "count" (0 where there is none). The dict names channels by index or
        name; those it does not name: "mean". Channels of categories: always "last", unless the
        dict says "first" or "count".
    time_feature : int or str, default=None
        The channel that holds the time stamps; it stays one, with the start s + k Δ of each
        interval. None: steps lie 1 apart, from 0 on; in a DataFrame with a (sample, time) index,
        the index is the clock: numbers as they are, time differences in seconds, dates in seconds
        since 1970 in UTC (so that intervals of an hour begin on its hours). `from_events` makes
        numbers of dates, seconds.
    start : float, default=None
        s; what was observed before is left out. None: for each sequence the largest multiple of Δ
        that is not after its first time stamp.
    end : float, default=None
        End of the grid; what was observed after it is left out, and what was observed at it
        belongs to the last interval. None: for each sequence its last time stamp. With ``start``
        and ``end`` all sequences get the same length, ⌈(end - s) / Δ⌉: stays of 48 hours, in
        minutes, become 48 steps with ``Resample(60, start=0, end=2880)``.

    Attributes
    ----------
    n_features_in_ : int
        Width of a time step; for a table, the number of its columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features, or is a DataFrame that names its columns.

    Notes
    -----
    A sequence of which nothing falls into the grid becomes NaN on all of it, one step at least.

    Resample first, then `Concatenate` static descriptors: they would have a hole wherever nothing
    was observed.

    A step is named by the start of its interval and holds what was observed until its end: a
    forecast made from it can be made at its end.

    The container stays what it was, in a DataFrame with a (sample, time) index with the grid as
    time. Only a 3-D array becomes a `Ragged` where the time stamps decide over lengths, that is,
    with ``time_feature`` and without ``start`` and ``end``. A table stays one.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import Resample
    >>> X = [np.array([[0.5, 10.0], [0.7, 20.0], [2.1, 40.0]])]  # time, value
    >>> Resample(1, time_feature=0).fit_transform(X)[0]
    array([[ 0., 15.],
           [ 1., nan],
           [ 2., 40.]])
    """

    _parameter_constraints = {
        "interval": [*_DIFFERENCES, str, Interval(Real, 0, None, closed="neither")],
        "aggregate": [StrOptions(set(AGGREGATES)), dict],
        "time_feature": [Integral, str, None],
        "start": [Real, None],
        "end": [Real, None],
    }

    def __init__(self, interval, aggregate="mean", time_feature=None, start=None, end=None):
        self.interval = interval
        self.aggregate = aggregate
        self.time_feature = time_feature
        self.start = start
        self.end = end

    def fit(self, X, y=None):
        """Check the parameters against the channels of X; nothing is learned.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)
            In any layout the estimators take; NaN is not observed.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter names no channel, ``interval`` is no time, or is text where time stamps
            are numbers, ``end`` is not after ``start``, or categories are to be averaged; and as
            `transform`.
        """
        self._validate_params()
        sequences = validate_sequences(self, X, reset=True, allow_nan=True)
        if self._tabular and self.time_feature is not None:
            raise ValueError(
                "time_feature must be None for a table, each column of which is a time step, "
                f"found {self.time_feature!r}."
            )
        self._interval = self._read_interval()
        for name in ("start", "end"):
            bound = getattr(self, name)
            if bound is not None and not np.isfinite(bound):
                raise ValueError(f"{name} must be finite, found {bound}.")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"end must be after start={self.start}, found {self.end}.")
        self._categorical = sequences.categorical
        names = list(self._channel_names())
        self._time = None
        if self.time_feature is not None:
            self._time = channel_index(self.time_feature, names, "time_feature")
        self._methods = self._read_methods(names)
        offsets = self._grid(X, sequences)[1]
        self._n_steps = int(offsets[1])
        return self

    def transform(self, X):
        """Bring each sequence to the grid.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)

        Returns
        -------
        sequences
            In the container of X; see Notes.

        Raises
        ------
        ValueError
            If X is not of the width of ``fit`` or holds an infinity, time stamps are missing or
            run backwards (the message names sample and time step), or the grid has more than 1e8
            steps in all.
        """
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False, allow_nan=True)
        start, offsets, steps, inside = self._grid(X, sequences)
        owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
        cells = (offsets[owner] + steps)[inside]
        n_rows = int(offsets[-1])
        number = np.arange(n_rows) - np.repeat(offsets[:-1], np.diff(offsets))
        times = np.repeat(start, np.diff(offsets)) + number * self._interval
        rows = np.empty((n_rows, sequences.n_features), dtype=sequences.dtype)
        for channel, how in enumerate(self._methods):
            if channel == self._time:
                rows[:, channel] = times
            else:
                seen = sequences.values[inside, channel]
                rows[:, channel] = aggregate_cells(cells, seen, how, n_rows)
        names = None if self._tabular else self.get_feature_names_out()
        grid = Ragged(rows, offsets, names, sequences.index, self._categorical_out())
        return self._contain(X, grid, times)

    def get_feature_names_out(self, input_features=None):
        """Name the features of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None: ``feature_names_in_``, else ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            The channels, as in the input; for a table ``resample0``, ``resample1``, ..., one a
            step.
        """
        check_is_fitted(self, "_methods")
        if self._tabular:
            return np.array([f"resample{step}" for step in range(self._n_steps)], dtype=object)
        return self._channel_names(input_features)

    def _read_interval(self):
        interval = self.interval
        if isinstance(interval, (str, *_DIFFERENCES)):
            try:
                interval = pd.Timedelta(interval).total_seconds()
            except ValueError as error:
                raise ValueError(
                    f"interval must be a number or a time difference such as '1h': {error}"
                ) from error
        if not 0 < interval < np.inf:  # NaT is not either
            raise ValueError(f"interval must be positive and finite, found {self.interval!r}.")
        return float(interval)

    def _read_methods(self, names):
        """How each channel is aggregated."""
        codes = np.zeros(len(names), bool) if self._categorical is None else self._categorical
        default = "mean" if isinstance(self.aggregate, dict) else self.aggregate
        methods = ["last" if is_code else default for is_code in codes]
        for key, how in (self.aggregate if isinstance(self.aggregate, dict) else {}).items():
            channel = channel_index(key, names, "aggregate")
            if channel == self._time:
                raise ValueError(
                    f"aggregate must name no clock, found {key!r}, which time_feature names: its "
                    "values are the starts of the intervals."
                )
            if not isinstance(how, str) or how not in AGGREGATES:
                raise ValueError(f"aggregate must be one of {list(AGGREGATES)}, found {how!r}.")
            if codes[channel] and how not in _OF_CODES:
                raise ValueError(
                    f"aggregate of the categorical channel {names[channel]!r} must be one of "
                    f"{list(_OF_CODES)}, found {how!r}."
                )
            methods[channel] = how
        return methods

    def _categorical_out(self):
        if self._categorical is None:
            return None
        return self._categorical & [how != "count" for how in self._methods]

    def _clock(self, X, sequences):
        """The time stamp of each row, in order."""
        dates = _is_panel(X) and isinstance(X.index.levels[1], DATES) and self._time is None
        if not dates and isinstance(self.interval, (str, *_DIFFERENCES)):
            kind = "text" if isinstance(self.interval, str) else "a time difference"
            held = "numbers: give the interval in its unit"
            if _is_panel(X) and self._time is None and X.index.levels[1].dtype == object:
                held = "objects, such as datetime.date, which pd.to_datetime turns into dates"
            raise ValueError(
                f"interval={self.interval!r}: {kind} is for dates and time differences; found a "
                f"clock of {held}."
            )
        if self._time is not None:
            times = sequences.values[:, self._time]
            source = f"time_feature {self.time_feature!r}"
        elif _is_panel(X):
            times = index_seconds(X.index.get_level_values(1))[packed_rows(X)]
            source = "The index of X"
        else:
            first = np.repeat(sequences.offsets[:-1], sequences.lengths)
            return (np.arange(len(first)) - first).astype(np.float64)
        check_times(times, sequences.offsets, source)
        return times

    def _grid(self, X, sequences):
        """Lay the grids.

        Returns
        -------
        start : ndarray of shape (n_samples,)
            s of each sequence.
        offsets : ndarray of shape (n_samples + 1,)
            Where the grid of each sequence begins among all.
        steps : ndarray of int, shape (sum_T,)
            The step k each row belongs to.
        inside : ndarray of bool, shape (sum_T,)
            Whether it belongs to any.
        """
        times = self._clock(X, sequences)
        tolerance = 4 * np.finfo(times.dtype).eps
        times = times.astype(np.float64)
        first, last = times[sequences.offsets[:-1]], times[sequences.offsets[1:] - 1]
        with np.errstate(over="ignore", invalid="ignore"):  # an absurd interval is refused below
            if self.start is None:
                start = _floor(first / self._interval, tolerance) * self._interval
            else:
                start = np.full(len(first), float(self.start))
            if self.end is None:
                length = _floor((last - start) / self._interval, tolerance) + 1
            else:
                length = -_floor((start - self.end) / self._interval, tolerance)
        length = np.maximum(length, 1)
        n_steps = length.sum() if np.isfinite(start).all() else np.inf
        if not n_steps <= _MOST_STEPS:  # NaN is not either
            raise ValueError(
                f"interval={self.interval!r} gives {n_steps:.3g} steps in all, more than "
                f"{_MOST_STEPS:.0e}; time stamps, start and end must be in its unit."
            )
        length = length.astype(np.int64)
        steps = (times - np.repeat(start, sequences.lengths)) / self._interval
        steps = _floor(steps, tolerance).astype(np.int64)
        length_of = np.repeat(length, sequences.lengths)
        inside = steps >= 0
        if self.end is not None:
            at_end = np.abs(times - self.end) <= tolerance * max(abs(self.end), 1)
            steps[at_end & (steps == length_of)] -= 1
            inside &= (times <= self.end) | at_end
        inside &= steps < length_of
        return start, offsets_of(length), steps, inside

    def _contain(self, X, grid, times):
        """The new sequences in the container of X."""
        if isinstance(X, Ragged):
            return grid
        if _is_panel(X):
            owner = pd.Index(grid.index).repeat(grid.lengths)
            old = X.index.levels[1]
            index = pd.MultiIndex.from_arrays([owner, as_index(times, old)], names=X.index.names)
            return as_panel(grid.values, index, grid.feature_names, grid.categorical, X)
        if self._tabular:
            table = grid.values.reshape(len(grid), -1)
            if isinstance(X, pd.DataFrame):
                return pd.DataFrame(table, index=X.index, columns=self.get_feature_names_out())
            return table
        if isinstance(X, (list, tuple, pd.Series)) or np.ndim(X) == 1:
            return repack_list(X, split_steps(grid.values, grid.offsets))
        free = self._time is not None and (self.start is None or self.end is None)
        return grid if free else repack(X, grid, grid.values, None, False)


def _floor(quotient, tolerance):
    """Round down, but not below a whole number that rounding errors missed: 0.3 / 0.1 is 3."""
    whole = np.rint(quotient)
    near = np.abs(quotient - whole) <= tolerance * np.maximum(np.abs(whole), 1)
    return np.where(near, whole, np.floor(quotient))


def _is_panel(X):
    return isinstance(X, pd.DataFrame) and X.index.nlevels == 2
