"""What a stream, or a model asked for one, refuses; and that nothing is lost by it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from refusals import refused
from sklearn.exceptions import NotFittedError
from test_stream import FRAME, SUMS, X, check_every_prefix, small

from sk_mtrnn import MultiTaskRNNRegressor, StreamingPredictor


@pytest.fixture(scope="module")
def fitted():
    return small().fit(X, FRAME)


REFUSED = {
    "width": (X[0, 0, :2], ("x must be one time step of shape (3,)", "found shape (2,)")),
    "whole sequence": (X[0], ("shape (3,)", "found shape (7, 3)")),
    "number": (1.0, ("shape (3,)", "found shape ()")),
    "NaN": ([0.0, np.nan, 0.0], ("Input x contains NaN: feature 1",)),
    "infinity": ([0.0, 0.0, -np.inf], ("Input x contains infinity: feature 2",)),
    "too large": ([1e300, 0.0, 0.0], ("too large for dtype='float32': feature 0",)),
    "text": (["a", "b", "c"], ("X must be numeric in the step x",)),
    "None": (None, ("found shape ()",)),
    "complex": (X[0, 0] * 1j, ("Complex data not supported",)),
}


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_step_leaves_the_stream_as_it_was(case, pooling):
    bad, message = REFUSED[case]
    model = small(pooling=pooling, cell="lstm").fit(X, FRAME)
    stream, untouched = model.stream(), model.stream()
    for x in X[0, :3]:
        assert stream.step(x) == untouched.step(x)
    with refused(*message):
        stream.step(bad)
    assert stream.n_steps_ == 3
    assert_array_equal(stream.predict_proba()["sign"], untouched.predict_proba()["sign"])
    assert stream.step(X[0, 3]) == untouched.step(X[0, 3])


def test_large_values_that_fit_are_taken():
    model = small(MultiTaskRNNRegressor, standardize=False, cell="lstm").fit(X, SUMS)
    assert np.isfinite(model.stream().step([1e30, -1e30, 0.0])).all()


def test_lock_step_names_the_sequence(fitted):
    stream = fitted.stream(n_sequences=2)
    bad = X[:2, 0].copy()
    bad[1, 2] = np.nan
    with refused("Input x contains NaN: sequence 1, feature 2"):
        stream.step(bad)
    with refused("shape (2, 3)", "found shape (3,)"):
        stream.step(X[0, 0])


@pytest.mark.parametrize("n_sequences", [0, -1, 2.0, "2", True])
def test_n_sequences_is_checked(fitted, n_sequences):
    with refused("n_sequences must be None or a positive integer", repr(n_sequences)):
        fitted.stream(n_sequences)


@pytest.mark.parametrize("fit", [False, True])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"bidirectional": True}, "needs bidirectional=False, .* found bidirectional=True"),
        ({"cell": torch.nn.GRU}, "needs cell to be 'rnn', 'gru' or 'lstm', found .*GRU"),
    ],
)
def test_networks_that_cannot_stream_say_so(params, message, fit):
    model = small(**params)
    if fit:
        model.fit(X, FRAME)
    assert not hasattr(model, "stream")
    with pytest.raises(AttributeError) as error:
        _ = model.stream
    assert error.match("stream")
    with pytest.raises(AttributeError, match=message):
        raise error.value.__cause__
    if fit:
        with pytest.raises(AttributeError, match=message):
            StreamingPredictor(model)


def test_the_network_that_was_fitted_decides():
    model = small().fit(X, FRAME).set_params(bidirectional=True, pooling="mean", dtype="float64")
    check_every_prefix(model, X[0])


def test_not_fitted():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        small().stream()


def test_no_probabilities_without_classes():
    stream = small(MultiTaskRNNRegressor).fit(X, SUMS).stream()
    stream.step(X[0, 0])
    assert not hasattr(stream, "predict_proba")
