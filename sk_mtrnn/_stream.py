"""A fitted model over sequences that are still going on: one time step in, predictions out."""

import copy
from dataclasses import replace
from itertools import accumulate, pairwise
from math import isfinite
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._running_pooling import running_pooling
from .recurrence import SteppingStack
from .sequences import as_numeric, assemble
from .sharing import SHARINGS


def can_stream(estimator):
    """Whether a model reads forwards only, and all off its last states; else an AttributeError."""
    net = getattr(estimator, "net_", None)

    def found(name):
        return getattr(estimator, name) if net is None else getattr(net, f"module__{name}")

    if found("bidirectional"):
        raise AttributeError(
            "stream needs bidirectional=False, as a backward layer starts at the end of a "
            f"sequence; found bidirectional={found('bidirectional')!r}."
        )
    if not isinstance(found("cell"), str):
        raise AttributeError(
            f"stream needs cell to be 'rnn', 'gru' or 'lstm', found {found('cell')!r}."
        )
    if not _reads_plainly(estimator):
        raise AttributeError(
            "stream needs missing='error', time_feature=None and no categorical channels."
        )
    if not (_names_plain_systems(estimator) if net is None else net.module_.is_plain):
        raise AttributeError(
            "stream needs sharing='hard', task_relation=None, input_skip=False, time_delays=None, "
            "and tasks that read the last layer with delay=0, no features of their own and no "
            "transitions."
        )
    return True


def _names_plain_systems(estimator):
    sharing = estimator.sharing
    known = SHARINGS.get(sharing) if isinstance(sharing, str) else sharing
    return (
        getattr(known, "is_one_stack", False)
        and estimator.task_relation is None
        and estimator.time_delays is None
        and not estimator.input_skip
    )


def _reads_plainly(estimator):
    """Whether steps are the channels of X as they are."""
    if hasattr(estimator, "net_"):
        return estimator._inputs.is_plain
    return (
        estimator.missing == "error"
        and estimator.time_feature is None
        and estimator.categorical_features is None
    )


def _has_classes(stream):
    if not stream._classified:
        raise AttributeError("predict_proba is there only if a task is classification.")
    return True


