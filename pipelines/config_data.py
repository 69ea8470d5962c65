"""Sections on the data: where they come from, how they are read, how they are split."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from calcarine.pipelines.config_base import Label, Section, Share
from calcarine.pipelines.config_betas import (
    Bold5000Source,
    GenericObjectDecodingSource,
    NsdSource,
)
from calcarine.pipelines.config_geometry import Kriegeskorte92Source
from calcarine.pipelines.config_meeg import RecordingsSource, ThingsEeg2Source, ThingsMegSource


class BidsSource(Section):
    """A BIDS data set that is there already."""

    kind: Literal["bids"] = "bids"
    path: Path = Field(description="Root of the data set (raw, with or without derivatives)")
    stimuli: Path | None = Field(
        None, description="stimuli.tsv; by default <path>/stimuli/stimuli.tsv"
    )
    follow_links: tuple[Path, ...] = Field(
        (), description="Folders outside of the data set that links in it may lead to"
    )


class PhantomSource(Section):
    """The synthetic brain."""

    kind: Literal["phantom"] = "phantom"
    n_train: int = Field(960, ge=60, description="Training scenes, each shown once")
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
    shot_frames: int = Field(
        0,
        ge=0,
        description="Frames of a shot: scenes become shots of a film, a frame a volume (soa_s is "
        "not used); 0: pictures one by one",
    )


class PhantomMeegSource(Section):
    """The synthetic brain in EEG or MEG, whichever `recording.modality` reads."""

    kind: Literal["phantom-meeg"] = "phantom-meeg"
    n_train: int = Field(960, ge=60, description="Training scenes")
    n_train_again: int = Field(
        120, ge=0, description="How many of them are shown twice, so that noise can be estimated"
    )
    n_test: int = Field(60, ge=12, description="Test scenes, shared by all subjects")
    n_held_out: int = Field(
        12, ge=0, description="How many of the test scenes show combinations kept out of training"
    )
    n_test_repeats: int = Field(12, ge=2, description="Times that each test scene is shown")
    n_sessions: int = Field(2, ge=1, description="Sessions; runs are spread over them")
    trials_per_run: int = Field(120, ge=10, description="Trials in a run")
    n_voxels: int = Field(
        900, ge=60, description="Voxels of cortex; two thirds are tuned, and are the dipoles"
    )
    soa_s: float = Field(0.9, gt=0, description="Mean time between picture onsets in seconds")
    soa_jitter_s: float = Field(0.1, ge=0, description="Largest deviation from it in seconds")
    duration_s: float = Field(0.3, gt=0, description="How long a picture stays in seconds")
    sampling_rate_hz: float = Field(250.0, ge=120, description="Of the recording")
    sensors: Literal["mag", "all"] = Field(
        "mag", description="MEG: 102 magnetometers, or these and 204 planar gradiometers"
    )
    montage: str = Field("biosemi64", description="EEG: MNE's montage whose electrode names serve")
    montages: dict[Label, str] = Field(
        default_factory=dict, description="EEG: other montages of single subjects, by label"
    )
    amplitude: float = Field(
        2.0, ge=0, description="Scale of all planted signal; 0 is noise and artefacts only"
    )
    artefacts: float = Field(1.0, ge=0, description="Scale of blinks, heart, mains, muscles")


class Haxby2001Source(Section):
    """One subject of Haxby et al. 2001 in OpenfMRI layout, converted to BIDS."""

    kind: Literal["haxby2001"] = "haxby2001"
    path: Path = Field(description="Folder that holds haxby2001/ (one slice of subject 1)")
    pictures: Path = Field(description="Folder that holds face_house/{faces,houses}")


Source = Annotated[
    BidsSource
    | PhantomSource
    | PhantomMeegSource
    | Haxby2001Source
    | Kriegeskorte92Source
    | RecordingsSource
    | ThingsEeg2Source
    | ThingsMegSource
    | NsdSource
    | GenericObjectDecodingSource
    | Bold5000Source,
    Field(discriminator="kind"),
]


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
    """The average of a block's volumes, or its single volumes: for block designs and films."""

    kind: Literal["block"] = "block"
    average: bool = Field(True, description="One response a block; false: one a volume")
    shift_s: float = Field(0.0, ge=0, description="Delay of the block's window in seconds")
    detrend: bool = Field(True, description="Remove a linear trend from each run")
    standardize: Literal["rest", "run", "none"] = Field(
        "rest", description="z-score each run by its rest volumes, by all of them, or not at all"
    )
    include_rest: bool = Field(False, description="Keep rest periods as trials of concept `rest`")
    high_pass_hz: float | None = Field(
        None,
        gt=0,
        description="Remove slow drift below this by cosines, and `recording.confounds`, in place "
        "of a linear trend",
    )


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

    @property
    def gives_volumes(self) -> bool:
        """Whether responses are single volumes, which follow one another."""
        return isinstance(self.responses, BlockResponses) and not self.responses.average

    @property
    def preprocessing(self) -> str:
        """How responses were made, for model cards."""
        return self.responses.model_dump_json()


class ZscoreScaling(Section):
    """Mean and deviation of each unit, at each time where there are times."""

    kind: Literal["zscore"] = "zscore"


class NoiseNormalization(Section):
    """Multivariate noise normalisation (Guggenmos et al. 2018) on training trials alone."""

    dim: Literal["residual", "time", "epochs"] = Field(
        "residual",
        description="Noise is what differs from the stimulus' mean, varies over repeats at each "
        "time, or varies over the times of a trial (which needs no repeats)",
    )


class RobustScaling(Section):
    """Median and interquartile range of each sensor over training trials and times."""

    kind: Literal["robust"] = "robust"
    clamp: float | None = Field(
        20.0, gt=0, description="Largest magnitude after scaling; null: no limit"
    )
    mvnn: NoiseNormalization | None = Field(
        None, description="Whitening of the sensors after that; null: none"
    )


class SplitSection(Section):
    """Which trials train, which choose, which test."""

    @property
    def unit(self) -> str:
        """What is left out: `run`, or the column that names the groups of a declared split."""
        is_column = self.by == "declared" and self.scheme == "leave-one-out"
        return str(self.column) if is_column else self.by

    by: Literal["stimulus", "concept", "run", "session", "subject", "declared"] = Field(
        "stimulus", description="Unit that never stands on both sides"
    )
    scheme: Literal["holdout", "leave-one-out", "none"] = Field(
        "holdout", description="One split, folds, or none where nothing is fitted"
    )
    test: tuple[str, ...] | Share = Field(0.1, description="Groups to test on, or their share")
    validation: tuple[str, ...] | Share = Field(
        0.1, description="Groups of training data to choose on, or their share"
    )
    column: str | None = Field(
        None,
        description="For `by: declared`: events.tsv column that says train, test, validation or "
        "unused; for `leave-one-out` the group of each trial (n/a: unused)",
    )
    disjoint: tuple[Literal["stimulus", "concept", "run", "session", "block", "window"], ...] = (
        Field(
            ("stimulus",),
            description="What the leak check does not let stand on both sides, beside `by`",
        )
    )
    allowed_pairs: tuple[tuple[str, str], ...] = Field(
        (),
        description="Pairs of stimuli that look alike, or of concepts that are spelled alike, and "
        "are known to be different: the leak check lets them pass, and the report says so",
    )
