"""Results do not depend on threads, and threads are given back."""

import multiprocessing
import pickle
import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sk_mtrnn import MultiTaskRNNRegressor
from sk_mtrnn._training import _threads

SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 3, "random_state": 0}
WIDE = {"hidden_layer_sizes": (129,), "max_epochs": 1, "random_state": 0}
BACKENDS = ["loky", "threading", "multiprocessing"]
seen = []  # how many threads a cell ran with, in this process

# Python 3.12 and later warn of what is tested here; joblib forks until its default changes
forks = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


class Look(torch.nn.GRU):
    def forward(self, x):
        seen.append(torch.get_num_threads())
        return super().forward(x)


@pytest.fixture
def threads(monkeypatch):
    """Torch may be set to anything, on a machine of eight cores."""
    before = torch.get_num_threads()
    monkeypatch.setattr(_threads, "cpu_count", lambda: 8)
    seen.clear()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def y(ragged):
    return np.array([x.mean() for x in ragged])


def looked(params, X, y):
    """How many threads fit and predict ran with."""
    seen.clear()
    MultiTaskRNNRegressor(**params, cell=Look).fit(X, y).predict(X)
    return set(seen)


def most_seen(estimator, X, y):
    """A scorer: the most threads that anything ran with in this process."""
    estimator.predict(X)
    return max(seen)


def test_the_number_of_threads_changes_nothing_and_comes_back(threads):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(5, 60), 8)) for _ in range(200)]
    y = np.array([[x[:, 0].sum(), x[-1, 1]] for x in X])
    found = []
    for n_threads in (1, 2, 3):
        torch.set_num_threads(n_threads)
        model = MultiTaskRNNRegressor(**SMALL).fit(X, y)
        found.append(model.predict(X))
        assert torch.get_num_threads() == n_threads
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_wide_networks_keep_the_threads_of_torch(ragged, y, threads):
    torch.set_num_threads(2)
    assert looked({**WIDE, "hidden_layer_sizes": (128,)}, ragged, y) == {1}
    assert looked(WIDE, ragged, y) == {2}
    torch.set_num_threads(9)
    assert looked(WIDE, ragged, y) == {8}  # there are no more cores
    assert torch.get_num_threads() == 9


def test_a_number_is_used_while_running_and_goes_back(ragged, y, threads):
    torch.set_num_threads(2)
    for params in (SMALL, WIDE):
        for given, expected in ((1, 1), (3, 3), (np.int64(3), 3), (1000, 8)):
            assert looked({**params, "n_threads": given}, ragged, y) == {expected}
            assert torch.get_num_threads() == 2


def test_predictions_follow_the_parameter_as_it_is_now(ragged, y, threads):
    torch.set_num_threads(2)
    model = MultiTaskRNNRegressor(**SMALL, cell=Look, pooling="attention", n_threads=3)
    again = pickle.loads(pickle.dumps(model.fit(ragged, y)))
    for method in ("predict", "attention_weights"):
        seen.clear()
        getattr(again, method)(ragged)
        assert set(seen) == {3}
        seen.clear()
        getattr(model.set_params(n_threads=4), method)(ragged)
        assert set(seen) == {4}
    assert torch.get_num_threads() == 2


def test_fits_in_parallel_threads_agree_and_restore(ragged, y, threads):
    torch.set_num_threads(2)
    found = [None] * 4

    def fit(i):
        params = {**SMALL, "max_epochs": 3 * (1 + i % 2), "dropout": 0.3}
        found[i] = MultiTaskRNNRegressor(**params).fit(ragged, y).predict(ragged)

    workers = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])
    fit(0)
    np.testing.assert_array_equal(found[0], found[2])
    assert torch.get_num_threads() == 2


def test_threads_come_back_after_a_prediction_inside_a_fit(ragged, y, threads):
    """Early stopping on a score predicts while it trains."""
    torch.set_num_threads(2)
    params = {**SMALL, "early_stopping": True, "validation_fraction": 0.3}
    MultiTaskRNNRegressor(**params, scoring="r2").fit(ragged, y)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(3)
    MultiTaskRNNRegressor(**SMALL).fit(ragged, y)
    assert torch.get_num_threads() == 3


