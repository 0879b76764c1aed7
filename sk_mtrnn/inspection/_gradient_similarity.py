"""Do the tasks pull the parameters they share in one direction?"""

import numpy as np
import pandas as pd

from .. import _training as training
from ._estimators import fitted_network


def gradient_similarity(estimator, X, y, *, sample_weight=None):
    """Cosines between the gradients of the tasks on the parameters they share.

    With L_k the loss of task k over all given data, as in `fit`, and θ the parameters that the
    losses of all tasks go through,

        S_kj = ∇L_k · ∇L_j / (‖∇L_k‖ ‖∇L_j‖),   ∇ = ∂/∂θ at the fitted θ

    1 where a step that helps one task helps the other, negative where the tasks are in conflict
    (Yu et al. 2020). Weights of the tasks change nothing.

    Parameters
    ----------
    estimator : fitted MultiTaskRNN, MultiTaskRNNClassifier or MultiTaskRNNRegressor
        It stays as it is.
    X, y
        As in `fit`; the training data, or other data. A DataFrame y may lack tasks.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
        Weights of the samples, as in `fit`.

    Returns
    -------
    DataFrame of shape (n_tasks, n_tasks)
        Rows and columns are the tasks; NaN for a task without labels, or whose gradient is zero.

    Raises
    ------
    ValueError
        If the tasks share no parameters, or X or y is not as in `fit`.

    See Also
    --------
    task_relatedness : How related tasks are on their labels alone.
    TaskRelationDisplay : Draws it, by ``from_matrix``.

    Notes
    -----
    The gradient is exact: of all data at once, though computed batch by batch, without dropout, and
    in the ``dtype`` of the network even with ``amp``. For a task with ``trim``, whose loss leaves
    out a share of every batch, it depends on ``batch_size``. What the network adds to the loss on
    its own (``orthogonality``) belongs to no task and is left out.

    The source compares gradients of single batches in the course of training. Where training has
    come to rest, Σ_k w_k ∇L_k = 0: the gradients of two tasks are then opposite whatever the tasks
    are. So compare models after a few epochs (``max_epochs``), or on data they were not fitted to.

    References
    ----------
    Yu et al. (2020), "Gradient Surgery for Multi-Task Learning", NeurIPS, definition 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import MultiTaskRNNRegressor
    >>> from sk_mtrnn.inspection import gradient_similarity
    >>> X = np.random.default_rng(0).normal(size=(50, 6, 1))
    >>> total = X.sum(axis=(1, 2))
    >>> y = np.column_stack([total, 10 * total, -total])
    >>> model = MultiTaskRNNRegressor(max_epochs=1, random_state=0).fit(X, y)
    >>> gradient_similarity(model, X, y).shape
    (3, 3)
    """
    network = fitted_network(estimator)
    if not network.net_.module_.shared_parameters():
        raise ValueError(
            "estimator must have parameters that all tasks share, which there are none of with "
            f"sharing={network.sharing!r}."
        )
    if network is not estimator:
        X = estimator[:-1].transform(X)
    sequences = network._read_steps(X)
    labels = network._read_labels(y, sequences)
    columns = labels.matched(network.task_names_, may_lack=True)
    _check_kinds(columns, network)
    weights = network._weights(sample_weight, labels)
    targets = network._encode(columns, weights, np.arange(len(sequences)), sequences)
    data = network._sequence_data(sequences, targets)
    gradients = training.task_gradients(network.net_, data, network.n_threads)  # [K, P]
    names = pd.Index(network.task_names_)
    return pd.DataFrame(_cosines(gradients), index=names, columns=names)


def _check_kinds(columns, network):
    """Refuse labels per step of a task fitted per sequence, and the reverse."""
    kinds = {True: "per time step", False: "per sequence"}
    for column, per_step in zip(columns, network._task_set.step_flags, strict=True):
        if column.per_step not in (None, per_step):
            raise ValueError(
                f"y must hold labels {kinds[per_step]} of task {column.name!r}, as in fit, found "
                f"labels {kinds[column.per_step]}."
            )


def _cosines(vectors):
    """Cosines between the rows (K, P); NaN for a row of zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.full_like(vectors, np.nan)
    np.divide(vectors, lengths, out=directions, where=lengths > 0)
    return np.clip(directions @ directions.T, -1.0, 1.0)  # off by rounding only
