import numpy as np
import pandas as pd
import pytest

from calcarine.data.banks import Bank, entry_table, picture_file, read_bank, write_bank
from calcarine.data.errors import CalcarineError

SIDECAR = {"model": "m", "revision": "r", "layer": None, "pooling": "pooled", "transform_sha": "t"}


@pytest.fixture
def bank(rng, tmp_path):
    values = rng.standard_normal((7, 3)).astype(np.float32)
    names = [f"e{i}" for i in range(7)]
    captions = [["a \u201cred\u201d house", "two\ttabs"], *([[]] * 6)]
    entries = entry_table(names, [*names[:6], "n/a"], ["house"] * 7, captions)
    texts = rng.standard_normal((7, 3)).astype(np.float16)
    families = {"colour": {"red": ["red"]}}
    return Bank((values[:4], values[4:]), entries, SIDECAR, texts, families, tmp_path / "pictures")


def test_a_bank_comes_back_as_it_was_written(bank, tmp_path):
    write_bank(tmp_path / "bank", bank)
    again = read_bank(tmp_path / "bank")
    assert [s.shape for s in again.shards] == [(4, 3), (3, 3)]
    np.testing.assert_array_equal(np.concatenate(again.shards), np.concatenate(bank.shards))
    np.testing.assert_array_equal(again.texts, bank.texts)
    pd.testing.assert_frame_equal(again.entries, bank.entries, check_dtype=False)
    assert (again.sidecar, again.families) == (SIDECAR, bank.families)
    assert isinstance(again.shards[0], np.memmap)
    assert again.embed_dim == 3


def test_rows_are_numbered_through_shards(bank):
    whole = np.concatenate(bank.shards)
    wanted = np.array([6, 0, 3, 4, 4])
    np.testing.assert_array_equal(bank.rows(wanted), whole[wanted])


def test_the_picture_of_an_entry(bank):
    assert picture_file(bank, 2) == bank.pictures / "e2"
    assert picture_file(bank, 6) is None


@pytest.mark.parametrize("name", ["revision", "layer", "pooling", "transform_sha"])
def test_another_embedding_is_refused(bank, name):
    bank.check_embedding(SIDECAR)
    with pytest.raises(CalcarineError, match=f"{name} is"):
        bank.check_embedding({**SIDECAR, name: "other"})


def test_parts_must_agree(bank):
    with pytest.raises(CalcarineError, match="7 entries has 4 embeddings"):
        Bank(bank.shards[:1], bank.entries, SIDECAR)


def test_a_folder_that_is_no_bank(tmp_path):
    with pytest.raises(CalcarineError, match="calcarine bank build"):
        read_bank(tmp_path)
