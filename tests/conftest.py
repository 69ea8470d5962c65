"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def shared_data():
    """Give the path of a folder of real data, or skip the test and say which one is absent."""
    default = REPOSITORY.parent / "shared" / "data"
    root = Path(os.environ.get("CALCARINE_SHARED", default))

    def folder(name: str) -> Path:
        path = root / name
        if not path.is_dir():
            pytest.skip(f"the real data {name} are not at {root} (set CALCARINE_SHARED)")
        return path

    return folder


@pytest.fixture(scope="session")
def tiny_clip_folder(tmp_path_factory) -> Path:
    """Write a tiny CLIP with random weights as an open_clip folder."""
    import json

    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny-clip")
    vision = {"image_size": 32, "layers": 3, "width": 24, "head_width": 12, "patch_size": 8}
    text = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
    settings = {"embed_dim": 20, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(3)
    save_file(open_clip.CLIP(**settings).state_dict(), folder / "open_clip_model.safetensors")
    picture = {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.25, 0.2], "interpolation": "bicubic"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": settings, "preprocess_cfg": picture})
    )
    return folder
