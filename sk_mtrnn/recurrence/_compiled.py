"""Step loops compiled with numba, the extra ``sk-mtrnn[fast]``; numba is imported on first use.

They serve float32 on the CPU and hand everything else to the loops of torch.
"""

import importlib.util
import inspect
import logging
import os
import threading
import warnings

import numpy as np
import torch

from . import _gru, _lstm, _rnn
from ._packed import Loops

_logger = logging.getLogger("sk_mtrnn")
_announced = False

_BY_TORCH = {"gru": _gru.TORCH, "rnn": _rnn.TORCH, "lstm": _lstm.TORCH}
_READ = {"h", "q", "hidden", "w_hh", "decay"}  # arguments of loops that a copy may stand for
_UNUSED = {"u", "to_c"}  # buffers that the kernels need not


def compiled_loops(cell):
    """Return the compiled step loops of a cell.

    The first call for a cell takes some seconds where numba finds nothing in its cache on disk;
    that is announced once, by a warning of the logger ``"sk_mtrnn"``.

    Parameters
    ----------
    cell : {"gru", "rnn", "lstm"}

    Returns
    -------
    Loops or None
        None where numba is not installed, does not work or is switched off, and on processors
        whose registers hold fewer than eight numbers: there the loops of torch are faster.
    """
    if cell not in _known:
        with _lock:  # two threads may want their first loops at once
            if cell not in _known:
                _known[cell] = _find_loops(cell)
    return _known[cell]


def _start_anew():
    global _lock
    _lock = threading.Lock()


_known = {}
_start_anew()
if hasattr(os, "register_at_fork"):  # the thread that compiles is not in the child
    os.register_at_fork(after_in_child=_start_anew)


def _find_loops(cell):
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return None
        from . import _kernels

        if _kernels.WIDTH < 8:
            return None
        forward, backward = _compile(_kernels, cell)
    except Exception as error:  # whatever a broken installation raises
        warnings.warn(
            f"numba is installed but cannot compile the loops of {cell!r}, so those of torch are "
            f"used. It says: {type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    by_torch = _BY_TORCH[cell]
    return Loops(_loop(forward, by_torch.forward), _loop(backward, by_torch.backward))


def _compile(module, cell):
    """Read the kernels of a cell from numba's cache or compile them, and announce the latter."""
    from numba.core import event

    class Announce(event.Listener):
        def on_start(self, compilation):
            global _announced
            ours = compilation.data["dispatcher"].py_func.__module__ == module.__name__
            if ours and not _announced:
                _announced = True
                _logger.warning(
                    "Compiling recurrent loops with numba. This takes some seconds, once: later "
                    "processes find them in numba's cache."
                )

        def on_end(self, compilation):
            pass

    kernels = module.KERNELS[cell]
    with event.install_listener("numba:compile", Announce()):
        for kernel, signature in kernels:
            _compile_kernel(kernel, signature)
    return [kernel for kernel, _ in kernels]


def _compile_kernel(kernel, signature):
    # numba writes to its cache after it has compiled: where the disk is full, an error comes once
    # for the kernel and once for the product inside, with the compiled function in place
    for _ in range(2):
        try:
            kernel.compile(signature)
            return
        except OSError:
            continue
    kernel.compile(signature)


def _loop(kernel, by_torch):
    """Make a loop over the steps of a chunk that calls a kernel where it can.

    Parameters
    ----------
    kernel : callable
        Takes sizes, the addresses of the tensors in their order but `_UNUSED`, 0 for None, H and
        options.
    by_torch : callable
        The loop of torch that it stands for.
    """
    names = list(inspect.signature(by_torch).parameters)[1:]
    of_width = names.index("h" if "h" in names else "carry")

    def run(chunk, *arguments):
        tensors, options = [], []
        for name, x in zip(names, arguments, strict=True):
            if isinstance(x, bool):
                options.append(x)
            elif x is None:
                tensors.append(x)
            elif name not in _UNUSED:
                if x.dtype != torch.float32 or x.device.type != "cpu":
                    by_torch(chunk, *arguments)
                    return
                tensors.append(x.contiguous() if name in _READ else x)
        if not all(x is None or x.is_contiguous() for x in tensors):
            by_torch(chunk, *arguments)
            return
        addresses = [0 if x is None else x.data_ptr() for x in tensors]
        size = arguments[of_width].shape[1]
        kernel(np.array(chunk.sizes, dtype=np.int64), *addresses, size, *options)

    return run
