"""SNIPS: what a sentence asks for, and what each of its words fills."""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ._fetch import (
    BrokenRows,
    RemoteFile,
    data_folders,
    fetch_constraints,
    lines_of,
    located,
    read_text,
    verify,
)
from ._frames import token_frame, with_tasks

_TITLE = "SNIPS"
_FOLDER = "snips"
_URL = "https://raw.githubusercontent.com/MiuLab/SlotGated-SLU/master/data/snips"
_SPLITS = ("train", "valid", "test")
_KINDS = ("seq.in", "seq.out", "label")
_SHA256 = {
    "train": "98b094d5803ce4ce485248874f06437633ff856edeea809e7ae45cd58e2bd9c1",
    "valid": "ea02f9aec264f2b83159ea5c0013a24a6b9b2c8f3c61b7662e73838d8d3f2559",
    "test": "cd4effd4944a846b5f24591837094de684c712e92af681ed510714e5920e1c6b",
}

_DESCR = """\
SNIPS
=====

14,484 requests to a voice assistant, split into words: 13,084 to train on, 700 to validate on and
700 to test on, of 2 to 35 words. Sentences are lists of words; they are lower case and without
punctuation, as published.

Tasks:

- intent: what is asked for, one of 7 intents (classification, one label a sentence).
- slots: what each word fills, one of 72 labels in the BIO scheme, "O", "B-artist", "I-artist", ...
  (classification, one label a word).

Usual figures are the accuracy of the intent, the F1 of the slots as spans, and the share of
sentences of which everything is right; choose on "valid" and report on "test".

Source: A. Coucke et al. (2018). Snips Voice Platform: an embedded Spoken Language Understanding
system for private-by-design voice interfaces. https://arxiv.org/abs/1805.10190, in the split of
C.-W. Goo et al. (2018). Slot-Gated Modeling for Joint Slot Filling and Intent Prediction. NAACL.
https://github.com/MiuLab/SlotGated-SLU

Licence: Creative Commons CC0 1.0, https://github.com/sonos/nlu-benchmark
"""


@validate_params(
    fetch_constraints(subset=("all", *_SPLITS)),
    prefer_skip_nested_validation=True,
)
def fetch_snips(
    subset="all",
    *,
    data_home=None,
    download_if_missing=True,
    as_frame=False,
    return_X_y=False,
):
    """Load the SNIPS requests [1]_ in the split of [2]_, downloading them if they are not there.

    A sentence of T words has one intent and T slot labels in the BIO scheme: "B-x" where a span of
    slot x begins, "I-x" inside it, "O" outside of all.

    Parameters
    ----------
    subset : {"all", "train", "valid", "test"}, default="all"
        Which part; "all" is the three of them in this order. Only files of that part are needed.
    data_home : str or path-like, default=None
        The folder of the data. None: the environment variable ``SK_MTRNN_DATA`` if set, else
        :func:`sklearn.datasets.get_data_home`. The files ``train.seq.in``, ``train.seq.out`` and
        ``train.label``, and those of the other parts, plain, ``.xz`` or ``.gz``, are looked for in
        its subfolder ``snips``, then in the folder itself, and only read.
    download_if_missing : bool, default=True
        Whether to download what is in neither place into the subfolder; that needs pooch.
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
        target : DataFrame of shape (n, 2)
            ``intent``, and ``slots``, whose cells are arrays of shape (T_i,).
        split : ndarray of str, shape (n,)
            "train", "valid" or "test".
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
        If files are not there and may not, or cannot, be downloaded, or do not hold these
        sentences. The message names the file, what was expected and what was found.

    Notes
    -----
    Sentences without a word or an intent, and those with another number of labels than words, are
    skipped, and a UserWarning counts them. The SHA-256 of each part is taken over the rest; where
    something was skipped, the warning says if that is not all, and a download is refused.

    References
    ----------
    .. [1] A. Coucke et al. (2018). Snips Voice Platform: an embedded Spoken Language Understanding
       system for private-by-design voice interfaces. https://arxiv.org/abs/1805.10190
    .. [2] C.-W. Goo et al. (2018). Slot-Gated Modeling for Joint Slot Filling and Intent
       Prediction. NAACL.

    Examples
    --------
    >>> from sk_mtrnn.datasets import fetch_snips
    >>> snips = fetch_snips()  # doctest: +SKIP
    >>> snips.data[2][:4], snips.target["slots"][2][:4]  # doctest: +SKIP
    >>> train = np.flatnonzero(snips.split == "train")  # doctest: +SKIP
    """
    splits = _SPLITS if subset == "all" else (subset,)
    files = [_file(split, kind) for split in splits for kind in _KINDS]
    folders = data_folders(data_home, _FOLDER)
    broken, rows, split_of = BrokenRows(), [], []
    with located(
        _TITLE, folders, files, download_if_missing=download_if_missing, broken=broken
    ) as paths:
        for k, split in enumerate(splits):
            own = paths[3 * k : 3 * k + 3]
            part = _read(split, own, broken)
            content = (
                f"{' '.join(words)}\t{' '.join(slots)}\t{intent}\n" for words, slots, intent in part
            )
            source = ", ".join(map(str, own))
            verify(f"{_TITLE} ({split})", source, _SHA256[split], content, broken)
            rows += part
            split_of += [split] * len(part)
    broken.warn(_TITLE)

    sentences, slots, intents = (list(column) for column in zip(*rows, strict=True))
    slots = [np.array(labels, dtype=object) for labels in slots]
    target = pd.DataFrame({"intent": intents, "slots": slots})
    data = token_frame(sentences) if as_frame else sentences
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        split=np.array(split_of),
        frame=with_tasks(data, target) if as_frame else None,
        task_names=list(target.columns),
        feature_names=["token"],
        DESCR=_DESCR,
    )


def _file(split, kind):
    """A file as it lies in one folder, or, as in the repository of its source, in one a part."""
    flat = RemoteFile.text(f"{split}.{kind}", f"{_URL}/{split}/{kind}")
    return replace(flat, names=(*flat.names, f"{split}/{kind}"))


def _read(split, paths, broken):
    """The sentences of a part: (words, slot labels, intent) of each."""
    columns = [
        lines_of(read_text(path, f"{split}.{kind}"))
        for path, kind in zip(paths, _KINDS, strict=True)
    ]
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1:
        raise OSError(
            f"{', '.join(map(str, paths))} must hold as many lines as one another, found {counts}."
        )
    rows = []
    for line, (words, slots, intent) in enumerate(zip(*columns, strict=True), start=1):
        # By blanks alone: a word may hold another kind of white space.
        words, slots = ([part for part in text.split(" ") if part] for text in (words, slots))
        intent = intent.strip()
        where = f"line {line} of {paths[0].name}"
        if not words or not intent:
            broken.add("no word or no intent", where)
        elif len(words) != len(slots):
            broken.add("another number of labels than words", where)
        else:
            rows.append((words, slots, intent))
    return rows
