"""Quality of BOLD runs, and which units can be used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from calcarine.data.confounds import framewise_displacement
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri_trials import FmriReading, MeasuredRun

MOTION_LIMIT_MM = 0.5
_MIN_TSNR = 1.0
_MAX_DROPPED = 0.5


class Units(Protocol):
    """A space of units, as far as messages need it."""

    @property
    def n_units(self) -> int:
        """Number of units."""

    def describe(self, unit: int) -> str:
        """Name a unit."""


@dataclass(frozen=True)
class RunQuality:
    """Quality of one run.

    Attributes
    ----------
    tsnr
        Mean over standard deviation after removal of a linear trend, shape (n_units,).
    is_constant, has_baseline
        bool, shape (n_units,): never changes; mean is well above zero.
    needs_baseline
        Whether responses are in percent of the mean.
    displacement_mm
        Framewise displacement, shape (n_volumes,), or None.
    """

    tsnr: np.ndarray
    is_constant: np.ndarray
    has_baseline: np.ndarray
    needs_baseline: bool
    displacement_mm: np.ndarray | None

    @property
    def usable(self) -> np.ndarray:
        """Units that this run can serve, bool, shape (n_units,)."""
        if self.needs_baseline:
            return ~self.is_constant & self.has_baseline
        return ~self.is_constant


def survey_run(
    series: np.ndarray, run: MeasuredRun, space: Units, needs_baseline: bool
) -> RunQuality:
    """Look at the time series of a run.

    Parameters
    ----------
    series
        Shape (n_volumes, n_units).
    run, space
        For messages.
    needs_baseline
        Whether responses are in percent of the mean.

    Raises
    ------
    CalcarineError
        A value is not finite.
    """
    finite = np.isfinite(series)
    if not finite.all():
        units = np.flatnonzero(~finite.all(axis=0))
        volume = int(np.flatnonzero(~finite[:, units[0]])[0])
        raise CalcarineError(
            f"{run.files.bold[0]}: {len(units)} of {space.n_units} units in the mask hold values "
            f"that are not finite, the first is {space.describe(int(units[0]))} at volume "
            f"{volume}. Repair the file or leave them out of the mask (`recording.mask`)."
        )
    time = np.linspace(-1, 1, len(series), dtype=np.float32)
    mean = series.mean(axis=0, dtype=np.float64)
    centred = series - mean.astype(np.float32)
    slope = time @ centred / (time @ time)
    spread = (centred - time[:, None] * slope).std(axis=0, dtype=np.float64)
    is_constant = np.ptp(series, axis=0) == 0
    tsnr = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0)
    return RunQuality(
        tsnr,
        is_constant,
        tsnr >= _MIN_TSNR,
        needs_baseline,
        framewise_displacement(run.files.confounds, len(series)),
    )


@dataclass(frozen=True)
class Survey:
    """Quality of all runs of a subject.

    Attributes
    ----------
    runs
        One for each run.
    kept
        Units that every run can serve, bool, shape (n_units of the mask,).
    dropped
        Names of the first units that were left out.
    """

    runs: tuple[RunQuality, ...]
    kept: np.ndarray
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[RunQuality], space: Units, subject: str) -> "Survey":
        """Put runs together.

        Raises
        ------
        CalcarineError
            More than half of the units would be left out.
        """
        kept = np.all([r.usable for r in runs], axis=0)
        lost = np.flatnonzero(~kept)
        if len(lost) > _MAX_DROPPED * len(kept):
            constant = int(np.any([r.is_constant for r in runs], axis=0).sum())
            raise CalcarineError(
                f"sub-{subject}: {len(lost)} of {len(kept)} units in the mask cannot be used "
                f"({constant} are constant, {len(lost) - constant} have no baseline above their "
                "noise). Percent signal change needs data with their mean and a mask of the brain; "
                "give another `recording.mask` or data that were not demeaned."
            )
        return cls(tuple(runs), kept, tuple(space.describe(int(u)) for u in lost[:20]))

    def report(self, runs: Sequence[MeasuredRun], reading: FmriReading) -> dict[str, Any]:
        """Give the quality as JSON values."""
        constant = np.any([r.is_constant for r in self.runs], axis=0)
        rows = [_row(q, run, self.kept) for q, run in zip(self.runs, runs, strict=True)]
        moved = [r.displacement_mm for r in self.runs if r.displacement_mm is not None]
        everything = np.concatenate(moved) if moved else None
        n_dropped = int((~self.kept).sum())
        warnings = [
            f"run {row['run']} of session {row['session']}: {row['n_volumes_moved']} of "
            f"{row['n_volumes']} volumes moved by more than {MOTION_LIMIT_MM} mm"
            for row in rows
            if (row["n_volumes_moved"] or 0) > 0.2 * row["n_volumes"]
        ]
        if n_dropped:
            warnings.append(f"{n_dropped} of {len(self.kept)} units of the mask were left out")
        return {
            "subject": reading.subject,
            "n_runs": len(rows),
            "n_trials": sum(row["n_trials"] for row in rows),
            "n_units": int(self.kept.sum()),
            "n_units_in_mask": len(self.kept),
            "n_units_constant": int(constant.sum()),
            "n_units_without_baseline": n_dropped - int(constant.sum()),
            "units_dropped": list(self.dropped),
            "tr_s": runs[0].timing.tr_s,
            "tsnr_median": float(np.median([row["tsnr_median"] for row in rows])),
            "fd_mean_mm": None if everything is None else round(float(everything.mean()), 4),
            "fd_max_mm": None if everything is None else round(float(everything.max()), 4),
            "runs": rows,
            "warnings": warnings,
        }


def _row(quality: RunQuality, run: MeasuredRun, kept: np.ndarray) -> dict[str, Any]:
    moved = quality.displacement_mm
    return {
        "session": run.files.session,
        "run": run.files.run,
        "n_volumes": run.timing.n_volumes,
        "n_trials": len(run.trials),
        "tsnr_median": round(float(np.median(quality.tsnr[kept])), 3),
        "fd_mean_mm": None if moved is None else round(float(moved.mean()), 4),
        "fd_max_mm": None if moved is None else round(float(moved.max()), 4),
        "n_volumes_moved": None if moved is None else int((moved > MOTION_LIMIT_MM).sum()),
    }
