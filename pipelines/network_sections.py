"""From the sections of network encoders to fitted networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from calcarine.encoders.encoding_trials import EncodingTrials, FittedEncoder
from calcarine.encoders.networks.layer_ensemble import LayerEnsemble
from calcarine.encoders.networks.network_encoder import NetworkEncoder
from calcarine.encoders.networks.roi_query import RoiQueryShape
from calcarine.encoders.networks.token_network import PixelShape, ReadOutShape
from calcarine.encoders.training import TrainingPlan
from calcarine.pipelines.config_networks import (
    ReadOutEncoderSection,
    ResponseOptimisedEncoderSection,
    RoiQueryEncoderSection,
    TrainedEncoderSection,
)


def fit_roi_query(
    section: RoiQueryEncoderSection,
    embeddings: Sequence[dict[str, Any]],
    units: pd.DataFrame,
    trials: EncodingTrials,
    seed: int,
    checkpoint: Path,
) -> FittedEncoder:
    """Fit one transformer, or one an embedding and their mixture."""
    shape = RoiQueryShape(section.n_heads, section.head_dim, section.ff_dim, section.dropout)
    members = [
        NetworkEncoder(
            "roi-query",
            shape,
            sidecar,
            units,
            plan_of(section, seed),
            section.queries,
            section.n_parcels,
            checkpoint / name,
        )
        for name, sidecar in zip(section.reads, embeddings, strict=True)
    ]
    if len(members) == 1:
        return members[0].fit(trials)
    return LayerEnsemble(members, trials.sizes, section.sharpness).fit(trials)


def fit_read_out(
    section: ReadOutEncoderSection,
    embeddings: Sequence[dict[str, Any]],
    units: pd.DataFrame,
    trials: EncodingTrials,
    seed: int,
    checkpoint: Path,
) -> FittedEncoder:
    """Fit a read-out on tokens."""
    shape = ReadOutShape(section.read_out, section.dropout)
    plan = plan_of(section, seed)
    encoder = NetworkEncoder("read-out", shape, embeddings[0], units, plan, checkpoint=checkpoint)
    return encoder.fit(trials)


def fit_response_optimised(
    section: ResponseOptimisedEncoderSection,
    embeddings: Sequence[dict[str, Any]],
    units: pd.DataFrame,
    trials: EncodingTrials,
    seed: int,
    checkpoint: Path,
) -> FittedEncoder:
    """Fit a small network from pixels."""
    shape = PixelShape(section.width, section.read_out, section.dropout)
    plan = plan_of(section, seed)
    encoder = NetworkEncoder("pixels", shape, embeddings[0], units, plan, checkpoint=checkpoint)
    return encoder.fit(trials)


def plan_of(section: TrainedEncoderSection, seed: int) -> TrainingPlan:
    """Take the plan of training from a section."""
    return TrainingPlan(
        section.n_epochs,
        section.batch_size,
        section.learning_rate,
        section.weight_decay,
        section.patience,
        seed,
    )
