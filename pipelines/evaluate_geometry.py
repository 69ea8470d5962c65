"""Scores of representational geometry: each model's RDM against the measured ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.distance import squareform

from calcarine.data.dissimilarities import Dissimilarities, read_dissimilarities
from calcarine.data.scores import Score
from calcarine.data.seeds import derive_seed
from calcarine.encoders.geometry.ceilings import geometry_ceilings
from calcarine.encoders.geometry.comparison import compare
from calcarine.encoders.geometry.measured import reliability_ceiling
from calcarine.encoders.geometry.resampling import (
    Over,
    bootstrap_comparisons,
    permuted_comparisons,
)
from calcarine.encoders.geometry.topology import geo_topological
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_geometry import GeometrySection
from calcarine.pipelines.geometry import ALL_UNITS, HALVES, MEASURED, WHOLE

STAGE = "geometry"
LOWER, UPPER, WITHIN = "noise-ceiling/lower", "noise-ceiling/upper", "noise-ceiling/within-subject"
N_PERMUTATIONS = 1000
_LIMITS = (0.025, 0.975)


@dataclass(frozen=True)
class Models:
    """The models of one geometry: names and RDMs, shape (n_models, n_pairs)."""

    names: list[str]
    rdms: np.ndarray

    def bundles(self) -> Iterator[np.ndarray]:
        """Group the models' numbers: those that know every pair together, each other one alone."""
        whole = np.isfinite(self.rdms).all(axis=1)
        if whole.any():
            yield np.flatnonzero(whole)
        usable = np.isfinite(self.rdms).sum(axis=1) >= 3
        yield from (np.array([i]) for i in np.flatnonzero(~whole & usable))


def geometry_results(config: Config, subject: str, name: str) -> list[Score]:
    """Score one geometry of one subject.

    A model's row has a bootstrap interval over stimuli, and a control whose stimuli were given each
    other's names (mean and 95 % range of permutations). Ceilings compare subjects where several saw
    the same stimuli, else the two halves of the recording. All of it is given a second time after
    the topological transform, where the section has one.

    Parameters
    ----------
    config
        The configuration.
    subject, name
        Who; which of the section `geometry`.
    """
    section, found = config.geometry[name], read_geometry(config, name)
    own, models = found[subject], models_of(found[subject])
    rows: list[Score] = []
    for region in regions_of(own):
        target = target_name(name, region)
        seed = derive_seed(config.seed, subject, STAGE, target)
        for ending, transform in transforms(section).items():
            template = score_template(subject, section, own, target, ending)
            ceilings = _ceilings(found, subject, region, section, transform, template)
            limit = next((c.value for c in ceilings if c.model in (UPPER, WITHIN)), np.nan)
            template = replace(template, ceiling=limit)
            measured = transform(measured_rdms(own, region, WHOLE))
            moved = Models(models.names, transform(models.rdms))
            rows += comparison_rows(
                measured, moved, section, template, seed, config.evaluate.n_bootstrap
            )
            rows += permutation_rows(measured, moved, section, template, seed)
            rows += ceilings
    return rows


Transform = Callable[[np.ndarray], np.ndarray]


def transforms(section: GeometrySection) -> dict[str, Transform]:
    """List what is done to RDMs before they are compared, by the ending of the metric's name."""
    found: dict[str, Transform] = {"": lambda rdms: rdms}
    bounds = section.topology
    if bounds is not None:
        found["_topological"] = lambda rdms: geo_topological(rdms, bounds.lower, bounds.upper)
    return found


def read_geometry(config: Config, name: str) -> dict[str, Dissimilarities]:
    """Read one geometry of all subjects."""
    return {s: read_dissimilarities(config.layout.geometry(s, name)) for s in config.subjects}


def models_of(found: Dissimilarities) -> Models:
    """Take the RDMs that were not measured in this subject."""
    chosen = (found.rdms["role"] != MEASURED).to_numpy()
    return Models(found.rdms["name"][chosen].tolist(), np.asarray(found.values[chosen], np.float64))


def regions_of(found: Dissimilarities) -> list[str]:
    """List the regions that were measured."""
    return list(dict.fromkeys(found.rdms["region"][found.rdms["role"] == MEASURED]))


def target_name(name: str, region: str) -> str:
    """Name what models are compared with: the geometry, and the region where there are several."""
    return name if region == ALL_UNITS else f"{name}/{region}"


