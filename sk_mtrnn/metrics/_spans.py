"""F1 of the spans that labels per time step mark: the measure of CoNLL-2000."""

import warnings
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils._param_validation import Options, StrOptions, validate_params

from ..sequences import offsets_of

# L and U are what BILOU calls the last step of a span and a span of one step
_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}


@validate_params(
    {
        "average": [StrOptions({"micro", "macro", "weighted"}), None],
        "labels": ["array-like", None],
        "sample_weight": ["array-like", None],
        "zero_division": [Options(Real, {0.0, 1.0}), "nan", StrOptions({"warn"})],
    },
    prefer_skip_nested_validation=True,
)
def span_f1(
    y_true, y_pred, *, average="micro", labels=None, sample_weight=None, zero_division="warn"
):
    """F1 of labelled spans (slots, chunks, entities), by the rules of CoNLL-2000.

    Labels per time step mark spans: ``"B-x"`` begins one of type x, ``"I-x"`` goes on with it,
    ``"O"`` is outside. A predicted span is right if a true one has the same type, the same first
    and the same last step. With P the predicted spans, T the true ones and s the weight of the
    sample a span lies in,

        F1 = 2 Σ_{P ∩ T} s / (Σ_P s + Σ_T s)

    Step t goes on with the span of step t - 1 if its prefix is I or E, that of step t - 1 is B or
    I, and both name the same type; every other step that is not ``"O"`` begins a span. So a span
    may begin with ``"I-x"``, after ``"O"`` or another type, as in the script *conlleval* by which
    the shared task was scored. The schemes IOB1, IOB2 (BIO), IOBES and BILOU are all read by this
    rule.

    Parameters
    ----------
    y_true : list, Series or object array of (T_i,) arrays of str, array of shape \
            (n_samples, n_timesteps) or (n_samples, n_timesteps, 1), or DataFrame of one column
        True labels; each array or list is a sequence. ``"O"``, or one of the prefixes B, I, E and S
        (or L and U for the last two), a dash and the type; a prefix alone has the empty type. None,
        NaN and NA are missing labels, see Notes.
    y_pred : as ``y_true``
        Predicted labels; where ``y_true`` has a label there must be one.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        "micro": F1 over the spans of all types, the figure papers print. "macro": the mean of the
        types' F1. "weighted": their mean weighted by Σ_T s. None: one F1 a type.
    labels : array-like of str, default=None
        The types to score, in this order. None: all that occur in a scored span, sorted.
    sample_weight : array-like of shape (n_samples,), default=None
        s, one weight a sequence; one of 0 leaves it out.
    zero_division : {"warn", 0.0, 1.0, np.nan}, default="warn"
        The F1 where there is neither a predicted nor a true span. "warn" is 0 with a warning. NaN
        is left out of "macro" and "weighted".

    Returns
    -------
    float or ndarray of shape (n_types,)

    Raises
    ------
    ValueError
        If labels are no sequences of such strings, ``y_pred`` has other lengths than ``y_true`` or
        lacks a label, or ``y_true`` has no label at all.

    Warns
    -----
    UndefinedMetricWarning
        If there is no span and ``zero_division="warn"``.

    See Also
    --------
    exact_match : Share of samples that are right as a whole.
    task_scorer : ``task_scorer(span_f1, task="slots")`` is this of a fitted model.

    Notes
    -----
    What lies before the first label of a sequence and after the last one, such as padding, is cut
    off. Further inside, a missing label leaves the ends of its neighbours open: a span, true or
    predicted, is scored if all its steps and the step on either side of it (where the sequence has
    one) are labelled. So no prediction at a step without label changes the score. Steps that are
    without label by convention, such as all pieces of a word but its first, are best left out of
    both sides beforehand.

    References
    ----------
    Tjong Kim Sang & Buchholz (2000), "Introduction to the CoNLL-2000 Shared Task: Chunking", CoNLL.

    Examples
    --------
    >>> from sk_mtrnn.metrics import span_f1
    >>> y_true = [["B-city", "I-city", "O"], ["O", "B-day"]]
    >>> y_pred = [["B-city", "I-city", "O"], ["B-day", "I-day"]]
    >>> span_f1(y_true, y_pred)
    0.5
    >>> span_f1(y_true, y_pred, average=None, labels=["city", "day"])
    array([1., 0.])
    """
    y_true, y_pred = _read(y_true, "y_true"), _read(y_pred, "y_pred")
    weights = _read_weights(sample_weight, len(y_true))
    pairs = [_labelled_part(i, *pair) for i, pair in enumerate(_zipped(y_true, y_pred))]
    kept = [i for i, pair in enumerate(pairs) if pair is not None and weights[i] > 0]
    if not kept:
        raise ValueError("y_true must hold at least one label (of a weight above 0), found none.")
    true, pred = (np.concatenate(side) for side in zip(*(pairs[i] for i in kept), strict=True))
    offsets = offsets_of([len(pairs[i][0]) for i in kept])
    missing = pd.isna(true)
    true, pred = (_Spans(tags, missing, offsets) for tags in (true, pred))
    if labels is None:
        types = np.union1d(true.types, pred.types)
    else:
        types = np.asarray(labels, dtype=object)
    right = true.in_(pred)
    n_right, n_true, n_pred = (
        spans.weight_of(types, weights[kept], chosen)
        for spans, chosen in ((true, right), (true, ...), (pred, ...))
    )
    if average == "micro" or (average is not None and not len(types)):
        n_right, n_true, n_pred = (np.sum(n, keepdims=True) for n in (n_right, n_true, n_pred))
    f1 = _f1(n_right, n_true, n_pred, types, zero_division)
    if average is None:
        return f1
    return _mean(f1, n_true if average == "weighted" else np.ones(len(f1)))


