"""What is read of an EEG or MEG recording and what is done to it.

The fields are those of the section `recording`; keys and defaults are explained there. Names are
MNE's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Maxwell:
    """Signal space separation; `bids` takes the file that the data set brings."""

    calibration: Path | Literal["bids"] | None = "bids"
    cross_talk: Path | Literal["bids"] | None = "bids"
    int_order: int = 8
    ext_order: int = 3
    st_duration: float | None = None
    st_correlation: float = 0.98
    destination: Literal["first-run"] | None = "first-run"


@dataclass(frozen=True)
class Notch:
    """Notch filter; frequencies in Hz."""

    freqs: Sequence[float]
    method: str = "fir"


@dataclass(frozen=True)
class Filter:
    """Band-pass filter; edges in Hz."""

    l_freq: float | None = 0.1
    h_freq: float | None = 40.0
    method: str = "fir"
    phase: str = "zero"


@dataclass(frozen=True)
class Ica:
    """Removal of independent components of eyes and heart."""

    method: str = "fastica"
    n_components: int | float | None = 0.99
    l_freq: float = 1.0
    find_bads_eog: bool = True
    find_bads_ecg: bool = True
    eog_channels: Sequence[str] = ()
    measure: str = "correlation"
    threshold: float = 0.5


@dataclass(frozen=True)
class Regression:
    """Removal of what eye and heart channels predict."""

    picks_artifact: Sequence[str] = ("eog",)


@dataclass(frozen=True)
class Windows:
    """Windows around the onsets of trials; times in seconds, amplitudes in µV, fT, fT/cm."""

    tmin: float = -0.2
    tmax: float = 0.8
    baseline: tuple[float | None, float | None] | None = (None, 0.0)
    onset_shift_s: float = 0.0
    reject: Mapping[str, float] | None = None
    flat: Mapping[str, float] | None = None
    decim: int = 1

    @property
    def span_s(self) -> tuple[float, float]:
        """Start and end of a window after the onset in events.tsv, in seconds."""
        return self.tmin + self.onset_shift_s, self.tmax + self.onset_shift_s


@dataclass(frozen=True)
class MeegReading:
    """What to read of a subject and how.

    Attributes
    ----------
    bids, subject, task, datatype
        Data set, BIDS labels, and `eeg` or `meg`.
    stimuli
        The stimulus table.
    sensors
        Types that become units: `eeg`; `meg`, `mag` or `grad`.
    seed
        Seed of what is random (the start of an ICA).

    The others: see `recording` of the configuration.
    """

    bids: Path
    subject: str
    task: str
    datatype: str
    stimuli: Path
    sensors: str = "eeg"
    sessions: Sequence[str] | None = None
    runs: Sequence[str] | None = None
    stimulus_column: str = "stim_file"
    ignore_trial_types: Sequence[str] = ("rest", "fixation", "baseline")
    channel_types: Mapping[str, str] = field(default_factory=dict)
    montage: str | None = None
    picks: Sequence[str] | None = None
    bads: Sequence[str] = ()
    find_bads: str = "none"
    bad_channels: str = "interpolate"
    maxwell_filter: Maxwell | Literal["where-calibrated"] | None = None
    notch_filter: Notch | None = None
    filter: Filter | None = field(default_factory=Filter)
    artefacts: Ica | Regression | None = None
    set_eeg_reference: str | Sequence[str] | None = None
    resample_sfreq: float | None = None
    epochs: Windows = field(default_factory=Windows)
    seed: int = 0
