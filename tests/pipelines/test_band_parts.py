from types import SimpleNamespace

import pandas as pd

from calcarine.pipelines.page import Figures, Table
from calcarine.pipelines.sections.band_parts import band_parts
from calcarine.pipelines.sections.metric_names import in_words


def record(rows):
    columns = ["model", "target", "metric", "value"]
    return SimpleNamespace(scores=pd.DataFrame(rows, columns=columns))


def test_parts_and_their_sum_are_listed_by_region():
    rows = [
        ("encoder-two", target, f"r2_part_{band}_mean", value)
        for target, values in {"responses": (0.2, -0.05), "V1": (0.4, 0.1)}.items()
        for band, value in zip(("pixels", "objects"), values, strict=True)
    ]
    rows += [("encoder-two", "responses", "r2_mean", 0.15), ("encoder-clip", "V1", "r_median", 0.3)]
    figures, table = band_parts(record(rows))
    assert isinstance(figures, Figures)
    assert isinstance(table, Table)
    cells = [[float(c.replace("−", "-")) for c in row[1:]] for row in table.rows]
    assert cells == [[0.2, -0.05, 0.15], [0.4, 0.1, 0.5]]
    assert [row[0] for row in table.rows] == ["all units", "V1"]
    assert list(table.columns) == ["region", "pixels", "objects", "together"]
    assert figures.figures[0].png.startswith(b"\x89PNG")


def test_encoders_without_bands_draw_nothing():
    assert band_parts(record([("encoder-clip", "V1", "r_median", 0.3)])) == []


def test_parts_are_named_in_words():
    assert in_words("r2_part_clip-layer3_mean").startswith(
        "mean share of response variance that clip-layer3 explains"
    )
