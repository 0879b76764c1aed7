"""Data to learn and to test on: made, bundled, or fetched once.

`make_multitask_sequences` draws tasks that share as much as asked for; `load_...` needs nothing
but scikit-learn; `fetch_...` looks in a local folder first and downloads only what is missing, with
pooch. All give sequences as X, or the tokens or the long series they are made from, and a DataFrame
with one column a task as y, as every estimator here takes them.
"""

from ._air_quality import fetch_air_quality
from ._cmapss import fetch_cmapss
from ._digit_strokes import load_digit_strokes
from ._physionet2012 import fetch_physionet2012
from ._snips import fetch_snips
from ._spoken_digits import fetch_spoken_digits
from ._synthetic import make_multitask_sequences
from ._universal_dependencies import fetch_universal_dependencies

__all__ = [
    "fetch_air_quality",
    "fetch_cmapss",
    "fetch_physionet2012",
    "fetch_snips",
    "fetch_spoken_digits",
    "fetch_universal_dependencies",
    "load_digit_strokes",
    "make_multitask_sequences",
]
