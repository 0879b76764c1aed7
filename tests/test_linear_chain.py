"""The linear-chain CRF against sums over all paths."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from sk_mtrnn.recurrence import PackedLayout
from sk_mtrnn.tasks import _linear_chain as module
from sk_mtrnn.tasks._linear_chain import LinearChain

LENGTHS = {"equal": [4, 4], "ragged": [5, 3, 3, 1], "single": [4], "one step": [1, 1, 1]}
each_lengths = pytest.mark.parametrize("lengths", list(LENGTHS.values()), ids=list(LENGTHS))
each_size = pytest.mark.parametrize("n_classes", [1, 2, 4])


def layout_of(lengths):
    lengths = torch.as_tensor(lengths)
    return PackedLayout((lengths[None] > torch.arange(int(lengths.max()))[:, None]).sum(1))


def rows_of(lengths):
    """The rows of every sequence in a packed batch."""
    sizes = [sum(length > t for length in lengths) for t in range(max(lengths))]
    starts = np.cumsum([0, *sizes])
    return [[int(starts[t]) + b for t in range(length)] for b, length in enumerate(lengths)]


def chain_of(n_classes, *, seed=0, dtype=torch.float64, **kwargs):
    """A chain whose scores are random."""
    generator = torch.Generator().manual_seed(seed)
    chain = LinearChain(n_classes, **kwargs).to(dtype)
    with torch.no_grad():
        for scores in (chain.between, chain.start, chain.end):
            scores.copy_(torch.randn(scores.shape, generator=generator, dtype=torch.float64))
    return chain


def emissions_of(lengths, n_classes, *, seed=1, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    shape = (sum(lengths), n_classes)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def values_of(lengths, n_classes, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(n_classes, (sum(lengths),), generator=generator)


def some_of(lengths, share=0.5, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(sum(lengths), generator=generator) < share


def all_paths(chain, emissions):
    """Every path of one sequence (P, T), and the score of each."""
    e = emissions.detach().numpy()
    between = (chain.between - module.PENALTY * chain.forbidden).detach().numpy()
    start = (chain.start - module.PENALTY * chain.start_forbidden).detach().numpy()
    paths = np.array(list(itertools.product(range(e.shape[1]), repeat=len(e))))
    score = start[paths[:, 0]] + e[np.arange(len(e)), paths].sum(1)
    score += between[paths[:, :-1], paths[:, 1:]].sum(1) + chain.end.detach().numpy()[paths[:, -1]]
    return paths, score


def expected_nll(chain, emissions, values, labelled, lengths):
    """Of every sequence; 0 where it has no label."""
    found = []
    for rows in rows_of(lengths):
        paths, score = all_paths(chain, emissions[rows])
        known, y = labelled[rows].numpy(), values[rows].numpy()
        agree = (paths[:, known] == y[known]).all(1)
        found.append(logsumexp(score) - logsumexp(score[agree]))
    return np.array(found)


def expected_marginals(chain, emissions, lengths):
    found = np.empty(emissions.shape)
    for rows in rows_of(lengths):
        paths, score = all_paths(chain, emissions[rows])
        for t, row in enumerate(rows):
            for c in range(emissions.shape[1]):
                found[row, c] = logsumexp(score[paths[:, t] == c]) - logsumexp(score)
    return found


def n_violations(chain, path, lengths):
    """Steps of a path that are not allowed, in every sequence."""
    found = []
    for rows in rows_of(lengths):
        y = path[rows]
        found.append(int(chain.forbidden[y[:-1], y[1:]].sum() + chain.start_forbidden[y[0]]))
    return found


@each_lengths
@each_size
@pytest.mark.parametrize("learned", [True, False])
def test_losses_marginals_and_best_path_are_those_of_all_paths(lengths, n_classes, learned):
    chain = chain_of(n_classes, learned=learned)
    layout, emissions = layout_of(lengths), emissions_of(lengths, n_classes)
    values, everywhere = values_of(lengths, n_classes), torch.ones(sum(lengths), dtype=torch.bool)
    losses = chain.losses(emissions, values, None, layout)
    torch.testing.assert_close(losses, chain.losses(emissions, values, everywhere, layout))
    marginals = chain.marginals(emissions, layout)
    assert losses.dtype == marginals.dtype == torch.float64
    path = chain.viterbi(emissions, layout)
    assert path.dtype == torch.int64
    expected = expected_nll(chain, emissions, values, everywhere, lengths)
    for rows, nll in zip(rows_of(lengths), expected, strict=True):
        np.testing.assert_allclose(losses[rows].detach(), nll / len(rows), rtol=0, atol=1e-10)
        paths, score = all_paths(chain, emissions[rows])
        assert path[rows].tolist() == paths[score.argmax()].tolist()
    np.testing.assert_allclose(
        marginals, expected_marginals(chain, emissions, lengths), rtol=0, atol=1e-10
    )


@each_lengths
@each_size
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_steps_without_label_are_summed_over(lengths, n_classes, share):
    chain = chain_of(n_classes)
    layout, emissions = layout_of(lengths), emissions_of(lengths, n_classes)
    values, labelled = values_of(lengths, n_classes), some_of(lengths, share)
    losses = chain.losses(emissions, values.where(labelled, -1), labelled, layout).detach()
    assert (losses[~labelled] == 0).all()
    expected = expected_nll(chain, emissions, values, labelled, lengths)
    for rows, nll in zip(rows_of(lengths), expected, strict=True):
        np.testing.assert_allclose(losses[rows].sum(), nll, rtol=0, atol=1e-10)
        known = losses[rows][labelled[rows]]
        np.testing.assert_allclose(known, nll / max(len(known), 1), rtol=0, atol=1e-10)


MISSING = {
    "none": None,
    "some": torch.tensor([1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1], dtype=torch.bool),
    "whole sequences": torch.tensor([1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1], dtype=torch.bool),
}


@pytest.mark.parametrize("missing", list(MISSING))
@pytest.mark.parametrize("exact", [False, True])
def test_gradients(missing, exact, monkeypatch):
    """Those of the fast recursion and of the one in log space are the numerical ones."""
    if exact:  # all sequences are taken for hard ones
        monkeypatch.setattr(module, "SMALL_SUM", np.inf)
        monkeypatch.setattr(module, "NEGLIGIBLE", -np.inf)
        monkeypatch.setattr(module, "BLOCK_SIZE", 18)
    lengths, labelled = [5, 3, 3, 1], MISSING[missing]
    chain, layout, values = chain_of(3), layout_of(lengths), values_of(lengths, 3)
    weights = torch.linspace(-1, 2, sum(lengths), dtype=torch.float64)

    def losses(emissions, between, start, end):
        scores = {"between": between, "start": start, "end": end}
        arguments = (emissions, values, labelled, layout)
        return weights * torch.func.functional_call(Losses(chain), scores_of(scores), arguments)

    inputs = [emissions_of(lengths, 3), *(p.detach().clone() for p in chain.parameters())]
    assert torch.autograd.gradcheck(losses, [x.requires_grad_() for x in inputs])


class Losses(torch.nn.Module):
    def __init__(self, chain):
        super().__init__()
        self.chain = chain

    def forward(self, *arguments):
        return self.chain.losses(*arguments)


def scores_of(scores):
    return {f"chain.{name}": score for name, score in scores.items()}


def test_sequences_without_label_have_no_gradient():
    lengths = [3, 2, 2]
    chain, layout = chain_of(3), layout_of(lengths)
    emissions, values = emissions_of(lengths, 3), values_of(lengths, 3)
    labelled = torch.zeros(7, dtype=torch.bool)
    labelled[rows_of(lengths)[1]] = True
    gradients = []
    for silent in (1.0, torch.nan):  # nor do their emissions matter
        given = emissions.clone()
        given[~labelled] *= silent
        given.requires_grad_()
        loss = chain.losses(given, values, labelled, layout).sum()
        gradients.append(torch.autograd.grad(loss, [given, *chain.parameters()]))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert (gradients[0][0][~labelled] == 0).all()
    assert (gradients[0][0][labelled] != 0).all()


def test_only_the_mean_incoming_gradient_of_a_sequence_counts():
    lengths = [4, 2]
    chain, layout = chain_of(3), layout_of(lengths)
    emissions, values = emissions_of(lengths, 3).requires_grad_(), values_of(lengths, 3)
    losses = chain.losses(emissions, values, None, layout)
    rows = rows_of(lengths)[0]
    found = [torch.autograd.grad(losses[row], emissions, retain_graph=True)[0] for row in rows]
    for gradient in found[1:]:
        torch.testing.assert_close(gradient, found[0], rtol=0, atol=1e-15)


def bio():
    """O, B-x, I-x, B-y, I-y: an I follows only a B or I of its kind."""
    allowed = np.ones((5, 5), dtype=bool)
    allowed[:, 2] = [False, True, True, False, False]
    allowed[:, 4] = [False, False, False, True, True]
    return allowed, np.array([True, True, False, True, False])


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4, 1e6])
@pytest.mark.parametrize("learned", [True, False])
def test_what_is_not_allowed_is_never_predicted(scale, learned):
    allowed, start_allowed = bio()
    lengths = [30, 17, 4, 1]
    chain = LinearChain(5, allowed, torch.as_tensor(start_allowed), learned)
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5, scale=scale)
    free = emissions.argmax(1)
    path = chain.viterbi(emissions, layout)
    assert sum(n_violations(chain, free, lengths)) > 0
    assert n_violations(chain, path, lengths) == [0, 0, 0, 0]
    p = chain.marginals(emissions, layout).exp()
    np.testing.assert_allclose(p.sum(1), 1.0, rtol=0, atol=1e-12)
    assert (p[: len(lengths), ~start_allowed] == 0).all()
    sure = p.argmax(1)[p.amax(1) > 1 - 1e-9]
    if scale == 1e6:  # one path has it all
        assert torch.equal(sure, path)


@each_lengths
def test_constrained_sums_are_those_over_allowed_paths(lengths):
    allowed, start_allowed = bio()
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    values = chain.viterbi(emissions, layout)
    for labelled in (torch.ones(sum(lengths), dtype=torch.bool), some_of(lengths)):
        losses = chain.losses(emissions, values, labelled, layout).detach()
        expected = expected_nll(chain, emissions, values, labelled, lengths)
        for rows, nll in zip(rows_of(lengths), expected, strict=True):
            np.testing.assert_allclose(losses[rows].sum(), nll, rtol=0, atol=1e-10)
    p = np.exp(expected_marginals(chain, emissions, lengths))
    np.testing.assert_allclose(chain.marginals(emissions, layout).exp(), p, rtol=0, atol=1e-12)


def test_a_forbidden_pair_has_no_probability_between_neighbours():
    """Where step 1 is almost surely of class 0, nothing that may not follow it comes next."""
    allowed = np.array([[True, False, True], [True, True, True], [True, True, True]])
    chain = LinearChain(3, allowed, learned=False)
    emissions = torch.tensor([[2e4, 0.0, 0.0], [0.0, 1e3, 0.0]], dtype=torch.float64)
    p = chain.marginals(emissions, layout_of([2])).exp()
    assert p[1, 1] == 0
    np.testing.assert_allclose(p[1, [0, 2]], 0.5, rtol=0, atol=1e-12)


def test_labels_that_are_not_allowed_cost_the_penalty_each():
    allowed, start_allowed = bio()
    lengths = [5, 3]
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    values = torch.zeros(8, dtype=torch.int64)
    first = rows_of(lengths)[0]
    values[first] = torch.tensor([2, 4, 0, 0, 2])  # at the start, after I-x and after O
    for labelled in (torch.ones(8, dtype=torch.bool), torch.arange(8) != first[2]):
        emissions = emissions.detach().requires_grad_()
        losses = chain.losses(emissions, values, labelled, layout)
        expected = expected_nll(chain, emissions, values, labelled, lengths)
        assert round(expected[0] / module.PENALTY) == 3
        for rows, nll in zip(rows_of(lengths), expected, strict=True):
            np.testing.assert_allclose(losses[rows].detach().sum(), nll, rtol=1e-12, atol=1e-10)
        gradient = torch.autograd.grad(losses.sum(), [emissions, *chain.parameters()])
        assert all(part.isfinite().all() for part in gradient)


@pytest.mark.parametrize("lengths", [[4], [5, 3, 2, 1]])
def test_a_dead_end_takes_the_path_of_fewest_violations(lengths):
    """Class 0 leads nowhere, nothing leads to class 1 and sequences must start with 0."""
    allowed = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 1]], dtype=bool)
    start_allowed = np.array([True, False, False])
    chain = chain_of(3, allowed=allowed, start_allowed=start_allowed)
    layout, emissions = layout_of(lengths), emissions_of(lengths, 3)
    path, marginals = chain.viterbi(emissions, layout), chain.marginals(emissions, layout)
    found = n_violations(chain, path, lengths)
    for b, rows in enumerate(rows_of(lengths)):
        paths, score = all_paths(chain, emissions[rows])
        broken = [n_violations(chain, torch.as_tensor(y), [len(y)])[0] for y in paths]
        assert found[b] == min(broken)
        assert found[b] == (1 if len(rows) > 1 else 0)
        assert path[rows].tolist() == paths[score.argmax()].tolist()
    p = np.exp(expected_marginals(chain, emissions, lengths))
    np.testing.assert_allclose(marginals.exp(), p, rtol=0, atol=1e-10)
    losses = chain.losses(emissions, path, None, layout)
    labelled = torch.ones(sum(lengths), dtype=torch.bool)
    expected = expected_nll(chain, emissions, path, labelled, lengths)
    for rows, nll in zip(rows_of(lengths), expected, strict=True):
        np.testing.assert_allclose(losses[rows].detach().sum(), nll, rtol=0, atol=1e-8)


@each_lengths
@pytest.mark.parametrize("scale", [90.0, 1e4, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_emissions(lengths, scale, dtype):
    layout, n_classes = layout_of(lengths), 3
    chain = chain_of(n_classes, dtype=dtype)
    emissions = (scale * emissions_of(lengths, n_classes).sign()).to(dtype).requires_grad_()
    emissions.data[0, 0] += scale
    values = emissions.detach().argmin(1)  # the worst there are
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    exact = chain_of(n_classes, dtype=dtype).double()
    for labelled in (torch.ones(sum(lengths), dtype=torch.bool), some_of(lengths)):
        losses = chain.losses(emissions, values, labelled, layout)
        expected = expected_nll(exact, emissions.double(), values, labelled, lengths)
        for rows, nll in zip(rows_of(lengths), expected, strict=True):
            found = losses[rows].detach().double().sum()
            np.testing.assert_allclose(found, nll, rtol=tolerance, atol=scale * tolerance)
        gradient = torch.autograd.grad(losses.sum(), [emissions, *chain.parameters()])
        assert all(part.isfinite().all() for part in gradient)
    p = expected_marginals(exact, emissions.double(), lengths)
    found = chain.marginals(emissions, layout).double()
    np.testing.assert_allclose(found, p, rtol=tolerance, atol=scale * tolerance)


@pytest.mark.parametrize("edge", [-1.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_class_far_behind_that_wins_in_the_end(edge, dtype):
    """A sequence is all of one class; either falls 1500 nats behind before the sums are known."""
    allowed = np.eye(2, dtype=bool)
    chain = LinearChain(2, allowed, learned=False)
    emissions = torch.zeros(120, 2, dtype=dtype)
    emissions[:60, 0] = 25.0
    emissions[60:, 1] = 25.0
    emissions[30, 0] += edge
    layout = layout_of([120])
    p = torch.softmax(emissions.double().sum(0), 0)
    found = chain.marginals(emissions, layout).exp().double()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-10
    np.testing.assert_allclose(found, p.expand(120, 2), rtol=0, atol=tolerance)
    assert chain.viterbi(emissions, layout).tolist() == [0 if edge > 0 else 1] * 120
    emissions.requires_grad_()
    losses = chain.losses(emissions, torch.ones(120, dtype=torch.int64), None, layout)
    np.testing.assert_allclose(losses.detach().sum(), -p[1].log(), rtol=0, atol=1e-5)
    gradient = torch.autograd.grad(losses.sum(), emissions)[0].double()
    expected = torch.stack([p[0], -p[0]]).expand(120, 2)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance)


def test_log_space_only_where_it_must(monkeypatch):
    """A hard sequence in a batch is computed again, its mates are not; all are right."""
    computed = []
    run = module._run

    def counted(chains, product, sizes):
        computed.append(list(sizes))
        return run(chains, product, sizes)

    monkeypatch.setattr(module, "_run", counted)
    allowed, start_allowed = bio()
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    lengths = [5, 4, 4, 2]
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    chain.marginals(emissions, layout)
    chain.losses(emissions, torch.zeros(15, dtype=torch.int64), None, layout)
    assert computed == [[4, 4, 3, 3, 1]] * 2
    rows = rows_of(lengths)[2]
    values = torch.zeros(15, dtype=torch.int64)
    values[rows[1]] = 2  # O, I-x, ...
    labelled = torch.ones(15, dtype=torch.bool)
    labelled[rows[3]] = False
    losses = chain.losses(emissions, values, labelled, layout).detach()
    assert computed[2:] == [[4, 4, 3, 3, 1], [1, 1, 1, 1]]
    expected = expected_nll(chain, emissions, values, labelled, lengths)
    for found, nll in zip(rows_of(lengths), expected, strict=True):
        np.testing.assert_allclose(losses[found].sum(), nll, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("constrained", [False, True])
def test_batch_mates_do_not_matter(constrained):
    allowed, start_allowed = bio() if constrained else (None, None)
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    lengths = [9, 6, 6, 2, 1]
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    values, labelled = values_of(lengths, 5), some_of(lengths)
    together = (
        chain.losses(emissions, values, labelled, layout).detach(),
        chain.marginals(emissions, layout).exp(),
        chain.viterbi(emissions, layout),
    )
    for rows in rows_of(lengths):
        alone = layout_of([len(rows)])
        found = (
            chain.losses(emissions[rows], values[rows], labelled[rows], alone).detach(),
            chain.marginals(emissions[rows], alone).exp(),
            chain.viterbi(emissions[rows], alone),
        )
        for one, many in zip(found, together, strict=True):
            torch.testing.assert_close(one, many[rows], rtol=1e-12, atol=1e-12)


def test_permuting_classes_permutes_results():
    lengths, order = [6, 4, 1], torch.tensor([2, 0, 4, 1, 3])
    allowed, start_allowed = bio()
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    other = LinearChain(5, allowed[order][:, order], start_allowed[order]).double()
    with torch.no_grad():
        other.between.copy_(chain.between[order][:, order])
        other.start.copy_(chain.start[order])
        other.end.copy_(chain.end[order])
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    values, labelled = chain.viterbi(emissions, layout), some_of(lengths)
    permuted, place = emissions[:, order], order.argsort()
    assert torch.equal(other.viterbi(permuted, layout), place[values])
    torch.testing.assert_close(
        other.marginals(permuted, layout).exp(), chain.marginals(emissions, layout).exp()[:, order]
    )
    torch.testing.assert_close(
        other.losses(permuted, place[values], labelled, layout),
        chain.losses(emissions, values, labelled, layout),
    )


def test_float32_is_close_to_float64():
    lengths = [15, 12, 12, 3]
    layout, emissions = layout_of(lengths), emissions_of(lengths, 20)
    values, labelled = values_of(lengths, 20), some_of(lengths)
    results = []
    for dtype in (torch.float32, torch.float64):
        chain = chain_of(20, dtype=torch.float32).to(dtype)
        given = emissions.float().to(dtype).requires_grad_()
        losses = chain.losses(given, values, labelled, layout)
        marginals = chain.marginals(given, layout)
        assert losses.dtype == marginals.dtype == dtype
        gradients = torch.autograd.grad(losses.sum(), [given, *chain.parameters()])
        path = chain.viterbi(given, layout)
        results.append([x.double() for x in (losses, marginals, path, *gradients)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-5)


def test_without_scores_it_is_a_softmax_of_every_step():
    lengths = [7, 3]
    layout, emissions = layout_of(lengths), emissions_of(lengths, 4)
    chain, values = LinearChain(4), values_of(lengths, 4)
    log_p = torch.log_softmax(emissions, 1)
    torch.testing.assert_close(chain.marginals(emissions, layout), log_p)
    assert torch.equal(chain.viterbi(emissions, layout), emissions.argmax(1))
    surprise = -log_p.gather(1, values[:, None])[:, 0]
    losses = chain.losses(emissions, values, None, layout).detach()
    for rows in rows_of(lengths):
        torch.testing.assert_close(losses[rows], surprise[rows].mean().expand(len(rows)))


def test_blocks_change_nothing(monkeypatch):
    allowed, start_allowed = bio()
    chain = chain_of(5, allowed=allowed, start_allowed=start_allowed)
    lengths = [9, 6, 6, 2]
    layout, emissions = layout_of(lengths), emissions_of(lengths, 5)
    path = chain.viterbi(emissions, layout)
    monkeypatch.setattr(module, "BLOCK_SIZE", 60)
    assert torch.equal(chain.viterbi(emissions, layout), path)


def test_learned_or_not():
    learned, fixed = LinearChain(3), LinearChain(3, learned=False)
    assert [name for name, _ in learned.named_parameters()] == ["between", "start", "end"]
    assert list(fixed.parameters()) == []
    assert list(learned.state_dict()) == list(fixed.state_dict())
    assert all((score == 0).all() for score in learned.state_dict().values())


def test_allow_replaces_what_was_allowed():
    emissions, layout = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), layout_of([2])
    chain = LinearChain(2, [[True, False], [True, True]], [True, False])
    assert chain.viterbi(emissions, layout).tolist() == [0, 0]
    everything = np.ones((2, 2), dtype=bool)
    everything.flags.writeable = False
    chain.allow(everything, None)
    assert chain.viterbi(emissions, layout).tolist() == [0, 1]
    restored = LinearChain(2, [[False, False], [True, True]])
    restored.load_state_dict(chain.state_dict())
    assert restored.viterbi(emissions, layout).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_classes": 0}, "n_classes must be a positive integer, found 0"),
        ({"n_classes": 2.0}, r"n_classes must be a positive integer, found 2\.0"),
        ({"n_classes": True}, "n_classes must be a positive integer, found True"),
        (
            {"n_classes": 2, "allowed": np.ones((3, 3), dtype=bool)},
            r"allowed must be bool of shape \(2, 2\), found torch\.bool of shape \(3, 3\)",
        ),
        (
            {"n_classes": 2, "allowed": np.ones((2, 2))},
            r"allowed must be bool of shape \(2, 2\), found torch\.float64 of shape \(2, 2\)",
        ),
        (
            {"n_classes": 2, "start_allowed": [True]},
            r"start_allowed must be bool of shape \(2,\), found torch\.bool of shape \(1,\)",
        ),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        LinearChain(**arguments)
