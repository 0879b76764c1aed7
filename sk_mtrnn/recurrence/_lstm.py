"""The LSTM over packed sequences, forward and backward by hand.

Equations (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000, in the
parameters of `torch.nn.LSTM`), ⊙ by entry:

    i, f, o = σ(W_i x + b_i + W_h h + b_h), each with rows of its own, and g = tanh of the same
    c' = f ⊙ c + i ⊙ g          h' = o ⊙ tanh(c')

Forward. tanh costs several times σ, so tanh(a) = 2 σ(2 a) - 1 throughout: the rows of g are doubled
once a pass, one σ serves all four gates, and with G = σ(2 a_g) - 1/2 = g / 2 and q = -2 c

    q' = f ⊙ q - 4 i ⊙ G          h' = o - 2 o ⊙ σ(q')

A step is seven calls: product, σ, shift, scale, multiply-add, σ, multiply-add. The products with x
are one per chunk of steps that stays in cache.

Backward. With E = ∂L/∂h' and D = ∂L/∂c' (each from above and from the next step) and v = σ(q'), so
that tanh(c') = 1 - 2 v,

    D   += o (1 - tanh(c')²) ⊙ E = 4 o v (1 - v) ⊙ E
    ∂a_i = g i (1 - i) ⊙ D       ∂a_f = c f (1 - f) ⊙ D       ∂a_g = i (1 - g²) ⊙ D
    ∂a_o = h' (1 - o) ⊙ E        ∂c = f ⊙ D                   ∂h = W_h' ∂a

The factors are computed in bulk, chunk by chunk; a step is five calls.

Decay. With factors γ of what arrives at a step, h and c are γ ⊙ h and γ ⊙ c throughout: if c were
spared, the next step would have all of the state back. To h go γ ⊙ ∂(γ ⊙ h), to c γ ⊙ ∂(γ ⊙ c), to
γ the sum of h ⊙ ∂(γ ⊙ h) and c ⊙ ∂(γ ⊙ c). Two calls more forward and three backward.
"""

import torch
from torch.autograd.function import once_differentiable

from ._buffers import Buffers
from ._packed import CHUNK_SIZE, Loops


def lstm(steps, initial, w_ih, w_hh, b_ih, b_hh, layout, loops=None, decay=None):
    """Run an LSTM in one direction.

    Legend: S steps in all, B sequences, F inputs, H units.

    Parameters
    ----------
    steps : Tensor of shape (S, F)
    initial : pair of Tensors of shape (B, H) or None
        h and c before the first step; None: zeros.
    w_ih, w_hh, b_ih, b_hh : Tensors of shapes (4H, F), (4H, H), (4H,), (4H,)
        As in `torch.nn.LSTM`.
    layout : PackedLayout
    loops : Loops, default=None
        What runs over the steps of a chunk; None: calls of torch.
    decay : Tensor of shape (S, H), default=None
        γ: what h and c are multiplied by before each step. None: 1.

    Returns
    -------
    states : Tensor of shape (S, H)
        h after every step.
    final_cell : Tensor of shape (B, H)
        c after the last step of each sequence.
    """
    h, c = (None, None) if initial is None else initial
    tensors = (steps, h, c, decay, w_ih, w_hh, b_ih, b_hh)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors):
        return _LSTM.apply(*tensors, layout, loops)
    return _forward(*tensors, layout, loops)[:2]


def _forward_steps(chunk, h, q, hidden, gates, new_q, new, decay, arrived, arrived_q):
    """Run the steps of a chunk: h and q (b, H) before it; in gates (rows, 4H) what x brings.

    With decay (rows, H) or None; arrived and arrived_q (b, H) are room for γ ⊙ h and γ ⊙ q.
    """
    i, f, g, o = gates.split(h.shape[1], dim=1)
    new_h, on_h = chunk.split_states(new)
    q_t, on_q = chunk.split_states(new_q)
    for h_t, before_t, gates_t, i_t, f_t, g_t, o_t, next_q, next_h in zip(
        chunk.arriving((h, *on_h), decay, arrived),
        chunk.arriving((q, *on_q), decay, arrived_q),
        chunk.split(gates),
        chunk.split(i),
        chunk.split(f),
        chunk.split(g),
        chunk.split(o),
        q_t,
        new_h,
        strict=True,
    ):
        gates_t.addmm_(h_t, hidden)
        gates_t.sigmoid_()
        g_t.sub_(0.5)
        torch.mul(f_t, before_t, out=next_q)
        next_q.addcmul_(i_t, g_t, value=-4)
        torch.sigmoid(next_q, out=next_h)
        torch.addcmul(o_t, o_t, next_h, value=-2, out=next_h)