def measured_rdms(found: Dissimilarities, region: str, part: str) -> np.ndarray:
    """Take a region's RDM of one part of the recording: shape (1 or 0, n_pairs)."""
    table = found.rdms
    chosen = (table["role"] == MEASURED) & (table["region"] == region) & (table["part"] == part)
    return np.asarray(found.values[chosen.to_numpy()], dtype=np.float64)


def shared_rdms(
    found: dict[str, Dissimilarities], like: Dissimilarities, region: str
) -> dict[str, np.ndarray]:
    """Take a region's RDM of every subject who saw the same stimuli in the same order."""
    stimuli = like.stimuli["stimulus_id"].tolist()
    rdms = {
        subject: measured_rdms(other, region, WHOLE)
        for subject, other in found.items()
        if other.stimuli["stimulus_id"].tolist() == stimuli
    }
    return {subject: own[0] for subject, own in rdms.items() if len(own)}


def score_template(
    subject: str, section: GeometrySection, found: Dissimilarities, target: str, ending: str
) -> Score:
    """Fill in what all rows of a target share."""
    metric = f"rsa_{section.comparison.replace('-', '_')}{ending}"
    protocol, n_partitions = f"rsa-{section.distance}", int(found.sidecar["n_partitions"])
    n_stimuli = len(found.stimuli)
    return Score(
        subject, STAGE, "", target, metric, protocol, "all", n_stimuli, n_partitions, np.nan,
        chance=0.0,
    )  # fmt: skip


def comparison_rows(
    measured: np.ndarray,
    models: Models,
    section: GeometrySection,
    template: Score,
    seed: int,
    n_draws: int,
    over: Over = "stimuli",
) -> list[Score]:
    """Compare every model with measured RDMs, shape (n_subjects, n_pairs)."""
    rows = []
    for chosen in models.bundles():
        rdms, method = models.rdms[chosen], section.comparison
        value = compare(measured, rdms, method).mean(axis=0)
        drawn = bootstrap_comparisons(measured, rdms, seed, n_draws, method, over)
        low, high = np.nanquantile(drawn, _LIMITS, axis=0)
        rows += [
            replace(
                template,
                model=models.names[model],
                value=float(value[i]),
                ci_low=float(low[i]),
                ci_high=float(high[i]),
                n_items=n_known(rdms[i]),
            )
            for i, model in enumerate(chosen)
        ]
    done = {row.model for row in rows}
    note = "not computed: fewer than three stimuli have this embedding"
    missing = [replace(template, model=m, note=note) for m in models.names if m not in done]
    return [*rows, *missing]


def n_known(rdm: np.ndarray) -> int:
    """Count the stimuli of which an RDM knows anything."""
    known = squareform(np.isfinite(rdm).astype(float), checks=False)
    return int(known.any(axis=0).sum())


def permutation_rows(
    measured: np.ndarray, models: Models, section: GeometrySection, template: Score, seed: int
) -> list[Score]:
    """Give each model's control: the same RDM with its stimuli permuted."""
    rows = []
    for chosen in models.bundles():
        null = permuted_comparisons(
            measured,
            models.rdms[chosen],
            derive_seed(seed, "permuted"),
            N_PERMUTATIONS,
            section.comparison,
        )
        low, high = np.quantile(null, _LIMITS, axis=0)
        rows += [
            replace(
                template,
                model=f"{models.names[model]}/shuffled-stimuli",
                value=float(null[:, i].mean()),
                ci_low=float(low[i]),
                ci_high=float(high[i]),
                ceiling=np.nan,
                n_items=n_known(models.rdms[model]),
            )
            for i, model in enumerate(chosen)
        ]
    return rows


def _ceilings(
    found: dict[str, Dissimilarities],
    subject: str,
    region: str,
    section: GeometrySection,
    transform: Transform,
    template: Score,
) -> list[Score]:
    """Bound what a model can reach in this subject, by other subjects or by halves."""
    shared = shared_rdms(found, found[subject], region)
    rows = []
    if len(shared) > 1:
        bounds = geometry_ceilings(transform(np.stack(list(shared.values()))), section.comparison)
        place = list(shared).index(subject)
        for model, values in ((LOWER, bounds.lower), (UPPER, bounds.upper)):
            rows.append(replace(template, model=model, value=float(values[place])))
    halves = [measured_rdms(found[subject], region, part) for part in HALVES]
    if all(len(half) for half in halves):
        first, second = (transform(half) for half in halves)
        r = float(compare(first, second, section.comparison)[0, 0])
        rows.append(replace(template, model=WITHIN, value=reliability_ceiling(r)))
    return rows
