"""What regions and units respond to, in words, with the evidence and the tests."""

from collections import Counter

import numpy as np
import pandas as pd

from calcarine.data.captions import Captions
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli
from calcarine.decoders.caption_metrics import says_any
from calcarine.pipelines.figures.surface_map import vertex_units
from calcarine.pipelines.figures.word_map import PALETTE, word_map
from calcarine.pipelines.page import (
    Block,
    Figure,
    Figures,
    Fold,
    Heading,
    Section,
    Table,
    Text,
    number,
)
from calcarine.pipelines.sections.encoding import on_template
from calcarine.pipelines.sections.selectivity_pictures import contrast_pictures, region_pictures
from calcarine.pipelines.subject_record import SubjectRecord

N_EVIDENCE, N_TRIALS, N_WORDS = 6, 8, 5
Families = dict[str, dict[str, list[str]]]


def selectivity(record: SubjectRecord) -> Section | None:
    """Show, for each caption section, regions, a word map, pictures and the validation."""
    if not record.captions:
        return None
    blocks: list[Block] = []
    for name, captions in record.captions.items():
        table = record.selectivity
        own = table[table["captions"] == name] if len(table) else table
        blocks.append(Text(_introduction(record, name, captions)))
        if len(record.captions) > 1:
            blocks.append(Heading(name))
        blocks += _word_map(record, name, captions, own)
        blocks += _regions(record, own)
        blocks += region_pictures(record, captions)
        blocks += contrast_pictures(captions)
        blocks += _parcels(record, name, captions)
        blocks += _trials(record, captions)
        blocks += _validation(record, name)
    return Section("selectivity", "Captions: what the cortex responds to", blocks)


def _introduction(record: SubjectRecord, name: str, captions: Captions) -> str:
    section, sidecar = record.config.caption[name], captions.sidecar
    return (
        f"Each {record.unit_noun}'s weights on {sidecar['embedding_model']} pick the "
        f"{sidecar['n_top']} pictures that drive it most out of {sidecar['n_bank']:,} "
        f"({sidecar['bank']}); words that these pictures share more often than pictures in "
        f"general, {sidecar['words']}, make the caption. A caption is shown as a finding only if "
        "it comes out again "
        f"when {sidecar['resample']}s of the training data are resampled (agreement at least "
        f"{section.min_reliability:g}) and if it predicts measured responses to unseen stimuli "
        f"(permutation test, false discovery rate at most {section.max_q:g}), judged by a "
        f"{section.text_judge} comparison of sentences that knows nothing of the embedding. All "
        "others are kept in selectivity.tsv and withheld here."
    )


def concept_names(
    captions: Captions, shown: pd.DataFrame, concepts: set[str]
) -> list[tuple[str, list[str]]]:
    """Name the concepts of the map and their words.

    They are the values of the family that holds the stimuli's concepts, and each other family as
    a whole. Without families the commonest first keywords are concepts.
    """
    families: Families = captions.sidecar["families"]
    if families:
        first = next((f for f in families if concepts <= set(families[f])), next(iter(families)))
        others = [f for f in families if f != first]
        names = list(families[first].items())
        names += [(f, [w for own in families[f].values() for w in own]) for f in others]
        return [(name, list(words)) for name, words in names][: len(PALETTE)]
    counts = Counter(own.split("; ")[0] for own in shown["keywords"] if own)
    return [(word, [word]) for word, _ in counts.most_common(len(PALETTE))]


def concept_labels(texts: list[str], concepts: list[tuple[str, list[str]]]) -> np.ndarray:
    """Give each text the number of the first concept that it names, -1 for none."""
    return np.array(
        [next((i for i, (_, w) in enumerate(concepts) if says_any(t, w)), -1) for t in texts]
    )


def _word_map(
    record: SubjectRecord, name: str, captions: Captions, own: pd.DataFrame
) -> list[Block]:
    units = own[own["kind"] == "unit"]
    shown = units["shown"].to_numpy(dtype=bool)
    n_shown = int(shown.sum())
    if not n_shown or not on_template(record):
        return []
    concepts = concept_names(captions, units[shown], set(record.trials["concept"]))
    texts = units["text"].where(shown, "").fillna("").astype(str).tolist()
    labels = concept_labels(texts, concepts)
    png = word_map(
        labels, [c for c, _ in concepts], vertex_units(record.units), f"Captions of {name}"
    )
    caption = (
        f"What captions name, for the {n_shown} of {len(units)} {record.unit_noun}s whose caption "
        "is a finding; a caption with several concepts has the colour of the first in the "
        "legend. Grey is cortex without a unit, without a caption or with one that was withheld."
    )
    alt = "Map of caption concepts on the inflated cortex."
    return [Figures([Figure(f"words_{name}", png, caption, alt)])]


