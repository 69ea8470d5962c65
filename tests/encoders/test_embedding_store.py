import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import stimulus_shas
from calcarine.encoders.embedding_models import EmbeddingModel, load_embedding_model
from calcarine.encoders.embedding_store import embed_stimuli

CLOSE = {"rtol": 1e-5, "atol": 3e-6}
N_PICTURES = 11


class Counting(EmbeddingModel):
    """Count what passes through the network; stop after some batches, as a killed run does."""

    def start(self, stop_after=None):
        self.n_seen, self.n_batches, self.stop_after = 0, 0, stop_after
        return self

    def embed_transformed(self, pictures):
        if getattr(self, "stop_after", None) is not None and self.n_batches == self.stop_after:
            raise KeyboardInterrupt
        values = super().embed_transformed(pictures)
        self.n_seen = getattr(self, "n_seen", 0) + len(pictures)
        self.n_batches = getattr(self, "n_batches", 0) + 1
        return values


@pytest.fixture(scope="module")
def loaded(tiny_clip_folder):
    return load_embedding_model(f"local-dir:{tiny_clip_folder}")


@pytest.fixture
def model(loaded):
    return Counting(loaded.name, loaded.network).start()


@pytest.fixture
def table(rng, tmp_path):
    folder = tmp_path / "stimuli"
    folder.mkdir()
    for i in range(N_PICTURES):
        pixels = rng.integers(0, 256, (40, 30 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{i:02d}.png")
    return pd.DataFrame(
        {
            "stimulus_id": [f"s{i}" for i in range(N_PICTURES)],
            "file": [f"p{i:02d}.png" for i in range(N_PICTURES)],
            "concept": ["face", "house"] * 5 + ["tool"],
            "captions": [[f"a picture of number {i}", "a thing"] for i in range(N_PICTURES)],
        }
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "stimuli"


def embed(model, table, folder, out, **settings):
    return embed_stimuli(model, table, folder, out, **({"batch_size": 4} | settings))


def test_rows_are_the_models_own(model, table, folder, tmp_path):
    embed(model, table, folder, tmp_path / "clip")
    stored = read_embeddings(tmp_path / "clip")
    pictures = [Image.open(folder / name) for name in table["file"]]
    np.testing.assert_allclose(stored.values, model.embed_pictures(pictures), **CLOSE)
    assert stored.values.dtype == np.float32
    assert list(stored.stimuli["stimulus_id"]) == list(table["stimulus_id"])
    assert list(stored.stimuli["stimulus_sha"]) == list(stimulus_shas(table, folder))
    assert list(stored.stimuli["concept"]) == list(table["concept"])
    wanted = {"model", "revision", "layer", "pooling", "input", "transform", "transform_sha", "key"}
    assert wanted <= stored.sidecar.keys()
    assert stored.sidecar["row_shape"] == [20]


def test_tokens_are_stored_as_tokens(loaded, table, folder, tmp_path):
    model = EmbeddingModel(loaded.name, loaded.network, pooling="tokens")
    embed(model, table, folder, tmp_path / "tokens")
    assert read_embeddings(tmp_path / "tokens").values.shape == (N_PICTURES, 17, 24)


def test_batch_size_does_not_matter(model, table, folder, tmp_path):
    one = embed(model, table, folder, tmp_path / "one", batch_size=1).values
    all_at_once = embed(model, table, folder, tmp_path / "all", batch_size=64).values
    np.testing.assert_allclose(one, all_at_once, **CLOSE)


def test_killed_run_goes_on_to_the_same_bytes(model, table, folder, tmp_path):
    embed(model, table, folder, tmp_path / "whole" / "clip")
    broken = tmp_path / "broken" / "clip"
    with pytest.raises(KeyboardInterrupt):
        embed(model.start(stop_after=2), table, folder, broken)
    assert not broken.exists()
    assert model.n_seen == 8
    embed(model.start(), table, folder, broken)
    assert model.n_seen == N_PICTURES - 8
    for name in ("embeddings.npy", "embeddings.json", "stimuli.tsv"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / "clip" / name).read_bytes()
    assert [p.name for p in broken.parent.iterdir()] == ["clip"]


def test_another_networks_partial_results_are_not_taken(loaded, model, table, folder, tmp_path):
    out = tmp_path / "clip"
    with pytest.raises(KeyboardInterrupt):
        embed(model.start(stop_after=2), table, folder, out)
    other = Counting(loaded.name, loaded.network, pooling="mean").start()
    embed(other, table, folder, out)
    assert other.n_seen == N_PICTURES


def test_only_new_stimuli_are_computed(model, table, folder, tmp_path):
    out = tmp_path / "clip"
    first = embed(model, table[:7], folder, out).values
    assert model.n_seen == 7
    shuffled = table.sample(frac=1, random_state=4).reset_index(drop=True)
    again = embed(model.start(), shuffled, folder, out)
    assert model.n_seen == N_PICTURES - 7
    np.testing.assert_array_equal(again.values[again.rows([f"s{i}" for i in range(7)])], first)
    embed(model.start(), shuffled, folder, out)
    assert model.n_seen == 0


def test_changed_picture_is_computed_again(model, table, folder, tmp_path):
    before = embed(model, table, folder, tmp_path / "clip").values
    Image.new("RGB", (33, 44), (200, 10, 10)).save(folder / "p03.png")
    after = embed(model.start(), table, folder, tmp_path / "clip").values
    assert model.n_seen == 1
    changed = (before != after).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [3]


def test_renamed_picture_has_the_same_row(model, table, folder, tmp_path):
    before = embed(model, table, folder, tmp_path / "a").values
    (folder / "p05.png").rename(folder / "a-new-name.png")
    renamed = table.assign(file=table["file"].replace("p05.png", "a-new-name.png"))
    np.testing.assert_array_equal(embed(model, renamed, folder, tmp_path / "b").values, before)
    embed(model.start(), renamed, folder, tmp_path / "a")
    assert model.n_seen == 0


def test_one_content_passes_once(model, table, folder, tmp_path):
    (folder / "copy.png").write_bytes((folder / "p02.png").read_bytes())
    twice = table.assign(file=[*table["file"][:-1], "copy.png"])
    values = embed(model, twice, folder, tmp_path / "clip").values
    assert model.n_seen == N_PICTURES - 1
    np.testing.assert_array_equal(values[2], values[-1])


def test_folder_is_the_mean_of_its_pictures(model, table, folder, tmp_path):
    single = embed(model, table, folder, tmp_path / "single").values
    (folder / "block").mkdir()
    for i in (1, 4, 6):
        (folder / f"p{i:02d}.png").rename(folder / "block" / f"{9 - i}.png")
    keep = table.drop(index=[1, 4]).reset_index(drop=True)
    keep.loc[keep["stimulus_id"] == "s6", "file"] = "block"
    blocks = embed(model.start(), keep, folder, tmp_path / "block")
    row = blocks.rows(["s6"])[0]
    np.testing.assert_allclose(blocks.values[row], single[[1, 4, 6]].mean(axis=0), **CLOSE)
    assert list(blocks.stimuli["stimulus_sha"]) == list(stimulus_shas(keep, folder))
    assert model.n_seen == N_PICTURES
    embed(model.start(), keep, folder, tmp_path / "block")
    assert model.n_seen == 0


def test_stimulus_without_picture_is_nan(model, table, folder, tmp_path):
    some = table.assign(file=["n/a", *table["file"][1:]])
    embeddings = embed(model, some, folder, tmp_path / "clip")
    assert np.isnan(embeddings.values).all(axis=1).tolist() == [True] + [False] * 10
    assert list(embeddings.stimuli["stimulus_sha"]) == list(stimulus_shas(some, folder))
    embed(model.start(), some, folder, tmp_path / "clip")
    assert model.n_seen == 0


def test_captions_are_normalised_then_averaged(model, table, folder, tmp_path):
    some = table.copy()
    some.at[4, "captions"] = []
    stored = embed(model, some, folder, tmp_path / "caption", source="captions")
    for i in (0, 7):
        vectors = model.embed_texts(some["captions"][i])
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(stored.values[i], unit.mean(axis=0), **CLOSE)
    assert np.flatnonzero(np.isnan(stored.values).any(axis=1)).tolist() == [4]
    assert list(stored.stimuli["stimulus_sha"]) == list(stimulus_shas(some, folder))
    some.at[2, "captions"] = ["another caption"]
    changed = embed(model, some, folder, tmp_path / "caption", source="captions").values
    differ = (changed != stored.values) & np.isfinite(changed)
    assert np.flatnonzero(differ.any(axis=1)).tolist() == [2]


def test_missing_picture_is_named_before_anything_runs(model, table, folder, tmp_path):
    (folder / "p09.png").unlink()
    with pytest.raises(CalcarineError, match=r"1 of 11 .* first is 's9' \(row 11 of .*p09.png"):
        embed(model, table, folder, tmp_path / "clip")
    assert model.n_seen == 0


def test_broken_picture_keeps_what_is_done(model, table, folder, tmp_path):
    whole = (folder / "p09.png").read_bytes()
    (folder / "p09.png").write_bytes(whole[:200])
    with pytest.raises(CalcarineError, match=r"p09.png cannot be read as a picture"):
        embed(model, table, folder, tmp_path / "clip", batch_size=2)
    n_done = model.n_seen
    (folder / "p09.png").write_bytes(whole)
    embed(model.start(), table, folder, tmp_path / "clip", batch_size=2)
    assert n_done > 0
    assert model.n_seen == N_PICTURES - n_done


def test_nothing_to_embed(model, table, folder, tmp_path):
    with pytest.raises(CalcarineError, match="none of the 11 stimuli has pictures"):
        embed(model, table.assign(file="n/a"), folder, tmp_path / "clip")


def test_numbers_that_are_not_finite(model, table, folder, tmp_path):
    model.network.module.visual.proj[0, 0] = np.inf
    try:
        with pytest.raises(CalcarineError, match="4 of 4 embeddings are not finite"):
            embed(model, table, folder, tmp_path / "clip")
    finally:
        model.network.module.visual.proj[0, 0] = 0.0
    assert not (tmp_path / "clip").exists()


def test_unwritable_place(model, table, folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CalcarineError, match="cannot make the folder"):
        embed(model, table, folder, tmp_path / "file" / "clip")
