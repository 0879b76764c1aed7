"""How tasks inform one another, against a few lines of numpy."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from related_tasks import (
    EXACT,
    NAMES,
    SIZES,
    array,
    build,
    context,
    make_features,
    make_layout,
    make_outputs,
    measured,
    softmax,
)
from sklearn.base import clone
from torch.autograd import gradcheck

from sk_mtrnn.relations import (
    RELATIONS,
    GraphConvolution,
    RelationContext,
    TaskAttention,
    TaskChain,
    resolve_relation,
)

ADJACENCY = np.array([[0, 2, 0, 0.5], [2, 0, 1, 0], [0, 1, 0, 0], [0.5, 0, 0, 0]])


def task_layer(module, features):
    """H of shape (K, M, d)."""
    layers = module.task_layer.layers
    return np.stack(
        [
            np.tanh(array(z) @ array(layer.weight).T + array(layer.bias))
            for layer, z in zip(layers, features, strict=True)
        ]
    )


def normalized(adjacency):
    connected = adjacency + np.eye(len(adjacency))
    scale = np.diag(connected.sum(1) ** -0.5)
    return scale @ connected @ scale


def edges_of(module):
    """The learned a_ij as a symmetric matrix."""
    logits = np.zeros((4, 4))
    logits[np.triu_indices(4, 1)] = array(module.edges)
    return logits + logits.T


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("adjacency", ["mutual_info", "learned", "given"])
def test_graph_convolution_is_its_formula(adjacency, n_layers):
    given = ADJACENCY if adjacency == "given" else adjacency
    module = build(GraphConvolution(given, n_layers))
    features = make_features()
    if adjacency == "mutual_info":
        expected = np.nan_to_num(measured(), nan=0.0) * (1 - np.eye(4))
    elif adjacency == "learned":
        expected = (1 - np.eye(4)) / (1 + np.exp(-edges_of(module)))
    else:
        expected = ADJACENCY
    propagation = normalized(expected)
    assert_allclose(module.matrix(), propagation, **EXACT)
    h = task_layer(module, features)
    for theta in module.theta:
        h = np.maximum(0.0, h @ array(theta) + np.einsum("ij,jmd->imd", propagation, h))
    assert len(module.theta) == n_layers
    assert_allclose(array(module.features(features)), h, **EXACT)


def test_graph_without_edges_keeps_tasks_apart():
    module = build(GraphConvolution(np.zeros((4, 4)), n_layers=2))
    before, features = module.features(make_features()), make_features()
    features[1] = features[1] + 1.0
    after = module.features(features)
    assert_array_equal(module.matrix(), np.eye(4))
    assert torch.equal(before[[0, 2, 3]], after[[0, 2, 3]])
    assert not torch.equal(before[1], after[1])


def test_diagonal_of_a_given_adjacency_counts_as_zero():
    """So that `task_relatedness`, whose diagonal is 1, can be given as it is."""
    module = build(GraphConvolution(np.diag([1.0, 0, 3, 0]) + ADJACENCY))
    assert_allclose(module.matrix(), normalized(ADJACENCY), **EXACT)


def test_adjacency_in_a_frame_is_read_by_name():
    frame = pd.DataFrame(ADJACENCY, index=NAMES, columns=NAMES)
    shuffled = frame.loc[list("cadb"), list("bdca")]
    assert_array_equal(
        build(GraphConvolution(shuffled)).matrix(), build(GraphConvolution(ADJACENCY)).matrix()
    )


def test_relatedness_is_measured_only_if_asked_for():
    def refuse():
        raise AssertionError

    untold = context()._replace(relatedness=refuse)
    for relation in (GraphConvolution("learned"), GraphConvolution(ADJACENCY), TaskAttention()):
        relation.build(untold)
    with pytest.raises(AssertionError):
        GraphConvolution().build(untold)


def test_learned_adjacency_starts_even_and_moves():
    torch.manual_seed(0)
    module = GraphConvolution("learned").build(context())
    start = module.matrix()
    assert_allclose(start, normalized(0.5 * (1 - np.eye(4))), rtol=1e-6)
    features = [z.float() for z in make_features()]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        module.features(features)[0].square().sum().backward()
        optimizer.step()
    moved = np.abs(module.matrix() - start)[~np.eye(4, dtype=bool)]
    assert (moved > 1e-4).all()
    assert_allclose(module.matrix(), module.matrix().T)


def attention_of(module, h, n_heads):
    """Attention (N, M, K, K) and H', head by head."""
    n_tasks, n_entries, d = h.shape
    wide = d // n_heads
    weights = np.zeros((n_heads, n_entries, n_tasks, n_tasks))
    heads = np.zeros_like(h)
    for n in range(n_heads):
        rows = slice(n * wide, (n + 1) * wide)
        q, k, v = (
            h @ array(part.weight)[rows].T for part in (module.query, module.key, module.value)
        )
        for m in range(n_entries):
            scores = np.exp(q[:, m] @ k[:, m].T / np.sqrt(wide))
            weights[n, m] = scores / scores.sum(1, keepdims=True)
            heads[:, m, rows] = weights[n, m] @ v[:, m]
    return weights, h + heads @ array(module.output.weight).T


