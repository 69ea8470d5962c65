"""One subject's cortex: where its voxels are, what they are tuned to, how well they show it."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from calcarine.data.phantom.neighbours import split_into_pairs
from calcarine.data.phantom.planting import plant_late_tuning, plant_tuning
from calcarine.data.phantom.regions import (
    ALL_REGIONS,
    NO_REGION,
    add_late_patches,
    choose_voxels,
)
from calcarine.data.phantom.scene_captions import scene_captions
from calcarine.data.phantom.scenes import factor_table, render_scene, sample_scenes
from calcarine.data.phantom.tuning import Tuning, raw_drive
from calcarine.data.seeds import derive_seed

_TUNED_SHARE = 2 / 3
_LATE_SHARE = 1 / 10
_REFERENCE_CAPTIONS = 3
_REFERENCE_SCENES = 384
_REFERENCE_SEED = 20_240_229
_N_PLACES = 8
_PLACE_VARIANCE = 0.08
_PLACE_MM = 20.0
_N_PATTERNS = 128
_PATTERN_SCALE = 2.0
_MAX_PATTERN_VARIANCE = 0.7


@dataclass(frozen=True)
class Cortex:
    """What is planted in one subject.

    Attributes
    ----------
    voxels
        One row a voxel: `i j k`, `x y z` (mm), `hemisphere`, `vertex` (fsaverage5), `roi`,
        `tuned_to` (`pixels`, `category`, `colour`, `position`, `mixed`; in the late patches
        `part`, `multimodal`, `words`, `detail`; `paired`, a category with a colour or a place; or
        `none`), `preferred` (category, colour or product, or `n/a`), `linear` (the drive is a
        weighted sum of `factor_codes`),
        `hrf_peak_s`, `hrf_width_s`, `evoked` (mean response to a picture), `signal_sd` (standard
        deviation of the response over scenes), `noise_sd` (of the time series), all in percent
        signal change, `ar1` and `baseline` (scanner units).
    tuning
        Weights and receptive fields.
    centre, spread
        Mean and standard deviation of the raw drive over a fixed set of reference scenes, each of
        shape (n_voxels,).
    shared_noise
        Loadings of noise that voxels share, shape (n_voxels, n_sources); each row's squares sum
        to the share of the noise's variance.
    motion_leak, spike_leak
        Percent signal change per mm of the six motion parameters, shape (6, n_voxels), and per
        abrupt movement, shape (n_voxels,).
    """

    voxels: pd.DataFrame
    tuning: Tuning
    centre: np.ndarray
    spread: np.ndarray
    shared_noise: np.ndarray
    motion_leak: np.ndarray
    spike_leak: np.ndarray

    @property
    def is_tuned(self) -> np.ndarray:
        """Which voxels respond to pictures at all: bool, shape (n_voxels,)."""
        return self.voxels["tuned_to"].to_numpy() != "none"

    def drive(self, pictures: np.ndarray, factors: pd.DataFrame) -> np.ndarray:
        """Give the height of each voxel's response to each scene.

        Parameters
        ----------
        pictures
            uint8, shape (n_scenes, height, width, 3).
        factors
            Table with one row a scene, `captions` included.

        Returns
        -------
        numpy.ndarray
            float64, shape (n_scenes, n_voxels), percent signal change; 0 for untuned voxels.
        """
        scores = (raw_drive(pictures, factors, self.tuning) - self.centre) / self.spread
        drive = self.voxels["evoked"].to_numpy() + self.voxels["signal_sd"].to_numpy() * scores
        # rounded, so that the order in which threads add does not reach the files
        return np.where(self.is_tuned, drive.round(6), 0.0)


def plant_cortex(subject: str, n_voxels: int, seed: int) -> Cortex:
    """Plant the cortex of one subject.

    Tuning is to generative factors, pixels and the wording of captions, never to what a model
    makes of them. Three quarters of the voxels are tuned. Subjects differ in the places of
    patches, in weights and in noise.

    Parameters
    ----------
    subject
        Label; each has a cortex of its own.
    n_voxels
        Voxels in all.
    seed
        The configuration's seed.

    Returns
    -------
    Cortex
        The same for the same arguments.

    Raises
    ------
    CalcarineError
        More voxels are asked for than the piece of cortex has.
    """
    rng = np.random.default_rng(derive_seed(seed, "phantom", subject, "cortex"))
    voxels = choose_voxels(n_voxels, round(n_voxels * _TUNED_SHARE), rng)
    _name_tuning(voxels)
    tuning = plant_tuning(voxels, rng)
    _plant_signal(voxels, rng)
    sources, signs = _noise_sources(voxels, rng)
    motion_leak, spike_leak = rng.normal(0, 0.6, (6, n_voxels)), rng.normal(0, 0.8, n_voxels)
    late = np.random.default_rng(derive_seed(seed, "phantom", subject, "late patches"))
    voxels, tuning, origin = _with_late_patches(voxels, tuning, late)
    pairs = np.random.default_rng(derive_seed(seed, "phantom", subject, "paired patches"))
    voxels, tuning = split_into_pairs(voxels, tuning, pairs)
    raw = raw_drive(*_reference_scenes(), tuning)
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    spread[spread == 0] = 1.0
    shared = [
        _place_noise(voxels, sources, signs),
        _pattern_noise(voxels, (raw - centre) / spread),
    ]
    return Cortex(
        voxels,
        tuning,
        centre,
        spread,
        np.hstack(shared),
        motion_leak[:, origin],
        spike_leak[origin],
    )


def _name_tuning(voxels: pd.DataFrame) -> None:
    by_name = {region.name: region for region in ALL_REGIONS}
    rois = voxels["roi"]
    voxels["tuned_to"] = [by_name[r].tuned_to if r != NO_REGION else "none" for r in rois]
    voxels["preferred"] = [by_name[r].preferred if r != NO_REGION else "n/a" for r in rois]


def _with_late_patches(
    voxels: pd.DataFrame, tuning: Tuning, rng: np.random.Generator
) -> tuple[pd.DataFrame, Tuning, np.ndarray]:
    """Turn some untuned voxels into the late patches; all others stay as they are."""
    placed, origin = add_late_patches(voxels, round(len(voxels) * _LATE_SHARE), rng)
    is_late = (placed["roi"] != voxels["roi"].iloc[origin].to_numpy()).to_numpy()
    drawn = voxels.drop(columns=list(placed.columns)).iloc[origin].reset_index(drop=True)
    placed = pd.concat([placed, drawn], axis=1)[list(voxels.columns)]
    own = placed[is_late].copy()
    _name_tuning(own)
    placed.loc[is_late, ["tuned_to", "preferred"]] = own[["tuned_to", "preferred"]]
    strength, evoked = _strength(int(is_late.sum()), rng)
    placed.loc[is_late, "signal_sd"], placed.loc[is_late, "evoked"] = strength, evoked
    return placed, plant_late_tuning(placed, tuning.at(origin), rng), origin


@cache
def _reference_scenes() -> tuple[np.ndarray, pd.DataFrame]:
    scenes = sample_scenes(_REFERENCE_SCENES, _REFERENCE_SEED, "all")
    factors = factor_table(scenes)
    factors["captions"] = [scene_captions(s, _REFERENCE_CAPTIONS, _REFERENCE_SEED) for s in scenes]
    return np.stack([render_scene(scene) for scene in scenes]), factors


def _plant_signal(voxels: pd.DataFrame, rng: np.random.Generator) -> None:
    """Draw how strong, how late and how noisy each voxel is."""
    n_voxels = len(voxels)
    tuned = (voxels["tuned_to"] != "none").to_numpy()
    places = sorted(set(voxels["roi"]))
    delay = dict(zip(places, rng.normal(0, 0.5, len(places)), strict=True))
    peak = 5.25 + voxels["roi"].map(delay).to_numpy() + rng.normal(0, 0.7, n_voxels)
    # to half seconds, so that voxels with one response share its convolution
    voxels["hrf_peak_s"] = np.clip(np.round(2 * peak) / 2, 3.5, 7.5)
    voxels["hrf_width_s"] = rng.choice([0.7, 1.0, 1.4], size=n_voxels, p=[0.3, 0.4, 0.3])
    strength, evoked = _strength(n_voxels, rng)
    voxels["signal_sd"] = np.where(tuned, strength, 0.0)
    voxels["evoked"] = np.where(tuned, evoked, 0.0)
    noisiness = rng.uniform(0.85, 1.2)
    voxels["noise_sd"] = noisiness * rng.lognormal(np.log(1.2), 0.2, size=n_voxels)
    voxels["ar1"] = np.round(rng.uniform(0.15, 0.5, size=n_voxels) / 0.05) * 0.05
    voxels["baseline"] = rng.uniform(700, 1300, size=n_voxels)


def _strength(n_voxels: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw `signal_sd` and `evoked` of tuned voxels."""
    strength = np.clip(rng.lognormal(np.log(0.5), 0.45, size=n_voxels), 0.05, 1.5)
    return strength, rng.lognormal(np.log(0.7), 0.4, size=n_voxels)


