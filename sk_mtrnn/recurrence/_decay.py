"""A layer that lets inputs and state decay over holes, in front of a recurrence."""

import torch
from torch import nn
from torch.autograd.function import once_differentiable

_START = 0.1  # w_x, and the sum of a row of W_h, before training


class DecayLayer(nn.Module):
    """Trainable decay of unobserved inputs and of the state: what makes a GRU a GRU-D.

    Of every channel with holes it reads three columns: x', the last observed value (x itself where
    it is observed) in units in which the mean is 0; m, 1 where it is observed and 0 where not; and
    δ ≥ 0, the time since the observation before this step. From them, ⊙ by entry,

        γ_x = exp(-max(0, w_x ⊙ δ + b_x))            x̂ = m ⊙ x' + (1 - m) ⊙ γ_x ⊙ x'
        γ_h = exp(-max(0, W_h δ + b_h))              ĥ_t-1 = γ_h ⊙ h_t-1

    (Che et al. 2018, "GRU-D: Model with trainable decays"). The recurrence reads x̂ and m, and goes
    on from ĥ_t-1 wherever its equations say h_t-1. With w = b = 0 nothing decays: x̂ = x', ĥ = h.

    In two directions each has rows of its own in W_h and b_h. Those of the second see the time
    until the observation behind this step; x̂ is the same for both.

    Legend: S steps in all, F inputs, G of them with holes, H units, D = H or, in two directions,
    2H.

    Parameters
    ----------
    input_size : int
        Columns of what it reads: F - G others, then G each of x', m and δ, and in two directions of
        the δ of the second.
    gaps : int
        G.
    hidden_size : int
        H of the layer whose state decays.
    bidirectional : bool

    Attributes
    ----------
    input_weight, input_bias : Parameters of shape (G,)
        w_x and b_x.
    state_weight, state_bias : Parameters of shape (D, G), (D,)
        W_h and b_h.
    output_size : int
        F + G.

    Raises
    ------
    ValueError
        If there are fewer columns than the channels with holes need.

    Notes
    -----
    Deviations from the source. The mean that x̂ decays towards is 0, as inputs are standardised.
    The recurrence may be any of this package, in its own equations. Of an LSTM c decays like h: a
    state spared in c would be back in h one step later. A stack decays the state of its first
    layer, the only one the source has. Training starts with little decay: w_x = 0.1, rows of W_h
    sum up to 0.1, b = 0; the source says nothing of it. A unit whose W_h δ + b_h has become
    negative for all δ keeps its state from then on, as max has no slope there.

    References
    ----------
    Che et al. (2018), "Recurrent Neural Networks for Multivariate Time Series with Missing Values",
    Scientific Reports 8, arXiv:1606.01865.

    Examples
    --------
    >>> import torch
    >>> from sk_mtrnn.recurrence import DecayLayer
    >>> layer = DecayLayer(input_size=3, gaps=1, hidden_size=2, bidirectional=False)
    >>> steps = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 0.0, 5.0]])  # x', m, δ
    >>> inputs, decay = layer(steps)
    >>> inputs  # x̂ and m
    tensor([[1.0000, 1.0000],
            [0.9048, 0.0000],
            [0.6065, 0.0000]], grad_fn=<CatBackward0>)
    >>> decay.shape
    torch.Size([3, 2])
    """

    def __init__(self, input_size, gaps, hidden_size, bidirectional):
        super().__init__()
        n_columns = (4 if bidirectional else 3) * gaps
        if input_size < n_columns:
            raise ValueError(
                f"input_size must be at least {n_columns} for gaps={gaps} and "
                f"bidirectional={bidirectional}, found {input_size}."
            )
        n_others, size = input_size - n_columns, hidden_size * (2 if bidirectional else 1)
        self.widths = (n_others, *[gaps] * (n_columns // gaps))
        self.output_size = n_others + 2 * gaps
        self.input_weight = nn.Parameter(torch.full((gaps,), _START))
        self.input_bias = nn.Parameter(torch.zeros(gaps))
        self.state_weight = nn.Parameter(torch.full((size, gaps), _START / gaps))
        self.state_bias = nn.Parameter(torch.zeros(size))

    def forward(self, steps):
        """Decay the inputs, and say how the state decays.

        Parameters
        ----------
        steps : Tensor of shape (S, input_size)

        Returns
        -------
        inputs : Tensor of shape (S, F + G)
            The others, x̂ and m.
        decay : Tensor of shape (S, D)
            γ_h.
        """
        others, last, observed, *since = steps.split(self.widths, dim=1)
        input_decay = _Decay.apply(torch.addcmul(self.input_bias, since[0], self.input_weight))
        values = torch.lerp(input_decay * last, last, observed)
        weights, biases = (p.chunk(len(since)) for p in (self.state_weight, self.state_bias))
        state_decay = [
            _Decay.apply(torch.addmm(b, s, w.t()))
            for s, w, b in zip(since, weights, biases, strict=True)
        ]
        inputs = torch.cat([others, values, observed], dim=1)
        return inputs, torch.cat(state_decay, dim=1) if len(since) > 1 else state_decay[0]


class _Decay(torch.autograd.Function):
    """exp(-max(0, rate)), which overwrites the rate: a buffer and three passes less each way."""

    @staticmethod
    def forward(ctx, rate):
        ctx.mark_dirty(rate)
        decay = rate.clamp_(min=0).neg_().exp_()
        ctx.save_for_backward(decay)
        return decay

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (decay,) = ctx.saved_tensors
        d_rate = torch.mul(grad, decay).neg_()
        # 0 where decay is not in (-1, 1), that is 1: there the rate was not above 0
        return torch.ops.aten.hardtanh_backward(d_rate, decay, -1.0, 1.0)
