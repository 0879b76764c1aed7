"""A training step of the recurrence alone: RNN, GRU and LSTM against `torch.nn`.

    python benchmarks/recurrence.py [--quick]

One step is a forward pass and a backward pass from a gradient of every state, to all weights (not
to the inputs), with the same weights and inputs on both sides; that states and gradients agree is
checked first. One thread.

Equal lengths: `torch.nn` reads a (T, B, F) grid. Ragged, lengths uniform in T/4..T: it reads a
`PackedSequence` that is already packed. "packed" is ``recurrence="packed"``, in pure torch; "auto"
is the default where it does something else: "auto (torch)", or "auto (fast)", the compiled loops of
the extra [fast]. Where there is no row of "auto", it is "packed".

"peak" is the share of the one-thread sgemm rate (1024 x 1024 x 1024, measured in the same repeats)
at which the step does its matrix products, ours first: with G gates and S steps in all
2 S G H (F + H) operations forward, 2 S G H (F + 2 H) backward.

Memory: by how much the resident set of a fresh process grows at its peak while it takes three
training steps on the same ragged batches.
"""

import contextlib
import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from _report import Row, alone, ratio
from _timing import side_by_side
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from sk_mtrnn.recurrence import GRU, LSTM, RNN, PackedLayout, reused_buffers
from sk_mtrnn.recurrence._dispatch import choose

OURS = {"GRU": GRU, "RNN": RNN, "LSTM": LSTM}
THEIRS = {"GRU": nn.GRU, "RNN": nn.RNN, "LSTM": nn.LSTM}
GATES = {"GRU": 3, "RNN": 1, "LSTM": 4}

# B, T, F, H
SIZES = ((32, 50, 16, 32), (32, 200, 16, 32), (128, 50, 8, 64), (128, 50, 16, 128))
SIZES += ((128, 50, 64, 256),)
EQUAL = {"GRU": SIZES, "RNN": SIZES, "LSTM": ((8, 50, 16, 16), *SIZES, (128, 200, 16, 128))}
BY_T = {t: ((32, t, 16, 32), (128, t, 8, 64), (128, t, 16, 128)) for t in (50, 200)}
RAGGED = BY_T[50] + BY_T[200]


def target_of(cell, size, ragged, fast=False):
    """The target of a ratio (None: there is none), and the line of the README's table."""
    batch, n_timesteps, _, hidden = size
    ours = "with [fast]" if fast else "ours"
    if ragged:
        target = {50: 2.0, 200: 4.0}.get(n_timesteps)
        return target, f"{cell} training, ragged, T {n_timesteps}: torch packed / {ours}"
    if cell == "LSTM":
        if size == (128, 200, 16, 128):
            return 1.2, f"LSTM training, B 128, H 128, T 200: nn.LSTM / {ours}"
        return 0.97, f"LSTM training, other sizes: nn.LSTM / {ours}"
    targets = {"GRU": (3.5, 1.6, 1.0) if fast else (2.0, 1.3, 1.0), "RNN": (1.8, None, 1.1)}[cell]
    if (batch, hidden) == (32, 32) and n_timesteps >= 50:
        target, sizes = targets[0], "B 32, H 32"
    elif (batch, hidden) == (128, 64):
        target, sizes = targets[1], "B 128, H 64"
    elif hidden >= 128:
        target, sizes = targets[2], "H ≥ 128"
    else:
        return None, ""
    return target, f"{cell} training, {sizes}: nn.{cell} / {ours}"


class Work:
    """Inputs of one size, and the runs that are compared on it.

    Legend: B sequences, S steps in all, F inputs, H units.

    Parameters
    ----------
    cell : {"GRU", "RNN", "LSTM"}
    size : tuple of int
        B, T, F, H.
    ragged : bool, default=False
    device : str, default="cpu"
    """

    def __init__(self, cell, size, ragged=False, device="cpu"):
        batch, n_timesteps, n_features, hidden = size
        torch.manual_seed(0)
        self.cell = cell
        self.lengths = torch.full((batch,), n_timesteps)
        if ragged:
            lengths = torch.randint(n_timesteps // 4, n_timesteps + 1, (batch,))
            self.lengths = lengths.sort(descending=True).values
        self.batch_sizes = (self.lengths > torch.arange(self.lengths[0])[:, None]).sum(1)
        self.n_rows = int(self.lengths.sum())
        self.steps = torch.randn(self.n_rows, n_features).to(device)  # [S, F]
        self.grad = torch.randn(self.n_rows, hidden).to(device)  # [S, H]
        self.theirs = THEIRS[cell](n_features, hidden).to(device)
        self.grid = (
            PackedSequence(self.steps, self.batch_sizes)
            if ragged
            else self.steps.view(n_timesteps, batch, n_features)
        )

    def ours(self, recurrence):
        """A module of ours with the weights of torch's."""
        module = OURS[self.cell](
            self.theirs.input_size, self.theirs.hidden_size, recurrence=recurrence
        )
        module.load_state_dict(self.theirs.state_dict())
        return module.to(self.steps.device)

    def layout(self):
        """A layout made anew, as it is for every batch."""
        return PackedLayout(self.batch_sizes, self.steps.device)

    def auto(self):
        """What the default computes with here: "packed", "torch" or "fast"."""
        way, loops = choose(self.ours("auto"), self.steps, self.layout())
        return way if loops is None else "fast"

    def states(self, module):
        """The states after all steps, (S, H)."""
        if module is self.theirs:
            output = module(self.grid)[0]
            return output.data if isinstance(output, PackedSequence) else output.flatten(0, 1)
        return module(self.steps, self.layout())[0]

    def training_step(self, module):
        """A callable: forward, backward."""

        def step():
            module.zero_grad()
            self.states(module).backward(self.grad)

        return step

    def inference(self, module):
        """A callable: forward without autograd."""

        def step():
            with torch.inference_mode():
                self.states(module)

        return step

    def check(self, module):
        """Assert that a module of ours finds what torch's finds."""
        found = []
        for each in (self.theirs, module):
            self.training_step(each)()
            found.append([self.states(each).detach(), *(p.grad for p in each.parameters())])
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(a.abs().max()))

    @property
    def training_flops(self):
        """Operations of the matrix products of a training step."""
        n_features, hidden = self.theirs.input_size, self.theirs.hidden_size
        return 2 * self.n_rows * GATES[self.cell] * hidden * (2 * n_features + 3 * hidden)


