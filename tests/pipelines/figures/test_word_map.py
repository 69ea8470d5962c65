"""Labels on the inflated cortex: whatever their names' lengths, the legend stays on the figure."""

import io

import numpy as np
import pytest
from PIL import Image

from calcarine.pipelines.figures.surface_raster import HEMISPHERES
from calcarine.pipelines.figures.word_map import word_map

N_VERTICES = 10_242


@pytest.mark.parametrize(
    "name", ["face", "a white tool in the right", "a medium-sized red face in the lower right"]
)
def test_the_legend_is_not_cut(name):
    names = [f"p{i} {name}" for i in range(8)]
    labels = np.arange(80) % 8
    shown = {side: np.full(N_VERTICES, -1) for side in HEMISPHERES}
    picture = Image.open(io.BytesIO(word_map(labels, names, shown, "Parcels"))).convert("RGB")
    pixels = np.asarray(picture)
    dark = pixels.max(axis=2) < 230
    assert not dark[:, :3].any()
    assert not dark[:, -3:].any()
