"""Holes in X: what stands for a value that was not observed, and what is told of it.

The estimators take one of `MISSING` by name, as ``missing``; any but "error" lets NaN into X. What
stands for NaN is decided channel by channel. A channel never observed in training counts as
unobserved ever after; one observed there and absent later is a hole at every step. A hole in a
categorical channel is an unknown category.

"mask" and "decay" tell only of channels that had holes in training (`partial_fit`: in its first
chunk). With s_t the time of step t and m_t whether a channel is observed there, the time since it
was is (Che et al. 2018, equation 2)

    δ_1 = 0,   δ_t = s_t - s_{t-1} + (1 - m_{t-1}) δ_{t-1}

over its mean in training; "mask" reads log(1 + δ). "decay" reads x̂ and m instead of x, and the
first layer, an RNN, GRU or LSTM, goes on from ĥ instead of h (equations 10 and 11, the hidden state
of any cell in place of the GRU's; of an LSTM both states decay)

    γ_t = exp(-max(0, w δ_t + b)),     x̂_t = m_t x_t + (1 - m_t) γ_t x_last
    γ'_t = exp(-max(0, W δ_t + b')),   ĥ_{t-1} = γ'_t ⊙ h_{t-1}

where inputs are scaled so that the mean is zero, and x_last is the last observed one, zero before
the first. A backward layer measures δ the other way round.

References
----------
Che et al. (2018), "Recurrent Neural Networks for Multivariate Time Series with Missing Values",
Scientific Reports 8.
Lipton, Kale & Wetzel (2016), "Directly Modeling Missing Data in Sequences with RNNs", MLHC.
"""

from ._observations import (
    last_observed,
    since_observed,
    starts_of,
    until_observed,
)
from ._ways import MISSING, HandlingOfHoles

__all__ = [
    "MISSING",
    "HandlingOfHoles",
    "last_observed",
    "since_observed",
    "starts_of",
    "until_observed",
]
