import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from joblib import Parallel, delayed

from sk_mtrnn.recurrence import PackedLayout, _compiled, _gru, _lstm, _rnn

pytest.importorskip("numba", reason="the extra [fast] is not installed")

CELLS = ("gru", "rnn", "relu", "lstm")
MODULES = {"gru": _gru, "rnn": _rnn, "relu": _rnn, "lstm": _lstm}
GATES = {"gru": 3, "rnn": 1, "relu": 1, "lstm": 4}


def loops_of(cell):
    return _compiled.compiled_loops("rnn" if cell == "relu" else cell)


def sizes_of(lengths):
    lengths = torch.tensor(lengths)
    return (lengths > torch.arange(int(lengths.max()))[:, None]).sum(1)


def arguments(cell, sizes, size, initial=False, n_inputs=3, dtype=torch.float32):
    """Steps, states before the first (of the LSTM also c) and weights: leaves of a graph."""
    generator = torch.Generator().manual_seed(0)  # its own: some tests run threads

    def leaf(*shape, scale=1.0):
        values = scale * torch.randn(*shape, dtype=dtype, generator=generator)
        return values.requires_grad_()

    n, rows = int(sizes[0]), GATES[cell] * size
    states = [leaf(n, size) for _ in range(1 + (cell == "lstm"))] if initial else []
    weights = leaf(rows, n_inputs), leaf(rows, size, scale=size**-0.5), leaf(rows), leaf(rows)
    return [leaf(int(sizes.sum()), n_inputs), states, *weights]


def run(cell, sizes, arguments, loops):
    """States, and for the LSTM the last c."""
    x, states, *weights = arguments
    layout = PackedLayout(sizes)
    if cell == "lstm":
        return _lstm.lstm(x, tuple(states) or None, *weights, layout, loops=loops)
    initial = states[0] if states else None
    if cell == "gru":
        return (_gru.gru(x, initial, *weights, layout, loops=loops),)
    activation = "relu" if cell == "relu" else "tanh"
    return (_rnn.rnn(x, initial, *weights, layout, activation, loops=loops),)


def run_with_gradients(cell, sizes, arguments, loops, twice=False):
    x, states, *weights = arguments
    leaves = [x, *states, *weights]
    found = run(cell, sizes, arguments, loops)
    generator = torch.Generator().manual_seed(1)
    weighted = sum(
        (f * torch.randn(f.shape, generator=generator, dtype=f.dtype)).sum() for f in found
    )
    gradients = torch.autograd.grad(weighted, leaves, retain_graph=twice)
    if twice:
        again = torch.autograd.grad(weighted, leaves)
        assert all(torch.equal(a, b) for a, b in zip(gradients, again, strict=True))
    return [*(f.detach() for f in found), *gradients]


def assert_close(found, expected, tolerance=1e-5):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert torch.isfinite(b).all()
        assert (a - b).norm() <= tolerance * b.norm()


SHAPES = {
    "one sequence, one unit": ([7], 1),
    "one step": ([1] * 6, 8),
    "odd, equal": ([6] * 5, 3),
    "odd, ragged": ([9, 9, 7, 4, 4, 2, 1], 17),
    "whole vectors": ([12] * 32, 32),
    "whole vectors, ragged": (sorted((1 + i % 13 for i in range(40)), reverse=True), 16),
    "rests of rows and vectors": (sorted((3 + i % 9 for i in range(77)), reverse=True), 50),
    "many sequences": ([3] * 130, 20),
    "many units": ([4, 4, 3], 130),
}


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_gradients_are_those_of_the_torch_loops(cell, shape, initial):
    lengths, size = SHAPES[shape]
    sizes = sizes_of(lengths)
    given = arguments(cell, sizes, size, initial)
    found = run_with_gradients(cell, sizes, given, loops_of(cell), twice=True)
    assert_close(found, run_with_gradients(cell, sizes, given, None))
    with torch.inference_mode():
        alone = run(cell, sizes, given, loops_of(cell))
    assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=False))


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_chunks_are_put_together(cell, initial, monkeypatch):
    sizes = sizes_of([11, 11, 9, 9, 8, 5, 5, 2, 1])
    given = arguments(cell, sizes, 10, initial)
    whole = run_with_gradients(cell, sizes, given, loops_of(cell))
    monkeypatch.setattr(MODULES[cell], "CHUNK_SIZE", 200)
    parts = run_with_gradients(cell, sizes, given, loops_of(cell))
    assert_close(parts, whole)
    assert_close(parts, run_with_gradients(cell, sizes, given, None))


