"""From the channels of X to what the recurrence reads.

`InputEncoder` (numpy) learns which channel is what and turns sequences into columns without holes
or symbols; `InputLayer` (torch), built from its `InputSpec`, embeds the categories among them.
"""

from ._encoder import INPUT_PARAMETERS, InputEncoder
from ._layer import InputLayer, InputSpec, TableSpec

__all__ = [
    "INPUT_PARAMETERS",
    "InputEncoder",
    "InputLayer",
    "InputSpec",
    "TableSpec",
]
