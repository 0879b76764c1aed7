"""Regression: one loss a name, one number a task (two for "gaussian")."""

from numbers import Real

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn import functional as F

from ._base import Task

_VARIANCE_FLOOR = 1e-6  # in scaled units: a perfect fit must not make the likelihood infinite


class RegressionTask(Task):
    """A task whose labels are quantities.

    With u the scaled label, o the network's output and e = u - o, the loss of an entry is

    ==================  ==========================================================================
    "squared_error"     e²
    "absolute_error"    abs e
    "huber"             e²/2 where abs e ≤ δ, else δ (abs e - δ/2)    (Huber 1964)
    "quantile"          max(τ e, (τ - 1) e)                             (Koenker & Bassett 1978)
    "gaussian"          (log (v/v₀) + e²/v) / 2, v = exp(o₂) a second output (Nix & Weigend 1994)
    "poisson"           μ - y + y log(y/μ), with μ = m exp(o), y the label, m the training mean
    ==================  ==========================================================================

    Labels are scaled to zero mean and unit variance over the training labels (weighted), if the
    estimator standardizes; predictions come back in the label's units. "poisson" never scales its
    label: m is a fixed factor of its rate, so that training starts from the mean.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "poisson", "quantile", "gaussian"}, \
            default="squared_error"
        See above. "absolute_error" predicts the median, "quantile" the τ-quantile, all others the
        mean; "gaussian" also the standard deviation (``predict(X, return_std=True)``).
    delta : float, default=1.35
        δ of "huber", in scaled units.
    quantile : float in (0, 1), default=0.5
        τ of "quantile".
    layer : int, default=-1
        The recurrent layer the head reads, counted as in ``hidden_layer_sizes`` (Søgaard & Goldberg
        2016).
    features : array-like of int or str, or None, default=None
        Channels of X that are this task's own, by index (negative ones count from the end) or name:
        they go through a projection of their own into the space of inputs which the recurrence
        shares. None: all channels of X, as they are. With it no state is common to all tasks, so
        that there is neither ``transform`` nor ``add_task``. A table has one channel, 0.
    delay : int, default=0
        For labels per time step: that of step t is read off the state of step t + delay. Negative:
        a forecast. Labels whose state lies outside the sequence are left out of the loss, and
        predicted from the nearest one.
    trim : float in [0, 1), default=0.0
        Share of the labelled entries in every batch, those of the highest losses, that the loss
        leaves out: outliers. The rest weighs as much as all did. As it holds in every batch, it
        must be clearly above the share of outliers.

    Notes
    -----
    v is held at v₀ = 1e-6 or above, where Nix & Weigend leave it free. Terms that do not depend on
    the output are chosen so that no loss is negative, as some weightings of tasks need it.

    References
    ----------
    Huber (1964), "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics.
    Koenker & Bassett (1978), "Regression Quantiles", Econometrica.
    Nix & Weigend (1994), "Estimating the mean and variance of the target probability
    distribution", ICNN.
    Søgaard & Goldberg (2016), "Deep multi-task learning with low level tasks supervised at lower
    layers", ACL.

    Examples
    --------
    >>> from sk_mtrnn import RegressionTask
    >>> RegressionTask(loss="quantile", quantile=0.9)
    RegressionTask(loss='quantile', quantile=0.9)
    """

    type_name = "regression"
    encoded_dtype = np.float64

    _parameter_constraints = {
        "loss": [
            StrOptions(
                {"squared_error", "absolute_error", "huber", "poisson", "quantile", "gaussian"}
            )
        ],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        **Task._common_constraints,
    }

    def __init__(
        self,
        loss="squared_error",
        delta=1.35,
        quantile=0.5,
        layer=-1,
        features=None,
        delay=0,
        trim=0.0,
    ):
        self.loss = loss
        self.delta = delta
        self.quantile = quantile
        self.layer = layer
        self.features = features
        self.delay = delay
        self.trim = trim

    def learn(self, labels, weights, *, name, standardize):
        self._validate_params()
        labels = self._numbers(labels, name)
        if self.loss == "poisson":
            rate = np.average(labels, weights=weights)
            self.log_rate_ = float(np.log(rate)) if rate > 0 else 0.0
        if self.loss == "poisson" or not standardize:
            self.mean_, self.scale_ = 0.0, 1.0
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # refused below
                scaler = StandardScaler().fit(labels[:, None], sample_weight=weights)
            mean, scale = float(scaler.mean_[0]), float(scaler.scale_[0])
            if not np.isfinite([mean, scale]).all():
                raise ValueError(f"y contains values too large to scale, in task {name!r}.")
            self.mean_, self.scale_ = mean, scale
        return self

    def _numbers(self, labels, name):
        if labels.dtype.kind not in "biuf":
            raise ValueError(
                f"Unknown label type: task {name!r} is regression and takes numbers, found "
                f"{type(labels[0]).__name__} labels such as {labels[0]!r}."
            )
        labels = labels.astype(np.float64)
        if self.loss == "poisson" and len(labels) and labels.min() < 0:
            raise ValueError(
                f"Task {name!r} has loss='poisson', whose labels must be nonnegative, found "
                f"{labels.min()}."
            )
        return labels

    @property
    def learned(self):
        return hasattr(self, "scale_")

    @property
    def n_outputs(self):
        return 2 if self.loss == "gaussian" else 1

    def encode(self, labels, *, name):
        return (self._numbers(labels, name) - self.mean_) / self.scale_

    def losses(self, outputs, values):
        u = values
        if self.loss == "gaussian":
            return self._gaussian(*outputs.unbind(-1), u)
        o = outputs.squeeze(-1)
        if self.loss == "squared_error":
            return F.mse_loss(o, u, reduction="none")
        if self.loss == "absolute_error":
            return F.l1_loss(o, u, reduction="none")
        if self.loss == "huber":
            return F.huber_loss(o, u, reduction="none", delta=self.delta)
        if self.loss == "quantile":  # τ e where e > 0, else (τ - 1) e
            return self.quantile * F.leaky_relu(u - o, 1 - 1 / self.quantile)
        log_rate = o + getattr(self, "log_rate_", 0.0)  # no label has told it yet
        deviance = log_rate.exp() - u - u * log_rate + torch.special.xlogy(u, u)
        return deviance.clamp(min=0)  # where rounding takes it below

    def _gaussian(self, o, log_v, u):
        """As `torch.nn.functional.gaussian_nll_loss`, without its look at every v."""
        v = log_v.exp().clone()
        with torch.no_grad():  # so that a variance below the floor still has a gradient
            v.clamp_(min=_VARIANCE_FLOOR)
        return torch.addcdiv((v / _VARIANCE_FLOOR).log(), (u - o).square(), v) / 2

    @property
    def loss_key(self):
        if type(self) is not RegressionTask:  # a subclass may have a loss of its own
            return super().loss_key
        options = {"huber": self.delta, "quantile": self.quantile}
        if self.loss == "poisson":
            return RegressionTask, self.loss, getattr(self, "log_rate_", None), self.trim
        return RegressionTask, self.loss, options.get(self.loss), self.trim

    @property
    def likelihood(self):
        if self.loss == "squared_error":  # e² of a Gaussian, where the others have e²/2
            return 0.5, 0.5
        if self.loss in ("absolute_error", "quantile"):  # of a (skewed) Laplace distribution
            return 1.0, 1.0
        return super().likelihood

    def predicted(self, outputs):
        return outputs[..., :1]

    def decode(self, outputs):
        if not self.learned:  # no label has told the units yet
            return np.full(len(outputs), np.nan)
        o = outputs[:, 0].astype(np.float64)
        if self.loss == "poisson":
            return np.exp(o + self.log_rate_)
        return self.mean_ + self.scale_ * o

    def decode_std(self, outputs):
        if self.loss != "gaussian" or not self.learned:
            return super().decode_std(outputs)
        v = np.exp(outputs[:, 1].astype(np.float64))
        return self.scale_ * np.sqrt(np.maximum(v, _VARIANCE_FLOOR))

    def score(self, labels, predictions, weights):
        return float(r2_score(labels, predictions, sample_weight=weights))
