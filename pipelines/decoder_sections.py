"""From a decoder's section of the configuration to the decoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss
from calcarine.decoders.contrastive_network import shape_of
from calcarine.decoders.decoding_trials import Decoder
from calcarine.decoders.direction_ridge import DirectionRidge
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.meeg.riemann import RiemannDecoder, XdawnDecoder
from calcarine.decoders.residual_mlp import ResidualMlpShape
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.decoders.svm import SvmDecoder
from calcarine.decoders.unit_weights import WeightedUnits
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.config_models import ContrastiveDecoderSection, RidgeDecoderSection
from calcarine.pipelines.config_sensors import (
    RiemannDecoderSection,
    SensorContrastiveSection,
    XdawnDecoderSection,
)
from calcarine.pipelines.training_plans import training_plan


def _ridge(section: RidgeDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    plain = RidgeDecoder(section.n_folds, int(section.max_working_gb * 2**30))
    return _weighted(section, plain)


def _weighted(section: RidgeDecoderSection | ContrastiveDecoderSection, plain: Decoder) -> Decoder:
    return WeightedUnits(plain) if section.weigh_units else plain


def _contrastive(section: ContrastiveDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    shape = ResidualMlpShape(
        section.hidden_dim,
        section.n_blocks,
        section.dropout,
        section.subject_dropout,
        section.voxel_dropout,
    )
    loss = ContrastiveLoss("soft-clip", section.mixco_share, 1.0, section.mse_weight)
    decoder = ContrastiveDecoder(shape, training_plan(section, seed), loss, checkpoint)
    return _weighted(section, decoder)


def _sensor_contrastive(section: SensorContrastiveSection, seed: int, checkpoint: Path) -> Decoder:
    network = section.network.model_dump()
    shape = shape_of(network.pop("kind"), network)
    weight = section.clip_weight
    loss = ContrastiveLoss(section.contrast, section.mixco_share, weight, 1 - weight)
    return ContrastiveDecoder(shape, training_plan(section, seed), loss, checkpoint)


def _riemann(section: RiemannDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    return RiemannDecoder(section.covariance, section.n_components, section.n_folds)


def _xdawn(section: XdawnDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    return XdawnDecoder(section.n_filters, section.n_components, section.n_folds)


MAKERS: dict[str, Callable[[Any, int, Path], Decoder]] = {
    "ridge": _ridge,
    "direction-ridge": lambda section, seed, checkpoint: DirectionRidge(section.n_folds),
    "lda": lambda section, seed, checkpoint: LdaDecoder(),
    "svm": lambda section, seed, checkpoint: SvmDecoder(),
    "contrastive": _contrastive,
    "sensor-contrastive": _sensor_contrastive,
    "riemann": _riemann,
    "xdawn": _xdawn,
}


def make_decoder(section: DecoderSection, seed: int, checkpoint: Path) -> Decoder:
    """Make the decoder that a section describes, not fitted yet.

    Parameters
    ----------
    section
        One of the section `decode`.
    seed
        Seed of what is random in it.
    checkpoint
        Folder from which an interrupted training goes on.
    """
    return MAKERS[section.kind](section, seed, checkpoint)
