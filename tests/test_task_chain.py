"""Chains of tasks, against loops over sequences and steps."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from related_tasks import (
    EXACT,
    LENGTHS,
    N_OUTPUTS,
    NAMES,
    PREDICTED,
    array,
    build,
    context,
    make_layout,
    make_outputs,
    softmax,
)
from torch.autograd import gradcheck

from sk_mtrnn.relations import TaskChain


def chain_by_hand(module, outputs, per_step):
    """Sequence by sequence and step by step, in numpy."""
    starts = np.cumsum([0] + [sum(n > t for n in LENGTHS) for t in range(max(LENGTHS))])
    rows_of = [[starts[t] + b for t in range(n)] for b, n in enumerate(LENGTHS)]
    linked, predictions = [array(output).copy() for output in outputs], {}
    for place, k in enumerate(module.order):
        for b, rows in enumerate(rows_of):
            for row in rows if per_step[k] else [b]:
                read = []
                for j in module.order[:place]:
                    p = predictions[j]
                    if per_step[j]:
                        read.append(p[row] if per_step[k] else p[rows].mean(0))
                    else:
                        read.append(p[b])
                if place:
                    linked[k][row] += array(module.links[place - 1]) @ np.concatenate(read)
        if PREDICTED[k] is softmax:
            p = np.exp(linked[k])
            predictions[k] = p / p.sum(1, keepdims=True)
        else:
            predictions[k] = 2.0 * linked[k] + 1.0
    return linked


@pytest.mark.parametrize("per_step", [(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 0, 1), (0, 1, 1, 0)])
@pytest.mark.parametrize("order", [None, ["c", "a", "d", "b"]])
def test_chain_is_its_formula(order, per_step):
    module, outputs = build(TaskChain(order)), make_outputs(per_step)
    found = module.outputs(outputs, per_step, make_layout())
    for one, expected in zip(found, chain_by_hand(module, outputs, per_step), strict=True):
        assert_allclose(array(one), expected, **EXACT)


def test_chain_on_sequences_of_equal_length():
    module, per_step = build(TaskChain()), (True, False, True, False)
    layout = make_layout((3, 3))
    rng = np.random.default_rng(0)
    shapes = [(6 if steps else 2, n) for steps, n in zip(per_step, N_OUTPUTS, strict=True)]
    outputs = [torch.from_numpy(rng.normal(size=shape)) for shape in shapes]
    found = module.outputs(outputs, per_step, layout)
    for b in range(2):
        alone = [o[b::2] if steps else o[[b]] for o, steps in zip(outputs, per_step, strict=True)]
        single = module.outputs(alone, per_step, make_layout((3,)))
        for one, whole, steps in zip(single, found, per_step, strict=True):
            assert_allclose(array(one), array(whole[b::2] if steps else whole[[b]]), **EXACT)


def test_chain_starts_unlinked_and_its_matrix_is_the_strength_of_links():
    module = TaskChain(["c", "a", "d", "b"]).build(context()).double()
    outputs = make_outputs((True, False, True, False))
    found = module.outputs(outputs, (True, False, True, False), make_layout())
    assert all(map(torch.equal, found, outputs))
    assert_array_equal(module.matrix(), np.zeros((4, 4)))
    with torch.no_grad():
        module.links[1][:, :2] = 3.0  # task d reads the two classes of c, then the three of a
        module.links[1][:, 2:] = 2.0
    expected = np.zeros((4, 4))
    expected[3, 2], expected[3, 0] = 3.0 * 2**0.5, 2.0 * 3**0.5
    assert_allclose(module.matrix(), expected)


def test_gradients_of_a_chain():
    per_step = (True, False, True, False)
    module, layout = build(TaskChain(["c", "a", "d", "b"])), make_layout()
    outputs = [output.requires_grad_() for output in make_outputs(per_step)]

    def run(*tensors):  # the links are the module's own, which gradcheck moves
        return tuple(module.outputs(tensors[:4], per_step, layout))

    found = module.outputs(outputs, per_step, layout)
    found[1].sum().backward()  # the last of the chain alone
    assert all(output.grad.abs().min() > 0 for output in outputs)
    assert all(link.grad.abs().min() > 0 for link in module.links)
    outputs[3].grad = None
    module.outputs(outputs, per_step, layout)[0].sum().backward()  # the second of the chain
    assert outputs[3].grad is None  # knows nothing of the third
    assert gradcheck(run, (*outputs, *module.links))


def test_permuted_tasks_permute_a_chain():
    order, per_step = [2, 0, 3, 1], (True, False, True, False)
    module = build(TaskChain(NAMES))
    other = build(TaskChain(NAMES), [NAMES[k] for k in order], seed=5)
    other.load_state_dict(module.state_dict())  # links follow the chain, not the tasks
    outputs, layout = make_outputs(per_step), make_layout()
    found = module.outputs(outputs, per_step, layout)
    permuted = other.outputs([outputs[k] for k in order], [per_step[k] for k in order], layout)
    for place, k in enumerate(order):
        assert_allclose(array(permuted[place]), array(found[k]), **EXACT)
    assert_array_equal(other.matrix(), module.matrix()[np.ix_(order, order)])


def test_a_chain_does_not_see_batch_mates_or_padding():
    per_step, module = (True, False, True, False), build(TaskChain(["b", "c", "a", "d"]))
    outputs = make_outputs(per_step)
    found = module.outputs(outputs, per_step, make_layout())
    starts = np.cumsum([0] + [sum(n > t for n in LENGTHS) for t in range(max(LENGTHS))])
    for b, length in enumerate(LENGTHS):
        rows = [[starts[t] + b for t in range(length)] if steps else [b] for steps in per_step]
        alone = [output[row] for output, row in zip(outputs, rows, strict=True)]
        single = module.outputs(alone, per_step, make_layout((length,)))
        for one, whole, row in zip(single, found, rows, strict=True):
            assert_allclose(array(one), array(whole[row]), **EXACT)
