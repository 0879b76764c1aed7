"""Recurrence over packed sequences; torch only.

A recurrence maps (S, F) inputs to (S, D) states over a `PackedLayout`. Stacking, directions and
final states are ours; the cells are those of `torch.nn`, or any callable that builds one like them.
"""

from ._layers import CELLS, RecurrentStack, SeededDropout
from ._packed import PackedLayout

__all__ = ["CELLS", "PackedLayout", "RecurrentStack", "SeededDropout"]
