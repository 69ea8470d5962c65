"""How well a subject is encoded from few pictures, when others' recordings are known."""

import numpy as np
import pandas as pd

from calcarine.pipelines.evaluate_few_pictures import GAIN, STAGE
from calcarine.pipelines.figures.repeat_curve import Curve, repeat_curve
from calcarine.pipelines.page import Block, Figure, Figures, Section, Table, Text, number
from calcarine.pipelines.sections.score_rows import is_control
from calcarine.pipelines.subject_record import SubjectRecord


def few_pictures(record: SubjectRecord) -> Section | None:
    """Draw r over the number of training pictures, and list it beside its gain over ridge."""
    blocks: list[Block] = []
    for name, section in record.config.few_pictures.items():
        scores = record.scores[record.scores["stage"] == STAGE]
        rows = scores[scores["model"].str.startswith(f"few-pictures-{name}")]
        if rows.empty:
            continue
        teachers = section.teachers(record.subject, record.config.subjects)
        blocks += [
            Text(
                f"{name}: sub-{record.subject} is encoded from {section.embedding} by as few "
                f"pictures as the table says. Empirical Bayes and the in-context encoder have "
                f"learned from sub-{', sub-'.join(teachers)} how voxels' weights are distributed, "
                "and were not trained on this subject; ridge and the mean know its pictures alone. "
                "Empirical Bayes assumes one normal distribution, -kinds a mixture of several, and "
                "-regions and the in-context encoder also the region that each unit lies in. "
                "Others-mean, a control, is what others' voxels of that region do on average: it "
                "knows no picture of this subject."
            ),
            Figures([_curves(name, rows)]),
            _table(name, rows),
        ]
    return Section("few-pictures", "Encoding from few pictures", blocks) if blocks else None


def _pictures(rows: pd.DataFrame) -> np.ndarray:
    return rows["protocol"].str.split("-").str[0].astype(int).to_numpy()


def _method(model: str, name: str) -> str:
    return model.removeprefix(f"few-pictures-{name}")[1:]


def _curves(name: str, rows: pd.DataFrame) -> Figure:
    shown = rows[(rows["metric"] == "r_median") & ~rows["model"].map(is_control)]
    curves = []
    for model, points in shown.groupby("model", sort=False):
        value, low, high = points[["value", "ci_low", "ci_high"]].to_numpy(dtype=np.float64).T
        method = _method(str(model), name)
        curves.append(Curve(method, _pictures(points), value, low, high, is_dashed=False))
    title = f"Encoding from few pictures: {name}"
    png = repeat_curve(curves, 0.0, title, "r_median", "training pictures")
    caption = (
        "Median over units of the correlation with responses to test stimuli, averaged over draws "
        "of training pictures; bands are 95 % intervals over both. The mean predictor "
        "stands at 0."
    )
    return Figure(f"few_pictures_{name}", png, caption, "r over the number of training pictures.")


def _table(name: str, rows: pd.DataFrame) -> Table:
    gains = rows[rows["metric"] == GAIN].set_index(["model", "protocol"])
    cells: list[list[str]] = []
    pale: list[int] = []
    for _, row in rows[rows["metric"] == "r_median"].iterrows():
        key = (row["model"], row["protocol"])
        gain = gains.loc[key] if key in gains.index else None
        interval = f"{number(row['ci_low'])} to {number(row['ci_high'])}"
        if is_control(row["model"]):
            pale.append(len(cells))
        told = (
            ["", ""]
            if gain is None
            else [
                number(gain["value"]),
                f"{number(gain['ci_low'])} to {number(gain['ci_high'])}",
            ]
        )
        pictures = str(row["protocol"]).split("-")[0]
        cells.append([_method(row["model"], name), pictures, number(row["value"]), interval, *told])
    heads = ["method", "pictures", "r_median", "95 % interval", "gain over ridge", "95 % interval"]
    title = f"Few pictures: {name}"
    return Table(title, heads, cells, n_text=1, pale=frozenset(pale))
