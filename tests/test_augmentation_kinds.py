"""Each kind of augmentation is its formula."""

import numpy as np
import pytest
from augmented_batches import CHANNELS, make_batch, per_sequence, sequences

from sk_mtrnn.augmentation import ChannelMask, Jitter, Scale, TimeMask, TimeWarp, WindowCrop


def test_jitter_adds_noise_in_units_of_the_channel():
    batch = make_batch(np.full(4000, 5))
    changed = Jitter(scale=0.1).apply(batch, CHANNELS, np.random.default_rng(0)).values
    noise = (changed - batch.values)[:, :2] / CHANNELS.scale[:2] / 0.1
    np.testing.assert_allclose(noise.mean(0), 0, atol=4 / np.sqrt(20000))
    np.testing.assert_allclose(noise.std(0), 1, atol=4 / np.sqrt(40000))
    lag = (noise[1:] * noise[:-1]).mean(0), (noise[:, 0] * noise[:, 1]).mean()
    assert np.abs(np.concatenate([lag[0], lag[1:]])).max() < 4 / np.sqrt(20000)


def test_scale_swings_about_the_mean_of_each_sequence():
    batch = make_batch(np.full(3000, 6), holes=0.2)
    changed = Scale(scale=0.1).apply(batch, CHANNELS, np.random.default_rng(0))
    factors = []
    for before, after in zip(sequences(batch), sequences(changed), strict=True):
        for x, y in zip(before[:, :2].T, after[:, :2].T, strict=True):
            x, y = x[~np.isnan(x)], y[~np.isnan(y)]
            if len(x) > 1:
                factors.append(np.ptp(y) / np.ptp(x))
                np.testing.assert_allclose(y, x.mean() + factors[-1] * (x - x.mean()))
    assert np.mean(factors) == pytest.approx(1, abs=4 * 0.1 / np.sqrt(len(factors)))
    assert np.std(factors) == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * len(factors)))


def test_scale_does_not_depend_on_the_zero_of_the_unit():
    batch = make_batch()
    zero = np.array([273.15, 0, 0, 0])
    kelvin = batch._replace(values=batch.values + zero)
    celsius, kelvin = (
        Scale().apply(given, CHANNELS, np.random.default_rng(0)).values for given in (batch, kelvin)
    )
    np.testing.assert_allclose(kelvin - celsius, np.tile(zero, (50, 1)), atol=1e-12)


def masked_steps(batch, augmentation, seed):
    changed = augmentation.apply(batch, CHANNELS, np.random.default_rng(seed))
    return [np.flatnonzero(np.isnan(sequence[:, 0])) for sequence in sequences(changed)]


def test_time_mask_is_one_stretch_of_at_most_its_share():
    batch, augmentation = make_batch(np.full(3000, 10)), TimeMask(share=0.3)
    masked = masked_steps(batch, augmentation, 0)
    assert all((np.diff(steps) == 1).all() for steps in masked)
    widths = np.array([len(steps) for steps in masked])
    share = np.bincount(widths) / 3000
    np.testing.assert_allclose(share, [0.25] * 4, atol=4 * np.sqrt(0.25 * 0.75 / 3000))
    for width in (1, 2, 3):
        starts = [steps[0] for steps in masked if len(steps) == width]
        share = np.bincount(starts) / len(starts)
        even = np.full(11 - width, 1 / (11 - width))
        np.testing.assert_allclose(share, even, atol=4 * np.sqrt(even[0] / len(starts)))


def test_time_mask_covers_all_numbers_at_once():
    batch = make_batch()
    changed = TimeMask(share=0.6).apply(batch, CHANNELS, np.random.default_rng(0)).values
    np.testing.assert_array_equal(np.isnan(changed[:, 0]), np.isnan(changed[:, 1]))
    assert not np.isnan(changed[:, 2:]).any()


@pytest.mark.parametrize("augmentation", [TimeMask(share=1.0), ChannelMask(share=0.5)])
def test_a_mask_is_what_stands_for_missing(augmentation):
    batch = make_batch(np.full(50, 10))
    filled = CHANNELS._replace(fill=np.array([7.0, 8.0, 9.0, 9.0]))
    holes = augmentation.apply(batch, CHANNELS, np.random.default_rng(0)).values
    means = augmentation.apply(batch, filled, np.random.default_rng(0)).values
    masked = np.isnan(holes)
    assert 0.1 < masked[:, :2].mean() < 0.9
    np.testing.assert_array_equal(means, np.where(masked, filled.fill, batch.values))


def test_channel_mask_masks_whole_channels_one_by_one():
    batch = make_batch(np.full(4000, 3))
    changed = ChannelMask(share=0.3).apply(batch, CHANNELS, np.random.default_rng(0))
    masked = np.isnan(changed.values[:, :2]).reshape(4000, 3, 2)
    np.testing.assert_array_equal(masked, masked[:, :1].repeat(3, axis=1))
    first, second = masked[:, 0].T
    bound = 4 * np.sqrt(0.25 / 4000)
    for share, expected in [(first, 0.3), (second, 0.3), (first & second, 0.09)]:
        assert share.mean() == pytest.approx(expected, abs=bound)


