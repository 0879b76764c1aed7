"""Training: the only room that knows skorch.

A fit is `build_net` (weights from a seed), `train` (epochs over `SequenceData`) and, from then on,
`forward`. Tensors come in and numpy arrays go out; labels are never seen here.
"""

from ._build import (
    OPTIMIZERS,
    build_net,
    check_amp,
    check_callbacks,
    check_hidden_layer_sizes,
    check_net_params,
    resolve_device,
    train,
    update_net,
)
from ._data import SequenceData
from ._net import attention, forward

__all__ = [
    "OPTIMIZERS",
    "SequenceData",
    "attention",
    "build_net",
    "check_amp",
    "check_callbacks",
    "check_hidden_layer_sizes",
    "check_net_params",
    "forward",
    "resolve_device",
    "train",
    "update_net",
]
