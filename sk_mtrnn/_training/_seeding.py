"""Randomness: everything from one seed, the global generators left as they were."""

import contextlib
import os
import threading

import numpy as np
import torch

# torch and third-party modules draw their initial weights from the global generator, which threads
# share: one at a time may borrow it.
_GLOBAL_GENERATORS = threading.RLock()


def _start_anew():
    global _GLOBAL_GENERATORS
    _GLOBAL_GENERATORS = threading.RLock()


if hasattr(os, "register_at_fork"):  # the thread that borrows is not in the child
    os.register_at_fork(after_in_child=_start_anew)


@contextlib.contextmanager
def borrowed_generators(seed, borrow=True):
    """Seed numpy's and torch's global generators, and put them back afterwards.

    Parameters
    ----------
    seed : int
    borrow : bool, default=True
        False: do nothing, for code that is known not to draw globally.
    """
    if not borrow:
        yield
        return
    with _GLOBAL_GENERATORS:
        numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
        cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
        try:
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
            yield
        finally:
            np.random.set_state(numpy_state)
            torch.set_rng_state(torch_state)
            if cuda_states is not None:
                torch.cuda.set_rng_state_all(cuda_states)


def is_foreign(part):
    """Whether an object is of somebody else's class, which may draw from the global generators."""
    return not type(part).__module__.startswith("sk_mtrnn.")


@contextlib.contextmanager
def seeded_draws(modules, seed, device):
    """Let what draws in some modules do so from a generator of its own while training."""
    generator = torch.Generator(device).manual_seed(seed)
    layers = [part for module in modules for part in module.modules() if hasattr(part, "generator")]
    for layer in layers:
        layer.generator = generator
    try:
        yield
    finally:
        for layer in layers:
            layer.generator = None
