"""The commands of docs/tutorials/own-data.md, typed as they stand there, on two small folders."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from calcarine.pipelines import source
from calcarine.pipelines.config import parse_config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorials" / "own-data.md"
SCENES = {"n_train": 60, "n_test": 12, "n_held_out": 2, "n_test_repeats": 2, "n_voxels": 60}
FMRI = {
    "source": {"kind": "phantom", "trials_per_run": 28, **SCENES},
    "recording": {"modality": "fmri", "task": "scenes"},
}
EEG = {
    "source": {
        "kind": "phantom-meeg",
        "n_train_again": 0,
        "trials_per_run": 42,
        "sampling_rate_hz": 125.0,
        "montage": "biosemi16",
        **SCENES,
    },
    "recording": {"modality": "eeg", "task": "scenes"},
}


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def write_folder(where: Path, sections: dict) -> None:
    raw = {"name": "made", "out": f"{where}-made", "subjects": ["01"], "embeddings": {}}
    config = parse_config(raw | sections, "the test")
    source.run(config)
    source.run(config, "01")
    shutil.move(config.bids, where)


def type_command(line: str, folder: Path) -> str:
    # the command of the environment that runs the test, from a shell's point of view
    place = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{place}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        shlex.split(line), cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_page_walks_through_both_folders():
    lines = commands()
    for name in ("my-fmri", "my-eeg"):
        steps = [line.split()[1] for line in lines if name in line]
        assert steps == ["init", "check", "run"]
    assert len(lines) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sections"), [("my-fmri", FMRI), ("my-eeg", EEG)])
def test_every_command_of_the_page(tmp_path, name, sections):
    write_folder(tmp_path / name, sections)
    if name == "my-eeg":  # as the page says
        (tmp_path / name / "stimuli" / "stimuli.tsv").unlink()
    own = [line for line in commands() if name in line]
    said = [type_command(line, tmp_path) for line in own]
    assert "Next: calcarine check" in said[0]
    assert "No problem found." in said[1]
    report = (tmp_path / "out" / name / "sub-01.html").read_text(encoding="utf-8")
    assert "category" in report
    assert (tmp_path / "out" / name / "index.html").is_file()
    scores = (tmp_path / "out" / name / "sub-01" / "metrics.tsv").read_text(encoding="utf-8")
    assert "ridge-category" in scores
