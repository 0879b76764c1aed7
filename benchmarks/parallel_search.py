"""A grid search by two workers against the same search by one, for every backend of joblib.

    python benchmarks/parallel_search.py [--quick]

Four learning rates on three folds. Workers of loky are started beforehand: that takes seconds, but
once a session. On one core the ratio can only be about one.
"""

import joblib
import numpy as np
from _report import alone, ratio
from _timing import alternate, clocked
from sklearn.model_selection import GridSearchCV

from sk_mtrnn import MultiTaskRNNClassifier

BACKENDS = ("loky", "threading", "multiprocessing")
SHAPES = [(32, 32), (128, 64)]  # batch size, hidden units


def search(X, y, backend, n_jobs, **params):
    """Search once."""
    grid = {"learning_rate": [0.003, 0.01, 0.03, 0.1]}
    model = MultiTaskRNNClassifier(random_state=0, device="cpu", **params)
    found = GridSearchCV(model, grid, cv=3, n_jobs=n_jobs, refit=False, error_score="raise")
    with joblib.parallel_config(backend=backend):
        found.fit(X, y)


def run(quick):
    """Yield a Row for every comparison."""
    n_samples, n_timesteps, n_features = 600, 50, 8
    epochs, repeats = (3, 1) if quick else (10, 3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_timesteps, n_features))
    y = (X[:, :, 0].sum(1) > 0).astype(int)
    for batch_size, hidden in SHAPES[:1] if quick else SHAPES:
        params = {"hidden_layer_sizes": (hidden,), "batch_size": batch_size}
        case = f"GRU B{batch_size} T{n_timesteps} H{hidden}, {len(X)} x 12 fits"
        for backend in BACKENDS:
            for n_jobs in (1, 2):
                search(X[:64], y[:64], backend, n_jobs, **params, max_epochs=1)  # warm up
            ways = {
                f"{backend} n_jobs={n_jobs}": clocked(
                    lambda n_jobs=n_jobs, backend=backend, params=params: search(
                        X, y, backend, n_jobs, **params, max_epochs=epochs
                    )
                )
                for n_jobs in (2, 1)
            }
            goal = {"target": 1.0, "at_most": True, "line": f"Search, {backend}: n_jobs 2 / 1"}
            times = alternate(ways, repeats)
            yield ratio("parallel_search", case, times, *ways, **goal)


if __name__ == "__main__":
    alone(run, __doc__)
