"""Buffers that are used again: a fresh one costs a page fault for every 4 KiB first written."""

import contextlib
import threading

import torch

_MOST_FREE = 32  # buffers that wait; those that have waited longest are given up

_local = threading.local()


@contextlib.contextmanager
def reused_buffers():
    """Let the recurrences that this thread runs use the same memory over and over.

    A recurrence holds its buffers until its graph is freed, so nothing that is still needed is
    overwritten, whatever the order of forward and backward passes. At the end all is given back.
    """
    outer = getattr(_local, "free", None)
    _local.free = [] if outer is None else outer
    try:
        yield
    finally:
        _local.free = outer


class Buffers:
    """The buffers of one pass; free for the next when this object is gone.

    Parameters
    ----------
    like : Tensor
        Whose dtype and device they have.
    """

    def __init__(self, like):
        self._like = like.new_empty(0)
        self._free = getattr(_local, "free", None)
        self._held = []

    def empty(self, *shape):
        """A Tensor of some shape, not initialised."""
        size = 1
        for n in shape:
            size *= n
        if self._free is None:
            return self._new(size).view(shape)
        del self._free[:-_MOST_FREE]
        best = None
        for i, buffer in enumerate(self._free):  # meanwhile others may be added, at the end
            if (
                size <= len(buffer) <= 4 * size
                and (best is None or len(buffer) < len(self._free[best]))
                and buffer.dtype == self._like.dtype
                and buffer.device == self._like.device
            ):
                best = i
        if best is None:
            step = 1 << max(size.bit_length() - 3, 6)  # at most a quarter more: lengths vary
            buffer = self._new(-(-size // step) * step)
        else:
            buffer = self._free.pop(best)
        self._held.append(buffer)
        return buffer[:size].view(shape)

    def _new(self, size):
        with torch.inference_mode(False):  # a buffer of a prediction may serve in training next
            return self._like.new_empty(size)

    def __del__(self):  # at any moment, on any thread
        if self._free is not None:
            self._free.extend(self._held)
