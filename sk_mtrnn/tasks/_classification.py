"""Classification: one softmax per task."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn import functional as F

from ._base import Task


class ClassificationTask(Task):
    """A task whose labels are classes.

    With p = softmax(o) over the outputs o, the loss of an entry of class c is the cross-entropy

        ℓ = -Σ_j q_j log p_j,   q_j = (1 - ε) [j = c] + ε / C

    with ε the label smoothing (Szegedy et al. 2016, section 7).

    Parameters
    ----------
    label_smoothing : float in [0, 1), default=0.0
        ε: share of the target probability spread evenly over all C classes.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. "balanced":
        Σ s / (C Σ_{entries of the class} s) over the training labels of the task (in
        `partial_fit`: of the chunk), C counting the classes among them. None takes the estimator's
        ``class_weight``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    class_factor_ : ndarray of shape (n_classes,)
        What each class weighs.

    References
    ----------
    Szegedy et al. (2016), "Rethinking the Inception Architecture for Computer Vision", CVPR.

    Examples
    --------
    >>> from sk_mtrnn import ClassificationTask
    >>> ClassificationTask(label_smoothing=0.1)
    ClassificationTask(label_smoothing=0.1)
    """

    type_name = "classification"
    encoded_dtype = np.int64

    _parameter_constraints = {
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(self, label_smoothing=0.0, class_weight=None):
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def learn(self, labels, weights, *, name, standardize):
        self._validate_params()
        if labels.dtype.kind == "f" and np.any(labels != np.floor(labels)):
            raise ValueError(
                f"Unknown label type: continuous. Task {name!r} is classification, but its labels "
                "are fractions; a regression task takes them."
            )
        self.classes_ = np.unique(labels)
        self.check_class_weight()
        return self

    def declare_classes(self, classes, *, name):
        if classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit, as a list in task order "
                f"or a dict by name; found none for task {name!r}."
            )
        classes = np.asarray(classes)
        if classes.ndim != 1 or len(classes) == 0:
            raise ValueError(
                f"classes of task {name!r} must be a 1-D array-like of labels, found shape "
                f"{classes.shape}."
            )
        if pd.isna(classes).any():
            raise ValueError(f"classes of task {name!r} must not hold missing labels.")
        strings = classes.dtype.kind in "US"
        self.learn(
            classes.astype(object) if strings else classes, None, name=name, standardize=False
        )

    def check_class_weight(self):
        """Refuse a ``class_weight`` that names no class of the task, or is no weight."""
        if not isinstance(self.class_weight, dict):
            return
        for label, weight in self.class_weight.items():
            if label not in self.classes_.tolist():
                raise ValueError(
                    f"class_weight names the unknown class {label!r}; the classes of the task are "
                    f"{self.classes_.tolist()}."
                )
            if not isinstance(weight, Real) or not 0 <= weight < np.inf:
                raise ValueError(
                    f"class_weight must hold nonnegative numbers, found {weight!r} for class "
                    f"{label!r}."
                )

    @property
    def learned(self):
        return hasattr(self, "classes_")

    @property
    def n_outputs(self):
        return len(self.classes_)

    def encode(self, labels, *, name):
        try:
            index = np.searchsorted(self.classes_, labels)
        except TypeError:  # strings among numbers, or the other way round
            index = np.zeros(len(labels), dtype=np.int64)
        index = np.minimum(index, len(self.classes_) - 1)
        unseen = self.classes_[index] != labels
        if np.any(unseen):
            found = labels[int(np.argmax(unseen))]
            found = found.item() if isinstance(found, np.generic) else found
            raise ValueError(
                f"y holds the unseen class {found!r} in task {name!r}; its classes are "
                f"{self.classes_.tolist()}."
            )
        return index

    def weigh_classes(self, labels, weights, *, name):
        self.class_factor_ = np.ones(len(self.classes_))
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                self.class_factor_[self.classes_.tolist().index(label)] = weight
        elif self.class_weight == "balanced":
            index = self.encode(labels, name=name)
            total = np.bincount(index, weights=weights, minlength=len(self.classes_))
            present = total > 0
            self.class_factor_[present] = total.sum() / (present.sum() * total[present])

    def label_weights(self, labels, weights, *, name):
        return weights * self.class_factor_[self.encode(labels, name=name)]

    def losses(self, outputs, values):
        outputs = outputs.movedim(-1, min(1, values.ndim))  # where torch has its classes
        return F.cross_entropy(
            outputs, values, reduction="none", label_smoothing=self.label_smoothing
        )

    @property
    def loss_key(self):
        if type(self) is not ClassificationTask:  # a subclass may have a loss of its own
            return super().loss_key
        return ClassificationTask, self.n_outputs, self.label_smoothing

    def decode(self, outputs):
        return self.classes_[outputs.argmax(axis=1)]

    def decode_proba(self, outputs):
        p = outputs - outputs.max(axis=1, keepdims=True).astype(np.float64)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return p

    def score(self, labels, predictions, weights):
        return float(accuracy_score(labels, predictions, sample_weight=weights))
