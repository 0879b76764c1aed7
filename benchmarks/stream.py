"""One time step at a time: a stream against torch fed step by step, and against `predict`.

    python benchmarks/stream.py [--quick]

"recurrence": the states of a GRU alone, ours in numpy, torch's under `torch.inference_mode`, where
`nn.GRU` reads sequences of one step. "whole step": from a row of numbers to the predictions of
three tasks, in labels and units; by hand that is scaling, `nn.GRU`, three `nn.Linear` and an argmax
or a factor in Python, without any check of the input. `predict` reads a sequence of one step, so it
carries no state.

Times are CPU time of one step, which other processes disturb less; one thread.
"""

import time

import numpy as np
import torch
from _report import alone, ratio
from _timing import alternate
from torch import nn

from sk_mtrnn import MultiTaskRNN, MultiTaskRNNClassifier, MultiTaskRNNRegressor

N_FEATURES, N_TASKS, TARGET = 8, 3, 4.0
KINDS = {
    MultiTaskRNNRegressor: "regressor",
    MultiTaskRNNClassifier: "classifier",
    MultiTaskRNN: "mixed",
}
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


RECURRENCES = {"numpy": numpy_recurrence, "nn.GRU": gru_module, "nn.GRUCell": gru_cell}
WHOLE = {"stream.step": whole_stream, "by hand": whole_by_hand, "predict": whole_predict}


def rows(case, ways, model, steps, repeats, goals):
    """Rows of every way against the first; goals by name."""
    for way in ways.values():
        way(model, steps[:50])  # warm up
    runs = {name: (lambda way=way: way(model, steps) / len(steps)) for name, way in ways.items()}
    times = alternate(runs, repeats)
    ours, *others = ways
    for other in others:
        yield ratio("stream", case, times, other, ours, **goals.get(other, {}))


def run(quick):
    """Yield a Row for every comparison."""
    repeats, widths = (3, (32,)) if quick else (9, (32, 64, 128))
    states = {"target": TARGET, "line": "stream(), recurrence alone: nn.GRU step by step / ours"}
    whole = {"target": TARGET, "line": "stream(), whole step: nn.GRU and heads by hand / ours"}
    for hidden in widths:
        model, steps = fit(MultiTaskRNNRegressor, hidden, "last")
        yield from rows(
            f"GRU H{hidden} recurrence", RECURRENCES, model, steps, repeats, {"nn.GRU": states}
        )
        for estimator, pooling in (
            (MultiTaskRNNRegressor, "last"),
            (MultiTaskRNNClassifier, "last"),
            (MultiTaskRNN, "last"),
            (MultiTaskRNN, "attention"),
        ):
            model, steps = fit(estimator, hidden, pooling)
            case = f"GRU H{hidden} {KINDS[estimator]}, {pooling}"
            goals = {"by hand": whole} if pooling == "last" else {}  # by hand does not attend
            yield from rows(case, WHOLE, model, steps, repeats, goals)


if __name__ == "__main__":
    alone(run, __doc__)
