"""Clocks for things that are measured side by side."""

import math
import os
import platform
import time
from importlib.util import find_spec

import numpy as np
import torch

SHORTEST = 0.02  # seconds one reading of the clock should span


def alternate(ways, repeats):
    """Run every way once a repeat, in an order that turns round: a slow moment meets all of them.

    Parameters
    ----------
    ways : dict of name to callable
        Each returns the seconds it took.
    repeats : int

    Returns
    -------
    dict of name to ndarray of shape (repeats,)
    """
    times = {name: np.empty(repeats) for name in ways}
    for repeat in range(repeats):
        for name in list(ways)[:: -1 if repeat % 2 else 1]:
            times[name][repeat] = ways[name]()
    return times


def clocked(run, number=1, wait=None):
    """A callable that runs something and returns the seconds of one run.

    Parameters
    ----------
    run : callable
    number : int, default=1
        How many runs one reading spans.
    wait : callable, default=None
        Called before both readings; on a GPU `torch.cuda.synchronize`.
    """

    def seconds():
        if wait is not None:
            wait()
        start = time.perf_counter()
        for _ in range(number):
            run()
        if wait is not None:
            wait()
        return (time.perf_counter() - start) / number

    return seconds


def side_by_side(runs, seconds, repeats=(5, 31), wait=None):
    """Warm up short runs and alternate them for about some time.

    Parameters
    ----------
    runs : dict of name to callable
    seconds : float
    repeats : pair of int, default=(5, 31)
        Fewest and most.
    wait : callable, default=None
        As in `clocked`.

    Returns
    -------
    dict of name to ndarray
        Seconds of one run, by repeat.
    """
    ways, a_round = {}, 0.0
    for name, run in runs.items():
        run()  # builds what is built once
        once = clocked(run, wait=wait)()
        number = max(1, math.ceil(SHORTEST / once))
        ways[name] = clocked(run, number, wait)
        a_round += number * once
    fewest, most = repeats
    return alternate(ways, min(max(int(seconds / a_round), fewest), most))


def cpu_name():
    """The processor as the system names it."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine():
    """Where this runs: one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{cpu_name()}, {cores} of {os.cpu_count()} cores{load}{gpu}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"{'numba' if has_numba() else 'no numba'}; torch threads {torch.get_num_threads()}"
    )


def has_numba():
    """Whether numba is installed and not switched off; asked without importing it."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
