"""Transformers over sequences, for ``Pipeline``.

Sequences go in and sequences come out, in the container they came in, so that what stands behind
sees the same X as without.
"""

from ._sequence_transformer import SequenceTransformer

__all__ = ["SequenceTransformer"]
