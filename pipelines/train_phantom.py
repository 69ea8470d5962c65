"""Train the phantom's small networks: a CLIP, a judge, a generator, a prefix decoder."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

import calcarine
from calcarine.data.atomic import new_file, new_folder
from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card
from calcarine.data.phantom.scene_captions import scene_captions
from calcarine.data.phantom.scenes import HELD_OUT, Scene, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.decoders import phantom_autoencoder, phantom_unclip
from calcarine.decoders.phantom_unclip_scores import unclip_scores
from calcarine.encoders import phantom_clip, phantom_judge, phantom_probes
from calcarine.encoders.factor_probes import write_probes
from calcarine.encoders.phantom_training import Trainer, scene_pictures
from calcarine.pipelines.phantom_weights import WEIGHTS, load_autoencoder, load_clip, load_judge
from calcarine.pipelines.train_prefix import train_prefix

ModelName = Literal["clip", "judge", "unclip", "prefix"]
SAVE_EVERY = 250


def run(
    model: ModelName,
    out: Path,
    steps: int | None = None,
    seed: int = 0,
    n_scenes: int | None = None,
    until: int | None = None,
) -> dict[str, float]:
    """Train one network and write its folder and card.

    A training that was interrupted goes on from its last checkpoint, which lies beside `out` until
    the folder is complete; the result is the same as without interruption. The generator is trained
    on embeddings of the shipped CLIP and scored by the shipped judge.

    Parameters
    ----------
    model
        `"clip"`, `"judge"`, `"unclip"` or `"prefix"`.
    out
        Folder that is written.
    steps
        Optimisation steps (of the autoencoder, too, where there is one); without it the default.
    seed
        Of scenes, weights and batches.
    n_scenes
        Distinct training scenes; without it the default.
    until
        Stop after this step, with a checkpoint and without a folder.

    Returns
    -------
    dict
        Scores on unseen scenes; empty where the training stopped before its end.

    Raises
    ------
    CalcarineError
        The name of the model is unknown.
    """
    if model not in _TRAININGS:
        raise CalcarineError(f"model is {model!r}; expected one of {sorted(_TRAININGS)}.")
    # other settings are another training, whose checkpoint this one must not go on from
    settings = "-".join(str(s) for s in (seed, steps or "all", n_scenes or "all"))
    work = out.parent / f".{out.name}-training-{model}-{settings}"
    n_threads = torch.get_num_threads()
    # sums are ordered by the number of threads: with one, every machine takes the same steps
    torch.set_num_threads(1)
    try:
        scores = _TRAININGS[model](out, work, steps, seed, n_scenes, until)
    finally:
        torch.set_num_threads(n_threads)
    if scores:
        shutil.rmtree(work)
    return scores


def train(trainer: Trainer, checkpoint: Path, until: int | None = None) -> bool:
    """Train to the end, or to step `until`; go on from the checkpoint where there is one.

    Returns
    -------
    bool
        Whether the training is complete.
    """
    if checkpoint.exists():
        trainer.load_state(load_file(checkpoint))
    last = trainer.n_steps if until is None else min(until, trainer.n_steps)
    losses: list[float] = []
    with tqdm(total=last, initial=trainer.n_done, desc=checkpoint.stem, disable=None) as bar:
        while trainer.n_done < last:
            losses.append(trainer.step())
            bar.update()
            if trainer.n_done % SAVE_EVERY == 0 or trainer.n_done == last:
                bar.set_postfix(loss=f"{np.mean(losses[-100:]):.4f}")
                with new_file(checkpoint) as temporary:
                    save_file(trainer.state(), temporary)
    return trainer.n_done == trainer.n_steps


# --- one training a model --------------------------------------------------------------------


def _rounded(network: nn.Module) -> nn.Module:
    """Round weights to half precision, as they are shipped, so that the scores are theirs."""
    return network.half().float().eval()


def _half(network: nn.Module) -> dict[str, torch.Tensor]:
    state = network.state_dict()
    return {n: (t.half() if t.is_floating_point() else t).contiguous() for n, t in state.items()}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _on_unseen(
    seed: int, n_test: int, score: Callable[[list[Scene]], dict[str, float]]
) -> dict[str, float]:
    """Score unseen scenes, of seen and of held-out combinations of category and colour."""
    test = derive_seed(seed, "test scenes")
    scores = score(sample_scenes(n_test, test, "seen"))
    held_out = score(sample_scenes(n_test, test, "held-out"))
    return scores | {f"held_out_{name}": value for name, value in held_out.items()}


def _card(
    name: str,
    title: str,
    trainer: Trainer,
    seconds: float,
    seed: int,
    scores: dict[str, float],
    earlier_steps: int = 0,
) -> str:
    held_out = ", ".join(f"{colour} {category}" for category, colour in HELD_OUT)
    kept = {n: v for n, v in scores.items() if not n.startswith("held_out_")}
    fields = {
        "data": "scenes drawn by `calcarine.data.phantom.scenes`",
        "licence": "Apache-2.0",
        "split": f"trained without any {held_out}; scored on scenes of another seed",
        "units": f"{sum(p.numel() for p in trainer.network.parameters()):,} trained parameters",
        "preprocessing": "64 × 64 pixels, RGB; mean and spread in the configuration",
        "target": _TARGETS[name],
        "scores": ", ".join(f"{n} {v:.3f}" for n, v in kept.items()),
        "seed": str(seed),
        "version": calcarine.__version__,
    }
    n_steps = earlier_steps + trainer.n_steps
    lines = [
        "",
        f"Trained in {n_steps:,} steps (one thread, {seconds / 60:.0f} minutes in all) by",
        "",
        "```python",
        "from pathlib import Path",
        "",
        "from calcarine.pipelines import train_phantom",
        "",
        f'train_phantom.run("{name}", Path("phantom-{name}"), seed={seed})',
        "```",
        "",
        "| score | unseen scenes | unseen scenes of held-out combinations |",
        "| --- | --- | --- |",
        *(f"| {n} | {v:.3f} | {scores[f'held_out_{n}']:.3f} |" for n, v in kept.items()),
    ]
    return model_card(title, fields) + "\n".join(lines) + "\n"


_TARGETS = {
    "clip": "pictures to their captions and back (open_clip's contrastive loss)",
    "judge": "a picture to its own other view (self-distillation); probes fitted afterwards",
    "unclip": "the tiny CLIP's picture embedding to the picture. Give `image_embeds`: the image "
    "encoder and the text encoder of this folder are untrained, the class insists on them",
}


def _train_clip(
    out: Path, work: Path, steps: int | None, seed: int, n_scenes: int | None, until: int | None
) -> dict[str, float]:
    trainer = phantom_clip.clip_trainer(
        seed, steps or phantom_clip.N_STEPS, n_scenes or phantom_clip.N_SCENES
    )
    if not train(trainer, work / "clip.safetensors", until):
        return {}
    scenes = sample_scenes(2000, derive_seed(seed, "clip", "scale"))
    captions = [scene_captions(scene, 1, seed)[0] for scene in scenes]
    phantom_clip.unit_scale(trainer.network, scene_pictures(scenes), captions)
    network = _rounded(trainer.network)
    scores = _on_unseen(seed, 600, partial(phantom_clip.clip_scores, network))
    config = {"model_cfg": phantom_clip.MODEL_CFG, "preprocess_cfg": phantom_clip.PREPROCESS_CFG}
    title = "Tiny CLIP of the phantom's scenes and captions"
    with new_folder(out) as folder:
        _write_json(folder / "open_clip_config.json", config)
        save_file(_half(network), folder / "open_clip_model.safetensors")
        card = _card("clip", title, trainer, trainer.seconds, seed, scores)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return scores


def _train_judge(
    out: Path, work: Path, steps: int | None, seed: int, n_scenes: int | None, until: int | None
) -> dict[str, float]:
    trainer = phantom_judge.judge_trainer(
        seed, steps or phantom_judge.N_STEPS, n_scenes or phantom_judge.N_SCENES
    )
    if not train(trainer, work / "judge.safetensors", until):
        return {}
    judge = _rounded(trainer.network.get_submodule("teacher.0"))
    redrawn = partial(phantom_autoencoder.redraw, load_autoencoder(WEIGHTS["unclip"]))
    n_read = n_scenes or phantom_probes.N_SCENES
    probes = phantom_probes.fit_probes(judge, seed, n_read, redrawn)
    scores = _on_unseen(
        seed, 600, lambda test: phantom_probes.judge_scores(judge, probes, test, redrawn)
    )
    title = "Self-distilled judge of the phantom's pictures"
    with new_folder(out) as folder:
        _write_json(folder / "config.json", phantom_judge.judge_config())
        save_file(_half(judge), folder / "model.safetensors")
        write_probes(folder, probes)
        card = _card("judge", title, trainer, trainer.seconds, seed, scores)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return scores


def _fit_autoencoder(
    work: Path, steps: int | None, seed: int, n_scenes: int | None, until: int | None
) -> tuple[AutoencoderKL | None, float]:
    """Train encoder and decoder, fix the latents, and train the decoder further."""
    n_scenes = n_scenes or phantom_autoencoder.N_SCENES
    first = phantom_autoencoder.autoencoder_trainer(
        seed, steps or phantom_autoencoder.N_STEPS, n_scenes
    )
    if not train(first, work / "autoencoder.safetensors", until):
        return None, first.seconds
    first.use_average()
    autoencoder: AutoencoderKL = first.network.eval()
    scenes = sample_scenes(2000, derive_seed(seed, "unclip", "latents"))
    phantom_autoencoder.standardise_latents(autoencoder, scene_pictures(scenes))
    _rounded(autoencoder)
    second = phantom_autoencoder.decoder_trainer(
        autoencoder, seed, steps or phantom_autoencoder.N_DECODER_STEPS, n_scenes
    )
    complete = train(second, work / "decoder.safetensors", until)
    second.use_average()
    return _rounded(autoencoder) if complete else None, first.seconds + second.seconds


def _fit_unet(
    autoencoder: AutoencoderKL,
    clip: nn.Module,
    work: Path,
    steps: int | None,
    seed: int,
    n_scenes: int | None,
    until: int | None,
) -> tuple[phantom_unclip.UnclipExamples, Trainer | None]:
    """Train the denoiser, and train it further on new scenes; no trainer where that is not done."""
    examples = phantom_unclip.unclip_examples(
        autoencoder, clip, seed, n_scenes or phantom_unclip.N_SCENES
    )
    first = phantom_unclip.unet_trainer(examples, seed, steps or phantom_unclip.N_STEPS)
    if not train(first, work / "unet.safetensors", until):
        return examples, None
    first.use_average()
    new = phantom_unclip.unclip_examples(
        autoencoder, clip, seed, n_scenes or phantom_unclip.N_FURTHER_SCENES, "further unet"
    )
    new = replace(new, mean=examples.mean, std=examples.std)
    further = phantom_unclip.further_unet_trainer(
        _rounded(first.network), new, seed, steps or phantom_unclip.N_FURTHER_STEPS
    )
    if not train(further, work / "further.safetensors", until):
        return examples, None
    further.use_average()
    further.seconds += first.seconds
    return examples, further


def _train_unclip(
    out: Path, work: Path, steps: int | None, seed: int, n_scenes: int | None, until: int | None
) -> dict[str, float]:
    autoencoder, seconds = _fit_autoencoder(work, steps, seed, n_scenes, until)
    if autoencoder is None:
        return {}
    clip = load_clip(WEIGHTS["clip"])
    first, trainer = _fit_unet(autoencoder, clip, work, steps, seed, n_scenes, until)
    if trainer is None:
        return {}
    unet = _rounded(trainer.network)
    pipeline = phantom_unclip.build_pipeline(autoencoder, unet, first.mean, first.std)
    judge, probes = load_judge(WEIGHTS["judge"])
    scores = _on_unseen(
        seed, 100, lambda test: unclip_scores(pipeline, clip, judge, probes, test, seed)
    )
    title = "Tiny stable-unCLIP generator of the phantom's scenes"
    autoencoder.half()
    unet.half()
    with new_folder(out) as folder:
        pipeline.save_pretrained(folder, safe_serialization=True)
        seconds += trainer.seconds
        earlier = steps or phantom_unclip.N_STEPS
        card = _card("unclip", title, trainer, seconds, seed, scores, earlier)
        (folder / "README.md").write_text(card, encoding="utf-8")
    return scores


_TRAININGS: dict[
    str, Callable[[Path, Path, int | None, int, int | None, int | None], dict[str, float]]
] = {
    "clip": _train_clip,
    "judge": _train_judge,
    "unclip": _train_unclip,
    "prefix": partial(train_prefix, train),
}
