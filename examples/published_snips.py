"""Intent and slots of requests to an assistant (SNIPS)
====================================================

One label a sentence, the intent, and one a word, its slot in the BIO scheme, from words alone: no
pretrained vectors. "sentence" is the share of sentences with the intent and all slots right. The
parameters were chosen on the validation part; the test part is scored once a seed.
"""

import numpy as np
from _published import Study
from sklearn.pipeline import make_pipeline

from sk_mtrnn import ClassificationTask, MultiTaskRNN
from sk_mtrnn.datasets import fetch_snips
from sk_mtrnn.metrics import exact_match, span_f1
from sk_mtrnn.preprocessing import TokenEncoder

COLUMNS = ("word", "prefix2", "prefix3", "suffix1", "suffix2", "suffix3", "shape")
snips = fetch_snips()


def part(name):
    """Sentences and labels of "train", "valid" or "test"."""
    chosen = np.flatnonzero(snips.split == name)
    return [snips.data[i] for i in chosen], snips.target.iloc[chosen].reset_index(drop=True)


def scores(where, seed, *, columns=COLUMNS, transitions="learned", **changes):
    """Slot F1, intent accuracy and sentence accuracy, in percent."""
    options = {
        "tasks": {"slots": ClassificationTask(transitions=transitions)},
        "cell": "lstm",
        "hidden_layer_sizes": (100,),
        "bidirectional": True,
        "dropout": 0.4,
        "input_dropout": 0.4,
        "task_weights": {"slots": 4, "intent": 1},
        "pooling": "max",
        "unknown_rate": "frequency",
        "learning_rate": 0.003,
        "learning_rate_schedule": "cosine",
        "max_epochs": 20,
    }
    model = make_pipeline(
        TokenEncoder(columns), MultiTaskRNN(**{**options, **changes}, random_state=seed)
    ).fit(*part("train"))
    X, y = part(where)
    predicted = model.predict(X)
    return 100 * np.array(
        [
            span_f1(y["slots"], predicted["slots"]),
            np.mean(y["intent"] == predicted["intent"]),
            exact_match(y, predicted),
        ]
    )


def floors():
    """The slot most frequent after the word before, and the most frequent intent."""
    (X, y), (X_test, y_test) = part("train"), part("test")
    counts = {}
    for words, slots in zip(X, y["slots"], strict=True):
        for pair, slot in zip(zip(["", *words], words, strict=False), slots, strict=True):
            for key in (pair, pair[1]):
                counts.setdefault(key, {}).setdefault(slot, 0)
                counts[key][slot] += 1
    best = {key: max(found, key=found.get) for key, found in counts.items()}
    slots = [
        [best.get(pair, best.get(pair[1], "O")) for pair in zip(["", *words], words, strict=False)]
        for words in X_test
    ]
    intent = y["intent"].mode()[0]
    right = np.array([list(a) == list(b) for a, b in zip(y_test["slots"], slots, strict=True)])
    known = y_test["intent"] == intent
    return {
        "most frequent, of word pairs": 100
        * np.array([span_f1(y_test["slots"], slots), known.mean(), (right & known).mean()])
    }


if __name__ == "__main__":
    Study(
        __doc__,
        ["slot F1", "intent", "sentence"],
        scores,
        published={
            "Joint Seq (2016)": (87.3, 96.9, 73.2),
            "Attention BiRNN (2016)": (87.8, 96.7, 74.1),
            "Slot-Gated (2018)": (88.8, 97.0, 75.5),
            "Capsule-NLU (2019)": (91.8, 97.3, 80.9),
            "Stack-Propagation (2019)": (94.2, 98.0, 86.9),
        },
        floors=floors,
        ablations={
            "equal weights": {"task_weights": None},
            "last state for the intent": {"pooling": "last"},
            "steps not linked": {"transitions": None},
            "transitions constrained": {"transitions": "constrained"},
            "no unknown words": {"unknown_rate": 0.0},
            "a quarter unknown": {"unknown_rate": 0.25},
            "words alone": {"columns": ("word",)},
            "no dropout": {"dropout": 0.0, "input_dropout": 0.0},
            "learning rate 0.01": {"learning_rate": 0.01},
            "learning rate 0.001": {"learning_rate": 0.001},
            "constant learning rate": {"learning_rate_schedule": None},
            "GRU": {"cell": "gru"},
            "one direction": {"bidirectional": False},
        },
    ).run()
