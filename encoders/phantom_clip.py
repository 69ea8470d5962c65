"""A tiny CLIP of open_clip's architecture, trained with its loss on scenes and captions."""

from typing import Any

import numpy as np
import torch
from open_clip import CLIP, ClipLoss, SimpleTokenizer
from torch import nn

from calcarine.data.phantom.scene_captions import scene_captions
from calcarine.data.phantom.scenes import (
    CATEGORIES,
    COLOURS,
    IMAGE_SIZE,
    Scene,
    factor_table,
    sample_scenes,
)
from calcarine.data.seeds import derive_seed
from calcarine.encoders.phantom_training import Trainer, scene_pictures

EMBED_DIM = 64
MODEL_CFG: dict[str, Any] = {
    "embed_dim": EMBED_DIM,
    "vision_cfg": {
        "image_size": IMAGE_SIZE,
        "layers": [1, 1, 1, 1],
        "width": 16,
        "head_width": 32,
    },
    "text_cfg": {
        "context_length": 32,
        "vocab_size": 49408,
        "width": 64,
        "heads": 2,
        "layers": 2,
    },
}
PREPROCESS_CFG: dict[str, Any] = {
    "size": IMAGE_SIZE,
    "mode": "RGB",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
N_STEPS = 800
N_SCENES = 24_000
BATCH_SIZE = 256
LEARNING_RATE = 2e-3
_N_CAPTIONS = 4
_MAX_LOGIT_SCALE = float(np.log(100))


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Scale uint8 pictures ``(n, 3, 64, 64)`` as the evaluation transform does."""
    return (pictures.float() / 255 - 0.5) / 0.25


def short_caption(scene: Scene, rng: np.random.Generator) -> str:
    """Name the category, the colour or both, as a prompt of zero-shot classification does."""
    return str(
        rng.choice(
            [
                f"a {scene.category}",
                f"a picture of a {scene.category}",
                f"something {scene.colour}",
                f"a {scene.colour} thing",
                f"a {scene.colour} {scene.category}",
            ]
        )
    )


def training_captions(scenes: list[Scene], seed: int) -> list[list[str]]:
    """Write captions for each scene: some that name every factor, and a short one."""
    rng = np.random.default_rng(seed)
    return [
        [*scene_captions(scene, _N_CAPTIONS - 1, seed), short_caption(scene, rng)]
        for scene in scenes
    ]


def build_clip(seed: int) -> CLIP:
    """Make the untrained network."""
    torch.manual_seed(seed)
    return CLIP(**MODEL_CFG)


def clip_trainer(
    seed: int, n_steps: int = N_STEPS, n_scenes: int = N_SCENES, batch_size: int = BATCH_SIZE
) -> Trainer:
    """Set the training of the tiny CLIP up.

    Parameters
    ----------
    seed
        Of scenes, captions, weights and batches.
    n_steps, n_scenes, batch_size
        Length of the training, distinct scenes (of seen combinations), pictures in a step.

    Returns
    -------
    Trainer
        Its network is an `open_clip.CLIP`.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, "clip", "scenes"))
    pictures = scene_pictures(scenes)
    captions = training_captions(scenes, derive_seed(seed, "clip", "captions"))
    tokenizer = SimpleTokenizer(context_length=MODEL_CFG["text_cfg"]["context_length"])
    tokens = torch.stack([tokenizer(of_scene) for of_scene in captions])
    network = build_clip(derive_seed(seed, "clip", "weights"))
    contrast = ClipLoss()

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(n_scenes, (batch_size,), generator=generator)
        which = torch.randint(_N_CAPTIONS, (batch_size,), generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            image, text, scale = network(normalise(pictures[rows]), tokens[rows, which])
        return contrast(image.float(), text.float(), scale)

    def limit_scale(step: int) -> None:
        with torch.no_grad():
            network.logit_scale.clamp_(max=_MAX_LOGIT_SCALE)

    return Trainer(
        network,
        loss,
        n_steps,
        LEARNING_RATE,
        derive_seed(seed, "clip"),
        weight_decay=0.02,
        after_step=limit_scale,
    )


@torch.inference_mode()
def embed_pictures(network: CLIP, pictures: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Embed uint8 pictures ``(n, 3, 64, 64)``, not normalised, float32 ``(n, 64)``."""
    network.eval()
    parts = [network.encode_image(normalise(p)) for p in pictures.split(batch_size)]
    return torch.cat(parts)


@torch.inference_mode()
def embed_captions(network: CLIP, captions: list[str]) -> torch.Tensor:
    """Embed captions, not normalised, float32 ``(n, 64)``."""
    network.eval()
    tokenizer = SimpleTokenizer(context_length=MODEL_CFG["text_cfg"]["context_length"])
    parts = [network.encode_text(t) for t in tokenizer(captions).split(512)]
    return torch.cat(parts)


@torch.no_grad()
def unit_scale(network: CLIP, pictures: torch.Tensor, captions: list[str]) -> None:
    """Fold a constant into each projection: embeddings then have a mean square of one.

    Cosines, and with them all that CLIP does, stay as they are.
    """
    scale = embed_pictures(network, pictures).square().mean().sqrt()
    network.visual.attnpool.c_proj.weight /= scale
    network.visual.attnpool.c_proj.bias /= scale
    network.text_projection /= embed_captions(network, captions).square().mean().sqrt()


def zero_shot(network: CLIP, pictures: torch.Tensor, prompts: list[str]) -> np.ndarray:
    """Say for each picture which prompt is nearest in angle, int ``(n,)``."""
    image = nn.functional.normalize(embed_pictures(network, pictures), dim=1)
    text = nn.functional.normalize(embed_captions(network, prompts), dim=1)
    return (image @ text.T).argmax(dim=1).numpy()


def clip_scores(network: CLIP, scenes: list[Scene]) -> dict[str, float]:
    """Score a network on scenes: zero-shot category and colour, picture to caption.

    Returns
    -------
    dict
        Fractions from 0 to 1. `caption_top1` and `caption_top5` rank one caption a scene.
    """
    pictures = scene_pictures(scenes)
    category = zero_shot(network, pictures, [f"a picture of a {name}" for name in CATEGORIES])
    colour = zero_shot(network, pictures, [f"something {name}" for name in COLOURS])
    captions = [scene_captions(scene, 1, seed=1)[0] for scene in scenes]
    image = nn.functional.normalize(embed_pictures(network, pictures), dim=1)
    text = nn.functional.normalize(embed_captions(network, captions), dim=1)
    similarity = image @ text.T
    rank = (similarity > similarity.diagonal()[:, None]).sum(dim=1).numpy()
    factors = factor_table(scenes)
    return {
        "zero_shot_category": float(np.mean(np.array(CATEGORIES)[category] == factors["category"])),
        "zero_shot_colour": float(np.mean(np.array(COLOURS)[colour] == factors["colour"])),
        "caption_top1": float(np.mean(rank < 1)),
        "caption_top5": float(np.mean(rank < 5)),
    }
