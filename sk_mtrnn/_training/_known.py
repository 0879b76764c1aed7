"""Outputs that are known: what a scorer asks for was computed with the held-out loss."""

import contextlib
from contextvars import ContextVar

import numpy as np
import torch

_known = ContextVar("known outputs", default=None)  # of this thread, and in no pickle


class HeldOutPass:
    """One pass of a net over held-out data, kept until its outputs have been scored.

    Parameters
    ----------
    net : MultiTaskNet
    """

    def __init__(self, net):
        self.net = net
        self.weights = copy_weights(net)
        self.batches = []

    def add(self, outputs):
        """Keep the outputs of the next batch."""
        self.batches.append([output.detach().cpu() for output in outputs])

    @contextlib.contextmanager
    def reused(self, dataset):
        """Let `known_batches` find them in this block.

        Parameters
        ----------
        dataset : SequenceData
            What the net was run over.
        """
        token = _known.set((self, dataset))
        try:
            yield
        finally:
            _known.reset(token)

    def is_of(self, net, ours, theirs):
        """Whether the net would give the same over another data set: same weights, same inputs."""
        if net is not self.net or net.foreign:  # which may draw
            return False
        if not np.array_equal(ours.lengths, theirs.lengths):
            return False
        state = net.module_.state_dict()
        if not all(torch.equal(state[name], kept) for name, kept in self.weights.items()):
            return False
        inputs = (data.sequences[data.samples].values for data in (ours, theirs))
        return np.array_equal(*inputs)


def copy_weights(net):
    """A copy of all weights of a net's module."""
    return {name: value.detach().clone() for name, value in net.module_.state_dict().items()}


def known_batches(net, dataset):
    """Outputs of every batch of a data set if they are known, else None.

    Inputs are compared by value: a scorer that predicts on anything else, or changes X or the
    weights, gets a pass of its own.

    Parameters
    ----------
    net : MultiTaskNet
    dataset : SequenceData

    Returns
    -------
    list of list of K Tensors, or None
    """
    kept, ours = _known.get() or (None, None)
    if kept is None or not kept.is_of(net, ours, dataset):
        return None
    return kept.batches