@pytest.mark.parametrize("n_heads", [1, 2, 6])
def test_attention_is_its_formula(n_heads):
    module, features = build(TaskAttention(n_heads)), make_features()
    weights, expected = attention_of(module, task_layer(module, features), n_heads)
    assert module.matrix() is None
    with module.recording():
        found = module.features(features)
    assert_allclose(array(found), expected, **EXACT)
    assert_allclose(module.matrix(), weights.mean((0, 1)), **EXACT)
    assert_allclose(module.matrix().sum(1), 1.0)


def test_recording_counts_entries_once_and_starts_anew():
    module = build(TaskAttention(2))
    some, more = make_features(3), make_features(7, seed=9)
    with module.recording():
        module.features([torch.cat(pair) for pair in zip(some, more, strict=True)])
    together = module.matrix()
    with module.recording():
        assert not module.features(some).requires_grad
        module.features(more)
    assert_allclose(module.matrix(), together, **EXACT)
    assert module.features(make_features(4, seed=3)).requires_grad  # and is not recorded
    assert_allclose(module.matrix(), together, **EXACT)
    assert_array_equal(pickle.loads(pickle.dumps(module)).matrix(), module.matrix())
    with module.recording():
        module.features(some)
    alone = module.matrix()
    assert np.abs(alone - together).max() > 1e-3
    with module.recording():
        pass
    assert module.matrix() is None
    assert np.isfinite(alone).all()  # not overwritten


FEATURES = [
    GraphConvolution(ADJACENCY, n_layers=2),
    GraphConvolution("learned", n_layers=2),
    TaskAttention(2),
]


@pytest.mark.parametrize("relation", FEATURES, ids=str)
def test_gradients_reach_every_parameter_of_features(relation):
    module = build(relation)
    features = [z.requires_grad_() for z in make_features(2)]
    module.features(features).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())

    def run(*tensors):  # the parameters are the module's own, which gradcheck moves
        return module.features(list(tensors[:4]))

    assert gradcheck(run, (*features, *module.parameters()))


@pytest.mark.parametrize("relation", FEATURES, ids=str)
def test_entries_do_not_see_one_another(relation):
    module, features = build(relation), make_features(6)
    whole = module.features(features)
    for m in range(6):
        alone = module.features([z[[m]] for z in features])
        assert_allclose(array(alone[:, 0]), array(whole[:, m]), **EXACT)


@pytest.mark.parametrize("relation", FEATURES, ids=str)
def test_features_have_the_width_they_say(relation):
    module = relation.build(context())
    assert module.size == max(SIZES)
    assert module.features([z.float() for z in make_features()]).shape == (4, 5, module.size)


@pytest.mark.parametrize("relation", [GraphConvolution("mutual_info", 2), *FEATURES], ids=str)
def test_permuted_tasks_permute_features(relation):
    order = [2, 0, 3, 1]
    names = [NAMES[k] for k in order]
    module = build(relation)
    if relation.get_params().get("adjacency") is ADJACENCY:
        relation = clone(relation).set_params(adjacency=ADJACENCY[np.ix_(order, order)])
    other = build(relation, names, seed=5)
    state = {
        name: value
        for name, value in module.state_dict().items()
        if not name.startswith(("task_layer", "fixed", "edges"))
    }
    other.load_state_dict(state, strict=False)
    for place, k in enumerate(order):
        other.task_layer.layers[place].load_state_dict(module.task_layer.layers[k].state_dict())
    if "edges" in dict(module.named_parameters()):
        permuted = edges_of(module)[np.ix_(order, order)][np.triu_indices(4, 1)]
        with torch.no_grad():
            other.edges.copy_(torch.from_numpy(permuted))
    features = make_features()
    permuted = other.features([features[k] for k in order])
    assert_allclose(array(permuted), array(module.features(features)[order]), **EXACT)


