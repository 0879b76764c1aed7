"""Several observations of a channel that fall into one time step, as one number."""

import numpy as np


def aggregate_cells(cells, values, how, n_cells):
    """Aggregate the observed values of each cell.

    Parameters
    ----------
    cells : ndarray of int, shape (n,)
        The cell each value belongs to.
    values : ndarray of shape (n,)
        In order of time; NaN is not observed.
    how : str
        One of `AGGREGATES`.
    n_cells : int

    Returns
    -------
    ndarray of shape (n_cells,), float64
        NaN where nothing was observed, except for "count".
    """
    observed = ~np.isnan(values)
    cells, values = cells[observed], values[observed].astype(np.float64)
    count = np.bincount(cells, minlength=n_cells)
    if how == "count":
        return count.astype(np.float64)
    result = AGGREGATES[how](cells, values, count)
    result[count == 0] = np.nan
    return result


def _sum(cells, values, count):
    # bincount of nothing gives integers
    return np.bincount(cells, weights=values, minlength=len(count)).astype(np.float64)


def _mean(cells, values, count):
    return _sum(cells, values, count) / np.maximum(count, 1)


def _last(cells, values, count):
    result = np.empty(len(count))
    result[cells] = values  # of several, the last one stays
    return result


def _first(cells, values, count):
    return _last(cells[::-1], values[::-1], count)


def _max(cells, values, count):
    result = np.full(len(count), -np.inf)
    np.maximum.at(result, cells, values)
    return result


def _min(cells, values, count):
    return -_max(cells, -values, count)


def _median(cells, values, count):
    ordered = np.append(values[np.lexsort((values, cells))], 0.0)  # one more for a last empty cell
    start = np.cumsum(count) - count
    low, high = start + np.maximum(count - 1, 0) // 2, start + count // 2
    return (ordered[low] + ordered[high]) / 2


AGGREGATES = {
    "mean": _mean,
    "last": _last,
    "first": _first,
    "min": _min,
    "max": _max,
    "median": _median,
    "sum": _sum,
    "count": None,  # has no hole
}
