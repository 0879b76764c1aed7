"""Three things to predict from half a digit, in one network
==========================================================

scikit-learn's handwritten digits, read row by row: after five of the eight rows, which digit is it
(classification), how much ink is still to come (regression), and at every row, is the next one
heavier (per step)? One recurrent trunk serves all three. A fifth of the digit labels is missing.
"""

import argparse

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.datasets import load_digit_strokes
from sk_mtrnn.metrics import task_scores
from sk_mtrnn.preprocessing import SequenceTransformer

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="few epochs, to see that it runs")
quick = parser.parse_args().quick

# %%
# The data: X is (1797, 5, 8), y a DataFrame with one column a task. A cell of "heavier" is an
# array, one label for each row of the digit.
X, y = load_digit_strokes(return_X_y=True)
print(f"X {X.shape}, tasks {list(y.columns)}")

X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
missing = np.random.default_rng(0).random(len(y_train)) < 0.2
y_train["digit"] = y_train["digit"].astype("Int64").mask(missing)
print(f"digit labels missing in training: {y_train['digit'].isna().mean():.0%}")

# %%
# The model is an estimator like any other. What each task is, it reads off the labels (ink would
# pass for classes, as it comes in whole numbers).
model = make_pipeline(
    SequenceTransformer(StandardScaler()),
    MultiTaskRNN(
        tasks={"ink": "regression"},
        bidirectional=True,
        dropout=0.2,
        learning_rate_schedule="cosine",
        max_epochs=3 if quick else 40,
        random_state=0,
    ),
).fit(X_train, y_train)
print(model[-1].task_types_)

# %%
# One call of predict, one column a task.
print(model.predict(X_test).head(3))

# %%
# The scores of every task, and beside them what a constant prediction would reach.
print(task_scores(model, X_test, y_test).round(3).to_string(index=False))

labelled = y_train["digit"].notna()
digit = DummyClassifier().fit(X_train[labelled], y_train["digit"][labelled].astype(int))
ink = DummyRegressor().fit(X_train, y_train["ink"])
heavier = [np.concatenate(list(part["heavier"])) for part in (y_train, y_test)]
step = DummyClassifier().fit(heavier[0][:, None], heavier[0])
floor = {
    "digit accuracy": accuracy_score(y_test["digit"], digit.predict(X_test)),
    "ink r2": r2_score(y_test["ink"], ink.predict(X_test)),
    "heavier accuracy": accuracy_score(heavier[1], step.predict(heavier[1][:, None])),
}
print("constant predictions:", {name: round(float(score), 3) for name, score in floor.items()})
