import numpy as np
import pytest

from calcarine.encoders.receptive_fields import (
    candidate_fields,
    contrast_energy,
    field_drive,
    fit_receptive_fields,
)


@pytest.fixture
def pictures(rng):
    """Show one small bright square at a random place."""
    out = np.full((300, 32, 40, 3), 60, dtype=np.uint8)
    for picture in out:
        y, x = rng.integers(0, 26), rng.integers(0, 34)
        picture[y : y + 6, x : x + 6] = 220
    return out


def test_drive_is_the_windowed_mean_of_contrast(pictures):
    fields = candidate_fields().iloc[[40, 500, 900]]
    y, x = np.meshgrid((np.arange(32) + 0.5) / 32, (np.arange(40) + 0.5) / 40, indexing="ij")
    for column, (_, field) in enumerate(fields.iterrows()):
        window = np.exp(-((x - field.rf_x) ** 2 + (y - field.rf_y) ** 2) / (2 * field.rf_sd**2))
        naive = (contrast_energy(pictures[:5]) * window).sum(axis=(1, 2)) / window.sum()
        np.testing.assert_allclose(field_drive(pictures[:5], fields)[:, column], naive)


def test_a_flat_picture_has_no_contrast():
    assert not contrast_energy(np.full((1, 8, 8, 3), 77, dtype=np.uint8)).any()


def test_planted_fields_are_found_under_noise(pictures, rng):
    planted = candidate_fields().iloc[[361 + 19 * 4 + 3, 361 + 19 * 12 + 15, 722 + 19 * 9 + 9]]
    drive = field_drive(pictures, planted)
    noisy = drive + drive.std(axis=0) * rng.standard_normal(drive.shape)
    found = fit_receptive_fields(noisy, pictures)
    assert np.abs(found["rf_x"].to_numpy() - planted["rf_x"].to_numpy()).max() <= 0.15
    assert np.abs(found["rf_y"].to_numpy() - planted["rf_y"].to_numpy()).max() <= 0.15
    np.testing.assert_allclose(found["r"], np.sqrt(0.5), atol=0.1)


def test_order_of_trials_does_not_matter(pictures, rng):
    responses = rng.standard_normal((300, 4))
    order = rng.permutation(300)
    first = fit_receptive_fields(responses, pictures)
    second = fit_receptive_fields(responses[order], pictures[order])
    np.testing.assert_allclose(first, second)


def test_a_silent_unit_has_a_correlation_of_zero(pictures):
    assert fit_receptive_fields(np.zeros((300, 1)), pictures)["r"].tolist() == [0.0]
