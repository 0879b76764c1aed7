"""What an augmentation is: options, and one way of altering the sequences of a batch."""

from abc import ABC, abstractmethod
from numbers import Real
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from ..sequences import channel_index


class Batch(NamedTuple):
    """The sequences of a training batch, end to end: B of them, S steps in all.

    Attributes
    ----------
    values : ndarray of shape (S, F), float32 or float64
        In the units of X; NaN is a hole.
    lengths : ndarray of int, shape (B,)
        The number of steps of each sequence, at least 1.
    rows : ndarray of int, shape (S,)
        For each step, the row of the data whose labels per step it carries.
    """

    values: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray

    @property
    def starts(self):
        """Where each sequence starts: ndarray of shape (B,)."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def steps(self):
        """The place of each step in its sequence, from 0 on: ndarray of shape (S,)."""
        return np.arange(len(self.values)) - np.repeat(self.starts, self.lengths)


class Channels(NamedTuple):
    """The channels of X as training found them.

    Attributes
    ----------
    scale : ndarray of shape (F,)
        Standard deviation in training; 1 where a channel has none.
    fill : ndarray of shape (F,)
        What stands for a masked value: NaN where holes are allowed, else the training mean.
    numeric : ndarray of bool, shape (F,)
        Which hold numbers. The others hold codes of categories or time stamps: no value of theirs
        is altered or blended with another.
    names : list of F names
    """

    scale: np.ndarray
    fill: np.ndarray
    numeric: np.ndarray
    names: list


class Augmentation(BaseEstimator, ABC):
    """A way of altering the sequences of a training batch: options only.

    One of your own is a subclass with `apply`.

    Attributes
    ----------
    channels : array-like of int or str, or None
        The channels it alters. None: all that hold numbers.
    probability : float
        Share of the sequences it acts on.
    needs_numbers : bool
        Whether it needs a channel of numbers.
    """

    channels = None
    probability = 1.0
    needs_numbers = True

    _common_constraints = {"probability": [Interval(Real, 0, 1, closed="both")]}
    _channel_constraints = {**_common_constraints, "channels": ["array-like", None]}
    _parameter_constraints = _common_constraints

    def check(self, channels):
        """Make sure that it can act on the channels of X.

        Parameters
        ----------
        channels : Channels

        Raises
        ------
        ValueError
            If ``channels`` names an unknown or a categorical one, or none holds numbers.
        """
        if self.needs_numbers:
            self.chosen(channels)

    @abstractmethod
    def apply(self, batch, channels, rng):
        """Alter the sequences of a batch.

        Parameters
        ----------
        batch : Batch
            Stays as it is.
        channels : Channels
        rng : numpy.random.Generator

        Returns
        -------
        Batch
            As many sequences, in the same order, none of them empty.
        """

    def chosen(self, channels):
        """Positions of the channels it alters.

        Parameters
        ----------
        channels : Channels

        Returns
        -------
        ndarray of int
            Rising.

        Raises
        ------
        ValueError
            As in `check`.
        """
        kind, names = type(self).__name__, list(channels.names)
        if self.channels is None:
            if not channels.numeric.any():
                raise ValueError(
                    f"augmentation by {kind} needs a channel of numbers in X, found none: {names} "
                    "are categorical or time stamps."
                )
            return np.flatnonzero(channels.numeric)
        positions = set()
        for channel in self.channels:
            position = channel_index(channel, names, f"channels of {kind}")
            if not channels.numeric[position]:
                raise ValueError(
                    f"channels of {kind} must hold channels of numbers, found {channel!r}, which "
                    "is categorical or holds time stamps: no augmentation alters such values."
                )
            positions.add(position)
        if not positions:
            raise ValueError(f"channels of {kind} must hold at least one channel, found none.")
        return np.array(sorted(positions))

    def acting(self, batch, rng):
        """Draw the sequences it acts on.

        Parameters
        ----------
        batch : Batch
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of bool, shape (B,)
        """
        return rng.random(len(batch.lengths)) < self.probability
