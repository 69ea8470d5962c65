"""From an encoder's section of the configuration to the fitted encoder."""

from collections.abc import Callable
from typing import Any

import numpy as np

from calcarine.encoders.banded_encoder import BandedEncoder
from calcarine.encoders.encoding_trials import EncodingTask, EncodingTrials, FittedEncoder
from calcarine.encoders.joint_encoder import JointEncoder
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.ridge.folds import Folds, purged_folds
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.config_models import (
    BandedEncoderSection,
    DelayedEncoderSection,
    JointEncoderSection,
    RidgeEncoderSection,
)
from calcarine.pipelines.config_models import Encoder as EncoderSection

_STRETCHES = 5


def _ridge(section: RidgeEncoderSection, task: EncodingTask) -> FittedEncoder:
    trials = task.trials
    groups = trials.stimuli if section.averages_repeats else trials.groups
    n_folds = _inner_folds(section.n_folds, groups)
    encoder = VoxelEncoder(task.embeddings[0], task.units, n_folds, section.method, section.search)
    stretches = _stretches(section, section.n_folds, trials)
    return encoder.fit(trials.features, trials.responses, groups, trials.sessions, stretches)


def _banded(section: BandedEncoderSection, task: EncodingTask) -> FittedEncoder:
    trials = task.trials
    n_folds = _inner_folds(section.n_folds, trials.groups)
    settings = BandedSettings(
        n_candidates=section.n_candidates,
        n_refinements=section.n_refinements,
        max_axes=section.max_axes,
        seed=task.seed,
    )
    names = (*section.reads, *section.trial_bands)
    bands = list(zip(names, trials.sizes, strict=True))
    encoder = BandedEncoder(bands, task.embeddings, task.units, n_folds, settings)
    stretches = _stretches(section, section.n_folds, trials)
    return encoder.fit(trials.features, trials.responses, trials.groups, trials.sessions, stretches)


def _joint(section: JointEncoderSection, task: EncodingTask) -> FittedEncoder:
    trials = task.trials
    n_folds = _inner_folds(section.n_folds, trials.groups)
    settings = BandedSettings(
        n_candidates=section.n_candidates, n_refinements=section.n_refinements, seed=task.seed
    )
    bands = list(zip(section.reads, trials.sizes, strict=True))
    n_axes = section.n_axes, section.n_content_axes, section.n_caption_axes
    encoder = JointEncoder(
        bands, task.embeddings, task.units, n_axes, n_folds, settings, section.products
    )
    return encoder.fit(trials.features, trials.responses, trials.groups, trials.sessions)


def _stretches(
    section: DelayedEncoderSection, n_folds: int | None, trials: EncodingTrials
) -> Folds | None:
    """Hold out stretches of a film, beyond the reach of delays and of the noise's memory."""
    if trials.onsets_s is None:
        return None
    delays = section.at_delays_s
    gap = section.gap_s + max(0.0, *delays) - min(0.0, *delays)
    n_samples = len(trials.onsets_s)
    return purged_folds(n_samples, n_folds or _STRETCHES, gap, trials.onsets_s, trials.runs)


def _inner_folds(n_folds: int | None, groups: np.ndarray) -> int | None:
    """Take no more folds than there are groups to keep together."""
    return None if n_folds is None else min(n_folds, len(np.unique(groups)))


def _network(fitter: str) -> Callable[[Any, EncodingTask], FittedEncoder]:
    """Put the import of torch, which takes seconds, off until a network is fitted."""

    def fit(section: Any, task: EncodingTask) -> FittedEncoder:
        from calcarine.pipelines import network_sections

        found: FittedEncoder = getattr(network_sections, fitter)(section, task)
        return found

    return fit


FITTERS: dict[str, Callable[[Any, EncodingTask], FittedEncoder]] = {
    "ridge": _ridge,
    "banded": _banded,
    "joint": _joint,
    "roi-query": _network("fit_roi_query"),
    "read-out": _network("fit_read_out"),
    "response-optimised": _network("fit_response_optimised"),
}


def fit_encoder(section: EncoderSection, task: EncodingTask) -> FittedEncoder:
    """Make the encoder that a section of `encode` describes and fit it."""
    return FITTERS[section.kind](section, task)
