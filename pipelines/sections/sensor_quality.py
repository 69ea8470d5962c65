"""Quality of sensors: spectra, mean response, what was removed, whitening."""

from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.noise import residual_variance
from calcarine.data.meeg.sensor_scaling import SensorScaler
from calcarine.data.splits import folds
from calcarine.pipelines.config_data import RobustScaling
from calcarine.pipelines.figures.spectra import Curve, spectra_plot
from calcarine.pipelines.figures.topography import evoked_plot, pattern_plot
from calcarine.pipelines.page import Figure, Items, Table, number
from calcarine.pipelines.subject_record import SubjectRecord

_MAX_COMPONENTS = 8
_MAX_TRIALS = 600  # enough for a covariance; the check reads no more


def sensor_figures(record: SubjectRecord) -> list[Figure]:
    """Draw spectra, mean responses with topography, and removed components; none for voxels."""
    if "layout_x" not in record.units or "times_s" not in record.responses.sidecar:
        return []
    return [*_spectra(record), *_evoked(record), *_components(record)]


def _spectra(record: SubjectRecord) -> list[Figure]:
    found = record.quality.get("spectra") or {}
    after = _curves(found.get("after", {}))
    if not after:
        return []
    unit = str(record.responses.sidecar.get("unit", ""))
    png = spectra_plot(_curves(found.get("before", {})), after, f"({unit})² / Hz")
    text = (
        "Power spectra of the sensors, median over sensors and mean over runs, before (grey) and "
        "after cleaning. Mains should stand out before and not after."
    )
    return [Figure("quality_spectra", png, text, text)]


def _curves(found: dict[str, Any]) -> dict[str, Curve]:
    return {
        kind: (np.array(value["freqs_hz"]), np.array(value["power"]))
        for kind, value in found.items()
    }


def _evoked(record: SubjectRecord) -> list[Figure]:
    """Draw the mean over all trials, type by type."""
    values = record.responses.values
    mean = np.zeros(values.shape[1:])
    for start in range(0, len(values), 200):  # the array stays on disk
        mean += np.asarray(values[start : start + 200], dtype=np.float64).sum(axis=0)
    mean /= len(values)
    times = np.array(record.responses.sidecar["times_s"])
    places = record.units[["layout_x", "layout_y"]].to_numpy(dtype=float)
    kinds = record.units["type"].to_numpy(dtype=str)
    units = {"eeg": "µV", "mag": "fT", "grad": "fT/cm"}
    figures = []
    for kind in dict.fromkeys(kinds.tolist()):
        rows = kinds == kind
        given = str(record.responses.sidecar.get("unit", ""))
        unit = units.get(kind, given) if units.get(kind, "?") in given else given
        title = f"Mean response ({kind})"
        png, peak = evoked_plot(times, mean[rows], places[rows], title, unit)
        text = (
            f"Mean over {len(values):,} trials, one line a sensor ({int(rows.sum())} of type "
            f"{kind}); on the head the values at {1000 * peak:.0f} ms, where sensors are strongest "
            "after the onset."
        )
        figures.append(Figure(f"quality_evoked_{kind}", png, text, text))
    return figures


def _components(record: SubjectRecord) -> list[Figure]:
    place = {
        n: (x, y)
        for n, x, y in record.units[["channel", "layout_x", "layout_y"]].itertuples(index=False)
    }
    places: list[np.ndarray] = []
    patterns: dict[str, np.ndarray] = {}
    removed = record.quality.get("removed_components") or {}
    total = sum(len(found) for found in removed.values())
    for run, found in removed.items():
        for one in found:
            names = [n for n in one["pattern"] if n in place]
            if len(patterns) < _MAX_COMPONENTS and names:
                short_run = run.split("_", 1)[-1]
                label = f"{short_run}: {one['component']}, {one['cause']} {number(one['score'])}"
                patterns[label] = np.array([one["pattern"][n] for n in names])
                places.append(np.array([place[n] for n in names]))
    if not patterns:
        return []
    text = (
        f"{len(patterns)} of {total} independent components that were removed: run, number, cause "
        "and score; colours are weights of sensors, strongest 1."
    )
    return [Figure("quality_components", pattern_plot(places, patterns), text, text)]


def whitening_table(record: SubjectRecord) -> Table | None:
    """Check the noise normalisation of the first fold on trials that it has and has not seen."""
    scaling = record.config.scaling
    if not isinstance(scaling, RobustScaling) or scaling.mvnn is None:
        return None
    values, trials = record.responses.values, record.trials
    if values.ndim != 3:
        return None
    fold = folds(trials)[0]
    shown = trials["stimulus_sha"].to_numpy(dtype=str)
    train = _repeated_first(shown, fold.fit)
    test = _repeated_first(shown, fold.test)
    try:
        scaler = SensorScaler.fit(
            np.asarray(values[train]), None, shown[train], scaling.clamp, scaling.mvnn.dim
        )
    except CalcarineError:
        return None
    rows = []
    for name, chosen in (("training trials", train), ("test trials", test)):
        variance, correlation = residual_variance(
            scaler.transform(np.asarray(values[chosen])), shown[chosen]
        )
        rows.append([name, f"{len(chosen):,}", number(variance), number(correlation)])
    caption = (
        f"Whitening check ({scaling.mvnn.dim}, fold {fold.name}, all sessions together): what "
        "repeats of a stimulus do not share. White noise has variance 1 and correlation 0; a "
        "whitening that had seen the test trials would give them the training trials' values."
    )
    return Table(caption, ["trials", "number", "variance", "mean |correlation|"], rows)


def _repeated_first(shown: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Take some rows, those of repeated stimuli first, in table order."""
    names, counts = np.unique(shown[rows], return_counts=True)
    is_repeated = np.isin(shown[rows], names[counts >= 2])
    order = np.argsort(~is_repeated, kind="stable")[:_MAX_TRIALS]
    return np.sort(rows[order])


def steps_list(record: SubjectRecord) -> Items | None:
    """List what was done to the signals of the first run, in order."""
    steps = record.quality.get("steps")
    return Items([f"First run: {step}." for step in steps]) if steps else None
