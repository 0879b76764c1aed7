"""A new task, from twenty samples
=================================

A network has learned two tasks from many sequences; then a third one comes, with twenty labels.
`add_task` gives it a head on the states that the others share. Those stay as they are, and so do
the predictions of the old tasks. Beside it: the same estimator trained on the twenty alone, and a
classifier of scikit-learn on the network's states, in a pipeline.
"""

import argparse
import copy

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.datasets import load_digit_strokes

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="two draws and few epochs")
arguments = parser.parse_args()
quick = arguments.quick

# %%
# The old tasks: the digit and the ink still to come, from 800 digits of which the upper rows are
# seen. The new one, on other digits: has the digit a closed loop, as 0, 6, 8 and 9 do?
X, y = load_digit_strokes(return_X_y=True)
loop = y["digit"].isin([0, 6, 8, 9]).rename("loop")
old, new, test = np.arange(800), np.arange(800, 1000), np.arange(1000, len(X))
model = MultiTaskRNN(
    tasks={"ink": "regression"}, max_epochs=5 if quick else 30, random_state=0
).fit(X[old], y.loc[old, ["digit", "ink"]])
before = model.predict(X[test])

# %%
# Twenty samples, drawn several times. They are one batch, so that an epoch is a single step:
# `add_task` and the network that learns alone both get more epochs for that.
epochs = 20 if quick else 100
accuracy = {"most frequent answer": [], "alone": [], "states in a pipeline": [], "add_task": []}
same = True
for draw in range(2 if quick else 5):
    few = np.random.default_rng(draw).choice(new, 20, replace=False)
    truth = loop[test].to_numpy()
    alone = clone(model).set_params(tasks=None, max_epochs=epochs).fit(X[few], loop[few])
    pipeline = make_pipeline(FrozenEstimator(model), LogisticRegression()).fit(X[few], loop[few])
    extended = copy.deepcopy(model).set_params(max_epochs=epochs).add_task(X[few], loop[few])
    after = extended.predict(X[test])
    same &= after[["digit", "ink"]].equals(before)
    answers = {
        "most frequent answer": np.full(len(test), loop[few].mean() > 0.5),
        "alone": alone.predict(X[test]),
        "states in a pipeline": pipeline.predict(X[test]),
        "add_task": after["loop"].to_numpy(),
    }
    for name, answer in answers.items():
        accuracy[name].append(np.mean(answer == truth))

# %%
# Accuracy on digits that none of them was trained on.
print(f"tasks: {extended.task_types_}")
print(f"{'draw':22}" + "".join(f"{draw:8}" for draw in range(len(accuracy["alone"]))) + "    mean")
for name, values in accuracy.items():
    print(f"{name:22}" + "".join(f"{value:8.3f}" for value in [*values, np.mean(values)]))
print("predictions of the old tasks are the same, bit for bit:", same)
