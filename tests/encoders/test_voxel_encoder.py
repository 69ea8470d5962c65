from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import calcarine.encoders
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import write_model
from calcarine.encoders.pretrained import list_pretrained, load_pretrained
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.encoders.voxel_encoder import VoxelEncoder

CARD = {
    "data": "simulated",
    "licence": "CC0",
    "split": "none",
    "preprocessing": "none",
    "seed": "0",
}
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
    return pd.DataFrame(
        {
            "i": np.arange(9),
            "j": np.arange(9) % 3,
            "k": 4,
            "x": np.linspace(-40, 40, 9),
            "roi": ["V1", "FFA", "n/a"] * 3,
        }
    )


@pytest.fixture
def trials(rng):
    stimulus = np.repeat(np.arange(50), 2)
    embeddings = rng.standard_normal((50, 6)).astype(np.float32)[stimulus]
    responses = embeddings @ rng.standard_normal((6, 9)) + 0.5 * rng.standard_normal((100, 9))
    sessions = np.where(np.arange(100) % 2 == 0, "01", "02")
    responses[sessions == "02"] = 3 * responses[sessions == "02"] + 10
    return embeddings, responses.astype(np.float32), stimulus, sessions


@pytest.fixture
def fitted(trials, units):
    return VoxelEncoder(SIDECAR, units).fit(*trials)


class MeanColour:
    """The smallest picture model: three numbers, doubled to six."""

    name, revision, transform_sha = "mean-colour", "a" * 64, "b" * 64

    def embed_pictures(self, pictures):
        return np.stack([np.tile(np.asarray(p).mean(axis=(0, 1)), 2) for p in pictures]).astype(
            np.float32
        )


def test_weights_are_ridge_on_standardised_responses(trials, fitted):
    embeddings, responses, stimulus, sessions = trials
    z = np.empty_like(responses)
    for session in ("01", "02"):
        rows = sessions == session
        z[rows] = (responses[rows] - responses[rows].mean(0)) / responses[rows].std(0)
    standardised = fitted.standardizer_.transform(responses, sessions)
    np.testing.assert_allclose(standardised, z, atol=1e-6)
    # from the same digits: penalties whose losses tie may fall either way on others
    expected = solve_ridge(embeddings, standardised, stimulus)
    np.testing.assert_allclose(fitted.coef_, expected.coef, atol=1e-5)
    np.testing.assert_allclose(
        fitted.predict(embeddings[:4]),
        embeddings[:4] @ expected.coef + expected.intercept,
        atol=1e-5,
    )
    assert fitted.score(embeddings, responses, sessions).min() > 0.8


