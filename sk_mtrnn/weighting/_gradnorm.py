"""Weights that give every task its share of the gradient."""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval

from ._base import AdamVector, TaskWeighting, Weigher, check_nonnegative

_SMALLEST_WEIGHT = 1e-6


class GradNorm(TaskWeighting):
    """Weights under which the tasks' gradients are alike, and larger where training lags behind.

    In each batch, on the parameters W that all tasks share (algorithm 1),

        G_k = ‖∇_W w_k L_k‖₂,   Ḡ = mean_k G_k
        r_k = (L_k / L_k(0)) / mean_i (L_i / L_i(0))

    with L_k(0) the loss of the first batch; one step of Adam on w reduces

        Σ_k abs(G_k - Ḡ r_k^α)

    in which Ḡ r_k^α counts as constant, and the weights are scaled back to Σ_k w_k = K.

    Parameters
    ----------
    alpha : float, default=1.5
        α: how strongly tasks are drawn to one rate of training; 0 makes all G_k equal.
    learning_rate : float, default=0.025
        Of Adam on the weights.

    Notes
    -----
    The source takes the norms on the last shared layer only, to save time; here on all parameters
    that tasks share.

    Where the paper is silent: sums and means are over the tasks that have labels in the batch, the
    weights of others stand still; L_k(0) is the first loss above 0; no weight falls below 1e-6
    before the scaling (below 0 a task would be unlearned). Losses must not be negative. The network
    takes its step with the weights from before theirs, as in the paper.

    References
    ----------
    Chen, Badrinarayanan, Lee & Rabinovich (2018), "GradNorm: Gradient Normalization for Adaptive
    Loss Balancing in Deep Multitask Networks", ICML.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.weighting import GradNorm, WeightingContext
    >>> weigher = GradNorm(alpha=0.0).build(WeightingContext(["a", "b"], None, None))
    >>> shared = torch.nn.Parameter(torch.ones(1))
    >>> losses = torch.cat([9.0 * shared, shared])
    >>> weigher(losses, torch.tensor([True, True]), [shared])
    tensor(10., grad_fn=<DotBackward0>)
    >>> weigher.weights.values  # the first has the larger gradient
    tensor([0.9750, 1.0250], dtype=torch.float64)
    """

    needs_shared = True
    compares = True

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, alpha=1.5, learning_rate=0.025):
        self.alpha = alpha
        self.learning_rate = learning_rate

    def build(self, context):
        self._validate_params()
        return GradNormWeigher(context.names, self.alpha, self.learning_rate)


class GradNormWeigher(Weigher):
    """L = Σ_k w_k L_k, the weights those of `GradNorm`.

    Parameters
    ----------
    names : list of K hashables
    alpha, learning_rate : float

    Attributes
    ----------
    weights : AdamVector
        w_k.
    initial : Tensor of shape (K,), float64
        L_k(0); NaN before it is known.
    """

    def __init__(self, names, alpha, learning_rate):
        super().__init__()
        self.names = list(names)
        self.alpha = alpha
        self.weights = AdamVector(torch.ones(len(names), dtype=torch.float64), learning_rate)
        self.register_buffer("initial", torch.full((len(names),), torch.nan, dtype=torch.float64))

    def forward(self, losses, labelled, shared):
        w = self.weights.values.to(losses.dtype, copy=True)  # those in the buffer move
        if self.training and losses.requires_grad:
            self._step(losses, labelled, shared)
        return torch.dot(w, losses)

    def _step(self, losses, labelled, shared):
        """Move the weights of the labelled tasks."""
        if not shared:
            raise ValueError(
                "task_weights='gradnorm' balances gradients on parameters that all tasks share, "
                "found none."
            )
        check_nonnegative(losses, self.names, "gradnorm")
        now = losses.detach().double()
        first = self.initial.isnan() & labelled & (now > 0)
        self.initial.copy_(torch.where(first, now, self.initial))
        counted = labelled & ~self.initial.isnan()
        if counted.sum() < 2:
            return
        w = self.weights.values
        norm = _gradient_norms(losses, counted, shared)
        G = w * norm
        progress = now / self.initial
        r = progress / progress[counted].mean()
        target = G[counted].mean() * r**self.alpha
        gradient = torch.where(counted, torch.sign(G - target) * norm, 0.0)
        if not gradient.isfinite().all():  # diverged, or too large for mixed precision
            return
        total = w[counted].sum()
        self.weights.step(gradient, counted)
        w.clamp_(min=_SMALLEST_WEIGHT)
        w.mul_(torch.where(counted, total / w[counted].sum(), 1.0))


def _gradient_norms(losses, counted, shared):
    """‖∇ L_k‖₂ on the shared parameters: a Tensor of shape (K,), float64; 0 where not counted."""
    norms = torch.zeros(len(losses), dtype=torch.float64, device=losses.device)
    for k in counted.nonzero().flatten().tolist():
        gradients = torch.autograd.grad(losses[k], shared, retain_graph=True, allow_unused=True)
        squares = [g.double().square().sum() for g in gradients if g is not None]
        norms[k] = sum(squares) ** 0.5
    return norms
