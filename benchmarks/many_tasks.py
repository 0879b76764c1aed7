"""What more tasks cost: one task, ten equal ones, ten mixed ones, and K models instead of one.

    python benchmarks/many_tasks.py [--quick]

Times are those of a whole fit, for one batch. The mixed tasks are classifications of two and four
classes and regressions by squared error and as a Gaussian, two of them labelled at every step and
three for 70% of the samples.

K separate models are K whole fits of one task each, against one fit of K tasks on the same samples;
K = 1 shows how far two equal measurements lie apart. One thread.
"""

import numpy as np
import pandas as pd
from _report import alone, ratio
from _timing import alternate, clocked

from sk_mtrnn import MultiTaskRNN, RegressionTask

SHAPES = [(32, 32), (128, 64)]  # batch size, hidden units
N_TIMESTEPS, N_FEATURES = 50, 8


def make_labels(X, rng):
    """Labels and tasks of the three fits, from ten sums over time."""
    sums = X.sum(axis=1) @ rng.normal(size=(X.shape[2], 10))
    columns = pd.DataFrame(sums).astype(object)
    columns[[0, 1, 2]] = (sums[:, :3] > 0).astype(int)
    columns[[3, 4]] = np.digitize(sums[:, 3:5], np.quantile(sums, [0.25, 0.5, 0.75]))
    columns[8] = list((X[:, :, 0] > 0).astype(int))
    columns[9] = list(X[:, :, 1])
    missing = rng.random((len(X), 3)) < 0.3
    columns[[1, 3, 5]] = columns[[1, 3, 5]].mask(missing)
    kinds = dict.fromkeys([0, 1, 2, 3, 4, 8], "classification")
    kinds |= {**dict.fromkeys([5, 6, 9], "regression"), 7: RegressionTask("gaussian")}
    classes = (sums > 0).astype(int)
    return {
        "one": (classes[:, :1], "classification"),
        "ten equal": (classes, "classification"),
        "ten mixed": (columns, kinds),
    }


def fit(X, y, tasks, batch_size, hidden, epochs):
    MultiTaskRNN(
        tasks=tasks,
        hidden_layer_sizes=(hidden,),
        max_epochs=epochs,
        batch_size=batch_size,
        n_threads=1,
        device="cpu",
        random_state=0,
    ).fit(X, y)


def case_name(batch_size, hidden):
    return f"GRU B{batch_size} T{N_TIMESTEPS} F{N_FEATURES} H{hidden}"


def head_rows(batch_size, hidden, n_batches, epochs, repeats):
    """Ten tasks against one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_batches * batch_size, N_TIMESTEPS, N_FEATURES))
    ways = {}
    for name, (y, tasks) in make_labels(X, rng).items():
        fit(X[: 4 * batch_size], y[: 4 * batch_size], tasks, batch_size, hidden, 1)  # warm up
        ways[name] = clocked(lambda y=y, tasks=tasks: fit(X, y, tasks, batch_size, hidden, epochs))
    times = alternate(ways, repeats)
    times = {name: seconds / (n_batches * epochs) for name, seconds in times.items()}
    for name, target in (("ten equal", 1.05), ("ten mixed", 1.25)):
        goal = {"target": target, "at_most": True, "line": f"{name.capitalize()} tasks / one"}
        yield ratio("many_tasks", case_name(batch_size, hidden), times, name, "one", **goal)


def model_rows(batch_size, hidden, n_batches, repeats, ks):
    """K models against one of K tasks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_batches * batch_size, N_TIMESTEPS, N_FEATURES))
    y = make_labels(X, rng)["ten equal"][0]
    sizes = ("classification", batch_size, hidden, 1)

    def separately(k):
        for task in range(k):
            fit(X, y[:, [task]], *sizes)

    for k in ks:
        ways = {
            f"{k} models": clocked(lambda k=k: separately(k)),
            f"one of {k}": clocked(lambda k=k: fit(X, y[:, :k], *sizes)),
        }
        times = alternate(ways, repeats)
        line = f"{k} separate models / one of {k} tasks" if k > 1 else ""
        case = case_name(batch_size, hidden)
        yield ratio("many_tasks", case, times, f"{k} models", f"one of {k}", line=line)


def run(quick):
    """Yield a Row for every comparison."""
    n_batches, repeats = (15, 3) if quick else (60, 7)
    for batch_size, hidden in SHAPES[:1] if quick else SHAPES:
        yield from head_rows(batch_size, hidden, n_batches, 2, repeats)
    yield from model_rows(32, 32, n_batches, repeats, ks=(1, 3) if quick else (1, 3, 10))


if __name__ == "__main__":
    alone(run, __doc__)
