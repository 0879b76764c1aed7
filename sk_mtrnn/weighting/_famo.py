"""Weights under which all losses fall at the same rate, without a look at gradients."""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval

from ._base import AdamVector, TaskWeighting, Weigher, check_nonnegative

_EPSILON = 1e-8  # as in the authors' code: a loss may be 0


class FAMO(TaskWeighting):
    """Fast adaptive multitask optimization: every loss falls by about the same share.

    With logits ξ and z = softmax(ξ), training minimises (algorithm 1)

        L = c Σ_k z_k log L_k,   c = 1 / Σ_k (z_k / L_k)

    in which z and c count as constants: weights w_k = c z_k / L_k, whose sum is 1. After the step
    of the network, with L'_k the losses of the same batch then, one step of Adam with weight decay
    γ moves ξ against

        δ = (∂z/∂ξ)ᵀ (log L - log L')

    so that a loss which has fallen more than others will weigh less.

    Parameters
    ----------
    gamma : float, default=0.001
        γ.
    learning_rate : float, default=0.025
        Of Adam on the logits.

    Notes
    -----
    1e-8 is added to every loss, as in the authors' code; losses must not be negative. Where the
    paper is silent: all sums are over the tasks that have labels in the batch, the logits of others
    stand still. Each step computes the losses of its batch a second time.

    References
    ----------
    Liu, Feng, Stone & Liu (2023), "FAMO: Fast Adaptive Multitask Optimization", NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import FAMO, WeightingContext
    >>> weigher = FAMO().build(WeightingContext(["a", "b"], None, None))
    >>> losses = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> total = weigher(losses, torch.tensor([True, True]), [])
    >>> torch.autograd.grad(total, losses)
    (tensor([0.7500, 0.2500]),)
    >>> weigher.after_step(lambda: torch.tensor([0.5, 3.0]))
    >>> weigher.logits.values  # the first has fallen
    tensor([-0.0250,  0.0250], dtype=torch.float64)
    """

    compares = True

    _parameter_constraints = {
        "gamma": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, gamma=0.001, learning_rate=0.025):
        self.gamma = gamma
        self.learning_rate = learning_rate

    def build(self, context):
        self._validate_params()
        return FAMOWeigher(context.names, self.gamma, self.learning_rate)


class FAMOWeigher(Weigher):
    """L = c Σ_{k labelled} z_k log L_k, see `FAMO`.

    Parameters
    ----------
    names : list of K hashables
    gamma, learning_rate : float

    Attributes
    ----------
    logits : AdamVector
        ξ_k.
    """

    def __init__(self, names, gamma, learning_rate):
        super().__init__()
        self.names = list(names)
        self.logits = AdamVector(
            torch.zeros(len(names), dtype=torch.float64), learning_rate, weight_decay=gamma
        )
        self._before = None  # losses of the step under way, and which tasks they are of

    def forward(self, losses, labelled, shared):
        check_nonnegative(losses, self.names, "famo")
        labelled = labelled & (losses > 0)  # 0: a task of one class, and nothing to learn
        shifted = torch.where(labelled, losses, 1.0) + _EPSILON
        z = _softmax(self.logits.values, labelled)
        c = 1 / (z / shifted.detach().double()).sum()
        factors = torch.where(labelled, c * z, 0.0).to(losses.dtype)
        if self.training:
            self._before = losses.detach(), labelled
        return torch.dot(factors, torch.log(shifted))

    def after_step(self, evaluate):
        if self._before is None:
            return
        (before, labelled), self._before = self._before, None
        if labelled.sum() < 2:
            return
        after = evaluate()
        check_nonnegative(after, self.names, "famo")
        fall = torch.log(before.double() + _EPSILON) - torch.log(after.double() + _EPSILON)
        fall = torch.where(labelled, fall, 0.0)
        if not fall.isfinite().all():  # diverged
            return
        z = _softmax(self.logits.values, labelled)
        self.logits.step(z * (fall - torch.dot(z, fall)), labelled)  # (∂z/∂ξ)ᵀ fall


def _softmax(logits, labelled):
    """Softmax over the labelled tasks; 0 for others."""
    z = torch.softmax(torch.where(labelled, logits, -torch.inf), dim=0)
    return torch.where(labelled, z, 0.0)  # no label in the batch: a softmax of nothing
