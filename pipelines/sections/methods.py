"""Methods as a paper would state them, composed from the configuration."""

import re
from collections.abc import Callable
from typing import Any

from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import BlockResponses, FmriRecording, GlmResponses
from calcarine.pipelines.config_geometry import DissimilarityRecording, GeometrySection
from calcarine.pipelines.page import Block, References, Section, Text
from calcarine.pipelines.sections.citations import CITATIONS
from calcarine.pipelines.sections.decoder_methods import decoder_text, over_time_text
from calcarine.pipelines.sections.encoder_methods import ENCODERS
from calcarine.pipelines.sections.encoding import on_template
from calcarine.pipelines.sections.origins import ORIGINS
from calcarine.pipelines.sections.sensor_methods import scaling_text, sensor_responses
from calcarine.pipelines.subject_record import SubjectRecord


def methods(record: SubjectRecord) -> Section:
    """Write the methods and list what they cite."""
    config = record.config
    drafts = [
        _data(config),
        _responses(config),
        scaling_text(config.scaling),
        _split(config),
        _ceilings(record),
        _encoding(config),
        _decoding(config),
        _over_time(config),
        _reconstruction(config),
        _geometry(config),
        _statistics(record),
    ]
    paragraphs = [text for text in drafts if text]
    blocks: list[Block] = [Text(_with_names(text)) for text in paragraphs]
    blocks.append(References(_cited(paragraphs)))
    return Section("methods", "Methods", blocks)


def _keys(text: str) -> list[str]:
    return re.findall(r"\[(\w[\w-]*)\]", text)


def _with_names(text: str) -> str:
    """Replace `[key]` by the work's short name in brackets."""
    return re.sub(r"\[(\w[\w-]*)\]", lambda found: f"({CITATIONS[found.group(1)][0]})", text)


def _cited(paragraphs: list[str]) -> list[tuple[str, str]]:
    keys = {key for text in paragraphs for key in _keys(text)}
    return sorted(CITATIONS[key][1:] for key in keys)


def _data(config: Config) -> str:
    return (
        f"{ORIGINS[config.source.kind]} Data are organised by BIDS [bids]; the analysis ran as a "
        "Snakemake workflow [snakemake]."
    )


def _responses(config: Config) -> str:
    return RESPONSES[config.recording.modality](config.recording)


def _recorded_dissimilarities(recording: DissimilarityRecording) -> str:
    return (
        "The recording consists of dissimilarities between the response patterns of every two "
        "stimuli, one matrix a session, as they were published."
    )


def _fmri_responses(recording: FmriRecording) -> str:
    section, confounds = recording.responses, recording.confounds
    if isinstance(section, BlockResponses):
        return _block_responses(section)
    return _glm_responses(section) + (
        f" Nuisance regressors: {', '.join(confounds)}." if confounds else ""
    )


def _glm_responses(section: GlmResponses) -> str:
    method = {
        "lss": "one general linear model a trial, with that trial and all others as separate "
        "regressors (least squares, separate) [mumford]",
        "lsa": "one general linear model a run with a regressor a trial (least squares, all) "
        "[mumford]",
    }[section.method]
    hrf = {
        "library": "The haemodynamic response of each voxel was chosen from a library by the "
        "variance explained in training trials [hrf].",
        "glover": "The canonical haemodynamic response of Glover was used.",
        "spm": "The canonical haemodynamic response of SPM was used.",
    }[section.hrf]
    return (
        f"Single-trial responses are betas in percent signal change from {method}, with "
        f"{section.drift} drift terms (cut-off {section.high_pass_hz:g} Hz) and "
        f"{section.noise_model} noise. {hrf}"
    )


def _block_responses(section: BlockResponses) -> str:
    scale = {
        "rest": "z-scored by the rest volumes of the run",
        "run": "z-scored by all volumes of the run",
        "none": "left in their own unit",
    }[section.standardize]
    unit = "the average of each block's volumes" if section.average else "single volumes"
    trend = " after a linear trend was removed from each run" if section.detrend else ""
    return (
        f"Responses are {unit}{trend}, {scale}; the window begins {section.shift_s:g} s after a "
        "block's onset."
    )


RESPONSES: dict[str, Callable[[Any], str]] = {
    "fmri": _fmri_responses,
    "eeg": sensor_responses,
    "meg": sensor_responses,
    "betas": lambda recording: (
        "Single-trial responses (betas) were used as their publisher estimated them."
    ),
    "epochs": lambda recording: "Epochs were used as their publisher made them.",
    "dissimilarities": _recorded_dissimilarities,
}


