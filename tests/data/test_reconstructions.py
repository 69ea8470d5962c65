import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.reconstructions import read_reconstructions, write_reconstructions


@pytest.fixture
def written(tmp_path, rng):
    targets = rng.integers(0, 256, size=(4, 5, 6, 3), dtype=np.uint8)
    items = pd.DataFrame(
        {
            "item": range(4),
            "stimulus_id": ["01", "02", "n/a", "4"],
            "concept": "face",
            "fold": "holdout",
            "n_repeats": 3,
            "seed": [4_000_000_000, 1, 2, 3],
            "controls": [1, 0, 0, 1],
        }
    )
    sidecar = {
        "conditions": ["semantic", "ceiling"],
        "paths": {"semantic": "semantic", "ceiling": "semantic"},
        "controls": {"ceiling": "ceiling"},
    }
    folder = tmp_path / "unclip"
    write_reconstructions(folder, targets, items, sidecar, [targets + 1, targets[[0, 3]]])
    return folder, targets, items


def test_what_was_written_is_read(written):
    folder, targets, items = written
    read = read_reconstructions(folder)
    np.testing.assert_array_equal(read.targets, targets)
    np.testing.assert_array_equal(read.of("semantic"), targets + 1)
    pd.testing.assert_frame_equal(read.items, items, check_dtype=False)
    assert read.pictures.dtype == np.uint8


def test_controls_that_were_not_made_are_black_and_left_out(written):
    folder, targets, _ = written
    read = read_reconstructions(folder)
    assert read.made("ceiling").tolist() == [0, 3]
    np.testing.assert_array_equal(read.of("ceiling"), targets[[0, 3]])
    assert not read.pictures[1, 1:3].any()


def test_a_missing_condition_leaves_nothing_behind(written):
    folder, targets, items = written
    sidecar = read_reconstructions(folder).sidecar
    with pytest.raises(ValueError, match="shorter"):
        write_reconstructions(folder, targets, items, sidecar, [targets])
    np.testing.assert_array_equal(read_reconstructions(folder).of("semantic"), targets + 1)


def test_an_incomplete_folder_is_refused(written):
    folder, _, _ = written
    (folder / "pictures.json").unlink()
    with pytest.raises(CalcarineError, match="not a reconstruction folder"):
        read_reconstructions(folder)
