import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import write_stimuli
from calcarine.pipelines.config import parse_config
from calcarine.pipelines.embed import run
from calcarine.pipelines.table_codes import column_codes, concept_codes


@pytest.fixture
def config(tmp_path, rng, tiny_clip_folder):
    stimuli = tmp_path / "bids" / "stimuli"
    stimuli.mkdir(parents=True)
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (36, 44, 3), dtype=np.uint8)).save(
            stimuli / f"{i}.png"
        )
    table = pd.DataFrame(
        {
            "stimulus_id": list("abcde"),
            "file": [f"{i}.png" for i in range(5)],
            "concept": ["tool", "face", "n/a", "house", "face"],
            "captions": [["one"], ["one two", "three"], ["four"], ["Two"], ["six"]],
        }
    )
    write_stimuli(stimuli / "stimuli.tsv", table)
    clip = f"local-dir:{tiny_clip_folder}"
    raw = {
        "name": "small",
        "out": str(tmp_path / "out"),
        "subjects": ["01"],
        "source": {"kind": "bids", "path": str(tmp_path / "bids")},
        "recording": {"modality": "fmri", "task": "scenes"},
        "embeddings": {
            "clip": {"model": clip},
            "layer": {"model": clip, "layer": "visual.transformer.resblocks.1", "pooling": "mean"},
            "caption": {"model": clip, "input": "captions"},
            "category": {"model": "concept-codes", "input": "concepts"},
            "words": {"model": "word-counts", "input": "captions"},
            "words-of-pictures": {"model": "word-counts"},
            "odd": {"model": clip, "input": "concepts"},
            "codes-of-pictures": {"model": "concept-codes"},
        },
    }
    return parse_config(raw, "small.yaml")


def test_every_input_writes_a_folder(config):
    shapes = {"clip": (5, 20), "layer": (5, 24), "caption": (5, 20), "category": (5, 3)}
    for name, shape in shapes.items():
        run(config, name)
        stored = read_embeddings(config.layout.embedding(name))
        assert stored.values.shape == shape
        assert list(stored.stimuli["stimulus_id"]) == list("abcde")
        assert {"stimulus_id", "stimulus_sha", "concept"} <= set(stored.stimuli)
    assert stored.stimuli["stimulus_sha"].nunique() == 5


def test_concepts_are_named_in_the_sidecar(config):
    run(config, "category")
    stored = read_embeddings(config.layout.embedding("category"))
    assert stored.sidecar["concepts"] == ["face", "house", "tool"]
    named = [
        None if np.isnan(row).any() else stored.sidecar["concepts"][int(row.argmax())]
        for row in stored.values
    ]
    assert named == ["tool", "face", None, "house", "face"]


def test_two_runs_give_the_same_bytes(config, tmp_path):
    run(config, "clip")
    again = config.model_copy(update={"out": tmp_path / "again"})
    run(again, "clip")
    for file in ("embeddings.npy", "embeddings.json", "stimuli.tsv"):
        first = (config.layout.embedding("clip") / file).read_bytes()
        assert (again.layout.embedding("clip") / file).read_bytes() == first


def test_words_are_named_in_the_sidecar(config):
    run(config, "words")
    stored = read_embeddings(config.layout.embedding("words"))
    assert stored.sidecar["words"] == ["one", "two"]
    np.testing.assert_array_equal(stored.values, [[1, 0], [0.5, 0.5], [0, 0], [0, 1], [0, 0]])


@pytest.mark.parametrize("name", ["odd", "codes-of-pictures", "words-of-pictures"])
def test_concepts_and_networks_do_not_mix(config, name):
    with pytest.raises(CalcarineError, match=f"embeddings.{name}"):
        run(config, name)


def test_unknown_embedding(config):
    with pytest.raises(CalcarineError, match=r"no embedding 'dino'; it has \['clip'"):
        run(config, "dino")


def test_one_concept_is_too_few():
    with pytest.raises(CalcarineError, match=r"concepts \['face'\]; codes need two"):
        concept_codes(pd.Series(["face", "n/a", "face"]))


def test_column_codes_lay_words_and_numbers_side_by_side():
    table = pd.DataFrame(
        {"colour": ["red", "blue", "red", "n/a"], "x": ["1", "3", "2", "2"], "same": 4.0}
    )
    codes, names = column_codes(table, ["x", "colour", "same"])
    assert names == ["x", "colour=blue", "colour=red", "same"]
    np.testing.assert_allclose(codes[:3, 0], np.array([-1, 1, 0]) * np.sqrt(2), rtol=1e-6)
    assert codes[:3, 1].tolist() == [0, 1, 0]
    assert codes[:3, 3].tolist() == [0, 0, 0]
    assert np.isnan(codes[3]).all()
    with pytest.raises(CalcarineError, match=r"column-codes of \['size'\]: stimuli.tsv has"):
        column_codes(table, ["size"])
    with pytest.raises(CalcarineError, match="Name some of them"):
        column_codes(table, [])
