"""Searching task weights as any other parameter
==============================================

How much should each task count? Task weights are a parameter like any other: `GridSearchCV` walks
the simplex, every task is scored on its own, and the figure shows each task's score against its
weight.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.datasets import load_digit_strokes
from sk_mtrnn.metrics import multitask_scorer
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold, task_weight_grid

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="few epochs, to see that it runs")
parser.add_argument("--figure", default="task_weights.png", help="file the figure goes to")
arguments = parser.parse_args()

# %%
# A small network, so that the tasks have to share it.
X, y = load_digit_strokes(return_X_y=True)
y = y[["digit", "ink"]]
model = MultiTaskRNN(
    tasks={"ink": "regression"},
    hidden_layer_sizes=(8,),
    max_epochs=2 if arguments.quick else 25,
    random_state=0,
)

# %%
# One scorer gives both tasks' scores from one predict; `refit` names the one that decides. The
# splitter balances the labels of both tasks over the folds.
search = GridSearchCV(
    model,
    {"task_weights": task_weight_grid(["digit", "ink"], n_levels=3 if arguments.quick else 9)},
    scoring=multitask_scorer({"digit": "accuracy", "ink": "r2"}, average=None),
    refit="digit",
    cv=MultiTaskStratifiedKFold(3, shuffle=True, random_state=0),
    n_jobs=2,
).fit(X, y)

results = search.cv_results_
weight = np.array([weights["digit"] for weights in results["param_task_weights"]])
print("weight of digit   accuracy of digit   R² of ink")
for row in np.argsort(weight):
    scores = [results[f"mean_test_{task}"][row] for task in y]
    print(f"{weight[row]:15.3f}   {scores[0]:17.3f}   {scores[1]:9.3f}")
print("best for digit:", search.best_params_)

# %%
# Each task against its own weight.
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for axis, task, name in zip(axes, y, ["accuracy", "R²"], strict=True):
    own = weight if task == "digit" else 1 - weight
    order = np.argsort(own)
    axis.errorbar(
        own[order],
        results[f"mean_test_{task}"][order],
        results[f"std_test_{task}"][order],
        marker="o",
        capsize=3,
    )
    axis.set(xlabel=f"weight of {task}", ylabel=f"{name} of {task}, three folds")
figure.savefig(arguments.figure, dpi=120)
print(f"figure: {arguments.figure}")
