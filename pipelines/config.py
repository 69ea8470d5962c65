"""The configuration: one frozen model, the only validator of what a person types.

Light on purpose: the Snakefile imports this module in every job.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout


def _label(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]+", value):
        raise ValueError(f"{value!r} is no BIDS label: letters and digits only")
    return value


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(f"{value!r} is no name: small letters, digits and single hyphens only")
    return value


Label = Annotated[str, AfterValidator(_label)]
Name = Annotated[str, AfterValidator(_name)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- where the recording comes from ---------------------------------------------------------


class BidsSource(Section):
    """A BIDS data set that is there already."""

    kind: Literal["bids"] = "bids"
    path: Path = Field(description="Root of the data set (raw, with or without derivatives)")
    stimuli: Path | None = Field(
        None, description="stimuli.tsv; by default <path>/stimuli/stimuli.tsv"
    )


class PhantomSource(Section):
    """The synthetic brain."""

    kind: Literal["phantom"] = "phantom"
    n_train: int = Field(720, ge=60, description="Training scenes, each shown once")
    n_test: int = Field(60, ge=12, description="Test scenes, shared by all subjects")
    n_held_out: int = Field(
        12, ge=0, description="How many of the test scenes show combinations kept out of training"
    )
    n_test_repeats: int = Field(6, ge=2, description="Times that each test scene is shown")
    n_sessions: int = Field(2, ge=1, description="Sessions; runs are spread over them")
    trials_per_run: int = Field(60, ge=10, description="Trials in a run")
    n_voxels: int = Field(900, ge=60, description="Voxels that carry signal or noise")
    tr_s: float = Field(1.5, gt=0, description="Repetition time in seconds")
    soa_s: float = Field(4.0, gt=0, description="Mean time between picture onsets in seconds")
    amplitude: float = Field(1.0, ge=0, description="Scale of all planted signal; 0 is pure noise")


class Haxby2001Source(Section):
    """One subject of Haxby et al. 2001 in OpenfMRI layout, converted to BIDS."""

    kind: Literal["haxby2001"] = "haxby2001"
    path: Path = Field(description="Folder that holds haxby2001/ (one slice of subject 1)")
    pictures: Path = Field(description="Folder that holds face_house/{faces,houses}")


Source = Annotated[BidsSource | PhantomSource | Haxby2001Source, Field(discriminator="kind")]


# --- fMRI -----------------------------------------------------------------------------------


class GlmResponses(Section):
    """One beta a trial from a general linear model, in percent signal change."""

    kind: Literal["glm"] = "glm"
    method: Literal["lsa", "lss"] = Field(
        "lss", description="All trials in one model, or one model a trial (Mumford 2012)"
    )
    hrf: Literal["glover", "spm", "library"] = Field(
        "library", description="One canonical response, or the best of a library for each voxel"
    )
    drift: Literal["cosine", "polynomial"] = Field("cosine", description="Drift regressors")
    high_pass_hz: float = Field(0.01, gt=0, description="Cut-off of the cosine drift in Hz")
    noise_model: Literal["ols", "ar1"] = Field("ols", description="Noise of the linear model")


class BlockResponses(Section):
    """The average of a block's volumes (or its single volumes), for block designs."""

    kind: Literal["block"] = "block"
    average: bool = Field(True, description="One response a block; false: one a volume")
    shift_s: float = Field(0.0, ge=0, description="Delay of the block's window in seconds")
    detrend: bool = Field(True, description="Remove a linear trend from each run")
    standardize: Literal["rest", "run", "none"] = Field(
        "rest", description="z-score each run by its rest volumes, by all of them, or not at all"
    )
    include_rest: bool = Field(False, description="Keep rest periods as trials of concept `rest`")


class FmriRecording(Section):
    """BOLD runs in BIDS."""

    modality: Literal["fmri"] = "fmri"
    task: Label = Field(description="BIDS task label")
    derivatives: Path | None = Field(
        None, description="fMRIPrep folder; without it the raw BOLD files are read"
    )
    space: str | None = Field(None, description="Output space of the derivatives")
    sessions: tuple[Label, ...] | None = Field(None, description="Sessions; without it all")
    runs: tuple[Label, ...] | None = Field(None, description="Runs; without it all")
    mask: Path | None = Field(None, description="Mask image, used for every subject")
    rois: Path | None = Field(
        None, description="Label image or folder of masks with ROI names, `{subject}` replaced"
    )
    confounds: tuple[str, ...] = Field(
        (), description="Columns of the confounds table, e.g. trans_x; none by default"
    )
    stimulus_column: str = Field(
        "stim_file", description="events.tsv column that names what was shown"
    )
    ignore_trial_types: tuple[str, ...] = Field(
        ("rest", "fixation", "baseline"), description="Events that are not trials"
    )
    smoothing_fwhm_mm: float | None = Field(None, gt=0, description="Gaussian smoothing in mm")
    responses: Annotated[GlmResponses | BlockResponses, Field(discriminator="kind")] = (
        GlmResponses()
    )

    @property
    def datatype(self) -> str:
        """BIDS data type."""
        return "func"


