import re
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from calcarine.data.errors import CalcarineError
from calcarine.data.layout import Layout
from calcarine.pipelines.cli import app
from calcarine.pipelines.compare import compare_trees, comparison_page, comparison_text


@pytest.fixture
def trees(rendered, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(rendered.config.layout.out, first)
    shutil.copytree(rendered.config.layout.out, second)
    return first, second


def change_scores(tree, changes):
    path = Layout(tree).metrics("01")
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    changes(table)
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


def test_equal_trees_are_the_same(trees):
    found = compare_trees(*trees)
    assert found.same
    assert found.n_equal == len(pd.read_csv(Layout(trees[0]).metrics("01"), sep="\t"))
    assert "are the same" in comparison_text(found)


def test_scores_are_judged_by_both_intervals(trees):
    def changes(table):
        table.loc[0, "value"] = str(float(table.loc[0, "value"]) + 0.01)
        low = float(table.loc[1, "ci_low"])
        table.loc[1, ["value", "ci_low", "ci_high"]] = [str(low - v) for v in (0.2, 0.21, 0.19)]
        table.loc[2, "n_repeats"] = "99"

    change_scores(trees[1], changes)
    found = compare_trees(*trees)
    assert sorted(found.scores["verdict"]) == ["apart", "only in first", "only in second", "within"]
    assert found.n_equal == len(pd.read_csv(Layout(trees[0]).metrics("01"), sep="\t")) - 3


def test_configuration_versions_and_files_are_named(trees):
    config = Layout(trees[1]).config
    config.write_text(config.read_text().replace("seed: 0", "seed: 4"))
    provenance = Layout(trees[1]).provenance("01")
    text = provenance.read_text()
    text = text.replace('"numpy": "', '"numpy": "0.', 1)
    provenance.write_text(text)
    found = compare_trees(*trees)
    assert [(d.what, d.first, d.second) for d in found.configuration] == [("seed", "0", "4")]
    assert [d.what for d in found.versions] == ["numpy"]
    assert not found.same
    page = comparison_page(found)
    assert "Configuration: what differs" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


def test_the_command_tells_by_its_exit_code(trees, tmp_path):
    runner = CliRunner()
    page = tmp_path / "page.html"
    same = runner.invoke(app, ["compare", *map(str, trees), "--html", str(page)])
    assert same.exit_code == 0
    assert page.is_file()
    change_scores(trees[1], lambda table: table.drop(index=0, inplace=True))
    other = runner.invoke(app, ["compare", *map(str, trees)])
    assert other.exit_code == 1
    assert "only in first" in other.output


def test_what_is_no_output_tree_is_refused(trees, tmp_path):
    with pytest.raises(CalcarineError, match="is no output tree with scores"):
        compare_trees(trees[0], tmp_path / "nowhere")
    (trees[1] / "sub-01").rename(trees[1] / "sub-07")
    with pytest.raises(CalcarineError, match="none is in both"):
        compare_trees(*trees)