def _split(config: Config) -> str:
    split = config.split
    if split.scheme == "none":
        return "Nothing was fitted to the responses, so that no trials were held out."
    how = {
        "holdout": "One set of test trials was held out, "
        + ("as the events declare" if split.by == "declared" else f"chosen by {split.by}"),
        "leave-one-out": f"Each {split.unit} was left out in turn",
    }[split.scheme]
    return (
        f"{how}. Checked never to stand on both sides: {', '.join(split.disjoint) or 'nothing'}. "
        "Everything fitted (z-scores, penalties, weights) was fitted on training trials alone; "
        "choices were made on validation trials; test trials were only predicted."
    )


def _ceilings(record: SubjectRecord) -> str:
    statement = record.responses.sidecar.get("noise_ceiling") or {}
    if not any(name.startswith("noise_ceiling") for name in record.units):
        return ""
    repeats = statement.get("n_repeats")
    averaged = f" for {repeats:g} averaged repeats" if isinstance(repeats, int | float) else ""
    return (
        "Noise ceilings come from the variance between repeats of the same stimulus (noise "
        f"ceiling signal-to-noise ratio) [allen] and are given as correlations{averaged}."
    )


def _encoding(config: Config) -> str:
    if not config.encode:
        return ""
    told = [f"{name}: {ENCODERS[of.kind](of)}" for name, of in config.encode.items()]
    read = dict.fromkeys(name for section in config.encode.values() for name in section.reads)
    models = "; ".join(f"{name} ({config.embeddings[name].model})" for name in read)
    return (
        "Encoders [encoding] predict each response from embeddings of the stimulus. "
        f"{'; '.join(told)}. Embeddings: {models}. Ratios to a ceiling below "
        f"{config.evaluate.ceiling_floor:g} are not given."
    )


def _decoding(config: Config) -> str:
    if not config.decode:
        return ""
    models = "; ".join(decoder_text(name, decoder) for name, decoder in config.decode.items())
    return (
        f"Decoders predict an embedding of the stimulus from the responses. {models}. Retrieval "
        "ranks the test stimuli by cosine similarity; ties are averaged, nothing is matched "
        "jointly over items."
    )


def _over_time(config: Config) -> str:
    if not config.over_time:
        return ""
    told = "; ".join(over_time_text(name, o) for name, o in config.over_time.items())
    return (
        f"Decoding over time: {told}. A window holds the mean of its samples and never crosses "
        "stimulus onset."
    )


def _reconstruction(config: Config) -> str:
    if not config.reconstruct:
        return ""
    parts = [
        f"{name}: pictures drawn by {r.generator} in {r.n_steps} steps from the prediction of "
        f"{r.semantic}" + (f", begun from the latents of {r.low_level}" if r.low_level else "")
        for name, r in config.reconstruct.items()
    ]
    presets = {p for r in config.reconstruct.values() for p in r.presets}
    named = "".join(f" [{p}]" for p in ("mindeye", "brain-diffuser") if p in presets)
    return (
        "Reconstructions come from a latent diffusion model [latent] conditioned on an image "
        f"embedding [unclip]. {'; '.join(parts)}. One picture was drawn for each item and none "
        "was picked. Scores: pixel correlation, structural similarity [ssim], and two-way "
        f"identification in the space of a network that took no part{named}."
    )


def _geometry(config: Config) -> str:
    if not config.geometry:
        return ""
    told = "; ".join(f"{name}: {_one_geometry(g)}" for name, g in config.geometry.items())
    return (
        "Representational geometry [rsa] compares the dissimilarities of every two stimuli in the "
        f"responses with those in a model. {told}. Noise ceilings say how well the RDMs of other "
        "subjects match (lower), and the pooled RDM of all (upper) [nili]; within a subject they "
        "come from two halves of the recording. Intervals draw stimuli (over subjects: subjects "
        "and stimuli) with replacement; controls permute the stimuli of the model."
    )


def _one_geometry(section: GeometrySection) -> str:
    distance = {
        "crossnobis": "cross-validated Mahalanobis distances over runs [crossnobis], noise "
        "covariance shrunk [ledoit]",
        "recorded": "dissimilarities as recorded",
    }.get(section.distance, f"{section.distance} distances of mean patterns")
    topology = section.topology
    again = (
        f", and once more with distances below the {topology.lower:g} quantile as 0 and above the "
        f"{topology.upper:g} quantile as 1 [topology]"
        if topology is not None
        else ""
    )
    return (
        f"{distance}, against {section.embedding_distance} distances of embeddings, compared by "
        f"{section.comparison}{again}"
    )


def _statistics(record: SubjectRecord) -> str:
    drawn = (
        "drawn on the inflated fsaverage surface [fsaverage]"
        if on_template(record)
        else "drawn slice by slice in native space"
    )
    return (
        f"Intervals are 95 % percentile intervals of {record.config.evaluate.n_bootstrap:,} "
        "bootstrap samples over items [bootstrap]; they speak of other items, not of other "
        f"people. Maps are {drawn}."
    )
