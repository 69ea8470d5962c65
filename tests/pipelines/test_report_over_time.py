import io

import numpy as np
import pytest
from fixtures.sensor_tree import build_sensor_tree, configuration
from PIL import Image

from calcarine.pipelines import encode, evaluate, over_time, report
from calcarine.pipelines.figures.channel_maps import channel_maps
from calcarine.pipelines.figures.time_curves import TimeCurve, time_curves, time_matrix
from calcarine.pipelines.sections import over_time as section
from calcarine.pipelines.subject_record import read_record


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    config = configuration(tmp_path_factory.mktemp("waves"), decode={})
    build_sensor_tree(config)
    for name in config.encode:
        encode.run(config, "01", name)
    for name in config.over_time:
        over_time.run(config, "01", name)
    evaluate.run(config, "01")
    return config


def test_the_page_shows_time(tree):
    report.run(tree, "01")
    page = tree.layout.page("01").read_text(encoding="utf-8")
    for words in ("Over time", "Which embedding explains which latency", "Time generalisation"):
        assert words in page
    assert "Onset-locked and full window side by side" in page
    assert len(page) < 5_000_000
    names = {p.stem for p in tree.layout.figures("01").iterdir()}
    assert {"encoders_over_time", "channels_at_peak", "generalisation_clip"} <= names


def test_the_caption_says_when_each_embedding_peaks(tree):
    shown = section.over_time(read_record(tree, "01"))
    caption = next(f.caption for f in shown.figures() if f.name == "encoders_over_time")
    assert "late peaks at 0.3" in caption


def test_two_evaluations_give_the_same_bytes(tree):
    before = tree.layout.over_time("01").read_bytes()
    evaluate.run(tree, "01")
    assert tree.layout.over_time("01").read_bytes() == before


def test_voxels_have_no_such_section(tree):
    record = read_record(tree, "01")
    empty = type(record)(**{**record.__dict__, "over_time": record.over_time.iloc[:0]})
    assert section.over_time(empty) is None


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_figures_are_drawn_and_repeat():
    t = np.linspace(-0.1, 0.5, 13)
    curve = TimeCurve("a", t, np.sin(t), np.sin(t) - 1, np.sin(t) + 1)
    png = time_curves([curve, TimeCurve("a/shuffled", t, 0 * t, t, t, True)], 0.0, "x", "y")
    assert png == time_curves([curve, TimeCurve("a/shuffled", t, 0 * t, t, t, True)], 0.0, "x", "y")
    assert (opened(png) < 250).any()
    assert (opened(time_matrix(t, t, np.outer(t, t), 0.0, "x")) < 250).any()
    places = np.random.default_rng(0).standard_normal((9, 2))
    places[3] = np.nan
    assert (opened(channel_maps(places, {"a": np.arange(9.0) / 9}, "r")) < 250).any()