def test_one_item_is_predicted_as_in_a_batch(trials, fitted):
    embeddings = trials[0]
    together = fitted.predict(embeddings[:7])
    alone = np.concatenate([fitted.predict(embeddings[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_tokens_are_laid_end_to_end(trials, units):
    embeddings, responses, stimulus, sessions = trials
    flat = VoxelEncoder(SIDECAR, units).fit(embeddings, responses, stimulus, sessions)
    tokens = embeddings.reshape(100, 2, 3)
    shaped = VoxelEncoder(SIDECAR, units).fit(tokens, responses, stimulus, sessions)
    np.testing.assert_array_equal(shaped.coef_, flat.coef_)
    np.testing.assert_array_equal(shaped.predict(tokens[:3]), flat.predict(embeddings[:3]))


def test_gcv_averages_the_repeats_first(trials, units):
    embeddings, responses, stimulus, _ = trials
    found = VoxelEncoder(SIDECAR, units, method="gcv").fit(embeddings, responses, stimulus)
    z = (responses - responses.mean(0)) / responses.std(0)
    averaged = z.reshape(50, 2, 9).mean(axis=1)
    expected = solve_ridge(embeddings[::2], averaged, method="gcv")
    np.testing.assert_allclose(found.alpha_, expected.alpha)
    np.testing.assert_allclose(found.coef_, expected.coef, atol=1e-5)


def test_saved_and_loaded_it_is_the_same(trials, fitted, tmp_path):
    fitted.save(tmp_path / "encoder", CARD)
    found = VoxelEncoder.load(tmp_path / "encoder")
    np.testing.assert_array_equal(found.predict(trials[0]), fitted.predict(trials[0]))
    np.testing.assert_array_equal(
        found.score(trials[0], trials[1], trials[3]), fitted.score(trials[0], trials[1], trials[3])
    )
    pd.testing.assert_frame_equal(found.units, fitted.units, check_dtype=False)
    assert found.embedding == fitted.embedding
    assert found.edge_share_ == pytest.approx(fitted.edge_share_)
    np.testing.assert_array_equal(found.alpha_, fitted.alpha_)
    card = (tmp_path / "encoder" / "README.md").read_text()
    assert fitted.units_sha in card
    assert "CC0" in card
    fitted.save(tmp_path / "again", CARD)
    for name in ("config.json", "model.safetensors", "README.md"):
        first, second = tmp_path / "encoder" / name, tmp_path / "again" / name
        assert first.read_bytes() == second.read_bytes()


def test_pictures_go_through_the_embedding_model(fitted, tmp_path):
    pictures = [Image.new("RGB", (8, 8), (i, 2 * i, 3 * i)) for i in (3, 40)]
    pictures[1].save(tmp_path / "second.png")
    model = MeanColour()
    expected = fitted.predict(model.embed_pictures(pictures))
    found = fitted.predict([pictures[0], tmp_path / "second.png"], model)
    np.testing.assert_array_equal(found, expected)


def test_another_network_or_transform_is_refused(fitted, trials, units):
    model = MeanColour()
    model.revision = "c" * 64
    with pytest.raises(CalcarineError, match="has the revision cccccccccccc; this encoder was"):
        fitted.predict([Image.new("RGB", (8, 8))], model)
    model = MeanColour()
    model.transform_sha = "d" * 64
    with pytest.raises(CalcarineError, match="has the transform_sha dddddddddddd"):
        fitted.predict([Image.new("RGB", (8, 8))], model)
    of_captions = VoxelEncoder({**SIDECAR, "input": "captions"}, units).fit(*trials)
    with pytest.raises(CalcarineError, match="fitted on captions, not on pictures"):
        of_captions.predict([Image.new("RGB", (8, 8))], model)


def test_wrong_sizes_are_named(fitted, trials, units):
    with pytest.raises(CalcarineError, match=r"have 5 features a stimulus; this encoder.*on 6"):
        fitted.predict(trials[0][:, :5])
    with pytest.raises(CalcarineError, match="the units table has 8 units"):
        VoxelEncoder(SIDECAR, units[1:]).fit(*trials)
    with pytest.raises(CalcarineError, match="not fitted"):
        VoxelEncoder(SIDECAR, units).predict(trials[0])


def test_loads_by_path_and_by_prefix(fitted, trials, tmp_path, monkeypatch):
    folder = tmp_path / "out" / "demo" / "sub-01" / "models" / "encoder-clip"
    fitted.save(folder, CARD)
    write_model(folder.parent / "decoder", {"kind": "other"}, {"a": np.zeros(2)}, "card")
    monkeypatch.chdir(tmp_path)
    listed = [n for n in list_pretrained() if n.startswith("local-dir:")]
    assert listed == ["local-dir:out/demo/sub-01/models/encoder-clip"]
    expected = fitted.predict(trials[0])
    for name in (*listed, str(folder), folder):
        np.testing.assert_array_equal(load_pretrained(name).predict(trials[0]), expected)
    assert calcarine.encoders.load_pretrained is load_pretrained
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        calcarine.encoders.nothing  # noqa: B018


def test_names_that_are_nothing_name_both_fixes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CalcarineError, match=r"local-dir:PATH.*hf-hub:ORG/NAME"):
        load_pretrained("clip")
    with pytest.raises(CalcarineError, match=r"e\.g\. hf-hub:lab/encoder"):
        load_pretrained("lab/encoder")
    with pytest.raises(CalcarineError, match="is not a model folder"):
        load_pretrained("local-dir:nowhere")
    with pytest.raises(CalcarineError, match=r"cannot fetch hf-hub:lab/encoder.*local-dir:PATH"):
        load_pretrained("hf-hub:lab/encoder")


def test_another_mask_is_refused(fitted, units, tmp_path):
    fitted.save(tmp_path / "encoder", CARD)
    load_pretrained(tmp_path / "encoder", units)
    moved = units.assign(k=5)
    with pytest.raises(CalcarineError, match="this encoder predicts 9 units of the mask"):
        load_pretrained(tmp_path / "encoder", moved)
    config = tmp_path / "encoder" / "config.json"
    config.write_text(config.read_text().replace(fitted.units_sha, "0" * 64))
    with pytest.raises(
        CalcarineError, match=r"config\.json says 000000000000; the folder was changed"
    ):
        load_pretrained(Path(tmp_path / "encoder"))
