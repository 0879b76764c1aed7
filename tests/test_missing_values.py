"""Holes in X: what stands for them, what is told of them, and that nothing else matters."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from sklearn.base import clone
from sklearn.utils import get_tags

from sk_mtrnn import (
    MultiTaskRNN,
    MultiTaskRNNClassifier,
    MultiTaskRNNRegressor,
    Ragged,
    RegressionTask,
)
from sk_mtrnn.missing import last_observed, since_observed, starts_of, until_observed

WAYS = ("mean", "forward", "mask", "decay")


@pytest.fixture
def holes(ragged):
    """The sequences with a third of the values gone, and one channel that is always there."""
    rng = np.random.default_rng(1)
    return [
        np.column_stack([np.where(rng.random(x.shape) < 0.33, np.nan, x), x[:, :1]]) for x in ragged
    ]


@pytest.fixture
def total(ragged):
    return np.array([x.sum() for x in ragged])


def model(**params):
    return MultiTaskRNNRegressor(
        **{"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0, **params}
    )


def test_observations_are_those_a_loop_finds():
    rng = np.random.default_rng(0)
    lengths = np.array([1, 4, 7, 2])
    offsets = np.concatenate([[0], lengths.cumsum()])
    values = rng.normal(size=(14, 3))
    observed = rng.random((14, 3)) < 0.4
    time = np.concatenate([np.sort(rng.uniform(0, 9, size=n)) for n in lengths])
    starts = starts_of(offsets)
    last, since, until = np.empty((3, 14, 3))
    for channel, known in enumerate(observed.T):
        last[:, channel] = last_observed(
            values[:, channel], known, starts, [7.0, 8.0, 9.0][channel]
        )
        since[:, channel] = since_observed(known, starts, time)
        until[:, channel] = until_observed(known, offsets, time)
    for start, stop in itertools.pairwise(offsets):
        for channel in range(3):
            value, delta = [7.0, 8.0, 9.0][channel], 0.0
            for t in range(start, stop):
                if t > start:  # Che et al., equation 2
                    gap = time[t] - time[t - 1]
                    delta = gap if observed[t - 1, channel] else gap + delta
                value = values[t, channel] if observed[t, channel] else value
                assert last[t, channel] == value
                assert since[t, channel] == pytest.approx(delta, abs=1e-12)
            delta = 0.0
            for t in reversed(range(start, stop)):
                if t < stop - 1:
                    gap = time[t + 1] - time[t]
                    delta = gap if observed[t + 1, channel] else gap + delta
                assert until[t, channel] == pytest.approx(delta, abs=1e-12)


def test_an_error_names_channel_and_sample(holes, total):
    first = next(i for i, x in enumerate(holes) if np.isnan(x).any())
    with refused("Input X contains NaN", f"sample {first}"):
        model().fit(holes, total)
    frame = pd.concat({i: pd.DataFrame(x, columns=list("abc")) for i, x in enumerate(holes)})
    with refused("Input X contains NaN", "feature '"):
        model().fit(frame, total)


@pytest.mark.parametrize("missing", WAYS)
def test_infinity_is_still_refused(missing, holes, total):
    holes[3][1, 2] = np.inf
    with refused("infinity", "sample 3"):
        model(missing=missing).fit(holes, total)


@pytest.mark.parametrize("missing", WAYS)
def test_without_holes_it_is_the_plain_model(missing, ragged, total):
    plain = model().fit(ragged, total).predict(ragged)
    np.testing.assert_allclose(
        model(missing=missing).fit(ragged, total).predict(ragged), plain, rtol=1e-5, atol=1e-5
    )


def test_mean_is_imputation_by_the_training_mean(holes, total):
    means = np.nanmean(np.concatenate(holes), axis=0)
    filled = [np.where(np.isnan(x), means, x) for x in holes]
    fitted = model(missing="mean", standardize=False, dtype="float64").fit(holes, total)
    by_hand = model(standardize=False, dtype="float64").fit(filled, total)
    np.testing.assert_allclose(fitted.predict(holes), by_hand.predict(filled), rtol=1e-9)


def test_forward_is_the_last_value_else_the_mean(holes, total):
    means = np.nanmean(np.concatenate(holes), axis=0)
    filled = [pd.DataFrame(x).ffill().fillna(pd.Series(means)).to_numpy() for x in holes]
    fitted = model(missing="forward", standardize=False, dtype="float64").fit(holes, total)
    by_hand = model(standardize=False, dtype="float64").fit(filled, total)
    np.testing.assert_allclose(fitted.predict(holes), by_hand.predict(filled), rtol=1e-9)


def test_scales_are_those_of_what_was_observed(holes, total):
    steps = np.concatenate(holes)
    fitted = model(missing="forward").fit(holes, total)
    np.testing.assert_allclose(fitted._inputs.mean, np.nanmean(steps, axis=0))
    np.testing.assert_allclose(fitted._inputs.scale, np.nanstd(steps, axis=0))


def test_mask_tells_of_channels_with_holes_only(holes, total):
    fitted = model(missing="mask").fit(holes, total)
    steps = fitted._read_steps(holes)
    assert steps.n_features == 3 + 2 + 2
    observed = ~np.isnan(np.concatenate(holes))[:, :2]
    np.testing.assert_array_equal(steps.values[:, 3:5], observed)
    starts, time = starts_of(steps.offsets), np.concatenate([np.arange(len(x)) for x in holes])
    since = np.column_stack([since_observed(known, starts, time) for known in observed.T])
    np.testing.assert_allclose(steps.values[:, 5:7], np.log1p(since / since.mean(axis=0)))


@pytest.mark.parametrize("missing", WAYS)
def test_values_under_a_mask_never_matter(missing, holes, total):
    equal = np.stack([x[:3] for x in holes])
    hidden = np.isnan(equal)
    rng = np.random.default_rng(5)

    def masked():
        return np.ma.MaskedArray(np.where(hidden, rng.normal(size=equal.shape), equal), hidden)

    reference = model(missing=missing).fit(equal, total)
    other = model(missing=missing).fit(masked(), total)
    for name, weight in reference.net_.module_.state_dict().items():  # so no gradient saw them
        assert torch.equal(weight, other.net_.module_.state_dict()[name])
    np.testing.assert_array_equal(reference.predict(equal), other.predict(masked()))


@pytest.mark.parametrize("missing", WAYS)
def test_na_in_lists_and_tables_of_objects_is_a_hole(missing, total):
    rows = [[1.0, np.nan, float(i)] for i in range(len(total))]
    named = [[1.0, pd.NA, float(i)] for i in range(len(total))]
    expected = model(missing=missing).fit(rows, total).predict(rows)
    boxes = [np.array(x, dtype=object) for x in named], [pd.array(x, dtype="Float64") for x in rows]
    for X in (named, np.array(named, dtype=object), *boxes):
        np.testing.assert_array_equal(model(missing=missing).fit(X, total).predict(X), expected)
    with refused("NaN"):
        model().fit(np.array(named, dtype=object), total)


def test_a_masked_array_needs_missing(holes, total):
    equal = np.stack([x[:3] for x in holes])
    with refused("X must not be masked"):
        model().fit(np.ma.masked_invalid(equal), total)


@pytest.mark.parametrize("missing", WAYS)
def test_a_channel_never_observed_in_training_counts_for_nothing(missing, holes, total):
    never = [np.column_stack([x, np.full(len(x), np.nan)]) for x in holes]
    fitted = model(missing=missing).fit(never, total)
    seen = [np.column_stack([x, np.full(len(x), 1e6)]) for x in holes]
    np.testing.assert_array_equal(fitted.predict(never), fitted.predict(seen))


@pytest.mark.parametrize("missing", WAYS)
def test_a_channel_absent_at_predict_is_one_hole(missing, holes, total):
    fitted = model(missing=missing).fit(holes, total)
    absent = [x.copy() for x in holes]
    for x in absent:
        x[:, 1:] = np.nan  # of these channel 2 had no hole in training
    predicted = fitted.predict(absent)
    assert np.isfinite(predicted).all()
    means = np.nanmean(np.concatenate(holes), axis=0)
    mean_there = [np.column_stack([x[:, :2], np.full(len(x), means[2])]) for x in absent]
    np.testing.assert_allclose(fitted.predict(mean_there), predicted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("missing", ["mask", "decay"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_time_stamps_are_intervals(missing, bidirectional, holes, total):
    """A regular clock of any unit and origin is no clock, and a stretched one is another."""
    clock = [np.column_stack([50 + 3.0 * np.arange(len(x)), x]) for x in holes]
    options = {"missing": missing, "bidirectional": bidirectional, "dtype": "float64"}
    plain = model(**options).fit(holes, total).predict(holes)
    timed = model(**options, time_feature=0).fit(clock, total)
    np.testing.assert_allclose(timed.predict(clock), plain, rtol=1e-6)
    stretched = [np.column_stack([x[:, 0] ** 2, x[:, 1:]]) for x in clock]
    assert not np.allclose(timed.predict(stretched), plain)


def test_the_time_stamp_is_no_input(holes, total):
    rng = np.random.default_rng(0)
    clock = [np.column_stack([np.sort(rng.normal(size=len(x))), x]) for x in holes]
    fitted = model(missing="forward", time_feature=0).fit(clock, total)
    np.testing.assert_array_equal(
        fitted.predict(clock), model(missing="forward").fit(holes, total).predict(holes)
    )
    assert fitted.n_features_in_ == 4


def test_time_stamps_by_name(holes, total):
    frame = pd.concat({i: pd.DataFrame(x, columns=list("abc")) for i, x in enumerate(holes)})
    frame.insert(1, "minute", frame.groupby(level=0).cumcount())
    named = model(missing="mask", time_feature="minute").fit(frame, total).predict(frame)
    by_place = [np.insert(x, 1, np.arange(len(x)), axis=1) for x in holes]
    np.testing.assert_allclose(
        named, model(missing="mask", time_feature=1).fit(by_place, total).predict(by_place)
    )


def test_time_stamps_that_run_backwards_are_named(holes, total):
    clock = [np.column_stack([np.arange(len(x)), x]) for x in holes]
    clock[4][2, 0] = -1
    with refused("time_feature=0", "found -1.0 after 1.0", "sample 4", "time step 2"):
        model(missing="mask", time_feature=0).fit(clock, total)
    fine = [np.column_stack([np.arange(len(x)), x]) for x in holes]
    fitted = model(missing="mask", time_feature=0).fit(fine, total)
    with refused("sample 4", "time step 2"):
        fitted.predict(clock)
    clock[4][2, 0] = np.nan
    with refused("time_feature=0", "NaN", "sample 4", "time step 2"):
        fitted.predict(clock)


@pytest.mark.parametrize("time_feature", [3, -4, "hour", True])
def test_an_unknown_time_feature_is_refused(time_feature, holes, total):
    with refused("time_feature"):
        model(missing="mask", time_feature=time_feature).fit(holes, total)


def test_the_time_stamp_alone_is_not_enough(total):
    X = [np.arange(3.0)] * len(total)
    with refused("beside the time stamp"):
        model(time_feature=0).fit(X, total)


@pytest.mark.parametrize("missing", WAYS)
def test_a_table_may_have_holes(missing, total):
    table = np.random.default_rng(0).normal(size=(40, 6))
    table[::3, 2] = np.nan
    fitted = model(missing=missing).fit(table, total)
    series = Ragged.from_padded(table)
    np.testing.assert_array_equal(
        fitted.predict(table), model(missing=missing).fit(series, total).predict(series)
    )


@pytest.mark.parametrize("missing", WAYS)
def test_every_cell_reads_holes(missing, holes, total):
    for cell in ("rnn", "gru", "lstm"):
        for bidirectional in (False, True):
            fitted = model(missing=missing, cell=cell, bidirectional=bidirectional)
            assert np.isfinite(fitted.fit(holes, total).predict(holes)).all()


@pytest.mark.parametrize("missing", WAYS)
def test_a_sequence_alone_is_as_among_others(missing, holes, total):
    fitted = model(missing=missing, dtype="float64").fit(holes, total)
    alone = np.concatenate([fitted.predict([x]) for x in holes])
    np.testing.assert_allclose(fitted.predict(holes), alone, rtol=1e-9)


def test_holes_help_where_missingness_tells(ragged):
    """The label is whether a channel was looked at: only what tells of holes can learn it."""
    rng = np.random.default_rng(0)
    n = 300
    looked = rng.integers(0, 2, size=n)
    X = rng.normal(size=(n, 5, 2))
    X[:, 0, 1] = np.where(looked, X[:, 0, 1], np.nan)

    def score(missing):
        estimator = MultiTaskRNNClassifier(
            hidden_layer_sizes=(8,), max_epochs=20, missing=missing, random_state=0
        )
        return estimator.fit(X[:200], looked[:200]).score(X[200:], looked[200:])

    assert score("mask") > 0.95
    assert score("decay") > 0.95
    assert score("mean") < 0.75


@pytest.mark.parametrize("missing", ["error", *WAYS])
def test_the_tag_follows_the_parameter(missing):
    assert get_tags(model(missing=missing)).input_tags.allow_nan == (missing != "error")


def test_a_fitted_model_keeps_its_way(holes, total):
    fitted = model(missing="mask").fit(holes, total)
    before = fitted.predict(holes)
    fitted.set_params(missing="error", time_feature=0)
    np.testing.assert_array_equal(fitted.predict(holes), before)


@pytest.mark.parametrize(
    ("name", "value"), [("missing", "forward"), ("time_feature", 2), ("embedding_dim", 3)]
)
def test_what_reads_x_may_not_change_halfway(name, value, holes, total):
    fitted = model(missing="mask").partial_fit(holes, total)
    with refused("partial_fit", f"parameter {name} changed"):
        fitted.set_params(**{name: value}).partial_fit(holes, total)
    fitted = model(missing="mask", warm_start=True).fit(holes, total)
    with refused("warm_start", f"parameter {name} changed"):
        fitted.set_params(**{name: value}).fit(holes, total)


def test_chunks_and_warm_starts_go_on(holes, total):
    fitted = model(missing="mask").partial_fit(holes[:20], total[:20])
    fitted.partial_fit(holes[20:], total[20:])
    assert np.isfinite(fitted.predict(holes)).all()
    warm = model(missing="mask", warm_start=True).fit(holes, total)
    assert np.isfinite(warm.fit(holes[:30], total[:30]).predict(holes)).all()


def test_only_training_samples_are_learned_from(holes, total):
    """What is held out by weight 0 changes neither means nor which channels have holes."""
    weights = np.ones(len(holes))
    weights[:10] = 0
    changed = [x * 100 if i < 10 else x for i, x in enumerate(holes)]
    one = model(missing="mask").fit(holes, total, sample_weight=weights)
    two = model(missing="mask").fit(changed, total, sample_weight=weights)
    np.testing.assert_array_equal(one._inputs.mean, two._inputs.mean)
    np.testing.assert_array_equal(one._inputs.scale, two._inputs.scale)
    np.testing.assert_array_equal(one.predict(holes), two.predict(holes))


def test_features_of_a_task_bring_what_is_told_of_them(holes, total):
    y = pd.DataFrame({"a": total, "b": [x[:, 2].sum() for x in holes]})
    tasks = {"a": RegressionTask(features=[0, 1]), "b": RegressionTask(features=[2])}
    fitted = MultiTaskRNN(missing="mask", tasks=tasks, max_epochs=2, random_state=0).fit(holes, y)
    other = [x.copy() for x in holes]
    for x in other:
        x[:, 2] += 1
    assert (fitted.predict(other)["a"] == fitted.predict(holes)["a"]).all()
    assert (fitted.predict(other)["b"] != fitted.predict(holes)["b"]).any()
    gone = [np.column_stack([np.full((len(x), 2), np.nan), x[:, 2]]) for x in holes]
    assert (fitted.predict(gone)["b"] == fitted.predict(holes)["b"]).all()
    with refused("features of task 'a'", "missing='decay'"):
        clone(fitted).set_params(missing="decay").fit(holes, y)


def test_no_warning_where_a_channel_is_constant_or_seen_once(holes, total):
    X = [np.column_stack([x, np.full(len(x), np.nan), np.full(len(x), 2.0)]) for x in holes]
    X[0][0, 3] = 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for missing in WAYS:
            assert np.isfinite(model(missing=missing).fit(X, total).predict(X)).all()
