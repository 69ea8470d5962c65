"""A corpus of broken inputs: each ends in one clear message and exit code 2, nothing is touched."""

import re
import subprocess
import sys

import pytest
from fixtures import (
    broken_base,
    broken_configs,
    broken_files,
    broken_models,
    broken_sensors,
    broken_tables,
)

from calcarine.pipelines import cli

KINDS = {
    "file": broken_configs.FILES,
    "key": broken_configs.KEYS,
    "command": broken_configs.COMMANDS,
    "stimuli": broken_tables.STIMULI,
    "events": broken_tables.EVENTS,
    "table": broken_tables.OTHERS,
    "volume": broken_files.VOLUMES,
    "sidecar": broken_files.SIDECARS,
    "surface": broken_files.SURFACES,
    "picture": broken_files.PICTURES,
    "sensors": broken_sensors.SENSORS,
    "model": broken_models.MODELS,
}
CORPUS = {f"{kind}-{name}": case for kind, own in KINDS.items() for name, case in own.items()}


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Build what is whole once: a study of volumes with model folders beside it, and one of EEG."""
    root = tmp_path_factory.mktemp("bases")
    broken_base.build(root / "volumes")
    broken_models.build(root / "volumes")
    broken_sensors.build(root / "sensors")
    return root


def study_of(kind, bases, root):
    """Copy what a kind of input is broken in."""
    of_sensors = kind == "sensors"
    study = broken_base.copy_of(bases / ("sensors" if of_sensors else "volumes"), root)
    if of_sensors:
        broken_sensors.configuration(study)
    return study


def answer(arguments, capsys, monkeypatch):
    """Run the command as a shell would: exit code, and what a person reads."""
    monkeypatch.setattr(sys, "argv", ["calcarine", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("kind", ["volume", "surface", "sensors"])
def test_the_study_is_whole(kind, bases, tmp_path, capsys, monkeypatch):
    study = study_of(kind, bases, tmp_path)
    if kind == "surface":
        broken_files.as_surfaces(study)
    monkeypatch.setattr(sys, "argv", ["calcarine", *study.arguments()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code or 0) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", CORPUS)
def test_a_broken_input_ends_in_one_message(name, bases, tmp_path, capsys, monkeypatch):
    damage, message = CORPUS[name]
    study = study_of(name.split("-")[0], bases, tmp_path)
    damage(study)
    arguments = study.arguments()
    before = broken_base.snapshot(study.root)
    code, text = answer(arguments, capsys, monkeypatch)
    assert code == 2, text
    assert re.search(message, text, re.DOTALL), text
    assert "Traceback" not in text
    assert len(text) < 4000
    assert broken_base.snapshot(study.root) == before


def test_the_corpus_is_large():
    assert len(CORPUS) >= 150
    assert min(len(own) for own in KINDS.values()) >= 8


@pytest.mark.parametrize(
    "name", ["file-python-object", "picture-decompression-bomb", "model-tensors-a-pickle"]
)
def test_a_shell_sees_the_same(name, bases, tmp_path):
    damage, message = CORPUS[name]
    study = study_of(name.split("-")[0], bases, tmp_path)
    damage(study)
    command = [sys.executable, "-m", "calcarine.pipelines", *study.arguments()]
    before = broken_base.snapshot(study.root)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr
    assert broken_base.snapshot(study.root) == before
