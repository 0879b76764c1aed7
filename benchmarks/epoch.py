"""Ragged epochs: `fit` against a loop by hand that pads.

    python benchmarks/epoch.py [--quick]

By hand: `_by_hand.train` with `nn.GRU` or `nn.LSTM`: batches drawn at random, each padded to its
longest sequence by `pad_sequence`, the last state of each sequence picked by its length. Lengths
are uniform in T/4..T. Both sides scale the data themselves and train with the same optimizer,
learning rate, clipping and batch size for the same number of epochs. One thread.
"""

import torch
from _by_hand import LEARNING_RATE, ByHand, cut_ragged, make_data, train
from _report import alone, ratio
from _timing import alternate, clocked

from sk_mtrnn import MultiTaskRNNClassifier

N_TASKS = 3
TARGETS = {"gru": 1.9, "lstm": 1.4}


def epochs_of(cell, X, y, epochs, batch_size, hidden):
    """Seconds of one epoch, for both ways: callables by name."""
    n_features = X[0].shape[1]

    def by_hand():
        torch.manual_seed(0)
        net = ByHand(cell, n_features, hidden, y.shape[1])
        train(net, X, y, epochs, batch_size, max_grad_norm=1.0)

    def ours():
        MultiTaskRNNClassifier(
            cell=cell,
            hidden_layer_sizes=hidden,
            max_epochs=epochs,
            batch_size=batch_size,
            learning_rate=LEARNING_RATE,
            max_grad_norm=1.0,
            n_threads=1,
            device="cpu",
            random_state=0,
        ).fit(X, y)

    return {f"padded nn.{cell.upper()}": clocked(by_hand), "fit": clocked(ours)}


def run(quick):
    """Yield a Row for every comparison."""
    n_samples, n_timesteps, n_features, hidden, batch_size = 4000, 50, 8, 64, 128
    epochs, repeats = (1, 2) if quick else (2, 5)
    X, y = make_data(n_samples // (8 if quick else 1), n_timesteps, n_features, N_TASKS)
    X = cut_ragged(X)
    case = f"B{batch_size} T{n_timesteps} F{n_features} H{hidden} ragged, n {len(X)}"
    for cell, target in TARGETS.items():
        for way in epochs_of(cell, X[:256], y[:256], 1, batch_size, hidden).values():
            way()  # warm up
        times = alternate(epochs_of(cell, X, y, epochs, batch_size, hidden), repeats)
        times = {name: seconds / epochs for name, seconds in times.items()}
        name = cell.upper()
        line = f"Ragged epoch, T {n_timesteps}, H {hidden}: padded nn.{name} / ours"
        over = f"padded nn.{name}"
        yield ratio("epoch", case, times, over, "fit", target=target, line=line)


if __name__ == "__main__":
    alone(run, __doc__)
