"""Probes of the phantom's judge: what its frozen embeddings tell of a scene's factors."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from calcarine.data.phantom.scenes import (
    CATEGORIES,
    COLOURS,
    HELD_OUT,
    Scene,
    factor_table,
    sample_scenes,
)
from calcarine.data.seeds import derive_seed
from calcarine.encoders.factor_probes import FactorProbe
from calcarine.encoders.phantom_judge import embed_pictures
from calcarine.encoders.phantom_training import Trainer, scene_pictures

N_SCENES = 24_000
N_LINEAR_SCENES = 4000
N_HIDDEN = 128
N_EPOCHS = 20
BATCH_SIZE = 256
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 1e-2
BLUR = (0.3, 1.3)
PIXEL_NOISE = 4.0


def fit_probes(
    judge: nn.Module,
    seed: int,
    n_scenes: int = N_SCENES,
    redrawn: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> dict[str, FactorProbe]:
    """Fit probes of category and colour on frozen embeddings of training scenes.

    The colour is linear in the embedding. The category is not: its probe has a hidden layer, sees
    the scenes sharp, softened and redrawn, since what it is to read was generated, and does not see
    what is linear in the colour.

    Parameters
    ----------
    judge
        Network whose embeddings are read.
    seed
        Of scenes and weights.
    n_scenes
        Training scenes.
    redrawn
        uint8 pictures ``(n, 3, 64, 64)`` to the same as a generator's autoencoder gives them back.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, "judge", "probes"))
    pictures, factors = scene_pictures(scenes), factor_table(scenes)
    generator = torch.Generator().manual_seed(derive_seed(seed, "judge", "softening"))
    views = [pictures, softened(pictures, generator)]
    if redrawn is not None:
        views.append(redrawn(pictures))
    embedded = [embed_pictures(judge, view).numpy().astype(np.float64) for view in views]
    names = {name: factors[name].to_numpy(dtype=str) for name in ("category", "colour")}
    each = {name: np.tile(values, len(views)) for name, values in names.items()}
    few = {name: values[:N_LINEAR_SCENES] for name, values in names.items()}
    return {
        "category": category_probe(
            np.concatenate(embedded),
            each["category"],
            each["colour"],
            derive_seed(seed, "judge", "category probe"),
        ),
        "colour": colour_probe(embedded[0][:N_LINEAR_SCENES], few["colour"], few["category"]),
    }


def softened(
    pictures: torch.Tensor, generator: torch.Generator, batch_size: int = 500
) -> torch.Tensor:
    """Blur uint8 pictures ``(n, 3, 64, 64)``, each batch as strongly as it comes; add noise."""
    low, high = BLUR
    parts = []
    for part in pictures.float().split(batch_size):
        sigma = low + (high - low) * torch.rand(1, generator=generator).item()
        blurred = gaussian_blur(part, [7, 7], [sigma, sigma])
        parts.append(blurred + PIXEL_NOISE * torch.randn(part.shape, generator=generator))
    return torch.cat(parts).clamp(0, 255).round().to(torch.uint8)


