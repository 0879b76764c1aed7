"""Classification: one softmax per task."""

from numbers import Real

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn import functional as F

from ._base import Task
from ._linear_chain import LinearChain


class ClassificationTask(Task):
    """A task whose labels are classes.

    With p = softmax(o) over the outputs o, the loss of an entry of class c is the cross-entropy

        ℓ = -Σ_j q_j log p_j,   q_j = (1 - ε) [j = c] + ε / C

    with ε the label smoothing (Szegedy et al. 2016, section 7), or, where ``loss="focal"``, the
    focal loss (Lin et al. 2017, equation 4, without its α, which ``class_weight`` is)

        ℓ = -Σ_j q_j (1 - p_j)^γ log p_j

    Parameters
    ----------
    label_smoothing : float in [0, 1), default=0.0
        ε: share of the target probability spread evenly over all C classes.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights. "balanced":
        Σ s / (C Σ_{entries of the class} s) over the training labels of the task (in
        `partial_fit`: of the chunk), C counting the classes among them. None takes the estimator's
        ``class_weight``.
    loss : {"cross_entropy", "focal"}, default="cross_entropy"
    gamma : float, default=2.0
        γ of "focal": how much entries that are predicted well are played down; 0 is cross-entropy.
    layer : int, default=-1
        The recurrent layer the head reads, counted as in ``hidden_layer_sizes`` (Søgaard & Goldberg
        2016).
    features : array-like of int or str, or None, default=None
        Channels of X that are this task's own, by index (negative ones count from the end) or name:
        they go through a projection of their own into the space of inputs which the recurrence
        shares. None: all channels of X, as they are. With it no state is common to all tasks, so
        that there is neither ``transform`` nor ``add_task``. A table has one channel, 0.
    delay : int, default=0
        For labels per time step: that of step t is read off the state of step t + delay. Negative:
        a forecast. Labels whose state lies outside the sequence are left out of the loss, and
        predicted from the nearest one.
    trim : float in [0, 1), default=0.0
        Share of the labelled entries in every batch, those of the highest losses, that the loss
        leaves out: outliers. The rest weighs as much as all did. As it holds in every batch, it
        must be clearly above the share of outliers.
    transitions : {"constrained", "learned"} or None, default=None
        For labels per time step: how those of neighbouring steps are linked. None: each step is
        predicted on its own. "constrained": the network is trained as with None, but predictions
        are the likeliest sequences whose first label and whose pairs of neighbours occur in the
        training labels (Viterbi), earlier chunks and warm starts included, so that a scheme such as
        BIO is never broken. "learned": a linear chain (Lafferty et al. 2001; Huang et al. 2015)

            p(y | x) ∝ exp(a_{y_1} + Σ_t o_t[y_t] + Σ_t A[y_t-1, y_t] + e_{y_T})

        with a, A and e learned together with the network. The loss is -log p of the labels a
        sequence has, summed over the labels of steps without, and divided by their number; weights
        of its steps count by their mean. Probabilities are marginals (forward-backward) with both.

    Attributes
    ----------
    allowed_ : ndarray of bool, shape (n_classes, n_classes)
        With "constrained": which class (column) was seen right behind which (row).
    allowed_start_ : ndarray of bool, shape (n_classes,)
        With "constrained": the classes seen at the first step.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    class_factor_ : ndarray of shape (n_classes,)
        What each class weighs.

    References
    ----------
    Huang, Xu & Yu (2015), "Bidirectional LSTM-CRF Models for Sequence Tagging", arXiv:1508.01991.
    Lafferty, McCallum & Pereira (2001), "Conditional Random Fields: Probabilistic Models for
    Segmenting and Labeling Sequence Data", ICML.
    Lin et al. (2017), "Focal Loss for Dense Object Detection", ICCV.
    Søgaard & Goldberg (2016), "Deep multi-task learning with low level tasks supervised at lower
    layers", ACL.
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
        **Task._common_constraints,
        "loss": [StrOptions({"cross_entropy", "focal"})],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "transitions": [StrOptions({"constrained", "learned"}), None],
    }

    def __init__(
        self,
        label_smoothing=0.0,
        class_weight=None,
        loss="cross_entropy",
        gamma=2.0,
        layer=-1,
        features=None,
        delay=0,
        trim=0.0,
        transitions=None,
    ):
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.loss = loss
        self.gamma = gamma
        self.layer = layer
        self.features = features
        self.delay = delay
        self.trim = trim
        self.transitions = transitions

    def learn(self, labels, weights, *, name, standardize):
        self._validate_params()
        if labels.dtype.kind == "f" and np.any(labels != np.floor(labels)):
            raise ValueError(
                f"Unknown label type: continuous. Task {name!r} is classification, but its labels "
                "are fractions; a regression task takes them."
            )
        if self.transitions == "learned" and (self.loss != "cross_entropy" or self.label_smoothing):
            raise ValueError(
                f"transitions='learned' of task {name!r} has a loss of its own: expected "
                "loss='cross_entropy' and label_smoothing=0, found "
                f"loss={self.loss!r} and label_smoothing={self.label_smoothing!r}."
            )
        self.classes_ = np.unique(labels)
        self.check_class_weight()
        return self

    def learn_transitions(self, values, known, offsets):
        if self.transitions != "constrained":
            return
        n_classes = len(self.classes_)
        if not hasattr(self, "allowed_") or len(self.allowed_start_) != n_classes:
            self.allowed_ = np.zeros((n_classes, n_classes), dtype=bool)
            self.allowed_start_ = np.zeros(n_classes, dtype=bool)
        first = offsets[:-1]
        self.allowed_start_[values[first][known[first]]] = True
        follows = known.copy()
        follows[first] = False
        follows[1:] &= known[:-1]
        rows = np.flatnonzero(follows)
        self.allowed_[values[rows - 1], values[rows]] = True

    def build_transitions(self):
        if self.transitions is None:
            return None
        constrained = self.transitions == "constrained"
        return LinearChain(
            self.n_outputs,
            getattr(self, "allowed_", None) if constrained else None,
            getattr(self, "allowed_start_", None) if constrained else None,
            learned=not constrained,
        )

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
        if self.loss == "focal":
            return self._focal(outputs, values)
        outputs = outputs.movedim(-1, min(1, values.ndim))  # where torch has its classes
        return F.cross_entropy(
            outputs, values, reduction="none", label_smoothing=self.label_smoothing
        )

    def _focal(self, outputs, values):
        log_p = F.log_softmax(outputs, dim=-1)  # [..., C]
        if self.gamma:  # of 0 the power has no gradient where p is 1
            rest = -torch.expm1(log_p)  # 1 - p, exact where p is close to 1
            log_p = rest.clamp(min=torch.finfo(rest.dtype).tiny) ** self.gamma * log_p
        smooth = self.label_smoothing
        of_class = log_p.gather(-1, values[..., None]).squeeze(-1)
        return -(1 - smooth) * of_class - smooth * log_p.mean(-1)

    def predicted(self, outputs):
        return torch.softmax(outputs, dim=-1)

    @property
    def loss_key(self):
        # a subclass may have a loss of its own, and a learned chain is one task's
        if type(self) is not ClassificationTask or self.transitions == "learned":
            return super().loss_key
        gamma = self.gamma if self.loss == "focal" else None
        return ClassificationTask, self.n_outputs, self.label_smoothing, gamma, self.trim

    def decode(self, outputs):
        return self.classes_[outputs.argmax(axis=1)]

    def decode_proba(self, outputs):
        p = outputs - outputs.max(axis=1, keepdims=True).astype(np.float64)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return p

    def score(self, labels, predictions, weights):
        return float(accuracy_score(labels, predictions, sample_weight=weights))
