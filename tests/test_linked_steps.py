"""Labels of neighbouring steps that are linked: constrained and learned transitions in a fit."""

import copy
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from refusals import refused

from sk_mtrnn import ClassificationTask, MultiTaskRNN, MultiTaskRNNClassifier, RegressionTask
from sk_mtrnn.inspection import gradient_similarity
from sk_mtrnn.metrics import multitask_scorer
from sk_mtrnn.model_selection import cross_val_predict

LINKS = ("constrained", "learned")


@pytest.fixture(scope="module")
def spans():
    """Sequences in which spans B I ... begin where a noisy channel is high."""
    rng = np.random.default_rng(0)
    X, tags = [], []
    for n in rng.integers(2, 10, size=80):
        tag = np.array(["O"] * n, dtype=object)
        starts = rng.random(n) < 0.3
        for t in np.flatnonzero(starts):
            tag[t] = "B"
            if t + 1 < n and not starts[t + 1]:
                tag[t + 1] = "I"
        x = rng.normal(size=(n, 2))
        x[:, 0] += 1.5 * (tag != "O")
        X.append(x)
        tags.append(tag)
    return X, pd.DataFrame({"tags": tags})


def model(transitions, **params):
    task = ClassificationTask(transitions=transitions, **params.pop("task", {}))
    defaults = {"hidden_layer_sizes": (8,), "max_epochs": 4, "random_state": 0}
    return MultiTaskRNN(tasks={"tags": task}, **{**defaults, **params})


def n_broken(tags):
    """Labels I that nothing precedes which they could go on from."""
    return sum(
        (tag == "I") & (before == "O")
        for path in tags
        for before, tag in itertools.pairwise(["O", *path])
    )


def emissions(fitted, X):
    """What the heads give, by sequence."""
    data = fitted._sequence_data(fitted._read_steps(X))
    inputs, _ = data[np.arange(len(X))]
    order = data.order(np.arange(len(X)))
    output = fitted.net_.module_.eval()(inputs)[0].detach().numpy()
    rows = np.empty_like(output)
    rows[order.rows] = output
    return np.split(rows, np.cumsum([len(x) for x in X])[:-1])


def scores_of_paths(fitted, emission):
    """Score of every path, by brute force."""
    chain = fitted.net_.module_.transitions["0"]
    n_classes = emission.shape[1]
    start, end, between = (getattr(chain, n).detach().numpy() for n in ("start", "end", "between"))
    start = start - 1e4 * chain.start_forbidden.numpy()
    between = between - 1e4 * chain.forbidden.numpy()
    scores = {}
    for path in itertools.product(range(n_classes), repeat=len(emission)):
        score = start[path[0]] + end[path[-1]] + sum(emission[t, c] for t, c in enumerate(path))
        scores[path] = score + sum(between[a, b] for a, b in itertools.pairwise(path))
    return scores


