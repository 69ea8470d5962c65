"""Train the phantom's prefix decoder and write its folder and card."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from calcarine import __version__
from calcarine.data.model_folder import model_card, write_model
from calcarine.data.phantom.scene_captions import scene_captions, word_families
from calcarine.data.phantom.scenes import HELD_OUT, Scene, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.decoders import phantom_prefix
from calcarine.decoders.caption_metrics import bleu, names_concept
from calcarine.decoders.prefix_decoder import KIND, PrefixDecoder, PrefixNetwork
from calcarine.encoders.phantom_clip import embed_pictures
from calcarine.encoders.phantom_training import Trainer, scene_pictures
from calcarine.pipelines.phantom_weights import WEIGHTS, load_clip

Train = Callable[[Trainer, Path, int | None], bool]


def train_prefix(
    train: Train,
    out: Path,
    work: Path,
    steps: int | None,
    seed: int,
    n_scenes: int | None,
    until: int | None,
) -> dict[str, float]:
    """Train on embeddings of the shipped CLIP, see `train_phantom.run`.

    Parameters
    ----------
    train
        The training loop with checkpoints.
    out, work, steps, seed, n_scenes, until
        As there.
    """
    clip = load_clip(WEIGHTS["clip"])
    trainer, vocabulary = phantom_prefix.prefix_trainer(
        clip, seed, steps or phantom_prefix.N_STEPS, n_scenes or phantom_prefix.N_SCENES
    )
    if not train(trainer, work / "prefix.safetensors", until):
        return {}
    network = trainer.network.half().float().eval()
    assert isinstance(network, PrefixNetwork)
    decoder = PrefixDecoder(network, vocabulary)
    test = derive_seed(seed, "test scenes")
    scores: dict[str, float] = {}
    for prefix, kind in (("", "seen"), ("held_out_", "held-out")):
        scenes = sample_scenes(300, test, "seen" if kind == "seen" else "held-out")
        own = _scores(decoder, scenes, embed_pictures(clip, scene_pictures(scenes)).numpy(), seed)
        scores |= {f"{prefix}{name}": value for name, value in own.items()}
    tied = "language.lm_head.weight"
    tensors = {n: t.half().numpy() for n, t in network.state_dict().items() if n != tied}
    config = {"kind": KIND, "shape": asdict(network.shape), "vocabulary": vocabulary}
    write_model(out, config, tensors, _card(trainer, seed, scores))
    return scores


def _scores(
    decoder: PrefixDecoder, scenes: list[Scene], embeddings: np.ndarray, seed: int
) -> dict[str, float]:
    """Score sentences of true embeddings: the factors that they name, and BLEU."""
    said = decoder.sentences(embeddings)
    families = word_families()
    references = [scene_captions(scene, 5, derive_seed(seed, "references")) for scene in scenes]
    scores: dict[str, float] = {}
    for factor in ("category", "colour", "background"):
        truth = [getattr(scene, factor) for scene in scenes]
        scores[factor] = float(names_concept(said, truth, families[factor]).mean())
    return scores | {"bleu_4": bleu(said, references)}


def _card(trainer: Trainer, seed: int, scores: dict[str, float]) -> str:
    held_out = ", ".join(f"{colour} {category}" for category, colour in HELD_OUT)
    n_parameters = sum(p.numel() for p in trainer.network.parameters())
    fields = {
        "data": "scenes and captions drawn by `calcarine.data.phantom`",
        "licence": "Apache-2.0",
        "split": f"trained without any {held_out}; scored on scenes of another seed",
        "units": f"{n_parameters:,} trained parameters",
        "preprocessing": "embeddings of the shipped CLIP, noised up to their spread in training",
        "target": "the tiny CLIP's picture embedding to a caption (CLIPCap's form)",
        "scores": ", ".join(f"{n} {v:.3f}" for n, v in scores.items()),
        "seed": str(seed),
        "version": f"calcarine {__version__}",
    }
    lines = [
        "",
        f"Trained in {trainer.n_steps:,} steps (one thread, {trainer.seconds / 60:.0f} minutes) by",
        "`calcarine train prefix phantom-prefix`. Scores are of sentences from true embeddings.",
    ]
    title = "Tiny prefix decoder of the phantom's captions"
    return model_card(title, fields) + "\n".join(lines) + "\n"
