"""Section `caption`: what units respond to, in words and pictures, and captions of trials."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from calcarine.pipelines.config_base import Name, Section


class SynthesiseSection(Section):
    """Pictures that drive a region, by gradient guidance of a diffusion model (BrainDiVE)."""

    generator: str = Field(
        "calcarine:phantom-unclip",
        description="Diffusion model: calcarine:phantom-unclip, local-dir:PATH (stable-unCLIP or "
        "Stable Diffusion), hf-hub:…",
    )
    n_pictures: int = Field(4, ge=1, description="Pictures of each region and objective")
    n_steps: int = Field(20, ge=1, description="Denoising steps")
    condition: Literal["projection", "none"] = Field(
        "projection",
        description="What the denoiser begins with: the projection of the encoder's weights among "
        "natural pictures (a model that knows image embeddings), or nothing, as published",
    )
    scale: float = Field(
        20.0, ge=0, description="Guidance, in units of the encoder's output spread; 0 is off"
    )
    contrasts: bool | Literal["pairs"] = Field(
        True,
        description="Regions against their neighbours, too: each (true), none, or those of `pairs`",
    )


class CaptionSection(Section):
    """Captions of one encoder's units, and of trials."""

    encoder: Name = Field(description="Ridge encoder whose weights are captioned")
    texts: Name | None = Field(
        None, description="Embedding of the stimuli's captions by the encoder's embedding model"
    )
    bank: Path | None = Field(
        None, description="Bank (`calcarine bank build`); without it the training stimuli"
    )
    captioner: str | None = Field(
        None,
        description="Image-to-text model (local-dir:PATH) for pictures that have no captions",
    )
    n_top: int = Field(32, ge=4, description="Pictures that speak for a unit")
    temperature: float = Field(1 / 150, gt=0, description="τ of the softmax over the bank")
    penalty: float = Field(0.5, ge=0, le=1, description="λ of log p(d|unit) − λ log p(d)")
    borne_out: float | None = Field(
        0.05,
        gt=0,
        lt=1,
        description="Level at which responses of training trials must bear out a caption's words; "
        "null leaves words to the preferred pictures and `penalty`",
    )
    min_effect: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Semipartial correlation that a further word needs, as a share of the first's",
    )
    max_keywords: int = Field(6, ge=1, description="Keywords of a caption at most")
    min_units: int = Field(5, ge=1, description="Units of a region at least")
    pairs: list[tuple[str, str]] = Field(
        [], description="Regions set against each other, beside each one against its nearest"
    )
    clusters: Path | None = Field(
        None, description="Table of sensors, `channel cluster`; without it quarters of the head"
    )
    resample: Literal["session", "run"] = Field(
        "session", description="What is resampled to see how stable captions are"
    )
    n_resamples: int = Field(20, ge=2, description="How often it is resampled")
    text_judge: str = Field(
        "lexical", description="Judge of sentences: `lexical` or `local-dir:PATH`"
    )
    picture_judge: Name | None = Field(
        None, description="Embedding whose model judges synthesised pictures"
    )
    language_model: Path | None = Field(
        None, description="Folder of a language model that proposes keywords and composes"
    )
    min_reliability: float = Field(0.5, ge=0, le=1, description="Agreement that a finding needs")
    max_q: float = Field(0.05, gt=0, le=1, description="False discovery rate of findings")
    n_permutations: int = Field(2000, ge=99, description="Permutations of the null")
    trials: Name | None = Field(
        None, description="Decoder to the encoder's embedding, whose predictions become sentences"
    )
    prefix_decoder: str = Field(
        "calcarine:phantom-prefix", description="Embedding to sentence: shipped, or local-dir:PATH"
    )
    nearest: Name | None = Field(
        None, description="Decoder to `texts`, for the nearest captions of training stimuli"
    )
    n_relevance: int = Field(
        3, ge=0, description="Pictures of each region in which it is mapped where it looks"
    )
    n_parcels: int = Field(
        8, ge=0, description="Parcels to begin a functional parcellation with; 0 is none"
    )
    synthesise: SynthesiseSection | None = None
