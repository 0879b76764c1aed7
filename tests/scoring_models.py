"""Models and data that the tests of scorers share."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge


class Fixed(BaseEstimator):
    """Answers what it was told, in any layout; counts how often it is asked."""

    def __init__(self, answers=None, probabilities=None, classes=None, names=None):
        self.answers = answers
        self.probabilities = probabilities
        self.classes = classes
        self.names = names
        self.n_predict = self.n_proba = 0
        if classes is not None:
            self.classes_ = classes
        if names is not None:
            self.task_names_ = names

    def predict(self, X):
        self.n_predict += 1
        return self.answers

    def predict_proba(self, X):
        self.n_proba += 1
        return self.probabilities


class OneTask(ClassifierMixin, BaseEstimator):
    """One task of a multi-output classifier, for scikit-learn's own scorers."""

    def __init__(self, model=None, k=0):
        self.model = model
        self.k = k
        self.classes_ = model.classes_[k]

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.model.predict(X)[:, self.k]

    def predict_proba(self, X):
        return self.model.predict_proba(X)[self.k]


class Columnwise(BaseEstimator):
    """A model a column, fitted on its labelled rows: text is classified, numbers are regressed."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y, sample_weight=None):
        self.task_names_, self.models_, self.classes_ = list(y.columns), {}, {}
        for name in y:
            text = not pd.api.types.is_numeric_dtype(y[name])
            model = LogisticRegression(C=1 / self.alpha) if text else Ridge(alpha=self.alpha)
            rows = y[name].notna().to_numpy()
            weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
            model.fit(X[rows], y[name][rows], sample_weight=weight)
            self.models_[name] = model
            if text:
                self.classes_[name] = model.classes_
        return self

    def predict(self, X):
        return pd.DataFrame({name: model.predict(X) for name, model in self.models_.items()})

    def predict_proba(self, X):
        return {name: self.models_[name].predict_proba(X) for name in self.classes_}


def classified():
    """A forest of two classes and three, with samples, labels and weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.column_stack([X[:, 0] > 0, np.digitize(X[:, 1] + rng.normal(size=60), [-0.5, 0.5])])
    model = RandomForestClassifier(10, max_depth=3, random_state=0).fit(X[:40], y[:40].astype(int))
    return model, X, y.astype(int), rng.uniform(0.5, 2, size=60)


def mixed():
    """Two tasks of two types, half of the labels missing."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    y = pd.DataFrame(
        {"digit": np.where(X[:, 0] > 0, "one", "nil").astype(object), "ink": X @ [1.0, 2.0, 3.0]}
    )
    y.loc[rng.choice(80, 30, replace=False), "digit"] = None
    y.loc[rng.choice(80, 30, replace=False), "ink"] = np.nan
    return X, y, rng.uniform(0.5, 2, size=80)
