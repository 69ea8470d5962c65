"""Where a region looks in the pictures of a bank."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.banks import Bank, entry_table
from calcarine.data.phantom.scenes import Scene, render_scene
from calcarine.decoders.selectivity.unit_sets import unit_sets
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.looked_at import looked_at

XS = (0.28, 0.72, 0.3, 0.7)


@pytest.fixture
def bank(tmp_path):
    """Red faces, two on the left and two on the right, on grey."""
    names = [f"f{i}" for i in range(len(XS))]
    pictures = [
        render_scene(Scene("face", "red", "grey", x, 0.5, 0.36, 1, style=i))
        for i, x in enumerate(XS)
    ]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    table = entry_table(names, [f"{n}.png" for n in names], names, [["a face"]] * len(XS))
    return Bank((np.zeros((len(XS), 96), np.float32),), table, {}, pictures=tmp_path)


def _encoder(direction):
    units = pd.DataFrame({"roi": ["A"] * 5})
    encoder = VoxelEncoder(
        {"model": "calcarine:phantom-clip", "layer": None, "pooling": "pooled"}, units
    )
    encoder.coef_ = np.repeat(direction[:, None], 5, axis=1)
    return encoder


def test_a_region_that_likes_faces_looks_at_the_face(bank):
    model = load_embedding_model("calcarine:phantom-clip", None, "pooled")
    said = model.embed_texts(["a red face", "a grey background"])
    encoder = _encoder((said[0] - said[1]).astype(np.float32))
    sets = unit_sets(encoder.units)
    evidence = [bank.entries["entry"].tolist()] * len(sets.table)
    arrays, told = looked_at(encoder, bank, sets, evidence, 4)
    assert told == {"regions": ["A"], "entries": [["f0", "f1", "f2", "f3"]]}
    maps = arrays["relevance"][0].astype(float)
    assert maps.shape == (4, 64, 64)
    left, right = maps[:, :, :32].mean(axis=(1, 2)), maps[:, :, 32:].mean(axis=(1, 2))
    assert ((left > right) == (np.array(XS) < 0.5)).all()


@pytest.mark.parametrize("loss", ["folder", "file"])
def test_without_pictures_it_says_why(bank, loss):
    encoder = _encoder(np.ones(96, np.float32))
    sets = unit_sets(encoder.units)
    evidence = [bank.entries["entry"].tolist()] * len(sets.table)
    if loss == "file":
        (bank.pictures / "f0.png").unlink()
    else:
        bank = Bank(bank.shards, bank.entries, {})
    arrays, told = looked_at(encoder, bank, sets, evidence, 4)
    assert arrays == {}
    assert "pictures" in told["why"]