span_f1.by_sample = True  # scorers hand it whole sequences


class _Spans:
    """The spans that can be scored, by their first step.

    Parameters
    ----------
    tags : ndarray of object, shape (sum_T,)
    missing : ndarray of bool, shape (sum_T,)
        Steps without true label.
    offsets : ndarray of shape (n_samples + 1,)

    Attributes
    ----------
    first, last : ndarray of int, shape (n_spans,)
        Steps.
    types : ndarray of str, shape (n_spans,)
    sample : ndarray of int, shape (n_spans,)
    """

    def __init__(self, tags, missing, offsets):
        found, codes = np.unique(
            np.where(pd.isna(tags), "O", tags).astype(str), return_inverse=True
        )
        prefixes, types = zip(*(_parse(tag) for tag in found.tolist()), strict=True)
        prefix, type_ = np.array(prefixes)[codes], np.array(types, dtype=object)[codes]
        goes_on = np.zeros(len(tags), dtype=bool)
        goes_on[1:] = np.isin(prefix[1:], ["I", "E"]) & np.isin(prefix[:-1], ["B", "I"])
        goes_on[1:] &= type_[1:] == type_[:-1]
        goes_on[offsets[:-1]] = False
        inside = prefix != "O"
        first = np.flatnonzero(inside & ~goes_on)
        last = np.flatnonzero(inside & ~np.append(goes_on[1:], False))
        sample = np.searchsorted(offsets, first, side="right") - 1
        # known if no label is missing from the step before it to the step after it
        n_missing = np.append(0, np.cumsum(missing))
        before = np.maximum(first - 1, offsets[sample])
        after = np.minimum(last + 1, offsets[sample + 1] - 1)
        known = n_missing[after + 1] == n_missing[before]
        self.first, self.last, self.sample = first[known], last[known], sample[known]
        self.types = type_[first[known]]

    def in_(self, other):
        """Which of these spans are among others: type and both ends agree."""
        _, mine, theirs = np.intersect1d(
            self.first, other.first, assume_unique=True, return_indices=True
        )
        same = self.last[mine] == other.last[theirs]
        same &= self.types[mine] == other.types[theirs]
        found = np.zeros(len(self.first), dtype=bool)
        found[mine[same]] = True
        return found

    def weight_of(self, types, weights, chosen):
        """Σ s over the chosen spans of each type."""
        of_type = self.types[chosen][:, None] == types  # [n_spans, n_types]
        return weights[self.sample[chosen]] @ of_type.astype(np.float64)


