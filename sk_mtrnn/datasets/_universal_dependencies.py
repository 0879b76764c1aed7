"""A treebank of Universal Dependencies: four tags of every word."""

import re

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ._fetch import (
    BrokenRows,
    RemoteFile,
    data_folders,
    fetch_constraints,
    find,
    lines_of,
    located,
    read_text,
    verify,
)
from ._frames import token_frame, with_tasks

_TITLE = "Universal Dependencies"
_SPLITS = ("train", "dev", "test")
_URLS = {
    "af_afribooms": "https://raw.githubusercontent.com/UniversalDependencies/UD_Afrikaans-AfriBooms"
    "/r2.2",
}
_FOLDERS = {"af_afribooms": "ud_afrikaans"}  # where downloads go
_SHA256 = {
    ("af_afribooms", "train"): "7a856a133ac446175218f4416c9546088b968bfc310779b9304272a9b2e1cf43",
    ("af_afribooms", "dev"): "3f2d3cff40baa0c05f0b57dc2dab0ec0749d2f28107192aaef48e95f1c22ca44",
    ("af_afribooms", "test"): "a2d5c9befdb58e6a9ba1e208d57bd600a631777e3ab0861590e9c841573c905b",
}

# The columns of CoNLL-U: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
_N_COLUMNS = 10
_COLUMN = {"token": 1, "lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "head": 6, "deprel": 7}
_TASKS = ("upos", "xpos", "feats", "deprel")

_DESCR = """\
Universal Dependencies: {treebank}
========================{underline}

{n_sentences} sentences, split into {n_words} words: {parts}.
Words of a contraction stand one by one ("zum" is "zu", "dem"); words that are only understood are
left out.

Tasks, one label a word (classification):

- upos: the universal part of speech, "NOUN", "VERB", ...
- xpos: the part of speech in the language's own scheme.
- feats: all morphological features as one string, "Case=Nom|Number=Plur"; "_" is a word without.
- deprel: the relation to the word it depends on, "nsubj", "obj", ...

In upos, xpos and deprel "_" says that a word has not been annotated; there the label is missing.

Source: J. Nivre et al. (2016). Universal Dependencies v1: A Multilingual Treebank Collection. LREC.
https://universaldependencies.org. The treebank af_afribooms is that of release 2.2, by P. Dirix, L.
Augustinus and D. van Niekerk, after L. Augustinus et al. (2016), AfriBooms: An Online Treebank for
Afrikaans. LREC.

Licence: that of the treebank; af_afribooms: Creative Commons Attribution-ShareAlike 4.0
International (CC BY-SA 4.0), https://creativecommons.org/licenses/by-sa/4.0/
"""


@validate_params(
    fetch_constraints() | {"treebank": [str]},
    prefer_skip_nested_validation=True,
)
def fetch_universal_dependencies(
    treebank="af_afribooms",
    *,
    data_home=None,
    download_if_missing=True,
    as_frame=False,
    return_X_y=False,
):
    """Load a treebank of Universal Dependencies [1]_, downloading it if it is not there yet.

    A sentence of T words has four labels for each of them. A treebank is read from its files in
    CoNLL-U [2]_, of which comments, ranges of words (ID "3-4") and empty words ("8.1") are left
    out. Any treebank that lies on disk is read; "af_afribooms", 2.2 [3]_, is also downloaded.

    Parameters
    ----------
    treebank : str, default="af_afribooms"
        The name its files begin with, "language_treebank".
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. The files ``<treebank>-ud-train.conllu``,
        ``...-dev.conllu`` and ``...-test.conllu``, plain, ``.xz`` or ``.gz``, are looked for in its
        subfolders that begin with ``ud_`` or ``UD_``, then in the folder itself, and only read.
        Of a treebank that is not downloaded one of them is enough.
    download_if_missing : bool, default=True
        Whether to download what is in none of the places; that needs pooch.
    as_frame : bool, default=False
        Whether ``data`` is a DataFrame with one row a word, and the Bunch has a ``frame``.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        data : list of n lists of str
            The words of each sentence. If ``as_frame``, a DataFrame with the column ``token`` and
            the MultiIndex (sample, time).
        target : DataFrame of shape (n, 4)
            ``upos``, ``xpos``, ``feats`` and ``deprel``, whose cells are arrays of shape (T_i,) of
            str. None is a missing label, except in ``feats``, where "_" is a label.
        split : ndarray of str, shape (n,)
            "train", "dev" or "test".
        lemma : list of n lists of str
            The form of each word that a dictionary has.
        head : list of n lists of int
            The ID of the word it depends on, counted from 1; 0 at the root. None: not annotated.
        frame : DataFrame or None
            If ``as_frame``, data and target with one row a word.
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            "token".
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    Raises
    ------
    OSError
        If files are not there and may not, or cannot, be downloaded, or do not hold this treebank.
        The message names the file, what was expected and what was found.

    Notes
    -----
    Rows with another number of columns than 10, or with an ID or a head that is no number, are
    skipped, and a UserWarning counts them. The SHA-256 of "af_afribooms" is taken over the rows
    kept; where some were skipped, the warning says if that is not all, and a download is refused.
    That of another treebank is not known.

    References
    ----------
    .. [1] J. Nivre et al. (2016). Universal Dependencies v1: A Multilingual Treebank Collection.
       LREC.
    .. [2] https://universaldependencies.org/format.html
    .. [3] https://github.com/UniversalDependencies/UD_Afrikaans-AfriBooms

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_universal_dependencies
    >>> afrikaans = fetch_universal_dependencies()  # doctest: +SKIP
    >>> len(afrikaans.data)  # doctest: +SKIP
    1934
    >>> afrikaans.data[0][:3], afrikaans.target["upos"][0][:3]  # doctest: +SKIP
    """
    if not re.fullmatch(r"[a-z]+_[a-z0-9]+", treebank):
        raise ValueError(
            "treebank must be the name its files begin with, as 'af_afribooms', found "
            f"{treebank!r}."
        )
    title = f"{_TITLE} ({treebank})"
    files = {split: _file(treebank, split) for split in _SPLITS}
    folders = _folders(data_home, treebank)
    if treebank not in _URLS:  # some have a test part only
        lying = {split: file for split, file in files.items() if find(folders, file)}
        files = lying or files
    broken, sentences, split_of = BrokenRows(), [], []
    with located(
        title,
        folders,
        list(files.values()),
        download_if_missing=download_if_missing,
        broken=broken,
    ) as paths:
        for split, path in zip(files, paths, strict=True):
            part = _read(path, files[split].names[0], broken)
            content = ("\n".join(map("\t".join, sentence)) + "\n\n" for sentence in part)
            verify(f"{title}, {split}", path, _SHA256.get((treebank, split)), content, broken)
            sentences += part
            split_of += [split] * len(part)
    broken.warn(title)

    def column(name):
        return [[row[_COLUMN[name]] for row in sentence] for sentence in sentences]

    target = pd.DataFrame({task: list(map(_labels(task), column(task))) for task in _TASKS})
    tokens = column("token")
    data = token_frame(tokens) if as_frame else tokens
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        split=np.array(split_of),
        lemma=column("lemma"),
        head=[[None if of == "_" else int(of) for of in heads] for heads in column("head")],
        frame=with_tasks(data, target) if as_frame else None,
        task_names=list(_TASKS),
        feature_names=["token"],
        DESCR=_DESCR.format(
            treebank=treebank,
            underline="=" * len(treebank),
            n_sentences=len(tokens),
            n_words=sum(map(len, tokens)),
            parts=", ".join(f"{split_of.count(split)} {split}" for split in files),
        ),
    )


