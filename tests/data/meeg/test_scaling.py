"""Scales and whitening: oracles are scikit-learn and known covariances; nothing of a test trial."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import RobustScaler

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.noise import (
    inverse_root,
    ledoit_wolf_many,
    noise_covariance,
    residual_variance,
    whitened_variance,
)
from calcarine.data.meeg.sensor_scaling import SensorScaler
from calcarine.data.scaling import ScalingPlan, fit_scaler, load_scaler
from calcarine.data.standardize import Standardizer


@pytest.fixture
def noisy(rng):
    """40 stimuli × 5 repeats, 6 channels with a known noise covariance, 30 times."""
    mixing = rng.normal(size=(6, 6)) + 2 * np.eye(6)
    shown = np.repeat(np.arange(40), 5).astype(str)
    signal = rng.normal(0, 3, (40, 6, 30))[shown.astype(int)]
    noise = np.einsum("ij,njt->nit", mixing, rng.normal(size=(200, 6, 30)))
    return signal + noise, shown, mixing @ mixing.T


def test_many_covariances_equal_scikit_learn(rng):
    sets = rng.normal(size=(7, 9, 5)) @ rng.normal(size=(5, 5))
    expected = [ledoit_wolf(s)[0] for s in sets]
    np.testing.assert_allclose(ledoit_wolf_many(sets), expected, rtol=1e-10)


def test_two_samples_are_enough_for_a_shrunk_covariance(rng):
    sets = rng.normal(size=(3, 2, 5))
    np.testing.assert_allclose(ledoit_wolf_many(sets), [ledoit_wolf(s)[0] for s in sets])


@pytest.mark.parametrize("dim", ["residual", "time"])
def test_noise_covariance_is_that_of_the_noise(noisy, dim):
    values, shown, truth = noisy
    found = noise_covariance(values, shown, dim)
    scale = np.trace(found) / np.trace(truth)
    # within a condition a variance over 5 repeats loses a fifth (sklearn divides by n)
    assert scale == pytest.approx({"residual": 1.0, "time": 0.8}[dim], abs=0.05)
    if dim == "residual":
        np.testing.assert_allclose(found, truth, atol=0.06 * np.abs(truth).max())


def test_dim_time_is_the_mean_over_conditions_and_times(noisy):
    values, shown, _ = noisy
    expected = np.mean(
        [ledoit_wolf(values[shown == s][:, :, t])[0] for s in np.unique(shown) for t in range(30)],
        axis=0,
    )
    np.testing.assert_allclose(noise_covariance(values, shown, "time"), expected, rtol=1e-9)


def test_dim_epochs_is_the_mean_over_trials(noisy):
    values, shown, _ = noisy
    expected = np.mean([ledoit_wolf(v.T)[0] for v in values], axis=0)
    np.testing.assert_allclose(noise_covariance(values, shown, "epochs"), expected, rtol=1e-9)


def test_without_repeats_only_epochs_serves(noisy):
    values, _, _ = noisy
    once = np.arange(len(values)).astype(str)
    assert noise_covariance(values, once, "epochs").shape == (6, 6)
    with pytest.raises(CalcarineError, match=r"none of 200 stimuli has two .* `dim: epochs`"):
        noise_covariance(values, once, "residual")


def test_inverse_root_whitens_and_leaves_silent_directions_silent(rng):
    data = rng.normal(size=(6, 500))
    data -= data.mean(axis=0)  # an average reference: rank 5
    covariance = data @ data.T / 500
    root = inverse_root(covariance)
    expected = np.eye(6) - 1 / 6
    np.testing.assert_allclose(root @ covariance @ root, expected, atol=1e-8)


def test_robust_scaling_equals_scikit_learn(noisy):
    values, _, _ = noisy
    scaler = SensorScaler.fit(values)
    flat = values.transpose(0, 2, 1).reshape(-1, 6)
    expected = RobustScaler().fit_transform(flat).reshape(200, 30, 6).transpose(0, 2, 1)
    np.testing.assert_allclose(scaler.transform(values), expected, atol=1e-4)


def test_clamp_limits_and_one_trial_alone_is_like_in_a_batch(noisy):
    values, shown, _ = noisy
    scaler = SensorScaler.fit(values[:150], conditions=shown[:150], clamp=1.5, mvnn_dim="residual")
    plain = SensorScaler.fit(values[:150], clamp=1.5)
    assert np.abs(plain.transform(values)).max() == pytest.approx(1.5)
    together = scaler.transform(values[150:])
    for i in (0, 17, 49):
        alone = scaler.transform(values[150 + i : 151 + i])[0]
        np.testing.assert_allclose(alone, together[i], atol=1e-5)


def test_whitened_noise_has_the_variance_that_theory_gives(rng):
    """Few samples, many channels: training noise is white, test noise larger by a known factor."""
    mixing = rng.normal(size=(20, 20)) + 4 * np.eye(20)
    shown = np.repeat(np.arange(15), 4).astype(str)
    train, test = (np.einsum("ij,njt->nit", mixing, rng.normal(size=(60, 20, 2))) for _ in range(2))
    n_samples = 15 * 3 * 2
    residuals = np.concatenate(
        [train[shown == s] - train[shown == s].mean(axis=0) for s in np.unique(shown)]
    )
    flat = residuals.transpose(0, 2, 1).reshape(-1, 20) * np.sqrt(4 / 3)
    root = inverse_root(flat.T @ flat / len(flat))  # no shrinkage: the theory is of plain estimates
    variance, _ = residual_variance(np.matmul(root, train), shown)
    assert variance == pytest.approx(1.0, abs=1e-6)
    variance, _ = residual_variance(np.matmul(root, test), shown)
    assert variance == pytest.approx(whitened_variance(n_samples, 20), rel=0.12)
    assert whitened_variance(n_samples, 20) == pytest.approx(90 / 69)


def test_whitening_fitted_on_training_trials_makes_test_noise_white(noisy):
    values, shown, truth = noisy
    is_train = np.arange(200) % 5 < 3
    scaler = SensorScaler.fit(values[is_train], conditions=shown[is_train], mvnn_dim="residual")
    variance, correlation = residual_variance(scaler.transform(values[~is_train]), shown[~is_train])
    scaled = truth / np.outer(scaler.scale[0], scaler.scale[0])
    left = scaler.whitener[0] @ scaled @ scaler.whitener[0]
    assert variance == pytest.approx(np.trace(left) / 6, rel=0.05)
    spread = np.sqrt(np.diag(left))
    left_correlation = np.abs(left / np.outer(spread, spread))[~np.eye(6, dtype=bool)].mean()
    assert correlation == pytest.approx(left_correlation, abs=0.03)
    raw = SensorScaler.fit(values[is_train])
    before = residual_variance(raw.transform(values[~is_train]), shown[~is_train])[1]
    assert correlation < before


def test_sessions_have_their_own_statistics(noisy, rng):
    values, shown, _ = noisy
    sessions = np.where(np.arange(200) % 2 == 0, "01", "02")
    shifted = values + np.where(sessions == "01", 50.0, -20.0)[:, None, None]
    scaler = SensorScaler.fit(shifted, sessions, shown, mvnn_dim="residual")
    assert scaler.groups == ("01", "02")
    assert scaler.whitener.shape == (3, 6, 6)
    out = scaler.transform(shifted, sessions)
    for s in ("01", "02"):
        assert abs(np.median(out[sessions == s])) < 0.1
    unknown = scaler.transform(shifted[:2], np.array(["09", "09"]))
    assert np.isfinite(unknown).all()


def test_plans_make_scalers_and_model_folders_give_them_back(noisy):
    values, shown, _ = noisy
    plans = {
        "standardizer.mean": ScalingPlan(),
        "scaler.centre": ScalingPlan("robust", 20.0, "residual"),
    }
    for name, plan in plans.items():
        scaler = fit_scaler(plan, values[:100], None, shown[:100])
        assert name in scaler.tensors()
        again = load_scaler(list(scaler.groups), scaler.tensors())
        np.testing.assert_array_equal(again.transform(values), scaler.transform(values))
    assert isinstance(fit_scaler(ScalingPlan(), values), Standardizer)
    with pytest.raises(CalcarineError, match="written by another version"):
        load_scaler(["all"], {"other": np.zeros(1)})


def test_voxels_are_not_scaled_as_sensors(rng):
    with pytest.raises(CalcarineError, match=r"for sensors.*kind: zscore"):
        SensorScaler.fit(rng.normal(size=(10, 5)))
