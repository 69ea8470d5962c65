"""Quality of the data: run by run, and what was left out."""

from typing import Any

import numpy as np
import pandas as pd

from calcarine.pipelines.figures.run_quality import run_plot
from calcarine.pipelines.page import (
    Block,
    Figure,
    Figures,
    Section,
    Table,
    Text,
    folded_if_long,
    number,
)
from calcarine.pipelines.sections.sensor_quality import (
    sensor_figures,
    steps_list,
    whitening_table,
)
from calcarine.pipelines.subject_record import SubjectRecord

# numbers of a run that are drawn, with their names in words
_DRAWN = {
    "tsnr_median": ("median temporal signal-to-noise ratio", "tSNR"),
    "fd_mean_mm": ("mean framewise displacement", "displacement (mm)"),
    "rejected_share": ("share of trials that were rejected", "share rejected"),
}
_WORDS = {
    "tsnr_median": "median tSNR",
    "fd_mean_mm": "mean displacement (mm)",
    "n_volumes": "volumes",
    "n_trials": "trials",
    "tr_s": "TR (s)",
    "fd_max_mm": "largest displacement (mm)",
    "n_volumes_moved": "volumes that moved",
    "rejected_share": "share of trials rejected",
    "removed_variance_share": "share of variance removed as eyes and heart",
    "length_s": "length (s)",
    "recorded_hz": "recorded at (Hz)",
    "window_amplitude": "median peak-to-peak amplitude of a window",
    "n_units_in_mask": "units in the mask",
    "n_units": "units used",
    "ncsnr_median": "median noise ceiling signal-to-noise ratio",
}


def quality(record: SubjectRecord) -> Section:
    """Show the numbers that `prepare` has written, and how trials were divided."""
    blocks: list[Block] = [
        Text(
            "What went into the models. Runs with a low signal-to-noise ratio or much movement "
            "deserve a look before any score is believed."
        )
    ]
    runs = [r for r in record.quality.get("runs", []) if isinstance(r, dict)]
    figures = [f for key in _DRAWN if (f := _run_figure(runs, key))]
    figures += sensor_figures(record)
    if figures:
        blocks.append(Figures(figures))
    tables = [_trial_table(record.trials)] + ([_run_table(runs)] if runs else [])
    blocks += map(folded_if_long, tables)
    single = {
        k: v
        for k, v in record.quality.items()
        if isinstance(v, int | float | str) and k != "subject"
    }
    if single:
        rows = [[in_words(k), cell(v)] for k, v in single.items()]
        blocks.append(Table("Whole recording", ["measure", "value"], rows))
    blocks += [b for b in (whitening_table(record), steps_list(record)) if b is not None]
    return Section("quality", "Data quality", blocks)


def in_words(key: str) -> str:
    """Spell a key of quality.json.

    Examples
    --------
    >>> in_words("n_dropped_units"), in_words("n_trials")
    ('dropped units', 'trials')
    """
    return _WORDS.get(key, key.removeprefix("n_").replace("_", " "))


def cell(value: Any) -> str:
    """Write one value of quality.json."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else number(value)


def _run_name(run: dict[str, Any]) -> str:
    session = str(run.get("session") or "n/a")
    name = str(run.get("run", "n/a"))
    return name if session == "n/a" else f"{session}/{name}"


def _run_figure(runs: list[dict[str, Any]], key: str) -> Figure | None:
    words, label = _DRAWN[key]
    values = np.array([_number(run.get(key)) for run in runs], dtype=np.float64)
    if not np.isfinite(values).any():
        return None
    png = run_plot([_run_name(r) for r in runs], values, words.capitalize(), label)
    low, high = number(float(np.nanmin(values))), number(float(np.nanmax(values)))
    caption = f"{words.capitalize()} of each run (session/run): {label} from {low} to {high}."
    return Figure(f"quality_{key}", png, caption, caption)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _trial_table(trials: pd.DataFrame) -> Table:
    rows = []
    split = trials["split"].astype("str")
    for name in sorted(set(split)):
        group = trials[split == name]
        n_stimuli = group["stimulus_id"].nunique()
        repeats = len(group) / n_stimuli
        runs = len(group[["session", "run"]].drop_duplicates())
        rows.append([name, f"{len(group):,}", f"{n_stimuli:,}", number(repeats), f"{runs:,}"])
    heads = ["part", "trials", "stimuli", "trials per stimulus", "runs"]
    return Table("How trials were divided", heads, rows)


def _run_table(runs: list[dict[str, Any]]) -> Table:
    keys = [k for k in dict.fromkeys(k for run in runs for k in run) if k not in ("session", "run")]
    keys = [k for k in keys if not any(isinstance(run.get(k), list | dict) for run in runs)]
    rows = [[_run_name(run), *(cell(run.get(k)) for k in keys)] for run in runs]
    return Table("Runs", ["session/run", *(in_words(k) for k in keys)], rows)
