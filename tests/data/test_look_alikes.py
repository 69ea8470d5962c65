import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from calcarine.data.digests import PICTURE_SUFFIXES, read_picture
from calcarine.data.look_alikes import SIDE, look_alikes, reduced
from calcarine.data.phantom.experiment import Experiment, draw_scenes


def jpeg(picture, quality=60):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def cropped(picture):
    width, height = picture.size
    edges = round(0.06 * width), round(0.03 * height), round(0.95 * width), round(0.94 * height)
    return picture.crop(edges)


ALTERATIONS = {
    "smaller": lambda p: p.resize((p.width // 2, p.height // 2), Image.Resampling.BICUBIC),
    "larger": lambda p: p.resize((2 * p.width, 2 * p.height), Image.Resampling.LANCZOS),
    "other proportions": lambda p: p.resize((p.width, round(0.7 * p.height))),
    "JPEG": jpeg,
    "mirrored": ImageOps.mirror,
    "grey": lambda p: p.convert("L"),
    "brighter": lambda p: Image.eval(p, lambda v: 20 + round(0.8 * v)),
    "cropped": cropped,
    "cropped, mirrored and JPEG": lambda p: jpeg(ImageOps.mirror(cropped(p)), 80),
}


def scenes(n_scenes, seed):
    shown = draw_scenes(Experiment(n_train=n_scenes, n_test=12, n_held_out=2, seed=seed))
    return [Image.fromarray(p) for p in shown.pictures[shown.table["phase"] == "train"]]


def photographs(shared_data):
    folder = shared_data("stimulus-images")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    return [read_picture(p) for p in files]


def pairs_within(pictures):
    small = np.stack([reduced(p) for p in pictures])
    return [(p.tested, p.other) for p in look_alikes(small, small) if p.tested < p.other]


def hits(pictures, alteration):
    """Give the share of altered copies that are found, and how many others are found instead."""
    small = np.stack([reduced(p) for p in pictures])
    altered = np.stack([reduced(alteration(p)) for p in pictures])
    found = {(p.tested, p.other) for p in look_alikes(altered, small)}
    own = {(i, i) for i in range(len(pictures))}
    return len(found & own) / len(own), len(found - own)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_scenes_are_found(name):
    share, n_wrong = hits(scenes(60, seed=21)[:12], ALTERATIONS[name])
    assert share >= 0.9
    assert n_wrong == 0


@pytest.mark.parametrize("name", ALTERATIONS)
def test_altered_photographs_are_found(name, shared_data):
    share, n_wrong = hits(photographs(shared_data)[::8], ALTERATIONS[name])
    assert share == 1
    assert n_wrong == 0


def test_different_scenes_of_the_phantom_are_no_look_alikes():
    assert pairs_within(scenes(240, seed=22)) == []


def test_different_photographs_are_no_look_alikes(shared_data):
    assert pairs_within(photographs(shared_data)) == []


def test_a_part_is_found_from_either_side():
    picture = scenes(60, seed=23)[0]
    whole, part = reduced(picture)[None], reduced(cropped(picture))[None]
    assert [(p.tested, p.other) for p in look_alikes(whole, part)] == [(0, 0)]
    assert [(p.tested, p.other) for p in look_alikes(part, whole)] == [(0, 0)]


def test_pictures_without_contrast_are_like_nothing():
    blank = np.full((2, SIDE, SIDE), 128, dtype=np.uint8)
    assert look_alikes(blank, blank) == []


def test_order_does_not_matter(rng):
    small = np.stack([reduced(p) for p in scenes(60, seed=24)[:10]])
    order = rng.permutation(10)
    found = look_alikes(small[:, :, ::-1], small[order])
    assert sorted((p.tested, int(order[p.other])) for p in found) == [(i, i) for i in range(10)]
