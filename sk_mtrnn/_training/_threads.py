"""One thread for small networks, so that a result does not depend on how many there are."""

import contextlib
import threading

import torch

_SMALL = 128  # units of the widest layer up to which a second thread gains little or loses

_lock = threading.Lock()
_running = 0
_before = 1
_left_at_one = set()


@contextlib.contextmanager
def one_thread(net):
    """Run a small network on the CPU with one thread of torch, and give the others back afterwards.

    With several, sums are ordered by their number, and training amplifies the last digit: a search
    with ``n_jobs=2``, whose workers get one thread each, would find other numbers than
    ``n_jobs=1``. Wider networks keep torch's setting.

    Parameters
    ----------
    net : MultiTaskNet
    """
    global _running, _before
    widest = max(layer.hidden_size for layer in net.module_.recurrence.layers)
    if widest > _SMALL or torch.device(net.device).type != "cpu":
        yield
        return
    me = threading.get_ident()
    with _lock:
        if _running == 0 and me not in _left_at_one:
            _before = torch.get_num_threads()
        _left_at_one.discard(me)
        _running += 1
        torch.set_num_threads(1)  # partly a setting of the process, partly of the calling thread
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if _running == 0:
                torch.set_num_threads(_before)
                _left_at_one.discard(me)
            else:  # another fit still needs the process at one; this thread is put back next time
                _left_at_one.add(me)
