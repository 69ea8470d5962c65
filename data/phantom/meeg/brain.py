"""What is planted in one subject's EEG or MEG: dipoles, latencies, noise, and how all is seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.phantom.cortex import Cortex, plant_cortex
from calcarine.data.phantom.meeg.artefacts import PlantedArtefacts, plant_artefacts
from calcarine.data.phantom.meeg.devices import Device, device_of
from calcarine.data.phantom.meeg.experiment import SensorExperiment
from calcarine.data.phantom.meeg.head import (
    Dipoles,
    artefact_dipoles,
    cortical_dipoles,
    white_surface,
)
from calcarine.data.phantom.meeg.noise import (
    NoisePart,
    PowerLaw,
    Rhythm,
    Spectrum,
    White,
    square_root,
)
from calcarine.data.phantom.neighbours import PAIRED_PATCHES
from calcarine.data.phantom.regions import HEMISPHERES, LATE_REGIONS, REGIONS
from calcarine.data.seeds import derive_seed

# peak and width (standard deviation) of each patch's response in seconds: early areas first and
# briefly, category patches around the N170/M170, parietal and lateral temporal cortex last
COURSES = {
    "V1": (0.095, 0.016),
    "V2": (0.105, 0.018),
    "V3A": (0.120, 0.020),
    "V4": (0.135, 0.022),
    "LOC": (0.150, 0.024),
    "OFA": (0.145, 0.022),
    "FFA": (0.170, 0.025),
    "EBA": (0.190, 0.028),
    "PPA": (0.210, 0.030),
    "VWFA": (0.200, 0.030),
    "food": (0.225, 0.032),
    "RSC": (0.240, 0.035),
    "pMTG": (0.260, 0.038),
    "TOS": (0.155, 0.024),
    "aFus": (0.235, 0.034),
    "pSTS": (0.290, 0.040),
    "AG": (0.310, 0.042),
    "VO1": (0.135, 0.022),
    "VO2": (0.135, 0.022),
    "LO1": (0.150, 0.024),
    "LO2": (0.150, 0.024),
}
MOMENT_NAM = 1.5
"""Moment of one dipole for a response of 1 % signal change at amplitude 1, in nA m."""

_LATENCY_SD_S = 0.005
_N_BACKGROUND, _BACKGROUND_NAM = 300, 8.0
_N_ALPHA, _ALPHA_NAM = 60, 6.0
_OCCIPITAL_MM = -70.0
_SENSOR_SD = {"eeg": 1.5e-6, "mag": 25e-15, "grad": 6e-13}
_DRIFT_SD = {"eeg": 12e-6, "mag": 100e-15, "grad": 1e-12}


@dataclass(frozen=True)
class SensorBrain:
    """One subject's planted sources and how sensors see them.

    Attributes
    ----------
    cortex
        As in the phantom's fMRI: the same subject has the same tuning in both.
    device
        Sensors.
    dipoles
        One row a tuned voxel: columns of `cortex.voxels`, and `x_m y_m z_m`, `latency_s`,
        `width_s`; in the order of the leadfield.
    leadfield
        Volts or tesla per A m, shape (n_channels, n_dipoles).
    noise
        Stationary noise of brain, electrodes and sensors.
    artefacts
        How blinks, heartbeats, mains and muscles are seen, and which channel is broken.
    """

    cortex: Cortex
    device: Device
    dipoles: pd.DataFrame
    leadfield: np.ndarray
    noise: tuple[NoisePart, ...]
    artefacts: PlantedArtefacts

    @property
    def patches(self) -> pd.DataFrame:
        """One row a patch: `roi tuned_to latency_s width_s n_dipoles`, by latency."""
        grouped = self.dipoles.groupby("roi", sort=True)
        table = grouped[["tuned_to", "latency_s", "width_s"]].first()
        table["n_dipoles"] = grouped.size()
        return table.sort_values(["latency_s", "roi"]).reset_index()

    def topographies(self, drive: np.ndarray) -> np.ndarray:
        """Give each patch's field at its peak.

        Parameters
        ----------
        drive
            Percent signal change of all voxels, amplitude included, shape (n_scenes, n_voxels).

        Returns
        -------
        numpy.ndarray
            SI units, shape (n_scenes, n_patches, n_channels), patches in the order of `patches`.
        """
        tuned = drive[:, self.dipoles["voxel"].to_numpy()]
        rois = self.dipoles["roi"].to_numpy()
        moment = 1e-9 * MOMENT_NAM
        fields = [
            moment * tuned[:, rois == roi] @ self.leadfield[:, rois == roi].T
            for roi in self.patches["roi"]
        ]
        return np.stack(fields, axis=1)

    def courses(self, times_s: np.ndarray) -> np.ndarray:
        """Give each patch's time course, of height 1, shape (n_patches, n_times)."""
        peak, width = (self.patches[name].to_numpy()[:, None] for name in ("latency_s", "width_s"))
        return np.exp(-((times_s - peak) ** 2) / (2 * width**2))


