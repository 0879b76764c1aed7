"""Sequences and their labels: containers, conversion, validation, batches.

Everything here is numpy and pandas. Above this room X is always a `Ragged`, y always `Labels`.
"""

from ._batching import LengthBatches, PackedOrder, packed_order
from ._channels import channel_index, check_times
from ._columns import Column
from ._inputs import check_finite, check_same_order, row_blocks, validate_sequences
from ._labels import Labels, assemble, read_labels, split_steps
from ._numeric import (
    as_numeric,
    check_same_columns,
    numeric_columns,
    offsets_of,
    seconds,
)
from ._ragged import Ragged
from ._stack import stack_tasks
from ._weights import check_sample_weight, input_moments

__all__ = [
    "Column",
    "Labels",
    "LengthBatches",
    "PackedOrder",
    "Ragged",
    "as_numeric",
    "assemble",
    "channel_index",
    "check_finite",
    "check_same_columns",
    "check_same_order",
    "check_sample_weight",
    "check_times",
    "input_moments",
    "numeric_columns",
    "offsets_of",
    "packed_order",
    "read_labels",
    "row_blocks",
    "seconds",
    "split_steps",
    "stack_tasks",
    "validate_sequences",
]
