"""Remaining useful life of turbofan engines (C-MAPSS FD001)
=========================================================

Two labels a cycle, the remaining useful life, capped at 125 as in most of the literature, and the
class of health read off it. Scored at the last cycle seen of each test engine: root mean squared
error with the truth capped and as it is, in cycles, and accuracy of the class. The published rows
stand under the capped error; their sources do not always tell which one they are.

The training engines run until they fail, the test engines are cut off some time before. So the
parameters were chosen on a fifth of the training engines, another one for each seed, each cut off
at every cycle with 150 or fewer left: cut off earlier, nearly all are healthy, and errors small.
"""

import numpy as np
from _published import Study
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.augmentation import Jitter, WindowCrop
from sk_mtrnn.datasets import fetch_cmapss
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.preprocessing import TimeDelayEmbedding

engines = fetch_cmapss(cap=125)
X, y = engines.data, engines.target
life = fetch_cmapss().target["rul"]  # as it is
train, test = (np.flatnonzero(engines.split == part) for part in ("train", "test"))
fifths = np.array_split(np.random.default_rng(0).permutation(train), 5)


def split(where, seed):
    """Engines to train on, and (engine, cycle) pairs to score."""
    if where == "test":
        return train, [(i, X.lengths[i] - 1) for i in test]
    valid = fifths[seed % 5]
    pairs = [(i, t) for i in valid for t in np.flatnonzero(life[i] <= 150)]
    return np.setdiff1d(train, valid), pairs


def errors(predicted, pairs):
    """Root mean squared error of an engine's predictions at a cycle, truth capped and as it is."""
    found = np.array([predicted[i][t] for i, t in pairs])
    return [
        np.sqrt(np.mean([(p - truth[i][t]) ** 2 for p, (i, t) in zip(found, pairs, strict=True)]))
        for truth in (y["rul"], life)
    ]


def scores(where, seed, *, n_estimators=1, **changes):
    """Errors in cycles, and accuracy of the class of health in percent."""
    options = {
        "tasks": {"rul": "regression", "health": "classification"},
        "hidden_layer_sizes": (100,),
        "dropout": 0.4,
        "learning_rate": 0.002,
        "learning_rate_schedule": "cosine",
        "max_epochs": 60,
        "batch_size": 8,
    }
    model = MultiTaskRNN(**{**options, **changes}, random_state=seed)
    if n_estimators > 1:
        model = DeepEnsemble(model, n_estimators, random_state=seed)
    fitted, pairs = split(where, seed)
    model.fit(X[fitted], y.iloc[fitted])
    scored = np.unique([i for i, _ in pairs])
    # A cycle's prediction reads no later one: it is that of an engine cut off there.
    predicted = model.predict(X[scored]).set_axis(scored)
    right = [predicted["health"][i][t] == y["health"][i][t] for i, t in pairs]
    return [*errors(predicted["rul"], pairs), 100 * np.mean(right)]


def floors():
    """The mean, and models of the ten cycles up to the one to predict."""
    rows = TimeDelayEmbedding(range(10), fill="edge").fit_transform(X)
    fitted = np.repeat(engines.split == "train", X.lengths)
    labels = np.concatenate(list(y["rul"]))
    _, pairs = split("test", 0)
    found = {}
    for name, model in {
        "mean of the training part": DummyRegressor(),
        "ridge, last 10 cycles": make_pipeline(StandardScaler(), Ridge()),
        "gradient boosting, last 10 cycles": HistGradientBoostingRegressor(random_state=0),
    }.items():
        model.fit(rows.values[fitted], labels[fitted])
        found[name] = [*errors(np.split(model.predict(rows.values), X.offsets[1:-1]), pairs), None]
    return found


if __name__ == "__main__":
    Study(
        __doc__,
        ["RMSE, capped", "RMSE", "health"],
        scores,
        published={
            "LSTM (Zheng et al. 2017)": (16.14, None, None),
            "LSTM (arXiv 2604.27234)": (14.93, None, None),
        },
        floors=floors,
        systems={"one network": {}, "ensemble of five": {"n_estimators": 5}},
        ablations={
            "remaining life alone": {"task_weights": {"health": 0.0}},
            "no dropout": {"dropout": 0.0},
            "learning rate 0.01": {"learning_rate": 0.01},
            "learning rate 0.003": {"learning_rate": 0.003},
            "constant learning rate": {"learning_rate_schedule": None},
            "batches of 32": {"batch_size": 32},
            "30 epochs": {"max_epochs": 30},
            "LSTM": {"cell": "lstm"},
            "64 units": {"hidden_layer_sizes": (64,)},
            "two layers": {"hidden_layer_sizes": (64, 64)},
            "noise on the sensors": {"augmentation": [Jitter(0.3)]},
            "random windows": {"augmentation": [WindowCrop(0.5, probability=0.7)]},
        },
        decimals=2,
    ).run()
