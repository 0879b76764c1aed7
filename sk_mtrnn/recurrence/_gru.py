"""The GRU over packed sequences, forward and backward by hand.

Equations (Cho et al. 2014, in the variant of `torch.nn.GRU`, whose reset gate acts after W_hn), for
the sequences that run at step t, ⊙ by entry:

    r  = σ(W_ir x + b_ir + W_hr h + b_hr)         m  = W_hn h + b_hn
    z  = σ(W_iz x + b_iz + W_hz h + b_hz)         n  = tanh(W_in x + b_in + r ⊙ m)
    h' = (1 - z) ⊙ n + z ⊙ h

Forward. tanh costs several times σ, and calls cost more than arithmetic while networks are small.
So n = 1 - 2 s with s = σ(X + r ⊙ M), where X = -2 (W_in x + b_in) and M = -2 m: the factors go to
copies of the weights, once a pass. A step is six calls: product, σ of both gates, multiply-add, σ,
subtract, lerp. The products with x are one per chunk of steps that stays in cache.

Backward. With E = ∂L/∂h' (what comes from above plus what comes from the next step), in the
parameters of `torch.nn`:

    ∂a_n = 4 s (1 - s) (1 - z) ⊙ E              of W_in x + b_in
    ∂m   = r ⊙ ∂a_n
    ∂a_r = r (1 - r) m ⊙ ∂a_n = -M/2 (1 - r) ⊙ ∂m
    ∂a_z = z (1 - z) (h - n) ⊙ E,               n = 1 - 2 s
    ∂h   = z ⊙ E + W_hr' ∂a_r + W_hz' ∂a_z + W_hn' ∂m

The factors of E are known before the steps, so they are computed in bulk, chunk by chunk; a step is
three calls: scale, multiply-add, product. Gradients of weights are products over all steps of a
chunk, in the orientation x' ∂a, which is ten times faster than ∂a' x where x is narrow.

Decay. With factors γ of the state that arrives at a step, h is γ ⊙ h throughout the equations; back
go γ ⊙ ∂(γ ⊙ h) to h and h ⊙ ∂(γ ⊙ h) to γ. One call more forward and one backward.
"""

import torch
from torch.autograd.function import once_differentiable

from ._buffers import Buffers
from ._packed import CHUNK_SIZE, Loops


def gru(steps, initial, w_ih, w_hh, b_ih, b_hh, layout, loops=None, decay=None):
    """Run a GRU in one direction.

    Legend: S steps in all, B sequences, F inputs, H units.

    Parameters
    ----------
    steps : Tensor of shape (S, F)
    initial : Tensor of shape (B, H) or None
        The states before the first step; None: zeros.
    w_ih, w_hh, b_ih, b_hh : Tensors of shapes (3H, F), (3H, H), (3H,), (3H,)
        As in `torch.nn.GRU`.
    layout : PackedLayout
    loops : Loops, default=None
        What runs over the steps of a chunk; None: calls of torch.
    decay : Tensor of shape (S, H), default=None
        γ: what the state is multiplied by before each step. None: 1.

    Returns
    -------
    Tensor of shape (S, H)
    """
    tensors = (steps, initial, decay, w_ih, w_hh, b_ih, b_hh)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors):
        return _GRU.apply(*tensors, layout, loops)
    return _forward(*tensors, layout, loops)[0]


def _forward_steps(chunk, h, hidden, gates, s, new, decay, arrived):
    """Run the steps of a chunk: h (b, H) before it; in gates (rows, 3H), s and new.

    With decay (rows, H) or None; arrived (b, H) is room for γ ⊙ h.
    """
    size, one = h.shape[1], h.new_ones(())
    new_h, on_h = chunk.split_states(new)
    for h_t, gates_t, rz_t, r_t, z_t, m_t, s_t, next_t in zip(
        chunk.arriving((h, *on_h), decay, arrived),
        chunk.split(gates),
        chunk.split(gates[:, : 2 * size]),
        chunk.split(gates[:, :size]),
        chunk.split(gates[:, size : 2 * size]),
        chunk.split(gates[:, 2 * size :]),
        chunk.split(s),
        new_h,
        strict=True,
    ):
        gates_t.addmm_(h_t, hidden)
        rz_t.sigmoid_()
        s_t.addcmul_(r_t, m_t)
        s_t.sigmoid_()
        torch.sub(one, s_t, alpha=2, out=next_t)
        next_t.lerp_(h_t, z_t)


def _backward_steps(chunk, gates, s, before, above, w_hh, d, d_n, u, carry, decay, arrived):
    """From E in ``above`` (rows, H) to d (rows, 3, H), d_n (rows, H) and carry (b, H).

    With decay (rows, H) or None; to arrived (rows, H), of zeros, ∂(γ ⊙ h).
    """
    r, z, m = gates.split(s.shape[1], dim=1)
    d_r, d_z, d_m = d.unbind(1)
    torch.addcmul(s, s, s, value=-1, out=u)
    torch.addcmul(u, u, z, value=-1, out=u)
    torch.mul(u, 4, out=d_n)  # 4 s (1 - s) (1 - z)
    torch.mul(d_n, r, out=d_m)
    torch.addcmul(d_m, d_m, r, value=-1, out=u)
    torch.mul(u, m, out=d_r).mul_(-0.5)
    torch.add(before, s, alpha=2, out=u).sub_(1).mul_(z)  # z (h - n)
    torch.addcmul(u, u, z, value=-1, out=d_z)
    above_t, below_t = chunk.split_states(above)
    for to_t, d_t, flat_t, z_t, e_t in zip(
        chunk.departing((*reversed(below_t), carry), decay, arrived),
        reversed(chunk.split(d)),
        reversed(chunk.split(d.view(len(chunk), -1))),
        reversed(chunk.split(z)),
        reversed(above_t),
        strict=True,
    ):
        d_t.mul_(e_t[:, None])
        to_t.addcmul_(z_t, e_t)
        to_t.addmm_(flat_t, w_hh)
    d_n.mul_(above)


