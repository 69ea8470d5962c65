import json

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from calcarine.data.banks import read_bank
from calcarine.data.errors import CalcarineError
from calcarine.data.trials import TRIAL_COLUMNS
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_banks import build_bank
from calcarine.pipelines.caption_mask import caption_mask, masked_units
from calcarine.pipelines.cli import app

N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write red and green pictures in two subfolders, with captions beside some."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(N):
        own = root / ("red" if i % 2 else "green")
        own.mkdir(exist_ok=True)
        pixels = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        pixels[..., 0 if i % 2 else 1] += 180
        Image.fromarray(pixels).save(own / f"{i:02d}.png")
        (own / f"{i:02d}.txt").write_text(f"a {own.name} picture\n\n")
    (root / "families.json").write_text(json.dumps({"colour": {"red": ["red"]}}))
    return root


@pytest.fixture(scope="module")
def bank_folder(folder, tiny_clip_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("banks") / "colours"
    build_bank(folder, out, f"local-dir:{tiny_clip_folder}")
    return out


def test_a_bank_of_found_pictures(bank_folder, folder):
    bank = read_bank(bank_folder)
    assert len(bank.entries) == N
    assert set(bank.entries["concept"]) == {"red", "green"}
    row = bank.entries.set_index("entry").loc["red/01.png"]
    assert row["captions"] == ["a red picture"]
    assert bank.embed_dim == bank.texts.shape[1] == 20
    np.testing.assert_allclose(np.linalg.norm(bank.texts, axis=1), 1, rtol=1e-4)
    assert bank.families == {"colour": {"red": ["red"]}}
    assert bank.pictures == folder.resolve()


def test_test_stimuli_are_left_out(folder, tiny_clip_folder, tmp_path):
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    trials = pd.DataFrame({"stimulus_id": names, "split": ["test"] * 5 + ["train"] * (N - 5)})
    for column in TRIAL_COLUMNS:
        if column not in trials:
            trials[column] = range(N)
    trials.to_csv(tmp_path / "trials.tsv", sep="\t", index=False)
    bank = build_bank(
        folder, tmp_path / "b", f"local-dir:{tiny_clip_folder}", tmp_path / "trials.tsv"
    )
    assert bank.entries["entry"].tolist() == names[5:]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CalcarineError, match="has no picture for a bank"):
        build_bank(tmp_path, tmp_path / "b", "calcarine:phantom-clip")


@pytest.fixture
def encoder_folder(bank_folder, tmp_path):
    """Save an encoder whose first three units like what makes red pictures red."""
    bank = read_bank(bank_folder)
    values = np.concatenate(bank.shards)
    is_red = (bank.entries["concept"] == "red").to_numpy(dtype=np.float32)
    rng = np.random.default_rng(1)
    responses = np.outer(is_red, [1, 1, 1, -1]) + 0.01 * rng.standard_normal((N, 4))
    units = pd.DataFrame({"i": range(4), "j": 0, "k": 0, "x": [0.0, 2, 4, 6], "y": 0.0, "z": 0.0})
    encoder = VoxelEncoder(bank.sidecar, units, n_folds=3)
    encoder.fit(values, responses.astype(np.float32))
    words = ("data", "licence", "split", "preprocessing", "seed")
    encoder.save(tmp_path / "encoder-x", {n: "x" for n in words})
    return tmp_path / "encoder-x"


def _mask(path, voxels, shape=(4, 1, 1), mm=2.0):
    values = np.zeros(shape, dtype=np.uint8)
    values[voxels, 0, 0] = 1
    nibabel.save(nibabel.Nifti1Image(values, np.diag([mm, mm, mm, 1])), path)
    return path


def test_the_mask_may_have_another_grid(encoder_folder, tmp_path):
    units = VoxelEncoder.load(encoder_folder).units
    assert masked_units(units, _mask(tmp_path / "a.nii", [1, 2])).tolist() == [1, 2]
    coarse = _mask(tmp_path / "b.nii", [0], shape=(2, 1, 1), mm=5.0)
    assert masked_units(units, coarse).tolist() == [0, 1]
    with pytest.raises(CalcarineError, match="none of the encoder's 4 units"):
        masked_units(units, _mask(tmp_path / "c.nii", [3], mm=50.0))


def test_a_mask_is_captioned_from_the_command_line(encoder_folder, bank_folder, tmp_path):
    mask = _mask(tmp_path / "roi.nii.gz", [0, 1, 2])
    arguments = ["--mask", str(mask), "--encoder", str(encoder_folder), "--bank", str(bank_folder)]
    result = CliRunner().invoke(app, ["caption", *arguments])
    assert result.exit_code == 0, result.output
    first, *_ = result.output.splitlines()
    assert first.startswith("3 units in roi.nii.gz:")
    with pytest.raises(CalcarineError, match="Name a bank"):
        caption_mask(mask, encoder_folder)


def test_a_bank_is_built_from_the_command_line(folder, tiny_clip_folder, tmp_path):
    model = f"local-dir:{tiny_clip_folder}"
    result = CliRunner().invoke(
        app, ["bank", "build", str(folder), "--out", str(tmp_path / "b"), "--model", model]
    )
    assert result.exit_code == 0, result.output
    assert f"{N} pictures, 20 dimensions" in result.output


def test_a_captioner_describes_what_has_no_caption(tmp_path, rng):
    from fixtures.tiny_captioners import save_blip

    from calcarine.pipelines.caption_banks import with_captions

    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("a red house\n")
    blip = save_blip(tmp_path / "blip")
    bank = build_bank(
        folder, tmp_path / "bank", "calcarine:phantom-clip", captioner=f"local-dir:{blip}"
    )
    given, written = bank.entries["captions"]
    assert given == ["a red house"]
    assert len(written) == 1
    assert np.isfinite(bank.texts).all()
    with pytest.raises(CalcarineError, match="'local-dir:nowhere' is not there"):
        build_bank(folder, tmp_path / "b", "calcarine:phantom-clip", captioner="local-dir:nowhere")
    stimuli = pd.DataFrame({"stimulus_id": ["a", "b"], "captions": [["x"], []]})
    filled = with_captions(stimuli, {"a": ["not taken"], "b": ["y"]})
    assert filled["captions"].tolist() == [["x"], ["y"]]


def test_an_encoder_by_name_is_loaded_and_needs_a_bank(tmp_path):
    with pytest.raises(CalcarineError, match=r"no output tree.*Name a bank"):
        caption_mask(tmp_path / "mask.nii.gz", "calcarine:phantom-sub-01")
    with pytest.raises(CalcarineError, match="is not a model folder"):
        caption_mask(tmp_path / "mask.nii.gz", "nowhere")
