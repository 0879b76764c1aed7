"""Poolings that are updated step by step, for sequences that are still going on."""

from abc import ABC, abstractmethod

import numpy as np
import torch


def running_pooling(network):
    """What the trained pooling of a network is, step by step."""
    pooling = network.pooling
    if pooling == "last" or all(network.per_step):  # then nothing is pooled
        return Last()
    if pooling == "attention":
        queries = [reading.pooling.query for reading in network.readings]
        return RunningAttention(torch.cat(queries).detach().cpu().numpy())
    return RunningMean() if pooling == "mean" else RunningMax()


class RunningPooling(ABC):
    """A pooling over the states of the last layer that is updated by each of them."""

    @abstractmethod
    def reset(self):
        """Forget all states."""

    @abstractmethod
    def update(self, h):
        """Take in a state (..., D); return what heads read (P, ..., D): it, then what is pooled."""

    def vectors(self, per_step):
        """Which of the P vectors each task reads."""
        return [0 if steps else 1 for steps in per_step]


class Last(RunningPooling):
    """The state after the last step, so that there is nothing to pool."""

    def reset(self):
        pass

    def update(self, h):
        return h[np.newaxis]

    def vectors(self, per_step):
        return [0] * len(per_step)


class RunningMax(RunningPooling):
    """The largest value of every unit."""

    def reset(self):
        self.largest = -np.inf

    def update(self, h):
        self.largest = np.maximum(h, self.largest)
        return _stacked(h, self.largest)


class RunningMean(RunningPooling):
    """The mean of all states."""

    def reset(self):
        self.total, self.count = np.float64(0.0), 0

    def update(self, h):
        self.total = self.total + h
        self.count += 1
        return _stacked(h, self.total / self.count)


class RunningAttention(RunningPooling):
    """For every task all states, weighted by the softmax of their scores.

    Parameters
    ----------
    query : ndarray of shape (K, D)
    """

    def __init__(self, query):
        self.query = query / query.shape[1] ** 0.5

    def reset(self):
        self.largest = np.float64(-np.inf)  # m
        self.total = self.weighted = np.float64(0.0)  # d and v

    def update(self, h):
        scores = self.query.dot(h.T)[..., np.newaxis]  # [K, ..., 1]
        largest = np.maximum(self.largest, scores)
        kept, new = np.exp(self.largest - largest), np.exp(scores - largest)
        self.largest = largest
        self.total = kept * self.total + new
        self.weighted = kept * self.weighted + new * h  # [K, ..., D]
        return _stacked(h, self.weighted / self.total)

    def vectors(self, per_step):
        return [0 if steps else k + 1 for k, steps in enumerate(per_step)]


def _stacked(h, pooled):
    """The state (..., D) above what is pooled, (..., D) or (K, ..., D), in its dtype."""
    rows = len(pooled) if pooled.ndim > h.ndim else 1
    vectors = np.empty((rows + 1, *h.shape), h.dtype)
    vectors[0] = h
    vectors[1:] = pooled
    return vectors
