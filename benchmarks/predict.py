"""Prediction of batches: the recurrence alone, and the whole `predict`.

    python benchmarks/predict.py [--quick]

Recurrence: forward passes under `torch.inference_mode`, equal lengths, `nn.GRU` and `nn.LSTM` on a
(T, B, F) grid. End to end: from a float64 array to labels of three tasks. By hand (`_by_hand`) that
is scaling, batches of B through nn.GRU and three nn.Linear, argmax, without a check of the input;
`predict` chooses its own batch. One thread.
"""

import torch
from _by_hand import ByHand, make_data
from _by_hand import predict as predict_by_hand
from _report import alone, ratio
from _timing import side_by_side
from recurrence import inference_rows

from sk_mtrnn import MultiTaskRNNClassifier

TARGET = 1.5  # for the GRU and B ≥ 256


def whole(cell, X, y, hidden, batch_sizes, seconds):
    """Rows of the whole predict."""
    model = MultiTaskRNNClassifier(
        cell=cell, hidden_layer_sizes=hidden, max_epochs=1, n_threads=1, device="cpu"
    ).fit(X[:256], y[:256])
    torch.manual_seed(0)
    net = ByHand(cell, X.shape[2], hidden, y.shape[1])
    runs = {
        f"nn.{cell.upper()} by hand, B{batch_size}": (
            lambda batch_size=batch_size: predict_by_hand(net, X, batch_size)
        )
        for batch_size in batch_sizes
    }
    times = side_by_side({**runs, "predict": lambda: model.predict(X)}, seconds)
    case = f"{cell.upper()} T{X.shape[1]} F{X.shape[2]} H{hidden}, n {len(X)}"
    goal = {"target": TARGET, "line": "Batch prediction, end to end: nn.GRU by hand / ours"}
    for over in runs:
        yield ratio("predict", case, times, over, "predict", **(goal if cell == "gru" else {}))


def run(quick):
    """Yield a Row for every comparison."""
    batch_sizes, seconds = ((256,), 0.5) if quick else ((256, 512), 5.0)
    hiddens = (32,) if quick else (32, 64)
    line = "Batch prediction, recurrence alone: nn.GRU / ours"
    for cell in ("GRU", "LSTM"):
        goal = {"target": TARGET, "line": line} if cell == "GRU" else {}
        for hidden in hiddens:
            for batch_size in batch_sizes:
                size = (batch_size, 50, 8, hidden)
                yield from inference_rows("predict", cell, size, seconds / 2, **goal)
    X, y = make_data(512 if quick else 4096, 50, 8, 3)
    for cell in ("gru", "lstm"):
        for hidden in hiddens:
            yield from whole(cell, X, y, hidden, batch_sizes, seconds)


if __name__ == "__main__":
    alone(run, __doc__)
