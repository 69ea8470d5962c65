import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision.transforms import Resize

from calcarine.data.errors import CalcarineError
from calcarine.decoders.picture_metrics import (
    PIXEL_METRICS,
    at_size,
    is_constant,
    pixel_correlation,
    pixels,
    resize_float,
    ssim_1d_columns,
    ssim_2d,
)

PROTOCOLS = ("phantom", "mindeye", "brain-diffuser")
_LUMINANCE = np.array([0.2125, 0.7154, 0.0721])


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, size=(4, 24, 31, 3), dtype=np.uint8)


@pytest.fixture
def pair(pictures, rng):
    """Give pictures and noisy copies of them, as shares."""
    noise = rng.normal(0, 40, size=pictures.shape)
    noisy = np.clip(pictures + noise, 0, 255)
    return pictures / 255, noisy / 255


def test_pixcorr_is_pearson_over_all_values(pair):
    truth, noisy = pair
    expected = [np.corrcoef(t.ravel(), n.ravel())[0, 1] for t, n in zip(truth, noisy, strict=True)]
    np.testing.assert_allclose(pixel_correlation(truth, noisy), expected, atol=1e-12)


def test_ssim_2d_is_that_of_wang(pair):
    grey = [torch.from_numpy(p @ _LUMINANCE)[:, None] for p in pair]
    _, whole = structural_similarity_index_measure(
        *grey, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    # torchmetrics keeps the border that Wang and the published protocols leave out
    expected = whole[:, 0, 5:-5, 5:-5].mean(dim=(1, 2)).numpy()
    np.testing.assert_allclose(ssim_2d(*pair), expected, atol=1e-9)


def _naive_ssim_1d(x: np.ndarray, y: np.ndarray) -> float:
    """Write the one-dimensional SSIM with explicit windows."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    values = []
    for centre in range(5, len(x) - 5):
        a, b = x[centre - 5 : centre + 6], y[centre - 5 : centre + 6]
        mean_a, mean_b = weights @ a, weights @ b
        var_a, var_b = weights @ (a - mean_a) ** 2, weights @ (b - mean_b) ** 2
        both = weights @ ((a - mean_a) * (b - mean_b))
        values.append(
            (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
            / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
        )  # fmt: skip
    return float(np.mean(values))


def test_ssim_1d_runs_down_the_columns(pair):
    truth, noisy = (p @ _LUMINANCE for p in pair)
    expected = [
        np.mean([_naive_ssim_1d(t[:, c], n[:, c]) for c in range(t.shape[1])])
        for t, n in zip(truth, noisy, strict=True)
    ]
    np.testing.assert_allclose(ssim_1d_columns(*pair), expected, atol=1e-12)


def test_the_two_meanings_of_ssim_differ(pair):
    assert np.abs(ssim_2d(*pair) - ssim_1d_columns(*pair)).min() > 0.01
    turned = [np.swapaxes(p, 1, 2) for p in pair]
    np.testing.assert_allclose(ssim_2d(*pair), ssim_2d(*turned), atol=1e-12)
    assert np.abs(ssim_1d_columns(*pair) - ssim_1d_columns(*turned)).min() > 1e-4


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("metric", PIXEL_METRICS)
def test_a_perfect_reconstruction_scores_one(pictures, metric, protocol):
    shares = pixels(pictures, protocol)
    np.testing.assert_allclose(PIXEL_METRICS[metric](shares, shares), 1, atol=1e-9)


def test_constant_pictures_are_found_and_have_no_correlation(pair, pictures):
    truth, noisy = pair
    noisy[2] = 0.4
    assert np.isnan(pixel_correlation(truth, noisy)).tolist() == [False, False, True, False]
    pictures[1] = 17
    assert is_constant(pictures).tolist() == [False, True, False, False]


def test_sizes_of_the_protocols(pictures):
    assert pixels(pictures, "phantom").shape == (4, 24, 31, 3)
    assert pixels(pictures, "mindeye").shape == (4, 425, 425, 3)
    assert pixels(pictures, "brain-diffuser").shape == (4, 425, 425, 3)


def test_mindeye_resizes_as_torchvision_does_twice(pictures):
    shares = torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)
    expected = Resize((425, 425))(Resize((256, 256))(shares)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(pixels(pictures, "mindeye"), expected, atol=1e-6)


def test_brain_diffuser_resizes_as_pillow_does(pictures):
    expected = [np.asarray(Image.fromarray(p).resize((425, 425))) for p in pictures]
    np.testing.assert_array_equal(
        pixels(pictures, "brain-diffuser"), np.stack(expected).astype(np.float32) / 255
    )


def test_presets_drift_apart_on_a_checkerboard(rng):
    board = np.indices((425, 425)).sum(axis=0) % 2 * 255
    truth = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    noise = np.clip(truth + rng.normal(0, 120, size=truth.shape), 0, 255).astype(np.uint8)
    scores = {
        protocol: pixel_correlation(pixels([truth], protocol), pixels([noise], protocol))[0]
        for protocol in PROTOCOLS
    }
    assert scores["brain-diffuser"] == pytest.approx(scores["phantom"], abs=1e-6)
    assert scores["brain-diffuser"] > 0.7
    assert scores["mindeye"] < scores["brain-diffuser"] - 0.1


def test_pictures_of_the_right_size_are_untouched(pictures):
    np.testing.assert_array_equal(at_size(pictures, 24, 31), pictures)
    assert at_size([pictures[0], pictures[1, :13]], 10, 12).shape == (2, 10, 12, 3)
    shares = pictures.astype(np.float32) / 255
    np.testing.assert_allclose(
        resize_float(resize_float(shares, 40), 40), resize_float(shares, 40), atol=1e-6
    )


def test_errors(pictures):
    with pytest.raises(CalcarineError, match="no picture protocol 'meta'"):
        pixels(pictures, "meta")
    with pytest.raises(CalcarineError, match="one size"):
        pixels([pictures[0], pictures[0, :20]], "phantom")
    with pytest.raises(CalcarineError, match=r"more than 10 × 10 px; got 9 × 31"):
        ssim_2d(pictures[:, :9] / 255, pictures[:, :9] / 255)
