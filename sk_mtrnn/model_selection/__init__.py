"""Choosing between models where tasks are several and labels are partly missing.

A search over several tasks asks three things that scikit-learn leaves open. *Which weights?* They
live on a simplex: `task_weight_grid` walks over it, `TaskWeightDistribution` draws from it. *Which
folds?* Each should hold its share of every task's classes, quantities and gaps:
`MultiTaskStratifiedKFold`, by the algorithm in `iterative_stratification`, which
`stratified_fraction` uses once more to hold out a part of the training data. *Which predictions?*
`cross_val_predict` puts out-of-fold predictions together in any layout, and hands missing labels
to `fit` as what they are.

Everything here is numpy, pandas and scikit-learn, and works with any estimator that takes the same
labels.
"""

from ._cross_val_predict import cross_val_predict
from ._split import MultiTaskStratifiedKFold, stratified_fraction
from ._stratification import iterative_stratification, label_counts
from ._task_weights import TaskWeightDistribution, task_weight_grid

__all__ = [
    "MultiTaskStratifiedKFold",
    "TaskWeightDistribution",
    "cross_val_predict",
    "iterative_stratification",
    "label_counts",
    "stratified_fraction",
    "task_weight_grid",
]
