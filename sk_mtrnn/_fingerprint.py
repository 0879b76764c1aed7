"""Telling whether a parameter is still what it was, without keeping it."""

from pickle import PicklingError

import joblib


def fingerprint(value):
    """A str that is equal for equal values; of what cannot be pickled its repr stands for it."""
    try:
        return joblib.hash(value)
    except PicklingError:  # an object of a class that is local to a function
        return repr(value)
