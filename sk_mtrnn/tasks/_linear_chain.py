"""The linear-chain CRF over packed sequences: likelihood, marginals and best path.

Legend: S steps in all, B sequences, T the longest, C classes, N chains (the free one, and the one
clamped at the labels where some are missing), e_t the emissions of a step.

Recursions. Both directions run in one loop, the backward one over each sequence turned round with
the transposed matrix, so that a step is four calls. With l_t the inner messages, W = exp(between),

    a_t = l_t + e_t,   p_t = softmax(a_t),   l_{t+1} = log(p_t W),   l_1 = 0

log Z = Σ_t logsumexp(a_t). With b_t of the other direction, the marginals are μ_t = softmax(l_t +
b_t), the expected transitions p_t(i) W(i, j) μ_{t+1}(j) / exp(l_{t+1}(j)). All is in float64.

Underflow. Emissions are never exponentiated but relative to their row, so only sums p_t W can
underflow. Each gets a tiny floor δ more, which makes every message an upper bound, and Z too large
by exactly Σ μ_t(j) δ / (p W)(j): a sum over the found marginals. Where that is not negligible (no
allowed path, or a class 600 nats behind that wins in the end) the messages of the sequence are
computed again by sums in log space, C times as dear.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

PENALTY = 1e4  # nats; finite, so that a path always exists
FLOOR = 1e-290  # added to every sum of the fast recursion
SMALL_SUM = math.log(1e-270)  # sums above it are exact to 1e-20
NEGLIGIBLE = math.log(1e-18)  # log marginals below it may be wrong: 1e6 of them add to 1e-12
BLOCK_SIZE = 1 << 17  # entries of a (rows, C, C) block: what it reads and writes stays in cache


class LinearChain(nn.Module):
    """A linear-chain conditional random field over the outputs of a network.

    The probability of the labels y of a sequence of T steps, given its emissions e

        p(y | x) = exp(s(y)) / Z,   Z = Σ_y' exp(s(y'))
        s(y) = start[y_1] + Σ_t e_t[y_t] + Σ_{t>1} between[y_{t-1}, y_t] + end[y_T]

    (Lafferty et al. 2001, equation 1, with the emissions of a recurrent network in place of
    features: Huang et al. 2015, section 2.5). Steps without label are summed over.

    Deviations: transitions and starts that are not allowed cost 10⁴ each instead of being
    impossible, so that every sequence has a path; the best path has the fewest of them.

    Legend: S steps in all, B sequences, C classes.

    Parameters
    ----------
    n_classes : int
        C.
    allowed : array-like of shape (C, C), bool, default=None
        Which class (column) may follow which (row). None: each may follow each.
    start_allowed : array-like of shape (C,), bool, default=None
        Which classes may stand first. None: all.
    learned : bool, default=True
        Whether ``between``, ``start`` and ``end`` are parameters; otherwise they stay 0.

    Attributes
    ----------
    between : Tensor of shape (C, C)
        Score of going from a class (row) to a class (column).
    start, end : Tensors of shape (C,)
        Scores of the first and the last class.
    forbidden, start_forbidden : Tensors of shapes (C, C) and (C,)
        1 where a transition or start is not allowed, else 0.

    Raises
    ------
    ValueError
        If ``n_classes`` is no positive integer, or ``allowed`` or ``start_allowed`` are not bool or
        of another shape.

    References
    ----------
    Huang, Xu & Yu (2015), "Bidirectional LSTM-CRF Models for Sequence Tagging", arXiv:1508.01991.
    Lafferty, McCallum & Pereira (2001), "Conditional Random Fields: Probabilistic Models for
    Segmenting and Labeling Sequence Data", ICML.

    Examples
    --------
    Class 1 must not follow class 0:

    >>> import torch
    >>> from sk_mtrnn.recurrence import PackedLayout
    >>> from sk_mtrnn.tasks._linear_chain import LinearChain
    >>> chain = LinearChain(2, allowed=[[True, False], [True, True]], learned=False)
    >>> layout = PackedLayout(torch.tensor([1, 1, 1]))  # one sequence of three steps
    >>> emissions = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    >>> emissions.argmax(1)
    tensor([0, 1, 0])
    >>> chain.viterbi(emissions, layout)
    tensor([1, 1, 0])
    """

    def __init__(self, n_classes, allowed=None, start_allowed=None, learned=True):
        super().__init__()
        integer = isinstance(n_classes, (int, np.integer)) and not isinstance(n_classes, bool)
        if not integer or n_classes < 1:
            raise ValueError(f"n_classes must be a positive integer, found {n_classes!r}.")
        self.n_classes = int(n_classes)
        self.learned = learned
        pairs, single = (self.n_classes, self.n_classes), (self.n_classes,)
        for name, shape in (("between", pairs), ("start", single), ("end", single)):
            scores = torch.zeros(shape)
            if learned:
                self.register_parameter(name, nn.Parameter(scores))
            else:
                self.register_buffer(name, scores)
        self.register_buffer("forbidden", torch.zeros(pairs))
        self.register_buffer("start_forbidden", torch.zeros(single))
        self.allow(allowed, start_allowed)

    def allow(self, allowed, start_allowed):
        """Replace what is allowed; parameters as in the constructor."""
        for name, given, forbidden in (
            ("allowed", allowed, self.forbidden),
            ("start_allowed", start_allowed, self.start_forbidden),
        ):
            if given is None:
                forbidden.zero_()
                continue
            if not isinstance(given, torch.Tensor):
                given = torch.as_tensor(np.array(given))  # a copy: torch warns of read-only arrays
            if given.shape != forbidden.shape or given.dtype != torch.bool:
                raise ValueError(
                    f"{name} must be bool of shape {tuple(forbidden.shape)}, found "
                    f"{given.dtype} of shape {tuple(given.shape)}."
                )
            forbidden.copy_(~given)

    def losses(self, emissions, values, labelled, layout):
        """Negative log-likelihood of the labels, spread evenly over the labelled steps.

        The sum over the steps of a sequence with labels at the steps M is

            -log p(y_M | x) = log Z - log Z_M

        with Z_M the sum over the labellings that agree with the labels. Its gradient is written
        out: free minus clamped marginals, and expected transitions.

        Parameters
        ----------
        emissions : Tensor of shape (S, C)
        values : Tensor of shape (S,), int64
            The encoded labels; anything where there is none.
        labelled : Tensor of shape (S,), bool, or None
            Where they are; None if everywhere.
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (S,)
            0 at steps without label. Sequences without any label have no gradient. Of a gradient
            that arrives here only its mean over the labelled steps of a sequence counts. float32 or
            wider.
        """
        lengths = counts = layout.lengths()[:, None]  # [B, 1]
        clamped = None
        if labelled is not None:
            counts = layout.pad(labelled[:, None], False).sum(0)
            values = values.where(labelled, 0)  # may be no class where there is no label
            emissions = emissions.where(_by_step(counts > 0, layout), 0.0)  # no part, no NaN
            if ((counts > 0) & (counts < lengths)).any():
                clamped = labelled
        between = self.between.double() - PENALTY * self.forbidden
        start = self.start.double() - PENALTY * self.start_forbidden
        nll = _NLL.apply(emissions, between, start, self.end, values, clamped, layout)
        losses = _by_step(nll / counts.clamp(min=1), layout)[:, 0]
        losses = losses.to(torch.promote_types(emissions.dtype, torch.float32))
        return losses if labelled is None else losses.where(labelled, 0.0)

    @torch.no_grad()
    def marginals(self, emissions, layout):
        """Log-probability of every class at every step, given the whole sequence.

        Parameters
        ----------
        emissions : Tensor of shape (S, C)
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (S, C)
            log p(y_t = c | x), without gradient. Values below -40 may be too high, up to about
            -600 where the true one is lower still: their exponentials are right to 1e-12.
        """
        between, start = self._strict(emissions, layout)
        steps = _with_ends(emissions.double(), start, self.end, layout)
        return _Messages(steps[None], between, layout).log_marginals[0].to(emissions.dtype)

    @torch.no_grad()
    def viterbi(self, emissions, layout):
        """The most probable labels of every sequence.

        The max-product recursion keeps the scores v_t of the best paths into each class; on the way
        back, the best class before y_{t+1} is argmax_i v_t(i) + between(i, y_{t+1}). Of equal ones
        the first.

        Parameters
        ----------
        emissions : Tensor of shape (S, C)
        layout : PackedLayout

        Returns
        -------
        Tensor of shape (S,), int64
        """
        between, start = self._strict(emissions, layout)
        into = between.t().contiguous()  # [to, from]
        steps = _with_ends(emissions.double(), start, self.end, layout)
        steps = steps.split(layout.batch_sizes.tolist())
        scores = [steps[0]]  # [b_t, C] each
        for step in steps[1:]:
            best = _by_blocks(torch.amax, scores[-1][: len(step)], into)
            scores.append(best + step)
        path = [scores[-1].argmax(1)]
        for score in reversed(scores[:-1]):
            after = path[-1]
            score[: len(after)] += into[after]
            path.append(score.argmax(1))
        return torch.cat(path[::-1])

    def _strict(self, emissions, layout):
        """Scores between and at the start, in which no emissions outweigh what is not allowed."""
        between, start, end = self.between.double(), self.start.double(), self.end.double()
        spread = (emissions.amax(1) - emissions.amin(1)).nan_to_num(0.0).max().double()
        spread = layout.n_timesteps * (spread + between.max() - between.min())
        spread = spread + start.max() - start.min() + end.max() - end.min()
        penalty = PENALTY + spread
        return between - penalty * self.forbidden, start - penalty * self.start_forbidden


class _NLL(torch.autograd.Function):
    """-log p(y_M | x) of every sequence: (B, 1). ``clamped`` (S,) is M, or None: all steps."""

    @staticmethod
    def forward(ctx, emissions, between, start, end, values, clamped, layout):
        steps = _with_ends(emissions.double(), start, end, layout)
        chains, classes = steps[None], values[:, None]
        if clamped is not None:
            others = torch.ones_like(steps, dtype=torch.bool).scatter_(1, classes, False)
            chains = torch.stack([steps, steps.masked_fill(others & clamped[:, None], -torch.inf)])
        messages = _Messages(chains, between.double(), layout)
        marginals = messages.log_marginals.exp()
        before = layout.shift(classes, -1)[len(layout) :, 0]
        after = values[len(layout) :]
        if clamped is None:
            score = steps.gather(1, classes)[:, 0]
            score[len(layout) :] += messages.between[before, after]
            surprise = messages.log_sums[0] - score
            excess = marginals[0].scatter_add_(1, classes, -steps.new_ones(classes.shape))
        else:
            surprise = messages.log_sums[0] - messages.log_sums[1]
            excess = marginals[0] - marginals[1]
        ctx.save_for_backward(excess, before * len(between) + after)
        ctx.messages, ctx.layout = messages, layout
        ctx.dtypes = [x.dtype for x in (emissions, between, start, end)]
        return layout.pad(surprise[:, None], 0.0).sum(0).clamp_(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        excess, pairs = ctx.saved_tensors
        messages, layout = ctx.messages, ctx.layout
        weights = _by_step(grad.double(), layout)  # [S, 1]
        d_steps = weights * excess
        d_start = d_steps[: len(layout)].sum(0)
        d_end = layout.last(d_steps).sum(0)
        d_between = None
        if ctx.needs_input_grad[1]:
            d_between = messages.transitions(0, weights)
            if len(messages.log_sums) > 1:
                d_between -= messages.transitions(1, weights)
            else:
                d_between.view(-1).index_add_(0, pairs, -weights[len(layout) :, 0])
        dtypes = zip((d_steps, d_between, d_start, d_end), ctx.dtypes, strict=True)
        return *(d if d is None else d.to(dtype) for d, dtype in dtypes), None, None, None


class _Messages:
    """Forward-backward over N chains (N, S, C) of the same layout, in float64.

    Attributes
    ----------
    between : Tensor of shape (C, C)
        The scores less their maximum.
    log_sums : Tensor of shape (N, S)
        Their sum over the steps of a sequence is log Z (with ``between`` as above).
    log_marginals : Tensor of shape (N, S, C)
    """

    def __init__(self, chains, between, layout):
        self.layout = layout
        self.between = between - between.max()
        self._forward = chains
        self._backward = self._turned(chains)
        self._hard = None  # rows of the sequences in need of log space
        both = torch.cat([self._forward, self._backward])
        inner = _run(both, self._fast(), layout.batch_sizes.tolist())
        self.log_marginals = self._marginals(inner)
        if inner.amin() < SMALL_SUM:
            self._repair(both, inner)
        reached = inner[: len(chains)] + chains
        self._inner = inner[: len(chains)]
        self._log_p = torch.log_softmax(reached, -1)
        self.log_sums = reached.amax(-1) - self._log_p.amax(-1)

    def _both_ways(self, scores):
        """Scores (C, C) for the chains of either direction: (2N, C, C)."""
        return torch.stack([scores, scores.t()]).repeat_interleave(len(self._forward), 0)

    def _fast(self):
        """The step a -> log(softmax(a) W + δ), (2N, b, C) each."""
        w, floor = self._both_ways(self.between.exp()), self.between.new_tensor(FLOOR)
        return lambda a: torch.baddbmm(floor, torch.softmax(a, -1), w).log_()

    def _exact(self):
        """The same step in log space, without δ."""
        into = self._both_ways(self.between).mT.contiguous()  # [2N, to, from]
        return lambda a: _by_blocks(_log_sum, torch.log_softmax(a, -1), into)

    def _turned(self, steps):
        """Turn the chains of the backward direction round: (N, S, C) to (N, S, C)."""
        return torch.stack([self.layout.reverse(chain) for chain in steps])

    def _marginals(self, inner):
        n = len(self._forward)
        return torch.log_softmax(inner[:n] + self._turned(inner[n:] + self._backward), -1)

    def _repair(self, both, inner):
        """Compute those sequences again in which the floor δ may be seen."""
        n, layout = len(self._forward), self.layout
        small = inner < SMALL_SUM
        small = small[:n] | self._turned(small[n:])
        wrong = (small & (self.log_marginals > NEGLIGIBLE)).any(-1).any(0)  # [S]
        if not wrong.any():
            return
        hard = _by_step(layout.pad(wrong[:, None], False).any(0), layout)  # [S, 1]
        sizes = layout.pad(hard, False).sum(1)[:, 0].tolist()  # how many of them run at a step
        self._hard = hard[:, 0].nonzero()[:, 0]
        sizes = [size for size in sizes if size]
        inner[:, self._hard] = _run(both[:, self._hard], self._exact(), sizes)
        self.log_marginals = self._marginals(inner)

    def transitions(self, chain, weights):
        """Expected number of each transition, steps (S, 1) weighted: (C, C)."""
        first = len(self.layout)
        log_p = self.layout.shift(self._log_p[chain], -1)  # of the step before
        log_r = self.log_marginals[chain] - self._inner[chain]
        counts = log_p.new_zeros(self.between.shape)
        if self._hard is not None:
            rows = self._hard[self._hard >= first]
            size = max(1, BLOCK_SIZE // self.between.numel())
            blocks = (x[rows].split(size) for x in (log_p, log_r, weights))
            for p, r, w in zip(*blocks, strict=True):
                pairs = (p[:, :, None] + self.between + r[:, None, :]).exp_()
                counts += torch.einsum("s,sij->ij", w[:, 0], pairs)
            log_r[self._hard] = -torch.inf
        r = log_r[first:].exp_().mul_(weights[first:])
        return counts.addcmul_(self.between.exp(), log_p[first:].exp().t() @ r)


def _run(chains, product, sizes):
    """The inner messages of chains (n, S, C), of which sizes[t] run at step t: (n, S, C)."""
    steps = chains.split(sizes, dim=1)
    reached, inner = steps[0], [torch.zeros_like(steps[0])]
    for step in steps[1:]:
        inner.append(product(reached[:, : step.shape[1]]))
        reached = inner[-1] + step
    return torch.cat(inner, dim=1)


def _log_sum(scores, dim):
    """logsumexp of scores with a finite one in every row; torch's own takes three times as long."""
    highest = scores.amax(dim, keepdim=True)
    return scores.sub_(highest).exp_().sum(dim).log_().add_(highest.squeeze(dim))


def _by_blocks(reduce, scores, into):
    """Reduce scores (..., b, C) + into (..., to, from) over from: (..., b, to)."""
    blocks = scores.unsqueeze(-2).split(max(1, BLOCK_SIZE // into.numel()), dim=-3)
    return torch.cat([reduce(block + into.unsqueeze(-3), -1) for block in blocks], dim=-2)


def _by_step(values, layout):
    """Hand the value of every sequence to its steps: (B, 1) to (S, 1)."""
    return layout.unpad(values.expand(layout.n_timesteps, -1, -1))


def _with_ends(steps, start, end, layout):
    """Add the scores of the first and last class to the emissions there: (S, C) to (S, C)."""
    steps = steps.clone()
    steps[: len(layout)] += start.double()
    last = layout.last(torch.arange(len(steps), device=steps.device)[:, None])[:, 0]
    return steps.index_add_(0, last, end.double().expand(len(layout), -1))