def gemm():
    """A callable that multiplies large matrices, and how many operations that is."""
    a, b, out = torch.randn(3, 1024, 1024)
    return lambda: torch.mm(a, b, out=out), 2 * 1024**3


def case_name(cell, size, ragged):
    name = cell + "".join(f" {k}{n}" for k, n in zip("BTFH", size, strict=True))
    return name + (" ragged" if ragged else "")


def training_rows(cell, size, ragged, seconds):
    """Compare a training step at one size."""
    work, case = Work(cell, size, ragged), case_name(cell, size, ragged)
    name = f"nn.{cell}" + (" packed" if ragged else "")
    modules = {name: work.theirs, "packed": work.ours("packed")}
    auto = work.auto()
    if auto != "packed":
        modules[f"auto ({auto})"] = work.ours("auto")
    multiply, flops = gemm()
    with reused_buffers():
        for ours in list(modules)[1:]:
            work.check(modules[ours])
        runs = {way: work.training_step(module) for way, module in modules.items()}
        times = side_by_side({**runs, "sgemm": multiply}, seconds)
    rate = flops / times["sgemm"]
    peak = {w: 100 * np.median(work.training_flops / times[w] / rate) for w in modules}
    for ours in list(modules)[1:]:
        target, line = target_of(cell, size, ragged, ours == "auto (fast)")
        if cell == "LSTM" and not ragged and ours == "packed" != auto:
            target, line = None, ""  # it is the default that is promised
        note = f"peak {peak[ours]:.0f} % against {peak[name]:.0f} %"
        yield ratio("recurrence", case, times, name, ours, target=target, line=line, note=note)


def inference_rows(topic, cell, size, seconds, target=None, line=""):
    """Compare the forward pass in inference mode, equal lengths."""
    work, name = Work(cell, size), f"nn.{cell}"
    modules = {name: work.theirs, "packed": work.ours("packed")}
    with torch.inference_mode():
        auto = work.auto()
    if auto != "packed":
        modules[f"auto ({auto})"] = work.ours("auto")
    with reused_buffers():
        times = side_by_side({n: work.inference(m) for n, m in modules.items()}, seconds)
    for ours in list(modules)[1:]:
        is_default = ours != "packed" or auto == "packed"
        goal = {"target": target, "line": line} if is_default else {}
        case = case_name(cell, size, False) + " inference"
        yield ratio(topic, case, times, name, ours, **goal)


# ------------------------------------------------------------------------------------------ memory


def resident(peak):
    """Bytes of memory this process holds, or held at its peak."""
    with contextlib.suppress(OSError):
        lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["VmHWM" if peak else "VmRSS"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def growth(cell, size, recurrence):
    """Bytes by which a process grows in three training steps; to be called in a fresh one.

    The kernel is asked for the peak of this program: `getrusage` on Linux begins at the size of the
    process that started this one.
    """
    torch.set_num_threads(1)
    work = Work(cell, size, ragged=True)
    module = work.theirs if recurrence is None else work.ours(recurrence)
    few = Work(cell, (2, 4, *size[2:]), ragged=True)
    few.training_step(few.theirs if recurrence is None else module)()  # loads code
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident(peak=False)
    with reused_buffers():
        for _ in range(3):
            work.training_step(module)()
    return resident(peak=True) - before


def memory_row(cell, size, repeats):
    """Peak memory of training steps of auto over that of torch packed."""
    found = {None: [], "auto": []}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as fresh:
        for _ in range(repeats):
            for recurrence, sizes in found.items():
                sizes.append(fresh.submit(growth, cell, size, recurrence).result())
    values = np.divide(found["auto"], found[None])
    ours, theirs = (np.median(found[name]) / 2**20 for name in ("auto", None))
    return Row(
        "recurrence",
        case_name(cell, size, True),
        f"memory: auto / nn.{cell} packed",
        values,
        target=1.0,
        at_most=True,
        line=f"Peak memory of {cell} training, ragged: ours / torch packed",
        note=f"{ours:.0f} MiB against {theirs:.0f} MiB",
    )


def run(quick):
    """Yield a Row for every comparison."""
    if quick:
        equal = {cell: ((32, 20, 16, 32),) for cell in OURS}
        ragged, seconds = ((32, 20, 16, 32),), 0.5
    else:
        equal, ragged, seconds = EQUAL, RAGGED, 4.0
    for cell, sizes in equal.items():
        for size in sizes:
            yield from training_rows(cell, size, False, seconds)
    for cell in ("GRU", "LSTM"):
        for size in ragged:
            yield from training_rows(cell, size, True, seconds)
    for cell in ("GRU",) if quick else ("GRU", "LSTM"):
        yield memory_row(cell, (128, 50 if quick else 200, 16, 128), 1 if quick else 3)


if __name__ == "__main__":
    alone(run, __doc__)
