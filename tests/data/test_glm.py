import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm

from calcarine.data.errors import CalcarineError
from calcarine.data.glm import (
    GlmModel,
    RunDesign,
    check_trials_measured,
    nuisance_design,
    run_betas,
    single_trial_betas,
)
from calcarine.data.hrf import HrfShape, hrf_library, trial_design
from calcarine.data.regression import ar1_coefficients

TR_S = 1.5
TIMES = TR_S * np.arange(110)
ONSETS = np.array([3.0, 8.1, 14.0, 18.3, 25.0, 33.3, 38.2, 55.0, 61.7, 90.0])
DURATIONS = np.full(10, 1.0)


def make_run(rng, n_voxels=7, n_confounds=3, shape=None):
    trials = trial_design(ONSETS, DURATIONS, TIMES, shape or HrfShape("glover"))
    confounds = rng.normal(size=(len(TIMES), n_confounds)).cumsum(axis=0)
    nuisance = nuisance_design(TIMES, "cosine", 0.01, confounds)
    series = 900 + 30 * rng.normal(size=(len(TIMES), n_voxels)).cumsum(axis=0) / 10
    return series + trials @ rng.normal(0, 9, size=(10, n_voxels)), trials, nuisance


def ols(design, series):
    return np.linalg.lstsq(design, series, rcond=None)[0]


def test_lsa_is_one_ordinary_model(rng):
    series, trials, nuisance = make_run(rng)
    expected = ols(np.column_stack([trials, nuisance]), series)[:10]
    found = single_trial_betas(series, trials, nuisance, "lsa")
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_lss_is_one_model_for_each_trial(rng):
    series, trials, nuisance = make_run(rng)
    found = single_trial_betas(series, trials, nuisance, "lss")
    for i in range(10):
        others = np.delete(trials, i, axis=1).sum(axis=1)
        labels, results = run_glm(
            series, np.column_stack([trials[:, i], others, nuisance]), noise_model="ols"
        )
        np.testing.assert_allclose(found[i], results[labels[0]].theta[0], rtol=1e-7, atol=1e-7)


def test_lss_of_a_single_trial_is_lsa(rng):
    series, trials, nuisance = make_run(rng)
    one = trials[:, :1]
    np.testing.assert_allclose(
        single_trial_betas(series, one, nuisance, "lss"),
        single_trial_betas(series, one, nuisance, "lsa"),
    )


@pytest.mark.parametrize("method", ["lsa", "lss"])
def test_confounds_and_drift_do_not_reach_the_betas(rng, method):
    series, trials, nuisance = make_run(rng)
    clean = single_trial_betas(series, trials, nuisance, method)
    dirty = series + 1e3 * nuisance @ rng.normal(size=(nuisance.shape[1], series.shape[1]))
    np.testing.assert_allclose(
        single_trial_betas(dirty, trials, nuisance, method), clean, atol=1e-6
    )


def test_a_redundant_confound_changes_nothing(rng):
    series, trials, nuisance = make_run(rng)
    doubled = np.column_stack([nuisance, nuisance[:, 1] * 2])
    np.testing.assert_allclose(
        single_trial_betas(series, trials, doubled, "lss"),
        single_trial_betas(series, trials, nuisance, "lss"),
        atol=1e-7,
    )


def test_lsa_refuses_trials_that_cannot_be_told_apart(rng):
    series, trials, nuisance = make_run(rng)
    twice = np.column_stack([trials, trials[:, 0]])
    with pytest.raises(CalcarineError, match="cannot tell 11 trials apart"):
        single_trial_betas(series, twice, nuisance, "lsa")


def test_nuisance_design_is_nilearns(rng):
    confounds = rng.normal(size=(len(TIMES), 2))
    expected = make_first_level_design_matrix(TIMES, high_pass=0.02, add_regs=confounds)
    found = nuisance_design(TIMES, "cosine", 0.02, confounds)
    np.testing.assert_allclose(found, expected.to_numpy())