def without_linear(embeddings: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Make the projection after which no linear reader finds a factor.

    It takes out the directions along which the factor's means differ, once the embedding is white:
    LEACE, Belrose et al. 2023, arXiv:2306.03819.

    Parameters
    ----------
    embeddings
        Shape ``(n, embed_dim)``.
    names
        The factor's name for each, ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(embed_dim, embed_dim)``; rows of deviations from the mean are multiplied by it.
    """
    mean = embeddings.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(embeddings.T))
    values = np.maximum(values, values.max() * 1e-6)
    white, colour = vectors * values**-0.5 @ vectors.T, vectors * values**0.5 @ vectors.T
    known = np.unique(names)
    means = np.stack([embeddings[names == name].mean(axis=0) - mean for name in known]) @ white
    _, _, axes = np.linalg.svd(means, full_matrices=False)
    axes = axes[: len(known) - 1]
    projection: np.ndarray = np.eye(len(mean)) - white @ axes.T @ axes @ colour
    return projection


def category_probe(
    embeddings: np.ndarray, category: np.ndarray, colour: np.ndarray, seed: int
) -> FactorProbe:
    """Fit a probe with a hidden layer, one yes or no a category, on what the colour leaves.

    What is asked of a scene leaves out the categories that never have its colour (`HELD_OUT`): the
    answer for faces would learn that what is blue is no face.
    """
    mean, projection = embeddings.mean(axis=0), without_linear(embeddings, colour)
    rest = (embeddings - mean) @ projection
    scale = rest.std(axis=0) + 1e-6
    wanted = torch.tensor(category[:, None] == np.array(CATEGORIES), dtype=torch.float32)
    met = torch.ones_like(wanted)
    for name, never in HELD_OUT:
        met[torch.from_numpy(colour == never), CATEGORIES.index(name)] = 0
    torch.manual_seed(seed)
    n_categories = len(CATEGORIES)
    network = nn.Sequential(
        nn.Linear(len(mean), N_HIDDEN), nn.ReLU(), nn.Linear(N_HIDDEN, n_categories)
    )
    _train(network, torch.tensor(rest / scale, dtype=torch.float32), wanted, met, seed)
    arrays = [p.detach().numpy().astype(np.float64) for p in network.parameters()]
    through = projection @ (arrays[0] / scale).T
    return FactorProbe(
        CATEGORIES,
        arrays[2].astype(np.float32),
        arrays[3].astype(np.float32),
        through.T.astype(np.float32),
        (arrays[1] - mean @ through).astype(np.float32),
    )


def _train(
    network: nn.Module, inputs: torch.Tensor, wanted: torch.Tensor, met: torch.Tensor, seed: int
) -> None:
    batch_size = min(BATCH_SIZE, len(inputs))

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(len(inputs), (batch_size,), generator=generator)
        return functional.binary_cross_entropy_with_logits(
            network(inputs[rows]), wanted[rows], weight=met[rows]
        )

    n_steps = N_EPOCHS * len(inputs) // batch_size
    trainer = Trainer(network, loss, n_steps, LEARNING_RATE, seed, weight_decay=WEIGHT_DECAY)
    for _ in range(n_steps):
        trainer.step()


def colour_probe(embeddings: np.ndarray, colour: np.ndarray, category: np.ndarray) -> FactorProbe:
    """Fit a logistic regression for each colour, without the categories that never have it."""
    scaler = StandardScaler().fit(embeddings)
    scaled = scaler.transform(embeddings)
    weights, biases = [], []
    for value in COLOURS:
        never = [name for name, other in HELD_OUT if other == value]
        rows = ~np.isin(category, never)
        model = LogisticRegression(C=1.0, max_iter=2000)
        model.fit(scaled[rows], (colour == value)[rows])
        weights.append(model.coef_[0] / scaler.scale_)
        biases.append(model.intercept_[0] - weights[-1] @ scaler.mean_)
    return FactorProbe(
        COLOURS, np.asarray(weights, dtype=np.float32), np.asarray(biases, dtype=np.float32)
    )


def judge_scores(
    judge: nn.Module,
    probes: Mapping[str, FactorProbe],
    scenes: Sequence[Scene],
    redrawn: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> dict[str, float]:
    """Score the probes on scenes, and on scenes redrawn: the fraction that they name rightly."""
    pictures, factors = scene_pictures(list(scenes)), factor_table(scenes)
    views = {"": pictures} | ({} if redrawn is None else {" of redrawn": redrawn(pictures)})
    scores = {}
    for view, shown in views.items():
        embeddings = embed_pictures(judge, shown).numpy()
        for name, probe in probes.items():
            scores[f"{name}{view}"] = float(np.mean(probe(embeddings) == factors[name]))
    return scores