@pytest.mark.parametrize("cell", CELLS)
def test_arguments_need_not_be_contiguous(cell):
    sizes = sizes_of([5, 5, 3, 2])
    given = arguments(cell, sizes, 6, initial=True)
    expected = run(cell, sizes, given, None)
    x, states, w_ih, w_hh, *biases = given
    states = [state.t().contiguous().t() for state in states]
    w_hh = w_hh.t().contiguous().t()
    found = run_with_gradients(cell, sizes, [x, states, w_ih, w_hh, *biases], loops_of(cell))
    assert_close(found[: len(expected)], [f.detach() for f in expected])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e4, -1e4])
@pytest.mark.parametrize("place", ["input", "recurrent weight", "bias", "state"])
@pytest.mark.parametrize("cell", CELLS)
def test_extreme_numbers_end_as_in_torch(cell, place, value):
    sizes = sizes_of([4, 4, 3, 3, 3, 3, 3, 2, 2, 1])
    given = arguments(cell, sizes, 19, initial=True)
    x, states, _, w_hh, bias, _ = given
    tensors = {"input": x, "recurrent weight": w_hh, "bias": bias, "state": states[0]}
    with torch.no_grad():
        tensors[place].view(-1)[tensors[place].numel() // 2] = value
        found, expected = (run(cell, sizes, given, loops) for loops in (loops_of(cell), None))
    for a, b in zip(found, expected, strict=True):
        # h = ±inf in a GRU: lerp makes it NaN where z > 1/2, the formula infinity
        assert torch.equal(a.isfinite(), b.isfinite())
        a, b = a.nan_to_num(0, 0, 0), b.nan_to_num(0, 0, 0)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * max(1.0, float(b.abs().max())))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_stays_so(cell, value):
    sizes = sizes_of([4, 4, 3])
    x, states, *weights = arguments(cell, sizes, 5, initial=True)
    states_after = run(cell, sizes, [x, states, *weights], loops_of(cell))[0]
    grad = torch.zeros_like(states_after)
    grad[-1] = value
    gradients = torch.autograd.grad(states_after, [x, *weights], grad)
    assert not any(torch.isfinite(g).all() for g in gradients)


def test_sigmoid_is_accurate():
    # one unit with weights 1 and no recurrence: h' = 1 - 2 σ(-2 x) = tanh(x)
    x = torch.cat([torch.linspace(-100, 100, 20001), torch.logspace(-6, 2, 500)])[:, None]
    one, zero = torch.ones(1, 1), torch.zeros(1)
    layout = PackedLayout(torch.tensor([len(x)]))
    found = _rnn.rnn(x, None, one, 0 * one, zero, zero, layout, loops=loops_of("rnn"))
    expected = torch.tanh(x.double())
    assert (found - expected).abs().max() < 2e-7


@pytest.mark.parametrize("cell", CELLS)
def test_float64_is_left_to_the_torch_loops(cell):
    sizes = sizes_of([4, 4, 3])
    given = arguments(cell, sizes, 5, dtype=torch.float64)
    found = run_with_gradients(cell, sizes, given, loops_of(cell))
    expected = run_with_gradients(cell, sizes, given, None)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_compiles_does_not_wait_for_it(fresh):
    with _compiled._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends it if it waits
            _compiled.compiled_loops("gru")
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def fresh():
    """As if no loops had been asked for yet, before and after."""
    _compiled._known.clear()
    yield
    _compiled._known.clear()


@pytest.mark.usefixtures("fresh")
def test_threads_that_start_together_share_the_loops():
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(_compiled.compiled_loops, ["gru"] * 4))
    assert all(loops is found[0] for loops in found)


def states_of(cell):
    torch.set_num_threads(1)
    sizes = sizes_of([30, 30, 20, 11])
    return run_with_gradients(cell, sizes, arguments(cell, sizes, 24), loops_of(cell))


