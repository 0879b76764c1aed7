"""Four tags of every word of Afrikaans (Universal Dependencies)
=============================================================

Part of speech in two tag sets, morphological features and the relation to the head, one label a
word each, from words alone: no pretrained vectors. The parameters were chosen on the development
part; the test part is scored once a seed. The published row is scored on predicted tokens, this one
on the given ones, which is a little easier.

The shared task of the published row (CoNLL 2018) compared the universal features of a word and left
out those of the language, here Subcat, AdjType and the like. Both are scored, from one prediction:
"feats" is right where all features are, "universal" where the universal ones are.
"""

import re

import numpy as np
from _published import Study
from sklearn.pipeline import make_pipeline

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.datasets import fetch_universal_dependencies
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.preprocessing import TokenEncoder

TASKS = ["upos", "xpos", "feats", "deprel"]
UNIVERSAL = re.compile(  # the features that UD 2 defines for every language
    r"(PronType|NumType|Poss|Reflex|Foreign|Abbr|Gender|Animacy|Number|Case|Definite|Degree|"
    r"VerbForm|Mood|Tense|Aspect|Voice|Evident|Polarity|Person|Polite)=.*"
)
AFFIXES = [*(f"prefix{n}" for n in range(1, 5)), *(f"suffix{n}" for n in range(1, 6))]
COLUMNS = ("word", *AFFIXES, "shape")
SCORED = ["upos", "xpos", "universal", "feats", "deprel"]
treebank = fetch_universal_dependencies("af_afribooms")


def part(name):
    """Sentences and labels of "train", "dev" or "test"."""
    chosen = np.flatnonzero(treebank.split == name)
    labels = treebank.target[TASKS].iloc[chosen].reset_index(drop=True)
    return [treebank.data[i] for i in chosen], labels


def universal(feats):
    """What is universal of the features of a word, "Subcat=Tran|Tense=Pres" to "Tense=Pres"."""
    return "|".join(one for one in feats.split("|") if UNIVERSAL.fullmatch(one))


def accuracies(y, predicted):
    """Share of the words that are right in each of `SCORED`, in percent."""
    right = {}
    for task in TASKS:
        truth, found = (np.concatenate(list(labels[task])) for labels in (y, predicted))
        right[task] = np.mean(truth == found)
        if task == "feats":
            pairs = zip(truth, found, strict=True)
            right["universal"] = np.mean([universal(a) == universal(b) for a, b in pairs])
    return [100 * right[column] for column in SCORED]


def scores(where, seed, *, n_estimators=1, columns=COLUMNS, **changes):
    """Fit one network, or an ensemble of them; accuracies of `SCORED`, in percent."""
    options = {
        "cell": "lstm",
        "hidden_layer_sizes": (200,),
        "bidirectional": True,
        "dropout": 0.4,
        "input_dropout": 0.4,
        "unknown_rate": "frequency",
        "learning_rate": 0.003,
        "learning_rate_schedule": "cosine",
        "max_epochs": 40,
    }
    model = MultiTaskRNNClassifier(**{**options, **changes}, random_state=seed)
    if n_estimators > 1:
        model = DeepEnsemble(model, n_estimators, random_state=seed)
    model = make_pipeline(TokenEncoder(columns), model).fit(*part("train"))
    X, y = part("dev" if where == "valid" else where)
    return accuracies(y, model.predict(X))


def floors():
    """The most frequent tag of the word, else of its last three letters, else of all words."""
    (X, y), (X_test, y_test) = part("train"), part("test")
    predicted = {}
    for task in TASKS:
        counts = {}
        for words, tags in zip(X, y[task], strict=True):
            for word, tag in zip(words, tags, strict=True):
                for key in (word, "-" + word[-3:], ""):
                    counts.setdefault(key, {}).setdefault(tag, 0)
                    counts[key][tag] += 1
        best = {key: max(found, key=found.get) for key, found in counts.items()}
        predicted[task] = [
            [best.get(word, best.get("-" + word[-3:], best[""])) for word in words]
            for words in X_test
        ]
    return {"most frequent, by suffix": accuracies(y_test, predicted)}


if __name__ == "__main__":
    Study(
        __doc__,
        SCORED,
        scores,
        published={"UDPipe-Future, no vectors (2018)": (97.31, 93.27, 96.84, None, None)},
        floors=floors,
        systems={"one network": {}, "ensemble of five": {"n_estimators": 5}},
        ablations={
            "no unknown words": {"unknown_rate": 0.0},
            "words alone": {"columns": ("word",)},
            "default columns": {"columns": TokenEncoder().columns},
            "no dropout": {"dropout": 0.0, "input_dropout": 0.0},
            "learning rate 0.01": {"learning_rate": 0.01},
            "constant learning rate": {"learning_rate_schedule": None},
            "GRU": {"cell": "gru"},
            "one direction": {"bidirectional": False},
            "two layers": {"hidden_layer_sizes": (200, 200)},
        },
        seeds=3,
        decimals=2,
    ).run()
