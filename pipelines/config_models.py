"""Sections on the models: embeddings, encoders, decoders, generators, scores."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from calcarine.pipelines.config_base import DecoderSection, EncoderSection, Name, Section
from calcarine.pipelines.config_networks import NetworkEncoderSection
from calcarine.pipelines.config_sensors import SensorDecoder

# --- embeddings -----------------------------------------------------------------------------


class EmbeddingSection(Section):
    """One embedding of the stimuli."""

    model: str = Field(
        description="Name of the model, e.g. open_clip:ViT-L-14/openai, timm:vit_small_patch14_"
        "dinov2.lvd142m, calcarine:phantom-clip, local-dir:PATH, hf-hub:ORG/NAME, "
        "mobilenet:FILE.npz, diffusers-vae:NAME, pixels:SIZE; `concept-codes` and "
        "`column-codes` (of concepts) and `word-counts` (of captions) need no model; given:PATH "
        "reads what was computed elsewhere"
    )
    rows: Path | None = Field(
        None,
        description="For `given:FILE.npy`: table that names the stimulus of each row, by its "
        "column `stimulus_id` or `file`",
    )
    input: Literal["pictures", "captions", "concepts"] = Field(
        "pictures", description="What is embedded"
    )
    layer: str | None = Field(None, description="Intermediate layer; without it the output")
    pooling: Literal["pooled", "tokens", "mean"] = Field(
        "pooled", description="Model's own pooling, all tokens, or their mean"
    )
    column: str = Field(
        "concept", description="For `input: concepts`: the column of stimuli.tsv that is coded"
    )
    columns: tuple[str, ...] = Field(
        (), description="For the model `column-codes`: the columns of stimuli.tsv that are coded"
    )
    batch_size: int = Field(64, ge=1, description="Pictures at a time")


class DelayedEncoderSection(EncoderSection):
    """What encoders have that can follow a film."""

    delays_s: tuple[float, ...] = Field(
        (),
        description="For films: delays in seconds at which what was shown is taken, each with "
        "weights of its own (a finite impulse response), e.g. [2, 4, 6, 8]",
    )
    gap_s: float = Field(
        10.0,
        ge=0,
        description="With delays: seconds beside a held-out stretch, beyond what delays reach, "
        "that are left out of the search; it should span the autocorrelation of the noise",
    )

    @property
    def at_delays_s(self) -> tuple[float, ...]:
        """Delays in seconds."""
        return self.delays_s

    @model_validator(mode="after")
    def _delays_grow(self) -> Self:
        if list(self.delays_s) != sorted(set(self.delays_s)):
            raise ValueError(f"delays_s {list(self.delays_s)} must grow, each given once")
        return self


class RidgeEncoderSection(DelayedEncoderSection):
    """Ridge with an α for each unit."""

    kind: Literal["ridge"] = "ridge"
    embedding: Name = Field(description="Embedding to encode from")
    method: Literal["kfold", "gcv"] = Field("kfold", description="How α is chosen")
    search: Literal["grid", "bracket", "continuous"] = Field(
        "grid",
        description="Every α of the grid; a few around the best by gcv; or between the grid's",
    )
    n_folds: int | None = Field(
        5, ge=2, description="Folds of the α search; null: leave one group out"
    )

    @property
    def reads(self) -> tuple[Name, ...]:
        """The one embedding."""
        return (self.embedding,)

    @property
    def averages_repeats(self) -> bool:
        """Generalised cross-validation has no folds that could keep repeats together."""
        return self.method == "gcv"

    @model_validator(mode="after")
    def _no_gcv_of_films(self) -> Self:
        if self.method == "gcv" and self.delays_s:
            raise ValueError(
                "gcv takes samples for independent, which those of a film are not; write "
                "`method: kfold`, which holds out stretches with a gap"
            )
        return self


class BandedEncoderSection(DelayedEncoderSection):
    """Ridge on several embeddings, each with a share of its own in every unit."""

    kind: Literal["banded"] = "banded"
    embeddings: tuple[Name, ...] = Field(min_length=1, description="Embeddings, one a band")
    n_folds: int | None = Field(
        5, ge=2, description="Folds of the search; null: leave one group out"
    )
    n_candidates: int = Field(
        15, ge=0, description="Random shares, beside equal ones and each band alone"
    )
    n_refinements: int = Field(2, ge=0, description="Rounds of steps along the gradient")
    max_axes: int | None = Field(
        None, ge=1, description="Principal axes that each band keeps; null: all, which is exact"
    )

    history: int = Field(
        0, ge=0, description="Stimuli before the trial, by the first embedding, as a band; 0: none"
    )
    behaviour: tuple[str, ...] = Field(
        (), description="Columns of the trial table as a band, e.g. response_time"
    )

    @property
    def reads(self) -> tuple[Name, ...]:
        """Embeddings, one a band."""
        return self.embeddings

    @property
    def trial_bands(self) -> tuple[str, ...]:
        """Bands that differ between trials of one stimulus."""
        return ("history",) * (self.history > 0) + ("behaviour",) * bool(self.behaviour)

    @model_validator(mode="after")
    def _several_bands(self) -> Self:
        if len(self.embeddings) + len(self.trial_bands) < 2:
            raise ValueError("a banded encoder needs two bands: embeddings, history or behaviour")
        return self


class JointEncoderSection(EncoderSection):
    """Banded ridge on a picture's and a caption's embedding and products of their axes.

    What captions say is split in two: content, which pictures tell, and the rest.
    """

    kind: Literal["joint"] = "joint"
    picture: Name = Field(description="Embedding of the picture")
    caption: Name = Field(description="Embedding of the captions")
    n_axes: int = Field(16, ge=1, description="Principal axes of the picture's embedding")
    n_content_axes: int = Field(
        32, ge=0, description="Axes of the captions that pictures tell, at most"
    )
    n_caption_axes: int = Field(
        16, ge=1, description="Principal axes of what captions say and pictures do not tell"
    )
    products: bool = Field(
        True,
        description="Multiply pictures and what they do not tell; without it, the rival that has "
        "all else: both embeddings, and products within the picture's axes and within content",
    )
    n_folds: int | None = Field(
        5, ge=2, description="Folds of the search; null: leave one group out"
    )
    n_candidates: int = Field(20, ge=0, description="Random shares, see `banded`")
    n_refinements: int = Field(3, ge=0, description="Rounds of steps along the gradient")

    @property
    def reads(self) -> tuple[Name, ...]:
        """Picture, then caption."""
        return self.picture, self.caption


Encoder = Annotated[
    RidgeEncoderSection | BandedEncoderSection | JointEncoderSection | NetworkEncoderSection,
    Field(discriminator="kind"),
]


class IntegrationSection(Section):
    """Whether a joint encoder beats what it is made of, unit by unit."""

    joint: Name = Field(description="Encoder of kind `joint`")
    rivals: tuple[Name, ...] = Field(
        min_length=1, description="Encoders that it must beat: picture, caption, concatenation"
    )
    level: float = Field(0.05, gt=0, lt=1, description="False discovery rate over tested units")
    screen: float = Field(
        0.001,
        description="Least gain in cross-validated R² on training trials, over the best rival that "
        "has one, for a unit to be tested",
    )


class ComparisonSection(Section):
    """By how much an encoder predicts the same units and items better than others."""

    model: Name = Field(description="Encoder that is compared")
    baselines: tuple[Name, ...] = Field(min_length=1, description="Encoders to compare it with")
    margin: float = Field(
        0.02, gt=0, description="Mean difference of r that counts as no worse, stated beforehand"
    )


class RidgeDecoderSection(DecoderSection):
    """Ridge with an α for each target dimension."""

    kind: Literal["ridge"] = "ridge"
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")
    weigh_units: bool = Field(
        False, description="Weigh units by how well the target predicts them in training trials"
    )
    max_working_gb: float = Field(
        4.0,
        gt=0,
        description="Memory of the solver beside the data; where the exact solution takes more, "
        "responses are projected onto random directions, which the model's folder says",
    )


class LdaDecoderSection(DecoderSection):
    """Linear discriminant analysis with Ledoit-Wolf shrinkage; the target is `concept-codes`."""

    kind: Literal["lda"] = "lda"


class SvmDecoderSection(DecoderSection):
    """Linear support vector machine, C = 1 / mean squared norm; the target is `concept-codes`."""

    kind: Literal["svm"] = "svm"


class ContrastiveDecoderSection(DecoderSection):
    """Residual MLP with a linear layer a subject, trained contrastively (MindEye type)."""

    kind: Literal["contrastive"] = "contrastive"
    hidden_dim: int = Field(256, ge=8, description="Width of the trunk")
    n_blocks: int = Field(1, ge=0, description="Residual blocks")
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout of the trunk")
    subject_dropout: float = Field(0.3, ge=0, lt=1, description="Dropout after the subject layer")
    voxel_dropout: float = Field(0.3, ge=0, lt=1, description="Voxels left out of a step")
    weigh_units: bool = Field(
        True, description="Weigh units by how well the target predicts them in training trials"
    )
    n_epochs: int = Field(120, ge=1, description="Passes over the training trials")
    batch_size: int = Field(128, ge=4, description="Trials in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(20.0, ge=0, description="AdamW decay of weight matrices")
    mixco_share: float = Field(0.33, ge=0, le=1, description="First share of epochs with MixCo")
    mse_weight: float = Field(0.3, ge=0, description="Weight of the regression loss")
    patience: int = Field(20, ge=1, description="Epochs without a better validation loss")


Decoder = Annotated[
    RidgeDecoderSection
    | LdaDecoderSection
    | SvmDecoderSection
    | ContrastiveDecoderSection
    | SensorDecoder,
    Field(discriminator="kind"),
]


class ReconstructSection(Section):
    """Pictures from predicted embeddings."""

    generator: str = Field(
        "calcarine:phantom-unclip",
        description="Stable-unCLIP pipeline: calcarine:phantom-unclip, local-dir:PATH, hf-hub:…",
    )
    semantic: Name = Field(description="Decoder that predicts the picture embedding")
    low_level: Name | None = Field(None, description="Decoder that predicts autoencoder latents")
    n_steps: int = Field(20, ge=1, description="Denoising steps")
    guidance_scale: float = Field(1.0, ge=1, description="Classifier-free guidance; 1 is off")
    noise_level: int = Field(0, ge=0, description="Noise added to the embedding (unCLIP)")
    strength: float = Field(
        0.85, gt=0, le=1, description="img2img strength of `combined`; MindEye uses 0.85"
    )
    n_controls: int | None = Field(
        None, ge=2, description="Items for each control; without it as many as there are"
    )
    judge: Name = Field(description="Embedding whose model judges the pictures")
    presets: tuple[Literal["phantom", "mindeye", "brain-diffuser"], ...] = Field(
        ("phantom",), description="Protocols of picture metrics"
    )


class EvaluateSection(Section):
    """How predictions are scored."""

    n_bootstrap: int = Field(2000, ge=100, description="Bootstrap samples of an interval")
    repeat_curve: bool = Field(True, description="Score 1 … n averaged repeats")
    headline: Literal["averaged", "single"] = Field(
        "averaged",
        description="What headlines of decoding speak of: averaged repeats, or single trials "
        "(where a stimulus is a whole category)",
    )
    ceiling_floor: float = Field(
        0.3, gt=0, lt=1, description="No ratio to a noise ceiling (in r) below this one"
    )
