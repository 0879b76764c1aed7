"""Handwritten digits of which only the upper rows have been seen."""

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

_SEEN = 5  # of eight rows

_DESCR = """\
Digit strokes
=============

The 1797 handwritten digits that come with scikit-learn (`sklearn.datasets.load_digits`), each an
image of 8 x 8 pixels of ink from 0 to 16, read as a sequence of rows from the top. The first five
rows are seen; three are still to come.

X: 1797 sequences of 5 time steps (rows 0-4) and 8 features (columns).

Tasks:

- digit: which digit it is, 0-9 (classification, one label a sequence).
- ink: how much ink is still to come, the sum of rows 5-7, 0-384 (regression, one label a sequence).
- heavier: whether the next row holds more ink than this one, 0 or 1 (classification, one label a
  time step; the last of them asks for a row that has not been seen).

The images are the test part of the Optical Recognition of Handwritten Digits data of the UCI
Machine Learning Repository, by E. Alpaydin and C. Kaynak, 1998, https://doi.org/10.24432/C50P49
"""


def load_digit_strokes(*, return_X_y=False):
    """Load handwritten digits as sequences of rows, with three tasks of different types.

    Of each of scikit-learn's 8 x 8 digits the first five rows r_0, ..., r_4 are seen, from the top,
    as five time steps of eight features. With |r_t| the ink in row t, the tasks are

    - ``digit``: which digit it is (classification, per sequence);
    - ``ink``: |r_5| + |r_6| + |r_7|, the ink still to come (regression, per sequence);
    - ``heavier``: whether |r_t+1| > |r_t|, for t = 0..4 (classification, per time step).

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With the attributes

        data : ndarray of shape (1797, 5, 8), float64
            Ink of each pixel seen, 0 to 16.
        target : DataFrame of shape (1797, 3)
            ``digit`` 0 to 9, ``ink`` 0 to 384 in the unit of the data, and ``heavier``, whose
            cells are arrays of shape (5,) of 0 and 1.
        task_names : list of str
            The columns of the target.
        feature_names : list of str
            "column_0" to "column_7".
        DESCR : str
            The description of the data set.
    (data, target) : tuple if ``return_X_y`` is True

    See Also
    --------
    sklearn.datasets.load_digits : The images themselves.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine
       Learning Repository. https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> from sk_mtrnn.datasets import load_digit_strokes
    >>> strokes = load_digit_strokes()
    >>> strokes.data.shape
    (1797, 5, 8)
    >>> strokes.target.head(3)
       digit    ink          heavier
    0      0  107.0  [1, 0, 0, 0, 1]
    1      1  115.0  [1, 1, 1, 0, 1]
    2      2  149.0  [1, 0, 0, 1, 1]
    """
    images, digit = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    row_ink = images.sum(axis=2)
    heavier = (row_ink[:, 1 : _SEEN + 1] > row_ink[:, :_SEEN]).astype(int)
    target = pd.DataFrame(
        {"digit": digit, "ink": row_ink[:, _SEEN:].sum(axis=1), "heavier": list(heavier)}
    )
    data = images[:, :_SEEN].copy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        task_names=list(target.columns),
        feature_names=[f"column_{column}" for column in range(8)],
        DESCR=_DESCR,
    )
