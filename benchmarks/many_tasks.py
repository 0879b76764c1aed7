"""What nine more tasks cost: a whole fit of one task, of ten equal ones, and of ten mixed ones.

    python benchmarks/many_tasks.py [--quick]

The mixed tasks are classifications of two and four classes and regressions by squared error and as
a Gaussian, two of them labelled at every step and three for 70% of the samples. The order
alternates; printed are medians for one batch, and the ratios to one task with their range.
"""

import argparse
import statistics
import time

import numpy as np
import pandas as pd
import torch

from sk_mtrnn import MultiTaskRNN, RegressionTask

SHAPES = [(32, 32), (128, 64)]  # batch size, hidden units


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


def seconds_a_batch(X, y, tasks, batch_size, hidden, epochs):
    """Seconds of fit for each batch."""
    model = MultiTaskRNN(
        tasks=tasks,
        hidden_layer_sizes=(hidden,),
        max_epochs=epochs,
        batch_size=batch_size,
        n_threads=1,
        random_state=0,
    )
    start = time.perf_counter()
    model.fit(X, y)
    return (time.perf_counter() - start) / (epochs * -(-len(X) // batch_size))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the batches")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    n_batches, n_timesteps, n_features = (20, 50, 8) if quick else (100, 50, 8)
    epochs, repeats = (2, 5) if quick else (2, 9)
    print(
        f"T={n_timesteps} F={n_features}, {n_batches} batches, {epochs} epochs, torch "
        f"{torch.__version__}, 1 thread, {repeats} alternating repeats"
    )
    for batch_size, hidden in SHAPES:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n_batches * batch_size, n_timesteps, n_features))
        fits = make_labels(X, rng)
        times = {name: [] for name in fits}
        for y, tasks in fits.values():  # warm up
            few = y[: 4 * batch_size]
            seconds_a_batch(X[: 4 * batch_size], few, tasks, batch_size, hidden, 1)
        for repeat in range(repeats):
            for name in list(fits)[:: 1 if repeat % 2 else -1]:
                times[name].append(seconds_a_batch(X, *fits[name], batch_size, hidden, epochs))
        print(f"batch={batch_size} H={hidden}")
        for name in fits:
            ratios = [many / one for many, one in zip(times[name], times["one"], strict=True)]
            print(
                f"  {name:10}{1e3 * statistics.median(times[name]):8.2f} ms a batch   ratio "
                f"{statistics.median(ratios):.2f}   ({min(ratios):.2f} .. {max(ratios):.2f})"
            )


if __name__ == "__main__":
    main()