def test_polynomial_drift_has_an_order_for_every_150_s():
    found = nuisance_design(2.0 * np.arange(200), "polynomial", 0.01, np.zeros((200, 0)))
    assert found.shape == (200, 1 + 1 + 398 // 150)


@pytest.mark.parametrize("shape", [HrfShape("glover"), HrfShape("spm"), hrf_library()[9]])
def test_trial_regressors_are_nilearns_up_to_scale_and_its_time_grid(shape):
    events = pd.DataFrame({"onset": ONSETS, "duration": DURATIONS})
    events["trial_type"] = [f"t{i:02d}" for i in range(10)]
    expected = make_first_level_design_matrix(
        TIMES, events, hrf_model=shape.model, drift_model=None, oversampling=100
    ).to_numpy()[:, :10]
    found = trial_design(ONSETS, DURATIONS, TIMES, shape)
    scale = (found * expected).sum(axis=0) / (expected**2).sum(axis=0)
    np.testing.assert_allclose(found, expected * scale, atol=0.015)


def test_betas_are_percent_of_the_mean_at_the_peak(rng):
    trials = trial_design(ONSETS, np.full(10, 3.0), TIMES, HrfShape("glover"))
    baseline = np.array([400.0, 1200.0, 90.0])
    planted = rng.uniform(0.5, 2, size=(10, 3))
    series = baseline * (1 + trials @ planted / 100)
    nuisance = nuisance_design(TIMES, "cosine", 0.01, np.zeros((len(TIMES), 0)))
    design = RunDesign(ONSETS, np.full(10, 3.0), TIMES, nuisance)
    model = GlmModel("lsa", "glover")
    found = run_betas(series, design, [HrfShape("glover")], np.zeros(3, dtype=int), model)
    # the mean holds the responses too, so that it is a little above the baseline
    expected = planted * baseline / series.mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32


def test_run_betas_use_each_voxels_own_shape(rng):
    shapes = [HrfShape("glover"), HrfShape("spm"), hrf_library()[18]]
    chosen = np.array([2, 0, 0, 1, 2])
    nuisance = nuisance_design(TIMES, "cosine", 0.01, np.zeros((len(TIMES), 0)))
    design = RunDesign(ONSETS, DURATIONS, TIMES, nuisance)
    series = 500 + rng.normal(size=(len(TIMES), 5))
    found = run_betas(series, design, shapes, chosen, GlmModel("lss"))
    for voxel, index in enumerate(chosen):
        betas = single_trial_betas(
            series[:, [voxel]], design.trials(shapes[index]), nuisance, "lss"
        )
        expected = 100 * betas / series[:, voxel].mean()
        np.testing.assert_allclose(found[:, [voxel]], expected, rtol=1e-5)


def autocorrelated(rng, rho, n_voxels):
    noise = rng.normal(size=(len(TIMES), n_voxels))
    for t in range(1, len(TIMES)):
        noise[t] += rho * noise[t - 1]
    return noise


def test_autocorrelation_is_nilearns(rng):
    series = 500 + autocorrelated(rng, np.array([0.0, 0.3, 0.6, 0.8]), 4)
    _, trials, nuisance = make_run(rng)
    design = np.column_stack([trials.sum(axis=1), nuisance])
    labels, _ = run_glm(series, design, noise_model="ar1")
    found = ar1_coefficients(series, design)
    # nilearn takes the residuals' grand mean off first; with an intercept it is 0
    np.testing.assert_allclose(found, [float(v) for v in labels], atol=1e-6)


def test_ar1_betas_are_those_of_nilearns_whitened_model(rng):
    series = 500 + 5 * autocorrelated(rng, np.array([0.2, 0.5, 0.7]), 3)
    nuisance = nuisance_design(TIMES, "cosine", 0.01, np.zeros((len(TIMES), 0)))
    onsets, durations = np.array([20.0]), np.array([2.0])
    design = RunDesign(onsets, durations, TIMES, nuisance)
    shape = HrfShape("glover")
    model = GlmModel("lsa", "glover", noise_model="ar1")
    found = run_betas(series, design, [shape], np.zeros(3, dtype=int), model)
    full = np.column_stack([design.trials(shape), nuisance])
    labels, results = run_glm(series, full, noise_model="ar1")
    expected = np.empty(3)
    for label in np.unique(labels):
        expected[labels == label] = results[label].theta[0]
    np.testing.assert_allclose(found[0], 100 * expected / series.mean(axis=0), rtol=1e-5)


def test_a_trial_at_the_end_of_the_scan_is_refused():
    onsets = np.r_[ONSETS, TIMES[-1] - 0.5]
    design = trial_design(onsets, np.ones(11), TIMES, HrfShape("glover"))
    names = [f"trial-{i}" for i in range(11)]
    with pytest.raises(CalcarineError, match="trial-10 begins so near the end"):
        check_trials_measured(design, names)
    check_trials_measured(design[:, :10], names[:10])
