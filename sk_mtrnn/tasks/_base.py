"""What a task is: labels to tensors and back."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval


class Task(BaseEstimator, ABC):
    """One thing to predict: the options of its loss, and both directions of its labels.

    A task object holds parameters. `fit` clones it once per column and calls, on the clone, `learn`
    with the training labels; from then on it turns labels into what its loss reads (`encode`) and
    network outputs into labels (`decode`). Nothing else in the package asks what type a task has.

    Attributes
    ----------
    type_name : str
        The type's name in ``tasks`` and ``task_types_``.
    encoded_dtype : dtype
        Of the arrays `encode` returns.
    layer, features, delay, trim
        How the network reads the task, and its loss the batch; see `RegressionTask`.
    transitions
        Whether the labels of neighbouring steps are linked; see `ClassificationTask`.
    """

    type_name: ClassVar[str]
    encoded_dtype: ClassVar[type]

    # options of every task; a task that has one as a parameter overrides it
    layer = -1
    features = None
    delay = 0
    trim = 0.0
    transitions = None

    _parameter_constraints: ClassVar[dict] = {}
    _common_constraints: ClassVar[dict] = {
        "layer": [Integral],
        "features": ["array-like", None],
        "delay": [Integral],
        "trim": [Interval(Real, 0, 1, closed="left")],
    }

    @abstractmethod
    def learn(self, labels, weights, *, name, standardize):
        """Learn the encoding from the labelled training entries.

        Parameters
        ----------
        labels : ndarray of shape (n_labels,)
        weights : ndarray of shape (n_labels,)
            Sample weights of these entries.
        name : hashable
            The task's name, for messages.
        standardize : bool
            Whether a target is scaled to zero mean and unit variance.

        Returns
        -------
        self
        """

    @property
    @abstractmethod
    def learned(self):
        """Whether the encoding is known."""

    @property
    @abstractmethod
    def n_outputs(self):
        """How many numbers the network's head gives."""

    def declare_classes(self, classes, *, name):
        """Learn the classes before any label is seen; nothing to do for a task without classes."""

    @abstractmethod
    def encode(self, labels, *, name):
        """Turn labels (n_labels,) into an array the loss reads.

        Raises
        ------
        ValueError
            If a label is none the task can encode; the message names task and label.
        """

    def weigh_classes(self, labels, weights, *, name):
        """Learn what each class weighs in training; nothing to do for a task without classes."""

    def label_weights(self, labels, weights, *, name):
        """Weights (n_labels,) of labelled entries, classes weighed in; by default as given."""
        return weights

    def learn_transitions(self, values, known, offsets):
        """See which labels follow which, in sequences stored end to end; by default nothing.

        Parameters
        ----------
        values : ndarray of shape (sum_T,)
            As `encode` gives them.
        known : ndarray of bool, same shape
            Which steps have a label that weighs.
        offsets : ndarray of shape (n_samples + 1,)
        """

    def build_transitions(self):
        """Build the module that links neighbouring steps, a `LinearChain`; None where none does."""
        return None

    @abstractmethod
    def losses(self, outputs, values):
        """Loss of each entry: Tensors (..., n_outputs) and (...) to (...).

        ``outputs`` is fastest as a transposed tensor, its last axis not the one that lies dense. It
        must be finite for outputs of 0 and any label: entries without label get these. Systems that
        compare losses by their ratios need it nonnegative.
        """

    @property
    def likelihood(self):
        """(a, c): with loss L and a learned s, a exp(-s) L + c s is a negative log-likelihood.

        That of a noise of scale σ, s = log σ² or, where c = 1, log σ; leave-outs are constants. By
        default that of a likelihood at a temperature σ² (Kendall et al. 2018, equation 10).
        """
        return 1.0, 0.5

    def predicted(self, outputs):
        """Outputs as the predictions another task may read: Tensors (..., C) to (..., P)."""
        return outputs

    @property
    def loss_key(self):
        """Tasks of equal keys have the same function `losses`, called once for all of them.

        Hashable; by default no other task's.
        """
        return id(self)

    @abstractmethod
    def decode(self, outputs):
        """Turn network outputs (m, n_outputs) into labels or units: an array (m,)."""

    def decode_proba(self, outputs):
        """Class probabilities (m, n_classes); None for a task without classes."""
        return None

    def decode_std(self, outputs):
        """Predictive standard deviation in the target's units (m,); NaN where there is none."""
        return np.full(len(outputs), np.nan)

    @abstractmethod
    def score(self, labels, predictions, weights):
        """The task's own score, higher is better: labels, predictions and weights (m,) to float."""
