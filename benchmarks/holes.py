"""What holes cost: whole fits with each way to treat them, against the plain fit and each other.

    python benchmarks/holes.py [--quick]

The same ragged sequences, of 8 channels with 40 % holes, under every cell: missing="decay" (GRU-D)
against "mask", both against "forward". "none" is the fit of the sequences without holes. One
thread.
"""

import numpy as np
from _report import alone, ratio
from _timing import alternate, clocked

from sk_mtrnn import MultiTaskRNNRegressor

N_FEATURES, SHARE = 8, 0.4


def rows(cell, hidden, batch_size, n_batches, repeats):
    """One cell and size."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 80, size=n_batches * batch_size)
    whole = [rng.normal(size=(n, N_FEATURES)) for n in lengths]
    holes = [np.where(rng.random(x.shape) < SHARE, np.nan, x) for x in whole]
    y = np.array([x.sum() for x in whole])

    def fit(missing, n_samples=None):
        X = (whole if missing == "error" else holes)[:n_samples]
        MultiTaskRNNRegressor(
            missing=missing,
            cell=cell,
            hidden_layer_sizes=(hidden,),
            batch_size=batch_size,
            max_epochs=2,
            n_threads=1,
            device="cpu",
            random_state=0,
        ).fit(X, y[:n_samples])

    ways = {}
    for name in ("error", "forward", "mask", "decay"):
        fit(name, 4 * batch_size)  # warm up
        ways["none" if name == "error" else name] = clocked(lambda name=name: fit(name))
    times = alternate(ways, repeats)
    case = f"{cell.upper()} B{batch_size} T20-79 F{N_FEATURES} H{hidden}"
    line = 'Whole fit, holes: missing="decay" / "mask"'
    yield ratio("holes", case, times, "decay", "mask", target=2.0, at_most=True, line=line)
    yield ratio("holes", case, times, "mask", "forward")
    yield ratio("holes", case, times, "forward", "none")


def run(quick):
    """Yield a Row for every comparison."""
    n_batches, repeats = (5, 3) if quick else (20, 7)
    for cell in ("rnn", "gru", "lstm"):
        for hidden, batch_size in ((64, 32),) if quick else ((64, 32), (64, 128)):
            yield from rows(cell, hidden, batch_size, n_batches, repeats)


if __name__ == "__main__":
    alone(run, __doc__)