def _parse(tag):
    """Prefix and type of a label."""
    if tag == "O":
        return "O", ""
    prefix, _, type_ = tag.partition("-")
    if prefix not in _PREFIXES:
        raise ValueError(
            "Labels of spans must be 'O', or one of B, I, E, S (or L, U), a dash and a type, such "
            f"as 'B-city', found {tag!r}."
        )
    return _PREFIXES[prefix], type_


def _read(y, parameter):
    """Labels as a list of (T_i,) object arrays, None for a sequence without."""
    if isinstance(y, pd.DataFrame):
        if y.shape[1] != 1:
            raise ValueError(
                f"{parameter} must hold the labels of one task, found the columns "
                f"{list(y.columns)}."
            )
        y = y.iloc[:, 0]
    if getattr(y, "ndim", 0) == 3 and y.shape[2] == 1:
        y = y[:, :, 0]
    if isinstance(y, str) or not hasattr(y, "__len__"):
        raise ValueError(f"{parameter} must be a list of sequences of labels, found {y!r}.")
    sequences = []
    for sample, cell in enumerate(y):
        if np.ndim(cell) == 0 and not isinstance(cell, str) and pd.isna(cell):
            sequences.append(None)
            continue
        labels = np.asarray(cell, dtype=object)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1:
            found = repr(cell) if labels.ndim == 0 else f"shape {labels.shape}"
            raise ValueError(
                f"{parameter} must hold a sequence of labels for each sample, shape (T_i,), found "
                f"{found} in sample {sample}."
            )
        for step, label in enumerate(labels):
            if not isinstance(label, str) and not pd.isna(label):
                raise ValueError(
                    f"{parameter} must hold labels that are strings such as 'O' and 'B-city', "
                    f"found {label!r} in sample {sample}, time step {step}."
                )
        sequences.append(labels)
    return sequences


def _read_weights(sample_weight, n_samples):
    """One weight a sequence."""
    weights = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, float)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have one weight for each of the {n_samples} sequences, found "
            f"shape {weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight must be nonnegative and finite, found other entries.")
    return weights


def _zipped(y_true, y_pred):
    """True and predicted labels, sample by sample."""
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_pred must hold the {len(y_true)} sequences of y_true, found {len(y_pred)}."
        )
    return zip(y_true, y_pred, strict=True)


def _labelled_part(sample, true, pred):
    """Both sides of a sample from its first label to its last; None if it has no label."""
    known = np.zeros(0, dtype=bool) if true is None else ~pd.isna(true)
    if not known.any():
        return None
    if pred is None or len(pred) != len(true):
        found = "none" if pred is None else len(pred)
        raise ValueError(
            f"y_pred must hold a label for each of the {len(true)} time steps of sample {sample}, "
            f"found {found}."
        )
    absent = known & pd.isna(pred)
    if absent.any():
        raise ValueError(
            "y_pred must hold a label wherever y_true does, found none in sample "
            f"{sample}, time step {int(np.argmax(absent))}."
        )
    steps = np.flatnonzero(known)
    part = slice(steps[0], steps[-1] + 1)
    return true[part], pred[part]


def _f1(n_right, n_true, n_pred, types, zero_division):
    """F1 of each entry; ``zero_division`` where there is no span."""
    total = n_true + n_pred
    empty = total == 0
    if zero_division == "warn":
        zero_division = 0.0
        if empty.any():
            which = f" of {types[empty].tolist()}" if len(types) == len(empty) else ""
            warnings.warn(
                f"span_f1 is ill-defined and set to 0.0: there is no true or predicted span{which}",
                UndefinedMetricWarning,
                stacklevel=4,
            )
    f1 = np.full(len(total), float(zero_division))
    return np.divide(2 * n_right, total, out=f1, where=~empty)


def _mean(f1, weights):
    """Mean of what is defined; unweighted where all weights are 0, as scikit-learn has it."""
    defined = ~np.isnan(f1)
    if not defined.any():
        return float("nan")
    weights = weights[defined]
    return float(np.average(f1[defined], weights=weights if weights.any() else None))
