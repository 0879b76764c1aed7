"""From the estimators' parameters to those of the module."""

from numbers import Integral

import numpy as np
import torch

from .._network import TaskSpec


def module_params(e):
    """The parameters that decide the recurrence and its precision."""
    return {
        "cell": e.cell,
        "activation": e.activation,
        "recurrence": e.recurrence,
        "amp": e.amp,
        "hidden_layer_sizes": tuple(np.atleast_1d(e.hidden_layer_sizes).tolist()),
        "bidirectional": e.bidirectional,
        "dropout": e.dropout,
        "pooling": e.pooling,
        "input_skip": e.input_skip,
        "time_delays": None if e.time_delays is None else tuple(int(d) for d in e.time_delays),
        "dtype": getattr(torch, e.dtype),
    }


def task_specs(estimator, task_set):
    """What the network is to know of every task.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for ``hidden_layer_sizes`` and the features of X.
    task_set : TaskSet

    Returns
    -------
    list of TaskSpec

    Raises
    ------
    ValueError
        If a task reads a layer or a feature that is not there.
    """
    return [
        task_spec(estimator, name, task)
        for name, task in zip(task_set.names, task_set.tasks, strict=True)
    ]


def task_spec(estimator, name, task):
    """What the network is to know of one task; see `task_specs`."""
    n_layers = np.size(estimator.hidden_layer_sizes)
    if not -n_layers <= task.layer < n_layers:
        raise ValueError(
            f"layer of task {name!r} must be one of the {n_layers} recurrent layers that "
            f"hidden_layer_sizes says, counted from 0, found {task.layer}."
        )
    channels = None
    if task.features is not None:
        channels = _channels(estimator, name, task.features)
    return TaskSpec(
        name, task.n_outputs, task.predicted, task.layer % n_layers, channels, task.delay
    )


def _channels(estimator, name, features):
    """Indices of features given by index or name."""
    known = list(getattr(estimator, "feature_names_in_", ()))
    n_features = 1 if estimator._tabular else estimator.n_features_in_
    if estimator._tabular:
        known = []
    channels = []
    for feature in np.asarray(features, dtype=object).ravel():
        if isinstance(feature, str) and feature in known:
            feature = known.index(feature)
        if not isinstance(feature, Integral) or not -n_features <= feature < n_features:
            raise ValueError(
                f"features of task {name!r} must be indices below {n_features} or names of "
                f"features of X{f' ({known})' if known else ''}, found {feature!r}."
            )
        channels.append(int(feature) % n_features)
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(
            f"features of task {name!r} must hold at least one feature, none of them twice, found "
            f"{features!r}."
        )
    return tuple(channels)
