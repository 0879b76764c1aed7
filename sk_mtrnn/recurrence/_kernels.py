"""The step loops of the packed recurrences as compiled functions; imports numba.

The formulas are those in `_gru`, `_rnn` and `_lstm`; what the loops of torch compute in bulk before
the steps, the factors of the gates' gradients, is computed where it is used.

numba leaves it to LLVM to find loops that can be vectorised, and LLVM gives up where many arrays
are read and written or a function like exp is called. Here the vectors are written down: a formula
is a Python function of `Row` arguments, called once while a kernel is compiled, that leaves LLVM
instructions behind (`over_rows`); so does the small matrix product (`add_product`).

Addresses are plain integers, of float32 arrays without gaps; ``size`` is the number of units H,
``sizes`` how many sequences run at each step. The address ``decay`` is 0 where nothing decays.

All that numba compiles stands in this one file: its cache on disk notices no change elsewhere.
"""

import platform

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def _vector_registers():
    """Entries of float32 in one register, and the number of registers."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 32
    if features.get("avx"):
        return 8, 16
    return 4, 16 if platform.machine().lower() in ("x86_64", "amd64") else 32


WIDTH, _N_REGISTERS = _vector_registers()
# most rows at once in a product of 1, 2, 3 vectors: sums fill the registers, weights get the rest
_TILE_ROWS = (8, 8, 4) if _N_REGISTERS == 32 else (8, 4, 4)


_FLOAT, _INT32 = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTS = ir.VectorType(_FLOAT, WIDTH), ir.VectorType(_INT32, WIDTH)
_MASK = ir.VectorType(ir.IntType(1), WIDTH)
_BLOCK = 64  # rows whose product and formula follow each other while they are in cache
_FREE = ("contract",)  # fused multiply-add; NaN and infinities as in IEEE 754


_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": False}


def _cached(function):
    """Compile on the first call, and keep the code on disk where a directory can be written."""
    try:
        return njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no such directory
        return njit(**_OPTIONS)(function)


def _int64(n):
    return ir.Constant(ir.IntType(64), n)


def _spread(builder, scalar, vector_type):
    """A vector of one number."""
    nothing = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_INTS, [0] * WIDTH))


def _first(builder, n):
    """The mask of the first n entries of a vector."""
    n = _spread(builder, builder.trunc(n, _INT32), _INTS)
    return builder.icmp_signed("<", ir.Constant(_INTS, list(range(WIDTH))), n)


def _fused(builder, x, y, z):
    """X y + z."""
    function_type = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    name = f"llvm.fmuladd.v{WIDTH}f32"
    return builder.call(
        cgutils.get_or_insert_function(builder.module, function_type, name), [x, y, z]
    )


def _load(builder, pointer, mask=None):
    pointer = builder.bitcast(pointer, _VECTOR.as_pointer())
    if mask is None:
        return builder.load(pointer, align=4)
    function_type = ir.FunctionType(_VECTOR, [_VECTOR.as_pointer(), _INT32, _MASK, _VECTOR])
    name = f"llvm.masked.load.v{WIDTH}f32.p0"
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    zeros = ir.Constant(_VECTOR, [0.0] * WIDTH)
    return builder.call(function, [pointer, ir.Constant(_INT32, 4), mask, zeros])


def _store(builder, vector, pointer, mask=None):
    pointer = builder.bitcast(pointer, _VECTOR.as_pointer())
    if mask is None:
        builder.store(vector, pointer, align=4)
        return
    function_type = ir.FunctionType(ir.VoidType(), [_VECTOR, _VECTOR.as_pointer(), _INT32, _MASK])
    name = f"llvm.masked.store.v{WIDTH}f32.p0"
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    builder.call(function, [vector, pointer, ir.Constant(_INT32, 4), mask])


class Vector:
    """A vector in a formula; operators with vectors and numbers write LLVM instructions."""

    def __init__(self, builder, value):
        self.builder = builder
        self.value = value

    def of(self, number):
        return Vector(self.builder, ir.Constant(_VECTOR, [float(number)] * WIDTH))

    def _apply(self, operation, x, y):
        x, y = (v if isinstance(v, Vector) else self.of(v) for v in (x, y))
        value = getattr(self.builder, operation)(x.value, y.value, flags=_FREE)
        return Vector(self.builder, value)

    def __add__(self, other):
        return self._apply("fadd", self, other)

    def __sub__(self, other):
        return self._apply("fsub", self, other)

    def __rsub__(self, other):
        return self._apply("fsub", other, self)

    def __mul__(self, other):
        return self._apply("fmul", self, other)

    def __rtruediv__(self, other):
        return self._apply("fdiv", other, self)

    __radd__, __rmul__ = __add__, __mul__

    def where(self, comparison, limit, then, otherwise):
        """``then`` where ``self <comparison> limit`` holds, which it does not for NaN."""
        limit, then = self.of(limit), then if isinstance(then, Vector) else self.of(then)
        otherwise = otherwise if isinstance(otherwise, Vector) else self.of(otherwise)
        mask = self.builder.fcmp_ordered(comparison, self.value, limit.value)
        return Vector(self.builder, self.builder.select(mask, then.value, otherwise.value))

    def power_of_two(self):
        """2^n from the sum of an integer n and 1.5 · 2^23, whose last bits are those of n."""
        shift, bias = (ir.Constant(_INTS, [n] * WIDTH) for n in (23, 127 << 23))
        bits = self.builder.shl(self.builder.bitcast(self.value, _INTS), shift)
        return Vector(self.builder, self.builder.bitcast(self.builder.add(bits, bias), _VECTOR))


def sigmoid(x):
    """1 / (1 + e^-x), relative error 2e-7; 0 where e^-x overflows, NaN for NaN.

    e^y = 2^n e^f with n = round(y / ln 2), f = y - n ln 2 with ln 2 as a sum of two, and e^f as a
    polynomial (the coefficients of expf in Cephes, Moshier 1989).
    """
    y = 0.0 - x
    y = y.where("<", -87.3, -87.3, y)
    y = y.where(">", 88.8, 88.8, y)
    shifted = y * 1.44269504088896341 + 12582912.0
    n = shifted - 12582912.0
    f = y - n * 0.693359375
    f = f + n * 2.12194440e-4
    e = f * 1.9875691500e-4 + 1.3981999507e-3
    for coefficient in (8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        e = e * f + coefficient
    e = e * (f * f) + f + 1.0
    return 1.0 / (e * shifted.power_of_two() + 1.0)


class Row:
    """One row of an array in a formula, at the vector that is computed."""

    def __init__(self, builder, pointer, mask):
        self.builder = builder
        self.pointer = pointer
        self.mask = mask

    def load(self):
        return Vector(self.builder, _load(self.builder, self.pointer, self.mask))

    def store(self, vector):
        _store(self.builder, vector.value, self.pointer, self.mask)


def over_rows(formula):
    """Make a formula of rows a function for compiled code.

    Parameters
    ----------
    formula : callable
        Takes `Row` arguments; loads and stores.

    Returns
    -------
    function
        Called with the addresses of as many rows, a tuple of int64, and their common length.
    """

    @intrinsic
    def apply(typing_context, addresses, length):
        def write(context, builder, signature, arguments):
            addresses, length = arguments
            addresses = cgutils.unpack_tuple(builder, addresses)
            pointers = [builder.inttoptr(n, _FLOAT.as_pointer()) for n in addresses]

            def write_vector(start, mask):
                formula(*(Row(builder, builder.gep(p, [start]), mask) for p in pointers))

            width = _int64(WIDTH)
            with cgutils.for_range(builder, builder.udiv(length, width)) as loop:
                write_vector(builder.mul(loop.index, width), None)
            rest = builder.urem(length, width)
            with builder.if_then(builder.icmp_signed(">", rest, _int64(0))):
                write_vector(builder.sub(length, rest), _first(builder, rest))
            return context.get_dummy_value()

        return types.void(addresses, types.int64), write

    return apply


def _tile(n_rows, n_vectors, masked):
    """Make the function of one tile of `add_product`; its sums stay in registers."""

    @intrinsic
    def add(typing_context, out, left, right, n_inner, n_columns, rest):
        def write(context, builder, signature, arguments):
            *addresses, n_inner, n_columns, rest = arguments
            out, left, right = (builder.inttoptr(n, _FLOAT.as_pointer()) for n in addresses)
            masks = [None] * n_vectors
            if masked:
                masks[-1] = _first(builder, rest)
            columns = [_int64(i * WIDTH) for i in range(n_vectors)]
            outs, lefts, sums = [], [], []
            for i in range(n_rows):
                row = builder.gep(out, [builder.mul(n_columns, _int64(i))])
                outs.append([builder.gep(row, [column]) for column in columns])
                lefts.append(builder.gep(left, [builder.mul(n_inner, _int64(i))]))
                start = [_load(builder, p, mask) for p, mask in zip(outs[i], masks, strict=True)]
                sums.append([cgutils.alloca_once_value(builder, vector) for vector in start])
            with cgutils.for_range(builder, n_inner) as loop:
                row = builder.gep(right, [builder.mul(loop.index, n_columns)])
                weights = [
                    _load(builder, builder.gep(row, [column]), mask)
                    for column, mask in zip(columns, masks, strict=True)
                ]
                for pointer, of_row in zip(lefts, sums, strict=True):
                    entry = builder.load(builder.gep(pointer, [loop.index]))
                    entry = _spread(builder, entry, _VECTOR)
                    for vector, place in zip(weights, of_row, strict=True):
                        builder.store(_fused(builder, entry, vector, builder.load(place)), place)
            for pointers, of_row in zip(outs, sums, strict=True):
                for pointer, place, mask in zip(pointers, of_row, masks, strict=True):
                    _store(builder, builder.load(place), pointer, mask)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), write

    return add


def _strip(n_vectors, masked):
    """Make the function that runs over the rows of some columns of `add_product`."""
    most = _TILE_ROWS[n_vectors - 1]
    tile, single = _tile(most, n_vectors, masked), _tile(1, n_vectors, masked)

    @njit(**_OPTIONS)  # not kept: as a closure it would be filed anew by every process
    def add(out, left, right, n_rows, n_inner, n_columns, rest):
        row = 0
        while row + most <= n_rows:
            to, start = out + 4 * row * n_columns, left + 4 * row * n_inner
            tile(to, start, right, n_inner, n_columns, rest)
            row += most
        while row < n_rows:
            to, start = out + 4 * row * n_columns, left + 4 * row * n_inner
            single(to, start, right, n_inner, n_columns, rest)
            row += 1

    return add


_one, _two, _three = (_strip(n, False) for n in (1, 2, 3))
_part, _one_part, _two_part = (_strip(n, True) for n in (1, 2, 3))


@_cached
def add_product(out, left, right, n_rows, n_inner, n_columns):
    """Add a matrix product: out (n_rows, n_columns) += left (n_rows, n_inner) @ right."""
    rest, n_left = n_columns % WIDTH, (n_columns + WIDTH - 1) // WIDTH
    while n_left > 0:
        n = 3 if n_left >= 3 and n_left != 4 else min(n_left, 2)
        if rest == 0 or n < n_left:
            if n == 3:
                _three(out, left, right, n_rows, n_inner, n_columns, rest)
            elif n == 2:
                _two(out, left, right, n_rows, n_inner, n_columns, rest)
            else:
                _one(out, left, right, n_rows, n_inner, n_columns, rest)
        elif n == 3:
            _two_part(out, left, right, n_rows, n_inner, n_columns, rest)
        elif n == 2:
            _one_part(out, left, right, n_rows, n_inner, n_columns, rest)
        else:
            _part(out, left, right, n_rows, n_inner, n_columns, rest)
        out += 4 * n * WIDTH
        right += 4 * n * WIDTH
        n_left -= n


@over_rows
def _decay_row(h, decay, arrived):
    arrived.store(decay.load() * h.load())


@over_rows
def _decay_backward_row(arrived, decay, to):
    to.store(to.load() + decay.load() * arrived.load())


@over_rows
def _decay_cell_backward_row(d_c, decay, arrived):
    d = d_c.load()
    arrived.store(d)
    d_c.store(decay.load() * d)


@over_rows
def _gru_forward_row(r, z, m, s, h, new):
    reset, update = sigmoid(r.load()), sigmoid(z.load())
    last = sigmoid(s.load() + reset * m.load())
    n = 1.0 - 2.0 * last
    new.store(n + update * (h.load() - n))
    r.store(reset)
    z.store(update)
    s.store(last)


@over_rows
def _gru_backward_row(r, z, m, s, before, above, d_r, d_z, d_m, d_n, to):
    reset, update, last, e = r.load(), z.load(), s.load(), above.load()
    keep = 1.0 - update
    for_n = 4.0 * (last * (1.0 - last)) * keep * e
    for_m = for_n * reset
    d_n.store(for_n)
    d_m.store(for_m)
    d_r.store(-0.5 * m.load() * (1.0 - reset) * for_m)
    d_z.store(update * keep * (before.load() + 2.0 * last - 1.0) * e)
    to.store(to.load() + update * e)


@over_rows
def _rnn_forward_row(new):
    new.store(1.0 - 2.0 * sigmoid(new.load()))


@over_rows
def _relu_forward_row(new):
    a = new.load()
    new.store(a.where("<", 0.0, 0.0, a))


@over_rows
def _rnn_backward_row(state, above, d):
    h = state.load()
    d.store((1.0 - h * h) * above.load())


@over_rows
def _relu_backward_row(state, above, d):
    d.store(state.load().where(">", 0.0, 1.0, 0.0) * above.load())


@over_rows
def _lstm_forward_row(i, f, g, o, before, q, new):
    let_in, forget, out = sigmoid(i.load()), sigmoid(f.load()), sigmoid(o.load())
    half = sigmoid(g.load()) - 0.5
    cell = forget * before.load() - 4.0 * let_in * half
    new.store(out - 2.0 * out * sigmoid(cell))
    i.store(let_in)
    f.store(forget)
    g.store(half)
    o.store(out)
    q.store(cell)


@over_rows
def _lstm_backward_row(i, f, g, o, q, state, before, above, d_i, d_f, d_g, d_o, d_c):
    let_in, forget, half, out, e = i.load(), f.load(), g.load(), o.load(), above.load()
    v = sigmoid(q.load())
    d = d_c.load() + 4.0 * out * (v * (1.0 - v)) * e
    d_i.store(2.0 * half * (let_in * (1.0 - let_in)) * d)
    d_f.store(-0.5 * before.load() * (forget * (1.0 - forget)) * d)
    d_g.store(let_in * (1.0 - 4.0 * half * half) * d)
    d_o.store(state.load() * (1.0 - out) * e)
    d_c.store(forget * d)


@_cached
def gru_forward(sizes, h, hidden, gates, s, new, decay, arrived, size):
    """See `_gru._forward_steps`."""
    row = 4 * size
    for n_rows in sizes:
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            before = h
            if decay:
                _decay_row((h, decay, arrived), n * size)
                before, decay = arrived, decay + n * row
            add_product(gates, before, hidden, n, size, 3 * size)
            for _ in range(n):
                _gru_forward_row((gates, gates + row, gates + 2 * row, s, before, new), size)
                gates, s, before, new = gates + 3 * row, s + row, before + row, new + row
            h += n * row
        h = new - n_rows * row


@_cached
def gru_backward(sizes, gates, s, before, above, w_hh, d, d_n, carry, decay, arrived, size):
    """See `_gru._backward_steps`."""
    row = 4 * size
    at = sizes.sum() * row
    for t in range(len(sizes) - 1, -1, -1):
        n_rows = sizes[t]
        at -= n_rows * row
        on = above + at - sizes[t - 1] * row if t else carry
        to = arrived + at if decay else on
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            for i in range(start, start + n):
                j = at + i * row
                g, d_t = gates + 3 * j, d + 3 * j
                _gru_backward_row(
                    (
                        g,
                        g + row,
                        g + 2 * row,
                        s + j,
                        before + j,
                        above + j,
                        d_t,
                        d_t + row,
                        d_t + 2 * row,
                        d_n + j,
                        to + i * row,
                    ),
                    size,
                )
            d_t = d + 3 * (at + start * row)
            add_product(to + start * row, d_t, w_hh, n, 3 * size, size)
            if decay:
                j = start * row
                _decay_backward_row((to + j, decay + at + j, on + j), n * size)


@_cached
def rnn_forward(sizes, h, hidden, new, decay, arrived, size, tanh):
    """See `_rnn._forward_steps`."""
    row = 4 * size
    for n_rows in sizes:
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            before = h
            if decay:
                _decay_row((h, decay, arrived), n * size)
                before, decay = arrived, decay + n * row
            add_product(new, before, hidden, n, size, size)
            if tanh:
                _rnn_forward_row((new,), n * size)
            else:
                _relu_forward_row((new,), n * size)
            new, h = new + n * row, h + n * row
        h = new - n_rows * row


@_cached
def rnn_backward(sizes, states, above, w_hh, d, carry, decay, arrived, size, tanh):
    """See `_rnn._backward_steps`."""
    row = 4 * size
    at = sizes.sum() * row
    for t in range(len(sizes) - 1, -1, -1):
        n_rows = sizes[t]
        at -= n_rows * row
        on = above + at - sizes[t - 1] * row if t else carry
        to = arrived + at if decay else on
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            j = at + start * row
            if tanh:
                _rnn_backward_row((states + j, above + j, d + j), n * size)
            else:
                _relu_backward_row((states + j, above + j, d + j), n * size)
            add_product(to + start * row, d + j, w_hh, n, size, size)
            if decay:
                _decay_backward_row((to + start * row, decay + j, on + start * row), n * size)


@_cached
def lstm_forward(sizes, h, q, hidden, gates, new_q, new, decay, arrived, arrived_q, size):
    """See `_lstm._forward_steps`."""
    row = 4 * size
    for n_rows in sizes:
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            before, q_t = h, q
            if decay:
                _decay_row((h, decay, arrived), n * size)
                _decay_row((q, decay, arrived_q), n * size)
                before, q_t, decay = arrived, arrived_q, decay + n * row
            add_product(gates, before, hidden, n, size, 4 * size)
            for _ in range(n):
                f, g, o = gates + row, gates + 2 * row, gates + 3 * row
                _lstm_forward_row((gates, f, g, o, q_t, new_q, new), size)
                gates, q_t, new_q, new = gates + 4 * row, q_t + row, new_q + row, new + row
            h, q = h + n * row, q + n * row
        h, q = new - n_rows * row, new_q - n_rows * row


@_cached
def lstm_backward(
    sizes, gates, q, states, before, above, w_hh, d, d_c, carry, decay, arrived, arrived_c, size
):
    """See `_lstm._backward_steps`."""
    row = 4 * size
    at = sizes.sum() * row
    for t in range(len(sizes) - 1, -1, -1):
        n_rows = sizes[t]
        at -= n_rows * row
        on = above + at - sizes[t - 1] * row if t else carry
        to = arrived + at if decay else on
        for start in range(0, n_rows, _BLOCK):
            n = min(_BLOCK, n_rows - start)
            for i in range(start, start + n):
                j = at + i * row
                g, d_t = gates + 4 * j, d + 4 * j
                _lstm_backward_row(
                    (
                        g,
                        g + row,
                        g + 2 * row,
                        g + 3 * row,
                        q + j,
                        states + j,
                        before + j,
                        above + j,
                        d_t,
                        d_t + row,
                        d_t + 2 * row,
                        d_t + 3 * row,
                        d_c + i * row,
                    ),
                    size,
                )
            d_t = d + 4 * (at + start * row)
            add_product(to + start * row, d_t, w_hh, n, 4 * size, size)
            if decay:
                j = start * row
                _decay_backward_row((to + j, decay + at + j, on + j), n * size)
                _decay_cell_backward_row((d_c + j, decay + at + j, arrived_c + at + j), n * size)


_ADDRESS = types.int64
_SIZES = types.int64[::1]
KERNELS = {  # cell: the functions of its forward and backward steps, and their arguments
    "gru": (
        (gru_forward, (_SIZES, *[_ADDRESS] * 7, types.int64)),
        (gru_backward, (_SIZES, *[_ADDRESS] * 10, types.int64)),
    ),
    "rnn": (
        (rnn_forward, (_SIZES, *[_ADDRESS] * 5, types.int64, types.boolean)),
        (rnn_backward, (_SIZES, *[_ADDRESS] * 7, types.int64, types.boolean)),
    ),
    "lstm": (
        (lstm_forward, (_SIZES, *[_ADDRESS] * 9, types.int64)),
        (lstm_backward, (_SIZES, *[_ADDRESS] * 12, types.int64)),
    ),
}
