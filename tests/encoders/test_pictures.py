import numpy as np
import pytest
import torch
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.encoders.pictures import as_pictures, holds_pictures


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (2, 8, 6, 3)).astype(np.uint8)


def forms(pixels, folder):
    paths = []
    for i, one in enumerate(pixels):
        Image.fromarray(one).save(folder / f"{i}.png")
        paths.append(folder / f"{i}.png")
    tensor = torch.from_numpy(np.moveaxis(pixels, -1, 1).copy())
    return {
        "images": [Image.fromarray(p) for p in pixels],
        "paths": paths,
        "texts": [str(p) for p in paths],
        "array": pixels,
        "floats": pixels / 255,
        "arrays": list(pixels),
        "tensor": tensor,
        "float tensor": tensor.float() / 255,
        "mixed": [paths[0], pixels[1]],
    }


def test_every_form_gives_the_same_pictures(pixels, tmp_path):
    for name, form in forms(pixels, tmp_path).items():
        found = np.stack([np.asarray(p) for p in as_pictures(form)])
        np.testing.assert_array_equal(found, pixels, err_msg=name)
        assert holds_pictures(form)


def test_one_picture_needs_no_list(pixels, tmp_path):
    for name, form in forms(pixels, tmp_path).items():
        (one,) = as_pictures(form[0])
        np.testing.assert_array_equal(np.asarray(one), pixels[0], err_msg=name)


def test_numbers_are_embeddings(rng):
    assert not holds_pictures(rng.normal(size=(4, 64)))
    assert not holds_pictures(rng.normal(size=(4, 7, 64)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((8, 6), np.uint8), "is no picture"),
        (torch.zeros(2, 8, 6, 3), "holds no pictures"),
        (np.full((1, 8, 6, 3), 3.0), "values from 3 to 3; expected 0 to 1"),
        (7, "int holds no pictures"),
    ],
)
def test_what_is_no_picture_is_refused(value, message):
    with pytest.raises(CalcarineError, match=message):
        as_pictures(value)
