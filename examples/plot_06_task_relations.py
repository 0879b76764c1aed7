"""Relations between tasks, and a weighting of one's own
=======================================================

How related are tasks, and how shall they inform one another? First measured on the labels alone,
then by three relations: a graph convolution uses what was measured, attention and a chain learn
with the network what a task takes from the others. Where one network already shares its states,
they change the scores little. What the package does not have, a class of ten lines adds: here a
weighting that turns to the task that does worst. It is searched like any other parameter, next to
the number of experts of a mixture; whether either is worth it, the folds say.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV

from sk_mtrnn import MultiTaskRNN
from sk_mtrnn.datasets import make_multitask_sequences
from sk_mtrnn.inspection import TaskRelationDisplay, task_relatedness
from sk_mtrnn.metrics import multitask_scorer
from sk_mtrnn.model_selection import MultiTaskStratifiedKFold
from sk_mtrnn.sharing import MixtureOfExperts
from sk_mtrnn.weighting import TaskWeighting, Weigher

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--quick", action="store_true", help="few epochs, to see that it runs")
parser.add_argument("--figure", default="task_relations.png", help="file the figure goes to")
arguments = parser.parse_args()

# %%
# Three related tasks of three kinds, 200 sequences to train on and 500 to test.
X, y = make_multitask_sequences(700, n_features=6, relatedness=0.8, noise=0.3, random_state=0)
train, test = slice(200), slice(200, None)
print("relatedness of the labels")
print(task_relatedness(y[train]).round(2).to_string())

# %%
# One network without and three with a relation, and the matrix each has used or learned: row by
# row, what a task takes from the others.
model = MultiTaskRNN(
    hidden_layer_sizes=(16,), max_epochs=2 if arguments.quick else 30, random_state=0
)
scorer = multitask_scorer({"kind": "accuracy", "level": "r2", "trace": "r2"}, average=None)
figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
print("\naccuracy of kind, R² of level and trace")
print(f"{'task_relation':14}" + "".join(f"{task:>8}" for task in y))
for relation, axis in zip([None, "gcn", "attention", "chain"], [None, *axes], strict=True):
    fitted = model.set_params(task_relation=relation).fit(X[train], y[train])
    scores = scorer(fitted, X[test], y[test])
    print(f"{relation!s:14}" + "".join(f"{scores[task]:8.3f}" for task in y))
    if relation is not None:
        TaskRelationDisplay.from_estimator(fitted, ax=axis, colorbar=False)
        axis.set_title(relation)
figure.savefig(arguments.figure, dpi=120)
print(f"figure: {arguments.figure}")


# %%
# A weighting of one's own: options that build what turns the losses of a batch into one number. Its
# gradient in the losses is the weights of the tasks.
class WorstTask(TaskWeighting):
    """Weights K softmax(s L_k): the larger s, the more they turn to the task with most loss."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def build(self, context):
        return WorstTaskWeigher(self.sharpness)


class WorstTaskWeigher(Weigher):
    def __init__(self, sharpness):
        super().__init__()
        self.sharpness = sharpness

    def forward(self, losses, labelled, shared):
        scores = torch.where(labelled, self.sharpness * losses.detach(), -torch.inf)
        return len(losses) * (torch.softmax(scores, 0) * losses).sum()


# %%
# Searched from inside, as the options of an object of the package are.
search = GridSearchCV(
    model.set_params(task_relation=None),
    [
        {"task_weights": [None]},
        {"task_weights": [WorstTask()], "task_weights__sharpness": [0.3, 3.0]},
        {"sharing": [MixtureOfExperts()], "sharing__n_experts": [2, 4]},
    ],
    cv=MultiTaskStratifiedKFold(3, shuffle=True, random_state=0),
).fit(X[train], y[train])

print("\nmean score of three folds")
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"{score:.3f}  {params}")
print("best:", search.best_params_)

# %%
# What the weighting did: weights of the tasks in the first and the last epoch.
own = model.set_params(task_weights=WorstTask(3.0)).fit(X[train], y[train])
print("\nweights of", ", ".join(own.task_names_))
print("first epoch", np.round(own.task_weights_[0], 2), "last", np.round(own.task_weights_[-1], 2))
