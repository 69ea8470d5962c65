import numpy as np
import pandas as pd
import pytest

from calcarine.data.embeddings import Embeddings, read_embeddings, write_embeddings
from calcarine.data.errors import CalcarineError

SIDECAR = {"model": "toy", "key": "k"}


def embeddings(values):
    stimuli = pd.DataFrame(
        {"stimulus_id": ["01", "02", "n1"], "stimulus_sha": ["x", "y", "z"], "concept": "n/a"}
    )
    return Embeddings(values, stimuli, SIDECAR)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4, 2)])
def test_a_round_trip(tmp_path, rng, shape):
    values = rng.normal(size=shape).astype(np.float32)
    values[1] = np.nan
    write_embeddings(tmp_path / "e", embeddings(values))
    found = read_embeddings(tmp_path / "e")
    np.testing.assert_array_equal(found.values, values)
    assert isinstance(found.values, np.memmap)
    assert found.stimuli["stimulus_id"].tolist() == ["01", "02", "n1"]
    assert found.stimuli["concept"].tolist() == ["n/a"] * 3
    assert found.sidecar == SIDECAR
    np.testing.assert_array_equal(found.flat, values.reshape(3, -1))


def test_rows_by_stimulus(rng):
    table = embeddings(rng.normal(size=(3, 2)))
    assert table.rows(["n1", "01", "n1"]).tolist() == [2, 0, 2]
    assert table.rows(pd.Series(["02"])).tolist() == [1]
    with pytest.raises(CalcarineError, match="2 stimuli have no row .* toy, the first '03'"):
        table.rows(["01", "03", "04"])


def test_lengths_that_disagree_are_refused(tmp_path, rng):
    with pytest.raises(CalcarineError, match="2 embeddings came with 3 stimuli"):
        write_embeddings(tmp_path / "e", embeddings(rng.normal(size=(2, 2))))
    write_embeddings(tmp_path / "e", embeddings(rng.normal(size=(3, 2))))
    np.save(tmp_path / "e" / "embeddings.npy", np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(CalcarineError, match="has 2 embeddings and 3 stimuli"):
        read_embeddings(tmp_path / "e")


def test_what_is_no_embedding_folder_is_named(tmp_path):
    with pytest.raises(CalcarineError, match="is not an embedding folder"):
        read_embeddings(tmp_path)
