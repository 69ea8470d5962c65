"""Ways of looking at pictures, and what each compares between a target and a reconstruction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcarine.decoders.feature_networks import (
    NETWORK_USES,
    FeatureNetwork,
    not_found,
    weights_path,
)
from calcarine.decoders.identification import correlations, two_way_identification
from calcarine.decoders.picture_metrics import PIXEL_METRICS, Pictures, at_size, pixels

_PAIRS_FOR_CHANCE = 256
_PICTURES_AT_A_TIME = 16


@dataclass(frozen=True)
class Comparison:
    """How well reconstructions fit their targets by one metric.

    Attributes
    ----------
    values
        One number an item, shape (n_items,).
    chance
        The same for reconstructions of other items.
    """

    values: np.ndarray
    chance: float


@dataclass(frozen=True)
class View:
    """One way of looking at pictures.

    Attributes
    ----------
    target
        What is compared: `pixels`, or the name of a network.
    metrics
        Names of the metrics.
    represent
        Turns pictures into what is compared, by metric; rows are items.
    compare
        Compares targets with reconstructions, by metric.
    note
        Why the view has no eyes; then nothing is computed.
    """

    target: str
    metrics: tuple[str, ...]
    represent: Callable[[Pictures], dict[str, Any]] | None = None
    compare: Callable[[str, Any, Any], Comparison] | None = None
    note: str = ""


def pixel_view(protocol: str, size: tuple[int, int]) -> View:
    """Compare pixels by PixCorr and both meanings of SSIM.

    Parameters
    ----------
    protocol
        `phantom`, `mindeye` or `brain-diffuser`.
    size
        Height and width of the reconstructions, at which `phantom` compares.
    """

    def represent(pictures: Pictures) -> dict[str, Any]:
        # kept in 8 bits: a thousand pictures at 425 px in float would not fit
        kept = at_size(pictures, *size) if protocol == "phantom" else list(pictures)
        return dict.fromkeys(PIXEL_METRICS, kept)

    def compare(metric: str, truth: Pictures, drawn: Pictures) -> Comparison:
        n = len(truth)
        shifts = range(1, min(n, 2 + _PAIRS_FOR_CHANCE // n))
        others = [
            _pixel_values(metric, protocol, [truth[(i + s) % n] for i in range(n)], drawn)
            for s in shifts
        ]
        chance = float(np.nanmean(others)) if others else np.nan
        return Comparison(_pixel_values(metric, protocol, truth, drawn), chance)

    return View("pixels", tuple(PIXEL_METRICS), represent, compare)


def _pixel_values(metric: str, protocol: str, truth: Pictures, drawn: Pictures) -> np.ndarray:
    parts = []
    for start in range(0, len(truth), _PICTURES_AT_A_TIME):
        rows = slice(start, start + _PICTURES_AT_A_TIME)
        pair = pixels(truth[rows], protocol), pixels(drawn[rows], protocol)
        parts.append(PIXEL_METRICS[metric](*pair))
    return np.concatenate(parts)


def compare_features(metric: str, truth: np.ndarray, drawn: np.ndarray) -> Comparison:
    """Compare features by two-way identification, or by correlation distance.

    Parameters
    ----------
    metric
        `two_way_identification_…` (share, higher is better) or `correlation_distance_…` (lower is
        better).
    truth, drawn
        Features, shape (n_items, n_features).
    """
    if metric.startswith("two_way_identification"):
        return Comparison(two_way_identification(truth, drawn), 0.5)
    distance = 1 - correlations(truth, drawn)
    others = distance[~np.eye(len(distance), dtype=bool)]
    return Comparison(np.diag(distance), float(np.nanmean(others)) if len(others) else np.nan)


def compare_labels(metric: str, truth: np.ndarray, drawn: np.ndarray) -> Comparison:
    """Compare labels: 1 where they agree; chance is the agreement of labels dealt out anew."""
    agree = (truth == drawn).astype(np.float64)
    shares = [(truth == label).mean() * (drawn == label).mean() for label in np.unique(truth)]
    return Comparison(agree, float(np.sum(shares)))


def network_views(protocol: str) -> Iterator[View]:
    """Yield the networks of a protocol, each loaded when it is asked for.

    A network without local weights has a note and no eyes.
    """
    for use in NETWORK_USES[protocol]:
        path = weights_path(use.architecture)
        metrics = tuple(use.nodes)
        if path is None:
            yield View(use.architecture, metrics, note=not_found(use.architecture))
        else:
            network = FeatureNetwork(use, protocol, path)
            target = f"{use.architecture}@{network.sha}"
            yield View(target, metrics, network.features, compare_features)


def judge_view(
    target: str,
    embed: Callable[[Pictures], np.ndarray],
    probes: dict[str, Callable[[np.ndarray], np.ndarray]],
) -> View:
    """Compare pictures in the space of a judge, a network that had no part in making them.

    Parameters
    ----------
    target
        Name of the judge's embedding.
    embed
        Pictures to embeddings, shape (n, embed_dim).
    probes
        By factor (`category`, `colour`): embeddings to labels, shape (n,).
    """
    identification = "two_way_identification_judge"
    agreements = {f"{factor}_agreement_judge": probe for factor, probe in probes.items()}

    def represent(pictures: Pictures) -> dict[str, Any]:
        embeddings = embed(pictures)
        labels = {metric: probe(embeddings) for metric, probe in agreements.items()}
        return {identification: embeddings, **labels}

    def compare(metric: str, truth: np.ndarray, drawn: np.ndarray) -> Comparison:
        by = compare_labels if metric in agreements else compare_features
        return by(metric, truth, drawn)

    return View(target, (identification, *agreements), represent, compare)
