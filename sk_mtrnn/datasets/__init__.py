"""Data to learn and to test on: made, bundled, or fetched once.

`make_multitask_sequences` draws tasks that share as much as asked for; `load_...` needs nothing
but scikit-learn; `fetch_...` looks in a local folder first and downloads only what is missing. All
give sequences as X and a DataFrame with one column a task as y, as every estimator here takes them.
"""

from ._digit_strokes import load_digit_strokes
from ._spoken_digits import fetch_spoken_digits
from ._synthetic import make_multitask_sequences

__all__ = ["fetch_spoken_digits", "load_digit_strokes", "make_multitask_sequences"]
