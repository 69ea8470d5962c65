"""What captions are worth: units on held-out responses, trials against reference captions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from calcarine.data.atomic import write_json
from calcarine.data.captions import LISTS, Captions, read_captions
from calcarine.data.phantom.truth import read_truth
from calcarine.data.predictions import read_predictions
from calcarine.data.responses import read_responses
from calcarine.data.scores import Score, bootstrap_interval, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.data.tables import write_tsv
from calcarine.decoders.selectivity.permutation import ranks_within
from calcarine.decoders.selectivity.records import records_of
from calcarine.decoders.selectivity.terms import terms_of, words_of
from calcarine.decoders.selectivity.validation import (
    Thresholds,
    expected_of_items,
    rho_given,
    validate_captions,
)
from calcarine.decoders.text_judges import TextJudge, load_text_judge
from calcarine.pipelines.caption_banks import bank_of
from calcarine.pipelines.caption_sensors import responses_at
from calcarine.pipelines.caption_training import captions_of
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection
from calcarine.pipelines.config_data import PhantomSource
from calcarine.pipelines.evaluate_parcels import parcel_scores
from calcarine.pipelines.evaluate_protocol import protocol_scores
from calcarine.pipelines.evaluate_trial_captions import trial_caption_scores
from calcarine.pipelines.parcels import parcel_column
from calcarine.pipelines.phantom_captions import planted_caption_scores
from calcarine.pipelines.phantom_truth import planted_truth
from calcarine.pipelines.planted_families import planted_strengths

# control captions: their column, by the name that a row of metrics.tsv has
CONTROLS = {
    "rho_shuffled": "shuffled-caption",
    "rho_commonest": "commonest-caption",
    "rho_population": "population-caption",
}


def caption_results(
    config: Config, subject: str, name: str, split: str
) -> tuple[list[Score], pd.DataFrame]:
    """Score the captions of one section for one subject.

    Returns
    -------
    tuple
        Rows of `metrics.tsv`; and the table of all captions with their tests.
    """
    # networks that judge pictures take seconds to load
    from calcarine.pipelines.evaluate_synthesis import synthesis_scores

    section = config.caption[name]
    captions = read_captions(config.layout.captions(subject, name))
    judge = load_text_judge(section.text_judge, _corpus(config, subject, section, captions))
    table = _validated(config, subject, name, captions, judge)
    template = Score(
        subject, "caption", name, "units", "", "calcarine", split, 0, _n_repeats(table), np.nan
    )
    seed = derive_seed(config.seed, subject, "evaluate", "caption", name)
    rows = _unit_scores(table, template, seed, config.evaluate.n_bootstrap)
    rows += protocol_scores(
        table, template, section.min_reliability, seed, config.evaluate.n_bootstrap
    )
    rows += _planted(config, subject, table, template, seed)
    rows += parcel_scores(config, subject, captions, template)
    rows += trial_caption_scores(config, subject, name, captions, judge, split)
    rows += synthesis_scores(config, subject, name, captions, split)
    shown = table[table["kind"] != "scrambled"].reset_index(drop=True)
    shown.insert(0, "captions", name)
    shown["parcel"] = parcel_column(captions, shown)
    return rows, shown


def _planted(
    config: Config, subject: str, table: pd.DataFrame, template: Score, seed: int
) -> list[Score]:
    """Compare with the planted truth, where there is one."""
    if not isinstance(config.source, PhantomSource):
        return []
    units = read_responses(config.layout, subject).units
    truth = read_truth(config.bids, subject)
    planted = planted_truth(units, truth.assign(row=np.arange(len(truth))))
    single = table[table["kind"] == "unit"].reset_index(drop=True)
    strengths = planted_strengths(config, subject, planted["row"].to_numpy(dtype=int))
    return planted_caption_scores(
        single, planted, strengths, template, seed, config.evaluate.n_bootstrap
    )


def _corpus(config: Config, subject: str, section: CaptionSection, captions: Captions) -> list[str]:
    bank = bank_of(config, subject, section, written=captions.sidecar["written"])
    return [sentence for own in bank.entries["captions"] for sentence in own]


def _n_repeats(table: pd.DataFrame) -> int:
    return int(table["n_repeats"].iloc[0])


def _validated(
    config: Config, subject: str, name: str, captions: Captions, judge: TextJudge
) -> pd.DataFrame:
    section = config.caption[name]
    predictions = read_predictions(config.layout.prediction(subject, f"encoder-{section.encoder}"))
    chosen = predictions.most_repeats()
    assert chosen.measured is not None
    items = chosen.items["stimulus_id"].to_numpy(dtype=str)
    said = captions_of(config, np.unique(items), captions.sidecar["written"])
    own = [said[item] for item in items]
    mixing = np.asarray(captions.arrays["mixing"])
    sample = captions.sidecar["sample"]
    measured = responses_at(chosen.measured, mixing.shape[1], sample) @ mixing.T
    sets = captions.units.copy()
    sets["ceiling"] = _ceilings(config, subject, sets)
    thresholds = Thresholds(section.min_reliability, section.max_q, config.evaluate.ceiling_floor)
    seed = derive_seed(config.seed, subject, "evaluate", "caption", name, "null")
    names = captions.sidecar["folds"]
    fold = None
    if len(names) > 1:
        fold = chosen.items["fold"].map(names.index).to_numpy(dtype=int)
    table = validate_captions(
        sets, measured, own, judge, thresholds, section.n_permutations, seed, fold
    )
    expected = expected_of_items(table, own, judge, fold)
    if fold is not None:
        expected, measured = ranks_within(expected, fold), ranks_within(measured.T, fold).T
    table["rho_given_cooccurring"] = _given(table, measured, own, expected)
    table["n_repeats"] = int(chosen.items["n_repeats"].iloc[0])
    return table


def _ceilings(config: Config, subject: str, sets: pd.DataFrame) -> np.ndarray:
    """Give the noise ceiling (r) of single units; NaN for everything else."""
    units = read_responses(config.layout, subject).units
    out = np.full(len(sets), np.nan)
    if "noise_ceiling_n" in units:
        for kind in ("unit", "scrambled"):
            rows = np.flatnonzero(sets["kind"] == kind)
            out[rows] = units["noise_ceiling_n"].to_numpy(dtype=np.float64)[: len(rows)]
    return out


def _given(
    table: pd.DataFrame,
    measured: np.ndarray,
    item_captions: Sequence[Sequence[str]],
    expected: np.ndarray,
) -> np.ndarray:
    """Correlate each caption with responses when what comes along with its words is taken out."""
    words = {w for own in item_captions for s in own for w in words_of(s)}
    known = frozenset(words | {w for own in table["cooccurring"] for t in own for w in t.split()})
    said = [[set(terms_of(s, known)) for s in own] for own in item_captions]
    items = np.flatnonzero([bool(own) for own in said])
    out = np.full(len(table), np.nan)
    for row, (text, others) in enumerate(zip(table["text"], table["cooccurring"], strict=True)):
        if text == "":
            continue
        shares = [[np.mean([t in s for s in said[i]]) for t in others] for i in items]
        confounds = np.array(shares, dtype=np.float64).reshape(len(items), len(others))
        out[row] = rho_given(expected[row, items], measured[items, row], confounds)
    return out


def _unit_scores(table: pd.DataFrame, template: Score, seed: int, n_draws: int) -> list[Score]:
    """Summarise single units: how many are shown, how well captions predict, beside controls."""
    units = table[table["kind"] == "unit"]
    scrambled = table[table["kind"] == "scrambled"]
    rows = []
    for model, own in ((template.model, units), (f"{template.model}/scrambled-encoder", scrambled)):
        hits = own["shown"].to_numpy(dtype=np.float64)
        if len(hits):
            low, high = share_interval(hits, derive_seed(seed, model), n_draws)
            row = replace(template, model=model, metric="share_shown", n_items=len(hits))
            rows.append(replace(row, value=float(hits.mean()), ci_low=low, ci_high=high))
    # reliability was measured on training trials: choosing by it does not see the test
    reliable = units[(units["reason"] != "no word stands out") & ~units["reason"].str.startswith(
        "reliability")]  # fmt: skip
    known = reliable[np.isfinite(reliable["rho_over_ceiling"])]
    ceiling = known["ceiling"].to_numpy(dtype=np.float64)
    for column, suffix in {"rho": "", **{c: f"/{n}" for c, n in CONTROLS.items()}}.items():
        values = known[column].to_numpy(dtype=np.float64) / ceiling
        row = replace(
            template,
            model=template.model + suffix,
            target="reliable-units",
            metric="spearman_over_ceiling_median",
            n_items=int(np.isfinite(values).sum()),
            chance=0.0,
            ceiling=1.0,
        )
        if not np.isfinite(values).any():
            rows.append(replace(row, note="not computed: no unit is reliable and has a ceiling"))
            continue
        low, high = bootstrap_interval(values, derive_seed(seed, column), n_draws, median=True)
        rows.append(replace(row, value=float(np.nanmedian(values)), ci_low=low, ci_high=high))
    return rows


def write_selectivity(config: Config, subject: str, tables: Sequence[pd.DataFrame]) -> None:
    """Write `selectivity.tsv` and its records, `selectivity.json`."""
    path = config.layout.selectivity(subject)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    records = [
        record
        for name, own in (table.groupby("captions", sort=False) if len(table) else ())
        for record in records_of(own, *_origin(config, subject, str(name)))
    ]
    flat = table.copy()
    for name in LISTS:
        if name in flat:
            flat[name] = ["; ".join(own) for own in flat[name]]
    write_tsv(path, flat)
    write_json(path.with_suffix(".json"), records)


def _origin(config: Config, subject: str, name: str) -> tuple[str, str]:
    sidecar = read_captions(config.layout.captions(subject, name)).sidecar
    return str(sidecar["embedding_model"]), config.caption[name].text_judge
