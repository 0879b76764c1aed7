"""A confidence interval for differences measured on training sets that overlap."""

import numpy as np
from scipy import stats


def corrected_interval(differences, test_to_train, confidence):
    """Mean of paired differences, and its interval by the corrected resampled t-test.

    With J differences d_j of mean d and variance s² (J - 1 degrees of freedom), from splits into
    n_1 samples to train on and n_2 to test on,

        d ± t · √( (1/J + n_2/n_1) s² )

    t the quantile of Student's distribution with J - 1 degrees of freedom (Nadeau & Bengio 2003,
    section 3.2).

    Parameters
    ----------
    differences : ndarray of shape (J,)
    test_to_train : float
        n_2/n_1.
    confidence : float in (0, 1)

    Returns
    -------
    mean, low, high : float
        NaN where there are too few differences: none, or one for the interval.
    """
    n = len(differences)
    if not n:
        return np.nan, np.nan, np.nan
    mean = differences.mean()
    if n == 1:
        return mean, np.nan, np.nan
    variance = (1 / n + test_to_train) * differences.var(ddof=1)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * np.sqrt(variance)
    return mean, mean - half, mean + half