TORCH = Loops(_forward_steps, _backward_steps)


def _forward(steps, initial, decay, w_ih, w_hh, b_ih, b_hh, layout, loops, keep=False):
    """States [S, H]; to keep for the backward pass: gates [S, 3H] (r, z, M) and s [S, H]."""
    size = w_hh.shape[1]
    hidden = torch.cat([w_hh[: 2 * size], -2 * w_hh[2 * size :]]).t().contiguous()
    for_rz = b_hh[: 2 * size] + b_ih[: 2 * size]
    for_m = -2 * b_hh[2 * size :]
    w_rz, w_n, for_n = w_ih[: 2 * size].t(), -2 * w_ih[2 * size :].t(), -2 * b_ih[2 * size :]
    run_steps = (loops or TORCH).forward
    chunks = layout.chunks(max(1, CHUNK_SIZE // size))
    buffers = Buffers(steps)
    n_rows = len(steps) if keep else max(len(chunk) for chunk in chunks)
    all_gates, all_s = buffers.empty(n_rows, 3 * size), buffers.empty(n_rows, size)
    states = steps.new_empty(len(steps), size)
    arrived = None if decay is None else steps.new_empty(layout.n_sequences, size)
    h = steps.new_zeros(layout.n_sequences, size) if initial is None else initial
    for chunk in chunks:
        rows = slice(chunk.start, chunk.end) if keep else slice(0, len(chunk))
        x, gates, s = steps[chunk.start : chunk.end], all_gates[rows], all_s[rows]
        torch.addmm(for_rz, x, w_rz, out=gates[:, : 2 * size])
        gates[:, 2 * size :] = for_m
        torch.addmm(for_n, x, w_n, out=s)
        new = states[chunk.start : chunk.end]
        part = None if decay is None else decay[chunk.start : chunk.end]
        run_steps(chunk, h[: chunk.sizes[0]], hidden, gates, s, new, part, arrived)
        h = new[-chunk.sizes[-1] :]
    return states, all_gates, all_s, buffers


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, steps, initial, decay, w_ih, w_hh, b_ih, b_hh, layout, loops):
        tensors = (steps, initial, decay, w_ih, w_hh, b_ih, b_hh)
        states, *ctx.kept = _forward(*tensors, layout, loops, keep=True)
        ctx.save_for_backward(steps, initial, decay, w_ih, w_hh, states)
        ctx.layout, ctx.loops = layout, loops
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        steps, initial, decay, w_ih, w_hh, states = ctx.saved_tensors
        all_gates, all_s, _ = ctx.kept
        size = w_hh.shape[1]
        chunks = ctx.layout.chunks(max(1, CHUNK_SIZE // size))
        buffers, n_rows = Buffers(steps), max(len(chunk) for chunk in chunks)
        all_d, spaces = buffers.empty(n_rows, 3, size), buffers.empty(4, n_rows, size)
        d_ih, d_hh = steps.new_zeros(w_ih.shape[::-1]), steps.new_zeros(w_hh.shape[::-1])
        d_b_ih, d_b_hh = steps.new_zeros(3 * size), steps.new_zeros(3 * size)
        d_steps = torch.empty_like(steps) if ctx.needs_input_grad[0] else None
        d_decay, part, arrived = None, None, None
        if decay is not None:
            d_decay, all_arrived = torch.empty_like(decay), buffers.empty(n_rows, size)
        carry, run_steps = None, (ctx.loops or TORCH).backward
        for chunk in reversed(chunks):
            rows = slice(chunk.start, chunk.end)
            gates, s = all_gates[rows], all_s[rows]
            d, (before, above, d_n, u) = all_d[: len(chunk)], spaces[:, : len(chunk)]
            chunk.previous(states, initial, before, decay)
            chunk.collect(grad, carry, out=above)
            carry = steps.new_zeros(chunk.sizes[0], size)
            if decay is not None:
                part, arrived = decay[rows], all_arrived[: len(chunk)].zero_()
            run_steps(chunk, gates, s, before, above, w_hh, d, d_n, u, carry, part, arrived)
            flat = d.view(len(chunk), 3 * size)
            x, d_rz = steps[rows], flat[:, : 2 * size]
            d_hh.addmm_(before.t(), flat)
            d_ih[:, : 2 * size].addmm_(x.t(), d_rz)
            d_ih[:, 2 * size :].addmm_(x.t(), d_n)
            d_b_hh += flat.sum(0)
            d_b_ih[2 * size :] += d_n.sum(0)
            if d_steps is not None:
                torch.mm(d_rz, w_ih[: 2 * size], out=d_steps[rows])
                d_steps[rows].addmm_(d_n, w_ih[2 * size :])
            if decay is not None:
                torch.mul(chunk.previous(states, initial, before), arrived, out=d_decay[rows])
        d_b_ih[: 2 * size] = d_b_hh[: 2 * size]
        d_initial = None if initial is None else carry
        return d_steps, d_initial, d_decay, d_ih.t(), d_hh.t(), d_b_ih, d_b_hh, None, None