def _backward_steps(
    chunk, gates, q, states, before, above, w_hh, d, to_c, u, d_c, carry, decay, arrived, arrived_c
):
    """From E in ``above`` (rows, H) and D in d_c (B, H) to d (rows, 4, H), d_c and carry (b, H).

    With decay (rows, H) or None; to arrived (rows, H), of zeros, ∂(γ ⊙ h), and to arrived_c the
    same of c.
    """
    i, f, g, o = gates.split(q.shape[1], dim=1)
    d_i, d_f, d_g, d_o = d.unbind(1)
    torch.sigmoid(q, out=u)
    torch.addcmul(u, u, u, value=-1, out=u)
    torch.mul(u, o, out=to_c).mul_(4)  # 4 o v (1 - v)
    torch.addcmul(i, i, i, value=-1, out=u)
    torch.mul(u, g, out=d_i).mul_(2)
    torch.mul(g, g, out=u).mul_(-4).add_(1)
    torch.mul(u, i, out=d_g)
    torch.addcmul(f, f, f, value=-1, out=u)
    torch.mul(u, before, out=d_f).mul_(-0.5)
    torch.addcmul(states, states, o, value=-1, out=d_o)
    above_t, below_t = chunk.split_states(above)
    whole = chunk.sizes[-1] == len(d_c)
    on_c = reversed([d_c] * len(above_t) if whole else [d_c[: len(e)] for e in above_t])
    if decay is not None:
        on_c = _decaying(chunk, on_c, decay, arrived_c)
    for to_t, d_c_t, flat_t, d_ifg, d_o_t, to_c_t, f_t, e_t in zip(
        chunk.departing((*reversed(below_t), carry), decay, arrived),
        on_c,
        reversed(chunk.split(d.view(len(chunk), -1))),
        reversed(chunk.split(d[:, :3])),
        reversed(chunk.split(d_o)),
        reversed(chunk.split(to_c)),
        reversed(chunk.split(f)),
        reversed(above_t),
        strict=True,
    ):
        d_c_t.addcmul_(e_t, to_c_t)
        d_ifg.mul_(d_c_t[:, None])
        d_o_t.mul_(e_t)
        d_c_t.mul_(f_t)
        to_t.addmm_(flat_t, w_hh)


def _decaying(chunk, d_c, decay, arrived):
    """∂c of each step, the last one first; what it becomes is kept and decayed for the next."""
    parts = reversed(chunk.split(decay)), reversed(chunk.split(arrived))
    for d_c_t, decay_t, arrived_t in zip(d_c, *parts, strict=True):
        yield d_c_t
        arrived_t.copy_(d_c_t)
        d_c_t.mul_(decay_t)


TORCH = Loops(_forward_steps, _backward_steps)


