"""What each embedding of a banded encoder explains, region by region."""

import re

import numpy as np

from calcarine.pipelines.figures.band_parts import band_plot
from calcarine.pipelines.page import Block, Figure, Figures, Table, number
from calcarine.pipelines.subject_record import SubjectRecord

_MAX_REGIONS = 16


def band_parts(record: SubjectRecord) -> list[Block]:
    """Draw and list the parts of every encoder that has bands."""
    scores = record.scores
    of_bands = scores[scores["metric"].str.fullmatch(r"r2_part_.+_mean")]
    blocks: list[Block] = []
    for model in of_bands["model"].unique():
        rows = of_bands[of_bands["model"] == model]
        bands = {m: str(re.sub(r"^r2_part_(.+)_mean$", r"\1", m)) for m in rows["metric"].unique()}
        regions = [str(t) for t in rows["target"].unique()][: _MAX_REGIONS + 1]
        table = rows.pivot_table("value", "target", "metric", dropna=False, sort=False)
        parts = {
            band: table.reindex(regions)[metric].to_numpy(dtype=np.float64)
            for metric, band in bands.items()
        }
        names = ["all units" if r == "responses" else r for r in regions]
        title = f"{model.removeprefix('encoder-')}: parts of the score"
        caption = (
            "Mean over units of the R² on test stimuli, split over the embeddings by the product "
            "measure: the parts add up to the whole, and a part to the left of zero hurts."
        )
        png = band_plot(names, parts, title)
        figure = Figure(f"bands_{model}", png, caption, "Stacked bars of the parts of R².")
        whole = sum(parts.values())
        cells = [
            [name, *(number(float(values[k])) for values in (*parts.values(), np.asarray(whole)))]
            for k, name in enumerate(names)
        ]
        heads = ["region", *parts, "together"]
        blocks += [Figures([figure]), Table(title.capitalize(), heads, cells)]
    return blocks
