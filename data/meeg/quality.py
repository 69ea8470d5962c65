"""Quality of EEG and MEG runs, as JSON values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.meeg.cleaning import CleanRun
from calcarine.data.meeg.settings import MeegReading
from calcarine.data.meeg.spectra import Spectrum, mean_spectra
from calcarine.data.meeg.trials import MeegRun
from calcarine.data.meeg.windows import RunWindows

_MUCH_REJECTED = 0.2


@dataclass(frozen=True)
class RunQuality:
    """What the report says of one run.

    Attributes
    ----------
    run, clean
        Run, and what was done to it; its samples are not kept.
    n_trials, dropped
        Trials of the run, and why some were left out, by `trial_id`.
    amplitude
        Median peak-to-peak amplitude of a window, over trials and channels.
    """

    run: MeegRun
    bads: list[str]
    steps: list[str]
    removed: list[dict[str, Any]]
    removed_share: float
    before: list[Spectrum]
    after: list[Spectrum]
    warnings: list[str]
    n_trials: int
    dropped: dict[str, str]
    amplitude: float

    @classmethod
    def of(
        cls, run: MeegRun, clean: CleanRun, windows: RunWindows, trial_ids: Sequence[str]
    ) -> "RunQuality":
        """Look at a cleaned run."""
        names = list(trial_ids)
        removed = [
            {
                "component": c.index,
                "cause": c.cause,
                "score": round(c.score, 4),
                "pattern": {
                    n: round(float(p), 4) for n, p in zip(c.channels, c.pattern, strict=True)
                },
            }
            for c in clean.rejection.removed
        ]
        spread = np.ptp(windows.values, axis=2) if len(windows.values) else np.array([np.nan])
        return cls(
            run,
            clean.bads,
            clean.steps,
            removed,
            clean.rejection.share,
            clean.before,
            clean.after,
            [f"{run.files.name}: {text}" for text in clean.rejection.warnings],
            len(run.trials),
            {names[i]: reason for i, reason in windows.dropped.items()},
            float(np.median(spread)),
        )


def quality_report(
    runs: Sequence[RunQuality], units: pd.DataFrame, reading: MeegReading
) -> dict[str, Any]:
    """Give the quality of a subject's recording as JSON values."""
    n_trials = sum(r.n_trials for r in runs)
    n_dropped = sum(len(r.dropped) for r in runs)
    warnings = [w for r in runs for w in (*r.run.warnings, *r.warnings)]
    warnings += [
        f"{r.run.files.name}: {len(r.dropped)} of {r.n_trials} trials were rejected"
        for r in runs
        if len(r.dropped) > _MUCH_REJECTED * r.n_trials
    ]
    return {
        "subject": reading.subject,
        "n_runs": len(runs),
        "n_trials": n_trials - n_dropped,
        "n_trials_rejected": n_dropped,
        "rejected_share": round(n_dropped / n_trials, 4),
        "n_units": len(units),
        "n_units_interpolated": int(units["interpolated"].sum()),
        "removed_variance_share": round(float(np.mean([r.removed_share for r in runs])), 4),
        "runs": [_row(r) for r in runs],
        "dropped_trials": {t: reason for r in runs for t, reason in r.dropped.items()},
        "bad_channels": {r.run.files.name: r.bads for r in runs},
        "removed_components": {r.run.files.name: r.removed for r in runs if r.removed},
        "spectra": {
            "before": _spectra([r.before for r in runs]),
            "after": _spectra([r.after for r in runs]),
        },
        "steps": runs[0].steps,
        "warnings": warnings,
    }


def _row(quality: RunQuality) -> dict[str, Any]:
    return {
        "session": quality.run.files.session,
        "run": quality.run.files.run,
        "length_s": round(quality.run.length_s, 2),
        "recorded_hz": quality.run.sfreq,
        "n_trials": quality.n_trials - len(quality.dropped),
        "rejected_share": round(len(quality.dropped) / max(quality.n_trials, 1), 4),
        "n_bad_channels": len(quality.bads),
        "n_components_removed": len(quality.removed),
        "window_amplitude": round(quality.amplitude, 3),
    }


def _spectra(runs: list[list[Spectrum]]) -> dict[str, dict[str, list[float]]]:
    return {
        s.kind: {
            "freqs_hz": [round(float(f), 4) for f in s.freqs_hz],
            "power": [float(f"{p:.5g}") for p in s.power],
        }
        for s in mean_spectra(runs)
    }
