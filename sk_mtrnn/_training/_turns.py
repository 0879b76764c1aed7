"""Turns: fits of small networks in one process would only fight for Python's lock."""

import contextlib
import os
import threading
import time

import numpy as np
import torch

from ..recurrence import choose

_SMALL = 2048  # sequences of a batch times units up to which two at once are slower than in turns
_SECONDS = 1.0  # a turn lasts at least, if epochs are left: a change every 50 ms cost 6 %


def _start_anew():
    global _next, _turn
    _next, _turn = threading.Lock(), threading.Lock()


_start_anew()
if hasattr(os, "register_at_fork"):  # the thread that has its turn is not in the child
    os.register_at_fork(after_in_child=_start_anew)


@contextlib.contextmanager
def turn():
    """Wait until no other thread has its turn, and have it.

    Our recurrence is many small calls of torch. Each gives up Python's global lock and wants it
    back, which costs more than the call itself if another thread has taken it meanwhile: two such
    fits in threads are slower than one after the other.

    Whoever ends a turn and wants another comes after the one who waits. What runs within a turn
    must neither take another nor wait for a thread that does.
    """
    held = _turn
    with contextlib.ExitStack() as ended:  # which is there before there is anything to end
        with _next:
            ended.enter_context(held)
        yield


def epochs_in_turns(n_epochs, wanted=True):
    """Count epochs, and hold a turn meanwhile, which is ended now and then for others.

    Parameters
    ----------
    n_epochs : int
    wanted : bool, default=True
        False: only count.

    Yields
    ------
    int
        The next epoch. Close the generator to end the last turn.
    """
    epoch = 0
    while epoch < n_epochs:
        with turn() if wanted else contextlib.nullcontext():
            end, over = time.monotonic() + _SECONDS, False
            while not over:
                yield epoch
                epoch += 1
                over = epoch == n_epochs or time.monotonic() >= end


def takes_turns(net, data):
    """Whether the epochs of a fit are so many small calls that they are better run in turns.

    Parameters
    ----------
    net : MultiTaskNet
        Of cells known here, about to be run with torch's present number of threads.
    data : SequenceData

    Returns
    -------
    bool
    """
    if torch.device(net.device).type != "cpu" or torch.get_num_threads() > 1:
        return False
    n_sequences = min(net.batch_size, len(data))
    layers = [layer for stack in net.module_.stacks for layer in stack.layers]
    if max(layer.hidden_size for layer in layers) * n_sequences > _SMALL:
        return False
    inputs, _ = data[np.arange(n_sequences)]  # batches are alike
    # torch.nn makes fewer and longer calls, and so do compiled loops, without Python's lock
    return any(
        choose(layer, inputs.steps, inputs.layout, decays=stack.decay is not None and i == 0)
        == ("packed", None)
        for stack in net.module_.stacks
        for i, layer in enumerate(stack.layers)
    )
