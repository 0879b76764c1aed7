"""Whole `fit` and `predict` against Keras on TensorFlow, and against torch.nn by hand.

    python benchmarks/peers.py [--quick]

The work: T 50, F 8, H 64, three softmax heads of three classes, five epochs of Adam at the same
learning rate, no clipping, the same float64 arrays given to all three, who scale and cast them
themselves. All on one thread; Keras in a process of its own (`_keras`), the turns alternate all the
same. By hand is `_by_hand`: nn.GRU or nn.LSTM, batches cut by an index, fused Adam.

n is 4000, not 10,000, to bound the time. Keras traces its model in
the first epoch, which is a larger part of a shorter fit. So "epoch" compares the last epoch of
Keras with a fifth of our whole fit: the ratio of fits of more samples lies between the two.

Accuracies are those on 1000 further samples, so that speed is
not bought by learning less; predictions are of the training samples, in batches of 512.
"""

import contextlib
from importlib.util import find_spec

import numpy as np
import torch
from _by_hand import LEARNING_RATE, N_CLASSES, ByHand, make_data, predict, train
from _keras import KerasProcess
from _report import Skip, alone, ratio
from _timing import alternate, clocked

from sk_mtrnn import MultiTaskRNNClassifier

N_TASKS, N_TIMESTEPS, N_FEATURES, HIDDEN = 3, 50, 8, 64
TARGETS = {"gru": 2.5, "lstm": 1.8}
PREDICT_BATCH = 512


class Peer:
    """One of the three: fits, predicts, and says how long it took."""

    def __init__(self, cell, batch_size, epochs):
        self.cell, self.batch_size, self.epochs = cell, batch_size, epochs

    def fit(self, X, y):
        """Seconds."""
        return clocked(lambda: self._fit(X, y))()

    def predict(self, X):
        """Seconds and labels."""
        labels = []
        return clocked(lambda: labels.append(self._predict(X)))(), labels[0]


class Ours(Peer):
    def _fit(self, X, y):
        self.model = MultiTaskRNNClassifier(
            cell=self.cell,
            hidden_layer_sizes=HIDDEN,
            max_epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=LEARNING_RATE,
            max_grad_norm=None,
            n_threads=1,
            device="cpu",
            random_state=0,
        ).fit(X, y)

    def _predict(self, X):
        return self.model.predict(X)


class Torch(Peer):
    def _fit(self, X, y):
        torch.manual_seed(0)
        net = ByHand(self.cell, N_FEATURES, HIDDEN, N_TASKS)
        self.net = train(net, X, y, self.epochs, self.batch_size)

    def _predict(self, X):
        return predict(self.net, X, PREDICT_BATCH)


class Keras(Peer):
    def __init__(self, *args, process):
        super().__init__(*args)
        self.process = process
        self.last_epochs = []

    def fit(self, X, y):
        sizes = (self.epochs, self.batch_size, HIDDEN, N_CLASSES, LEARNING_RATE)
        seconds, last_epoch = self.process.call("fit", self.cell, X, y, *sizes)
        self.last_epochs.append(last_epoch)
        return seconds

    def predict(self, X):
        return self.process.call("predict", X, PREDICT_BATCH)


def compare(peers, cell, batch_size, data, repeats):
    """Yield the rows of one cell and batch size."""
    X, y, X_new, y_new = data
    fit_times = alternate({n: lambda p=p: p.fit(X, y) for n, p in peers.items()}, repeats)
    ways = {n: lambda p=p: p.predict(X)[0] for n, p in peers.items()}
    alternate(ways, 1)  # warm up
    predict_times = alternate(ways, repeats)
    accuracy = {n: np.mean(p.predict(X_new)[1] == y_new) for n, p in peers.items()}
    case = f"{cell.upper()} B{batch_size}, n {len(X)}"
    for other in list(peers)[1:]:
        note = f"accuracy {accuracy['ours']:.3f} against {accuracy[other]:.3f}"
        goal = {"line": f"Whole fit, {cell.upper()}: {other} / ours"}
        if other == "Keras":
            goal["target"] = TARGETS[cell]
        yield ratio("peers", f"{case}, fit", fit_times, other, "ours", note=note, **goal)
    if "Keras" in peers:
        epochs = {
            "Keras": np.array(peers["Keras"].last_epochs),
            "ours": fit_times["ours"] / peers["ours"].epochs,
        }
        goal = {"target": TARGETS[cell], "line": f"Epoch, {cell.upper()}: Keras, traced / ours"}
        yield ratio("peers", f"{case}, epoch", epochs, "Keras", "ours", **goal)
    for other in list(peers)[1:]:
        rates = [len(X) / np.median(predict_times[n]) / 1000 for n in ("ours", other)]
        note = "{:.1f} against {:.1f} thousand sequences/s".format(*rates)
        line = f"Predict, {cell.upper()}: {other} / ours"
        yield ratio("peers", f"{case}, predict", predict_times, other, "ours", note=note, line=line)


def run(quick):
    """Yield a Row for every comparison."""
    n_samples, epochs, repeats = (384, 2, 1) if quick else (4000, 5, 3)
    sizes = (("gru", 128),) if quick else [(c, b) for c in ("gru", "lstm") for b in (32, 128)]
    X, y = make_data(n_samples + 1000, N_TIMESTEPS, N_FEATURES, N_TASKS)
    data = (X[1000:], y[1000:], X[:1000], y[:1000])
    has_keras = find_spec("tensorflow") is not None and find_spec("keras") is not None
    with KerasProcess() if has_keras else contextlib.nullcontext() as process:
        if has_keras:
            print(f"  {process.call('start')}, one thread")
        for cell, batch_size in sizes:
            sizes_of_fit = (cell, batch_size, epochs)
            peers = {"ours": Ours(*sizes_of_fit), "torch by hand": Torch(*sizes_of_fit)}
            for peer in peers.values():
                peer.fit(X[:256], y[:256])  # warm up; Keras would trace every new model again
            if has_keras:
                peers["Keras"] = Keras(*sizes_of_fit, process=process)
            yield from compare(peers, cell, batch_size, data, repeats)
    if not has_keras:
        raise Skip("Keras: tensorflow is not installed (pip install tensorflow-cpu)")


if __name__ == "__main__":
    alone(run, __doc__)
