"""Transformers over sequences, for ``Pipeline``.

Sequences go in and sequences come out, in the container they came in, so that what stands behind
sees the same X as without.
"""

from ._concatenate import Concatenate, concatenate_static
from ._converters import from_aeon, from_sktime, to_aeon, to_sktime
from ._delays import TimeDelayEmbedding
from ._events import from_events
from ._outliers import OutlierMasker
from ._resample import Resample
from ._sequence_transformer import SequenceTransformer
from ._tokens import TokenEncoder
from ._windows import SlidingWindow

__all__ = [
    "Concatenate",
    "OutlierMasker",
    "Resample",
    "SequenceTransformer",
    "SlidingWindow",
    "TimeDelayEmbedding",
    "TokenEncoder",
    "concatenate_static",
    "from_aeon",
    "from_events",
    "from_sktime",
    "to_aeon",
    "to_sktime",
]