class StreamingPredictor:
    """Predict sequences step by step; made by the method ``stream`` of a fitted estimator.

    After t steps the predictions are those of the estimator's ``predict`` for the t steps seen so
    far, but a step costs the same however many there were: the recurrence carries its states, and
    every pooling is updated from its last value. "mean" keeps the sum of the states h_t, "max"
    their maximum, and "attention", for each task k, the online softmax (Milakov & Gimelshein 2018)
    over its scores s_t

        m' = max(m, s_t),   d' = d exp(m - m') + exp(s_t - m'),
        v' = v exp(m - m') + exp(s_t - m') h_t,   pooled = v' / d'

    which never exponentiates a positive number.

    Parameters
    ----------
    estimator : MultiTaskRNNClassifier, MultiTaskRNNRegressor or MultiTaskRNN
        Fitted, with ``bidirectional=False`` and a ``cell`` given by name.
    n_sequences : int, default=None
        How many sequences go on in lock-step. None: one, without an axis for it.

    Attributes
    ----------
    n_sequences : int or None
        As given.
    n_steps_ : int
        Steps seen since the start or the last `reset`.

    See Also
    --------
    MultiTaskRNN.stream : Makes one.

    Notes
    -----
    Everything needed is copied from the estimator once: fitting it again changes no running stream.
    Streams are independent of one another, can be pickled, and ``copy.deepcopy`` branches one off.
    They compute in numpy on the CPU in the ``dtype`` of the estimator, and agree with `predict`
    on a CPU to rounding; sums over steps are kept in float64.

    References
    ----------
    Milakov & Gimelshein (2018), "Online normalizer calculation for softmax", arXiv:1805.02867.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sk_mtrnn import MultiTaskRNN
    >>> X = np.random.default_rng(0).normal(size=(100, 6, 2))
    >>> y = pd.DataFrame(
    ...     {
    ...         "sign": np.where(X[:, :, 0].sum(1) > 0, "up", "down"),  # one a sequence
    ...         "total": list(X[:, :, 1].cumsum(1)),  # one a time step
    ...     }
    ... )
    >>> model = MultiTaskRNN(random_state=0).fit(X, y)
    >>> stream = model.stream()
    >>> for x in X[0]:
    ...     prediction = stream.step(x)
    >>> list(prediction)
    ['sign', 'total']
    >>> whole = model.predict(X[:1])
    >>> prediction["sign"] == whole["sign"][0]
    True
    >>> bool(np.isclose(prediction["total"], whole["total"][0][-1]))
    True
    >>> stream.predict_proba()["sign"].shape
    (2,)
    """

    def __init__(self, estimator, n_sequences=None):
        check_is_fitted(estimator, "net_")
        can_stream(estimator)
        if n_sequences is not None and not (
            isinstance(n_sequences, Integral)
            and not isinstance(n_sequences, bool)
            and n_sequences > 0
        ):
            raise ValueError(
                f"n_sequences must be None or a positive integer, found {n_sequences!r}."
            )
        self.n_sequences = n_sequences
        task_set, network = estimator._task_set, estimator.net_.module_
        self._names = list(task_set.names)
        self._tasks = copy.deepcopy(task_set.tasks)
        self._classified = list(task_set.classes)
        self._proba_layout = type(getattr(estimator, "classes_", None))

        shape = () if n_sequences is None else (n_sequences,)
        mean, scale = estimator._inputs.mean, estimator._inputs.scale
        self._shape = (*shape, mean.size)
        self._dtype = np.dtype(estimator._dtype)
        self._scaling = {  # in the dtype of x, as in predict
            np.dtype(kind): (mean.astype(kind), scale.astype(kind))
            for kind in (np.float32, np.float64)
        }
        tabular = estimator._tabular
        self._feature_names = None if tabular else getattr(estimator, "feature_names_in_", None)

        self._recurrence = SteppingStack(network.stacks[0], shape)
        self._pooling = running_pooling(network)
        self._weight, self._bias, columns = head_weights(network)
        rows = np.newaxis if n_sequences is None else slice(None)
        vectors = self._pooling.vectors(network.per_step)
        self._where = [(vector, rows, part) for vector, part in zip(vectors, columns, strict=True)]

        labels = estimator._labels
        self._layout = "1d" if labels.flat else labels.layout
        row = [task.decode(np.zeros((1, task.n_outputs), self._dtype)) for task in self._tasks]
        table = assemble(replace(labels, layout="2d"), row, [False] * len(row), np.arange(2))
        self._label_dtype = table.dtype
        self.reset()

    def reset(self):
        """Go back to before the first step, for a new sequence.

        Returns
        -------
        self
        """
        self.n_steps_ = 0
        self._outputs = None
        self._recurrence.reset()
        self._pooling.reset()
        return self

    def step(self, x):
        """Advance by one time step, and predict.

        Parameters
        ----------
        x : array-like of shape (n_features,), or (n_sequences, n_features)
            The next time step; for univariate sequences, as the rows of a table are, also a number,
            or (n_sequences,).

        Returns
        -------
        y : scalar, ndarray or dict
            One row of `predict`: for a per-step task its label at this step, for others the
            prediction from all steps so far. A scalar if y of `fit` was 1-D, a dict by task name if
            it was a DataFrame, else an ndarray of shape (n_tasks,). With ``n_sequences`` arrays of
            shape (n_sequences,), a dict of such, or (n_sequences, n_tasks).

        Raises
        ------
        ValueError
            If x is not numeric, has another shape, holds NaN or infinity, or names its features
            otherwise than in `fit`; the stream stays as it was.
        """
        with np.errstate(all="ignore"):  # what overflows is refused, or infinite as in predict
            state = self._recurrence.step(self._read(x))  # [..., D]
            outputs = self._pooling.update(state) @ self._weight  # [P, ..., C_1 + ... + C_K]
            outputs += self._bias
        self._outputs = [outputs[where] for where in self._where]  # each [n, C_k]
        self.n_steps_ += 1
        columns = [task.decode(o) for task, o in zip(self._tasks, self._outputs, strict=True)]
        return self._lay_out(columns)

    @available_if(_has_classes)
    def predict_proba(self):
        """Class probabilities after the last step.

        Returns
        -------
        ndarray of shape (n_classes,) or (n_sequences, n_classes), or list or dict of those
            One row of the estimator's `predict_proba`: columns, and the array, list or dict by
            name, as in ``classes_``.

        Raises
        ------
        ValueError
            If there was no step yet.
        """
        if self._outputs is None:
            raise ValueError("predict_proba needs at least one step, found n_steps_=0.")
        named = zip(self._names, self._tasks, self._outputs, strict=True)
        probabilities = {
            name: self._cut(task.decode_proba(output))
            for name, task, output in named
            if name in self._classified
        }
        if self._proba_layout is dict:
            return probabilities
        listed = list(probabilities.values())
        return listed if self._proba_layout is list else listed[0]

    def _read(self, x):
        """One step, checked, scaled and cast: x to (..., F)."""
        if isinstance(x, (pd.Series, pd.DataFrame)):
            self._check_names(x.axes[-1])
        step = as_numeric(x, " in the step x")
        if step.shape != self._shape:
            if (*step.shape, 1) != self._shape:
                raise ValueError(
                    f"x must be one time step of shape {self._shape}, with the features of fit on "
                    f"its last axis, found shape {step.shape}."
                )
            step = step[..., np.newaxis]
        mean, scale = self._scaling[step.dtype]
        scaled = step - mean
        scaled /= scale
        scaled = scaled.astype(self._dtype, copy=False)
        if not isfinite(np.vdot(scaled, scaled)):  # may be overflow of the product alone
            self._check_finite(step, scaled)
        return scaled

    def _check_finite(self, step, scaled):
        values = scaled if np.isfinite(step).all() else step
        bad = np.argwhere(~np.isfinite(values))
        if not len(bad):
            return
        if values is scaled:
            found = f"a value too large for dtype={self._dtype.name!r}"
        else:
            found = "NaN" if np.isnan(values[tuple(bad[0])]) else "infinity"
        *sequence, feature = bad[0].tolist()
        where = f"sequence {sequence[0]}, " if sequence else ""
        if self._feature_names is not None:
            feature = self._feature_names[feature]
        raise ValueError(f"Input x contains {found}: {where}feature {feature!r}. x must be finite.")

    def _check_names(self, names):
        fitted = self._feature_names
        named = all(isinstance(name, str) for name in names)
        if fitted is not None and named and list(fitted) != list(names):
            raise ValueError(
                "The feature names of x should match those that were passed during fit: expected "
                f"{list(fitted)}, found {list(names)}."
            )

    def _lay_out(self, columns):
        """One column (n,) a task to a row of predict, or n of them."""
        if self._layout == "1d":
            return self._cut(columns[0])
        if self._layout == "frame":
            return {name: self._cut(c) for name, c in zip(self._names, columns, strict=True)}
        table = np.empty((len(columns[0]), len(columns)), self._label_dtype)
        for k, column in enumerate(columns):
            table[:, k] = column
        return self._cut(table)

    def _cut(self, rows):
        """A single sequence has no axis of its own."""
        return rows if self.n_sequences else rows[0]


def head_weights(network):
    """All heads side by side: weight (D, ΣC_k), bias (ΣC_k,), and the columns of every task."""
    heads = [head for group in network.heads for head in group]
    weight = torch.cat([head.weight for head in heads]).detach().cpu().numpy()
    bias = torch.cat([head.bias for head in heads]).detach().cpu().numpy()
    ends = accumulate((len(head.bias) for head in heads), initial=0)
    return weight.T.copy(), bias, [slice(*pair) for pair in pairwise(ends)]