def _regions(record: SubjectRecord, own: pd.DataFrame) -> list[Block]:
    if own.empty:
        return []
    sets = own[own["kind"].isin(["region", "contrast", "population"])]
    units = own[own["kind"] == "unit"]
    rows = [_row(row, units) for _, row in sets.iterrows() if row["shown"]]
    held = [_row(row, units) for _, row in sets.iterrows() if not row["shown"]]
    heads = ["region", "caption", "words of its units", "units shown", "ρ", "q", "agreement"]
    blocks: list[Block] = [
        Table(
            "Regions, and regions against their neighbours: findings. ρ: Spearman correlation of "
            "what the caption leads one to expect with measured responses to test stimuli",
            heads,
            rows,
            n_text=3,
        )
    ]
    if held:
        why = [[*row, str(r)] for row, r in zip(held, _reasons(sets), strict=True)]
        blocks.append(
            Fold("Withheld", [Table("Captions that did not pass", [*heads, "why"], why, n_text=3)])
        )
    return blocks


def _reasons(sets: pd.DataFrame) -> list[str]:
    return sets.loc[~sets["shown"], "reason"].tolist()


def _row(row: pd.Series, units: pd.DataFrame) -> list[str]:
    members = units[units["region"] == row["region"]]
    shown = members[members["shown"]]
    words = Counter(w for own in shown["keywords"].fillna("") for w in own.split("; ") if w)
    common = ", ".join(f"{w} {n}" for w, n in words.most_common(N_WORDS))
    counts = f"{len(shown)} of {len(members)}" if len(members) else ""
    return [
        str(row["unit"]),
        str(row["text"]) if isinstance(row["text"], str) else "",
        common,
        counts,
        *(number(float(row[name])) for name in ("rho", "q_value", "agreement")),
    ]


def _parcels(record: SubjectRecord, name: str, captions: Captions) -> list[Block]:
    told = captions.sidecar.get("parcels")
    if not told:
        return []
    labels = np.asarray(captions.arrays["parcels"], dtype=int)
    names = [f"{n} {text}".strip() for n, text in zip(told["names"], told["texts"], strict=True)]
    caption = (
        f"A functional parcellation: the {int((labels >= 0).sum())} {record.unit_noun}s with a "
        "reliable caption, clustered by the stimulus of the bank that excites each cluster more "
        "than the others (most discriminative stimuli), with splits and merges. Each parcel's "
        "caption says what its mean weights prefer; whether parcels hold in measured responses "
        "to test stimuli is in the table below."
    )
    cells = [
        [n, text or "–", str(stimulus), number(size)]
        for n, text, stimulus, size in zip(
            told["names"], told["texts"], told["stimuli"], told["n_units"], strict=True
        )
    ]
    heads = ["parcel", "caption", "most discriminative stimulus", "units"]
    table = Table("Parcels", heads, cells, n_text=3)
    if len(names) > len(PALETTE) or not on_template(record):
        return [Text(caption), table]
    png = word_map(labels, names, vertex_units(record.units), f"Parcels of {name}")
    alt = "Map of functional parcels on the inflated cortex."
    return [Figures([Figure(f"parcels_{name}", png, caption, alt)]), table]


def _trials(record: SubjectRecord, captions: Captions) -> list[Block]:
    trials = captions.trials
    if trials.empty:
        return []
    try:
        known = read_stimuli(record.config.stimuli).set_index("stimulus_id")["captions"]
    except CalcarineError:
        known = pd.Series(dtype=object)
    measured = trials[trials["brain"] == "measured"]
    items = measured["stimulus_id"].drop_duplicates().tolist()
    chosen = [
        items[i] for i in np.linspace(0, len(items) - 1, min(N_TRIALS, len(items))).astype(int)
    ]
    by_key = trials.set_index(["route", "brain", "stimulus_id"])["text"].to_dict()
    routes = trials["route"].drop_duplicates().tolist()
    columns = [(r, b) for r in routes for b in ("measured", "shuffled")]
    rows = [
        [
            str(s),
            known[s][0] if s in known.index and known[s] else "–",
            *(str(by_key.get((r, b, s), "–")) for r, b in columns),
        ]
        for s in chosen
    ]
    heads = ["stimulus", "reference", *(f"{r}, {b} brain" for r, b in columns)]
    caption = (
        f"Captions of trials: {len(rows)} of {len(items)} test items, evenly spaced through the "
        "list and chosen by no score"
    )
    return [Table(caption, heads, rows, n_text=len(heads))]


def _validation(record: SubjectRecord, name: str) -> list[Block]:
    scores = record.scores
    own = scores["model"].str.split("/").str[0] == name
    rows = scores[(scores["stage"] == "caption") & own]
    cells = [
        [
            *(str(row[c]) for c in ("model", "target", "metric", "protocol")),
            number(row["n_items"]),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["chance"]),
        ]
        for _, row in rows.iterrows()
    ]
    heads = ["captions", "of", "metric", "protocol", "n", "value", "95 % interval", "chance"]
    return [Table("Validation of captions", heads, cells, n_text=4)] if cells else []
