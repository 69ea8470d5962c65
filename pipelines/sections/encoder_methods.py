"""Sentences of the methods on encoders, composed from their sections."""

from collections.abc import Callable

from calcarine.pipelines.config_models import (
    BandedEncoderSection,
    DelayedEncoderSection,
    JointEncoderSection,
    RidgeEncoderSection,
)
from calcarine.pipelines.config_networks import (
    ReadOutEncoderSection,
    ResponseOptimisedEncoderSection,
    RoiQueryEncoderSection,
)


def _ridge_encoder(section: RidgeEncoderSection) -> str:
    folds = section.n_folds
    search = {
        "kfold": f"exact cross-validation in {folds} folds" if folds else "leaving one group out",
        "gcv": "generalised cross-validation",
    }[section.method]
    return (
        f"ridge regression [ridge] from {section.embedding}, a penalty for each unit chosen by "
        f"{search} among training trials grouped by what the split keeps apart"
        f"{_delays(section)}"
    )


def _delays(section: DelayedEncoderSection) -> str:
    if not section.delays_s:
        return ""
    delays = ", ".join(f"{delay:g}" for delay in section.delays_s)
    return (
        f"; what was shown {delays} s before a sample has weights of its own (finite impulse "
        "response [fir]), and what is held out to choose a penalty are stretches of runs, with a "
        f"gap of {section.gap_s:g} s beyond what delays reach"
    )


def _banded_encoder(section: BandedEncoderSection) -> str:
    n_fixed = len(section.reads) + 1
    return (
        f"banded ridge regression [banded] from {', '.join(section.reads)}, where each unit shares "
        f"its penalty out over the embeddings: {n_fixed} fixed and {section.n_candidates} random "
        f"divisions, then {section.n_refinements} rounds of steps along the gradient, all judged "
        "by exact cross-validation among training trials; scores are split over the embeddings by "
        "the product measure, whose parts add up"
    ) + _trial_bands(section)


def _trial_bands(section: BandedEncoderSection) -> str:
    told = []
    if section.history:
        told.append(f"the {section.history} stimuli before the trial")
    if section.behaviour:
        told.append(f"behaviour ({', '.join(section.behaviour)})")
    further = f"; further bands: {' and '.join(told)}" if told else ""
    return further + _delays(section)


def _joint_encoder(section: JointEncoderSection) -> str:
    return (
        f"banded ridge regression [banded] from {section.picture}, {section.caption}, products "
        f"within {section.n_axes} principal axes of the former and within up to "
        f"{section.n_content_axes} axes of the latter that the former tells"
        + _across(section)
        + ", all found in training trials"
    )


def _across(section: JointEncoderSection) -> str:
    if not section.products:
        return ""
    return f", and products of the former with {section.n_caption_axes} axes of what is not told"


def _roi_query_encoder(section: RoiQueryEncoderSection) -> str:
    owner = {
        "roi": "region and hemisphere",
        "parcel": f"one of {section.n_parcels} clusters of responses",
        "unit": "unit",
    }[section.queries]
    mixed = (
        "; each unit mixes the networks by a softmax over models of their validation r"
        if len(section.reads) > 1
        else ""
    )
    return (
        f"cross-attention [roi-query] from a learned query for each {owner} to the tokens of "
        f"{', '.join(section.reads)}, trained by squared error and stopped on validation trials, "
        f"its linear heads refitted by ridge regression [ridge]{mixed}"
    )


def _read_out_encoder(section: ReadOutEncoderSection) -> str:
    return f"{_READ_OUTS[section.read_out]} on the tokens of {section.embedding}{_TRAINED}"


def _response_optimised_encoder(section: ResponseOptimisedEncoderSection) -> str:
    return (
        f"a convolutional network from pixels ({section.embedding}) [response-optimised] with "
        f"{_READ_OUTS[section.read_out]}{_TRAINED}"
    )


_TRAINED = ", trained by squared error and stopped on validation trials"
_READ_OUTS = {
    "linear": "a linear read-out",
    "factorised": "a read-out that weighs place times channel [factorised]",
    "gaussian": "a read-out with a Gaussian receptive field for each unit [fwrf]",
    "spatial-transformer": "a read-out whose receptive fields move with what is shown "
    "[spatial-transformer]",
}

ENCODERS: dict[str, Callable[..., str]] = {
    "ridge": _ridge_encoder,
    "banded": _banded_encoder,
    "joint": _joint_encoder,
    "roi-query": _roi_query_encoder,
    "read-out": _read_out_encoder,
    "response-optimised": _response_optimised_encoder,
}
"""What methods say of an encoder, by its kind."""
