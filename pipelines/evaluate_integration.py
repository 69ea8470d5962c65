"""Which units need picture and caption at once: the test on stored predictions, and the truth."""

from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.model_folder import read_model
from calcarine.data.phantom.truth import read_truth
from calcarine.data.predictions import Predictions
from calcarine.data.scores import Score, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.encoders.integration import integration_table
from calcarine.encoders.joint_encoder import JOINT
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.config_models import IntegrationSection
from calcarine.pipelines.paired_encoders import read_paired
from calcarine.pipelines.phantom_truth import planted_truth

PLANTED = "multimodal"


def integration_results(
    config: Config, subject: str, name: str, split: str, units: pd.DataFrame
) -> tuple[list[Score], pd.DataFrame]:
    """Test the units of one subject.

    Parameters
    ----------
    config, subject, name, split
        Whose, the name in the section `integration`, and that of the test split.
    units
        Units table.

    Returns
    -------
    tuple
        Rows of `metrics.tsv` (share of units that integrate, the same with the joint model's
        predictions given to other stimuli, and on a phantom power and false discovery), and the
        units' table: `integrates`, `gain` and `q`, each with the name of the section.

    Raises
    ------
    CalcarineError
        The encoders predicted other items.
    """
    section = config.integration[name]
    names = section.joint, *section.rivals
    read = read_paired(config, subject, names, f"integration.{name}")
    joint = read[section.joint]
    seed = derive_seed(config.seed, subject, "integration", name)
    n_draws = config.evaluate.n_bootstrap
    measured, predicted = np.asarray(joint.measured), np.asarray(joint.values)
    others = {rival: np.asarray(read[rival].values) for rival in section.rivals}
    candidates = _candidates(config, subject, section, joint)
    options = seed, n_draws, section.level, candidates
    added = _products(joint)
    table = integration_table(measured, predicted, others, *options, added)
    template = Score(
        subject,
        "encode",
        f"integration-{name}",
        "responses",
        "share_integrating",
        "calcarine",
        split,
        len(joint.items),
        int(joint.items["n_repeats"].max()),
        float(table["integrates"].mean()),
        chance=0.0,
    )
    order = np.random.default_rng(derive_seed(seed, "shuffled")).permutation(len(predicted))
    moved = None if added is None else added[order]
    shuffled = integration_table(measured, predicted[order], others, *options, moved)
    control = replace(
        template,
        model=f"integration-{name}/shuffled-stimuli",
        value=float(shuffled["integrates"].mean()),
    )
    tested = replace(template, metric="share_tested", value=float(candidates.mean()))
    rows = [template, tested, control, *_by_region(table, units, template)]
    rows += _planted(config, subject, table, units, template)
    kept = table[["integrates", "gain", "q"]].astype({"integrates": int})
    return rows, kept.set_axis([f"{c}_{name}" for c in kept.columns], axis=1)


def _candidates(
    config: Config, subject: str, section: IntegrationSection, joint: Predictions
) -> np.ndarray:
    """Choose by training trials the units that are tested.

    Where a model was refitted on all trials, as after a cross-validation, its scores know the test
    trials; all units are tested then.
    """
    n_units = joint.values.shape[1]
    scores = [_training_score(config, subject, n) for n in (section.joint, *section.rivals)]
    known = [score for score in scores[1:] if score is not None]
    if scores[0] is None or not known or joint.sidecar.get("n_folds") != 1:
        return np.ones(n_units, dtype=bool)
    return np.asarray(scores[0] - np.nanmax(known, axis=0) > section.screen)


def _products(joint: Predictions) -> np.ndarray | None:
    """Take what products of picture and caption predict, where the encoder says so."""
    names = list(joint.sidecar.get("bands", []))
    if joint.parts is None or JOINT not in names:
        return None
    return np.asarray(joint.parts[names.index(JOINT)])


def _training_score(config: Config, subject: str, name: str) -> np.ndarray | None:
    """Cross-validated R² on training trials, shape (n_units,), where the encoder has it."""
    folder = config.layout.model(subject, f"encoder-{name}")
    if not folder.is_dir():
        return None
    score = read_model(folder)[1].get("cv_score")
    return None if score is None else np.asarray(score, dtype=np.float64)


def _by_region(table: pd.DataFrame, units: pd.DataFrame, template: Score) -> list[Score]:
    if "roi" not in units:
        return []
    roi = units["roi"].astype(str)
    found = table.groupby(roi.to_numpy())["integrates"].mean()
    return [
        replace(template, target=str(region), value=float(share))
        for region, share in found.items()
        if region != "n/a"
    ]


def _planted(
    config: Config, subject: str, table: pd.DataFrame, units: pd.DataFrame, template: Score
) -> list[Score]:
    """Compare with the planted truth: share found of what is there, share wrong of what is found.

    Power is given of all planted units, and of those whose true ceiling is not below the floor.
    """
    if not isinstance(config.source, PhantomSource):
        return []
    truth = planted_truth(units, read_truth(config.bids, subject))
    planted = (truth["tuned_to"] == PLANTED).to_numpy()
    found = table["integrates"].to_numpy(dtype=bool)
    high = (truth["noise_ceiling_n"] >= config.evaluate.ceiling_floor).to_numpy()
    seed = derive_seed(config.seed, subject, template.model, "planted")
    rows = []
    for metric, hits, target in (
        ("integration_power", found[planted], "planted units"),
        (
            "integration_power",
            found[planted & high],
            f"planted units, ceiling at least {config.evaluate.ceiling_floor:g}",
        ),
        ("integration_false_discovery", ~planted[found], "units that integrate"),
    ):
        known = len(hits) > 0
        low, high_end = share_interval(hits.astype(float), seed) if known else (np.nan, np.nan)
        rows.append(
            replace(
                template,
                protocol="phantom",
                metric=metric,
                target=target,
                n_items=len(hits),
                value=float(hits.mean()) if known else np.nan,
                ci_low=low,
                ci_high=high_end,
                chance=np.nan,
                note="" if known else "not computed: there is no such unit",
            )
        )
    return rows
