"""Results do not depend on threads, and threads are given back."""

import threading

import numpy as np
import pytest
import torch

from sk_mtrnn import MultiTaskRNNRegressor

SMALL = {"hidden_layer_sizes": (32,), "max_epochs": 3, "random_state": 0}


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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


def test_wide_networks_keep_the_threads_of_torch(ragged, threads):
    seen = []

    class Look(torch.nn.GRU):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return super().forward(x)

    torch.set_num_threads(2)
    for size in (128, 129):
        params = {**SMALL, "hidden_layer_sizes": (size,), "max_epochs": 1}
        MultiTaskRNNRegressor(**params, cell=Look).fit(ragged, [len(x) for x in ragged])
    assert set(seen[: len(seen) // 2]) == {1}
    assert set(seen[len(seen) // 2 :]) == {2}


def test_fits_in_parallel_threads_agree_and_restore(ragged, threads):
    torch.set_num_threads(2)
    y = np.array([x.mean() for x in ragged])
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


def test_threads_come_back_after_a_prediction_inside_a_fit(ragged, threads):
    """Early stopping on a score predicts while it trains."""
    y = np.array([x.mean() for x in ragged])
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
