"""Step `evaluate-group`: what several subjects say together about each geometry."""

from dataclasses import replace

import numpy as np

from calcarine.data.dissimilarities import Dissimilarities
from calcarine.data.scores import Score, write_scores
from calcarine.data.seeds import derive_seed
from calcarine.encoders.geometry.ceilings import geometry_ceilings
from calcarine.encoders.geometry.comparison import compare
from calcarine.encoders.geometry.resampling import (
    Over,
    bootstrap_ceilings,
    permutation_p,
    permuted_comparisons,
)
from calcarine.pipelines.config import Config
from calcarine.pipelines.evaluate_geometry import (
    LOWER,
    N_PERMUTATIONS,
    STAGE,
    UPPER,
    Models,
    comparison_rows,
    models_of,
    permutation_rows,
    read_geometry,
    regions_of,
    score_template,
    shared_rdms,
    target_name,
    transforms,
)
from calcarine.pipelines.geometry import read_reference

GROUP = "all"
N_CEILING_DRAWS = 200  # each sorts all RDMs anew


def run(config: Config) -> None:
    """Score the geometry of all subjects together and write `group/metrics.tsv`.

    The value of a model is its mean over subjects; intervals draw subjects and stimuli. Beside it
    stand the mean ceilings, the probability of as much under permuted stimuli (one-sided, adjusted
    over models by Benjamini & Hochberg), and the correlation with the mean RDM.

    Raises
    ------
    CalcarineError
        A subject's geometry is not there.
    """
    rows: list[Score] = []
    if len(config.subjects) > 1:
        for name in config.geometry:
            rows += group_rows(config, name)
    write_scores(config.layout.group_metrics, rows)


def group_rows(config: Config, name: str) -> list[Score]:
    """Score one geometry over subjects; regions that only one subject has are left out."""
    section, found = config.geometry[name], read_geometry(config, name)
    like = found[config.subjects[0]]
    models = models_of(like)
    rows: list[Score] = []
    for region in regions_of(like):
        shared = shared_rdms(found, like, region)
        if len(shared) < 2:
            continue
        target, rdms = target_name(name, region), np.stack(list(shared.values()))
        seed = derive_seed(config.seed, GROUP, STAGE, target)
        for ending, transform in transforms(section).items():
            measured = transform(rdms)
            bounds = geometry_ceilings(measured, section.comparison)
            template = replace(
                score_template(GROUP, section, like, target, ending),
                n_repeats=len(shared),
                ceiling=float(bounds.upper.mean()),
            )
            moved = Models(models.names, transform(models.rdms))
            draws = config.evaluate.n_bootstrap
            rows += comparison_rows(measured, moved, section, template, seed, draws, "both")
            rows += permutation_rows(measured, moved, section, template, seed)
            drawn = bootstrap_ceilings(measured, seed, N_CEILING_DRAWS, section.comparison)
            low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
            for i, (model, values) in enumerate(((LOWER, bounds.lower), (UPPER, bounds.upper))):
                own = replace(template, model=model, value=float(values.mean()))
                rows.append(replace(own, ci_low=float(low[i]), ci_high=float(high[i])))
        plain = replace(score_template(GROUP, section, like, target, ""), n_repeats=len(shared))
        rows += _of_mean(rdms, models, section.comparison, plain)
        rows += _adjusted_p(rdms, models, section.comparison, plain, seed)
    return rows + reference_rows(config, name, like, models)


def reference_rows(config: Config, name: str, like: Dissimilarities, models: Models) -> list[Score]:
    """Compare the models with RDMs that come with the data set: other people, other animals."""
    section = config.geometry[name]
    rows: list[Score] = []
    for target in section.reference_targets:
        rdms = read_reference(config.references / target, like.stimuli["stimulus_id"].tolist())
        others = [i for i, model in enumerate(models.names) if model != target]
        beside = Models([models.names[i] for i in others], models.rdms[others])
        template = replace(
            score_template(GROUP, section, like, target, ""),
            protocol="rsa-reference",
            n_repeats=len(rdms),
        )
        seed, draws = derive_seed(config.seed, GROUP, STAGE, target), config.evaluate.n_bootstrap
        if len(rdms) > 1:
            bounds = geometry_ceilings(rdms, section.comparison)
            template = replace(template, ceiling=float(bounds.upper.mean()))
            for model, values in ((LOWER, bounds.lower), (UPPER, bounds.upper)):
                rows.append(replace(template, model=model, value=float(values.mean())))
        over: Over = "both" if len(rdms) > 1 else "stimuli"
        rows += comparison_rows(rdms, beside, section, template, seed, draws, over)
        rows += permutation_rows(rdms, beside, section, template, seed)
        rows += _of_mean(rdms, beside, section.comparison, replace(template, ceiling=np.nan))
    return rows


def _of_mean(rdms: np.ndarray, models: Models, method: str, template: Score) -> list[Score]:
    """Compare each model with the mean RDM, as papers before noise ceilings did."""
    mean = rdms.mean(axis=0)
    return [
        replace(
            template,
            model=name,
            metric=f"rsa_{measure.replace('-', '_')}_of_mean_rdm",
            value=float(compare(rdm, mean, measure)[0, 0]),
        )
        for measure in dict.fromkeys(("pearson", method))
        for name, rdm in zip(models.names, models.rdms, strict=True)
        if np.isfinite(rdm).sum() >= 3
    ]


def _adjusted_p(
    rdms: np.ndarray, models: Models, method: str, template: Score, seed: int
) -> list[Score]:
    names: list[str] = []
    p: list[float] = []
    for chosen in models.bundles():
        value = compare(rdms, models.rdms[chosen], method).mean(axis=0)
        null = permuted_comparisons(
            rdms, models.rdms[chosen], derive_seed(seed, "permuted"), N_PERMUTATIONS, method
        )
        names += [models.names[i] for i in chosen]
        p += permutation_p(value, null).tolist()
    return [
        replace(
            template,
            model=name,
            metric=f"{template.metric}_q_permutation",
            value=float(q),
            chance=np.nan,
        )
        for name, q in zip(names, adjusted(np.array(p)), strict=True)
    ]


def adjusted(p: np.ndarray) -> np.ndarray:
    """Adjust probabilities for the false discovery rate (Benjamini & Hochberg 1995).

    Examples
    --------
    >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p)[::-1]
    scaled = p[order] * len(p) / np.arange(len(p), 0, -1)
    out = np.empty(len(p))
    out[order] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    return out
