"""Step `geometry`: dissimilarities of one subject's responses, and of the models beside them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.dissimilarities import (
    Dissimilarities,
    read_dissimilarities,
    write_dissimilarities,
)
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.recorded_dissimilarities import recorded_dissimilarities
from calcarine.data.responses import Responses, read_responses
from calcarine.data.splits import groups_of
from calcarine.encoders.geometry.dissimilarity import DISTANCES, n_pairs
from calcarine.encoders.geometry.measured import MeasuredRdm, measured_rdm, repeated_conditions
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_geometry import GeometrySection

ALL_UNITS = "all"
MEASURED, MODEL, REFERENCE = "measured", "model", "reference"
WHOLE, HALVES = "whole", ("half-1", "half-2")


def run(config: Config, subject: str, name: str) -> None:
    """Measure the geometry of every region and write `geometry/<name>/`.

    Parameters
    ----------
    config
        The configuration.
    subject, name
        Who; which of the section `geometry`.

    Raises
    ------
    CalcarineError
        There is no such section, its distance does not fit the recording, or a reference is not
        there.
    """
    if name not in config.geometry:
        raise CalcarineError(
            f"the configuration has no geometry {name!r}; it has {list(config.geometry)}."
        )
    section = config.geometry[name]
    responses = read_responses(config.layout, subject)
    if responses.values.ndim != 2:
        raise CalcarineError(
            f"geometry.{name}: responses over time have no single pattern a trial; geometry takes "
            "recordings of one value a unit."
        )
    stimuli, parts = MEASURES[section.distance](responses, section)
    rows = [row for part in parts for row in part.rows()]
    concepts = responses.trials.drop_duplicates("stimulus_id").set_index("stimulus_id")["concept"]
    rows += list(_models(config, section, stimuli))
    values, labels = zip(*rows, strict=True)
    table = pd.DataFrame({"stimulus_id": stimuli, "concept": concepts[stimuli].to_numpy()})
    sidecar = {
        "geometry": name,
        "distance": section.distance,
        "embedding_distance": section.embedding_distance,
        "unit": str(responses.sidecar.get("unit")),
        "n_partitions": parts[0].n_partitions,
    }
    found = Dissimilarities(np.stack(values), pd.DataFrame(list(labels)), table, sidecar)
    write_dissimilarities(config.layout.geometry(subject, name), found)


@dataclass(frozen=True)
class RegionRdm:
    """What was measured in one region."""

    region: str
    n_units: int
    n_partitions: int
    rdm: MeasuredRdm

    def rows(self) -> Iterator[tuple[np.ndarray, dict[str, str]]]:
        """Give each RDM with its row of the table."""
        label = {"role": MEASURED, "region": self.region, "n_units": str(self.n_units)}
        yield self.rdm.whole, {"name": self.region, **label, "part": WHOLE}
        if self.rdm.halves is not None:
            for part, values in zip(HALVES, self.rdm.halves, strict=True):
                yield values, {"name": f"{self.region}, {part}", **label, "part": part}


def _from_responses(
    responses: Responses, section: GeometrySection
) -> tuple[list[str], list[RegionRdm]]:
    """Measure every region over the stimuli that repeat in several runs."""
    names = responses.trials["stimulus_id"].to_numpy(dtype=str)
    runs = groups_of(responses.trials, "run").to_numpy(dtype=str)
    stimuli = repeated_conditions(names, runs)
    rows = np.flatnonzero(np.isin(names, stimuli))
    position = {s: i for i, s in enumerate(stimuli)}
    conditions = np.array([position[s] for s in names[rows]])
    partitions = np.unique(runs[rows], return_inverse=True)[1]
    values = np.asarray(responses.values[rows], dtype=np.float64)
    parts = []
    for region, units in _regions(responses.units, section).items():
        rdm = measured_rdm(values[:, units], conditions, partitions, section.distance)
        parts.append(RegionRdm(region, len(units), int(partitions.max()) + 1, rdm))
    return stimuli, parts


def _regions(units: pd.DataFrame, section: GeometrySection) -> dict[str, np.ndarray]:
    roi = units["roi"].astype(str).to_numpy() if "roi" in units else np.full(len(units), "n/a")
    named = {str(r): np.flatnonzero(roi == r) for r in np.unique(roi) if r not in ("n/a", "nan")}
    every: dict[str, np.ndarray] = {ALL_UNITS: np.arange(len(units)), **named}
    if section.regions is not None:
        unknown = sorted(set(section.regions) - set(every))
        if unknown:
            raise CalcarineError(
                f"geometry.regions names {unknown}; the units lie in {sorted(every)}."
            )
        every = {name: every[name] for name in section.regions}
    kept = {name: found for name, found in every.items() if len(found) >= section.min_units}
    if not kept:
        sizes = {name: len(found) for name, found in every.items()}
        raise CalcarineError(
            f"no region has {section.min_units} units; they have {sizes}. Lower "
            "`geometry.min_units` or name other regions."
        )
    return kept


def _recorded(responses: Responses, section: GeometrySection) -> tuple[list[str], list[RegionRdm]]:
    """Average the recorded RDMs of all sessions; halves are every other session."""
    sessions, stimuli = recorded_dissimilarities(responses)
    halves = None
    if len(sessions) > 1:
        halves = np.stack([sessions[first::2].mean(axis=0) for first in (0, 1)])
    rdm = MeasuredRdm(sessions.mean(axis=0), halves)
    return stimuli, [RegionRdm(ALL_UNITS, len(stimuli), len(sessions), rdm)]


MEASURES: dict[str, Callable[[Responses, GeometrySection], tuple[list[str], list[RegionRdm]]]] = {
    "recorded": _recorded,
    **dict.fromkeys(("crossnobis", "correlation", "cosine", "euclidean"), _from_responses),
}


def _models(
    config: Config, section: GeometrySection, stimuli: list[str]
) -> Iterator[tuple[np.ndarray, dict[str, str]]]:
    for name in section.embeddings:
        embeddings = read_embeddings(config.layout.embedding(name))
        rows = np.asarray(embeddings.flat[embeddings.rows(stimuli)], dtype=np.float64)
        yield embedding_rdm(rows, section.embedding_distance), _label(name, MODEL)
    for name in section.references:
        rdms = read_reference(config.references / name, stimuli)
        yield rdms.mean(axis=0), _label(name, REFERENCE)


def read_reference(folder: Path, stimuli: list[str]) -> np.ndarray:
    """Read RDMs that come with a data set: float64, shape (n_rdms, n_pairs).

    Raises
    ------
    CalcarineError
        They are not there, or are of other stimuli.
    """
    found = read_dissimilarities(folder)
    if found.stimuli["stimulus_id"].tolist() != stimuli:
        raise CalcarineError(
            f"{folder} is of other stimuli than the recording, or in another order; a reference "
            "needs the same."
        )
    return np.asarray(found.values, dtype=np.float64)


def _label(name: str, role: str) -> dict[str, str]:
    return {"name": name, "role": role, "region": "n/a", "n_units": "n/a", "part": WHOLE}


def embedding_rdm(rows: np.ndarray, distance: str) -> np.ndarray:
    """Give the dissimilarities of embeddings; NaN for pairs with a stimulus that has none.

    Parameters
    ----------
    rows
        Shape (n_stimuli, embed_dim); a row of NaN has no embedding.
    distance
        One of `DISTANCES`.

    Returns
    -------
    numpy.ndarray
        Shape (n_pairs,).
    """
    known = np.flatnonzero(np.isfinite(rows).all(axis=1))
    if len(known) == len(rows):
        return DISTANCES[distance](rows)
    out = np.full(n_pairs(len(rows)), np.nan)
    if len(known) >= 3:
        upper = np.triu_indices(len(rows), 1)
        inside = np.isin(upper[0], known) & np.isin(upper[1], known)
        out[inside] = DISTANCES[distance](rows[known])
    return out
