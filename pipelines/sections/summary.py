"""What was asked and answered: one paragraph, a card a question, one figure."""

import pandas as pd

from calcarine.pipelines.page import Block, Card, Cards, Figures, Section, Text, counted, number
from calcarine.pipelines.sections.encoding import ceiling_column, unit_map
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.reconstruction import first_pictures
from calcarine.pipelines.sections.score_rows import (
    comparison,
    interval_text,
    main_condition,
    main_decoder,
    verdict,
)
from calcarine.pipelines.subject_record import SubjectRecord


def summary(record: SubjectRecord) -> Section:
    """Compose the first screen from the score table; the rows are chosen by rule, not by value."""
    cards = [*_encoding_cards(record), *_decoding_cards(record), *_reconstruction_cards(record)]
    blocks: list[Block] = [Text(f"{asked(record)} {answered(cards)}".strip())]
    if record.config.claim_limit:
        blocks.append(Text(f"What these data cannot carry: {record.config.claim_limit}"))
    if cards:
        blocks.append(Cards(cards))
    blocks += _figure(record)
    return Section("summary", "Asked and answered", blocks)


def asked(record: SubjectRecord) -> str:
    """Say what there is: stimuli, trials, runs, units, and how trials were divided."""
    trials = record.trials
    runs = trials[["session", "run"]].drop_duplicates()
    words = {"voxel": "voxels", "vertex": "vertices", "channel": "channels"}[record.unit_noun]
    return (
        f"sub-{record.subject} saw {counted(trials['stimulus_id'].nunique(), 'stimulus')} in "
        f"{counted(len(trials), 'trial')} over {counted(len(runs), 'run')} while "
        f"{len(record.units):,} {words} were recorded. {_division(trials)}"
    ).replace("stimuluss", "stimuli")


def _division(trials: pd.DataFrame) -> str:
    split = trials["split"].astype("str")
    groups = sorted(set(split[split.str.startswith("fold-")]))
    if groups:
        return (
            f"Each of {len(groups)} groups of trials was left out in turn: models were fitted on "
            "the others and asked about the one that they had not seen."
        )
    test = trials[split == "test"]
    n_fit = int(split.isin(["train", "validation"]).sum())
    return (
        f"Models were fitted on {counted(n_fit, 'trial')} and asked about "
        f"{counted(test['stimulus_id'].nunique(), 'stimulus')} of which they had seen no trial."
    )


def answered(cards: list[Card]) -> str:
    """Write the answers as sentences, each with its interval and chance."""
    if not cards:
        return "No score was computed."
    return " ".join(f"{c.question} {c.value} ({c.detail}): {c.verdict}." for c in cards)


def _card(row: pd.Series, control: pd.Series | None) -> Card:
    detail = interval_text(row)
    if control is not None:
        name = str(control["model"]).split("/", 1)[1]
        detail += f"; {name.replace('-', ' ')} {number(control['value'])}"
    question = f"{in_words(str(row['metric'])).capitalize()}, {row['model']}:"
    return Card(question, number(row["value"]), detail, verdict(row))


def _cards_of(rows: pd.DataFrame, model: str, control: str) -> list[Card]:
    found = rows[rows["model"] == model]
    beside = rows[rows["model"] == control]
    if found.empty:
        return []
    return [_card(found.iloc[0], None if beside.empty else beside.iloc[0])]


def _encoding_cards(record: SubjectRecord) -> list[Card]:
    encode = record.config.encode
    if encode is None:
        return []
    rows = comparison(record.scores, "encode", "responses")
    name = f"encoder-{encode.embeddings[0]}"
    return _cards_of(rows, name, f"{name}/mean-predictor")


def _decoding_cards(record: SubjectRecord) -> list[Card]:
    cards: list[Card] = []
    for target in dict.fromkeys(d.target for d in record.config.decode.values()):
        decoder = main_decoder(record.config, target)
        rows = comparison(record.scores, "decode", target)
        cards += _cards_of(rows, str(decoder), f"{decoder}/shuffled-brain")
    return cards


def _reconstruction_cards(record: SubjectRecord) -> list[Card]:
    cards: list[Card] = []
    for name, section in record.config.reconstruct.items():
        rows = comparison(record.scores, "reconstruct", section.judge)
        own = f"{name}/{main_condition(record.config, name)}"
        cards += _cards_of(rows, own, f"{name}/shuffled-brain")
    return cards


def _figure(record: SubjectRecord) -> list[Block]:
    """Show the first encoder's map beside the first pictures, as far as there are any."""
    figures = []
    encode = record.config.encode
    column = f"r_{encode.embeddings[0]}" if encode is not None else None
    if column is None or column not in record.unit_scores:
        column = ceiling_column(record)
    drawn = unit_map(record, column) if column is not None else None
    if drawn is not None:
        figures.append(drawn)
    figures += first_pictures(record)
    return [Figures(figures)] if figures else []
