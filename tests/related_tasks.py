"""Four tasks and a ragged batch, for the tests of what relates tasks."""

from functools import partial

import numpy as np
import torch

from sk_mtrnn.recurrence import PackedLayout
from sk_mtrnn.relations import RelationContext

NAMES = ["a", "b", "c", "d"]
SIZES = (6, 4, 6, 2)
N_OUTPUTS = (3, 1, 2, 1)
LENGTHS = [4, 3, 3, 1]  # of the sequences of a batch, longest first
EXACT = {"rtol": 1e-12, "atol": 1e-14}


def softmax(outputs):
    return torch.softmax(outputs, -1)


def number(outputs):
    return 2.0 * outputs + 1.0


PREDICTED = [softmax, number, softmax, number]


def measured(names=tuple(NAMES)):
    """A relatedness with a pair that is not known."""
    full = np.array(
        [[1, 0.3, 0.1, 0.2], [0.3, 1, np.nan, 0.7], [0.1, np.nan, 1, 0], [0.2, 0.7, 0, 1]]
    )
    order = [NAMES.index(name) for name in names]
    return full[np.ix_(order, order)]


def context(names=tuple(NAMES)):
    order = [NAMES.index(name) for name in names]
    parts = ([values[k] for k in order] for values in (SIZES, N_OUTPUTS, PREDICTED))
    sizes, n_outputs, predicted = parts
    return RelationContext(
        list(names), tuple(sizes), tuple(n_outputs), predicted, partial(measured, names)
    )


def build(relation, names=tuple(NAMES), seed=0):
    """Its module in double precision, every parameter moved away from where it starts."""
    torch.manual_seed(seed)
    module = relation.build(context(names)).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module


def make_features(n_entries=5, seed=1):
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(size=(n_entries, size))) for size in SIZES]


def make_layout(lengths=tuple(LENGTHS)):
    sizes = [sum(length > t for length in lengths) for t in range(max(lengths))]
    return PackedLayout(torch.tensor(sizes))


def make_outputs(per_step, seed=2):
    rng = np.random.default_rng(seed)
    rows = [sum(LENGTHS) if steps else len(LENGTHS) for steps in per_step]
    return [torch.from_numpy(rng.normal(size=shape)) for shape in zip(rows, N_OUTPUTS, strict=True)]


def array(tensor):
    return tensor.detach().numpy()
