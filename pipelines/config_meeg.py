"""Sections on EEG and MEG recordings; keys have the names that MNE gives them.

The steps run in the order in which the keys of `MeegRecording` stand.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from calcarine.pipelines.config_base import Label, Section


class SampleTableSection(Section):
    """What the columns of CSV files of samples mean."""

    marker: str = Field(description="Column that is 0 except at the samples of events")
    sampling_rate_hz: float = Field(gt=0, description="Nominal sampling rate in Hz")
    time: str | None = Field(
        None, description="Column of time stamps in seconds, to check the rate"
    )
    unit: Literal["V", "mV", "uV", "nV"] = Field("uV", description="Unit of the samples")
    ignore: tuple[str, ...] = Field((), description="Columns that are not samples")
    channel_types: dict[str, str] = Field(
        default_factory=dict, description="Types of channels that are not eeg, e.g. {AUX: misc}"
    )


class ImportedStimulusSection(Section):
    """A stimulus and the events that show it."""

    when: dict[str, str] = Field(
        min_length=1, description="Columns of an event and the values that they must have"
    )
    concept: str = Field(description="Concept")
    captions: tuple[str, ...] = Field((), description="Sentences that describe it")
    pictures: Path | None = Field(None, description="Picture, or folder of those that were shown")
    columns: dict[str, str] = Field(default_factory=dict, description="More columns of stimuli.tsv")


class RecordingsSource(Section):
    """EEG files that are not in BIDS: CSV of samples, EEGLAB, or what MNE reads."""

    kind: Literal["recordings"] = "recordings"
    path: Path = Field(description="Folder of the release")
    files: dict[Label, tuple[str, ...]] = Field(
        description="For each subject patterns below `path`; each file is a run"
    )
    task: Label = Field(description="BIDS task label to write")
    stimuli: dict[str, ImportedStimulusSection] = Field(
        min_length=1, description="By stimulus_id: which events show it; tried in order"
    )
    line_freq: float = Field(50.0, gt=0, description="Frequency of the mains in Hz")
    table: SampleTableSection | None = Field(None, description="Columns of CSV files")
    n_blocks: int = Field(
        3, ge=1, description="Fewest blocks of a subject; runs are cut until there are as many"
    )
    gap_s: float = Field(
        1.0, ge=0, description="Trials nearer to a cut than this (seconds) belong to no block"
    )


class ThingsEeg2Source(Section):
    """THINGS-EEG2 as released, converted."""

    kind: Literal["things-eeg2"] = "things-eeg2"
    path: Path = Field(description="Folder with raw_data or preprocessed_data, image_metadata.npy")
    layout: Literal["raw", "preprocessed"] = Field(
        "raw", description="Recordings, or epochs (then `recording.modality: epochs`)"
    )
    pictures: Path | None = Field(
        None, description="Folder with training_images and test_images, where they are"
    )


class ThingsMegSource(Section):
    """THINGS-MEG (ds004212) as released; recordings are linked, not copied."""

    kind: Literal["things-meg"] = "things-meg"
    path: Path = Field(description="Root of the BIDS data set, or the folder of epochs")
    layout: Literal["bids", "preprocessed"] = Field(
        "bids", description="Recordings, or epochs (then `recording.modality: epochs`)"
    )
    complete: bool = Field(True, description="Refuse subjects of which a part is missing")


class EpochsRecording(Section):
    """Epochs that the data set's publisher has cut."""

    modality: Literal["epochs"] = "epochs"
    datatype: Literal["eeg", "meg"] = Field(description="BIDS data type")
    picks: tuple[str, ...] | None = Field(
        None, description="Channels to keep, as names or regular expressions"
    )

    @property
    def preprocessing(self) -> str:
        """How responses were made, for model cards."""
        return "epochs as their publisher made them"


class MaxwellSection(Section):
    """Signal space separation (`mne.preprocessing.maxwell_filter`)."""

    calibration: Path | Literal["bids"] | None = Field(
        "bids", description="Fine-calibration file; `bids`: the acq-calibration file, if any"
    )
    cross_talk: Path | Literal["bids"] | None = Field(
        "bids", description="Cross-talk file; `bids`: the acq-crosstalk file, if any"
    )
    int_order: int = Field(8, ge=1, description="Order of the internal expansion")
    ext_order: int = Field(3, ge=1, description="Order of the external expansion")
    st_duration: float | None = Field(
        None, gt=0, description="Window of temporal SSS in seconds; null is off"
    )
    st_correlation: float = Field(0.98, gt=0, le=1, description="Correlation limit of tSSS")
    destination: Literal["first-run"] | None = Field(
        "first-run", description="Move heads to where the first run has them, or leave them"
    )


class NotchSection(Section):
    """Notch filter (`Raw.notch_filter`)."""

    freqs: tuple[float, ...] = Field(min_length=1, description="Frequencies in Hz, e.g. [50, 100]")
    method: Literal["fir", "iir", "spectrum_fit"] = Field("fir", description="Kind of filter")


class FilterSection(Section):
    """Band-pass filter (`Raw.filter`)."""

    l_freq: float | None = Field(0.1, gt=0, description="Lower edge in Hz; null: no high-pass")
    h_freq: float | None = Field(40.0, gt=0, description="Upper edge in Hz; null: no low-pass")
    method: Literal["fir", "iir"] = Field("fir", description="Kind of filter")
    phase: Literal["zero", "minimum"] = Field(
        "zero", description="Symmetric, or causal: nothing appears before it happened"
    )


