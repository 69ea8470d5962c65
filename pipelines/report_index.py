"""The index step: all subjects side by side, and the description of the output tree."""

import numpy as np
import pandas as pd

import calcarine
from calcarine.data.atomic import write_json, write_text
from calcarine.data.dataset_description import dataset_description
from calcarine.data.scores import bootstrap_interval, read_scores
from calcarine.data.seeds import derive_seed
from calcarine.pipelines.config import Config
from calcarine.pipelines.efficiency import write_efficiency
from calcarine.pipelines.figures.intervals import interval_plot
from calcarine.pipelines.page import Block, Figure, Figures, Table, Text, number, render
from calcarine.pipelines.sections.geometry import bar_figures
from calcarine.pipelines.sections.metric_names import in_words
from calcarine.pipelines.sections.score_rows import estimates
from calcarine.pipelines.sections.summary import Answer, answers, asked
from calcarine.pipelines.subject_record import read_record

_MEAN = "mean"


def run(config: Config) -> None:
    """Write `index.html`, `dataset_description.json` and `logs/efficiency.html`.

    Raises
    ------
    CalcarineError
        A subject's scores are not there.
    """
    html = index_html(config)
    write_json(config.layout.description, description(config))
    write_efficiency(config.layout, config.name)
    write_text(config.layout.index, html)


def description(config: Config) -> dict[str, object]:
    """Describe the output tree as a BIDS derivative."""
    made_by = {"Name": "calcarine", "Version": calcarine.__version__}
    return dataset_description(f"calcarine: {config.name}", "derivative", made_by=[made_by])


def index_html(config: Config) -> str:
    """Render the page; equal tables give equal bytes."""
    found: dict[str, list[Answer]] = {}
    lines: list[tuple[str, str]] = []
    for subject in config.subjects:
        record = read_record(config, subject)
        found[subject] = answers(record)
        lines.append((subject, asked(record)))
    blocks = [*_comparison(config, found), *_group(config)]
    return render(
        "index.html.j2",
        {
            "title": config.name,
            "name": config.name,
            "claim_limit": config.claim_limit,
            "subjects": lines,
            "blocks": blocks,
        },
    )


def _comparison(config: Config, found: dict[str, list[Answer]]) -> list[Block]:
    questions: dict[tuple[str, str, str], pd.DataFrame] = {}
    for subject, of_subject in found.items():
        for answer in of_subject:
            key = (answer.question, str(answer.row["model"]), str(answer.row["metric"]))
            row = answer.row.to_frame().T.assign(subject=f"sub-{subject}")
            questions[key] = pd.concat([questions.get(key), row], ignore_index=True)
    for key, rows in questions.items():
        if len(rows) > 1:
            mean = mean_row(config, rows)
            questions[key] = pd.concat([rows, mean], ignore_index=True)
    figures = [_figure(i, *key, rows) for i, (key, rows) in enumerate(questions.items(), start=1)]
    if not figures:
        return [Text("No score was computed for any subject.")]
    return [Figures(figures), _table(questions)]


def _group(config: Config) -> list[Block]:
    """Show what is scored over all subjects together."""
    path = config.layout.group_metrics
    if not path.is_file():
        return []
    rows = read_scores(path)
    rows = rows[rows["stage"] == "geometry"]
    if rows.empty:
        return []
    said = (
        "Representational geometry, means over subjects; intervals draw subjects and stimuli "
        "together and are rather too wide than too narrow."
    )
    blocks: list[Block] = [Text(said), Figures(bar_figures(rows))]
    shown = rows[~rows["model"].str.endswith("/shuffled-stimuli") & np.isfinite(rows["value"])]
    cells = [
        [
            *(str(row[name]) for name in ("target", "model", "metric")),
            number(row["value"]),
            f"{number(row['ci_low'])} to {number(row['ci_high'])}",
            number(row["ceiling"]),
        ]
        for _, row in shown.iterrows()
    ]
    heads = ["target", "model", "metric", "value", "95 % interval", "ceiling"]
    return [*blocks, Table("Over all subjects", heads, cells, n_text=3)]


def _figure(position: int, question: str, model: str, metric: str, rows: pd.DataFrame) -> Figure:
    names = rows["subject"].tolist()
    png = interval_plot(estimates(rows, names, [False] * len(names)), question, metric)
    caption = (
        f"{in_words(metric).capitalize()}, {model}. Bars: 95 % interval over items"
        + (" (of the mean: over subjects)" if _MEAN in names else "")
        + "; dashed: chance; pale mark: ceiling."
    )
    return Figure(f"question_{position}", png, caption, f"{question} {metric} of each subject.")


def mean_row(config: Config, rows: pd.DataFrame) -> pd.DataFrame:
    """Average over subjects, with an interval from drawing subjects with replacement.

    Parameters
    ----------
    config
        For the seed.
    rows
        One score row a subject, of the same model and metric.
    """
    values = rows["value"].to_numpy(dtype=np.float64)
    seed = derive_seed(config.seed, "index", str(rows["metric"].iloc[0]))
    low, high = bootstrap_interval(values, seed, config.evaluate.n_bootstrap)
    means = {c: float(rows[c].astype(float).mean()) for c in ("value", "chance", "ceiling")}
    return rows.iloc[:1].assign(subject=_MEAN, ci_low=low, ci_high=high, **means)


def _table(questions: dict[tuple[str, str, str], pd.DataFrame]) -> Table:
    cells = []
    for (_, model, metric), rows in questions.items():
        for _, row in rows.iterrows():
            bounds = f"{number(row['ci_low'])} to {number(row['ci_high'])}"
            words = [str(row["subject"]), model, metric, str(row["split"])]
            counts = [f"{int(row['n_items']):,}", f"{int(row['n_repeats']):,}"]
            numbers = [number(row["value"]), bounds, number(row["chance"]), number(row["ceiling"])]
            cells.append([*words, *counts, *numbers])
    heads = ["subject", "model", "metric", "split", "items", "repeats", "value"]
    heads += ["95 % interval", "chance", "ceiling"]
    return Table("The same numbers as a table", heads, cells, n_text=4)
