"""Embeddings that were computed elsewhere, for pictures that are not there."""

import numpy as np
import pandas as pd
import pytest
from fixtures.sensor_tree import build_sensor_tree, configuration

from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli
from calcarine.pipelines import decode, embed
from calcarine.pipelines.check import model_problems
from calcarine.pipelines.config_models import EmbeddingSection
from calcarine.pipelines.given_embeddings import read_given


@pytest.fixture
def tree(tmp_path):
    """Prepare a study whose stimuli have no picture, and a folder of somebody's features."""
    config = configuration(tmp_path / "out")
    build_sensor_tree(config)
    names = read_stimuli(config.stimuli)["stimulus_id"].tolist()
    values = np.random.default_rng(0).standard_normal((len(names), 1, 6)).astype(np.float64)
    np.save(tmp_path / "features.npy", values[::-1])
    files = [f"pictures/{n}.jpg" for n in names[::-1]]
    pd.DataFrame({"file": files}).to_csv(tmp_path / "rows.tsv", sep="\t", index=False)
    return config, tmp_path, names, values[:, 0]


def given(config, folder, **changes):
    section = {"model": f"given:{folder / 'features.npy'}", "rows": str(folder / "rows.tsv")}
    embeddings = {**config.model_dump(mode="json")["embeddings"], "clip": {**section, **changes}}
    return configuration(config.out, embeddings=embeddings)


def test_rows_find_their_stimuli_and_a_decoder_is_trained(tree):
    config, folder, names, values = tree
    config = given(config, folder)
    embed.run(config, "clip")
    found = read_embeddings(config.layout.embedding("clip"))
    assert found.stimuli["stimulus_id"].tolist() == names
    np.testing.assert_allclose(found.values, values, rtol=1e-6)
    assert found.sidecar["n_without_row"] == 0
    decode.run(config, "01", "ridge")  # everything but pictures runs from here
    assert config.layout.prediction("01", "decoder-ridge").is_dir()


def test_a_stimulus_without_a_row_is_not_known(tree):
    config, folder, names, values = tree
    np.save(folder / "features.npy", values[1:])
    table = pd.DataFrame({"stimulus_id": names[1:]})
    table.to_csv(folder / "rows.tsv", sep="\t", index=False)
    config = given(config, folder)
    embed.run(config, "clip")
    found = read_embeddings(config.layout.embedding("clip"))
    assert np.isnan(found.values[0]).all()
    np.testing.assert_allclose(found.values[1:], values[1:], rtol=1e-6)
    assert found.sidecar["n_without_row"] == 1


def test_a_folder_of_another_run_serves(tree):
    config, folder, _, _ = tree
    before = read_embeddings(config.layout.embedding("late"))
    own = f"given:{config.layout.embedding('late')}"
    config = given(config, folder, model=own, rows=None)
    embed.run(config, "clip")
    found = read_embeddings(config.layout.embedding("clip"))
    np.testing.assert_array_equal(found.values, before.values)
    assert found.sidecar["key"] != before.sidecar["model"]


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "rows.tsv").unlink(), "cannot read .*rows.tsv"),
        (lambda f: np.save(f / "features.npy", np.array([{}])), "cannot read .*features.npy"),
        (lambda f: np.save(f / "features.npy", np.zeros((3, 6))), r"has the shape \(3, 6\)"),
        (lambda f: (f / "rows.tsv").write_text("name\na\n"), r"has the columns \['name'\]"),
        (lambda f: (f / "rows.tsv").write_text("file\na.jpg\na.png\n"), "first 'a'"),
    ],
)
def test_what_does_not_belong_together_is_refused(tree, break_it, message):
    config, folder, _, _ = tree
    config = given(config, folder)
    break_it(folder)
    with pytest.raises(CalcarineError, match=message):
        embed.run(config, "clip")
    problems = [p for p in model_problems(config) if p.startswith("embeddings.clip: ")]
    assert len(problems) == 1
    assert problems[0].count("embeddings.clip") == 1


def test_names_must_be_known(tree):
    config, folder, names, _ = tree
    with pytest.raises(CalcarineError, match="Name a table in `rows`"):
        embed.run(given(config, folder, rows=None), "clip")
    others = pd.DataFrame({"stimulus_id": [f"other-{n}" for n in names]})
    others.to_csv(folder / "rows.tsv", sep="\t", index=False)
    with pytest.raises(CalcarineError, match="no stimulus has a row. Rows are called 'other-"):
        embed.run(given(config, folder), "clip")


def test_the_real_gallery_of_things_is_read(shared_data):
    folder = shared_data("things200-clip")
    section = EmbeddingSection(
        model=f"given:{folder / 'dnn_feature' / 'clip_feature_maps_test.npy'}",
        rows=folder / "test200.tsv",
    )
    found = read_given(section, "clip")
    assert found.values.shape == (200, 768)
    assert found.names[:2] == ["aircraft_carrier_06s", "antelope_01b"]
    np.testing.assert_allclose(np.linalg.norm(found.values, axis=1), 1, atol=1e-3)
