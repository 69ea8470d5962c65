"""What was asked and answered: one paragraph, a card a question, one figure."""

from dataclasses import dataclass

import pandas as pd

from calcarine.pipelines.page import Block, Card, Cards, Figures, Section, Text, counted, number
from calcarine.pipelines.sections.decoding import comparison_figures
from calcarine.pipelines.sections.encoding import ceiling_column, unit_map
from calcarine.pipelines.sections.geometry import bar_figures
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.reconstruction import control_of, first_pictures
from calcarine.pipelines.sections.score_rows import (
    comparison,
    decoding_rows,
    interval_text,
    main_condition,
    main_decoder,
    verdict,
)
from calcarine.pipelines.subject_record import SubjectRecord


def summary(record: SubjectRecord) -> Section:
    """Compose the first screen from the score table; the rows are chosen by rule, not by value."""
    found = answers(record)
    said = " ".join(a.sentence() for a in found) or "No score was computed."
    blocks: list[Block] = [Text(f"{asked(record)} {said}")]
    if record.config.claim_limit:
        blocks.append(Text(f"What these data cannot carry: {record.config.claim_limit}"))
    if found:
        blocks.append(Cards([a.card() for a in found]))
    blocks += _figure(record)
    return Section("summary", "Asked and answered", blocks)


UNITS = {
    "voxel": "voxels",
    "vertex": "vertices",
    "channel": "channels",
    "stimulus": "dissimilarities a stimulus",
}


def asked(record: SubjectRecord) -> str:
    """Say what there is: stimuli, trials, runs, units, and how trials were divided."""
    trials = record.trials
    runs = trials[["session", "run"]].drop_duplicates()
    words = UNITS[record.unit_noun]
    return (
        f"sub-{record.subject} saw {counted(trials['stimulus_id'].nunique(), 'stimulus')} in "
        f"{counted(len(trials), 'trial')} over {counted(len(runs), 'run')} while "
        f"{len(record.units):,} {words} were recorded. "
        f"{_division(trials, record.config.split.unit)}"
    ).replace("stimuluss", "stimuli")


def _division(trials: pd.DataFrame, unit: str) -> str:
    split = trials["split"].astype("str")
    groups = set(split[split.str.startswith("fold-")])
    if groups:
        return (
            f"Each of {counted(len(groups), unit)} was left out in turn: models were fitted on "
            f"the others and asked about the {unit} that they had not seen."
        )
    if (split == "unused").all():
        return "Nothing was fitted: all stimuli were compared with each other."
    test = trials[split == "test"]
    n_fit = int(split.isin(["train", "validation"]).sum())
    return (
        f"Models were fitted on {counted(n_fit, 'trial')} and asked about "
        f"{counted(test['stimulus_id'].nunique(), 'stimulus')} of which they had seen no trial."
    )


@dataclass(frozen=True)
class Answer:
    """One question, the row of the score table that answers it, and the row of its control."""

    question: str
    begins: str
    row: pd.Series
    control: pd.Series | None
    control_name: str

    def detail(self) -> str:
        """Write interval, chance, ceiling and control."""
        detail = interval_text(self.row)
        if self.control is not None:
            detail += f"; {self.control_name} {number(self.control['value'])}"
        return detail

    def sentence(self) -> str:
        """Write the answer with its uncertainty."""
        words, value = in_words(str(self.row["metric"])), number(self.row["value"])
        return f"{self.begins}, the {words} was {value} ({self.detail()}): {verdict(self.row)}."

    def card(self) -> Card:
        """Lay the answer out for a glance."""
        words = f"{in_words(str(self.row['metric']))}, {self.row['model']}"
        value = number(self.row["value"])
        return Card(self.question, value, words, self.detail(), verdict(self.row))


def answers(record: SubjectRecord) -> list[Answer]:
    """Answer what the configuration asks, by rows that are chosen by rule and not by value."""
    return [
        *_encoding(record),
        *_geometry(record),
        *_decoding(record),
        *_reconstruction(record),
    ]


def _answer(
    rows: pd.DataFrame, model: str, control: tuple[str, str], question: str, begins: str
) -> list[Answer]:
    """Find the row of a model and of its control, given as model and name in words."""
    own, beside = rows[rows["model"] == model], rows[rows["model"] == control[0]]
    if own.empty:
        return []
    found = None if beside.empty else beside.iloc[0]
    return [Answer(question, begins, own.iloc[0], found, control[1])]


def _encoding(record: SubjectRecord) -> list[Answer]:
    first = next(iter(record.config.encode), None)
    if first is None:
        return []
    rows = comparison(record.scores, "encode", "responses")
    name = f"encoder-{first}"
    return _answer(
        rows,
        name,
        (f"{name}/shuffled-stimuli", "shuffled stimuli"),
        "Can responses be predicted?",
        f"When responses were predicted by {name}",
    )


def _geometry(record: SubjectRecord) -> list[Answer]:
    """Answer for the first embedding (else the first reference) of each geometry."""
    found: list[Answer] = []
    for name, section in record.config.geometry.items():
        model = next(iter([*section.embeddings, *section.references]), "")
        rows = comparison(record.scores, "geometry", name)
        found += _answer(
            rows,
            model,
            (f"{model}/shuffled-stimuli", "shuffled stimuli"),
            f"Does {model} find the same stimuli alike?",
            f"When dissimilarities of {name} were compared with those of {model}",
        )
    return found


def _decoding(record: SubjectRecord) -> list[Answer]:
    found: list[Answer] = []
    for target in dict.fromkeys(d.target for d in record.config.decode.values()):
        rows = decoding_rows(record.config, record.scores, target)
        decoder = main_decoder(record.config, target)
        model = next((m for m in rows["model"] if m in (decoder, f"decoder-{decoder}")), "")
        found += _answer(
            rows,
            model,
            (f"{model}/shuffled-brain", "shuffled brain"),
            f"Can {target} be read out?",
            f"When {decoder} read {target} out of the responses",
        )
    return found


def _reconstruction(record: SubjectRecord) -> list[Answer]:
    found: list[Answer] = []
    for name, section in record.config.reconstruct.items():
        condition = main_condition(record.config, name)
        made = record.reconstructions.get(name)
        control = control_of(made, condition, "shuffled-brain") if made is not None else None
        found += _answer(
            comparison(record.scores, "reconstruct", section.judge),
            f"{name}/{condition}",
            (f"{name}/{control}", "shuffled brain"),
            "Can pictures be reconstructed?",
            f"When {name} drew pictures ({condition})",
        )
    return found


def _figure(record: SubjectRecord) -> list[Block]:
    """Show the first encoder's map beside the first pictures, or else the first decoder."""
    figures = []
    name = next(iter(record.config.encode), "")
    wanted = (f"r_over_ceiling_{name}", f"r_{name}")
    column = next((c for c in wanted if c in record.unit_scores), ceiling_column(record))
    drawn = unit_map(record, column) if column is not None else None
    if drawn is not None:
        figures.append(drawn)
    figures += first_pictures(record) or comparison_figures(record)[:1]
    rows = record.scores[record.scores["stage"] == "geometry"]
    if not figures and len(rows):
        figures = bar_figures(rows)[:1]
    return [Figures(figures)] if figures else []
