"""A whole fit against a bare hand-written loop over the same module, in one run.

    python benchmarks/fit_overhead.py [--quick]

Both train the same `MultiTaskNetwork` from the same weights with fused Adam, clipping and the same
loss; the bare loop draws its batches by one `index_select` from a tensor that is already scaled.
The order alternates; printed are medians, their ratio, and the memory a fit takes beyond its data.
"""

import argparse
import statistics
import time
import tracemalloc

import numpy as np
import torch
from torch.nn import functional as F

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn._network import MultiTaskNetwork, PackedInputs
from sk_mtrnn.recurrence import PackedLayout


def bare_loop(X, y, epochs, batch_size, hidden):
    """Seconds of training by hand."""
    n_samples, n_timesteps, n_features = X.shape
    torch.manual_seed(0)
    module = MultiTaskNetwork(
        n_features=n_features,
        n_outputs=(2, 2),
        per_step=(False, False),
        cell="gru",
        activation="tanh",
        hidden_layer_sizes=(hidden,),
        bidirectional=False,
        dropout=0.0,
        pooling="last",
        dtype=torch.float32,
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, fused=True)
    start = time.perf_counter()
    steps = torch.from_numpy((X - X.mean((0, 1))) / X.std((0, 1))).float()
    labels = torch.from_numpy(y)
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
    return time.perf_counter() - start


def whole_fit(X, y, epochs, batch_size, hidden):
    """Seconds of the estimator's fit."""
    model = MultiTaskRNNClassifier(
        hidden_layer_sizes=(hidden,), max_epochs=epochs, batch_size=batch_size, random_state=0
    )
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def peak_memory(X, y, batch_size, hidden):
    """Bytes of numpy arrays and Python objects that one epoch of fit holds at its peak."""
    tracemalloc.start()
    whole_fit(X, y, 1, batch_size, hidden)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    n_samples, n_timesteps, n_features, hidden, batch_size = 20_000, 50, 8, 32, 128
    n_samples //= 10 if quick else 1
    epochs, repeats = (2, 3) if quick else (2, 5)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_timesteps, n_features))
    y = np.column_stack([X[:, :, 0].sum(1) > 0, X[:, -1, 1] > 0]).astype(np.int64)
    arguments = (X, y, epochs, batch_size, hidden)
    bare_loop(X[:512], y[:512], 1, batch_size, hidden)  # warm up
    times = {bare_loop: [], whole_fit: []}
    for repeat in range(repeats):
        for run in list(times)[:: 1 if repeat % 2 else -1]:
            times[run].append(run(*arguments))
    ratios = [ours / bare for ours, bare in zip(times[whole_fit], times[bare_loop], strict=True)]
    print(
        f"n={n_samples} T={n_timesteps} F={n_features} H={hidden} batch={batch_size} "
        f"epochs={epochs}, torch {torch.__version__}, 1 thread, {repeats} alternating repeats"
    )
    print(f"bare loop  {statistics.median(times[bare_loop]):7.2f} s")
    print(f"fit        {statistics.median(times[whole_fit]):7.2f} s")
    print(f"ratio      {statistics.median(ratios):7.2f}   ({min(ratios):.2f} .. {max(ratios):.2f})")
    batch = batch_size * n_timesteps * n_features * X.itemsize
    beyond = peak_memory(X, y, batch_size, hidden)
    print(
        f"memory     {beyond / 2**20:7.1f} MiB beyond X at the peak of fit (X "
        f"{X.nbytes / 2**20:.1f} MiB, one batch {batch / 2**20:.2f} MiB; arrays and objects of "
        "Python, as tracemalloc sees them, without torch's activations of one batch)"
    )


if __name__ == "__main__":
    main()
