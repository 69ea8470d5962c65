"""Export and push: what a stranger gets, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import CARD_FIELDS, add_to_config, read_card
from calcarine.data.scores import Score, write_scores
from calcarine.encoders import pretrained
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.sharing import export_model, push_model

CARD = {"data": "simulated", "licence": "CC0", "split": "none", "preprocessing": "z", "seed": "0"}
SIDECAR = {
    "model": "local-dir:mean-colour",
    "revision": "a" * 64,
    "layer": None,
    "pooling": "pooled",
    "input": "pictures",
    "transform_sha": "b" * 64,
}


@pytest.fixture
def units():
    i = np.arange(20)
    table = {"i": i, "j": i % 3, "k": 4, "x": i * 3.5, "y": -i * 1.0, "z": 0.5 * i}
    return pd.DataFrame({**table, "roi": ["V1", "FFA"] * 10})


@pytest.fixture
def folder(tmp_path, units, rng):
    """A fitted encoder in an output tree with scores of test trials."""
    embeddings = rng.normal(size=(60, 6)).astype(np.float32)
    responses = embeddings @ rng.normal(size=(6, 20)) + rng.normal(size=(60, 20))
    encoder = VoxelEncoder(SIDECAR, units).fit(embeddings, responses.astype(np.float32))
    found = tmp_path / "out" / "sub-01" / "models" / "encoder-clip"
    encoder.save(found, CARD)
    affine = np.diag([3.5, 1.0, 1.0, 1.0]).tolist()
    add_to_config(found, {"space": "MNI", "affine": affine, "volume_shape": [20, 3, 5]})
    write_scores(tmp_path / "out" / "sub-01" / "metrics.tsv", [score("r_median", 0.41, 0.55)])
    return found


def score(metric, value, ceiling):
    return Score(
        "01", "encode", "encoder-clip", "responses", metric, "calcarine", "test", 60, 6, value,
        0.3, 0.5, 0.0, ceiling,
    )  # fmt: skip


def test_a_stranger_can_load_what_was_exported(folder, tmp_path, rng):
    exported = export_model(folder, tmp_path / "shared" / "encoder")
    assert sorted(p.name for p in exported.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    rows = rng.normal(size=(3, 6)).astype(np.float32)
    own, theirs = load_pretrained(folder), load_pretrained(f"local-dir:{exported}")
    np.testing.assert_array_equal(theirs.predict(rows), own.predict(rows))
    assert theirs.to_volume(own.predict(rows)).shape == (20, 3, 5, 3)
    title, card = read_card(exported)
    assert title.startswith("Voxelwise encoder")
    assert list(card) == list(CARD_FIELDS)
    assert "r_median 0.410 [0.300, 0.500], ceiling 0.550, 60 items of 6 repeats" in card["scores"]
    assert "load_pretrained" in (exported / "README.md").read_text()


def test_half_precision_keeps_mask_and_predictions(folder, tmp_path, rng):
    exported = export_model(folder, tmp_path / "half", half=True)
    rows = rng.normal(size=(50, 6)).astype(np.float32)
    own, theirs = load_pretrained(folder), load_pretrained(exported)
    assert theirs.units_sha == own.units_sha
    assert theirs.coef_.dtype == np.float32
    np.testing.assert_allclose(theirs.predict(rows), own.predict(rows), atol=0.01)
    sizes = [(f / "model.safetensors").stat().st_size for f in (folder, exported)]
    assert sizes[1] < 0.75 * sizes[0]


def test_an_incomplete_card_is_refused_and_its_fields_are_named(folder, tmp_path):
    (folder.parent.parent / "metrics.tsv").unlink()
    with pytest.raises(CalcarineError, match=r"is not complete: \['scores'\]"):
        export_model(folder, tmp_path / "shared")
    readme = folder / "README.md"
    readme.write_text(readme.read_text().replace("| CC0 |", "| that of the data; none is stated |"))
    text = readme.read_text()
    readme.write_text("\n".join(t for t in text.splitlines() if not t.startswith("| seed")))
    with pytest.raises(CalcarineError, match=r"\['licence', 'scores', 'seed'\]"):
        export_model(folder, tmp_path / "shared")
    assert not (tmp_path / "shared").exists()
    fields = {"licence": "CC0", "scores": "test: r_median 0.4, ceiling 0.5", "seed": "3"}
    assert read_card(export_model(folder, tmp_path / "shared", fields))[1]["seed"] == "3"
    with pytest.raises(CalcarineError, match=r"no fields \['license'\]"):
        export_model(folder, tmp_path / "shared", {"license": "CC0"})
    readme.unlink()
    with pytest.raises(CalcarineError, match="has no model card"):
        export_model(folder, tmp_path / "shared")


class FakeHub:
    """Keeps what it is sent, as the hub would."""

    def __init__(self, root):
        self.root = root

    def create_repo(self, repo_id, *, private, exist_ok):
        assert private
        assert exist_ok
        (self.root / repo_id).mkdir(parents=True)

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, commit_message):
        from pathlib import Path

        for path in Path(folder_path).iterdir():
            if path.name in allow_patterns:
                (self.root / repo_id / path.name).write_bytes(path.read_bytes())


def test_what_was_pushed_is_loaded_by_its_name(folder, tmp_path, monkeypatch):
    exported = export_model(folder, tmp_path / "encoder")
    (exported / "notes.txt").write_text("mine")
    assert len(push_model(exported, "lab/encoder", dry_run=True)) == 3
    hub = tmp_path / "hub"
    sent = push_model(exported, "lab/encoder", hub=FakeHub(hub))
    assert sent[0].startswith("config.json, ")
    assert not (hub / "lab/encoder/notes.txt").exists()
    monkeypatch.setattr(pretrained, "snapshot_download", lambda name, allow_patterns: hub / name)
    found = load_pretrained("hf-hub:lab/encoder")
    np.testing.assert_array_equal(found.coef_, load_pretrained(exported).coef_)


def test_a_push_that_cannot_work_is_refused(folder, tmp_path):
    with pytest.raises(CalcarineError, match="expected ORG/NAME"):
        push_model(folder, "encoder")
    (folder / "README.md").write_text("# nothing\n")
    with pytest.raises(CalcarineError, match="not complete"):
        push_model(folder, "lab/encoder", dry_run=True)

    class Closed(FakeHub):
        def create_repo(self, repo_id, *, private, exist_ok):
            raise OSError("401 unauthorised")

    exported = export_model(folder, tmp_path / "e", dict.fromkeys(CARD_FIELDS, "test: x"))
    with pytest.raises(CalcarineError, match=r"401 unauthorised Log in"):
        push_model(exported, "lab/encoder", hub=Closed(tmp_path))


def test_the_command_line_exports_and_refuses(folder, tmp_path):
    def calcarine(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "calcarine.pipelines", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )

    done = calcarine("export", folder, tmp_path / "e", "--field", "licence=CC BY 4.0", "--half")
    assert done.returncode == 0, done.stderr
    assert read_card(tmp_path / "e")[1]["licence"] == "CC BY 4.0"
    done = calcarine("push", tmp_path / "e", "lab/encoder", "--dry-run")
    assert "would send model.safetensors" in done.stdout
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "kind": "decoder"}))
    done = calcarine("export", folder, tmp_path / "f")
    assert done.returncode == 2
    assert "kind 'decoder'" in done.stderr


def test_a_network_that_changed_is_refused_at_loading(folder, monkeypatch):
    from calcarine.encoders import embedding_models

    class Changed:
        name, revision, transform_sha = "mean-colour", "c" * 64, "b" * 64

    monkeypatch.setattr(embedding_models, "load_embedding_model", lambda *a: Changed())
    with pytest.raises(CalcarineError, match="has the revision cccccccccccc; this encoder was"):
        load_pretrained(folder)
    assert load_pretrained(folder, check_embedding=False).units_sha