def test_a_prediction_that_fails_gives_everything_back_at_once(ragged, threads):
    """Not when the traceback is collected: whoever keeps the error must not keep the lock."""

    class Failing(torch.nn.GRU):
        broken = False

        def forward(self, x):
            if self.broken:
                raise RuntimeError("broken cell")
            return super().forward(x)

    torch.set_num_threads(2)
    model = MultiTaskRNNRegressor(**{**SMALL, "max_epochs": 1}, cell=Failing)
    model.fit(ragged, [len(x) for x in ragged])
    before = torch.get_rng_state()
    Failing.broken = True
    with pytest.raises(RuntimeError, match="broken cell") as kept:
        model.predict(ragged)
    assert kept.value is not None
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fit_inside_a_fit_leaves_the_outer_one_its_number(ragged, y, threads):
    class Inner(Callback):
        def on_epoch_end(self, net, **kwargs):
            MultiTaskRNNRegressor(**SMALL).fit(ragged, y)

    torch.set_num_threads(2)
    params = {**SMALL, "n_threads": 3, "callbacks": [Inner()]}
    assert looked(params, ragged, y) == {3}
    assert torch.get_num_threads() == 2


# ----------------------------------------------------------------------------- workers


def test_threads_of_joblib_take_one_and_other_threads_what_torch_has(ragged, y, threads):
    torch.set_num_threads(2)
    fits = [joblib.delayed(looked)(WIDE, ragged, y)] * 2
    assert joblib.Parallel(n_jobs=2, backend="threading")(fits) == [{1}, {1}]
    assert joblib.Parallel(n_jobs=1)(fits) == [{2}, {2}]
    other = threading.Thread(target=looked, args=(WIDE, ragged, y))
    other.start()
    other.join()
    assert set(seen) == {2}
    assert torch.get_num_threads() == 2


def test_processes_of_loky_keep_their_share(ragged, y):
    with joblib.parallel_config(backend="loky", inner_max_num_threads=2):
        found = joblib.Parallel(n_jobs=2)([joblib.delayed(looked)(WIDE, ragged, y)] * 2)
    assert found == [{min(2, joblib.cpu_count())}] * 2


@forks
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_of_a_pool_take_one(start, ragged, y, threads):
    """In a copy of a process that has run OpenMP, a second thread would wait for ever."""
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {start} on this system")
    torch.set_num_threads(2)
    torch.ones(1000, 1000).sum()
    numbers = ["auto", 2] if start == "fork" else ["auto"]
    with multiprocessing.get_context(start).Pool(1) as pool:
        for n_threads in numbers:
            params = {**WIDE, "n_threads": n_threads}
            assert pool.apply_async(looked, (params, ragged, y)).get(timeout=100) == {1}


@forks
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_search_in_parallel_takes_no_more_threads_than_there_are_cores(backend, ragged, y):
    search = GridSearchCV(
        MultiTaskRNNRegressor(**WIDE, cell=Look),
        {"learning_rate": [0.01, 0.02]},
        cv=2,
        scoring=most_seen,
        refit=False,
        n_jobs=2,
        error_score="raise",
    )
    before = torch.get_num_threads()
    seen.clear()
    with joblib.parallel_config(backend=backend):
        search.fit(ragged, y)
    most = max(1, joblib.cpu_count() // 2) if backend == "loky" else 1
    assert set(search.cv_results_["mean_test_score"]) == {most}
    assert torch.get_num_threads() == before


@forks
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_search_in_parallel_finds_the_same(backend, ragged, y, threads):
    torch.set_num_threads(2)
    scores = []
    for n_jobs in (1, 2):
        search = GridSearchCV(
            MultiTaskRNNRegressor(**SMALL), {"learning_rate": [0.01, 0.02]}, cv=2, n_jobs=n_jobs
        )
        with joblib.parallel_config(backend=backend):
            scores.append(search.fit(ragged, y).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*scores)
