"""Is a column of labels classification or regression?"""

import warnings

import numpy as np
from sklearn.utils.multiclass import type_of_target

MANY_CLASSES = 20


def infer_task_type(column):
    """Decide a task's type from its labelled entries, as `sklearn.utils.multiclass.type_of_target`.

    Parameters
    ----------
    column : Column
        Labels of one task.

    Returns
    -------
    {"classification", "regression"}
        Strings, booleans and whole numbers are classes, other numbers are quantities.

    Warns
    -----
    UserWarning
        If a numeric column has more than 20 classes: it may be a quantity in whole numbers.
    """
    labelled = column.labelled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on many classes, which we say better below
        warnings.simplefilter("ignore", RuntimeWarning)  # on whole numbers beyond 64 bits
        kind = type_of_target(labelled)
    if kind == "continuous":
        return "regression"
    n_classes = len(np.unique(labelled))
    if labelled.dtype.kind in "iuf" and n_classes > MANY_CLASSES:
        warnings.warn(
            f"Task {column.name!r} was read as classification with {n_classes} classes, since its "
            "labels are whole numbers. If they are quantities, say so: "
            f"tasks={{{column.name!r}: 'regression'}}.",
            UserWarning,
            stacklevel=2,
        )
    return "classification"