def plant_brain(datatype: str, experiment: SensorExperiment, subject: str) -> SensorBrain:
    """Plant one subject.

    Parameters
    ----------
    datatype
        `eeg` or `meg`.
    experiment
        Size of the experiment.
    subject
        Label.

    Raises
    ------
    CalcarineError
        There is no such device or montage.
    """
    device = device_of(datatype, experiment, subject)
    cortex = plant_cortex(subject, experiment.n_voxels, experiment.seed)
    rng = np.random.default_rng(derive_seed(experiment.seed, "phantom-meeg", subject, "brain"))
    dipoles = _planted_dipoles(cortex, rng)
    seen = cortical_dipoles(dipoles["hemisphere"].to_numpy(), dipoles["vertex"].to_numpy())
    dipoles[["x_m", "y_m", "z_m"]] = seen.positions_m
    everywhere = _random_places(_N_BACKGROUND, None, rng)
    behind = _random_places(_N_ALPHA, _OCCIPITAL_MM, rng)
    # one call for all: setting the head model up takes longer than the fields of a few dipoles
    fields = device.see(seen + everywhere + behind + artefact_dipoles())
    ends = np.cumsum([len(seen), len(everywhere), len(behind), 2])
    tuned, background, alpha, eyes, heart = np.split(fields, ends, axis=1)
    return SensorBrain(
        cortex,
        device,
        dipoles,
        tuned,
        _planted_noise(device, background, alpha, rng),
        plant_artefacts(device, eyes.sum(axis=1), heart.sum(axis=1), rng),
    )


def _planted_dipoles(cortex: Cortex, rng: np.random.Generator) -> pd.DataFrame:
    """Take the tuned voxels as dipoles and give each patch its latency."""
    table = cortex.voxels[cortex.is_tuned].drop(columns=["hrf_peak_s", "hrf_width_s"])
    table = table.reset_index(names="voxel")
    shift = {region.name: rng.normal(0, _LATENCY_SD_S) for region in REGIONS + LATE_REGIONS}
    # what was cut out of a patch answers when it does
    shift |= {patch.name: shift[patch.host] for patch in PAIRED_PATCHES}
    peaks = {roi: round(peak + shift[roi], 4) for roi, (peak, _) in COURSES.items()}
    table["latency_s"] = table["roi"].map(peaks)
    table["width_s"] = table["roi"].map({roi: width for roi, (_, width) in COURSES.items()})
    return table


def _planted_noise(
    device: Device, background: np.ndarray, alpha: np.ndarray, rng: np.random.Generator
) -> tuple[NoisePart, ...]:
    """Plant ongoing activity all over cortex, a rhythm at its back, drift and sensor noise."""
    kinds = device.electrodes.get_channel_types()
    roots = {
        "background": 1e-9 * _BACKGROUND_NAM * background,
        "alpha": 1e-9 * _ALPHA_NAM * alpha,
        "drift": device.reference * np.array([_DRIFT_SD[kind] for kind in kinds]),
        "sensor": device.reference * np.array([_SENSOR_SD[kind] for kind in kinds]),
    }
    spectra: dict[str, Spectrum] = {
        "background": PowerLaw(1.2, 1.0),
        "alpha": Rhythm(float(rng.uniform(9.0, 11.5)), 0.8),
        "drift": PowerLaw(2.5, 0.02),
        "sensor": White(),
    }
    return tuple(
        NoisePart(name, square_root(root @ root.T), spectra[name]) for name, root in roots.items()
    )


def _random_places(n_places: int, behind_mm: float | None, rng: np.random.Generator) -> Dipoles:
    """Draw vertices of both hemispheres, of all cortex or behind a plane."""
    drawn = {}
    for hemisphere in HEMISPHERES:
        place, _ = white_surface(hemisphere)
        allowed = np.arange(len(place))
        if behind_mm is not None:
            allowed = allowed[place[:, 1] < behind_mm]
        drawn[hemisphere] = rng.choice(allowed, n_places // len(HEMISPHERES), replace=False)
    hemispheres = np.repeat(list(drawn), [len(vertices) for vertices in drawn.values()])
    return cortical_dipoles(hemispheres, np.concatenate(list(drawn.values())))