def places(sequence, generator, scale, n_knots):
    """τ, step by step, as the docstring has it."""
    n_steps = len(sequence)
    height = scale * generator.standard_normal((1, n_knots + 2))[0]
    knots = np.linspace(0, n_steps - 1, n_knots + 2)
    speed = np.exp(np.interp(np.arange(n_steps), knots, height))
    passed = np.zeros(n_steps)
    for step in range(1, n_steps):
        passed[step] = passed[step - 1] + (speed[step - 1] + speed[step]) / 2
    return (n_steps - 1) * passed / passed[-1]


@pytest.mark.parametrize("n_knots", [0, 1, 4, 50])
@pytest.mark.parametrize("n_steps", [2, 3, 30])
def test_time_warp_is_its_formula(n_knots, n_steps):
    batch = make_batch((n_steps,))
    warp = TimeWarp(scale=0.7, n_knots=n_knots)
    changed = warp.apply(batch, CHANNELS, np.random.default_rng(0))
    place = places(batch.values, np.random.default_rng(0), 0.7, n_knots)
    for f in range(2):
        expected = np.interp(place, np.arange(n_steps), batch.values[:, f])
        np.testing.assert_allclose(changed.values[:, f], expected, rtol=1e-12)
    nearest = np.floor(place + 0.5).astype(int)
    np.testing.assert_array_equal(changed.rows, nearest)
    np.testing.assert_array_equal(changed.values[:, 2:], batch.values[nearest, 2:])


@pytest.mark.parametrize("scale", [0.2, 3.0, 1000.0])
def test_time_warp_keeps_order_and_both_ends(scale):
    batch = make_batch((5, 1, 300, 40, 2))
    clock = batch._replace(values=np.repeat(batch.values[:, 3:], 4, axis=1))  # numbers, too
    warped = False
    for seed in range(20):
        changed = TimeWarp(scale=scale).apply(clock, CHANNELS, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed.lengths, batch.lengths)
        for after, before in zip(sequences(changed), sequences(clock), strict=True):
            assert (np.diff(after, axis=0) >= -1e-9).all()
            np.testing.assert_array_equal(after[[0, -1]], before[[0, -1]])
            assert np.abs(after[:, 0] - after[:, 3]).max() <= 0.5 + 1e-9
        warped |= not np.array_equal(changed.rows, batch.rows)
    assert warped


def test_time_warp_begins_and_ends_with_the_very_values():
    batch = make_batch(np.arange(2, 300))
    changed = TimeWarp(scale=1.0).apply(batch, CHANNELS, np.random.default_rng(0))
    for after, before in zip(sequences(changed), sequences(batch), strict=True):
        np.testing.assert_array_equal(after[[0, -1]], before[[0, -1]])


def test_time_warp_takes_the_nearest_step_beside_a_hole():
    batch = make_batch((200,))
    batch.values[::2, 0] = np.nan
    changed = TimeWarp(scale=0.5).apply(batch, CHANNELS, np.random.default_rng(0))
    nearest = batch.values[changed.rows, 0]
    np.testing.assert_array_equal(changed.values[:, 0], nearest)
    assert 50 < np.isnan(nearest).sum() < 150
    assert not np.array_equal(changed.values[:, 1], batch.values[changed.rows, 1])


def test_time_warp_leaves_a_constant_channel_constant():
    batch = make_batch((50, 7))
    batch.values[:, 0] = 0.1
    changed = TimeWarp(scale=1.0).apply(batch, CHANNELS, np.random.default_rng(0))
    assert (changed.values[:, 0] == 0.1).all()


def test_window_crop_keeps_a_window_as_it_is():
    batch = make_batch(np.full(3000, 10), holes=0.2)
    changed = WindowCrop(share=0.7).apply(batch, CHANNELS, np.random.default_rng(0))
    assert (changed.lengths == 7).all()
    starts = []
    for (after, rows), (before, own) in zip(
        per_sequence(changed), per_sequence(batch), strict=True
    ):
        starts.append(rows[0] - own[0])
        window = slice(starts[-1], starts[-1] + 7)
        np.testing.assert_array_equal(after, before[window])
        np.testing.assert_array_equal(rows, own[window])
    share = np.bincount(starts) / 3000
    np.testing.assert_allclose(share, [0.25] * 4, atol=4 * np.sqrt(0.25 * 0.75 / 3000))


@pytest.mark.parametrize("share", [1e-9, 0.3, 0.5, 0.99])
def test_window_crop_never_empties_a_sequence(share):
    batch = make_batch(np.arange(1, 40))
    changed = WindowCrop(share=share).apply(batch, CHANNELS, np.random.default_rng(0))
    np.testing.assert_array_equal(changed.lengths, [max(1, round(share * n)) for n in range(1, 40)])
