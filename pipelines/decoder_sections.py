"""From a decoder's section of the configuration to the decoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calcarine.decoders.contrastive import ContrastiveDecoder
from calcarine.decoders.contrastive_loss import ContrastiveLoss
from calcarine.decoders.decoding_trials import Decoder
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.residual_mlp import ResidualMlpShape
from calcarine.decoders.ridge_decoder import RidgeDecoder
from calcarine.decoders.svm import SvmDecoder
from calcarine.decoders.training import TrainingPlan
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.config_models import ContrastiveDecoderSection, RidgeDecoderSection


def _ridge(section: RidgeDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    return RidgeDecoder(section.n_folds)


def _contrastive(section: ContrastiveDecoderSection, seed: int, checkpoint: Path) -> Decoder:
    shape = ResidualMlpShape(
        section.hidden_dim,
        section.n_blocks,
        section.dropout,
        section.subject_dropout,
        section.voxel_dropout,
    )
    plan = TrainingPlan(
        section.n_epochs,
        section.batch_size,
        section.learning_rate,
        section.weight_decay,
        section.patience,
        seed,
    )
    loss = ContrastiveLoss("soft-clip", section.mixco_share, 1.0, section.mse_weight)
    return ContrastiveDecoder(shape, plan, loss, checkpoint)


MAKERS: dict[str, Callable[[Any, int, Path], Decoder]] = {
    "ridge": _ridge,
    "lda": lambda section, seed, checkpoint: LdaDecoder(),
    "svm": lambda section, seed, checkpoint: SvmDecoder(),
    "contrastive": _contrastive,
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
