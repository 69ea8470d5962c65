"""From the sections of network encoders to fitted networks."""

from calcarine.encoders.encoding_trials import EncodingTask, FittedEncoder
from calcarine.encoders.networks.layer_ensemble import LayerEnsemble
from calcarine.encoders.networks.network_encoder import NetworkEncoder
from calcarine.encoders.networks.roi_query import RoiQueryShape
from calcarine.encoders.networks.token_network import PixelShape, ReadOutShape
from calcarine.encoders.training import TrainingPlan
from calcarine.pipelines.config_networks import (
    ReadOutEncoderSection,
    ResponseOptimisedEncoderSection,
    RoiQueryEncoderSection,
)
from calcarine.pipelines.training_plans import training_plan


def fit_roi_query(section: RoiQueryEncoderSection, task: EncodingTask) -> FittedEncoder:
    """Fit one transformer, or one an embedding and their mixture."""
    shape = RoiQueryShape(section.n_heads, section.head_dim, section.ff_dim, section.dropout)
    members = [
        NetworkEncoder(
            "roi-query",
            shape,
            sidecar,
            task.units,
            training_plan(section, task.seed),
            section.queries,
            section.n_parcels,
            task.checkpoint / name,
        )
        for name, sidecar in zip(section.reads, task.embeddings, strict=True)
    ]
    if len(members) == 1:
        return members[0].fit(task.trials)
    return LayerEnsemble(members, task.trials.sizes, section.sharpness).fit(task.trials)


def fit_read_out(section: ReadOutEncoderSection, task: EncodingTask) -> FittedEncoder:
    """Fit a read-out on tokens."""
    shape = ReadOutShape(section.read_out, section.dropout)
    return _one_network("read-out", shape, training_plan(section, task.seed), task)


def fit_response_optimised(
    section: ResponseOptimisedEncoderSection, task: EncodingTask
) -> FittedEncoder:
    """Fit a small network from pixels."""
    shape = PixelShape(section.width, section.read_out, section.dropout)
    return _one_network("pixels", shape, training_plan(section, task.seed), task)


def _one_network(
    architecture: str, shape: ReadOutShape | PixelShape, plan: TrainingPlan, task: EncodingTask
) -> FittedEncoder:
    encoder = NetworkEncoder(
        architecture, shape, task.embeddings[0], task.units, plan, checkpoint=task.checkpoint
    )
    return encoder.fit(task.trials)
