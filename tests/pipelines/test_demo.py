"""The demonstration runs every phantom that the package ships, and lists what came out."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from calcarine.pipelines import demo
from calcarine.pipelines.cli import app
from calcarine.pipelines.config import load_config
from calcarine.pipelines.workflow import WORKFLOW


@pytest.fixture
def runs(monkeypatch):
    """Stand in for Snakemake: make the pages of all phantoms but those named in `failing`."""
    made: list[tuple[Path, list[str]]] = []
    failing: set[str] = set()

    def run_workflow(config, arguments):
        made.append((config, list(arguments)))
        place = arguments.index("--config")
        out = Path(arguments[place + 1].removeprefix("out="))
        if config.name in failing:
            return 3
        out.mkdir(parents=True)
        everything = [out / name for name in ("index.html", "sub-01.html", "sub-02.html")]
        for page in arguments[:place] or everything:
            Path(page).write_text("", encoding="utf-8")
        return 0

    monkeypatch.setattr(demo, "run_workflow", run_workflow)
    return made, failing


def test_every_modality_of_the_phantom_is_shown():
    configs = [load_config(WORKFLOW / "config" / d.file) for d in demo.DEMOS.values()]
    assert {c.recording.modality for c in configs} == {"fmri", "eeg", "meg"} == set(demo.DEMOS)
    assert all(c.source.kind.startswith("phantom") for c in configs)
    for shown, config in zip(demo.DEMOS.values(), configs, strict=True):
        assert set(shown.pages) <= set(config.subjects)


def test_one_page_lists_all(runs, tmp_path):
    found = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo"), "-j", "1"])
    assert found.exit_code == 0
    assert "index.html in a browser" in found.output
    assert [told[-2:] for _, told in runs[0]] == [["-j", "1"]] * 3
    html = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    for name, shown in demo.DEMOS.items():
        assert f'<a href="{name}/index.html">{name}</a>' in html
        assert f'<a href="{name}/sub-01.html">sub-01</a>' in html
        assert (f'<a href="{name}/sub-02.html">sub-02</a>' in html) == (not shown.pages)
        # the page of a subject leads back to this one
        own = (tmp_path / "demo" / name / "index.html").read_text(encoding="utf-8")
        assert ('<a href="./sub-01.html">sub-01</a>' in own) == bool(shown.pages)


def test_one_that_fails_is_left_out_and_told(runs, tmp_path):
    runs[1].add("phantom_eeg.yaml")
    assert demo.run(tmp_path / "demo") == 3
    assert len(runs[0]) == 3
    html = (tmp_path / "demo" / "index.html").read_text(encoding="utf-8")
    assert '"meg/sub-01.html"' in html
    assert '"eeg/sub-01.html"' not in html
