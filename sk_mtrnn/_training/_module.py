"""From the estimators' parameters to those of the module."""

import numpy as np
import torch

from .._reading import TaskSpec
from ..sequences import channel_index


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
        "input_dropout": e.input_dropout,
        "pooling": e.pooling,
        "input_skip": e.input_skip,
        "time_delays": None if e.time_delays is None else tuple(int(d) for d in e.time_delays),
        "dtype": getattr(torch, e.dtype),
    }


def task_specs(estimator, inputs, task_set):
    """What the network is to know of every task.

    Parameters
    ----------
    estimator : BaseMultiTaskRNN
        Read for ``hidden_layer_sizes``.
    inputs : InputEncoder
        Read for the channels of X.
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
        task_spec(estimator, inputs, name, task)
        for name, task in zip(task_set.names, task_set.tasks, strict=True)
    ]


def task_spec(estimator, inputs, name, task):
    """What the network is to know of one task; see `task_specs`."""
    n_layers = np.size(estimator.hidden_layer_sizes)
    if not -n_layers <= task.layer < n_layers:
        raise ValueError(
            f"layer of task {name!r} must be one of the {n_layers} recurrent layers that "
            f"hidden_layer_sizes says, counted from 0, found {task.layer}."
        )
    channels = None
    if task.features is not None:
        channels = _columns(inputs, name, task.features)
    return TaskSpec(
        name,
        task.n_outputs,
        task.predicted,
        task.layer % n_layers,
        channels,
        task.delay,
        task.build_transitions,
    )


def _columns(inputs, name, features):
    """What the recurrence reads of features given by index or name, as places among its inputs."""
    channels, names = [], inputs.channels.names
    for feature in np.asarray(features, dtype=object).ravel():
        index = channel_index(feature, names, f"features of task {name!r}")
        if index == inputs.channels.time:
            raise ValueError(
                f"features of task {name!r} must be inputs, but {feature!r} is the time_feature."
            )
        channels.append(index)
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(
            f"features of task {name!r} must hold at least one feature, none of them twice, found "
            f"{features!r}."
        )
    if inputs.holes.decays:
        raise ValueError(
            f"features of task {name!r} must be None with missing='decay', which decays all inputs "
            f"in one recurrence, found {features!r}."
        )
    return tuple(inputs.columns_of(channels))


def embeddings(net):
    """Embeddings of every categorical channel: a list of ndarrays (n_categories + 1, dim).

    The last row is that of unknown categories. Where each task has its own, (K, n_categories + 1,
    dim).
    """
    layers = net.module_.input_layers
    channels = zip(*(layer.embeddings for layer in layers), strict=True)
    tables = [torch.stack(list(tables)).detach().cpu().numpy() for tables in channels]
    return [table if len(layers) > 1 else table[0] for table in tables]
