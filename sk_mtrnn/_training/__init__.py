"""Training: the only room that knows skorch.

A fit is `build_net` (weights from a seed), `train` (epochs over `SequenceData`) and, from then on,
`forward`. Tensors come in and numpy arrays go out; labels are never seen here.
"""

from ._build import OPTIMIZERS, build_net, train
from ._checks import (
    check_amp,
    check_callbacks,
    check_decay,
    check_hidden_layer_sizes,
    check_net_params,
    check_time_delays,
    resolve_device,
)
from ._data import SequenceData
from ._extend import ExtendedNet
from ._gradients import task_gradients
from ._module import embeddings
from ._net import attention, common, forward, task_relation
from ._systems import Systems
from ._update import update_net
from ._variation import Variation

__all__ = [
    "OPTIMIZERS",
    "ExtendedNet",
    "SequenceData",
    "Systems",
    "Variation",
    "attention",
    "build_net",
    "check_amp",
    "check_callbacks",
    "check_decay",
    "check_hidden_layer_sizes",
    "check_net_params",
    "check_time_delays",
    "common",
    "embeddings",
    "forward",
    "resolve_device",
    "task_gradients",
    "task_relation",
    "train",
    "update_net",
]
