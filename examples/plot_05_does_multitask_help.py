"""Does learning tasks together help?
====================================

Sometimes, and for some of the tasks. `multitask_report` finds out: the estimator as it is, with one
network for all tasks, against a network for each, on the same folds and from the same seeds. Here
with few samples, where sharing is most often hoped to help: the upper rows of handwritten digits,
of which the digit, the ink to come and the rise and fall of the ink are to be told.

Tasks help one another where they need the same features of the input and none has labels enough to
learn them alone. They do not where each has enough of its own, where they need different features,
or where the one network is too small for all. Even then one network is smaller than several, and
faster to train and to run.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.datasets import load_digit_strokes
from sk_mtrnn.inspection import (
    MultiTaskReportDisplay,
    gradient_similarity,
    multitask_report,
    task_relatedness,
)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="three folds and few epochs")
parser.add_argument("--figure", default="does_multitask_help.png", help="file the figure goes to")
arguments = parser.parse_args()
quick = arguments.quick

X, y = load_digit_strokes(return_X_y=True)
model = MultiTaskRNN(
    tasks={"ink": "regression"},
    hidden_layer_sizes=(32,),
    max_epochs=3 if quick else 30,
    random_state=0,
)

# %%
# Together against alone, with few samples and with some more. The interval allows for folds that
# share their training data, and is wide: five folds of 20 samples do not settle much.
sizes = (100, 300)
reports = {}
for n in sizes:
    report = multitask_report(model, X[:n], y[:n], cv=3 if quick else 5)
    reports[n] = report
    print(f"{n} samples; accuracy of digit and heavier, R² of ink")
    print(report[["alone", "together", "difference", "low", "high"]].round(3).to_string())
    first = report.iloc[0]
    print(
        f"one network: {first['n_parameters_together'] / first['n_parameters_alone']:.2f} of the "
        f"parameters, {first['fit_time_together'] / first['fit_time_alone']:.2f} of the time\n"
    )

# %%
# An interval that lies on one side of zero is an answer; one that holds zero is none.
for n, report in reports.items():
    helped = list(report.index[report["low"] > 0])
    harmed = list(report.index[report["high"] < 0])
    unclear = [task for task in report.index if task not in helped + harmed]
    print(f"{n} samples: helped {helped}, harmed {harmed}, not settled {unclear}")

# %%
# Where does it come from? How much the labels tell of one another (0: nothing, 1: all), and whether
# the tasks of a fitted network pull what they share in one direction (1) or against each other
# (-1). These tasks have little to do with one another.
n = sizes[-1]
print("\nrelatedness of the labels")
print(task_relatedness(y[:n]).round(2).to_string())
print("similarity of the gradients after training")
print(gradient_similarity(model.fit(X[:n], y[:n]), X[:n], y[:n]).round(2).to_string())

# %%
# The differences and their intervals.
figure, axes = plt.subplots(1, 2, figsize=(8, 2.5), sharex=True, layout="constrained")
for n, axis in zip(sizes, axes, strict=True):
    MultiTaskReportDisplay.from_report(reports[n], ax=axis)
    axis.set_title(f"{n} samples")
figure.savefig(arguments.figure, dpi=120)
print(f"figure: {arguments.figure}")