def _noise_sources(voxels: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw places (mm) and signs of the noise that neighbours share."""
    place = voxels[["x", "y", "z"]].to_numpy()
    sources = place[rng.choice(len(place), size=_N_PLACES, replace=False)]
    return sources, rng.choice([-1, 1], size=_N_PLACES)


def _place_noise(voxels: pd.DataFrame, sources: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Let neighbours share noise: loadings fall off around a few random places."""
    place = voxels[["x", "y", "z"]].to_numpy()
    squared = ((place[:, None] - sources[None]) ** 2).sum(axis=2)
    loadings = np.exp(-squared / (2 * _PLACE_MM**2)) * signs
    loadings += 0.05
    return np.sqrt(_PLACE_VARIANCE) * loadings / np.linalg.norm(loadings, axis=1, keepdims=True)


def _pattern_noise(voxels: pd.DataFrame, scores: np.ndarray) -> np.ndarray:
    """Let noise look like signal: the patterns that scenes evoke also come by themselves.

    Noise of this kind limits what any number of voxels can tell together, as it does in cortex
    (Moreno-Bote et al. 2014, doi:10.1038/nn.3807); otherwise hundreds of voxels would decode
    perfectly however noisy each of them is.
    """
    loadings = scores[:_N_PATTERNS].T / np.sqrt(_N_PATTERNS)
    snr = (voxels["signal_sd"] / voxels["noise_sd"]).to_numpy()
    loadings *= _PATTERN_SCALE * snr[:, None]
    size = np.linalg.norm(loadings, axis=1, keepdims=True)
    largest = np.sqrt(_MAX_PATTERN_VARIANCE)
    return np.where(size > largest, loadings * largest / np.maximum(size, largest), loadings)