class IcaSection(Section):
    """Independent components; those of eyes and heart are removed (`mne.preprocessing.ICA`)."""

    kind: Literal["ica"] = "ica"
    method: Literal["fastica", "infomax", "picard"] = Field("fastica", description="Algorithm")
    n_components: int | float | None = Field(
        0.99, gt=0, description="Number, or the share of variance that they explain"
    )
    l_freq: float = Field(1.0, gt=0, description="High-pass of the copy that is decomposed, in Hz")
    find_bads_eog: bool = Field(True, description="Find components of the eyes")
    find_bads_ecg: bool = Field(True, description="Find components of the heart")
    eog_channels: tuple[str, ...] = Field(
        (), description="Channels that stand for the eyes where none is of type eog, e.g. Fp1"
    )
    measure: Literal["correlation", "zscore"] = Field(
        "correlation",
        description="What decides on eyes; z-scores cannot reach 3 with ten components or fewer",
    )
    threshold: float = Field(
        0.5, gt=0, description="Correlation (or z-score) from which a component is rejected"
    )


class RegressionSection(Section):
    """Regression of eye and heart channels out of all others (`EOGRegression`)."""

    kind: Literal["regression"] = "regression"
    picks_artifact: tuple[str, ...] = Field(
        ("eog",), description="Channels, or the types eog and ecg, that are regressed out"
    )


class EpochsSection(Section):
    """Windows around the onsets of trials (`mne.Epochs`)."""

    tmin: float = Field(-0.2, description="Start in seconds after the onset")
    tmax: float = Field(0.8, description="End in seconds after the onset")
    baseline: tuple[float | None, float | None] | None = Field(
        (None, 0.0), description="Seconds whose mean is subtracted; null in a pair is the edge"
    )
    onset_shift_s: float = Field(
        0.0, description="Added to every onset: the delay from trigger to picture, in seconds"
    )
    reject: dict[str, float] | None = Field(
        None, description="Largest peak-to-peak amplitude by channel type: µV, fT, fT/cm"
    )
    flat: dict[str, float] | None = Field(
        None, description="Smallest peak-to-peak amplitude by channel type: µV, fT, fT/cm"
    )
    decim: int = Field(1, ge=1, description="Keep every n-th sample")


class MeegRecording(Section):
    """What EEG and MEG recordings have in common."""

    task: Label = Field(description="BIDS task label")
    sessions: tuple[Label, ...] | None = Field(None, description="Sessions; without it all")
    runs: tuple[Label, ...] | None = Field(None, description="Runs; without it all")
    stimulus_column: str = Field(
        "stim_file", description="events.tsv column that names what was shown"
    )
    ignore_trial_types: tuple[str, ...] = Field(
        ("rest", "fixation", "baseline"), description="Events that are not trials"
    )
    channel_types: dict[str, str] = Field(
        default_factory=dict, description="Types that the files state wrongly, e.g. {EOG1: eog}"
    )
    montage: str | None = Field(
        None, description="MNE's name of a montage, e.g. fsaverage_1005, where files have none"
    )
    picks: tuple[str, ...] | None = Field(
        None, description="Channels to keep, as names or regular expressions, e.g. ['^O', '^P']"
    )
    bads: tuple[str, ...] = Field((), description="Bad channels beside those of channels.tsv")
    find_bads: Literal["none", "lof", "maxwell"] = Field(
        "none", description="Find more: find_bad_channels_lof or find_bad_channels_maxwell"
    )
    bad_channels: Literal["interpolate", "drop"] = Field(
        "interpolate", description="What becomes of bad channels"
    )
    notch_filter: NotchSection | None = Field(None, description="Notch filter; null is off")
    filter: FilterSection | None = Field(FilterSection(), description="Band-pass; null is off")
    artefacts: Annotated[IcaSection | RegressionSection, Field(discriminator="kind")] | None = (
        Field(None, description="How eyes and heart are removed; null: they stay")
    )
    resample_sfreq: float | None = Field(
        None, gt=0, description="New sampling rate in Hz (`Raw.resample`); null keeps it"
    )
    epochs: EpochsSection = EpochsSection()

    @property
    def preprocessing(self) -> str:
        """How responses were made, for model cards."""
        which = {"task", "sessions", "runs", "stimulus_column", "ignore_trial_types"}
        return self.model_dump_json(exclude=which, exclude_none=True)


class EegRecording(MeegRecording):
    """EEG runs in BIDS."""

    modality: Literal["eeg"] = "eeg"
    set_eeg_reference: Literal["average"] | tuple[str, ...] | None = Field(
        None, description="New reference: `average`, or the mean of some channels; null keeps it"
    )

    @property
    def datatype(self) -> str:
        """BIDS data type."""
        return "eeg"


class MegRecording(MeegRecording):
    """MEG runs in BIDS."""

    modality: Literal["meg"] = "meg"
    sensors: Literal["meg", "mag", "grad"] = Field(
        "meg", description="All, magnetometers (axial gradiometers too), or planar gradiometers"
    )
    maxwell_filter: MaxwellSection | Literal["where-calibrated"] | None = Field(
        "where-calibrated",
        description="Signal space separation; by default where a fine-calibration file is there",
    )

    @property
    def datatype(self) -> str:
        """BIDS data type."""
        return "meg"
