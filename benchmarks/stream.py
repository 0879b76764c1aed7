"""One time step at a time: a stream against torch fed step by step, and against `predict`.

    python benchmarks/stream.py [--quick]

"recurrence": the states of a GRU alone, ours in numpy, torch's under `torch.inference_mode`, where
`nn.GRU` reads sequences of one step. "whole step": from a row of numbers to the predictions of
three tasks, in labels and units; by hand that is scaling, `nn.GRU`, three `nn.Linear` and an argmax
or a factor in Python, without any check of the input. `predict` reads a sequence of one step, so it
carries no state.

The order alternates; printed are medians of CPU time (which other processes disturb less; all run
in one thread), and how many times as long as the first row of its group each takes.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor

N_FEATURES, N_TASKS = 8, 3
clock = time.process_time


def fit(estimator, hidden, pooling):
    """A model of three tasks that has seen a few sequences, and one long sequence."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 10, N_FEATURES))
    y = X[:, :, :N_TASKS].sum(1)
    if estimator is MultiTaskRNNClassifier:
        y = (y > 0).astype(int)
    if estimator is MultiTaskRNN:
        y = y.astype(object)
        y[:, 0] = np.where(y[:, 0] > 0, "up", "down")
    model = estimator(hidden_layer_sizes=hidden, pooling=pooling, max_epochs=1, random_state=0)
    return model.fit(X, y), rng.normal(size=(1000, N_FEATURES))


def numpy_recurrence(model, steps):
    recurrence = model.stream()._recurrence
    steps = steps.astype(np.float32)
    start = clock()
    for x in steps:
        recurrence.step(x)
    return clock() - start


def gru_module(model, steps):
    gru, h = nn.GRU(N_FEATURES, model.hidden_layer_sizes), None
    inputs = torch.from_numpy(steps).float()[:, None, None]  # [T, 1, 1, F]
    with torch.inference_mode():
        start = clock()
        for x in inputs:
            _, h = gru(x, h)
        return clock() - start


def gru_cell(model, steps):
    gru, h = nn.GRUCell(N_FEATURES, model.hidden_layer_sizes), None
    inputs = torch.from_numpy(steps).float()[:, None]  # [T, 1, F]
    with torch.inference_mode():
        start = clock()
        for x in inputs:
            h = gru(x, h)
        return clock() - start


def whole_stream(model, steps):
    stream = model.stream()
    start = clock()
    for x in steps:
        stream.step(x)
    return clock() - start


def whole_by_hand(model, steps):
    mean, scale = np.zeros(N_FEATURES), np.ones(N_FEATURES)
    gru, h = nn.GRU(N_FEATURES, model.hidden_layer_sizes), None
    classes = [model.task_types_[k] == "classification" for k in range(N_TASKS)]
    heads = [nn.Linear(model.hidden_layer_sizes, 2 if labels else 1) for labels in classes]
    labels = np.array(["down", "up"], dtype=object)
    with torch.inference_mode():
        start = clock()
        for step in steps:
            x = torch.from_numpy((step - mean) / scale).float()
            _, h = gru(x[None, None], h)
            for head, has_labels in zip(heads, classes, strict=True):
                output = head(h[0])
                labels[int(output.argmax())] if has_labels else 3.0 + 2.0 * output.item()
        return clock() - start


def whole_predict(model, steps):
    few = steps[:20, None, None]  # [T, 1, 1, F], as it takes half a millisecond each
    start = clock()
    for x in few:
        model.predict(x)
    return (clock() - start) * len(steps) / len(few)


RECURRENCES = {"ours": numpy_recurrence, "nn.GRU": gru_module, "nn.GRUCell": gru_cell}
WHOLE = {"stream.step": whole_stream, "by hand": whole_by_hand, "predict": whole_predict}


def compare(title, ways, model, steps, repeats):
    """Print µs a step of each way."""
    times = {name: [] for name in ways}
    for run in ways.values():
        run(model, steps[:50])  # warm up
    for repeat in range(repeats):
        for name in list(ways)[:: 1 if repeat % 2 else -1]:
            times[name].append(ways[name](model, steps) / len(steps) * 1e6)
    print(title)
    first = next(iter(times.values()))
    for name, found in times.items():
        ratios = [one / ours for one, ours in zip(found, first, strict=True)]
        print(
            f"  {name:12} {statistics.median(found):7.1f} µs   ratio "
            f"{statistics.median(ratios):6.2f}   ({min(ratios):.2f} .. {max(ratios):.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, one width")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    repeats, widths = (3, (32,)) if quick else (11, (32, 64, 128))
    print(
        f"GRU, F={N_FEATURES}, {N_TASKS} tasks, float32, torch {torch.__version__}, numpy "
        f"{np.__version__}, 1 thread, {repeats} alternating repeats of 1000 steps"
    )
    for hidden in widths:
        model, steps = fit(MultiTaskRNNRegressor, hidden, "last")
        compare(f"H={hidden}: recurrence", RECURRENCES, model, steps, repeats)
        for estimator, pooling in (
            (MultiTaskRNNRegressor, "last"),
            (MultiTaskRNNClassifier, "last"),
            (MultiTaskRNN, "last"),
            (MultiTaskRNN, "attention"),
        ):
            model, steps = fit(estimator, hidden, pooling)
            title = f"H={hidden}: whole step, {estimator.__name__}, pooling={pooling!r}"
            compare(title, WHOLE, model, steps, repeats)


if __name__ == "__main__":
    main()