def _file(treebank, split):
    name, address = f"{treebank}-ud-{split}.conllu", _URLS.get(treebank)
    return RemoteFile.text(name, address and f"{address}/{name}")


def _folders(data_home, treebank):
    """The folder of the treebank, all others that hold treebanks, and that of the data."""
    *_, home = data_folders(data_home)
    own = _FOLDERS.get(treebank, f"ud_{treebank}")
    others = sorted(home.glob("[uU][dD]_*/"))
    return [home / own, *(folder for folder in others if folder.name != own), home]


def _labels(task):
    """What turns the entries of a column into an array of labels, None where there is none."""
    if task == "feats":
        return lambda entries: np.array(entries, dtype=object)
    return lambda entries: np.array([e if e != "_" else None for e in entries], dtype=object)


def _read(path, name, broken):
    """The sentences in a file of CoNLL-U, each a list of rows, each a list of ten strings."""
    sentences, rows = [], []
    for line, text in enumerate([*lines_of(read_text(path, name)), ""], start=1):
        if not text.strip():  # the end of a sentence
            sentences += [rows] if rows else []
            rows = []
            continue
        if text.startswith("#"):
            continue
        row = text.split("\t")
        where = f"line {line} of {path.name}"
        if len(row) != _N_COLUMNS:
            broken.add(f"another number of columns than {_N_COLUMNS}", where)
        elif re.fullmatch(r"\d+-\d+|\d+\.\d+", row[0]):
            continue  # a contraction whose words follow, or an empty word
        elif not row[0].isdecimal():
            broken.add("an ID that is no number", where)
        elif not (row[6].isdecimal() or row[6] == "_"):
            broken.add("a head that is no number", where)
        else:
            rows.append(row)
    if not sentences:
        raise OSError(f"{path} must hold sentences in CoNLL-U, found none.")
    return sentences
