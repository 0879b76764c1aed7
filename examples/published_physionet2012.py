"""Four outcomes of stays in intensive care (PhysioNet 2012, set a)
================================================================

37 variables measured when somebody measured them, over 48 hours: holes nearly everywhere, an uneven
clock, and labels that are missing in part. The network reads them by the hour. Area under the ROC
curve over five folds. Che et al. (2018) define neither "cardiac" nor "surgery"; see the loader for
the reading used here. The parameters were chosen within the training part of the first fold.
"""

import numpy as np
from _published import Study
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNNClassifier
from sk_mtrnn.augmentation import ChannelMask
from sk_mtrnn.datasets import fetch_physionet2012
from sk_mtrnn.ensemble import DeepEnsemble
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold
from sk_mtrnn.preprocessing import Resample, concatenate_static

TASKS = ["death", "los_below_3", "cardiac", "surgery"]
stays = fetch_physionet2012()
STATIC = ["Age", "Gender", "Height"]  # not ICUType, which two tasks are made of
X, y = stays.data, stays.target[TASKS]
folds = list(MultiTaskStratifiedKFold(5, shuffle=True, random_state=0).split(X, y))


def split(where, fold):
    """Stays to train on and to score: a fold, or a fifth of the training part of the first."""
    if where == "test":
        return folds[fold]
    train, valid = train_test_split(
        folds[0][0], test_size=0.2, random_state=fold, stratify=y["death"].iloc[folds[0][0]]
    )
    return train, valid


def aucs(labels, probabilities):
    """Area under the ROC curve of every task over the labels there are, and their mean."""
    found = []
    for task, p in zip(TASKS, probabilities, strict=True):
        known = labels[task].notna().to_numpy()
        found.append(roc_auc_score(labels[task][known], p[known]))
    return [*found, np.mean(found)]


def scores(where, fold, *, n_estimators=1, hourly=True, static=True, **changes):
    """Fit one network, or an ensemble of them, and score it."""
    options = {
        "tasks": "classification",
        "missing": "mask",
        "time_feature": "minute",
        "hidden_layer_sizes": (100,),
        "dropout": 0.5,
        "augmentation": [ChannelMask()],
        "learning_rate": 0.003,
        "learning_rate_schedule": "cosine",
        "batch_size": 64,
        "max_epochs": 18,
    }
    model = MultiTaskRNNClassifier(**{**options, **changes}, random_state=fold)
    if n_estimators > 1:
        model = DeepEnsemble(model, n_estimators, random_state=fold)
    train, test = split(where, fold)
    given = Resample(60, time_feature="minute").fit_transform(X) if hourly else X
    given = concatenate_static(given, stays.descriptors[STATIC]) if static else given
    model.fit(given[train], y.iloc[train])
    return aucs(y.iloc[test], [p[:, 1] for p in model.predict_proba(given[test])])


def floors():
    """Logistic regression on mean, last and first value and number of values."""
    features = []
    for stay in X:
        values = stay[:, 1:]
        seen = ~np.isnan(values)
        count = seen.sum(0)
        total = np.where(seen, values, 0.0).sum(0)
        first = values[seen.argmax(0), np.arange(37)]
        last = values[len(values) - 1 - seen[::-1].argmax(0), np.arange(37)]
        mean = total / np.where(count, count, np.nan)
        features.append(np.concatenate([mean, last, first, np.log1p(count)]))
    features = np.array(features)
    rows = []
    for train, test in folds:
        filled = np.where(np.isnan(features), np.nanmean(features[train], axis=0), features)
        probabilities = []
        for task in TASKS:
            known = train[y[task].iloc[train].notna()]
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
            model.fit(filled[known], y[task].iloc[known])
            probabilities.append(model.predict_proba(filled[test])[:, 1])
        rows.append(aucs(y.iloc[test], probabilities))
    return {"logistic regression": np.mean(rows, axis=0)}


if __name__ == "__main__":
    Study(
        __doc__,
        ["mortality", "stay < 3 d", "cardiac", "surgery", "mean"],
        scores,
        published={
            "GRU-mean (Che et al. 2018)": (0.8195, None, None, None, 0.8099),
            "GRU-simple": (0.8155, None, None, None, 0.8249),
            "GRU-D": (0.8424, None, None, None, 0.8370),
        },
        floors=floors,
        systems={"one network": {}, "ensemble of five": {"n_estimators": 5}},
        ablations={
            "as recorded, not by the hour": {"hourly": False},
            "no static descriptors": {"static": False},
            "no channels masked in training": {"augmentation": None},
            "mean for holes": {"missing": "mean"},
            "last value for holes": {"missing": "forward"},
            "decay": {"missing": "decay"},
            "time not told": {"time_feature": None},
            "dropout 0.3": {"dropout": 0.3},
            "learning rate 0.01": {"learning_rate": 0.01},
            "constant learning rate": {"learning_rate_schedule": None},
            "attention pooling": {"pooling": "attention"},
            "64 units": {"hidden_layer_sizes": (64,)},
        },
        unit="fold",
        decimals=3,
    ).run()
