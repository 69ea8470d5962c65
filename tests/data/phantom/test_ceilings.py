import numpy as np
import pytest

from calcarine.data.phantom.bold import MOTION, hrf_groups, simulate_run, trial_regressors
from calcarine.data.phantom.ceilings import single_trial_weights, slow_nuisance, true_ceilings
from calcarine.data.phantom.experiment import PlannedRun, draw_onsets

TR_S = 2.0
N_SCENES, N_REPEATS = 50, 8


@pytest.fixture(scope="module")
def repeated(cortex, many_scenes):
    """Simulated test runs, and the responses that are estimated from them."""
    rng = np.random.default_rng(11)
    drive = cortex.drive(many_scenes.pictures, many_scenes.table)[:N_SCENES]
    runs, betas = [], np.empty((N_REPEATS, N_SCENES, len(cortex.voxels)))
    for repeat in range(N_REPEATS):
        order = rng.permutation(N_SCENES)
        onsets = draw_onsets(N_SCENES, 4.0, rng)
        n_volumes = int((onsets[-1] + 20) / TR_S)
        ids = [str(i) for i in order]
        runs.append(PlannedRun("01", f"{repeat:02d}", "test", ids, onsets, n_volumes))
        run = simulate_run(cortex, drive[order], onsets, 2.0, n_volumes, TR_S, rng)
        frames = TR_S * np.arange(n_volumes)
        nuisance = np.column_stack([slow_nuisance(frames), run.confounds[list(MOTION)]])
        percent = 100 * run.bold / run.bold.mean(axis=0)
        for peak, width, voxels in hrf_groups(cortex):
            trials = trial_regressors(onsets, 2.0, frames, peak, width)
            estimated = single_trial_weights(trials, nuisance) @ percent[:, voxels]
            betas[repeat, order[:, None], voxels[None, :]] = estimated
    return drive, runs, betas


def test_weights_are_those_of_a_model_for_each_trial(rng):
    frames = TR_S * np.arange(60)
    trials = trial_regressors(draw_onsets(15, 4.0, rng), 2.0, frames, 5.0, 1.0)
    nuisance = slow_nuisance(frames)
    series = rng.normal(size=(60, 4))
    found = single_trial_weights(trials, nuisance) @ series
    for trial in range(15):
        others = np.delete(trials, trial, axis=1).sum(axis=1)
        design = np.column_stack([trials[:, trial], others, nuisance])
        naive = np.linalg.lstsq(design, series, rcond=None)[0][0]
        np.testing.assert_allclose(found[trial], naive, atol=1e-10)


def test_stated_ceilings_are_those_of_the_recording(cortex, repeated):
    """Split-half reliability, stepped up to all repeats, is the squared ceiling."""
    drive, runs, betas = repeated
    stated = true_ceilings(cortex, drive, runs, 2.0, TR_S, N_REPEATS)["noise_ceiling_n"].to_numpy()
    rng = np.random.default_rng(12)
    halves = []
    for _ in range(20):
        order = rng.permutation(N_REPEATS)
        one, other = (betas[order[h::2]].mean(axis=0) for h in (0, 1))
        one, other = ((h - h.mean(axis=0)) / h.std(axis=0) for h in (one, other))
        halves.append((one * other).mean(axis=0))
    r = np.mean(halves, axis=0)
    measured = 2 * r / (1 + r)
    tuned = cortex.is_tuned
    # a reliability from 50 scenes is known to about 0.15 for one voxel, to 0.03 for the mean of 100
    assert np.mean(measured[tuned] - stated[tuned] ** 2) == pytest.approx(0, abs=0.04)
    assert np.corrcoef(measured[tuned], stated[tuned] ** 2)[0, 1] > 0.7
    assert (stated[~tuned] == 0).all()
    assert np.mean(r[~tuned]) == pytest.approx(0, abs=0.06)


def test_a_perfect_model_reaches_the_ceiling(cortex, repeated):
    drive, runs, betas = repeated
    stated = true_ceilings(cortex, drive, runs, 2.0, TR_S, N_REPEATS)["noise_ceiling_n"].to_numpy()
    tuned = cortex.is_tuned
    mean = betas.mean(axis=0)
    reached = [np.corrcoef(mean[:, v], drive[:, v])[0, 1] for v in np.flatnonzero(tuned)]
    assert np.mean(reached - stated[tuned]) == pytest.approx(0, abs=0.03)


def test_ceilings_grow_with_repeats_and_shrink_with_noise(cortex, repeated):
    drive, runs, _ = repeated
    tuned = cortex.is_tuned
    few, many = (true_ceilings(cortex, drive, runs[:1], 2.0, TR_S, n)[tuned] for n in (1, 6))
    np.testing.assert_allclose(few["noise_ceiling_1"], few["noise_ceiling_n"])
    assert (many["noise_ceiling_n"] > many["noise_ceiling_1"]).all()
    weak = true_ceilings(cortex, drive / 3, runs[:1], 2.0, TR_S, 6)[tuned]
    assert (weak["ncsnr"] < many["ncsnr"]).all()
    silent = true_ceilings(cortex, 0 * drive, runs[:1], 2.0, TR_S, 6)
    assert (silent == 0).all().all()
