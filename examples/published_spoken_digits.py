"""Who says which digit, from all recordings and from few (Free Spoken Digit Dataset)
==================================================================================

Two labels a recording, the digit and the speaker, from log-mel frames; takes 0 to 4 are the test
set. How accuracy grows with the number of recordings to train on, beside a logistic regression on
the mean and deviation of each recording. No published table with both labels is known.
"""

import numpy as np
from _published import Study
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.datasets import fetch_spoken_digits

SIZES = (100, 300, 1000, 2700)
spoken = fetch_spoken_digits()
X, y = spoken.data, spoken.target.astype(str)
MOMENTS = np.array([np.concatenate([frames.mean(0), frames.std(0)]) for frames in X])


def split(where, seed, n_train):
    """Recordings to train on, as many of every digit and speaker, and to score."""
    kinds = (y["digit"] + y["speaker"]).to_numpy()
    train, test = np.flatnonzero(spoken.take >= 5), np.flatnonzero(spoken.take < 5)
    if where == "valid":
        test, train = train[spoken.take[train] < 10], train[spoken.take[train] >= 10]
    if n_train < len(train):
        train, _ = train_test_split(
            train, train_size=n_train, random_state=seed, stratify=kinds[train]
        )
    return train, test


def scores(where, seed, *, n_train=2700, **changes):
    """Accuracy of digit and speaker, in percent."""
    train, test = split(where, seed, n_train)
    model = MultiTaskRNNClassifier(
        **{"learning_rate_schedule": "cosine", "dropout": 0.2, **changes}, random_state=seed
    ).fit(X[train], y.iloc[train])
    return 100 * (model.predict(X[test]) == y.iloc[test].reset_index(drop=True)).mean().to_numpy()


def floors():
    """Logistic regression on the mean and deviation over time."""
    rows = {}
    for n_train in SIZES:
        train, test = split("test", 0, n_train)
        linear = MultiOutputClassifier(LogisticRegression(max_iter=2000))
        model = make_pipeline(StandardScaler(), linear).fit(MOMENTS[train], y.iloc[train])
        right = model.predict(MOMENTS[test]) == y.iloc[test].to_numpy()
        rows[f"logistic regression, {n_train}"] = 100 * right.mean(axis=0)
    return rows


if __name__ == "__main__":
    Study(
        __doc__,
        ["digit", "speaker"],
        scores,
        published={},
        floors=floors,
        systems={f"{n_train} recordings": {"n_train": n_train} for n_train in SIZES},
        ablations={
            "defaults": {"learning_rate_schedule": None, "dropout": 0.0},
            "no dropout": {"dropout": 0.0},
            "constant learning rate": {"learning_rate_schedule": None},
            "both directions": {"bidirectional": True},
            "learning rate 0.003": {"learning_rate": 0.003},
        },
        seeds=3,
    ).run()