def test_threads_and_processes_agree():
    """In threads, without the global interpreter lock, and in workers of joblib."""
    from sk_mtrnn.recurrence import _kernels

    for kernels in _kernels.KERNELS.values():
        assert all(kernel.targetoptions["nogil"] for kernel, _ in kernels)
    expected = [states_of(cell) for cell in CELLS]
    with ThreadPoolExecutor(4) as pool:
        by_threads = list(pool.map(states_of, CELLS * 4))
    by_processes = Parallel(n_jobs=2)(delayed(states_of)(cell) for cell in CELLS)
    for found, e in zip([*by_threads, *by_processes], expected * 5, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(found, e, strict=True))


@pytest.mark.usefixtures("fresh")
def test_without_numba_there_are_no_loops(monkeypatch):
    monkeypatch.setattr(_compiled.importlib.util, "find_spec", lambda name: None)
    assert _compiled.compiled_loops("gru") is None


@pytest.mark.usefixtures("fresh")
def test_a_broken_numba_is_told_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(_compiled.importlib.util, "find_spec", lambda name: object())
    with pytest.warns(RuntimeWarning, match="cannot compile the loops of 'gru'"):
        assert _compiled.compiled_loops("gru") is None
    assert _compiled.compiled_loops("gru") is None


@pytest.mark.usefixtures("fresh")
def test_switched_off_numba_is_not_used(monkeypatch):
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert _compiled.compiled_loops("gru") is None


def run_script(script, **environment):
    command = [sys.executable, "-W", "error", "-c", script]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_numba_is_not_imported_before_it_is_needed():
    script = """
import sys
import sk_mtrnn
from sk_mtrnn.recurrence import _compiled
assert "numba" not in sys.modules
assert "llvmlite" not in sys.modules
"""
    run_script(script)


LOAD = """
from sk_mtrnn.recurrence._compiled import compiled_loops
for cell in ("rnn", "lstm"):
    assert compiled_loops(cell) is not None
from sk_mtrnn.recurrence import _kernels
for cell in ("rnn", "lstm"):
    for kernel, _ in _kernels.KERNELS[cell]:
        print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def test_compiling_is_announced_once_and_happens_once(tmp_path):
    printed, told = run_script(LOAD, NUMBA_CACHE_DIR=str(tmp_path))
    assert printed == ["0", "1"] * 4
    assert told.count("Compiling recurrent loops with numba") == 1
    files = sorted(tmp_path.rglob("*"))
    printed, told = run_script(LOAD, NUMBA_CACHE_DIR=str(tmp_path))
    assert printed == ["1", "0"] * 4
    assert told == ""
    assert sorted(tmp_path.rglob("*")) == files


RUN = """
import torch
from sk_mtrnn.recurrence import PackedLayout
from sk_mtrnn.recurrence._compiled import compiled_loops
from sk_mtrnn.recurrence._rnn import rnn
loops = compiled_loops("rnn")
def states(loops):
    torch.manual_seed(0)
    w, b = torch.randn(5, 5), torch.zeros(5)
    return rnn(torch.randn(12, 5), None, w, w, b, b, PackedLayout(torch.tensor([6, 4, 2])),
               loops=loops)
assert loops is not None
assert torch.allclose(states(loops), states(None), atol=1e-5)
"""


@pytest.mark.slow  # each compiles anew
@pytest.mark.parametrize(
    "obstacle",
    [
        "caching.CompileResultCacheImpl._locator_classes = []",  # no directory can be written
        """
def save(*arguments):
    raise OSError(28, "No space left on device")
caching.Cache.save_overload = save
""",
    ],
    ids=["no directory", "disk full"],
)
def test_a_cache_that_cannot_be_written_is_done_without(obstacle, tmp_path):
    script = f"from numba.core import caching\n{obstacle}\n{RUN}"
    _, told = run_script(script, NUMBA_CACHE_DIR=str(tmp_path))
    assert told.count("Compiling recurrent loops with numba") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_process_runs_the_loops():
    script = f"""
import os
import torch
torch.set_num_threads(1)
{RUN}
pid = os.fork()
if pid == 0:
    os._exit(0 if torch.allclose(states(loops), states(None), atol=1e-5) else 3)
assert os.waitpid(pid, 0)[1] == 0
"""
    run_script(
        script.replace(
            "import os\n",
            "import os, warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n",
            1,
        )
    )
