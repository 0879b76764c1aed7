"""The Elman recurrence over packed sequences, forward and backward by hand.

Equations (Elman 1990, in the parameters of `torch.nn.RNN`), ⊙ by entry:

    a = W_i x + b_i + W_h h + b_h          h' = tanh(a)  or  max(a, 0)

Forward with tanh. tanh costs several times σ, so h' = 1 - 2 σ(-2 a), the factor in copies of the
weights. A step is three calls, product, σ and subtract (with the rectifier two), in place where the
products with x were written.

Backward. With E = ∂L/∂h' (from above and from the next step)

    ∂a = (1 - h'²) ⊙ E,  or  E where h' > 0          ∂h = W_h' ∂a

The factor of E is computed in bulk, chunk by chunk; a step is two calls, scale and product.

Decay. With factors γ of the state that arrives at a step, h is γ ⊙ h throughout the equations; back
go γ ⊙ ∂(γ ⊙ h) to h and h ⊙ ∂(γ ⊙ h) to γ. One call more forward and one backward.
"""

import torch
from torch.autograd.function import once_differentiable

from ._buffers import Buffers
from ._packed import CHUNK_SIZE, Loops


def rnn(steps, initial, w_ih, w_hh, b_ih, b_hh, layout, activation="tanh", loops=None, decay=None):
    """Run an Elman recurrence in one direction.

    Legend: S steps in all, B sequences, F inputs, H units.

    Parameters
    ----------
    steps : Tensor of shape (S, F)
    initial : Tensor of shape (B, H) or None
        The states before the first step; None: zeros.
    w_ih, w_hh, b_ih, b_hh : Tensors of shapes (H, F), (H, H), (H,), (H,)
        As in `torch.nn.RNN`.
    layout : PackedLayout
    activation : {"tanh", "relu"}
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
        return _RNN.apply(*tensors, layout, activation, loops)
    return _forward(*tensors, layout, activation, loops)


def _forward_steps(chunk, h, hidden, new, tanh, decay, arrived):
    """Run the steps of a chunk: h (b, H) before it; in new (rows, H) what x brings.

    With decay (rows, H) or None; arrived (b, H) is room for γ ⊙ h.
    """
    one = h.new_ones(())
    new_h, on_h = chunk.split_states(new)
    for h_t, next_t in zip(chunk.arriving((h, *on_h), decay, arrived), new_h, strict=True):
        next_t.addmm_(h_t, hidden)
        if tanh:
            next_t.sigmoid_()
            torch.sub(one, next_t, alpha=2, out=next_t)
        else:
            next_t.relu_()


def _backward_steps(chunk, states, above, w_hh, d, carry, tanh, decay, arrived):
    """From E in ``above`` (rows, H) to d (rows, H) and carry (b, H), summed up.

    With decay (rows, H) or None; to arrived (rows, H), of zeros, ∂(γ ⊙ h).
    """
    if tanh:
        torch.addcmul(states.new_ones(()), states, states, value=-1, out=d)
    else:
        torch.gt(states, 0, out=d)
    above_t, below_t = chunk.split_states(above)
    for to_t, d_t, e_t in zip(
        chunk.departing((*reversed(below_t), carry), decay, arrived),
        reversed(chunk.split(d)),
        reversed(above_t),
        strict=True,
    ):
        d_t.mul_(e_t)
        to_t.addmm_(d_t, w_hh)


TORCH = Loops(_forward_steps, _backward_steps)


def _forward(steps, initial, decay, w_ih, w_hh, b_ih, b_hh, layout, activation, loops):
    size, tanh = w_hh.shape[1], activation == "tanh"
    factor = -2 if tanh else 1
    bias, inputs, hidden = factor * (b_ih + b_hh), factor * w_ih.t(), (factor * w_hh).t()
    hidden = hidden.contiguous()
    run_steps = (loops or TORCH).forward
    states = steps.new_empty(len(steps), size)
    arrived = None if decay is None else steps.new_empty(layout.n_sequences, size)
    h = steps.new_zeros(layout.n_sequences, size) if initial is None else initial
    for chunk in layout.chunks(max(1, CHUNK_SIZE // size)):
        new = states[chunk.start : chunk.end]
        torch.addmm(bias, steps[chunk.start : chunk.end], inputs, out=new)
        part = None if decay is None else decay[chunk.start : chunk.end]
        run_steps(chunk, h[: chunk.sizes[0]], hidden, new, tanh, part, arrived)
        h = new[-chunk.sizes[-1] :]
    return states


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx, steps, initial, decay, w_ih, w_hh, b_ih, b_hh, layout, activation, loops):
        tensors = (steps, initial, decay, w_ih, w_hh, b_ih, b_hh)
        states = _forward(*tensors, layout, activation, loops)
        ctx.save_for_backward(steps, initial, decay, w_ih, w_hh, states)
        ctx.layout, ctx.tanh, ctx.loops = layout, activation == "tanh", loops
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        steps, initial, decay, w_ih, w_hh, states = ctx.saved_tensors
        size = w_hh.shape[1]
        chunks = ctx.layout.chunks(max(1, CHUNK_SIZE // size))
        buffers, n_rows = Buffers(steps), max(len(chunk) for chunk in chunks)
        spaces = buffers.empty(3, n_rows, size)
        d_ih, d_hh = steps.new_zeros(w_ih.shape[::-1]), steps.new_zeros(w_hh.shape[::-1])
        d_bias = steps.new_zeros(size)
        d_steps = torch.empty_like(steps) if ctx.needs_input_grad[0] else None
        d_decay, part, arrived = None, None, None
        if decay is not None:
            d_decay, all_arrived = torch.empty_like(decay), buffers.empty(n_rows, size)
        carry, run_steps = None, (ctx.loops or TORCH).backward
        for chunk in reversed(chunks):
            rows = slice(chunk.start, chunk.end)
            d, before, above = spaces[:, : len(chunk)]
            chunk.collect(grad, carry, out=above)
            carry = steps.new_zeros(chunk.sizes[0], size)
            if decay is not None:
                part, arrived = decay[rows], all_arrived[: len(chunk)].zero_()
            run_steps(chunk, states[rows], above, w_hh, d, carry, ctx.tanh, part, arrived)
            chunk.previous(states, initial, out=before)
            if decay is not None:
                torch.mul(before, arrived, out=d_decay[rows])
                before.mul_(part)
            d_hh.addmm_(before.t(), d)
            d_ih.addmm_(steps[rows].t(), d)
            d_bias += d.sum(0)
            if d_steps is not None:
                torch.mm(d, w_ih, out=d_steps[rows])
        d_initial = None if initial is None else carry
        d_bias = (d_bias, d_bias.clone())
        return d_steps, d_initial, d_decay, d_ih.t(), d_hh.t(), *d_bias, None, None, None
