"""Configurations on the page of data sets are valid, and name the kinds that there are."""

import re
from pathlib import Path

import yaml

from calcarine.pipelines.betas import READERS
from calcarine.pipelines.config import expand_variables, parse_config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "data-sets.md"


def test_every_release_and_films_have_a_valid_configuration():
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    configs = [parse_config(expand_variables(yaml.safe_load(b)), "the page") for b in blocks]
    assert {config.source.kind for config in configs} == {*READERS, "bids"}
