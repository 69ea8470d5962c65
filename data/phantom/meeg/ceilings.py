"""True noise ceilings over time, and how much a perfect linear decoder could know when."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.phantom.meeg.brain import SensorBrain
from calcarine.data.phantom.meeg.noise import noise_covariance
from calcarine.data.phantom.tuning import factor_code_names, factor_codes

BAND_HZ = (0.1, 40.0)
BASELINE_S = (-0.1, 0.0)
STEP_S = 0.01


@dataclass(frozen=True)
class Epoch:
    """Responses and noise of one subject as an ideal preprocessing leaves them.

    Band-passed at `BAND_HZ`, baseline `BASELINE_S`, artefacts gone, the bad channel dropped, EEG
    against the average of the others.

    Attributes
    ----------
    channels
        Names of the good channels.
    times_s
        Shape (n_times,).
    responses
        Of each scene, without noise, shape (n_scenes, n_channels, n_times).
    covariances, factors
        Of the noise, see `noise_covariance`.
    """

    channels: list[str]
    times_s: np.ndarray
    responses: np.ndarray
    covariances: np.ndarray
    factors: np.ndarray

    def noise_at(self, time: int) -> np.ndarray:
        """Give the covariance of the noise at one time, shape (n_channels, n_channels)."""
        return np.asarray(np.einsum("p,pcd->cd", self.factors[:, time], self.covariances))


def ideal_epoch(brain: SensorBrain, fields: np.ndarray, rate_hz: float) -> Epoch:
    """Compute what an ideal preprocessing leaves of each scene's response and of the noise.

    Parameters
    ----------
    brain
        The subject.
    fields
        Of each scene, as `SensorBrain.topographies` gives them.
    rate_hz
        Sampling rate of the recording.
    """
    times = STEP_S * np.arange(round(BASELINE_S[0] / STEP_S), round(0.6 / STEP_S) + 1)
    n_channels = len(brain.device.channels)
    good = np.arange(n_channels) != brain.artefacts.bad_channel
    keep = np.eye(n_channels)[good]
    if brain.device.datatype == "eeg":
        keep = keep - keep.mean(axis=0)
    covariances, factors = noise_covariance(brain.noise, rate_hz, BAND_HZ, times, BASELINE_S)
    return Epoch(
        [name for name, is_good in zip(brain.device.channels, good, strict=True) if is_good],
        times,
        np.einsum("dc,spc,pt->sdt", keep, fields, brain.courses(times), optimize=True),
        np.einsum("dc,pce,fe->pdf", keep, covariances, keep, optimize=True),
        factors,
    )


def true_ceilings(epoch: Epoch, n_repeats: int) -> pd.DataFrame:
    """Compute the noise ceilings of single channels over time.

    Parameters
    ----------
    epoch
        Of the test scenes.
    n_repeats
        Repeats that are averaged.

    Returns
    -------
    pandas.DataFrame
        `channel time_s signal_sd noise_sd ncsnr noise_ceiling_1 noise_ceiling_n`: r of one
        measurement and of the mean over repeats; 0 where there is no signal.
    """
    signal = epoch.responses.std(axis=0, ddof=1)
    variances = np.diagonal(epoch.covariances, axis1=1, axis2=2)
    noise = np.sqrt(variances.T @ epoch.factors)
    ncsnr = np.divide(signal, noise, out=np.zeros_like(signal), where=noise > 0)
    return pd.DataFrame(
        {
            "channel": np.repeat(epoch.channels, len(epoch.times_s)),
            "time_s": np.tile(epoch.times_s, len(epoch.channels)),
            "signal_sd": signal.ravel(),
            "noise_sd": noise.ravel(),
            "ncsnr": ncsnr.ravel(),
            "noise_ceiling_1": (ncsnr / np.sqrt(ncsnr**2 + 1)).ravel(),
            "noise_ceiling_n": (ncsnr / np.sqrt(ncsnr**2 + 1 / n_repeats)).ravel(),
        }
    )


def true_information(epoch: Epoch, factors: pd.DataFrame, n_repeats: int) -> pd.DataFrame:
    """Compute how well the best linear decoder could read each factor at each time.

    Parameters
    ----------
    epoch
        Of many scenes.
    factors
        Of the same scenes.
    n_repeats
        Repeats of a scene that are averaged before decoding.

    Returns
    -------
    pandas.DataFrame
        `code time_s r`: correlation of the factor's code (see `factor_codes`) with its best
        linear estimate from all good channels at that time.
    """
    codes = factor_codes(factors)
    codes = codes - codes.mean(axis=0)
    centred = epoch.responses - epoch.responses.mean(axis=0)
    rows = []
    for place, time in enumerate(epoch.times_s):
        seen = centred[:, :, place]
        total = seen.T @ seen / len(seen) + epoch.noise_at(place) / n_repeats
        cross = seen.T @ codes / len(seen)
        explained = (cross * (np.linalg.pinv(total, hermitian=True) @ cross)).sum(axis=0)
        r = np.sqrt(np.maximum(explained, 0) / codes.var(axis=0))
        rows.append(pd.DataFrame({"code": factor_code_names(), "time_s": time, "r": r}))
    return pd.concat(rows, ignore_index=True)
