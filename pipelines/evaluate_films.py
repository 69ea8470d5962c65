"""Scores of encoders that follow a film: when units respond, against what was planted."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.noise_ceiling import noise_ceiling_r
from calcarine.data.phantom.bold import trial_regressors
from calcarine.data.phantom.truth import read_truth
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score, bootstrap_interval
from calcarine.data.seeds import derive_seed
from calcarine.encoders.kernels import response_kernels
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.config_models import RidgeEncoderSection
from calcarine.pipelines.phantom_truth import PROTOCOL, planted_truth


def kernel_scores(
    config: Config,
    subject: str,
    name: str,
    split: str,
    predictions: Predictions,
    units: pd.DataFrame,
) -> list[Score]:
    """Describe when the units of a ridge encoder with several delays respond.

    Over units whose noise ceiling is known and reaches the floor: `kernel_peak_s_median`, the delay
    with the largest weight, and `kernel_at_<delay>_s`, the mean of the kernels (of length one).
    On the phantom also `kernel_r_median`, the correlation over delays with the planted
    haemodynamic response to a frame, and that response (`<model>/planted-kernel`).
    """
    section = config.encode[name]
    if not isinstance(section, RidgeEncoderSection) or len(section.delays_s) < 2:
        return []
    encoder = VoxelEncoder.load(config.layout.model(subject, f"encoder-{name}"))
    delays = np.array(section.delays_s)
    kernels = response_kernels(encoder.coef_.reshape(-1, len(delays), len(units)))
    n_repeats = int(predictions.items["n_repeats"].max())
    ceiling = noise_ceiling_r(units["ncsnr"].to_numpy(dtype=np.float64), n_repeats)
    own = (ceiling >= config.evaluate.ceiling_floor) & kernels.any(axis=1)
    if not own.any():
        return []
    template = Score(
        subject, "encode", f"encoder-{name}", "responses", "", "calcarine", split, int(own.sum()),
        n_repeats, np.nan, note="items are units",
    )  # fmt: skip
    draws = derive_seed(config.seed, subject, "kernels", name), config.evaluate.n_bootstrap
    peaks = delays[kernels[own].argmax(axis=1)]
    rows = [_row(template, "kernel_peak_s_median", peaks, draws, median=True)]
    rows += _courses(template, delays, kernels[own], draws)
    if isinstance(config.source, PhantomSource):
        truth = planted_truth(units, read_truth(config.bids, subject))[own]
        planted = planted_kernels(truth, delays, encoder.embedding["step_s"])
        there = (truth["tuned_to"] != "none").to_numpy()
        r = _row_correlation(kernels[own], planted)[there]
        of_truth = replace(template, protocol=PROTOCOL, n_items=int(there.sum()))
        rows.append(_row(of_truth, "kernel_r_median", r, draws, median=True))
        planted_row = replace(of_truth, model=f"{template.model}/planted-kernel")
        rows += _courses(planted_row, delays, planted[there], draws)
    return rows


def planted_kernels(truth: pd.DataFrame, delays_s: np.ndarray, duration_s: float) -> np.ndarray:
    """Give each voxel's planted response to a frame at some delays, length one.

    Parameters
    ----------
    truth
        `hrf_peak_s` and `hrf_width_s` of each voxel.
    delays_s
        Shape (n_delays,).
    duration_s
        How long a frame stays.
    """
    out = np.empty((len(truth), len(delays_s)))
    shapes = truth.reset_index(drop=True).groupby(["hrf_peak_s", "hrf_width_s"]).indices
    for (peak, width), rows in shapes.items():
        regressors = trial_regressors(np.zeros(1), duration_s, delays_s, float(peak), float(width))
        course = regressors[:, 0]
        out[rows] = course / np.linalg.norm(course)
    return out


def _row_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (one, other))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / np.maximum(size, 1e-12)


def _courses(
    template: Score, delays: np.ndarray, kernels: np.ndarray, draws: tuple[int, int]
) -> list[Score]:
    return [
        _row(template, f"kernel_at_{delay:g}_s", kernels[:, column], draws)
        for column, delay in enumerate(delays)
    ]


def _row(
    template: Score, metric: str, values: np.ndarray, draws: tuple[int, int], median: bool = False
) -> Score:
    low, high = bootstrap_interval(values, derive_seed(draws[0], metric), draws[1], median=median)
    value = float(np.median(values) if median else values.mean())
    return replace(template, metric=metric, value=value, ci_low=low, ci_high=high)
