"""Sentences as sequences of categories: words, their beginnings and ends, their shapes."""

import re
import unicodedata
import warnings
from copy import copy
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, RealNotInt
from sklearn.utils.validation import check_is_fitted

from ..sequences import Ragged, validate_sequences
from ._sentences import distinct_words, named_sentences

_AFFIX = re.compile(r"(prefix|suffix)([1-9][0-9]*)")


class TokenEncoder(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Encode sentences, lists of words, as sequences of categorical channels.

    With w_it the word at step t of sentence i, f_c(w) the value of column c for a word w, and
    V_c = (v_1, ..., v_n), sorted, the values of that column which training held often enough,

        x_itc = j where f_c(w_it) = v_j,   0 where f_c(w_it) is not in V_c

    The channels are marked as categorical, so that an estimator behind the encoder embeds each of
    them.

    Parameters
    ----------
    columns : sequence of str, callable or (str, callable), default=("word", "prefix2", "prefix3", \
            "suffix1", "suffix2", "suffix3", "shape")
        What is told about each word, one channel each:

        - "word": the word itself.
        - "prefixN", "suffixN": its first or last N characters, N ≥ 1; all of it where it is
          shorter.
        - "shape": its characters as X (upper case), x (other letters), d (digits) or, all others,
          themselves; of a run of equal ones, one: "Xx", "d", "X-x". It tells of capitals, digits
          and hyphens.
        - a callable, or a pair of a name and a callable: any function of the word, as spelled,
          that gives a str.
    lowercase : bool, default=True
        Whether "word" and the affixes are taken from the word in lower case. "shape" and callables
        see it as spelled.
    min_frequency : int ≥ 1 or float in (0, 1), default=1
        How often training must hold a value for it to get a code of its own, as a number or as a
        share of all words; for each column by itself.

    Attributes
    ----------
    vocabularies_ : dict of str to ndarray of str
        V_c for each column, by its name. Code i + 1 stands for entry i.

    See Also
    --------
    sklearn.preprocessing.OrdinalEncoder : The same for the columns of a table.
    SequenceTransformer : A scikit-learn transformer over the time steps of sequences.

    Notes
    -----
    Affixes are those of Ratnaparkhi (1996, table 1), which has them up to four characters and for
    rare words only; lower-case words with their capitals beside them are those of Collobert et al.
    (2011). Unlike there, and in Lample et al. (2016), numbers stay themselves: one that training
    lacked is an unknown word of the shape "d". ``("word", normalise)`` with a function of your own,
    such as one that makes every digit 0, changes that.

    With ``min_frequency=1`` training holds no 0, and what the estimator makes of one it learns only
    if it replaces some words in training by its entry for the unknown (``unknown_rate``). Else 0 is
    learned from what is rare.

    Embeddings known beforehand, given to the estimator as an array, have a row for 0 and then one
    for each entry of ``vocabularies_``.

    ``set_output`` changes nothing: what comes out is always `Ragged`.

    References
    ----------
    Collobert et al. (2011), "Natural Language Processing (Almost) from Scratch", JMLR 12.
    Lample et al. (2016), "Neural Architectures for Named Entity Recognition", NAACL.
    Ratnaparkhi (1996), "A Maximum Entropy Model for Part-Of-Speech Tagging", EMNLP.

    Examples
    --------
    >>> from sk_mtrnn.preprocessing import TokenEncoder
    >>> encoder = TokenEncoder(columns=("word", "suffix1", "shape"))
    >>> X = encoder.fit_transform([["Play", "jazz"], ["play", "U2", "now"]])
    >>> X
    Ragged(n_samples=2, n_features=3, lengths 2..3, float64)
    >>> encoder.vocabularies_["word"]
    array(['jazz', 'now', 'play', 'u2'], dtype=object)
    >>> encoder.transform([["Play", "blues", "now"]])[0]
    array([[3., 3., 2.],
           [0., 0., 3.],
           [2., 2., 3.]])

    Before an estimator, sentences are its X:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_mtrnn import MultiTaskRNNClassifier
    >>> model = make_pipeline(encoder, MultiTaskRNNClassifier(max_epochs=5, random_state=0))
    >>> model.fit([["Play", "jazz"], ["stop", "it"]], ["music", "control"]).predict([["stop"]])
    array(['control'], dtype=object)
    """

    _parameter_constraints = {
        "columns": ["array-like"],
        "lowercase": ["boolean"],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
    }

    def __init__(
        self,
        columns=("word", "prefix2", "prefix3", "suffix1", "suffix2", "suffix3", "shape"),
        lowercase=True,
        min_frequency=1,
    ):
        self.columns = columns
        self.lowercase = lowercase
        self.min_frequency = min_frequency

    def fit(self, X, y=None):
        """Learn the values of each column.

        Parameters
        ----------
        X : list, tuple, array or Series of n_samples lists of str, or DataFrame
            See `transform`.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is not valid, see `transform`, or ``columns`` are none, unknown or named alike.

        Warns
        -----
        UserWarning
            If ``min_frequency`` leaves a column without values: all its words are unknown.
        """
        self._validate_params()
        self._functions = _read_columns(self.columns, self.lowercase)
        words, of_word, _ = distinct_words(named_sentences(X)[0])
        counts = np.bincount(of_word)
        least = self.min_frequency
        least = least if isinstance(least, Integral) else least * len(of_word)
        self.vocabularies_ = {
            name: _vocabulary(_values(name, function, words), counts, least)
            for name, function in self._functions.items()
        }
        empty = [name for name, values in self.vocabularies_.items() if len(values) == 0]
        if empty:
            warnings.warn(
                f"min_frequency={self.min_frequency} leaves no value in the columns {empty}: "
                "every word is unknown there.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def transform(self, X):
        """Encode sentences.

        Parameters
        ----------
        X : list, tuple, array or Series of n_samples lists of str, or DataFrame
            A two-dimensional array of str holds one sentence a row; a DataFrame with a (sample,
            time) index and one column of str, one word a row.

        Returns
        -------
        Ragged of n_columns features
            All categorical, named as the columns. The index is that of X, if it is a Series, and
            of a DataFrame its samples.

        Raises
        ------
        ValueError
            If X is not a list of sentences, if a sentence is a str or empty, or if a word is not a
            str, naming sample and step. If a callable does not give a str.
        """
        check_is_fitted(self)
        sentences, index = named_sentences(X)
        words, of_word, offsets = distinct_words(sentences)
        codes = np.empty((len(words), len(self.vocabularies_)))
        for c, (name, function) in enumerate(self._functions.items()):
            codes[:, c] = _lookup(self.vocabularies_[name], _values(name, function, words))
        names = self.get_feature_names_out()
        return Ragged(codes[of_word], offsets, names, index, np.ones(len(names), dtype=bool))

    def inverse_transform(self, X):
        """Read the values of the first column back.

        Parameters
        ----------
        X : Ragged of n_columns features, or sequences in another layout
            What `transform` gives.

        Returns
        -------
        list of lists of str
            As the column has them: words in lower case, where they were encoded so. None for what
            is unknown.

        Raises
        ------
        ValueError
            If X is not of the width that `transform` gives, or holds what is no code.
        """
        check_is_fitted(self)
        reader = copy(self)  # fitted on what transform gives
        reader._tabular, reader.n_features_in_ = False, len(self.vocabularies_)
        reader.feature_names_in_ = self.get_feature_names_out()
        X = validate_sequences(reader, X, reset=False)
        name, vocabulary = next(iter(self.vocabularies_.items()))
        codes = X.values[:, 0]
        wrong = (codes < 0) | (codes > len(vocabulary)) | (codes != np.floor(codes))
        if wrong.any():
            row = int(np.argmax(wrong))
            sample = int(np.searchsorted(X.offsets, row, side="right")) - 1
            raise ValueError(
                f"X must hold codes of {name!r}, integers in 0..{len(vocabulary)}, found "
                f"{codes[row]:g} in sample {sample}, step {row - X.offsets[sample]}."
            )
        values = np.append(np.array([None], dtype=object), vocabulary)[codes.astype(np.int64)]
        return [part.tolist() for part in np.split(values, X.offsets[1:-1])]

    def get_feature_names_out(self, input_features=None):
        """Name the channels, as the columns are named; ``input_features`` is ignored.

        Parameters
        ----------
        input_features : None

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return np.array(list(self.vocabularies_), dtype=object)

    def set_output(self, *, transform=None):
        """Do nothing: the output is always `Ragged`.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        self
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


class _Spelling:
    """Some characters of a word."""

    def __init__(self, characters, lowercase):
        self.characters = characters
        self.lowercase = lowercase

    def __call__(self, word):
        return (word.lower() if self.lowercase else word)[self.characters]


def _shape(word):
    """The pattern of capitals, letters, digits and signs, each run as one character."""
    shape = []
    for character in word:
        kind = unicodedata.category(character)
        if kind in ("Lu", "Lt"):
            mark = "X"
        elif kind[0] == "L":  # also letters of scripts without case
            mark = "x"
        elif kind[0] == "N":
            mark = "d"
        elif kind[0] == "M" and shape:  # an accent belongs to the letter before
            continue
        else:
            mark = character
        if shape[-1:] != [mark]:
            shape.append(mark)
    return "".join(shape)


def _read_columns(columns, lowercase):
    """The function of each column, by its name."""
    functions = {}
    for column in columns:
        name, function = _read_column(column, lowercase)
        if name in functions:
            raise ValueError(f"columns must have different names, found {name!r} twice.")
        functions[name] = function
    if not functions:
        raise ValueError("columns must hold at least one column, found none.")
    return functions


def _read_column(column, lowercase):
    """The name and the function of one entry of ``columns``."""
    if isinstance(column, str):
        if column == "word":
            return "word", _Spelling(slice(None), lowercase)
        if column == "shape":
            return "shape", _shape
        if affix := _AFFIX.fullmatch(column):
            n = int(affix[2])
            characters = slice(n) if affix[1] == "prefix" else slice(-n, None)
            return str(column), _Spelling(characters, lowercase)
    elif callable(column):
        return getattr(column, "__name__", type(column).__name__), column
    elif isinstance(column, (tuple, list)) and len(column) == 2:
        name, function = column
        if isinstance(name, str) and callable(function):
            return str(name), function
    raise ValueError(
        "columns must hold 'word', 'prefixN' or 'suffixN' with N >= 1, 'shape', a callable, or a "
        f"pair of a name and a callable, found {column!r}."
    )


def _values(name, function, words):
    """What a column tells of each word."""
    values = [function(word) for word in words]
    for word, value in zip(words, values, strict=True):
        if not isinstance(value, str):
            raise ValueError(
                f"The function of column {name!r} must give a str, found {value!r} for the word "
                f"{word!r}."
            )
    return values


def _vocabulary(values, counts, least):
    """The distinct values that are frequent enough, sorted; ``counts`` of the words they are of."""
    total = {}
    for value, count in zip(values, counts.tolist(), strict=True):
        total[value] = total.get(value, 0) + count
    return np.array(sorted(value for value in total if total[value] >= least), dtype=object)


def _lookup(vocabulary, values):
    """The code of each value, 0 where the vocabulary lacks it."""
    if len(vocabulary) == 0:
        return np.zeros(len(values))
    values = np.array(values, dtype=object)
    entry = np.searchsorted(vocabulary, values)
    entry = np.minimum(entry, len(vocabulary) - 1)
    return np.where(vocabulary[entry] == values, entry + 1, 0)