@pytest.mark.parametrize("transitions", LINKS)
def test_predictions_and_probabilities_against_all_paths(transitions, spans):
    X, y = spans
    fitted = model(transitions, dtype="float64").fit(X, y)
    short = [x for x in X if len(x) <= 5][:12]
    classes = fitted.classes_["tags"]
    predicted, proba = fitted.predict(short)["tags"], fitted.predict_proba(short)["tags"]
    for i, emission in enumerate(emissions(fitted, short)):
        scores = scores_of_paths(fitted, emission)
        best = max(scores, key=scores.get)
        assert predicted[i].tolist() == classes[list(best)].tolist()
        weights = np.exp(np.array(list(scores.values())) - max(scores.values()))
        paths = np.array(list(scores))
        for t in range(len(emission)):
            marginal = np.bincount(paths[:, t], weights=weights, minlength=3) / weights.sum()
            np.testing.assert_allclose(proba[i][t], marginal, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_learned_loss_is_the_likelihood_of_the_labels(weighted, spans):
    """Per label, over all paths that agree with the labels there are; weights by their mean."""
    X, y = spans
    X = [x[:5] for x in X[:30]]
    rng = np.random.default_rng(1)
    known = [rng.random(len(x)) < 0.6 for x in X]
    tags = [np.where(k, t[:5], None).astype(object) for k, t in zip(known, y["tags"], strict=False)]
    labelled = pd.DataFrame({"tags": tags})
    weights = rng.uniform(0.5, 2, size=len(X)) if weighted else np.ones(len(X))
    fitted = model("learned", dtype="float64", max_epochs=2, batch_size=30, learning_rate=1e-12)
    fitted.fit(X, labelled, sample_weight=weights)
    nll = []
    classes = fitted.classes_["tags"].tolist()
    for emission, tag in zip(emissions(fitted, X), tags, strict=True):
        scores = scores_of_paths(fitted, emission)
        agree = [
            score
            for path, score in scores.items()
            if all(t is None or classes[c] == t for c, t in zip(path, tag, strict=True))
        ]
        nll.append(np.logaddexp.reduce(list(scores.values())) - np.logaddexp.reduce(agree))
    n_labels = np.array([sum(k) for k in known])
    expected = (weights * nll).sum() / (weights * n_labels).sum()
    assert fitted.loss_curve_[-1, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("transitions", LINKS)
def test_a_scheme_is_never_broken(transitions, spans):
    X, y = spans
    assert n_broken(y["tags"]) == 0
    wild = [20 * np.random.default_rng(i).normal(size=(12, 2)) for i in range(50)]
    assert n_broken(model(None).fit(X, y).predict(wild)["tags"]) > 0
    fitted = model(transitions, max_epochs=30).fit(X, y)
    if transitions == "constrained":
        assert n_broken(fitted.predict(wild)["tags"]) == 0
        allowed = fitted._task_set.tasks[0].allowed_
        classes = fitted.classes_["tags"].tolist()
        assert not allowed[classes.index("O"), classes.index("I")]
    else:
        assert n_broken(fitted.predict(X)["tags"]) == 0


def test_constraints_leave_the_training_alone(spans):
    X, y = spans
    free, constrained = model(None).fit(X, y), model("constrained").fit(X, y)
    np.testing.assert_array_equal(free.loss_curve_, constrained.loss_curve_)


def test_learned_transitions_move_and_help(spans):
    X, y = spans
    fitted = model("learned", max_epochs=30).fit(X[:60], y[:60])
    chain = fitted.net_.module_.transitions["0"]
    classes = fitted.classes_["tags"].tolist()
    between = chain.between.detach().numpy()
    assert (
        between[classes.index("B"), classes.index("I")]
        > between[classes.index("O"), classes.index("I")]
    )
    free = model(None, max_epochs=30).fit(X[:60], y[:60])
    assert fitted.score(X[60:], y[60:]) > free.score(X[60:], y[60:]) - 0.02


@pytest.mark.parametrize("transitions", LINKS)
def test_labels_may_be_missing_from_all_but_some_steps(transitions, spans):
    X, y = spans
    rng = np.random.default_rng(2)
    part = pd.DataFrame(
        {"tags": [np.where(rng.random(len(t)) < 0.5, t, None).astype(object) for t in y["tags"]]}
    )
    part.loc[3:9, "tags"] = None
    fitted = model(transitions, max_epochs=40, early_stopping=True).fit(X, part)
    most_frequent = np.mean(np.concatenate(list(y["tags"])) == "O")
    assert fitted.score(X, y) > most_frequent + 0.15


@pytest.mark.parametrize("transitions", LINKS)
def test_chunks_warm_starts_copies_and_new_tasks(transitions, spans):
    X, y = spans
    tags = list("BIO")
    fitted = model(transitions).partial_fit(X[:10], y[:10], classes={"tags": tags})
    fitted.partial_fit(X[10:], y[10:])
    if transitions == "constrained":  # what the second chunk showed is allowed
        whole = model(transitions).fit(X, y)
        np.testing.assert_array_equal(
            fitted.net_.module_.transitions["0"].forbidden,
            whole.net_.module_.transitions["0"].forbidden,
        )
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert all(
            (a == b).all()
            for a, b in zip(other.predict(X)["tags"], fitted.predict(X)["tags"], strict=True)
        )
    first, rest = y[:20], y
    warm = model(transitions, warm_start=True).fit(X[:20], first)
    warm.fit(X, rest)
    if transitions == "constrained":
        whole = model(transitions).fit(X, y)
        np.testing.assert_array_equal(
            warm.net_.module_.transitions["0"].forbidden,
            whole.net_.module_.transitions["0"].forbidden,
        )
    new = [np.where(t == "B", 1, 0) for t in y["tags"]]
    task = ClassificationTask(transitions=transitions)
    before = warm.predict(X)["tags"]
    warm.add_task(X, pd.DataFrame({"begins": new}), task=task)
    assert set(warm.net_.module_.transitions) == {"0", "1"}
    assert all((a == b).all() for a, b in zip(before, warm.predict(X)["tags"], strict=True))
    assert np.mean(np.concatenate(list(warm.predict(X)["begins"])) == np.concatenate(new)) > 0.6


def test_transitions_need_labels_per_step(spans):
    X, y = spans
    flat = pd.DataFrame({"tags": [t[0] for t in y["tags"]]})
    for transitions in LINKS:
        with refused("transitions of task 'tags' must be None", "per sequence", transitions):
            model(transitions).fit(X, flat)


@pytest.mark.parametrize("task", [{"loss": "focal"}, {"label_smoothing": 0.1}])
def test_a_learned_chain_has_its_own_loss(task, spans):
    X, y = spans
    with refused("transitions='learned' of task 'tags'", "loss='cross_entropy'"):
        model("learned", task=task).fit(X, y)
    assert model("constrained", task=task, max_epochs=1).fit(X, y)


def test_unknown_transitions_are_refused(spans):
    X, y = spans
    with refused("transitions", "'constrained'", error=ValueError):
        model("viterbi").fit(X, y)


@pytest.mark.parametrize("transitions", LINKS)
def test_no_stream(transitions, spans):
    X, y = spans
    assert not hasattr(model(transitions, max_epochs=1).fit(X, y), "stream")


def test_one_array_of_tags_and_several_tasks(spans):
    """Every layout, and a chain beside tasks of other kinds under every way of sharing."""
    X, y = spans
    equal = np.stack([np.resize(x, (6, 2)) for x in X])
    tags = np.stack([np.resize(t, 6) for t in y["tags"]])[:, :, None]
    task = ClassificationTask(transitions="learned")
    flat = MultiTaskRNNClassifier(tasks=task, max_epochs=2, random_state=0).fit(equal, tags)
    assert flat.predict(equal).shape == tags.shape
    assert flat.predict_proba(equal).shape == (80, 6, 3)
    mixed = y.assign(total=[x.sum() for x in X], other=[t == "O" for t in y["tags"]])
    tasks = {"tags": task, "total": RegressionTask(), "other": task}
    for sharing in ("hard", "shared_private", "mmoe", "cross_stitch", "none"):
        fitted = MultiTaskRNN(tasks=tasks, sharing=sharing, max_epochs=1, random_state=0)
        assert set(fitted.fit(X, mixed).net_.module_.transitions) == {"0", "2"}
        assert len(fitted.predict(X)) == 80
    for options in (
        {"task_weights": "uncertainty"},
        {"task_weights": "gradnorm"},
        {"batching": "alternate"},
        {"task_relation": "chain"},
        {"sampler": "balanced"},
        {"class_weight": "balanced"},
    ):
        fitted = MultiTaskRNN(tasks=tasks, max_epochs=2, random_state=0, **options).fit(X, mixed)
        assert np.isfinite(fitted.loss_curve_).any()
    similar = gradient_similarity(
        MultiTaskRNN(tasks=tasks, max_epochs=1, random_state=0).fit(X, mixed), X, mixed
    )
    assert np.isfinite(similar.to_numpy()).all()


def test_scorers_and_cross_validation_see_linked_predictions(spans):
    X, y = spans
    estimator = model("learned", scoring=multitask_scorer("accuracy"), early_stopping=True)
    fitted = estimator.fit(X, y)
    scorer = multitask_scorer("accuracy")
    assert scorer(fitted, X, y) == pytest.approx(fitted.score(X, y))
    assert multitask_scorer("neg_log_loss")(fitted, X, y) < 0
    predicted = cross_val_predict(model("constrained", max_epochs=1), X, y, cv=3)
    assert len(predicted) == 80


def test_chunks_without_labels_of_a_constrained_task(spans):
    X, y = spans
    tasks = {"tags": ClassificationTask(transitions="constrained"), "total": "regression"}
    unlabelled = pd.DataFrame({"total": [x.sum() for x in X]})
    fitted = MultiTaskRNN(tasks=tasks, random_state=0)
    fitted.partial_fit(X, unlabelled, classes={"tags": list("BIO")})
    fitted.partial_fit(X, unlabelled)
    fitted.partial_fit(X, y.assign(total=unlabelled["total"]))
    assert n_broken(fitted.predict(X)["tags"]) == 0


@pytest.mark.parametrize("delay", [-2, -1, 1, 2])
def test_constraints_are_learned_from_all_labels_whatever_the_delay(spans, delay):
    """A label whose state lies outside its sequence trains no head, but is seen."""
    X, y = spans
    now = model("constrained").fit(X, y)._task_set.tasks[0]
    fitted = model("constrained", task={"delay": delay}).fit(X, y)
    later = fitted._task_set.tasks[0]
    np.testing.assert_array_equal(later.allowed_start_, now.allowed_start_)
    np.testing.assert_array_equal(later.allowed_, now.allowed_)
    assert n_broken(fitted.predict(X)["tags"]) == 0
