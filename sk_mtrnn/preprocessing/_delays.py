"""The past of a series as further channels."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from ..sequences import validate_sequences
from ._containers import BaseSequenceTransformer, described, repack


class TimeDelayEmbedding(BaseSequenceTransformer):
    """Put earlier steps of a sequence beside each step [1]_.

    With delays d_1, ..., d_m step t becomes::

        (x_{t - d_1}, x_{t - d_2}, ..., x_{t - d_m})

    each x all channels, so that m times as many stand there. The length stays; what would lie
    before the first step is ``fill``.

    Parameters
    ----------
    delays : array-like of int, default=(0, 1)
        d, in time steps: nonnegative, since a step to come would leak, and different. Without 0 the
        present is left out. Takens' d = 0, τ, ..., (m - 1) τ is ``range(0, m * tau, tau)``.
    fill : float or "edge", default=nan
        What stands where there is no earlier step. NaN is a hole, for ``missing`` of the
        estimators; "edge" is the first step of the sequence.

    Attributes
    ----------
    n_features_in_ : int
        Width of a time step; for a table, the number of its columns.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Only if X names its features, or is a DataFrame that names its columns.

    Notes
    -----
    The container stays what it was. A table, each column one time step of a univariate series,
    becomes an array of shape (n_samples, n_timesteps, m), or stays a table for a single delay.
    Channels of categories stay such, in a `Ragged` and in a DataFrame with a (sample, time) index.

    Takens embeds a scalar series at even delays and keeps only the steps whose past is whole; here
    delays and number of channels are free, and labels per step keep their places.

    References
    ----------
    .. [1] F. Takens (1981). Detecting strange attractors in turbulence. Lecture Notes in
       Mathematics 898, 366-381.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn.preprocessing import TimeDelayEmbedding
    >>> X = [np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])]
    >>> embedding = TimeDelayEmbedding((0, 2)).fit(X)
    >>> embedding.transform(X)[0]
    array([[ 1., 10., nan, nan],
           [ 2., 20., nan, nan],
           [ 3., 30.,  1., 10.]])
    >>> embedding.get_feature_names_out()
    array(['x0', 'x1', 'x0_lag2', 'x1_lag2'], dtype=object)
    """

    _parameter_constraints = {
        "delays": ["array-like"],
        "fill": [Real, StrOptions({"edge"})],
    }

    def __init__(self, delays=(0, 1), fill=np.nan):
        self.delays = delays
        self.fill = fill

    def fit(self, X, y=None):
        """Check the parameters; nothing is learned.

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
        ValueError
            If ``delays`` are not different nonnegative integers, ``fill`` is infinite or no code
            for the categories in X, or X is not valid.
        """
        self._validate_params()
        delays = np.asarray(self.delays)
        whole = delays.ndim == 1 and delays.size and np.issubdtype(delays.dtype, np.integer)
        if not whole or (delays < 0).any() or len(np.unique(delays)) < len(delays):
            raise ValueError(
                "delays must be different nonnegative integers, at least one, found "
                f"{described(self.delays)}."
            )
        sequences = validate_sequences(self, X, reset=True, allow_nan=True)
        number = self.fill != "edge" and not np.isnan(self.fill)
        if number and not np.isfinite(self.fill):
            raise ValueError(f"fill must be finite, NaN or 'edge', found {self.fill}.")
        coded = sequences.categorical is not None and sequences.categorical.any()
        if number and coded and (self.fill < 0 or self.fill % 1):
            raise ValueError(
                "fill must be a code, an integer from 0 on, as X has categorical channels, found "
                f"{self.fill}."
            )
        self._delays = delays
        return self

    def transform(self, X):
        """Put the earlier steps beside each step.

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
            If X is not of the width of ``fit`` or holds an infinity.
        """
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False, allow_nan=True)
        row = np.arange(len(sequences.values))
        first = np.repeat(sequences.offsets[:-1], sequences.lengths)
        blocks = []
        for delay in self._delays:
            before = row - delay < first
            block = sequences.values[np.maximum(row - delay, first)]
            if self.fill != "edge":
                block[before] = self.fill
            blocks.append(block)
        marks = sequences.categorical
        marks = None if marks is None else np.tile(marks, len(blocks))
        names = None if self._keeps_table else self.get_feature_names_out()
        return repack(X, sequences, np.concatenate(blocks, axis=1), names, self._tabular, marks)

    def get_feature_names_out(self, input_features=None):
        """Name the features of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input features. None: ``feature_names_in_``, else ``x0``, ``x1``, ...

        Returns
        -------
        ndarray of str
            For each delay the names of all channels, followed by ``_lag`` and the delay; a delay of
            0 keeps the names. Where a table stays a table, the names of its columns.
        """
        check_is_fitted(self)
        if self._keeps_table:
            return self._column_names(input_features)
        names = self._channel_names(input_features)
        lagged = [f"{name}_lag{d}" if d else name for d in self._delays for name in names]
        return np.array(lagged, dtype=object)

    @property
    def _keeps_table(self):
        return self._tabular and len(self._delays) == 1
