"""One rendered output tree for all tests of the report."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from fixtures.report_tree import build_tree, phantom_config

from calcarine.pipelines import report, report_index
from calcarine.pipelines.config import Config

NASTY = '<script>alert("x")</script>&$\\frac'


@dataclass(frozen=True)
class RenderedTree:
    """A tree with markup as a concept and in its claim, with its pages."""

    config: Config
    page: Path
    index: Path


@pytest.fixture(scope="session")
def rendered(tmp_path_factory) -> RenderedTree:
    config = phantom_config(
        tmp_path_factory.mktemp("report") / "out",
        subjects=["01"],
        claim_limit=f"No claim about {NASTY}.",
        encode={"clip": {"kind": "ridge", "embedding": "clip"}},
    )
    build_tree(config, "01", concept=NASTY)
    report.run(config, "01")
    report_index.run(config)
    return RenderedTree(config, config.layout.page("01"), config.layout.index)
