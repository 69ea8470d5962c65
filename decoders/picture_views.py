"""Ways of looking at pictures, and what each compares between a target and a reconstruction."""

from collections.abc import Callable, Iterator, Mapping
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

_PAIRS_FOR_CHANCE = 64
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
        Turns pictures into what is compared, by name; rows are items.
    compare
        Compares represented targets with represented reconstructions: by metric.
    note
        Why the view has no eyes; then nothing is computed.
    """

    target: str
    metrics: tuple[str, ...]
    represent: Callable[[Pictures], dict[str, Any]] | None = None
    compare: Callable[[dict[str, Any], dict[str, Any]], dict[str, Comparison]] | None = None
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
        return {"pixels": at_size(pictures, *size) if protocol == "phantom" else list(pictures)}

    def compare(truth: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Comparison]:
        own = _pixel_values(protocol, truth["pixels"], drawn["pixels"])
        first, second = _mismatched(len(drawn["pixels"]))
        others = _pixel_values(
            protocol,
            [truth["pixels"][i] for i in first],
            [drawn["pixels"][i] for i in second],
        )
        return {metric: Comparison(own[metric], _mean(others[metric])) for metric in PIXEL_METRICS}

    return View("pixels", tuple(PIXEL_METRICS), represent, compare)


def _mismatched(n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Pair each item with random other ones: rows of targets, rows of reconstructions."""
    if n_items < 2:
        return np.empty(0, dtype=int), np.empty(0, dtype=int)
    n_others = min(n_items - 1, -(-_PAIRS_FOR_CHANCE // n_items))
    rng = np.random.default_rng(0)
    shifts = np.concatenate([1 + rng.permutation(n_items - 1)[:n_others] for _ in range(n_items)])
    drawn = np.arange(n_items).repeat(n_others)
    return (drawn + shifts) % n_items, drawn


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else np.nan


def _pixel_values(protocol: str, truth: Pictures, drawn: Pictures) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {metric: [np.empty(0)] for metric in PIXEL_METRICS}
    for start in range(0, len(truth), _PICTURES_AT_A_TIME):
        rows = slice(start, start + _PICTURES_AT_A_TIME)
        pair = pixels(truth[rows], protocol), pixels(drawn[rows], protocol)
        for metric, compute in PIXEL_METRICS.items():
            parts[metric].append(compute(*pair))
    return {metric: np.concatenate(values) for metric, values in parts.items()}


def compare_features(
    truth: dict[str, np.ndarray], drawn: dict[str, np.ndarray]
) -> dict[str, Comparison]:
    """Compare features by two-way identification, or by correlation distance.

    Parameters
    ----------
    truth, drawn
        Features by metric, shape (n_items, n_features): `two_way_identification_…` (share, higher
        is better) or `correlation_distance_…` (lower is better).
    """
    return {metric: _compare_features(metric, truth[metric], drawn[metric]) for metric in truth}


def _compare_features(metric: str, truth: np.ndarray, drawn: np.ndarray) -> Comparison:
    if metric.startswith("two_way_identification"):
        return Comparison(two_way_identification(truth, drawn), 0.5)
    distance = 1 - correlations(truth, drawn)
    return Comparison(np.diag(distance), _mean(distance[~np.eye(len(distance), dtype=bool)]))


def compare_labels(truth: np.ndarray, drawn: np.ndarray) -> Comparison:
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
    probes: Mapping[str, Callable[[np.ndarray], np.ndarray]],
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

    def compare(truth: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Comparison]:
        same = {metric: compare_labels(truth[metric], drawn[metric]) for metric in agreements}
        features = truth[identification], drawn[identification]
        return {identification: _compare_features(identification, *features), **same}

    return View(target, (identification, *agreements), represent, compare)
