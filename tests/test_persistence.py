"""What must survive: models on disk, the constructor's parameters, and the global generators."""

import copy
import io
import os
import pickle
import random
import signal
import threading

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from skorch.callbacks import Callback
from test_search import LAYOUTS, data, small
from torch import nn

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor, RegressionTask

# ------------------------------------------------------------------------------- round trips


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


TRIPS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "joblib": through_joblib,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("trip", TRIPS)
def test_round_trip(layout, trip):
    X, y = data(layout, missing=True)
    model = small(dropout=0.3, early_stopping=True, validation_fraction=0.3).fit(X, y)
    other = TRIPS[trip](model)
    assert_array_equal(other.predict(X), model.predict(X))
    for a, b in zip(other.predict_proba(X), model.predict_proba(X), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(other.loss_curve_, model.loss_curve_)
    assert other.score(X, y) == model.score(X, y)


@pytest.mark.parametrize("trip", TRIPS)
def test_training_goes_on_after_a_round_trip_as_without(trip):
    X, y = data("list", missing=True)
    model = small(MultiTaskRNNRegressor, dropout=0.3).partial_fit(X, y)
    other = TRIPS[trip](model)
    for _ in range(2):
        assert_array_equal(other.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X))
    again = TRIPS[trip](model).set_params(warm_start=True).fit(X, y)
    assert_array_equal(again.predict(X), model.set_params(warm_start=True).fit(X, y).predict(X))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clone_is_unfitted_and_fits_the_same(layout):
    X, y = data(layout, missing=True)
    model = small().fit(X, y)
    twin = clone(model)
    assert not hasattr(twin, "net_")
    assert repr(twin) == repr(model)
    assert_array_equal(twin.fit(X, y).predict(X), model.predict(X))


# ---------------------------------------------------------------------- parameters untouched


class Counting(Callback):
    """Counts epochs and draws from every global generator."""

    def __init__(self):
        self.epochs_, self.draws_ = 0, []  # the names end in _, or skorch takes them for parameters

    def on_epoch_begin(self, net, **kwargs):
        self.epochs_ += 1
        self.draws_.append((np.random.rand(), torch.rand(()).item()))


def test_fit_changes_no_parameter():
    X, y = data("list", missing=True)
    counting = Counting()
    params = {
        "tasks": {0: RegressionTask("huber"), 1: "classification"},
        "task_weights": {0: 2.0},
        "class_weight": {1.0: 2.0},
        "callbacks": [counting],
        "net_params": {"optimizer__betas": (0.8, 0.9)},
        "hidden_layer_sizes": [4, 3],
        "random_state": np.random.RandomState(0),
    }
    model = small(MultiTaskRNN, **params)
    before, texts = model.get_params(deep=False), repr(model.get_params())
    model.fit(X, y).partial_fit(X, y).predict(X)
    after = model.get_params(deep=False)
    assert all(after[name] is before[name] for name in before)
    assert repr(model.get_params()) == texts
    assert (counting.epochs_, counting.draws_) == (0, [])
    assert params["tasks"][0].get_params() == RegressionTask("huber").get_params()
    assert not hasattr(params["tasks"][0], "scale_")


# -------------------------------------------------------------------------- global generators


def on_steps(change, output):
    """Change the outputs of a cell, a tensor or a `PackedSequence` as its input was."""
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return nn.utils.rnn.PackedSequence(change(output.data), *output[1:])
    return change(output)


