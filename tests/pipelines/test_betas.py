"""Published betas through the workflow's own steps: check, source, prepare."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from fixtures.nsd_release import write_design, write_pictures, write_volume_subject
from fixtures.object_releases import write_object_pictures, write_object_subject

from calcarine.data.errors import CalcarineError
from calcarine.data.responses import read_responses
from calcarine.pipelines import encode, prepare, source
from calcarine.pipelines.check import check_config
from calcarine.pipelines.config import Recording, load_config, parse_config
from calcarine.pipelines.config_data import Source
from calcarine.pipelines.sections.methods import RESPONSES
from calcarine.pipelines.sections.origins import ORIGINS
from calcarine.pipelines.source import SOURCES


def configuration(folder, source_section, subjects, **sections):
    raw = {
        "name": "betas",
        "out": str(folder / "out"),
        "subjects": subjects,
        "source": {"accept_terms": True, **source_section},
        "recording": {"modality": "betas"},
        "split": {"by": "declared", "column": "phase"},
        "embeddings": {"codes": {"model": "concept-codes", "input": "concepts"}},
        "encode": {},
        **sections,
    }
    path = folder / "betas.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture(scope="module")
def nsd(tmp_path_factory):
    root = tmp_path_factory.mktemp("nsd")
    design = write_design(root)
    stored = write_volume_subject(root, 1, [1])
    shown = design["masterordering"][:750].astype(int) - 1
    write_pictures(root, np.unique(design["subjectim"][0, shown]).astype(int) - 1)
    return root, stored


def test_terms_must_be_accepted(tmp_path):
    path = configuration(tmp_path, {"kind": "nsd", "path": ".", "accept_terms": False}, ["01"])
    with pytest.raises(CalcarineError, match=r"naturalscenesdataset\.org.*accept_terms: true"):
        load_config(path)


def test_releases_of_betas_need_their_modality(tmp_path):
    raw = yaml.safe_load(configuration(tmp_path, {"kind": "nsd", "path": "."}, ["01"]).read_text())
    raw["recording"] = {"modality": "fmri", "task": "x"}
    with pytest.raises(CalcarineError, match="belong together"):
        parse_config(raw, "here")


def test_check_names_what_is_missing(tmp_path):
    path = configuration(tmp_path, {"kind": "nsd", "path": str(tmp_path)}, ["01", "09"])
    problems, plan = check_config(path)
    assert plan is None
    assert any("sub-01: session 1: betas_session01.hdf5" in text for text in problems)
    assert any("sub-09: NSD has the subjects 01 … 08" in text for text in problems)


def test_nsd_becomes_responses(nsd, tmp_path):
    root, stored = nsd
    path = configuration(tmp_path, {"kind": "nsd", "path": str(root), "sessions": [1]}, ["01"])
    problems, plan = check_config(path)
    assert problems == []
    assert plan is not None
    config = load_config(path)
    source.run(config)
    source.run(config, "01")
    prepare.run(config, "01")
    responses = read_responses(config.layout, "01")
    place = responses.units[["i", "j", "k"]].to_numpy()
    first = stored[1][tuple(place.T)].T / 300
    np.testing.assert_allclose(responses.values, first, rtol=1e-6)
    assert set(responses.trials["split"]) == {"train", "validation", "test"}
    assert responses.trials["session"].tolist() == ["01"] * 750
    # noise alone: the ceilings are the data's, whatever the release says
    assert responses.units["ncsnr"].median() < 0.5
    assert "ncsnr_published" in responses.units
    quality = json.loads(config.layout.quality("01").read_text())
    assert {Path(name).name for name in quality["inputs"]} == {"betas_session01.hdf5"}
    names = [p.name for p in config.layout.responses("01").parent.iterdir()]
    assert not [n for n in names if n.startswith(".")]


def test_object_decoding_is_encoded(tmp_path):
    root = tmp_path / "release"
    train, test = write_object_pictures(root / "pictures")
    voxels = write_object_subject(root / "Subject1.h5", train, test)
    section = {
        "kind": "generic-object-decoding",
        "path": str(root),
        "pictures": str(root / "pictures"),
    }
    encoder = {"kind": "ridge", "embedding": "colours", "standardize": "all"}
    path = configuration(
        tmp_path,
        section,
        ["01"],
        embeddings={"colours": {"model": "pixels:8"}},
        encode={"colours": encoder},
    )
    assert check_config(path)[0] == []
    config = load_config(path)
    source.run(config)
    prepare.run(config, "01")
    responses = read_responses(config.layout, "01")
    np.testing.assert_allclose(responses.values, voxels[:, [1, 2, 4, 5]], rtol=1e-6)
    from calcarine.pipelines import embed

    embed.run(config, "colours")
    encode.run(config, "01", "colours")
    assert config.layout.model("01", "encoder-colours").is_dir()


def test_every_source_and_recording_has_words_for_the_methods():
    kinds = {
        name: {
            get_args(section.model_fields[key].annotation)[0]
            for section in get_args(get_args(union)[0])
        }
        for name, union, key in (("source", Source, "kind"), ("recording", Recording, "modality"))
    }
    assert set(ORIGINS) == kinds["source"] == set(SOURCES)
    assert set(RESPONSES) == kinds["recording"]
