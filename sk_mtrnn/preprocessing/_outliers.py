"""What an outlier detector flags becomes a hole."""

import numpy as np
from sklearn.base import clone, is_outlier_detector
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ..sequences import channel_index, validate_sequences
from ._containers import BaseSequenceTransformer, repack


class OutlierMasker(BaseSequenceTransformer):
    """Turn what an outlier detector flags into NaN, a hole for ``missing`` of the estimators.

    With a the detector, fitted on the time steps x_it of all sequences, each read as a row::

        x_it := NaN   where a(x_it) = -1

    or, where ``per_channel``, with one detector a_c for each channel, x_itc := NaN where
    a_c(x_itc) = -1.

    Parameters
    ----------
    estimator : outlier detector
        Any scikit-learn outlier detector (an `OutlierMixin`, or a pipeline that ends in one) whose
        `predict` gives -1 for outliers. It is cloned. `LocalOutlierFactor` needs ``novelty=True``.
    per_channel : bool, default=False
        Whether each channel is judged alone, by a clone of its own: a broken sensor then leaves the
        others alone.
    time_feature : int or str, default=None
        The channel that holds the time stamps, which are not judged and stay. Channels of
        categories are not judged either.

    Attributes
    ----------
    estimators_ : list
        The fitted clones: a single one; where ``per_channel``, one for each channel, None for one
        that is not judged or was never observed.
    flags_ : ndarray of bool, shape (sum_T, n_features)
        Which values of the training data were flagged, sequence by sequence; a table has one
        feature.
    n_features_in_ : int
        Width of a time step; for a table, the number of its columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features, or is a DataFrame that names its columns.

    Notes
    -----
    Most detectors take no NaN: rows with one are then not used to fit and are not judged, so that
    they stay as they are. Where holes are common, ``per_channel`` uses and judges whatever was
    observed. A detector whose tag ``allow_nan`` says that it takes NaN, as `IsolationForest` does,
    is fitted on all rows in which anything was observed, and judges them.

    The container and its names stay what they were.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from sk_mtrnn.preprocessing import OutlierMasker
    >>> X = [np.array([[0.1], [0.2], [9.0]]), np.array([[0.2], [0.1]])]
    >>> masker = OutlierMasker(IsolationForest(contamination=0.2, random_state=0))
    >>> masker.fit_transform(X)[0].ravel()
    array([0.1, 0.2, nan])
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "per_channel": ["boolean"],
        "time_feature": [int, np.integer, str, None],
    }

    def __init__(self, estimator, per_channel=False, time_feature=None):
        self.estimator = estimator
        self.per_channel = per_channel
        self.time_feature = time_feature

    def fit(self, X, y=None):
        """Fit the detector on the time steps of all sequences.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)
            In any layout the estimators take.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If ``estimator`` is no outlier detector, or has no ``predict``.
        ValueError
            If ``estimator`` needs y, there is no row without NaN (``per_channel``, or a detector
            that takes NaN: no value at all) or no channel to judge, ``time_feature`` names no
            channel, or X is not valid.
        """
        self._validate_params()
        self._check_detector()
        sequences = validate_sequences(self, X, reset=True, allow_nan=True)
        names = list(self._channel_names())
        judged = np.ones(len(names), dtype=bool)
        if self.time_feature is not None:
            judged[channel_index(self.time_feature, names, "time_feature")] = False
        if sequences.categorical is not None:
            judged &= ~sequences.categorical
        if not judged.any():
            raise ValueError(
                f"X must have a channel to judge beside time stamps and categories, found {names}."
            )
        channels = np.flatnonzero(judged)
        self._groups = [channels[[k]] for k in range(len(channels))]
        self._groups = self._groups if self.per_channel else [channels]
        fitted = []
        for group in self._groups:
            rows = sequences.values[:, group]
            rows = rows[self._usable(rows)]
            fitted.append(clone(self.estimator).fit(rows) if len(rows) else None)
        if not any(detector is not None for detector in fitted):
            needed = (
                "a value to fit on"
                if self.per_channel or self._takes_nan
                else "a time step without NaN to fit on (per_channel=True needs no such)"
            )
            raise ValueError(f"X must hold {needed}, found none.")
        self._detectors = fitted
        self.estimators_ = fitted
        if self.per_channel:
            by_channel = dict(zip(channels, fitted, strict=True))
            self.estimators_ = [by_channel.get(channel) for channel in range(len(names))]
        self.flags_ = self._flag(sequences)
        return self

    def transform(self, X):
        """Turn what the detector flags into NaN.

        Parameters
        ----------
        X : sequences, or a table of shape (n_samples, n_timesteps)

        Returns
        -------
        sequences
            In the container of X.

        Raises
        ------
        ValueError
            If X is not of the width of ``fit`` or holds an infinity.
        """
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False, allow_nan=True)
        rows = sequences.values.copy()
        rows[self._flag(sequences)] = np.nan
        names = sequences.feature_names
        return repack(X, sequences, rows, names, self._tabular, sequences.categorical)

    def get_feature_names_out(self, input_features=None):
        """Name the features of the output.

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
        return self._column_names(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.non_deterministic = get_tags(self.estimator).non_deterministic
        return tags

    def _check_detector(self):
        for method in ("fit", "predict"):
            if not callable(getattr(self.estimator, method, None)):
                raise TypeError(
                    "estimator must be a scikit-learn outlier detector, with fit and predict, found"
                    f" {self.estimator!r} without {method}{_cure(self.estimator)}."
                )
        tagged = hasattr(self.estimator, "__sklearn_tags__")
        if tagged and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                "estimator must not need y, because a row is a time step and has no label, found "
                f"{self.estimator!r}."
            )
        if not tagged or not is_outlier_detector(self.estimator):
            raise TypeError(
                "estimator must be a scikit-learn outlier detector, such as IsolationForest, found "
                f"{self.estimator!r}, whose tags do not call it one."
            )

    @property
    def _takes_nan(self):
        return get_tags(self.estimator).input_tags.allow_nan

    def _usable(self, rows):
        """Rows that the detector takes, and that hold anything."""
        holes = np.isnan(rows)
        return ~(holes.all(axis=1) if self._takes_nan else holes.any(axis=1))

    def _flag(self, sequences):
        """Which values are flagged, shape (sum_T, n_features)."""
        flags = np.zeros(sequences.values.shape, dtype=bool)
        for group, detector in zip(self._groups, self._detectors, strict=True):
            rows = sequences.values[:, group]
            usable = np.flatnonzero(self._usable(rows))
            if detector is None or not len(usable):
                continue
            outlying = np.asarray(detector.predict(rows[usable])) == -1
            if outlying.shape != usable.shape:
                raise ValueError(
                    "estimator must predict one number a row, found shape "
                    f"{outlying.shape} for {len(usable)} row(s)."
                )
            flags[np.ix_(usable[outlying], group)] = True
        return flags & ~np.isnan(sequences.values)


def _cure(estimator):
    """What makes a detector one that predicts."""
    return "; novelty=True gives it" if getattr(estimator, "novelty", None) is False else ""