# --- split ----------------------------------------------------------------------------------


class SplitSection(Section):
    """Which trials train, which choose, which test."""

    by: Literal["stimulus", "concept", "run", "session", "subject", "declared"] = Field(
        "stimulus", description="Unit that never stands on both sides"
    )
    scheme: Literal["holdout", "leave-one-out"] = Field("holdout", description="One split or folds")
    test: tuple[str, ...] | Share = Field(0.1, description="Groups to test on, or their share")
    validation: tuple[str, ...] | Share = Field(
        0.1, description="Groups of training data to choose on, or their share"
    )
    column: str | None = Field(
        None, description="For `by: declared`: column that says train, test, validation or unused"
    )
    disjoint: tuple[Literal["stimulus", "concept", "run", "session", "window"], ...] = Field(
        ("stimulus",), description="What the leak check does not let stand on both sides"
    )


# --- embeddings -----------------------------------------------------------------------------


class EmbeddingSection(Section):
    """One embedding of the stimuli."""

    model: str = Field(
        description="Name of the model, e.g. open_clip:ViT-L-14/openai, timm:vit_small_patch14_"
        "dinov2.lvd142m, calcarine:phantom-clip, local-dir:PATH, hf-hub:ORG/NAME, "
        "mobilenet:FILE.npz, diffusers-vae:NAME; `concept-codes` needs no model"
    )
    input: Literal["pictures", "captions", "concepts"] = Field(
        "pictures", description="What is embedded"
    )
    layer: str | None = Field(None, description="Intermediate layer; without it the output")
    pooling: Literal["pooled", "tokens", "mean"] = Field(
        "pooled", description="Model's own pooling, all tokens, or their mean"
    )
    batch_size: int = Field(64, ge=1, description="Pictures at a time")


# --- models ---------------------------------------------------------------------------------


class EncodeSection(Section):
    """Voxelwise encoders: embedding to response."""

    embeddings: tuple[Name, ...] = Field(description="Embeddings to encode from")
    method: Literal["kfold", "gcv"] = Field("kfold", description="How α is chosen")
    n_folds: int | None = Field(
        5, ge=2, description="Folds of the α search; null: leave one group out"
    )
    standardize: Literal["session", "all"] = Field(
        "session", description="z-score responses within session or over all training trials"
    )
    ceiling_floor: float = Field(
        0.3, gt=0, lt=1, description="No ratio to a noise ceiling (in r) below this one"
    )


class DecoderSection(Section):
    """What every decoder has."""

    target: Name = Field(description="Embedding to predict")
    standardize: Literal["session", "all"] = Field(
        "session", description="z-score responses within session or over all training trials"
    )
    subjects: Literal["each", "all"] = Field("each", description="One model each, or one for all")


