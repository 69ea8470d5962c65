import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.object_parts import (
    PART_COLUMNS,
    no_parts,
    object_centres,
    part_drive,
)

HEIGHT, WIDTH = 24, 32


def factors(**changes) -> pd.DataFrame:
    return pd.DataFrame([{"x": 0.4, "y": 0.5, "size": 0.4, "count": 1} | changes])


def part(**changes) -> pd.DataFrame:
    row = dict.fromkeys(PART_COLUMNS, 0.0) | {"voxel": 0, "part_sd": 0.25, "part_red": 1.0}
    return pd.DataFrame([row | changes])


def test_drive_is_the_naive_sum_over_pixels(rng):
    picture = rng.integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    own = part(part_x=0.3, part_y=-0.5, part_green=-0.7, part_blue=0.2)
    scene = factors()

    def light(x, y, sd):
        total, weight = np.zeros(3), 0.0
        for row in range(HEIGHT):
            for column in range(WIDTH):
                across, down = (column + 0.5) / WIDTH - x, (row + 0.5) / HEIGHT - y
                w = np.exp(-(across**2 + down**2) / (2 * sd**2))
                total, weight = total + w * picture[0, row, column] / 255, weight + w
        return total / weight

    seen = light(0.4 + 0.2 * 0.3, 0.5 - 0.2 * 0.5, 0.2 * 0.25) - light(0.4, 0.5, 0.2 * 0.5)
    found = part_drive(picture, scene, own)
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(seen @ [1.0, -0.7, 0.2])


def test_a_pair_gives_the_mean_of_its_objects(rng):
    picture = rng.integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    pair = factors(count=2, size=0.3)
    left, right = object_centres(pair)[0]
    singles = [factors(x=x, y=y, size=0.3) for x, y in (left, right)]
    alone = [part_drive(picture, single, part(part_x=0.2))[0, 0] for single in singles]
    assert part_drive(picture, pair, part(part_x=0.2))[0, 0] == pytest.approx(np.mean(alone))
    np.testing.assert_allclose(right - left, [0.36, 0.0])


def test_a_uniform_picture_drives_nothing():
    white = np.full((1, HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    assert part_drive(white, factors(), part())[0, 0] == pytest.approx(0, abs=1e-12)


def test_without_parts_there_is_no_column():
    black = np.zeros((1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert part_drive(black, factors(), no_parts()).shape == (1, 0)
