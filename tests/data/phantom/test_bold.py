from dataclasses import replace

import numpy as np
import pytest

from calcarine.data.phantom.bold import (
    MOTION,
    ar1_noise,
    bold_image,
    evoked_signal,
    haemodynamic_response,
    hrf_groups,
    label_image,
    movement,
    simulate_run,
    trial_regressors,
)
from calcarine.data.phantom.ceilings import slow_nuisance
from calcarine.data.phantom.experiment import draw_onsets
from calcarine.data.phantom.tuning import factor_codes

TR_S = 1.5


def residuals(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


@pytest.mark.parametrize(("peak_s", "width_s"), [(4.0, 0.7), (5.5, 1.0), (7.0, 1.4)])
def test_responses_peak_where_they_should(peak_s, width_s):
    times = np.arange(0, 30, 0.01)
    values = haemodynamic_response(times, peak_s, width_s)
    assert times[values.argmax()] == pytest.approx(peak_s, abs=0.05)
    assert values[0] == pytest.approx(0, abs=1e-3 * values.max())
    assert values.min() < -0.02 * values.max()
    assert 5 < times[values.argmin()] - peak_s < 14


def test_regressors_have_height_one_and_come_after_their_onset():
    frames = np.arange(0, 60, 0.1)
    regressors = trial_regressors(np.array([3.0, 20.0]), 2.0, frames, 5.0, 1.0)
    np.testing.assert_allclose(regressors.max(axis=0), 1, atol=1e-3)
    assert (regressors[frames < 20, 1] == 0).all()
    # the same response, later
    late = np.round(frames[regressors.argmax(axis=0)], 1)
    assert late[1] - late[0] == pytest.approx(17.0, abs=0.11)


def test_signal_is_the_naive_sum_over_trials(cortex, rng):
    onsets = draw_onsets(8, 4.0, rng)
    frames = TR_S * np.arange(40)
    drive = rng.normal(size=(8, len(cortex.voxels)))
    signal = evoked_signal(cortex, drive, onsets, 2.0, frames)
    for voxel in (0, 77, 149):
        peak, width = cortex.voxels.loc[voxel, ["hrf_peak_s", "hrf_width_s"]].astype(float)
        naive = np.zeros(40)
        for trial, onset in enumerate(onsets):
            one = trial_regressors(np.array([onset]), 2.0, frames, peak, width)[:, 0]
            naive += drive[trial, voxel] * one
        np.testing.assert_allclose(signal[:, voxel], naive, atol=1e-12)


def test_every_voxel_has_one_response(cortex):
    rows = np.concatenate([voxels for _, _, voxels in hrf_groups(cortex)])
    assert sorted(rows.tolist()) == list(range(len(cortex.voxels)))
    assert len(hrf_groups(cortex)) > 10


def test_noise_is_as_planted(cortex, rng):
    noise = ar1_noise(cortex, 20_000, rng)
    planted = cortex.voxels
    np.testing.assert_allclose(noise.std(axis=0), planted["noise_sd"], rtol=0.05)
    lagged = (noise[1:] * noise[:-1]).mean(axis=0) / noise.var(axis=0)
    np.testing.assert_allclose(lagged, planted["ar1"], atol=0.04)
    expected = cortex.shared_noise @ cortex.shared_noise.T
    np.fill_diagonal(expected, 1.0)
    same_ar = np.equal.outer(planted["ar1"].to_numpy(), planted["ar1"].to_numpy())
    found = np.corrcoef(noise.T)
    np.testing.assert_allclose(found[same_ar], expected[same_ar], atol=0.06)


def test_displacement_is_the_sum_of_absolute_steps(rng):
    confounds, _ = movement(90, TR_S, rng)
    motion = confounds[list(MOTION)].to_numpy() * ([1.0] * 3 + [50.0] * 3)
    expected = np.abs(np.diff(motion, axis=0)).sum(axis=1)
    np.testing.assert_allclose(confounds["framewise_displacement"][1:], expected)
    assert np.isnan(confounds["framewise_displacement"][0])


def test_movement_leaks_and_the_confounds_take_it_out(cortex):
    n_volumes = 200
    none = np.zeros((0, len(cortex.voxels)))
    calm = replace(cortex, motion_leak=0 * cortex.motion_leak)
    moved, still = (
        simulate_run(c, none, np.zeros(0), 2.0, n_volumes, TR_S, np.random.default_rng(6))
        for c in (cortex, calm)
    )
    slow = slow_nuisance(TR_S * np.arange(n_volumes))
    motion = np.column_stack([slow, moved.confounds[list(MOTION)]])
    leaked = (residuals(moved.bold - still.bold, slow) / cortex.voxels["baseline"].to_numpy()).std()
    assert 0.0003 < leaked < 0.01
    np.testing.assert_allclose(
        residuals(moved.bold, motion), residuals(still.bold, motion), atol=0.01
    )


def test_a_fit_of_the_planted_design_finds_the_planted_weights(cortex, many_scenes, rng):
    """The oracle: BOLD regressed on factor codes, convolved with the planted response."""
    voxels = cortex.voxels
    linear = np.flatnonzero(voxels["linear"].to_numpy())
    untuned = np.flatnonzero(~cortex.is_tuned)
    drive = 10 * cortex.drive(many_scenes.pictures, many_scenes.table)
    onsets = draw_onsets(len(drive), 4.0, rng)
    n_volumes = int((onsets[-1] + 20) / TR_S)
    frames = TR_S * np.arange(n_volumes)
    run = simulate_run(cortex, drive, onsets, 2.0, n_volumes, TR_S, rng)
    percent = 100 * run.bold.astype(float) / (voxels["baseline"].to_numpy() * 1.0)
    codes = factor_codes(many_scenes.table)
    codes -= codes.mean(axis=0)
    nuisance = np.column_stack([slow_nuisance(frames), run.confounds[list(MOTION)]])
    for peak, width, group in hrf_groups(cortex):
        chosen = np.intersect1d(group, np.concatenate([linear, untuned]))
        trials = trial_regressors(onsets, 2.0, frames, peak, width)
        design = np.column_stack([trials @ codes, trials.sum(axis=1), nuisance])
        weights = np.linalg.lstsq(design, percent[:, chosen], rcond=None)[0][: codes.shape[1]]
        shown = codes @ weights
        for column, voxel in enumerate(chosen):
            if voxel in linear:
                planted = drive[:, voxel]
                assert np.corrcoef(shown[:, column], planted)[0, 1] > 0.95
                assert shown[:, column].std() == pytest.approx(planted.std(), rel=0.15)
            else:
                # 20 weights fitted on 300 trials of noise: far below the planted responses
                assert shown[:, column].std() < 0.5 * voxels["noise_sd"][voxel]


def test_untuned_voxels_do_not_depend_on_what_is_shown(cortex, drive, rng):
    onsets = draw_onsets(30, 4.0, rng)
    shown, nothing = (
        simulate_run(cortex, d, onsets, 2.0, 90, TR_S, np.random.default_rng(5)).bold
        for d in (drive[:30], 0 * drive[:30])
    )
    same = (shown == nothing).all(axis=0)
    np.testing.assert_array_equal(same, ~cortex.is_tuned)


def test_images_keep_the_time_series(cortex, drive, rng):
    run = simulate_run(cortex, drive[:10], draw_onsets(10, 4.0, rng), 2.0, 40, TR_S, rng)
    image = bold_image(cortex, run.bold, TR_S)
    assert image.get_data_dtype() == np.int16
    assert image.header.get_zooms() == pytest.approx((4, 4, 4, TR_S))
    again = type(image).from_bytes(image.to_bytes())
    where = tuple(cortex.voxels[axis].to_numpy() for axis in "ijk")
    np.testing.assert_allclose(again.get_fdata()[where].T, run.bold, atol=0.026)
    outside = np.ones(image.shape[:3], dtype=bool)
    outside[where] = False
    assert (again.get_fdata()[outside] == 0).all()


def test_label_images_put_each_label_in_its_voxel(cortex):
    labels = np.arange(len(cortex.voxels)) % 7
    image = label_image(cortex, labels)
    where = tuple(cortex.voxels[axis].to_numpy() for axis in "ijk")
    np.testing.assert_array_equal(image.get_fdata()[where], labels)
