"""Bands on the phantom's scenes: early units draw on energies, ventral ones on what is shown."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.scenes import factor_table, render_scene, sample_scenes
from calcarine.data.phantom.tuning import factor_codes, gabor_energy
from calcarine.encoders.ridge.banded import BandedSettings, solve_banded

N_SCENES, N_EARLY, N_VENTRAL = 240, 25, 25


def gabors(n, rng):
    return pd.DataFrame(
        {
            "voxel": np.arange(n),
            "rf_x": rng.uniform(0.2, 0.8, n),
            "rf_y": rng.uniform(0.2, 0.8, n),
            "rf_sd": rng.uniform(0.08, 0.16, n),
            "orientation": rng.uniform(0, np.pi, n),
            "frequency": rng.uniform(3, 8, n),
        }
    )


def zscore(values):
    return (values - values.mean(0)) / values.std(0)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(5)
    drawn = sample_scenes(N_SCENES, seed=5, combinations="all")
    pictures = np.stack([render_scene(scene) for scene in drawn])
    codes = factor_codes(factor_table(drawn))
    # the bank of the model is not the set of filters that is planted
    bank = gabor_energy(pictures, gabors(60, rng))
    early = zscore(gabor_energy(pictures, gabors(N_EARLY, rng)))
    ventral = zscore(codes @ rng.standard_normal((codes.shape[1], N_VENTRAL)))
    signal = np.concatenate([early, ventral], axis=1)
    y = signal + rng.standard_normal(signal.shape)  # half of the variance can be explained
    bands = np.repeat(["energy", "objects"], [bank.shape[1], codes.shape[1]])
    return np.concatenate([bank, codes], axis=1), y, bands


def test_planted_bands_come_out_in_the_right_places(scenes):
    x, y, bands = scenes
    found = solve_banded(x, y, bands, settings=BandedSettings(n_candidates=8, n_refinements=1))
    of_energy, of_objects = found.band_scores
    early, ventral = slice(0, N_EARLY), slice(N_EARLY, None)
    assert (of_energy > of_objects)[early].mean() >= 0.9
    assert (of_objects > of_energy)[ventral].mean() >= 0.9
    assert np.median(found.shares[0, early]) > 0.7
    assert np.median(found.shares[1, ventral]) > 0.7
    assert 0.2 < found.cv_score.mean() <= 0.55
