import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix as sklearn_confusions

from calcarine.pipelines.figures.confusion import confusion_matrix, confusion_plot
from calcarine.pipelines.figures.intervals import Estimate, interval_plot
from calcarine.pipelines.figures.picture_strip import picture_strip
from calcarine.pipelines.figures.repeat_curve import Curve, repeat_curve
from calcarine.pipelines.figures.run_quality import run_plot
from calcarine.pipelines.figures.slice_mosaic import slice_mosaic, slices_shown
from calcarine.pipelines.figures.thumbnails import SIDE_PX, thumbnail
from calcarine.pipelines.figures.unit_scores import (
    region_plot,
    score_against_ceiling,
    score_histogram,
)

NAN = float("nan")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def units_grid() -> pd.DataFrame:
    i, j, k = np.meshgrid(np.arange(3, 9), np.arange(2, 6), np.arange(4), indexing="ij")
    return pd.DataFrame({"i": i.ravel(), "j": j.ravel(), "k": k.ravel()})


def drawn() -> dict[str, bytes]:
    """Draw one figure of each kind, NaN and odd names included."""
    units = units_grid()
    values = np.linspace(-0.1, 0.8, len(units))
    values[3] = NAN
    full = Estimate("a $name_{x}$", 0.4, 0.3, 0.5, 0.1, 0.9, False)
    bare = Estimate("control", 0.1, NAN, NAN, NAN, NAN, True)
    n = np.array([1, 2, 3])
    curve = Curve("model", n, n / 4, n / 4 - 0.1, n * NAN, False)
    return {
        "intervals": interval_plot([full, bare], "title", "metric_name"),
        "repeats": repeat_curve([curve, Curve("model", n, n / 5, n, n, True)], NAN, "t", "m"),
        "histogram": score_histogram({"a": values, "empty": values * NAN}, "title", "r"),
        "ceiling": score_against_ceiling(values, np.full(len(values), 0.5), "title"),
        "regions": region_plot(["V1", "FFA"], {"a": [values[4:9], values[9:]]}, "title"),
        "confusion": confusion_plot(np.eye(3), ["a", "<b>", "a name that is too long"], "title"),
        "runs": run_plot(["01", "02"], np.array([NAN, 50.0]), "title", "tSNR"),
        "mosaic": slice_mosaic(values, units, "title", "r", 0.5),
        "strip": picture_strip([np.zeros((2, 8, 8, 3), np.uint8)] * 2, ["shown", "x y"]),
    }


def test_figures_are_drawn_and_are_the_same_bytes_twice():
    first, second = drawn(), drawn()
    assert first == second
    for name, png in first.items():
        assert pixels(png).std() > 5, name


def test_confusions_agree_with_scikit_learn(rng):
    truth, predicted = rng.integers(0, 4, 70), rng.integers(0, 4, 70)
    expected = sklearn_confusions(truth, predicted, normalize="true")
    np.testing.assert_allclose(confusion_matrix(truth, predicted, 4), expected)


def test_a_category_that_was_never_shown_is_an_empty_row():
    shares = confusion_matrix(np.array([0, 0]), np.array([2, 0]), 3)
    np.testing.assert_array_equal(shares[1:], np.zeros((2, 3)))


def test_a_small_picture_keeps_its_pixels(rng):
    picture = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(thumbnail(picture)), picture)


def test_a_large_picture_keeps_its_shape_and_colour():
    picture = np.zeros((300, 400, 3), dtype=np.uint8)
    picture[..., 0] = 200
    small = pixels(thumbnail(picture))
    assert small.shape == (SIDE_PX * 3 // 4, SIDE_PX, 3)
    assert (small == [200, 0, 0]).all()


def test_slices_are_those_that_hold_units():
    units = units_grid()
    assert slices_shown(units, "k") == [0, 1, 2, 3]
    many = pd.DataFrame({"k": np.arange(40) * 2})
    assert len(slices_shown(many, "k")) == 12
    assert slices_shown(many, "k")[::11] == [0, 78]


def test_one_slice_is_drawn_as_one_panel():
    units = units_grid().query("k == 2").reset_index(drop=True)
    png = slice_mosaic(np.full(len(units), 0.4), units, "title", "r", 0.5)
    assert pixels(png).shape[1] == pytest.approx(912, abs=1)
