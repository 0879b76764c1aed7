"""What the tests of refusals share: small data, small models, and the text of an error."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sk_mtrnn import MultiTaskRNNClassifier

N, T, F = 12, 4, 2
X = np.random.default_rng(0).normal(size=(N, T, F))
Y = np.column_stack([np.arange(N) % 2, np.arange(N) % 3]).astype(float)
FRAME = pd.DataFrame(Y, columns=["beat", "bar"])


def small(estimator=MultiTaskRNNClassifier, **params):
    """An estimator that fits in no time."""
    return estimator(**{"hidden_layer_sizes": (2,), "max_epochs": 1, "random_state": 0, **params})


def refused(*parts, error=ValueError):
    """Expect an error whose text holds all parts, in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(map(re.escape, parts)))


def fit_refused(model, X, y, *parts, error=ValueError, method="fit", **fit_params):
    """Expect `fit` to refuse, and to leave the constructor's parameters alone."""
    before, printed = model.get_params(deep=False), repr(model.get_params())
    with refused(*parts, error=error):
        getattr(model, method)(X, y, **fit_params)
    after = model.get_params(deep=False)
    assert all(after[name] is before[name] for name in before)
    assert repr(model.get_params()) == printed == repr(clone(model).get_params())
