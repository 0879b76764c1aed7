"""What varies in training: augmented batches and balanced draws."""

import pickle

import numpy as np
import pandas as pd
import pytest
from refusals import refused
from sklearn.model_selection import GridSearchCV

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn._training import SequenceData, task_relation
from sk_mtrnn._training_set import training_set
from sk_mtrnn.augmentation import (
    Augmentation,
    ChannelMask,
    Jitter,
    Scale,
    TimeMask,
    TimeWarp,
    WindowCrop,
)

ALL = [Jitter(), Scale(), TimeMask(), ChannelMask(), TimeWarp(), WindowCrop()]


def model(**params):
    return MultiTaskRNN(
        **{"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, **params}
    )


class Reversed(Augmentation):
    """Turn every sequence round: what a batch is cut from can be told from its numbers."""

    _parameter_constraints = {}

    def apply(self, batch, channels, rng):
        ends = np.repeat(batch.starts + batch.lengths - 1, batch.lengths)
        turned = ends - batch.steps
        return batch._replace(values=batch.values[turned], rows=batch.rows[turned])


class Nothing(Augmentation):
    _parameter_constraints = {}

    def apply(self, batch, channels, rng):
        return batch


def data_of(fitted, X, y, augmentation):
    fitted.set_params(augmentation=augmentation)
    sequences = fitted._read_X(X, reset=False)
    labels = fitted._read_labels(y, sequences)
    columns = labels.matched(fitted.task_names_)
    weights = fitted._weights(None, labels)
    everybody = np.arange(len(sequences))
    targets = fitted._encode(columns, weights, everybody, sequences)
    steps = fitted._inputs.encode(sequences)
    return training_set(fitted, sequences, steps, targets, fitted._task_set, everybody, 0)


def test_batches_that_nothing_alters_are_the_same(ragged, mixed_labels):
    fitted = model().fit(ragged, mixed_labels)
    plain = data_of(fitted, ragged, mixed_labels, None)
    assert plain.variation is None
    varied = data_of(fitted, ragged, mixed_labels, [Nothing()])
    batch = np.array([5, 3, 30, 7])
    (inputs, targets), (others, other_targets) = plain[batch], varied[batch]
    assert (inputs.steps == others.steps).all()
    for one, two in zip(targets, other_targets, strict=True):
        assert (one.values == two.values).all()
        assert (one.weights == two.weights).all()


def test_labels_per_step_follow_their_steps(ragged):
    y = pd.DataFrame({"copy": [x[:, 0] for x in ragged], "first": [x[0, 0] for x in ragged]})
    fitted = model(standardize=False).fit(ragged, y)
    for augmentation in ([Reversed()], [TimeWarp()], [WindowCrop()], [TimeWarp(), WindowCrop()]):
        data = data_of(fitted, ragged, y, augmentation)
        inputs, targets = data[np.arange(40)]
        by_task = {target.tasks: target for target in targets}
        moved = inputs.steps[:, 0]
        if any(isinstance(a, TimeWarp) for a in augmentation):  # numbers lie between two steps
            assert np.corrcoef(moved, by_task[(0,)].values[0])[0, 1] > 0.7
        else:
            assert (moved == by_task[(0,)].values[0]).all()
        whole = by_task[(1,)].values[0]  # per sequence: of the same sequence, altered or not
        assert sorted(whole.tolist()) == sorted(np.float32(y["first"]).tolist())


def test_holes_are_filled_after_the_change(ragged):
    """A masked step is a hole like any other, told of by "mask"."""
    X = [
        np.where(np.random.default_rng(i).random(x.shape) < 0.2, np.nan, x)
        for i, x in enumerate(ragged)
    ]
    y = np.array([x[0].size for x in ragged], dtype=float)
    fitted = MultiTaskRNNRegressor(missing="mask", max_epochs=1, random_state=0).fit(X, y)
    data = data_of(fitted, X, y, [TimeMask(share=0.5)])
    plain = data_of(fitted, X, y, None)
    batch = np.arange(40)
    masked, whole = data[batch][0].steps[:, 2:4], plain[batch][0].steps[:, 2:4]
    assert masked.sum() < 0.9 * whole.sum()
    assert (masked <= whole).all()


def test_training_varies_and_prediction_does_not(ragged, mixed_labels):
    plain = model().fit(ragged, mixed_labels)
    varied = model(augmentation=ALL).fit(ragged, mixed_labels)
    assert not np.allclose(plain.predict(ragged)["level"], varied.predict(ragged)["level"], rtol=0)
    again = model(augmentation=ALL).fit(ragged, mixed_labels)
    pd.testing.assert_series_equal(varied.predict(ragged)["level"], again.predict(ragged)["level"])
    other = model(augmentation=ALL, random_state=1).fit(ragged, mixed_labels)
    assert not np.allclose(other.predict(ragged)["level"], varied.predict(ragged)["level"], rtol=0)
    state = np.random.get_state()[1].copy()
    model(augmentation=ALL).fit(ragged, mixed_labels)
    assert (np.random.get_state()[1] == state).all()
    pickle.loads(pickle.dumps(varied)).predict(ragged)


def test_held_out_sequences_do_not_vary(ragged, mixed_labels, monkeypatch):
    cut = []
    whole = SequenceData.__getitem__

    def record(self, batch):
        cut.append((len(self), self.variation))
        return whole(self, batch)

    monkeypatch.setattr(SequenceData, "__getitem__", record)
    fitted = model(augmentation=Jitter(), early_stopping=True, validation_fraction=0.25)
    fitted.fit(ragged, mixed_labels)
    assert {size for size, variation in cut if variation is not None} == {30}
    assert {size for size, variation in cut if variation is None} == {10}


def test_every_kind_of_fit_varies(ragged, mixed_labels):
    names = ("sign", "level", "positive", "total")
    kinds = dict(zip(names, ["classification", "regression"] * 2, strict=True))
    options = {"missing": "forward", "time_feature": 1, "tasks": kinds}
    fitted = model(augmentation=[Jitter(), WindowCrop()], **options)
    X = [np.column_stack([x, np.arange(len(x))])[:, [0, 2]] for x in ragged]
    fitted.partial_fit(X, mixed_labels, classes={"sign": ["down", "up"], "positive": [0, 1]})
    fitted.partial_fit(X, mixed_labels)
    fitted.add_task(X, mixed_labels["level"] * 2, name="twice")
    assert np.isfinite(fitted.predict(X)["twice"]).all()


@pytest.mark.parametrize("given", ["jitter", 3, [Jitter], [Jitter(), "scale"]])
def test_what_is_no_augmentation_is_refused(given, ragged, mixed_labels):
    with refused("augmentation"):
        model(augmentation=given).fit(ragged, mixed_labels)


def test_categories_and_time_stamps_are_not_altered(ragged, mixed_labels):
    X = [np.column_stack([x[:, 0], np.arange(len(x)), np.arange(len(x)) % 3]) for x in ragged]
    options = {"categorical_features": [2], "time_feature": 1, "missing": "mask"}
    for channels in ([2], [1]):
        with refused("channels of Jitter", f"found {channels[0]}"):
            model(augmentation=[Jitter(channels=channels)], **options).fit(X, mixed_labels)
    fitted = model(augmentation=ALL, **options).fit(X, mixed_labels)
    assert np.isfinite(fitted.loss_curve_).all()
    words = [x[:, 2:] for x in X]
    with refused("augmentation by Jitter needs a channel of numbers"):
        model(augmentation=[Jitter()], categorical_features=[0]).fit(words, mixed_labels)
    assert model(augmentation=[WindowCrop()], categorical_features=[0]).fit(words, mixed_labels)


def test_augmentations_can_be_searched(ragged):
    y = np.array([x.sum() for x in ragged])
    grid = {"augmentation": [None, [Jitter(scale=0.1)], [Jitter(scale=1.0)]]}
    search = GridSearchCV(MultiTaskRNNRegressor(max_epochs=2, random_state=0), grid, cv=2)
    assert len(search.fit(Ragged.from_list(ragged), y).cv_results_["params"]) == 3


@pytest.fixture(scope="module")
def skewed():
    """A rare class, one in twenty, that overlaps the others; and a task it is rare in as well."""
    rng = np.random.default_rng(0)
    rare = rng.random(600) < 0.05
    X = rng.normal(size=(600, 6, 2))
    X[:, :, 0] += 0.8 * rare[:, None]
    other = np.where(rng.random(600) < 0.1, "b", "a")
    X[:, :, 1] += 0.8 * (other == "b")[:, None]
    return X, pd.DataFrame({"rare": rare.astype(int), "other": other})


def test_balanced_draws_are_even_in_all_tasks(skewed):
    X, y = skewed
    fitted = model(sampler="balanced", max_epochs=1).fit(X, y)
    data = data_of(fitted, X, y, None)
    p = data.probabilities
    assert p.sum() == pytest.approx(1)
    assert p[y["rare"] == 1].sum() == pytest.approx(0.5, abs=1e-3)
    assert p[y["other"] == "b"].sum() == pytest.approx(0.5, abs=1e-3)


def test_balanced_draws_help_the_rare_class(skewed):
    X, y = skewed

    def recall(sampler):
        fitted = model(sampler=sampler, max_epochs=15).fit(X[:400], y[:400])
        found = fitted.predict(X[400:])["rare"].to_numpy()
        return found[y["rare"][400:] == 1].mean()

    assert recall("balanced") > recall(None) + 0.1


def test_balanced_draws_go_with_everything(skewed):
    X, y = skewed
    for options in (
        {"batching": "alternate"},
        {"early_stopping": True},
        {"augmentation": [Jitter()]},
        {"task_weights": "uncertainty"},
    ):
        fitted = model(sampler="balanced", **options).fit(X[:100], y[:100])
        assert np.isfinite(fitted.loss_curve_).any()
    one, two = (model(sampler="balanced").fit(X[:100], y[:100]) for _ in range(2))
    np.testing.assert_array_equal(one.loss_curve_, two.loss_curve_)


def test_balanced_draws_of_steps(ragged):
    """Labels per step count by their share of the sequence; numbers are no classes."""
    y = pd.DataFrame(
        {"high": [(x[:, 0] > 1.5).astype(int) for x in ragged], "sum": [x.sum() for x in ragged]}
    )
    fitted = model(sampler="balanced", max_epochs=1).fit(ragged, y)
    p = data_of(fitted, ragged, y, None).probabilities
    share = np.array([h.mean() for h in y["high"]])
    assert p @ share > 1.3 * share.mean()
    with refused("sampler='balanced'", "classification task", "regression"):
        MultiTaskRNNRegressor(sampler="balanced").fit(ragged, y["sum"].to_numpy())


def test_unknown_samplers_are_refused(skewed):
    X, y = skewed
    with refused("sampler", "balanced"):
        MultiTaskRNNClassifier(sampler="even").fit(X, y)


@pytest.mark.parametrize("delay", [3, -2])
def test_labels_whose_state_was_cropped_away_are_left_out(delay, ragged):
    task = RegressionTask(delay=delay)
    y = pd.DataFrame({"later": [np.arange(len(x), dtype=float) for x in ragged]})
    fitted = model(tasks={"later": task}, max_epochs=1).fit(ragged, y)
    data = data_of(fitted, ragged, y, [WindowCrop(share=0.6)])
    for batch in (np.arange(40), np.array([3])):
        inputs, (target,) = data[batch]
        sizes = inputs.layout.batch_sizes.tolist()
        row, step, lengths = 0, [], np.zeros(sizes[0], int)
        for t, size in enumerate(sizes):
            lengths[:size] += 1
            step += [(t, rank) for rank in range(size)]
            row += size
        inside = [0 <= t + delay < lengths[rank] for t, rank in step]
        assert (target.weights[0] != 0).tolist() == inside
        assert target.labelled[0].tolist() == inside


def test_what_is_recorded_of_relations_is_of_the_data_as_they_are(ragged, mixed_labels):
    options = {"task_relation": "attention", "random_state": 0, "augmentation": [Jitter(scale=3)]}
    fitted = model(**options).fit(ragged, mixed_labels)
    data = data_of(fitted, ragged, mixed_labels, None)
    np.testing.assert_allclose(
        fitted.task_relation_, task_relation(fitted.net_, data, 1), rtol=1e-5
    )
