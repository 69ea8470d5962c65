import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.scenes import CATEGORIES, COLOURS
from calcarine.data.phantom.tuning import (
    Tuning,
    factor_code_names,
    factor_codes,
    gabor_energy,
    gabor_filters,
    interaction_code_names,
    interaction_codes,
    luminance,
    raw_drive,
)

HEIGHT, WIDTH = 48, 64


def gabor(orientation: float, frequency: float = 8.0, rf_x: float = 0.5) -> pd.DataFrame:
    row = {"voxel": 0, "rf_x": rf_x, "rf_y": 0.5, "rf_sd": 0.1}
    return pd.DataFrame([row | {"orientation": orientation, "frequency": frequency}])


def grating(orientation: float, frequency: float, phase: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    along = (x + 0.5) / WIDTH * np.cos(orientation) + (y + 0.5) / HEIGHT * np.sin(orientation)
    grey = 127.5 + 100 * np.cos(2 * np.pi * frequency * along + phase)
    return np.repeat(np.rint(grey).astype(np.uint8)[None, :, :, None], 3, axis=3)


def test_energy_is_the_naive_sum_over_pixels(rng):
    pictures = rng.integers(0, 256, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)
    gabors = pd.concat([gabor(0.3), gabor(1.1, 5.0, 0.7)], ignore_index=True)
    filters = gabor_filters(gabors, HEIGHT, WIDTH)
    naive = np.zeros((3, 2))
    for n in range(3):
        light = pictures[n] @ np.array([0.299, 0.587, 0.114]) / 255
        for g in range(2):
            even = sum(
                light[y, x] * filters[g, y, x].real for y in range(HEIGHT) for x in range(WIDTH)
            )
            odd = sum(
                light[y, x] * filters[g, y, x].imag for y in range(HEIGHT) for x in range(WIDTH)
            )
            naive[n, g] = np.sqrt(even**2 + odd**2)
    np.testing.assert_allclose(gabor_energy(pictures, gabors), naive, rtol=1e-4)


@pytest.mark.parametrize("orientation", [0.0, 0.7, np.pi / 2])
def test_a_gabor_prefers_its_own_grating_whatever_the_phase(orientation):
    cell = gabor(orientation)
    own = [gabor_energy(grating(orientation, 8.0, p), cell)[0, 0] for p in (0, 1, 2)]
    assert np.ptp(own) < 0.02 * np.mean(own)
    turned = gabor_energy(grating(orientation + np.pi / 2, 8.0), cell)[0, 0]
    finer = gabor_energy(grating(orientation, 16.0), cell)[0, 0]
    assert max(turned, finer) < 0.1 * np.mean(own)


def test_uniform_pictures_have_no_energy():
    white = np.full((1, HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    assert gabor_energy(white, gabor(0.4))[0, 0] < 1e-4
    assert luminance(white).max() == pytest.approx(1.0)


def test_a_gabor_sees_its_own_place_only():
    half = grating(0.0, 8.0)
    half[:, :, WIDTH // 2 :] = 128
    left, right = (gabor_energy(half, gabor(0.0, rf_x=x))[0, 0] for x in (0.15, 0.85))
    assert right < 0.01 * left


def test_factor_codes_are_one_hot_and_named(scenes):
    codes = pd.DataFrame(factor_codes(scenes.table), columns=factor_code_names())
    for names, column in ((CATEGORIES, "category"), (COLOURS, "colour")):
        assert (codes[list(names)].idxmax(axis=1).to_numpy() == scenes.table[column]).all()
        assert (codes[list(names)].sum(axis=1) == 1).all()
    np.testing.assert_allclose(codes["x"] * 0.15 + 0.5, scenes.table["x"])


def test_interaction_codes_are_products_and_fields(scenes):
    table = scenes.table
    codes = pd.DataFrame(interaction_codes(table), columns=interaction_code_names())
    linear = pd.DataFrame(factor_codes(table), columns=factor_code_names())
    for one, other in (("face", "red"), ("tool", "x"), ("blue", "size")):
        np.testing.assert_allclose(codes[f"{one}*{other}"], linear[one] * linear[other])
    near = np.exp(-((table["x"] - 0.3) ** 2 + (table["y"] - 0.7) ** 2) / (2 * 0.12**2))
    np.testing.assert_allclose(codes["near(0.3,0.7)"], near)


def test_no_sum_of_factors_says_what_interactions_say(many_scenes):
    linear = factor_codes(many_scenes.table)
    products = interaction_codes(many_scenes.table)
    products -= products.mean(axis=0)
    fitted = linear @ np.linalg.lstsq(linear, products, rcond=None)[0]
    shown = (products**2).sum(axis=0) > 0
    unexplained = ((products - fitted) ** 2).sum(axis=0)[shown] / (products**2).sum(axis=0)[shown]
    assert unexplained.min() > 0.05


def test_drive_adds_up_its_three_parts(scenes, rng):
    linear = rng.normal(size=(4, len(factor_code_names())))
    products = rng.normal(size=(4, len(interaction_code_names())))
    gabors = gabor(0.2).assign(voxel=2)
    drive = raw_drive(scenes.pictures, scenes.table, Tuning(linear, products, gabors))
    expected = factor_codes(scenes.table) @ linear.T
    expected += interaction_codes(scenes.table) @ products.T
    expected[:, 2] += gabor_energy(scenes.pictures, gabors)[:, 0]
    np.testing.assert_allclose(drive, expected)
