"""Sentences in every form people have them, read as the distinct words that occur."""

from itertools import chain

import numpy as np
import pandas as pd

from ..sequences import Ragged, offsets_of
from ._containers import described

_LISTS = (list, tuple, np.ndarray, pd.Series, pd.api.extensions.ExtensionArray)


def named_sentences(X):
    """Sentences, and the index that names them.

    Parameters
    ----------
    X : object
        Of a DataFrame with a (sample, time) index and one column of words, the sentences are made,
        in order of time. All else stays as it is.

    Returns
    -------
    X : object
    index : pandas.Index or None
    """
    if not isinstance(X, pd.DataFrame):
        return X, X.index if isinstance(X, pd.Series) else None
    if X.index.nlevels != 2 or X.shape[1] != 1 or len(X) == 0:
        levels = X.index.nlevels
        raise ValueError(
            "X must be a list, array or Series of sentences, each a list of str, or a DataFrame of "
            f"one column of words with a (sample, time) index, found a DataFrame of shape {X.shape}"
            f" with {levels} index level{'s' * (levels > 1)}."
        )
    order = Ragged.from_panel(pd.DataFrame(np.arange(len(X)), index=X.index))
    words = X.iloc[:, 0].astype(object).to_numpy()[order.values[:, 0].astype(np.int64)]
    return np.split(words, order.offsets[1:-1]), order.index


def distinct_words(X):
    """The distinct words of X, for each step which of them it is, and the offsets."""
    sentences = _sentences(X)
    steps = list(chain.from_iterable(sentences))
    offsets = offsets_of([len(sentence) for sentence in sentences])
    if not all(issubclass(kind, str) for kind in set(map(type, steps))):
        row = next(row for row, word in enumerate(steps) if not isinstance(word, str))
        sample = int(np.searchsorted(offsets, row, side="right")) - 1
        raise ValueError(
            f"X must hold words as str, found {described(steps[row])} "
            f"({type(steps[row]).__name__}) in sample {sample}, step {row - offsets[sample]}."
        )
    number = {}
    of_word = np.fromiter(
        (number.setdefault(word, len(number)) for word in steps), np.int64, len(steps)
    )
    return [str(word) for word in number], of_word, offsets


def _sentences(X):
    """X as a list of lists, none of them empty."""
    if not _is_list(X):
        raise ValueError(
            f"X must be a list, array or Series of sentences, each a list of str, found "
            f"{described(X)}."
        )
    sentences = list(X)
    if not sentences:
        raise ValueError("X must hold at least one sentence, found 0 samples.")
    for sample, sentence in enumerate(sentences):
        if not _is_list(sentence):
            raise ValueError(
                f"X must hold sentences as lists of words, found {described(sentence)} in sample "
                f"{sample}. A sentence that is a str is split first, as by sentence.split(); if X "
                "is one sentence, pass [X]."
            )
        if len(sentence) == 0:
            raise ValueError(
                f"Every sentence in X must hold at least one word, found 0 in sample {sample} (an "
                "empty sequence)."
            )
    return sentences


def _is_list(X):
    return isinstance(X, _LISTS) and getattr(X, "ndim", 1) > 0
