"""Which samples a batch holds.

The estimators take a way of batching as ``batching``, by name or as an object with options, which a
search reaches as ``batching__alpha``. A way of one's own is a `Batching`.
"""

from ._alternate import AlternateBatching
from ._base import Batching, MixedBatching, TaskBatch

BATCHINGS = {"mixed": MixedBatching, "alternate": AlternateBatching}

__all__ = ["BATCHINGS", "AlternateBatching", "Batching", "MixedBatching", "TaskBatch"]
