"""Fits of small networks in threads of one process run their epochs in turns."""

import contextlib
import multiprocessing
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skorch.callbacks import Callback

from sk_mtrnn import MultiTaskRNNRegressor
from sk_mtrnn._training import _threads, _turns
from sk_mtrnn._training._net import MultiTaskNet

SMALL = {
    "hidden_layer_sizes": (8,),
    "recurrence": "packed",  # by calls of torch, also where numba is installed
    "max_epochs": 2,
    "random_state": 0,
}


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def fit(X, **params):
    return MultiTaskRNNRegressor(**SMALL | params).fit(X, [x.mean() for x in X])


def meet(monkeypatch, timeout):
    """Let every step of training wait for one of another thread; returns whether any met."""
    met, barrier = [], threading.Barrier(2)
    step = MultiTaskNet.train_step

    def train_step(self, *args, **kwargs):
        try:
            barrier.wait(timeout)
            met.append(True)
        except threading.BrokenBarrierError:
            barrier.reset()
        return step(self, *args, **kwargs)

    monkeypatch.setattr(MultiTaskNet, "train_step", train_step)
    return met


def test_epochs_of_small_networks_are_never_at_once(ragged, pool, monkeypatch):
    met = meet(monkeypatch, 0.05)
    list(pool.map(lambda _: fit(ragged), range(2)))
    assert not met


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": (65,)},
        {"hidden_layer_sizes": (8, 65)},
        {"hidden_layer_sizes": (52,), "batch_size": 100},
        {"recurrence": "torch"},
        {"n_threads": 2},
    ],
    ids=str,
)
def test_epochs_of_longer_calls_may_be(params, ragged, pool, monkeypatch):
    monkeypatch.setattr(_threads, "cpu_count", lambda: 8)
    met = meet(monkeypatch, 20)
    list(pool.map(lambda _: fit(ragged, max_epochs=1, **params), range(2)))
    assert met


def test_the_lstm_of_torch_needs_no_turn(pool, monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    met = meet(monkeypatch, 20)
    list(pool.map(lambda _: fit(X, cell="lstm", recurrence="auto", max_epochs=1), range(2)))
    assert met


def test_a_prediction_waits_for_nobody(ragged, pool):
    model = fit(ragged)
    with _turns.turn():
        pool.submit(model.predict, ragged).result(timeout=60)


def test_who_waits_comes_next(pool):
    order = []

    def second():
        with _turns.turn():
            order.append("second")

    with _turns.turn():
        waiting = pool.submit(second)
        while not _turns._next.locked():
            pass
    with _turns.turn():
        order.append("first again")
    waiting.result(timeout=60)
    assert order == ["second", "first again"]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, [0, "other", 1, 2]), (60, [0, 1, 2, "other"])]
)
def test_a_turn_lasts_for_some_epochs(seconds, expected, pool, monkeypatch):
    monkeypatch.setattr(_turns, "_SECONDS", seconds)
    order = []

    def other():
        with _turns.turn():
            order.append("other")

    with contextlib.closing(_turns.epochs_in_turns(3)) as epochs:
        for epoch in epochs:
            if epoch == 0:
                waiting = pool.submit(other)
                while not _turns._next.locked():
                    pass
            order.append(epoch)
    waiting.result(timeout=60)
    assert order == expected


def test_a_fit_that_stops_early_ends_its_turn(ragged):
    model = MultiTaskRNNRegressor(**SMALL, early_stopping=True, n_iter_no_change=1, tol=100.0)
    model.set_params(max_epochs=20).fit(ragged, [x.mean() for x in ragged])
    assert model.n_iter_ < 20
    assert not _turns._turn.locked()


def test_a_fit_that_fails_or_is_interrupted_ends_its_turn(ragged, monkeypatch):
    for error in (RuntimeError, KeyboardInterrupt):

        def train_step(self, *args, error=error, **kwargs):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(MultiTaskNet, "train_step", train_step)
            if error is KeyboardInterrupt:
                with pytest.warns(UserWarning, match="interrupted"):
                    fit(ragged)
            else:
                with pytest.raises(error):
                    fit(ragged)
        assert not _turns._turn.locked()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no such signals on Windows")
def test_a_fit_that_waits_can_be_interrupted(ragged, pool):
    main = threading.main_thread().ident
    begun, ended = threading.Event(), threading.Event()

    def hold():
        with _turns.turn():
            begun.set()
            while not _turns._next.locked():
                pass
            signal.pthread_kill(main, signal.SIGINT)
            ended.wait(60)

    # a process that a shell started in the background ignores this signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        holding = pool.submit(hold)
        begun.wait()
        with pytest.warns(UserWarning, match="interrupted in epoch 0"):
            model = fit(ragged)
    finally:
        ended.set()
        signal.signal(signal.SIGINT, before)
    holding.result(timeout=60)
    assert model.n_iter_ == 0
    assert fit(ragged).n_iter_ == 2


# Python 3.12 and later warn of what is tested here
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_a_forked_process_does_not_wait_for_a_thread_it_has_not(ragged):
    with _turns.turn(), multiprocessing.get_context("fork").Pool(1) as workers:
        assert workers.apply_async(fit, (ragged,)).get(timeout=60).n_iter_ == 2


def test_a_fit_inside_a_fit_of_code_of_others_does_not_wait_for_it(ragged, pool):
    class Inner(Callback):
        def on_epoch_end(self, net, **kwargs):
            fit(ragged)

    def outer():
        return fit(ragged, callbacks=[Inner()])

    assert pool.submit(outer).result(timeout=60).n_iter_ == 2