def _forward(steps, h, c, decay, w_ih, w_hh, b_ih, b_hh, layout, loops, keep=False):
    """States [S, H] and last c [B, H]; to keep: gates [S, 4H] (i, f, G, o) and q [S, H]."""
    size = w_hh.shape[1]
    scale = steps.new_ones(4, size, 1)
    scale[2] = 2
    scale = scale.view(-1, 1)
    bias, inputs = (b_ih + b_hh) * scale[:, 0], (w_ih * scale).t()
    hidden = (w_hh * scale).t().contiguous()
    run_steps = (loops or TORCH).forward
    chunks = layout.chunks(max(1, CHUNK_SIZE // size))
    buffers = Buffers(steps)
    n_rows = len(steps) if keep else max(len(chunk) for chunk in chunks)
    all_gates, all_q = buffers.empty(n_rows, 4 * size), buffers.empty(n_rows, size)
    states = steps.new_empty(len(steps), size)
    h = steps.new_zeros(layout.n_sequences, size) if h is None else h
    q = steps.new_zeros(layout.n_sequences, size) if c is None else -2 * c
    final = torch.empty_like(q)
    part, arrived = None, (None, None)
    if decay is not None:
        arrived = torch.empty_like(q), torch.empty_like(q)
    for chunk in chunks:
        rows = slice(chunk.start, chunk.end) if keep else slice(0, len(chunk))
        gates, new_q = all_gates[rows], all_q[rows]
        torch.addmm(bias, steps[chunk.start : chunk.end], inputs, out=gates)
        new = states[chunk.start : chunk.end]
        running = chunk.sizes[0]
        if decay is not None:
            part = decay[chunk.start : chunk.end]
        run_steps(chunk, h[:running], q[:running], hidden, gates, new_q, new, part, *arrived)
        chunk.ends(new_q, out=final)
        last = slice(-chunk.sizes[-1], None)
        h, q = new[last], new_q[last] if keep else new_q[last].clone()
    return states, final.mul_(-0.5), all_gates, all_q, buffers


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, steps, h, c, decay, w_ih, w_hh, b_ih, b_hh, layout, loops):
        tensors = (steps, h, c, decay, w_ih, w_hh, b_ih, b_hh)
        states, final, *ctx.kept = _forward(*tensors, layout, loops, keep=True)
        ctx.save_for_backward(steps, h, c, decay, w_ih, w_hh, states)
        ctx.layout, ctx.loops = layout, loops
        ctx.set_materialize_grads(False)
        return states, final

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, grad_final):
        steps, h, c, decay, w_ih, w_hh, states = ctx.saved_tensors
        all_gates, all_q, _ = ctx.kept
        size = w_hh.shape[1]
        chunks = ctx.layout.chunks(max(1, CHUNK_SIZE // size))
        buffers, n_rows = Buffers(steps), max(len(chunk) for chunk in chunks)
        all_d, spaces = buffers.empty(n_rows, 4, size), buffers.empty(4, n_rows, size)
        d_ih, d_hh = steps.new_zeros(w_ih.shape[::-1]), steps.new_zeros(w_hh.shape[::-1])
        d_bias = steps.new_zeros(4 * size)
        d_steps = torch.empty_like(steps) if ctx.needs_input_grad[0] else None
        # one row a sequence; those that have ended already wait with the gradient of their last c
        d_c = steps.new_zeros(ctx.layout.n_sequences, size)
        if grad_final is not None:
            d_c += grad_final
        first_q = None if c is None else -2 * c
        d_decay, part, arrived, arrived_c = None, None, None, None
        if decay is not None:
            d_decay, all_arrived = torch.empty_like(decay), buffers.empty(2, n_rows, size)
        carry, run_steps = None, (ctx.loops or TORCH).backward
        for chunk in reversed(chunks):
            rows = slice(chunk.start, chunk.end)
            gates, d = all_gates[rows], all_d[: len(chunk)]
            before, above, to_c, u = spaces[:, : len(chunk)]
            chunk.previous(all_q, first_q, before, decay)
            chunk.collect(grad, carry, out=above)
            carry = steps.new_zeros(chunk.sizes[0], size)
            if decay is not None:
                part, (arrived, arrived_c) = decay[rows], all_arrived[:, : len(chunk)]
                arrived.zero_()
            run_steps(
                *(chunk, gates, all_q[rows], states[rows], before, above, w_hh),
                *(d, to_c, u, d_c, carry, part, arrived, arrived_c),
            )
            if decay is not None:
                chunk.previous(all_q, first_q, before)
                torch.mul(before, arrived_c, out=d_decay[rows]).mul_(-0.5)  # q = -2 c
            chunk.previous(states, h, before)
            if decay is not None:
                d_decay[rows].addcmul_(before, arrived)
                before.mul_(part)
            flat = d.view(len(chunk), 4 * size)
            d_hh.addmm_(before.t(), flat)
            d_ih.addmm_(steps[rows].t(), flat)
            d_bias += flat.sum(0)
            if d_steps is not None:
                torch.mm(flat, w_ih, out=d_steps[rows])
        d_h, d_c = None if h is None else carry, None if c is None else d_c
        d_bias = (d_bias, d_bias.clone())
        return d_steps, d_h, d_c, d_decay, d_ih.t(), d_hh.t(), *d_bias, None, None
