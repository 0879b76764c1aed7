"""How cost grows: slopes of log time over log size, in samples, steps, units and tasks.

    python benchmarks/scaling.py [--quick]

The slope is that of a straight line through the logarithms, fitted anew in every repeat. In n and K
it is one epoch of `fit`; in T and H a training step of the recurrence as in recurrence.py, ours by
default settings and for comparison torch's. One thread.
"""

import numpy as np
from _by_hand import make_data
from _report import Row, alone
from _timing import alternate, clocked, side_by_side
from recurrence import Work

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.recurrence import reused_buffers


def slope_row(case, what, sizes, times, **options):
    """The row of the slope of the times, given by size."""
    logs = np.log(np.stack([times[size] for size in sizes]))  # [sizes, repeats]
    slopes = np.polyfit(np.log(sizes), logs, 1)[0]
    note = ", ".join(f"{size}: {1e3 * np.median(times[size]):.3g}" for size in sizes) + " ms"
    return Row("scaling", case, what, slopes, note=note, **options)


def fit_slope(name, sizes, data_of, repeats, batch_size=64, **options):
    """Slope of one epoch of fit."""

    def one(data):
        model = MultiTaskRNNClassifier(
            hidden_layer_sizes=32,
            max_epochs=1,
            batch_size=batch_size,
            n_threads=1,
            device="cpu",
            random_state=0,
        )
        return clocked(lambda: model.fit(*data))

    ways = {size: one(data_of(size)) for size in sizes}
    ways[sizes[0]]()  # warm up
    times = alternate(ways, repeats)
    return slope_row(f"GRU B{batch_size} H32, fit", f"slope in {name}", sizes, times, **options)


def step_slopes(cell, ragged, name, sizes, size_of, seconds, repeats, **options):
    """Slopes of a training step: ours, and torch's."""
    works = {size: Work(cell, size_of(size), ragged) for size in sizes}
    runs = {(size, "auto"): w.training_step(w.ours("auto")) for size, w in works.items()}
    runs |= {(size, "torch.nn"): w.training_step(w.theirs) for size, w in works.items()}
    with reused_buffers():
        times = side_by_side(runs, seconds, repeats)
    case = f"{cell}, training step{', ragged' if ragged else ''}"
    for way in ("auto", "torch.nn"):
        found = {size: times[size, way] for size in sizes}
        goal = options if way == "auto" else {}
        yield slope_row(case, f"slope in {name}, {way}", sizes, found, **goal)


def run(quick):
    """Yield a Row for every slope."""
    ns = (256, 512, 1024) if quick else (1000, 2000, 4000, 8000)
    ts = (20, 40, 80) if quick else (50, 100, 200, 400)
    hs = (16, 32, 64) if quick else (16, 32, 64, 128, 256)
    ks = (1, 4, 16)
    seconds, repeats = (0.5, (2, 3)) if quick else (6.0, (5, 15))
    X, y = make_data(max(ns), 20 if quick else 50, 8, max(ks))
    goal = {"target": 1.05, "at_most": True}

    def first_samples(n):
        return X[:n], y[:n, :2]

    def first_tasks(k):
        n = 256 if quick else 2000
        return X[:n], y[:n, :k]

    line = "Log-log slope of the cost of fit in n"
    yield fit_slope("n", ns, first_samples, repeats[0], **goal, line=line)
    yield fit_slope("K", ks, first_tasks, repeats[0])
    for cell in ("GRU", "LSTM"):
        line = f"Log-log slope of the cost of a training step in T, {cell}"
        for ragged in (False, True):
            sizes = (cell, ragged, "T", ts, lambda t: (64, t, 8, 32))
            yield from step_slopes(*sizes, seconds, repeats, **goal, line=line)
        yield from step_slopes(cell, False, "H", hs, lambda h: (64, 50, 8, h), seconds, repeats)


if __name__ == "__main__":
    alone(run, __doc__)