class RidgeDecoderSection(DecoderSection):
    """Ridge with an α for each target dimension."""

    kind: Literal["ridge"] = "ridge"
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")


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
    n_blocks: int = Field(2, ge=0, description="Residual blocks")
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout of the trunk")
    subject_dropout: float = Field(0.3, ge=0, lt=1, description="Dropout after the subject layer")
    n_epochs: int = Field(120, ge=1, description="Passes over the training trials")
    batch_size: int = Field(128, ge=4, description="Trials in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(0.05, ge=0, description="AdamW decay of weight matrices")
    mixco_share: float = Field(0.33, ge=0, le=1, description="First share of epochs with MixCo")
    mse_weight: float = Field(0.3, ge=0, description="Weight of the regression loss")
    patience: int = Field(20, ge=1, description="Epochs without a better validation loss")


Decoder = Annotated[
    RidgeDecoderSection | LdaDecoderSection | SvmDecoderSection | ContrastiveDecoderSection,
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
    strength: float = Field(0.75, gt=0, le=1, description="img2img strength of `combined`")
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


class Config(Section):
    """A whole analysis."""

    name: Name = Field(description="Name of the analysis")
    out: Path | None = Field(None, description="Output tree; by default out/<file name>")
    seed: int = Field(0, ge=0, description="Every random number descends from this one")
    subjects: tuple[Label, ...] = Field(min_length=1, description="BIDS subject labels")
    container: str = Field(
        "calcarine.sif", description="Image for Snakemake's apptainer deployment, where it is used"
    )
    claim_limit: str = Field(
        "", description="What these data cannot carry; stands in the report's first paragraph"
    )
    source: Source
    recording: FmriRecording
    split: SplitSection = SplitSection()
    embeddings: dict[Name, EmbeddingSection]
    encode: EncodeSection | None = None
    decode: dict[Name, Decoder] = Field(default_factory=dict)
    reconstruct: dict[Name, ReconstructSection] = Field(default_factory=dict)
    evaluate: EvaluateSection = EvaluateSection()

    @property
    def layout(self) -> Layout:
        """Paths of the output tree."""
        return Layout(self.out or Path("out") / self.name, self.recording.datatype)

    @property
    def bids(self) -> Path:
        """Root of the BIDS data set, given or made by the workflow."""
        if isinstance(self.source, BidsSource):
            return self.source.path
        return self.layout.source(self.source.kind)

    @property
    def stimuli(self) -> Path:
        """The stimulus table."""
        if isinstance(self.source, BidsSource) and self.source.stimuli is not None:
            return self.source.stimuli
        return self.bids / "stimuli" / "stimuli.tsv"

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        known = list(self.embeddings)
        wanted = {f"decode.{n}.target": d.target for n, d in self.decode.items()}
        if self.encode is not None:
            wanted |= {f"encode.embeddings[{i}]": n for i, n in enumerate(self.encode.embeddings)}
        wanted |= {f"reconstruct.{n}.judge": r.judge for n, r in self.reconstruct.items()}
        _all_in(wanted, known, "embeddings")
        drivers = {f"reconstruct.{n}.semantic": r.semantic for n, r in self.reconstruct.items()}
        drivers |= {
            f"reconstruct.{n}.low_level": r.low_level
            for n, r in self.reconstruct.items()
            if r.low_level is not None
        }
        _all_in(drivers, list(self.decode), "decode")
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError(f"subjects names somebody twice: {list(self.subjects)}")
        return self


def _all_in(wanted: dict[str, str], known: list[str], section: str) -> None:
    for key, name in wanted.items():
        if name not in known:
            raise ValueError(f"{key} is {name!r}; the section `{section}` has {known}")


def problems_of(error: ValidationError) -> list[str]:
    """Write each problem of a configuration as one sentence: key, what came, what was expected."""
    out = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        if item["type"] == "extra_forbidden":
            out.append(f"{key}: there is no such key; correct its spelling or remove it.")
        elif item["type"] == "missing":
            out.append(f"{key}: this key is needed and is not there.")
        elif item["type"] == "value_error":
            out.append(f"{key}: {item['msg'].removeprefix('Value error, ')}.")
        else:
            out.append(f"{key}: {item['msg']}; got {item['input']!r}.")
    return out


def expand_variables(value: Any) -> Any:
    """Replace `${NAME}` and `${NAME:-default}` in every text of a configuration."""
    if isinstance(value, dict):
        return {key: expand_variables(v) for key, v in value.items()}
    if isinstance(value, list):
        return [expand_variables(v) for v in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        text = os.environ.get(name, default)
        if text is None:
            raise CalcarineError(
                f"the configuration uses ${{{name}}}, which is not set. Set it in the environment "
                f"or write a default: ${{{name}:-path}}."
            )
        return text

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", found, value)


def read_raw(path: Path) -> dict[str, Any]:
    """Read a configuration file without validating it.

    Raises
    ------
    CalcarineError
        The file is absent, is not YAML, or is not a table.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CalcarineError(f"cannot read the configuration {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalcarineError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise CalcarineError(f"{path} holds {type(raw).__name__}; expected `key: value` lines.")
    return raw


def parse_config(raw: dict[str, Any], origin: str) -> Config:
    """Validate a configuration.

    Raises
    ------
    CalcarineError
        With one line for every problem.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = "\n- ".join(problems_of(error))
        raise CalcarineError(f"{origin} is not a valid configuration:\n- {lines}") from error


def load_config(path: Path) -> Config:
    """Read and validate a configuration; `out` defaults to `out/<file name>`."""
    return named_config(read_raw(path), path)


def named_config(raw: dict[str, Any], path: Path) -> Config:
    """Validate what was read from `path` (and perhaps overridden on the command line)."""
    defaults = {"name": path.stem.replace("_", "-").lower(), "out": f"out/{path.stem}"}
    return parse_config({**defaults, **expand_variables(raw)}, str(path))


def write_config(config: Config) -> Path:
    """Write the resolved configuration into the output tree, if it is not there already."""
    from calcarine.data.atomic import write_text

    path = config.layout.config
    text = dump_config(config)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path


def dump_config(config: Config) -> str:
    """Write a configuration, all defaults resolved, as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
