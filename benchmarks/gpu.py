"""On a GPU: training against torch.nn, predictions against the CPU, mixed precision.

    python benchmarks/gpu.py [--quick] [--device cpu]

Training step: as in recurrence.py, ours by default settings against `nn.GRU` or `nn.LSTM` on the
same device. Fit: whole epochs of the estimator against `_by_hand.train`, whose data lie on the
device from the start. amp: the same fit in float32 and with ``amp=True``. Clocks are read behind
`torch.cuda.synchronize`; torch's settings for TF32 are its own, and printed.

``--device cpu`` exercises the code without a GPU; what it prints says nothing about one.
"""

import copy

import numpy as np
import torch
from _by_hand import LEARNING_RATE, ByHand, make_data, train
from _report import Row, Skip, alone, ratio
from _timing import alternate, clocked, side_by_side
from recurrence import Work, case_name

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.recurrence import reused_buffers

WIDTHS = (128, 256, 512, 1024)


def step_rows(cell, size, ragged, device, seconds, wait):
    """Throughput of training steps of the recurrence."""
    work, name = Work(cell, size, ragged, device), f"nn.{cell}" + (" packed" if ragged else "")
    runs = {name: work.training_step(work.theirs), "auto": work.training_step(work.ours("auto"))}
    with reused_buffers():
        times = side_by_side(runs, seconds, wait=wait)
    goal = {"target": 0.98, "line": f"GPU: training throughput, H 128 to 1024, of nn.{cell}"}
    case, note = case_name(cell, size, ragged), f"auto is {work.auto()}"
    yield ratio("gpu", case, times, name, "auto", note=note, **goal)


def estimator(hidden, batch_size, epochs, device, amp=False):
    return MultiTaskRNNClassifier(
        hidden_layer_sizes=hidden,
        max_epochs=epochs,
        batch_size=batch_size,
        learning_rate=LEARNING_RATE / 10,
        device=device,
        amp=amp,
        random_state=0,
    )


def fit_rows(hidden, X, y, batch_size, device, repeats, wait):
    """Whole fits against a loop by hand."""

    def by_hand():
        torch.manual_seed(0)
        net = ByHand("gru", X.shape[2], hidden, y.shape[1]).to(device)
        train(net, X, y, 2, batch_size, max_grad_norm=1.0, device=device)

    def ours():
        estimator(hidden, batch_size, 2, device).fit(X, y)

    ways = {"nn.GRU by hand": clocked(by_hand, wait=wait), "fit": clocked(ours, wait=wait)}
    alternate(ways, 1)  # warm up
    times = alternate(ways, repeats)
    case = f"GRU B{batch_size} T{X.shape[1]} F{X.shape[2]} H{hidden}, n {len(X)}"
    yield ratio("gpu", case, times, "nn.GRU by hand", "fit")


def amp_rows(hidden, X, y, batch_size, device, repeats, wait):
    """Fits in mixed precision against fits in float32."""
    ways = {
        name: clocked(
            lambda amp=amp: estimator(hidden, batch_size, 2, device, amp).fit(X, y), wait=wait
        )
        for name, amp in (("float32", False), ("amp", True))
    }
    alternate(ways, 1)  # warm up
    times = alternate(ways, repeats)
    case = f"GRU B{batch_size} T{X.shape[1]} F{X.shape[2]} H{hidden}, n {len(X)}, fit"
    line = f"GPU: fit at H {hidden}, float32 / amp"
    yield ratio("gpu", case, times, "float32", "amp", target=1.3, line=line)


def equality_rows(cell, X, y, device):
    """The largest difference between probabilities of one model on the CPU and on the device."""
    model = estimator(64, 64, 2, "cpu").set_params(cell=cell).fit(X, y)
    moved = copy.deepcopy(model)
    moved.net_.device = device
    moved.net_.module_.to(device)
    here, there = (np.stack(m.predict_proba(X)) for m in (model, moved))
    goal = {
        "target": 1e-4,
        "at_most": True,
        "line": "GPU: difference of probabilities to the CPU's",
    }
    case = f"{cell.upper()} T{X.shape[1]} F{X.shape[2]} H64, n {len(X)}"
    yield Row(
        "gpu", case, "max |p on device - p on CPU|", np.array([abs(here - there).max()]), **goal
    )


def run(quick, device="cuda"):
    """Yield a Row for every comparison."""
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu and not torch.cuda.is_available():
        raise Skip("no CUDA device (--device cpu exercises the code)")
    wait = torch.cuda.synchronize if on_gpu else None
    rnn_tf32, tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    print(f"  on {device}; TF32 in cuDNN: {rnn_tf32}, in products: {tf32}")
    widths = (WIDTHS[-1:] if on_gpu else (16,)) if quick else WIDTHS
    batch, n_timesteps, n_features = (128, 50, 64) if on_gpu else (16, 10, 8)
    seconds, repeats = (0.3, 2) if quick else (4.0, 5)
    for cell in ("GRU", "LSTM"):
        for hidden in widths:
            for ragged in (False, True):
                size = (batch, n_timesteps, n_features, hidden)
                yield from step_rows(cell, size, ragged, device, seconds, wait)
    X, y = make_data(batch * (4 if quick else 32), n_timesteps, n_features, 3)
    for cell in ("gru", "lstm"):
        yield from equality_rows(cell, X[:512], y[:512], device)
    for hidden in widths:
        yield from fit_rows(hidden, X, y, batch, device, repeats, wait)
    if not on_gpu:
        raise Skip("amp needs a CUDA device")
    yield from amp_rows(1024, X, y, batch, device, repeats, wait)


if __name__ == "__main__":
    alone(run, __doc__, on_device=True)
