"""A whole `fit` against a bare loop by hand over the same module.

    python benchmarks/fit_overhead.py [--quick]

Both train the same `MultiTaskNetwork` with fused Adam, clipping and the same loss, and with the
same recurrence over reused buffers; the bare loop draws its batches by one `index_select` from a
tensor that is already scaled, and does nothing else: no checks, no history. One thread.

Memory: Python objects and numpy arrays that one epoch of fit holds at its peak, as `tracemalloc`
sees them; without X itself, and without torch's tensors of one batch.
"""

import tracemalloc

import numpy as np
import torch
from _report import Row, alone, ratio
from _timing import alternate, clocked
from torch.nn import functional as F

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn._network import MultiTaskNetwork, PackedInputs
from sk_mtrnn._reading import TaskSpec
from sk_mtrnn.inputs import InputSpec
from sk_mtrnn.recurrence import PackedLayout, reused_buffers
from sk_mtrnn.relations import resolve_relation
from sk_mtrnn.sharing import HardSharing


def bare_loop(X, y, epochs, batch_size, hidden):
    """Train by hand."""
    n_samples, n_timesteps, n_features = X.shape
    torch.manual_seed(0)
    module = MultiTaskNetwork(
        inputs=InputSpec(n_features),
        tasks=[TaskSpec(name, 2, torch.softmax) for name in "ab"],
        per_step=(False, False),
        cell="gru",
        activation="tanh",
        hidden_layer_sizes=(hidden,),
        bidirectional=False,
        dropout=0.0,
        pooling="last",
        sharing=HardSharing(),
        relation=resolve_relation(None),
        relatedness=None,
        dtype=torch.float32,
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, fused=True)
    steps = torch.from_numpy((X - X.mean((0, 1))) / X.std((0, 1))).float()
    labels = torch.from_numpy(y)
    with reused_buffers():
        for _ in range(epochs):
            order = torch.randperm(n_samples)
            for batch in order.split(batch_size):
                packed = steps[batch].transpose(0, 1).reshape(-1, n_features)
                layout = PackedLayout(torch.full((n_timesteps,), len(batch)))
                optimizer.zero_grad()
                outputs = module(PackedInputs(packed, layout))
                loss = sum(F.cross_entropy(o, labels[batch, k]) for k, o in enumerate(outputs))
                loss.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                optimizer.step()


def whole_fit(X, y, epochs, batch_size, hidden):
    """Train by the estimator."""
    MultiTaskRNNClassifier(
        hidden_layer_sizes=(hidden,),
        max_epochs=epochs,
        batch_size=batch_size,
        n_threads=1,
        device="cpu",
        random_state=0,
    ).fit(X, y)


def peak_memory(X, y, batch_size, hidden):
    """Bytes of numpy arrays and Python objects that one epoch of fit holds at its peak."""
    tracemalloc.start()
    whole_fit(X, y, 1, batch_size, hidden)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def rows(n_samples, batch_size, hidden, repeats):
    """A row of time and one of memory."""
    n_timesteps, n_features, epochs = 50, 8, 2
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_timesteps, n_features))
    y = np.column_stack([X[:, :, 0].sum(1) > 0, X[:, -1, 1] > 0]).astype(np.int64)
    for way in (bare_loop, whole_fit):
        way(X[:512], y[:512], 1, batch_size, hidden)  # warm up
    arguments = (X, y, epochs, batch_size, hidden)
    ways = {
        "fit": clocked(lambda: whole_fit(*arguments)),
        "bare loop": clocked(lambda: bare_loop(*arguments)),
    }
    times = alternate(ways, repeats)
    case = f"GRU B{batch_size} T{n_timesteps} F{n_features} H{hidden}, n {n_samples}"
    goal = {"target": 1.06, "at_most": True, "line": "Whole fit / bare loop over the same module"}
    yield ratio("fit_overhead", case, times, "fit", "bare loop", **goal)
    beyond = peak_memory(X, y, batch_size, hidden) / X.nbytes
    note = f"X has {X.nbytes / 2**20:.1f} MiB"
    yield Row("fit_overhead", case, "memory of fit beyond X / X", np.array([beyond]), note=note)


def run(quick):
    """Yield a Row for every comparison."""
    repeats = 3 if quick else 5
    yield from rows(2000 if quick else 20_000, 128, 32, repeats)
    yield from rows(500 if quick else 5000, 32, 32, repeats)


if __name__ == "__main__":
    alone(run, __doc__)
