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