@pytest.mark.parametrize("relation", [*RELATIONS, "learned"])
def test_one_task_alone(relation):
    relation = GraphConvolution("learned") if relation == "learned" else RELATIONS[relation]()
    alone = RelationContext(["a"], (6,), (3,), [softmax], lambda: np.eye(1))
    module = relation.build(alone)
    if module.size is None:
        outputs = [torch.ones(2, 3)]
        assert torch.equal(module.outputs(outputs, (False,), make_layout())[0], outputs[0])
        assert_array_equal(module.matrix(), [[0.0]])
        return
    with module.recording() if module.needs_data else torch.no_grad():
        assert module.features([torch.ones(2, 6)]).shape == (1, 2, 6)
    assert_allclose(module.matrix(), [[1.0]])


@pytest.mark.parametrize("relation", [None, *RELATIONS])
def test_modules_pickle_and_know_what_all_tasks_share(relation):
    module = resolve_relation(relation).build(context())
    again = pickle.loads(pickle.dumps(module))
    features, outputs = [z.float() for z in make_features()], make_outputs((False,) * 4)
    if module.size is not None:
        assert torch.equal(again.features(features), module.features(features))
        for k in range(4):  # every task depends on each of them
            module.zero_grad()
            module.features(features)[k].sum().backward()
            assert all(p.grad.abs().sum() > 0 for p in module.shared_parameters())
    else:
        assert module.shared_parameters() == []
        outputs = [output.float() for output in outputs]
        found = again.outputs(outputs, (False,) * 4, make_layout())
        assert all(map(torch.equal, found, outputs))


@pytest.mark.parametrize("name", list(RELATIONS))
def test_options_are_estimators(name):
    relation = resolve_relation(name)
    assert type(relation) is RELATIONS[name]
    copied = resolve_relation(relation)
    assert copied is not relation
    assert copied.get_params() == relation.get_params()
    assert pickle.loads(pickle.dumps(relation)).get_params() == relation.get_params()
    params = {"gcn": {"n_layers": 2}, "attention": {"n_heads": 3}, "chain": {"order": NAMES[::-1]}}
    relation.set_params(**params[name])
    assert clone(relation).get_params() == relation.get_params()
    assert copied.get_params() != relation.get_params()


def test_without_relation_nothing_is_touched():
    module = resolve_relation(None).build(context())
    outputs = make_outputs((True,) * 4)
    assert module.outputs(outputs, (True,) * 4, make_layout()) is outputs
    assert module.size is None
    assert module.matrix() is None
    assert list(module.parameters()) == []


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (GraphConvolution("mutual"), "'adjacency' parameter of GraphConvolution must be"),
        (GraphConvolution(n_layers=0), "'n_layers' parameter of GraphConvolution must be"),
        (GraphConvolution(np.eye(3)), r"adjacency must.*expected shape \(4, 4\), found \(3, 3\)"),
        (GraphConvolution([[1, 2], [3]]), "adjacency must hold numbers"),
        (GraphConvolution(-ADJACENCY), r"adjacency must be nonnegative and finite, found -2\.0"),
        (GraphConvolution(ADJACENCY * np.nan), "nonnegative and finite, found nan"),
        (GraphConvolution(ADJACENCY + np.inf), "nonnegative and finite, found inf"),
        (GraphConvolution(pd.DataFrame(ADJACENCY)), r"name the tasks \['a', .* found \[0, 1, 2, 3"),
        (TaskAttention(0), "'n_heads' parameter of TaskAttention must be"),
        (TaskAttention(4), "n_heads must divide the 6 features of a task, found 4"),
        (TaskChain("abcd"), "'order' parameter of TaskChain must be"),
        (TaskChain(["a", "b", "c"]), r"order must hold the tasks \['a', .*found \['a', 'b', 'c'\]"),
        (TaskChain(["a", "b", "c", "a"]), r"order must hold the tasks .*found"),
        (TaskChain(["a", "b", "c", "e"]), r"order must hold the tasks .*found"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(relation, message):
    with pytest.raises(ValueError, match=message):
        relation.build(context())


@pytest.mark.parametrize("given", ["graph", 3, GraphConvolution])
def test_unknown_relations_are_refused(given):
    with pytest.raises(ValueError, match=r"task_relation must be None, one of .* found"):
        resolve_relation(given)
