"""How many threads of torch a fit or a prediction runs with, and that they are given back."""

import contextlib
import multiprocessing
import os
import threading

import torch
from joblib import cpu_count
from joblib.parallel import get_active_backend

_SMALL = 128  # units of the widest layer up to which a second thread gains little or loses


class _Setting:
    """torch's number of threads, which is partly the process's and partly the calling thread's.

    Parameters
    ----------
    forked : bool
        Whether this process is the copy of one that had imported us.
    """

    def __init__(self, forked):
        self.forked = forked
        self.lock = threading.Lock()
        self.before = 1  # what torch was set to when the first of the present runs began
        self.runs = {}  # by thread: the numbers of its runs, the innermost last
        self.left = {}  # by thread: the number it was left at, because others still ran

    def given(self):
        """The number of threads torch was set to by whoever called us."""
        now = torch.get_num_threads()  # asked first: a new thread takes over the process's number
        ours = self.runs or self.left.get(threading.get_ident()) == now
        return self.before if ours else now

    def begin(self, n_threads):
        """Let this thread, and what is the process's, run with a number of threads."""
        me = threading.get_ident()
        self.left.pop(me, None)
        self.runs.setdefault(me, []).append(n_threads)
        torch.set_num_threads(n_threads)

    def end(self):
        """Go back to the number of the run outside this one, or else to that of before."""
        me = threading.get_ident()
        with self.lock:
            self.runs[me].pop()
            if self.runs[me]:
                torch.set_num_threads(self.runs[me][-1])
                return
            del self.runs[me]
            if self.runs:  # they need the process as it is; this thread is put back next time
                self.left[me] = torch.get_num_threads()
            else:
                torch.set_num_threads(self.before)


_setting = _Setting(forked=False)


def _start_anew():
    global _setting
    _setting = _Setting(forked=True)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_start_anew)


@contextlib.contextmanager
def threads_for(net, n_threads):
    """Run a network on the CPU with its number of threads, and give back torch's afterwards.

    "auto" is one for a small network. With several, sums are ordered by their number, and training
    amplifies the last digit: a search with ``n_jobs=2``, whose workers get one thread each, would
    find other numbers than ``n_jobs=1``. A wide one gets what torch is set to, which in a process
    of joblib's loky is its share of the cores. Workers that are threads or come from a pool of
    `multiprocessing` know of no share and take one.

    A forked process takes one whatever it is told: torch would wait there for ever for the threads
    of OpenMP that only its parent has.

    Parameters
    ----------
    net : MultiTaskNet
    n_threads : int or "auto"

    Notes
    -----
    Matrix products go by the number set last in the process. Runs at once with different numbers
    may differ from runs alone in the last digits. For the same reason a thread whose run ends while
    others' go on is left with the present number, until it calls again.
    """
    if torch.device(net.device).type != "cpu":
        yield
        return
    setting = _setting
    with contextlib.ExitStack() as ended:
        with setting.lock:
            setting.before = setting.given()
            setting.begin(_number(net, n_threads, setting))
            ended.callback(setting.end)
        yield


def _number(net, n_threads, setting):
    if setting.forked:
        return 1
    if n_threads == "auto":
        widest = max(layer.hidden_size for stack in net.module_.stacks for layer in stack.layers)
        if widest <= _SMALL or _shares_cores():
            return 1
        n_threads = setting.before
    return int(min(n_threads, cpu_count()))


def _shares_cores():
    """Whether this is a worker beside others, and torch's number does not allow for them."""
    backend, _ = get_active_backend()
    in_thread = threading.current_thread() is not threading.main_thread()
    return (in_thread and bool(backend.nesting_level)) or multiprocessing.current_process().daemon
