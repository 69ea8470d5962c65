"""Sections on representational geometry: recorded dissimilarities, and their comparison."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from calcarine.pipelines.config_base import Name, Section


class Kriegeskorte92Source(Section):
    """The 92 pictures of Kriegeskorte et al. 2008 with human and monkey IT dissimilarities."""

    kind: Literal["kriegeskorte92"] = "kriegeskorte92"
    path: Path = Field(description="Folder that holds kriegeskorte92.npz")


class DissimilarityRecording(Section):
    """Dissimilarities between stimuli, one RDM a session, as somebody has published them."""

    modality: Literal["dissimilarities"] = "dissimilarities"

    @property
    def datatype(self) -> str:
        """Folder of the output tree."""
        return "dissimilarities"

    @property
    def preprocessing(self) -> str:
        """Nothing is done to what was recorded."""
        return "as recorded"


class TopologySection(Section):
    """Geo-topological transform of both RDMs (Lin & Kriegeskorte 2024)."""

    lower: float = Field(0.2, ge=0, lt=1, description="Quantile below which a pair counts as 0")
    upper: float = Field(0.8, gt=0, le=1, description="Quantile above which a pair counts as 1")

    @model_validator(mode="after")
    def _in_order(self) -> "TopologySection":
        if self.lower >= self.upper:
            raise ValueError(f"lower is {self.lower} and upper {self.upper}; lower comes first")
        return self


class GeometrySection(Section):
    """Dissimilarities of measured responses beside those of models."""

    distance: Literal["crossnobis", "correlation", "cosine", "euclidean", "recorded"] = Field(
        "crossnobis",
        description="Between measured patterns: crossnobis over runs, a distance of mean patterns, "
        "or `recorded` where the recording is of dissimilarities",
    )
    embeddings: tuple[Name, ...] = Field(description="Embeddings that serve as models")
    embedding_distance: Literal["correlation", "cosine", "euclidean"] = Field(
        "correlation", description="Between the embeddings of two stimuli"
    )
    references: tuple[Name, ...] = Field(
        (), description="RDMs that come with the data set, e.g. monkey-it"
    )
    reference_targets: tuple[Name, ...] = Field(
        (), description="RDMs of the data set that models are compared with, too"
    )
    comparison: Literal["spearman", "pearson", "kendall-a", "cosine"] = Field(
        "spearman", description="How two RDMs are compared"
    )
    topology: TopologySection | None = Field(
        TopologySection(), description="A second comparison after the transform; null is off"
    )
    regions: tuple[str, ...] | None = Field(
        None, description="Regions by name; without it all that have enough units, and all units"
    )
    min_units: int = Field(20, ge=3, description="Smaller regions are left out")
