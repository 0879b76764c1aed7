"""Sequences with holes and categories to columns a network reads; numpy and pandas only."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from .. import augmentation
from .._fingerprint import fingerprint
from ..missing import (
    MISSING,
    last_observed,
    since_observed,
    starts_of,
    until_observed,
)
from ..sequences import (
    Ragged,
    channel_index,
    check_times,
    input_moments,
    validate_sequences,
)
from ._categories import Categories, check_codes
from ._channels import ChannelRoles
from ._layer import InputSpec, TableSpec
from ._symbols import SymbolColumns


def _refuse_categories_of_a_table(X):
    """A table is one channel, so that dtypes of its columns, which are time steps, say nothing."""
    table = isinstance(X, pd.DataFrame) and X.index.nlevels == 1
    if table and any(isinstance(dtype, pd.CategoricalDtype) for dtype in X.dtypes):
        raise ValueError(
            "categorical_features='from_dtype' needs sequences with a column a channel; found a "
            "table, whose columns are the time steps of one. categorical_features=[0] makes its "
            "values categories."
        )


INPUT_PARAMETERS = (
    "missing",
    "time_feature",
    "categorical_features",
    "embedding_dim",
    "unknown_rate",
    "standardize",
    "bidirectional",
)
_N_SETTINGS = 5  # the first ones may not change when training goes on


class InputEncoder:
    """What stands in X, as columns of numbers without holes.

    The columns of a step are, in this order: the numeric channels (holes filled), with "mask" for
    each channel that had holes in training whether it is observed, and the time since it was; the
    places of the categories; and with "decay", instead of standing among the numeric ones, for the
    channels that had holes their last values, whether they are observed, and the time since (and
    for a network in two directions until) an observation.

    Parameters
    ----------
    missing, time_feature, categorical_features, embedding_dim, unknown_rate, standardize, \
            bidirectional
        As in the estimators.

    Attributes
    ----------
    settings : dict of str to str
        Hashes of the parameters that no other check compares when training goes on.
    channels : ChannelRoles
    categories : list of Categories
        Of the categorical channels.
    with_holes : ndarray of int
        Numeric channels of X that had holes in training, and of which anything is told.
    mean, scale : ndarray of shape (n_columns,)
        What standardises the columns; 0 and 1 of what is no quantity.
    """

    def __init__(
        self,
        missing,
        time_feature,
        categorical_features,
        embedding_dim,
        unknown_rate,
        standardize,
        bidirectional,
    ):
        self.missing = missing
        self.holes = MISSING[missing]
        self.time_feature = time_feature
        self.categorical_features = categorical_features
        self.embedding_dim = embedding_dim
        self.unknown_rate = unknown_rate
        self.standardize = standardize
        self.bidirectional = bidirectional
        self.symbols = SymbolColumns(categorical_features)
        own = INPUT_PARAMETERS[:_N_SETTINGS]
        self.settings = {name: fingerprint(getattr(self, name)) for name in own}

    # ------------------------------------------------------------------ reading X

    def read(self, estimator, X, reset):
        """Read X as sequences, see `validate_sequences`, symbols as codes.

        Parameters
        ----------
        estimator : BaseEstimator
        X : array-like
        reset : bool
            True in ``fit``.

        Returns
        -------
        Ragged
        """
        X = self.symbols.read(X, learn=reset)
        if reset and isinstance(self.categorical_features, str):
            _refuse_categories_of_a_table(X)
        sequences = validate_sequences(estimator, X, reset=reset, allow_nan=self.holes.allows)
        if reset:
            self.channels = ChannelRoles.of(
                sequences, self.categorical_features, self.time_feature, estimator._tabular
            )
        return sequences

    # ------------------------------------------------------------------ learning

    def learn(self, sequences, sample_weight):
        """Learn means, scales, categories, and which channels have holes.

        Parameters
        ----------
        sequences : Ragged
        sample_weight : ndarray of shape (n_samples,)
            0 for samples that take no part.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If codes or time stamps are not as they must be, or ``embedding_dim`` does not fit.
        """
        channels = self.channels
        check_codes(sequences, channels.categorical, channels.names)
        parts = np.repeat(sample_weight > 0, sequences.lengths)
        dims = self._dims()
        for channel, symbols in self._symbols_by_channel().items():
            n_rows = 0 if isinstance(dims[channel], (str, Integral)) else len(dims[channel])
            if n_rows and n_rows != len(symbols):
                raise ValueError(
                    f"embedding_dim of channel {channels.names[channel]!r} must hold a row for "
                    f"each of its {len(symbols)} symbols, {symbols.tolist()}, found {n_rows} rows."
                )
        self.categories = [
            Categories(channels.names[c], sequences.values[parts, c], dims[c])
            for c in channels.categorical
        ]
        weights = np.repeat(sample_weight, sequences.lengths)
        n_numeric = len(channels.numeric)
        mean, scale, self._seen = np.zeros(n_numeric), np.ones(n_numeric), np.ones(n_numeric, bool)
        had_holes = np.zeros(n_numeric, bool)
        if self.holes.allows:
            for i, channel in enumerate(channels.numeric):
                column = sequences.values[:, channel]
                known = ~np.isnan(column) & parts
                self._seen[i] = known.any()
                had_holes[i] = np.isnan(column[parts]).any()
                if known.any():
                    scaler = StandardScaler().fit(column[known, None], sample_weight=weights[known])
                    mean[i], scale[i] = scaler.mean_[0], scaler.scale_[0]
        elif n_numeric:
            with np.errstate(all="ignore"):  # of what is not to be scaled
                mean, scale = input_moments(self._numeric(sequences), sample_weight)
        self._mean, self._std = mean, scale  # in the units of X
        told = had_holes & self._seen if self.holes.tells else np.zeros(n_numeric, bool)
        self.with_holes = channels.numeric[told]
        self._since_scale = np.ones(n_numeric)
        if not self.standardize:
            # the state decays towards zero and the input towards the mean, so that the mean must
            # be zero to it
            mean = np.where(told, mean, 0.0) if self.holes.decays else np.zeros(n_numeric)
            scale = np.ones(n_numeric)
        if told.any():
            starts = starts_of(sequences.offsets)
            time = self._time(sequences, starts)
        for i in np.flatnonzero(told):
            known = ~np.isnan(sequences.values[:, channels.numeric[i]])
            average = since_observed(known, starts, time)[parts].mean()
            self._since_scale[i] = average if average > 0 else 1.0
        self._lay_out(told, mean, scale)
        return self

    def _symbols_by_channel(self):
        """Symbols of the categorical channels that hold no numbers, by index."""
        names, symbols = self.channels.names, self.symbols.symbols
        categorical = self.channels.categorical.tolist()
        return {c: symbols[names[c]] for c in categorical if names[c] in symbols}

    def _dims(self):
        """``embedding_dim`` by channel."""
        channels, given = self.channels, self.embedding_dim
        dims = dict.fromkeys(channels.categorical.tolist(), "auto")
        if not isinstance(given, dict):
            return dict.fromkeys(dims, given)
        for feature, dim in given.items():
            index = channel_index(feature, channels.names, "embedding_dim")
            if index not in dims:
                raise ValueError(
                    f"embedding_dim must name categorical channels, found {feature!r}; the "
                    f"categorical ones are {[channels.names[c] for c in dims]}."
                )
            whole, known = isinstance(dim, Integral), not isinstance(dim, (str, bool))
            if (not known and dim != "auto") or (whole and dim < 1) or dim is None:
                raise ValueError(
                    f"embedding_dim of channel {feature!r} must be 'auto', a positive integer or "
                    f"an array, found {dim!r}."
                )
            dims[index] = dim
        return dims

    def _lay_out(self, told, mean, scale):
        """Work out the columns: where each channel stands, and what standardises it.

        ``_places[i]`` are the columns of numeric channel i: its values and, where something is told
        of it, whether it is observed, the time since it was and, for two directions, until it is.
        """
        apart = told & self.holes.decays
        n_plain, n_told, n_gaps = int((~apart).sum()), int(told.sum()), int(apart.sum())
        n_ahead = n_plain + (0 if self.holes.decays else 2 * n_told)
        self._first_table = n_ahead
        first_gap = n_ahead + len(self.categories)
        width = n_gaps * (4 if self.bidirectional else 3)
        self._n_gaps, self._gap_width = n_gaps, width
        at_plain, at_told, self._places = 0, 0, []
        for is_told, is_apart in zip(told, apart, strict=True):
            if is_apart:
                places = [first_gap + at_told + k * n_gaps for k in range(width // n_gaps)]
            else:
                places = [at_plain]
                if is_told:
                    places += [n_plain + at_told, n_plain + n_told + at_told]
            at_plain, at_told = at_plain + (not is_apart), at_told + is_told
            self._places.append(places)
        self.mean, self.scale = np.zeros(first_gap + width), np.ones(first_gap + width)
        values = [places[0] for places in self._places]
        self.mean[values], self.scale[values] = mean, scale

    # ------------------------------------------------------------------ encoding

    def encode(self, sequences):
        """Turn sequences into columns.

        Parameters
        ----------
        sequences : Ragged
            As `read` gave them.

        Returns
        -------
        Ragged
            The sequences themselves where there is nothing to do.

        Raises
        ------
        ValueError
            If codes or time stamps are not as they must be.
        """
        channels, values = self.channels, sequences.values
        if not self.holes.allows and len(channels.numeric) == sequences.n_features:
            return sequences
        check_codes(sequences, channels.categorical, channels.names)
        offsets, starts = sequences.offsets, starts_of(sequences.offsets)
        time = self._time(sequences, starts)  # checked, whether it is needed or not
        columns = np.empty((len(values), len(self.mean)), dtype=values.dtype)
        for i, channel in enumerate(channels.numeric):  # one by one, for the memory
            column, known = values[:, channel], None
            if self.holes.allows:
                known = ~np.isnan(column) & self._seen[i]
                if self.holes.carries:
                    column = last_observed(column, known, starts, self._mean[i])
                else:
                    column = np.where(known, column, values.dtype.type(self._mean[i]))
            place, *told = self._places[i]
            columns[:, place] = column
            if told:
                scale = self._since_scale[i]
                since = since_observed(known, starts, time) / scale
                columns[:, told[0]] = known
                columns[:, told[1]] = since if self.holes.decays else np.log1p(since)
                if len(told) > 2:
                    columns[:, told[2]] = until_observed(known, offsets, time) / scale
        for i, known in enumerate(self.categories):
            places = known.places(values[:, channels.categorical[i]])
            columns[:, self._first_table + i] = places
        return Ragged(columns, offsets, index=sequences.index)

    def _numeric(self, sequences):
        """The numeric channels alone, without a copy where they are all there is."""
        numeric = self.channels.numeric
        if len(numeric) == sequences.n_features:
            return sequences
        return Ragged(sequences.values[:, numeric], sequences.offsets)

    def _time(self, sequences, starts):
        """The time of every step: its stamp, or its place in the sequence."""
        time = self.channels.time
        if time is None:
            return (np.arange(len(sequences.values)) - starts).astype(np.float64)
        stamps = sequences.values[:, time].astype(np.float64)
        check_times(stamps, sequences.offsets, f"time_feature={self.channels.names[time]!r}")
        return stamps

    # ------------------------------------------------------------------ for what reads it

    def for_augmentation(self):
        """The channels of X as augmentations know them: a `sk_mtrnn.augmentation.Channels`."""
        channels = self.channels
        n_channels = len(channels.names)
        scale, fill = np.ones(n_channels), np.full(n_channels, np.nan)
        scale[channels.numeric] = self._std
        if not self.holes.allows:
            fill[channels.numeric] = self._mean
        numeric = np.isin(np.arange(n_channels), channels.numeric)
        return augmentation.Channels(scale, fill, numeric, channels.names)

    @property
    def spec(self):
        """What the network is to make of the columns: an InputSpec."""
        tables = tuple(
            TableSpec(
                len(known.codes), known.dim, known.initial, known.unknown_rates(self.unknown_rate)
            )
            for known in self.categories
        )
        n_plain = len(self.mean) - len(tables) - self._gap_width
        return InputSpec(n_plain, tables, self._n_gaps, self._gap_width)

    @property
    def is_plain(self):
        """Whether the columns are the channels of X as they are."""
        every = len(self.channels.numeric) == len(self.channels.names)
        return every and not self.holes.allows

    def columns_of(self, channels):
        """What the recurrence reads of some channels of X.

        Parameters
        ----------
        channels : sequence of int

        Returns
        -------
        list of int
            Places among the columns that `InputLayer` gives.
        """
        ends = np.cumsum([self._first_table, *(known.dim for known in self.categories)])
        at_table = {c: i for i, c in enumerate(self.channels.categorical)}
        at_number = {c: i for i, c in enumerate(self.channels.numeric)}
        columns = []
        for channel in channels:
            if channel in at_table:
                i = at_table[channel]
                columns += range(ends[i], ends[i + 1])
            else:
                columns += self._places[at_number[channel]]
        return [int(column) for column in columns]

    def originals(self, channel):
        """The categories of a categorical channel as X has them: an ndarray."""
        codes = self.categories[self.channels.categorical.tolist().index(channel)].codes
        symbols = self._symbols_by_channel().get(channel)
        if symbols is None:
            return codes.astype(np.int64)
        return symbols.to_numpy()[codes.astype(np.int64)]
