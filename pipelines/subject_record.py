"""Everything that the report of one subject is made from, read in one place."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from calcarine.data.captions import Captions, read_captions
from calcarine.data.errors import CalcarineError
from calcarine.data.reconstructions import Reconstructions, read_reconstructions
from calcarine.data.responses import Responses, read_responses
from calcarine.data.scores import read_scores
from calcarine.data.time_scores import TIME_COLUMNS, read_time_scores
from calcarine.pipelines.config import Config


@dataclass(frozen=True)
class SubjectRecord:
    """One subject's tables.

    Attributes
    ----------
    config, subject
        Which analysis, who.
    responses
        Trials, units and sidecar; the array stays on disk.
    scores, item_scores, unit_scores
        `metrics.tsv`, `items.tsv.gz`, `units_scores.tsv`; the latter two may be empty.
    over_time
        `over_time.tsv`; empty where responses have no time.
    quality
        `quality.json`; empty where there is none.
    reconstructions
        By name of the section in the configuration.
    captions, selectivity
        Captions by name of the section; all of them with their tests, `selectivity.tsv`.
    missing
        One sentence for each thing that the configuration asks for and that is not there.
    """

    config: Config
    subject: str
    responses: Responses
    scores: pd.DataFrame
    item_scores: pd.DataFrame
    unit_scores: pd.DataFrame
    over_time: pd.DataFrame
    quality: dict[str, Any]
    reconstructions: dict[str, Reconstructions]
    captions: dict[str, Captions]
    selectivity: pd.DataFrame
    missing: tuple[str, ...]

    @property
    def trials(self) -> pd.DataFrame:
        """The trial table."""
        return self.responses.trials

    @property
    def units(self) -> pd.DataFrame:
        """The units table."""
        return self.responses.units

    @property
    def unit_noun(self) -> str:
        """What a unit is called: voxel, vertex, channel, or what the recording itself says."""
        if "unit_noun" in self.responses.sidecar:
            return str(self.responses.sidecar["unit_noun"])
        columns = self.units.columns
        return "vertex" if "vertex" in columns else "channel" if "channel" in columns else "voxel"


def read_record(config: Config, subject: str) -> SubjectRecord:
    """Read what the steps before the report have written.

    Raises
    ------
    CalcarineError
        The scores or the responses are not there: without them there is nothing to report.
    """
    layout = config.layout
    if not layout.metrics(subject).is_file():
        raise CalcarineError(
            f"{layout.metrics(subject)} is not there. Run the `evaluate` step for sub-{subject} "
            "first."
        )
    missing: list[str] = []
    quality = _read_json(layout.quality(subject), "prepare", missing)
    return SubjectRecord(
        config=config,
        subject=subject,
        responses=read_responses(layout, subject),
        scores=read_scores(layout.metrics(subject)),
        item_scores=_read_table(layout.item_scores(subject), missing),
        unit_scores=_read_table(layout.unit_scores(subject), missing),
        over_time=_read_over_time(layout.over_time(subject)),
        quality=quality,
        reconstructions=_read_reconstructions(config, subject, missing),
        captions=_read_captions(config, subject, missing),
        selectivity=_read_table(layout.selectivity(subject), missing)
        if config.caption
        else pd.DataFrame(),
        missing=(*missing, *_missing_predictions(config, subject)),
    )


def _read_json(path: Path, step: str, missing: list[str]) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        missing.append(f"{path.name} is not there: the step `{step}` did not write it.")
        return {}
    except ValueError as error:
        raise CalcarineError(
            f"{path} is not JSON ({error}). Delete it and run `{step}` again."
        ) from error


def _read_table(path: Path, missing: list[str]) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, sep="\t", na_values=["n/a"], keep_default_na=False, low_memory=False
        )
    except FileNotFoundError:
        missing.append(f"{path.name} is not there: the step `evaluate` did not write it.")
    except pd.errors.EmptyDataError:
        pass  # nothing was scored for single units or items
    return pd.DataFrame()


def _read_over_time(path: Path) -> pd.DataFrame:
    """Read the scores over time; a tree without any may lack the file."""
    return read_time_scores(path) if path.is_file() else pd.DataFrame(columns=list(TIME_COLUMNS))


def _read_reconstructions(
    config: Config, subject: str, missing: list[str]
) -> dict[str, Reconstructions]:
    found = {}
    for name in config.reconstruct:
        folder = config.layout.reconstruction(subject, name)
        if not folder.is_dir():
            missing.append(f"the reconstruction {name!r} was configured and is not there.")
            continue
        found[name] = read_reconstructions(folder)
    return found


def _read_captions(config: Config, subject: str, missing: list[str]) -> dict[str, Captions]:
    found = {}
    for name in config.caption:
        folder = config.layout.captions(subject, name)
        if not folder.is_dir():
            missing.append(f"the captions {name!r} were configured and are not there.")
            continue
        found[name] = read_captions(folder)
    return found


def _missing_predictions(config: Config, subject: str) -> list[str]:
    names = [f"decoder-{name}" for name in config.decode]
    names += [f"encoder-{name}" for name in config.encode]
    names += [f"over-time-{name}" for name in config.over_time]
    unmeasured = [
        f"the geometry {name!r} was configured and is not there."
        for name in config.geometry
        if not config.layout.geometry(subject, name).is_dir()
    ]
    return unmeasured + [
        f"predictions of {name!r} were configured and are not there."
        for name in names
        if not config.layout.prediction(subject, name).is_dir()
    ]
