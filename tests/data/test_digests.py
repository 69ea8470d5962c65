import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.digests import (
    array_sha,
    file_sha,
    frame_sha,
    picture_sha,
    pictures_of,
    read_picture,
    text_sha,
)
from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.data.seeds import derive_seed


def test_files_and_texts_have_their_sha256(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(content)
    assert file_sha(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    assert text_sha("ü") == hashlib.sha256("ü".encode()).hexdigest()


def test_arrays_differ_by_values_shape_and_type():
    values = np.arange(6.0)
    shas = {
        array_sha(values),
        array_sha(values.reshape(2, 3)),
        array_sha(values.astype(np.float32)),
        array_sha(values + 1),
    }
    assert len(shas) == 4
    grid = np.arange(6.0).reshape(2, 3)
    assert array_sha(grid.T) == array_sha(np.ascontiguousarray(grid.T))


def test_tables_differ_by_order():
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert frame_sha(table) == frame_sha(table.set_index(np.array([5, 9])))
    assert frame_sha(table) != frame_sha(table.iloc[::-1])
    assert frame_sha(table) != frame_sha(table[["b", "a"]])


def test_pictures_are_known_by_what_they_show(tmp_path, rng):
    pixels = rng.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.tiff")
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "c.png")
    Image.fromarray(pixels.transpose(1, 0, 2)).save(tmp_path / "d.png")
    shas = [picture_sha(tmp_path / n) for n in ("a.png", "b.tiff", "c.png", "d.png")]
    assert shas[0] == shas[1] == shas[2] != shas[3]


def test_folders_of_pictures(tmp_path, rng):
    folder = tmp_path / "faces"
    folder.mkdir()
    with pytest.raises(CalcarineError, match="holds no picture"):
        pictures_of(folder)
    for name in ("b.JPG", "a.png", "notes.txt"):
        (folder / name).write_text("")
    assert [p.name for p in pictures_of(folder)] == ["a.png", "b.JPG"]
    assert pictures_of(tmp_path / "one.png") == [tmp_path / "one.png"]


def test_seeds_are_stable_and_different():
    assert derive_seed(0, "01", "decode") == derive_seed(0, "01", "decode")
    seeds = {derive_seed(s, *n) for s in (0, 1) for n in (("ab", "c"), ("a", "bc"), ("abc",), ())}
    assert len(seeds) == 8
    assert all(0 <= s < 2**32 for s in seeds)


def test_paths_of_the_tree(tmp_path):
    layout = Layout(tmp_path, "eeg")
    assert layout.responses("02") == tmp_path / "sub-02" / "eeg" / "sub-02_responses.npy"
    assert layout.source("phantom") == tmp_path / "sourcedata" / "phantom"
    assert layout.model("02", "encoder-clip") == tmp_path / "sub-02" / "models" / "encoder-clip"


@pytest.mark.parametrize(
    ("mode", "form"), [("1", "PNG"), ("CMYK", "JPEG"), ("P", "PNG"), ("L", "BMP")]
)
def test_unusual_modes_are_read_as_they_look(mode, form, tmp_path):
    picture = Image.new("RGB", (8, 6), "white")
    picture.paste("black", (0, 0, 4, 6))
    picture.convert(mode).save(tmp_path / "p", form)
    found = np.asarray(read_picture(tmp_path / "p"), dtype=int)
    assert found.shape == (6, 8, 3)
    assert (found[:, :3] < 20).all()
    assert (found[:, 5:] > 235).all()
