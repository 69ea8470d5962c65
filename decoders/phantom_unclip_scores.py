"""Scores of the phantom's generator: true embeddings in, pictures out, the judge compares."""

from collections.abc import Mapping

import numpy as np
import torch
from diffusers import StableUnCLIPImg2ImgPipeline
from torch import nn

from calcarine.data.phantom.scenes import Scene, factor_table
from calcarine.decoders.phantom_unclip import reconstruct
from calcarine.encoders import phantom_clip, phantom_judge
from calcarine.encoders.factor_probes import FactorProbe
from calcarine.encoders.phantom_training import scene_pictures


def two_way_identification(reconstructed: np.ndarray, targets: np.ndarray) -> float:
    """Say how often a reconstruction correlates more with its target than with another one.

    Parameters
    ----------
    reconstructed, targets
        Embeddings of the judge, ``(n, embed_dim)``, rows aligned.

    Returns
    -------
    float
        Mean over all pairs, chance 0.5; ties count half.

    Examples
    --------
    >>> two_way_identification(np.eye(4), np.eye(4))
    1.0
    """
    n = len(targets)
    correlation = np.corrcoef(reconstructed, targets)[:n, n:]
    own = correlation.diagonal()[:, None]
    wins = (own > correlation) + 0.5 * (own == correlation)
    return float((wins.sum() - 0.5 * n) / (n * (n - 1)))


def unclip_scores(
    pipeline: StableUnCLIPImg2ImgPipeline,
    clip: nn.Module,
    judge: nn.Module,
    probes: Mapping[str, FactorProbe],
    scenes: list[Scene],
    seed: int,
) -> dict[str, float]:
    """Reconstruct scenes from their true embeddings and let the judge compare.

    Returns
    -------
    dict
        `two_way` in the judge's space; `category` and `colour`, the fractions of reconstructions
        of which the judge names the factor rightly; `squared_error` of pixels from 0 to 1.
    """
    pictures = scene_pictures(scenes)
    drawn = reconstruct(pipeline, phantom_clip.embed_pictures(clip, pictures), seed)
    embeddings = phantom_judge.embed_pictures(judge, drawn).numpy()
    targets = phantom_judge.embed_pictures(judge, pictures).numpy()
    factors = factor_table(scenes)
    scores = {"two_way": two_way_identification(embeddings, targets)}
    for name, probe in probes.items():
        scores[name] = float(np.mean(probe(embeddings) == factors[name]))
    difference = drawn.float() / 255 - pictures.float() / 255
    return scores | {"squared_error": float(torch.mean(difference**2))}
