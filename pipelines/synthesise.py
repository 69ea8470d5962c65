"""Pictures that drive regions, by gradient guidance of a diffusion model through the encoder."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms import Normalize

from calcarine.data.banks import Bank
from calcarine.data.errors import CalcarineError
from calcarine.data.seeds import derive_seed
from calcarine.decoders.selectivity.guidance import Guidance, mean_of, synthesise
from calcarine.decoders.selectivity.latent_diffusion import load_latent_diffusion
from calcarine.decoders.selectivity.projection import project
from calcarine.decoders.selectivity.unit_sets import UnitSets
from calcarine.encoders.embedding_models import EmbeddingModel, load_embedding_model
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.config_captions import CaptionSection

UNGUIDED = "(no push)"


def synthesised(
    captions: CaptionSection, encoder: VoxelEncoder, bank: Bank, sets: UnitSets, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Draw pictures for each region, and for each region against its neighbour.

    Parameters
    ----------
    captions
        With `synthesise`, how.
    encoder
        Ridge encoder on one vector a picture.
    bank
        Natural pictures, over which the spread of each objective is measured.
    sets
        Regions and contrasts.
    seed
        Pictures of all regions start from the same noise.

    Returns
    -------
    arrays : dict
        `synthesised`, uint8, shape (n_targets, n_pictures, height, width, 3): without any push
        first, then one target after the other. Where the denoiser begins with a projection, also
        `projected`: targets (without the first) drawn from it with no push.
    told : dict
        Targets, generator and settings, for the sidecar.
    """
    section = captions.synthesise
    assert section is not None
    diffusion = load_latent_diffusion(section.generator)
    named = encoder.embedding
    model = load_embedding_model(named["model"], named["layer"], named["pooling"])
    respond = picture_responses(model, encoder)
    rows = np.flatnonzero(_is_drawn(sets, section.contrasts, captions.pairs))
    objectives = sets.mixing[rows]
    natural = np.concatenate([np.asarray(s, dtype=np.float32) @ encoder.coef_ for s in bank.shards])
    spreads = (natural @ objectives.T).std(axis=0)
    seeds = [derive_seed(seed, "synthesise", str(i)) for i in range(section.n_pictures)]
    starts: list[np.ndarray | None] = [None] * len(rows)
    if section.condition == "projection":
        starts = list(projections(objectives @ encoder.coef_.T, bank, captions.temperature, seeds))

    def drawn(scale: float, mixing: np.ndarray, spread: float, start: np.ndarray | None) -> Any:
        guidance = Guidance(scale, section.n_steps)
        return synthesise(diffusion, respond, mean_of(mixing), spread, seeds, guidance, start)

    targets = list(zip(objectives, map(float, spreads), starts, strict=True))
    made = [drawn(0.0, sets.mixing[-1], 1.0, None)]
    made += [drawn(section.scale, *target) for target in targets]
    arrays = {"synthesised": np.stack(made)}
    if section.condition == "projection":
        arrays["projected"] = np.stack([drawn(0.0, *target) for target in targets])
    told: dict[str, object] = {
        "targets": [UNGUIDED, *sets.table["unit"].iloc[rows]],
        "generator": section.generator,
        "condition": section.condition,
        "scale": section.scale,
        "n_steps": section.n_steps,
    }
    return arrays, told


def projections(
    weights: np.ndarray, bank: Bank, temperature: float, seeds: Sequence[int]
) -> np.ndarray:
    """Project weights onto another random half of the bank for each picture.

    The halves let pictures differ as what the encoder prefers does; one projection for all would
    be drawn again and again.

    Parameters
    ----------
    weights
        Shape (n_targets, embed_dim).
    bank
        Natural pictures.
    temperature
        Of the softmax over them.
    seeds
        One a picture: it draws the half.

    Returns
    -------
    numpy.ndarray
        Shape (n_targets, n_pictures, embed_dim).
    """
    out = []
    for seed in seeds:
        rng = np.random.default_rng(derive_seed(seed, "half of the bank"))
        halves = (np.asarray(s)[np.sort(rng.permutation(len(s))[::2])] for s in bank.shards)
        out.append(project(weights, halves, temperature, n_top=1).embedding)
    return np.stack(out, axis=1)


def _is_drawn(
    sets: UnitSets, contrasts: bool | str, pairs: Sequence[tuple[str, str]]
) -> np.ndarray:
    """Say of which sets pictures are drawn: regions, and contrasts as asked."""
    kind, unit = sets.table["kind"], sets.table["unit"]
    drawn = kind == "region"
    if contrasts == "pairs":
        asked = {f"{a} > {b}" for pair in pairs for a, b in (pair, pair[::-1])}
        drawn |= (kind == "contrast") & unit.isin(asked)
    elif contrasts:
        drawn |= kind == "contrast"
    return drawn.to_numpy()


def picture_responses(
    model: EmbeddingModel, encoder: VoxelEncoder
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make a differentiable function of pictures (n, 3, height, width), 0 to 1, to responses.

    Pictures are resized (bicubic, antialiased) and normalised as the embedding model's evaluation
    transform does it.
    """
    normalise = [t for t in getattr(model.transform, "transforms", []) if isinstance(t, Normalize)]
    if len(normalise) != 1:
        raise CalcarineError(
            f"the transform of {model.name} has no single normalisation that a gradient could "
            f"run through: {model.transform_text}."
        )
    weights = torch.from_numpy(np.asarray(encoder.coef_, dtype=np.float32))
    offset = torch.from_numpy(np.asarray(encoder.intercept_, dtype=np.float32))
    size = transformed_size(model)

    def respond(pictures: torch.Tensor) -> torch.Tensor:
        if tuple(pictures.shape[2:]) != size:
            pictures = functional.interpolate(
                pictures, size=size, mode="bicubic", antialias=True, align_corners=False
            ).clamp(0, 1)
        embedded = model.embed_tensor(normalise[0](pictures))
        return embedded @ weights.to(embedded) + offset.to(embedded)

    return respond


def transformed_size(model: EmbeddingModel) -> tuple[int, int]:
    """Give height and width of a transformed picture."""
    transformed = model.transform(Image.new("RGB", (96, 96), (128, 128, 128)))
    return int(transformed.shape[1]), int(transformed.shape[2])