class Dropping(nn.Module):
    """A cell of somebody else's: its dropout draws from torch's global generator."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell, self.dropout = nn.GRU(input_size, hidden_size), nn.Dropout(0.5)

    def forward(self, steps):
        output, state = self.cell(steps)
        return on_steps(self.dropout, output), state


class Noisy(nn.GRU):
    """A cell that draws in prediction too."""

    def forward(self, steps):
        output, state = super().forward(steps)
        return on_steps(lambda data: data + 0.1 * torch.randn_like(data), output), state


class NoisyAdam(torch.optim.Adam):
    """An optimizer that draws."""

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.add_(torch.randn(()) * 1e-3)
        return super().step(closure)


def noisy_score(model, X, y):
    return model.score(X, y) + 0.01 * np.random.rand()


CASES = {
    "defaults": {},
    "dropout": {"dropout": 0.5, "hidden_layer_sizes": (4, 3), "pooling": "attention"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "cell with dropout": {"cell": Dropping},
    "cell that draws in prediction": {"cell": Noisy, "pooling": "attention"},
    "callback": {"callbacks": [Counting()]},
    "optimizer": {"optimizer": NoisyAdam},
    "scoring": {"early_stopping": True, "validation_fraction": 0.3, "scoring": noisy_score},
}


class Generators:
    """The state of the global generators, to compare."""

    def __init__(self):
        self.numpy, self.torch = np.random.get_state(), torch.get_rng_state()
        self.python = random.getstate()

    def __eq__(self, other):
        return (
            all(np.array_equal(a, b) for a, b in zip(self.numpy, other.numpy, strict=True))
            and torch.equal(self.torch, other.torch)
            and self.python == other.python
        )


def scramble(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(autouse=True)
def _restored_generators():
    before = Generators()
    yield
    np.random.set_state(before.numpy)
    torch.set_rng_state(before.torch)
    random.setstate(before.python)


def everything(params):
    """All a model can be asked, after fit and partial_fit: arrays to compare."""
    X, y = data("list", missing=True)
    model = small(**params).fit(X, y)
    answers = [model.predict(X), *model.predict_proba(X), model.loss_curve_, model.score(X, y)]
    if model.pooling == "attention":
        answers += model.attention_weights(X)
    if not model.early_stopping:
        answers += model.partial_fit(X, y).predict_proba(X)
    return answers


@pytest.mark.parametrize("case", CASES)
def test_global_generators_are_left_as_they_were_and_decide_nothing(case):
    answers = []
    for seed in (1, 2):
        scramble(seed)
        before = Generators()
        answers.append(everything(CASES[case]))
        assert Generators() == before
    for a, b in zip(*answers, strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("case", ["defaults", "dropout", "cell with dropout"])
def test_another_seed_gives_another_model(case):
    one, two = (everything(CASES[case] | {"random_state": seed}) for seed in (1, 2))
    assert not np.array_equal(one[1], two[1])


def test_no_random_state_draws_one_seed_from_numpy_alone():
    X, y = data("list", missing=True)
    scramble(3)
    np.random.randint(np.iinfo(np.int32).max)
    after_one_draw = Generators()
    scramble(3)
    model = small(random_state=None).fit(X, y)
    assert Generators() == after_one_draw
    scramble(3)
    assert_array_equal(small(random_state=None).fit(X, y).predict(X), model.predict(X))


def test_a_callback_draws_the_same_whatever_was_drawn_before():
    X, y = data("list", missing=True)
    draws = []
    for seed in (1, 2):
        scramble(seed)
        model = small(callbacks=[Counting()]).fit(X, y)
        draws.append(next(c.draws_ for _, c in model.net_.callbacks_ if isinstance(c, Counting)))
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 3


@pytest.mark.parametrize("case", ["dropout", "cell with dropout", "cell that draws in prediction"])
def test_fits_in_threads_do_not_disturb_one_another(case):
    scramble(5)
    before, answers = Generators(), {}
    alone = everything(CASES[case])

    def work(i):
        answers[i] = everything(CASES[case])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    for found in answers.values():
        for a, b in zip(found, alone, strict=True):
            assert_array_equal(a, b)
    assert Generators() == before


def test_models_of_all_kinds_share_a_thread_pool():
    X, y = data("ragged", missing=True)
    models = [
        small(MultiTaskRNNClassifier, cell=Dropping),
        small(MultiTaskRNNRegressor, dropout=0.5),
        small(MultiTaskRNN, tasks={0: "regression"}, callbacks=[Counting()]),
    ]
    alone = [clone(model).fit(X, y).predict(X) for model in models]
    with joblib.parallel_config(backend="threading", n_jobs=3):
        fits = (joblib.delayed(lambda m: m.fit(X, y).predict(X))(clone(m)) for m in models)
        together = joblib.Parallel()(fits)
    for a, b in zip(alone, together, strict=True):
        assert_array_equal(a, b)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_builds_a_network_does_not_wait_for_it():
    from sk_mtrnn._training import _seeding

    borrowed, done = threading.Event(), threading.Event()

    def borrow():
        with _seeding.borrowed_generators(0):
            borrowed.set()
            done.wait()

    thread = threading.Thread(target=borrow)
    thread.start()
    borrowed.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends it if it waits
        with _seeding.borrowed_generators(0):
            os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
