"""What varies in a training batch, and what must not."""

import numpy as np
import pytest
from augmented_batches import (
    ALTERING,
    AUGMENTATIONS,
    CHANNELS,
    NOTHING,
    assert_same,
    each,
    make_batch,
    per_sequence,
    sequences,
)
from refusals import refused
from sklearn.base import clone

from sk_mtrnn.augmentation import (
    Augmentation,
    Batch,
    ChannelMask,
    Channels,
    Jitter,
    Scale,
    TimeMask,
    TimeWarp,
    WindowCrop,
    resolve_augmentation,
)


@each(NOTHING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_strength_nothing_changes(augmentation, dtype):
    batch = make_batch(holes=0.2, dtype=dtype)
    assert_same(augmentation.apply(batch, CHANNELS, np.random.default_rng(0)), batch)


@each()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_probability_nothing_changes(augmentation, dtype):
    batch = make_batch(holes=0.2, dtype=dtype)
    never = clone(augmentation).set_params(probability=0.0)
    assert_same(never.apply(batch, CHANNELS, np.random.default_rng(0)), batch)


@each()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_result_is_a_new_batch_that_holds_together(augmentation, dtype):
    batch = make_batch(holes=0.2, dtype=dtype)
    before = Batch(*(part.copy() for part in batch))
    changed = augmentation.apply(batch, CHANNELS, np.random.default_rng(0))
    assert_same(batch, before)
    assert not np.shares_memory(changed.values, batch.values)
    assert not np.array_equal(changed.values, batch.values, equal_nan=True)
    assert changed.values.dtype == dtype
    assert changed.lengths.shape == batch.lengths.shape
    assert (changed.lengths >= 1).all()
    assert len(changed.values) == len(changed.rows) == changed.lengths.sum()


@each()
def test_the_generator_alone_decides(augmentation):
    batch = make_batch()
    first, again, other = (
        augmentation.apply(batch, CHANNELS, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert_same(first, again)
    assert not np.array_equal(first.values, other.values, equal_nan=True)


@each()
def test_float32_is_float64_rounded(augmentation):
    wide = make_batch(holes=0.2, dtype=np.float32)
    wide = wide._replace(values=wide.values.astype(np.float64))
    narrow = wide._replace(values=wide.values.astype(np.float32))
    wide, narrow = (
        augmentation.apply(batch, CHANNELS, np.random.default_rng(0)) for batch in (wide, narrow)
    )
    np.testing.assert_allclose(narrow.values, wide.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(narrow.rows, wide.rows)


@each()
def test_rows_and_categories_go_with_their_steps(augmentation):
    batch = make_batch(holes=0.1)
    word = dict(zip(batch.rows, batch.values[:, 2], strict=True))
    for seed in range(20):
        changed = augmentation.apply(batch, CHANNELS, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed.values[:, 3], changed.rows)
        np.testing.assert_array_equal(changed.values[:, 2], [word[row] for row in changed.rows])
        for sequence, (_, rows) in enumerate(per_sequence(changed)):
            assert (rows // 100 == sequence).all()  # none of another sequence
            assert (np.diff(rows) >= 0).all()


@each()
def test_nothing_of_a_sequence_depends_on_its_batch_mates(augmentation):
    """Other values, and holes, in all sequences but one leave that one as it is."""
    batch = make_batch(holes=0.1)
    for kept in range(5):
        other = make_batch(holes=0.5, seed=1).values.copy()
        own = np.repeat(np.arange(5) == kept, batch.lengths)
        other[own] = batch.values[own]
        ours, theirs = (
            augmentation.apply(given, CHANNELS, np.random.default_rng(3))
            for given in (batch, batch._replace(values=other))
        )
        np.testing.assert_array_equal(sequences(ours)[kept], sequences(theirs)[kept])


@each()
def test_a_share_of_the_sequences_is_acted_on(augmentation):
    batch = make_batch(np.full(2000, 12))
    half = clone(augmentation).set_params(probability=0.5)
    changed = half.apply(batch, CHANNELS, np.random.default_rng(0))
    same = [
        np.array_equal(*pair) for pair in zip(sequences(changed), sequences(batch), strict=True)
    ]
    always = augmentation.apply(batch, CHANNELS, np.random.default_rng(0))
    untouched = [
        np.array_equal(*pair) for pair in zip(sequences(always), sequences(batch), strict=True)
    ]
    assert np.mean(same) == pytest.approx((1 + np.mean(untouched)) / 2, abs=0.05)


@each()
@pytest.mark.parametrize("lengths", [(1,), (1, 1, 1), (1, 2)])
def test_the_shortest_sequences_stay(augmentation, lengths):
    batch = make_batch(lengths)
    for seed in range(10):
        changed = augmentation.apply(batch, CHANNELS, np.random.default_rng(seed))
        for (after, rows), (before, _) in zip(
            per_sequence(changed), per_sequence(batch), strict=True
        ):
            assert 1 <= len(after) <= len(before)
            if len(before) == 1 and not isinstance(augmentation, (Jitter, ChannelMask)):
                np.testing.assert_allclose(after, before)
                assert rows == before[0, 3]


@each()
def test_holes_stay_or_come_from_neighbours_or_masks(augmentation):
    batch = make_batch(holes=0.3)
    changed = augmentation.apply(batch, CHANNELS, np.random.default_rng(0))
    hole = {row: np.isnan(step[:2]) for row, step in zip(batch.rows, batch.values, strict=True)}
    was = np.array([hole[row] for row in changed.rows])
    now = np.isnan(changed.values[:, :2])
    if isinstance(augmentation, (TimeMask, ChannelMask)):
        assert now[was].all()
    elif not isinstance(augmentation, TimeWarp):
        np.testing.assert_array_equal(now, was)
    else:
        np.testing.assert_array_equal(now[now != was], False)  # none that the nearest has not
        assert (was & now).any()


@each(ALTERING)
def test_only_the_channels_named_change(augmentation):
    batch = make_batch(np.full(20, 5))
    for channels in (["y"], [1], [-3], np.array(["y"]), ("y", 1)):
        one = clone(augmentation).set_params(channels=channels)
        changed = one.apply(batch, CHANNELS, np.random.default_rng(0)).values
        np.testing.assert_array_equal(changed[:, [0, 2, 3]], batch.values[:, [0, 2, 3]])
        assert not np.array_equal(changed[:, 1], batch.values[:, 1], equal_nan=True)
        one.check(CHANNELS)


# which channels


@each(ALTERING)
@pytest.mark.parametrize(
    ("channels", "parts"),
    [
        (["word"], ["channels", "numbers", "'word'", "categorical"]),
        ([0, 3], ["channels", "numbers", "found 3", "categorical"]),
        (["z"], ["channels", "['x', 'y', 'word', 'row']", "'z'"]),
        ([4], ["channels", "found 4"]),
        ([-5], ["channels", "found -5"]),
        ([True], ["channels", "found True"]),
        ([0.0], ["channels", "found 0.0"]),
        ([], ["channels", "at least one", "found none"]),
    ],
)
def test_a_channel_that_is_no_number_is_refused(augmentation, channels, parts):
    augmentation = clone(augmentation).set_params(channels=channels)
    with refused(type(augmentation).__name__) as caught:
        augmentation.check(CHANNELS)
    message, at = str(caught.value), 0
    for part in parts:
        assert part in message[at:], message
        at = message.index(part, at) + len(part)


@each()
def test_without_any_number_there_is_nothing_to_alter(augmentation):
    words = Channels(np.ones(2), np.full(2, np.nan), np.zeros(2, dtype=bool), ["word", "shape"])
    if isinstance(augmentation, WindowCrop):
        augmentation.check(words)
        return
    with refused("augmentation", type(augmentation).__name__, "found none", "['word', 'shape']"):
        augmentation.check(words)


# the parameter


def test_what_the_parameter_means():
    jitter = Jitter(0.2)
    assert resolve_augmentation(None) == resolve_augmentation([]) == ()
    for given in (jitter, [jitter], (jitter,)):
        (found,) = resolve_augmentation(given)
        assert found is not jitter
        assert found.get_params() == jitter.get_params()
    kinds = [type(found) for found in resolve_augmentation(AUGMENTATIONS)]
    assert kinds == [type(given) for given in AUGMENTATIONS]


@pytest.mark.parametrize(
    "wrong", ["jitter", Jitter, [Jitter()] * 2 + ["scale"], 3, {"a": Jitter()}]
)
def test_another_augmentation_is_refused(wrong):
    with refused(
        "augmentation must be None, an object of sk_mtrnn.augmentation or a list", "found"
    ):
        resolve_augmentation(wrong)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (Jitter(scale=-1), "scale"),
        (Jitter(scale=np.inf), "scale"),
        (Jitter(probability=1.1), "probability"),
        (Jitter(channels="x"), "channels"),
        (Scale(scale=np.nan), "scale"),
        (TimeMask(share=1.1), "share"),
        (ChannelMask(share=-0.1), "share"),
        (TimeWarp(scale="fast"), "scale"),
        (TimeWarp(n_knots=1.5), "n_knots"),
        (TimeWarp(n_knots=-1), "n_knots"),
        (WindowCrop(share=0), "share"),
    ],
)
def test_an_option_out_of_range_is_refused(wrong, name):
    with refused(f"'{name}' parameter of {type(wrong).__name__} must be"):
        resolve_augmentation([Jitter(), wrong])


def test_one_of_your_own():
    class Flip(Augmentation):
        def apply(self, batch, channels, rng):
            chosen = self.chosen(channels)
            values = batch.values.copy()
            values[:, chosen] *= -1
            return batch._replace(values=values)

    (flip,) = resolve_augmentation(Flip())
    flip.check(CHANNELS)
    batch = make_batch()
    changed = flip.apply(batch, CHANNELS, np.random.default_rng(0))
    np.testing.assert_array_equal(changed.values, batch.values * [-1, -1, 1, 1])


@each()
def test_options_are_those_of_the_constructor(augmentation):
    copy = clone(augmentation)
    assert copy.get_params() == augmentation.get_params()
    assert set(copy._parameter_constraints) == set(copy.get_params())
    assert eval(repr(copy)).get_params() == copy.get_params()
