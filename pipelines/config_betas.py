"""Sections on betas that a data set's publisher has estimated."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from calcarine.pipelines.config_base import Section


class TermsSource(Section):
    """A release that is read under terms, from where the user put it."""

    accept_terms: bool = Field(
        False, description="true: the terms of the data have been read and agreed to"
    )

    @property
    def terms(self) -> str:
        """Where the terms stand."""
        return ""

    @model_validator(mode="after")
    def _terms_are_accepted(self) -> Self:
        if not self.accept_terms:
            raise ValueError(
                f"accept_terms is false: these data may be used under terms only ({self.terms}). "
                "Read them, and write `accept_terms: true` in this section if you agree"
            )
        return self


class NsdSource(TermsSource):
    """The Natural Scenes Dataset (Allen et al. 2022); subjects are 01 … 08."""

    kind: Literal["nsd"] = "nsd"
    path: Path = Field(description="Folder with nsddata, nsddata_betas, nsddata_stimuli")
    space: Literal["func1pt8mm", "func1mm", "fsaverage"] = Field(
        "func1pt8mm", description="Space of the betas; ceilings of different spaces differ"
    )
    version: str = Field("betas_fithrf_GLMdenoise_RR", description="Folder of the betas")
    mask: str = Field(
        "nsdgeneral", description="ROI file whose labels above 0 are read; `cortex`: all of it"
    )
    rois: tuple[str, ...] = Field(
        ("prf-visualrois",), description="ROI files that name regions, e.g. floc-faces, streams"
    )
    sessions: tuple[int, ...] | None = Field(
        None, description="Numbers of sessions, from 1; without it all that were released"
    )

    @property
    def terms(self) -> str:
        """The data use agreement."""
        return "NSD Data Use Agreement, naturalscenesdataset.org"


class GenericObjectDecodingSource(TermsSource):
    """Generic Object Decoding (Horikawa & Kamitani 2017); subjects are 01 … 05."""

    kind: Literal["generic-object-decoding"] = "generic-object-decoding"
    path: Path = Field(description="Folder with Subject1.h5 … Subject5.h5")
    pictures: Path = Field(
        description="Folder with training/, test/, image_training_id.csv, image_test_id.csv"
    )
    roi: str = Field("VC", description="Region whose voxels are read: VC, LVC, HVC, V1, LOC, …")

    @property
    def terms(self) -> str:
        """Licence of the data, terms of the pictures."""
        return "fMRI data: licence of the figshare item 7387130; pictures: ImageNet terms of access"


class Bold5000Source(TermsSource):
    """BOLD5000 release 2 (Chang et al. 2019); subjects are CSI1 … CSI4."""

    kind: Literal["bold5000"] = "bold5000"
    path: Path = Field(
        description="Folder with CSI1_GLMbetas-…_ses-01.nii.gz, CSI1_brainmask.nii.gz, "
        "CSI1_imgnames.txt"
    )
    pictures: Path = Field(description="Folder of the presented pictures, with any folders in it")
    version: str = Field("TYPED-FITHRF-GLMDENOISE-RR", description="Kind of the betas")
    rois: Path | None = Field(
        None, description="Folder of masks on the grid of the betas, e.g. sub-CSI1_mask-LHLOC"
    )

    @property
    def terms(self) -> str:
        """Licence of the data, terms of the pictures."""
        return "BOLD5000 terms of use, bold5000.org; pictures of COCO, ImageNet and SUN"


class BetasRecording(Section):
    """Single-trial responses that the publisher has estimated; what is read stands in `source`."""

    modality: Literal["betas"] = "betas"

    @property
    def datatype(self) -> str:
        """BIDS data type."""
        return "func"

    @property
    def preprocessing(self) -> str:
        """How responses were made, for model cards."""
        return "betas as their publisher made them"
