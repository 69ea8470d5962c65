import pytest
from safetensors.torch import load_file

from calcarine.data.errors import CalcarineError
from calcarine.decoders.phantom_autoencoder import autoencoder_trainer
from calcarine.decoders.phantom_prefix import prefix_trainer
from calcarine.decoders.phantom_unclip import unclip_examples, unet_trainer
from calcarine.encoders.phantom_clip import build_clip, clip_trainer
from calcarine.encoders.phantom_judge import judge_trainer
from calcarine.pipelines.phantom_weights import WEIGHTS
from calcarine.pipelines.train_phantom import run, train


def unet_of_few_scenes():
    autoencoder = autoencoder_trainer(0, n_steps=1, n_scenes=3).network
    return unet_trainer(unclip_examples(autoencoder, build_clip(0), 0, 5), 0, 3, batch_size=4)


TRAINERS = {
    "clip": lambda: clip_trainer(0, n_steps=3, n_scenes=9, batch_size=5),
    "judge": lambda: judge_trainer(0, n_steps=3, n_scenes=9, batch_size=5),
    "autoencoder": lambda: autoencoder_trainer(0, n_steps=3, n_scenes=9, batch_size=4),
    "unet": unet_of_few_scenes,
    "prefix": lambda: prefix_trainer(build_clip(0), 0, n_steps=3, n_scenes=9, batch_size=4)[0],
}


@pytest.mark.parametrize("name", TRAINERS)
def test_resumed_training_gives_identical_weights(name, tmp_path):
    train(TRAINERS[name](), tmp_path / "whole.safetensors")
    train(TRAINERS[name](), tmp_path / "parts.safetensors", until=1)
    train(TRAINERS[name](), tmp_path / "parts.safetensors")
    whole, parts = (load_file(tmp_path / f"{n}.safetensors") for n in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(whole[n].equal(parts[n]) for n in whole if n != "seconds")
    assert whole["n_done"] == 3


def test_training_moves_every_weight():
    trainer = TRAINERS["autoencoder"]()
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    trainer.step()
    after = dict(trainer.network.named_parameters())
    assert all(not before[n].equal(after[n]) for n in before)


def test_run_stops_where_told_and_leaves_no_folder(tmp_path):
    scores = run("judge", tmp_path / "judge", steps=4, n_scenes=150, until=1)
    assert scores == {}
    assert [p.name for p in tmp_path.iterdir()] == [".judge-training-judge-0-4-150"]


def test_another_seed_does_not_go_on_from_the_checkpoint(tmp_path):
    for seed in (0, 1):
        run("judge", tmp_path / "judge", steps=4, n_scenes=150, seed=seed, until=1)
    left = sorted(tmp_path.iterdir())
    assert len(left) == 2
    first, second = (load_file(folder / "judge.safetensors") for folder in left)
    assert first["n_done"] == second["n_done"] == 1
    assert not all(first[n].equal(second[n]) for n in first if n.startswith("network."))


def test_run_writes_a_folder_with_a_card(tmp_path):
    scores = run("judge", tmp_path / "judge", steps=1, n_scenes=150)
    written = {p.name for p in (tmp_path / "judge").iterdir()}
    shipped = {p.name for p in WEIGHTS["judge"].iterdir()}
    assert written == shipped
    card = (tmp_path / "judge" / "README.md").read_text(encoding="utf-8")
    assert f"category {scores['category']:.3f}" in card
    assert "Apache-2.0" in card
    assert [p.name for p in tmp_path.iterdir()] == ["judge"]


def test_shipped_weights_stay_small():
    folders = set(WEIGHTS.values())
    n_bytes = sum(f.stat().st_size for folder in folders for f in folder.rglob("*") if f.is_file())
    assert n_bytes < 20e6


def test_unknown_model():
    with pytest.raises(CalcarineError, match="expected one of"):
        run("gan", None)
