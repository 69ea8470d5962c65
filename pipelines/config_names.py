"""Every name in one section of a configuration that another section has to have."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calcarine.pipelines.config import Config

Named = Iterator[tuple[str, str | None]]
"""The key, and the name that stands there; None where an optional one was left out."""


def check_names(config: "Config") -> None:
    """Refuse a name that the section it belongs to does not have.

    Raises
    ------
    ValueError
        With the key, the name and what the section has.
    """
    for key, name in _embeddings(config):
        _find(key, name, list(config.embeddings), "embeddings")
    for key, name in _decoders(config):
        _find(key, name, list(config.decode), "decode")
    for key, name in _encoders(config):
        _find(key, name, list(config.encode), "encode")


def _find(key: str, name: str | None, known: list[str], section: str) -> None:
    if name is not None and name not in known:
        raise ValueError(f"{key} names {name!r}; the section `{section}` has {known}")


def _embeddings(config: "Config") -> Named:
    for n, encoder in config.encode.items():
        yield from ((f"encode.{n}", name) for name in encoder.reads)
    for n, decoder in config.decode.items():
        yield f"decode.{n}.target", decoder.target
    for n, few in config.few_pictures.items():
        yield f"few_pictures.{n}.embedding", few.embedding
    for n, over_time in config.over_time.items():
        yield f"over_time.{n}.target", over_time.target
    for n, geometry in config.geometry.items():
        yield from ((f"geometry.{n}.embeddings", name) for name in geometry.embeddings)
    for n, pictures in config.reconstruct.items():
        yield f"reconstruct.{n}.judge", pictures.judge
    for n, caption in config.caption.items():
        yield f"caption.{n}.texts", caption.texts
        yield f"caption.{n}.picture_judge", caption.picture_judge


def _decoders(config: "Config") -> Named:
    for n, pictures in config.reconstruct.items():
        yield f"reconstruct.{n}.semantic", pictures.semantic
        yield f"reconstruct.{n}.low_level", pictures.low_level
    for n, caption in config.caption.items():
        yield f"caption.{n}.trials", caption.trials
        yield f"caption.{n}.nearest", caption.nearest


def _encoders(config: "Config") -> Named:
    for n, integration in config.integration.items():
        yield f"integration.{n}.joint", integration.joint
        yield from ((f"integration.{n}.rivals", name) for name in integration.rivals)
    for n, comparison in config.comparisons.items():
        yield f"comparisons.{n}.model", comparison.model
        yield from ((f"comparisons.{n}.baselines", name) for name in comparison.baselines)
    for n, caption in config.caption.items():
        yield f"caption.{n}.encoder", caption.encoder
