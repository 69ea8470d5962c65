"""The configuration: one frozen model, the only validator of what a person types.

Light on purpose: the Snakefile imports this module in every job.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.pipelines.config_base import Label, Name, Section
from calcarine.pipelines.config_betas import BetasRecording, TermsSource
from calcarine.pipelines.config_captions import CaptionSection
from calcarine.pipelines.config_data import (
    BidsSource,
    FmriRecording,
    RobustScaling,
    Source,
    SplitSection,
    ZscoreScaling,
)
from calcarine.pipelines.config_few_pictures import FewPicturesSection
from calcarine.pipelines.config_files import load_yaml
from calcarine.pipelines.config_geometry import DissimilarityRecording, GeometrySection
from calcarine.pipelines.config_meeg import EegRecording, EpochsRecording, MegRecording
from calcarine.pipelines.config_models import (
    ComparisonSection,
    Decoder,
    EmbeddingSection,
    Encoder,
    EvaluateSection,
    IntegrationSection,
    ReconstructSection,
)
from calcarine.pipelines.config_names import check_names
from calcarine.pipelines.config_sensors import OverTimeSection

Recording = Annotated[
    FmriRecording
    | BetasRecording
    | EegRecording
    | MegRecording
    | EpochsRecording
    | DissimilarityRecording,
    Field(discriminator="modality"),
]
# characters of a wrong value that a message repeats
_SHOWN = 200
Scaling = Annotated[ZscoreScaling | RobustScaling, Field(discriminator="kind")]


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
    recording: Recording
    scaling: Scaling = ZscoreScaling()
    split: SplitSection = SplitSection()
    embeddings: dict[Name, EmbeddingSection]
    encode: dict[Name, Encoder] = Field(default_factory=dict)
    decode: dict[Name, Decoder] = Field(default_factory=dict)
    over_time: dict[Name, OverTimeSection] = Field(default_factory=dict)
    reconstruct: dict[Name, ReconstructSection] = Field(default_factory=dict)
    geometry: dict[Name, GeometrySection] = Field(default_factory=dict)
    integration: dict[Name, IntegrationSection] = Field(default_factory=dict)
    comparisons: dict[Name, ComparisonSection] = Field(default_factory=dict)
    few_pictures: dict[Name, FewPicturesSection] = Field(default_factory=dict)
    caption: dict[Name, CaptionSection] = Field(default_factory=dict)
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

    @property
    def references(self) -> Path:
        """Dissimilarities that come with the data set, a folder each."""
        return self.bids / "references"

    @field_validator("recording", mode="before")
    @classmethod
    def _fmri_where_nothing_is_said(cls, value: Any) -> Any:
        is_silent = isinstance(value, dict) and "modality" not in value
        return {"modality": "fmri", **value} if is_silent else value

    @model_validator(mode="after")
    def _delays_need_a_film(self) -> Self:
        delayed = [name for name, section in self.encode.items() if section.at_delays_s]
        recording = self.recording
        follows = isinstance(recording, FmriRecording) and recording.gives_volumes
        if delayed and not follows:
            raise ValueError(
                f"encode.{delayed[0]}.delays_s: delays need responses that follow one another, one "
                "a volume; write `recording.responses: {kind: block, average: false, standardize: "
                "run, high_pass_hz: 0.01}`, or leave delays_s out"
            )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        check_names(self)
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        for name, decoder in self.decode.items():
            strangers = set(decoder.held_out_subjects)
            if strangers - set(self.subjects) or strangers == set(self.subjects):
                raise ValueError(
                    f"decode.{name}.hold_out is {sorted(strangers)}; expected some of the subjects "
                    f"{list(self.subjects)}, and not all"
                )
        if self.split.scheme == "none" and (self.encode or self.decode):
            raise ValueError("split.scheme is none; encode and decode need test trials")
        if (self.split.scheme == "none") != isinstance(self.recording, DissimilarityRecording):
            raise ValueError(
                "split.scheme none belongs to recordings of dissimilarities, and to no other"
            )
        if isinstance(self.scaling, RobustScaling) and isinstance(self.recording, FmriRecording):
            raise ValueError("scaling.kind robust belongs to sensors; write zscore for voxels")
        if isinstance(self.source, TermsSource) != isinstance(self.recording, BetasRecording):
            raise ValueError(
                f"source.kind is {self.source.kind} and recording.modality "
                f"{self.recording.modality}; betas of a release (nsd, generic-object-decoding, "
                "bold5000) and `modality: betas` belong together"
            )
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError(f"subjects names somebody twice: {list(self.subjects)}")
        return self


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
            out.append(f"{key}: {item['msg']}; got {_short(item['input'])}.")
    return out


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


def expand_variables(value: Any) -> Any:
    """Replace `${NAME}` and `${NAME:-default}` in every text of a configuration."""
    if isinstance(value, dict):
        return {key: expand_variables(v) for key, v in value.items()}
    if isinstance(value, list):
        return [expand_variables(v) for v in value]
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise CalcarineError(
            f"the configuration holds a text with a nul character: {value[:40]!r}. Remove it; no "
            "file can have such a name."
        )

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
        raw = load_yaml(path.read_text(encoding="utf-8"))
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
