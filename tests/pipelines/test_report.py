import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from fixtures.report_tree import build_tree, phantom_config

from calcarine.data.errors import CalcarineError
from calcarine.data.scores import Score, write_scores
from calcarine.data.trials import read_trials
from calcarine.pipelines import report
from calcarine.pipelines.sections.encoding import encoding
from calcarine.pipelines.sections.failures import failures, leak_statement, leaks_of
from calcarine.pipelines.sections.methods import methods
from calcarine.pipelines.sections.summary import answers, summary
from calcarine.pipelines.subject_record import read_record


class Page(HTMLParser):
    """What a browser would load, and what it would show as text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(rendered):
    return Page(rendered.page.read_text(encoding="utf-8"))


@pytest.fixture
def small(tmp_path):
    """Build a tree with decoders only, which is quick to render."""
    config = phantom_config(
        tmp_path / "out",
        subjects=["01"],
        encode={},
        decode={"lda-category": {"kind": "lda", "target": "category"}},
        reconstruct={},
    )
    build_tree(config, "01")
    return config


def test_two_renders_of_one_tree_are_equal_byte_by_byte(rendered):
    record = read_record(rendered.config, "01")
    again = report.page_html(record, report.build_sections(record))
    assert again.encode() == rendered.page.read_bytes()


def test_the_page_loads_nothing_and_runs_nothing(page):
    assert not page.all("script")
    assert not page.all("iframe")
    assert all(a["src"].startswith("data:image/png;base64,") for a in page.all("img"))
    assert [a["href"] for a in page.all("link")] == ["data:,"]
    policy = next(a for a in page.all("meta") if "http-equiv" in a)
    assert policy["content"].startswith("default-src 'none'")
    for link in page.all("a"):
        assert re.match(
            r"#|https://doi\.org/|index\.html$|sub-01/provenance\.json$|logs/efficiency\.html$",
            link["href"],
        )


def test_markup_in_the_data_stays_text(rendered, page):
    raw = rendered.page.read_text(encoding="utf-8")
    assert '<script>alert("x")' not in raw
    assert '<script>alert("x")</script>&$\\frac' in page.text
    alts = [image["alt"] for image in page.all("img")]
    assert any('<script>alert("x")</script>' in alt for alt in alts)


def test_sections_stand_in_the_order_of_the_design(page):
    anchors = [a["id"] for a in page.all("section")]
    assert anchors == [
        "summary",
        "quality",
        "encoding",
        "decoding",
        "reconstruction",
        "metrics",
        "failures",
        "methods",
        "provenance",
    ]


def test_every_picture_has_words_and_every_figure_a_file(rendered, page):
    assert all(len(image["alt"]) > 8 for image in page.all("img"))
    names = {p.name for p in rendered.config.layout.figures("01").iterdir()}
    assert len(names) == len(page.all("figure"))
    assert {"map_r_clip.png", "decoding_clip.png", "confusion_lda-category.png"} <= names


def test_scores_against_the_planted_truth_stand_with_the_encoders(rendered):
    blocks = encoding(read_record(rendered.config, "01")).blocks
    table = next(b for b in blocks if "planted truth" in getattr(b, "caption", ""))
    assert table.rows == [
        ["encoder-clip", "planted-faces", "map_auc", "0.90", "0.84 to 0.96", "0.50"]
    ]


def test_the_page_is_small(rendered):
    assert rendered.page.stat().st_size < 5e6


def test_the_first_paragraph_says_the_numbers_of_the_table(rendered):
    record = read_record(rendered.config, "01")
    text = summary(record).blocks[0].text
    row = record.scores.query(
        "model == 'contrastive-clip' and metric == 'brain_to_image_top1_centred'"
        " and protocol == 'calcarine' and n_repeats == 3"
    ).iloc[0]
    assert f"was {row['value']:.2f} (95 % interval {row['ci_low']:.2f} to" in text
    assert "chance 0.042" in text
    assert "shuffled brain 0.042" in text
    assert "40 trials and asked about 24 stimuli" in text


def test_headlines_are_chosen_by_rule_whatever_the_values(rendered):
    record = read_record(rendered.config, "01")
    chosen = [(a.row["model"], a.row["metric"]) for a in answers(record)]
    turned = replace(record, scores=record.scores.assign(value=1 - record.scores["value"]))
    assert [(a.row["model"], a.row["metric"]) for a in answers(turned)] == chosen
    assert ("contrastive-clip", "brain_to_image_top1_centred") in chosen  # drives the pictures
    assert ("unclip/combined", "two_way_identification_judge") in chosen


def test_sections_without_data_are_left_out(small):
    report.run(small, "01")
    page = Page(small.layout.page("01").read_text(encoding="utf-8"))
    anchors = [a["id"] for a in page.all("section")]
    assert "reconstruction" not in anchors
    assert "decoding" in anchors
    assert "Every step ran" not in page.text  # the fixture has a warning about the data
    assert "3 of 603 units" in page.text


def test_what_was_configured_and_is_not_there_is_named(small):
    shutil.rmtree(small.layout.prediction("01", "decoder-lda-category"))
    small.layout.quality("01").unlink()
    record = read_record(small, "01")
    assert any("'decoder-lda-category'" in sentence for sentence in record.missing)
    assert any("quality.json" in sentence for sentence in record.missing)
    listed = failures(record).blocks
    assert any(getattr(b, "sentences", ()) == record.missing for b in listed)


def test_scores_that_could_not_be_computed_are_listed_with_their_reason(small):
    score = Score("01", "decode", "m", "t", "alexnet_2", "mindeye", "test", 3, 1, np.nan)
    write_scores(small.layout.metrics("01"), [score])
    page = Page(report.page_html(r := read_record(small, "01"), report.build_sections(r)))
    assert "no value, and no reason was given" in page.text
    assert "not computed" in page.text
    assert "No score was computed." in page.text


def test_the_leak_check_is_repeated_on_the_table_as_it_stands(small):
    record = read_record(small, "01")
    assert leaks_of(record) == []
    assert "nothing stands on both sides" in leak_statement(record)
    trials = read_trials(small.layout.trials("01"))
    trials.loc[trials["split"] == "test", "stimulus_sha"] = trials["stimulus_sha"].iloc[6]
    leaky = replace(record, responses=replace(record.responses, trials=trials))
    assert len(leaks_of(leaky)) == 1
    assert "no number on this page can be trusted" in leak_statement(leaky)


def test_methods_follow_the_configuration(rendered, small):
    full = " ".join(b.text for b in methods(read_record(rendered.config, "01")).blocks[:-1])
    assert "(Mumford et al., 2012)" in full
    assert "(Scotti et al., 2023)" in full
    assert "[" not in full
    blocks = methods(read_record(small, "01")).blocks
    cited = dict(blocks[-1].entries)
    assert "10.1016/S0047-259X(03)00096-4" in cited.values()
    assert not any("unCLIP" in text or "Ramesh" in text for text in cited)


def test_without_scores_there_is_no_report(small):
    small.layout.metrics("01").unlink()
    with pytest.raises(CalcarineError, match="Run the `evaluate` step for sub-01"):
        report.run(small, "01")


def test_time_and_host_stand_in_provenance_alone(rendered, page):
    provenance = json.loads(rendered.config.layout.provenance("01").read_text(encoding="utf-8"))
    assert provenance["written_at"][:10] not in page.text
    assert not re.search(rf"\b{re.escape(provenance['host'])}\b", page.text)
    assert {row["step"] for row in provenance["cost"]} >= {"prepare", "embed"}
    assert provenance["hashes"]["sub-01/metrics.tsv"] in page.text
