"""Training of the tiny prefix decoder: embeddings of scenes by the tiny CLIP to their captions."""

import torch
from torch import nn

from calcarine.data.phantom.scene_captions import scene_captions
from calcarine.data.phantom.scenes import Scene, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.decoders.prefix_decoder import (
    PrefixNetwork,
    PrefixShape,
    numbered,
    sentence_loss,
    vocabulary_of,
)
from calcarine.encoders.phantom_clip import EMBED_DIM, embed_pictures
from calcarine.encoders.phantom_training import Trainer, scene_pictures

N_STEPS = 1500
N_SCENES = 12_000
BATCH_SIZE = 128
LEARNING_RATE = 4e-3
MAX_NOISE = 1.0
_N_CAPTIONS = 3


def prefix_trainer(
    clip: nn.Module,
    seed: int,
    n_steps: int = N_STEPS,
    n_scenes: int = N_SCENES,
    batch_size: int = BATCH_SIZE,
) -> tuple[Trainer, list[str]]:
    """Set the training up; embeddings are noised up to their own spread, as decoded ones are.

    Returns
    -------
    tuple
        The trainer, whose network is a `PrefixNetwork`, and its vocabulary.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, "prefix", "scenes"))
    embeddings = embed_pictures(clip, scene_pictures(scenes))
    captions = scene_sentences(scenes, derive_seed(seed, "prefix", "captions"))
    vocabulary = vocabulary_of([s for own in captions for s in own])
    shape = PrefixShape(EMBED_DIM)
    words = torch.stack([numbered(own, vocabulary, shape.max_words) for own in captions])
    torch.manual_seed(derive_seed(seed, "prefix", "weights"))
    network = PrefixNetwork(shape, len(vocabulary))
    network.mean.copy_(embeddings.mean(dim=0))
    network.deviation.copy_(embeddings.std(dim=0))

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(n_scenes, (batch_size,), generator=generator)
        which = torch.randint(_N_CAPTIONS, (batch_size,), generator=generator)
        level = MAX_NOISE * torch.rand(batch_size, 1, generator=generator)
        noise = torch.randn(batch_size, EMBED_DIM, generator=generator) * network.deviation
        return sentence_loss(network, embeddings[rows] + level * noise, words[rows, which])

    trainer = Trainer(network, loss, n_steps, LEARNING_RATE, derive_seed(seed, "prefix"))
    return trainer, vocabulary


def scene_sentences(scenes: list[Scene], seed: int) -> list[list[str]]:
    """Write the captions that are learned, several a scene."""
    return [scene_captions(scene, _N_CAPTIONS, seed) for scene in scenes]
