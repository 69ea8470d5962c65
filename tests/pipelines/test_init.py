"""`calcarine init`: what it writes for folders as people have them is accepted by `check`."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli
from calcarine.pipelines import init, source
from calcarine.pipelines.check import check_config
from calcarine.pipelines.cli import app
from calcarine.pipelines.config import load_config, parse_config

FMRI = {
    "source": {
        "kind": "phantom",
        "n_train": 60,
        "n_test": 12,
        "n_held_out": 2,
        "n_test_repeats": 2,
        "trials_per_run": 28,
        "n_voxels": 60,
    },
    "recording": {"modality": "fmri", "task": "scenes"},
}
SENSORS = {
    "kind": "phantom-meeg",
    "n_train": 60,
    "n_train_again": 0,
    "n_test": 12,
    "n_held_out": 2,
    "n_test_repeats": 2,
    "trials_per_run": 30,
    "sampling_rate_hz": 125.0,
    "n_voxels": 60,
}
EEG = {
    "source": {**SENSORS, "montage": "biosemi16"},
    "recording": {"modality": "eeg", "task": "scenes"},
}
MEG = {"source": SENSORS, "recording": {"modality": "meg", "task": "scenes"}}


def made(folder: Path, sections: dict, subject: str = "01") -> Path:
    """Make a data set by the `source` step; give its root."""
    raw = {"name": "made", "out": str(folder), "subjects": [subject], "embeddings": {}, **sections}
    config = parse_config(raw, "the test")
    source.run(config)
    source.run(config, subject)
    return config.bids


@pytest.fixture(scope="module")
def fmri(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("fmri"), FMRI)


def accepted(draft: init.Draft):
    """Give the configuration of a draft that leaves nothing to do."""
    assert draft.to_fill == []
    problems, plan = check_config(draft.path)
    assert problems == []
    assert plan is not None
    return load_config(draft.path)


def test_phantom_fmri(fmri, tmp_path):
    config = accepted(init.run(fmri, tmp_path / "own.yaml"))
    assert (config.recording.modality, config.recording.stimulus_column) == ("fmri", "stim_file")
    assert (config.split.by, config.split.column) == ("declared", "phase")
    assert config.recording.rois is not None
    assert config.subjects == ("01",)


@pytest.mark.parametrize(("sections", "modality"), [(EEG, "eeg"), (MEG, "meg")])
def test_phantom_sensors(tmp_path, sections, modality):
    config = accepted(init.run(made(tmp_path / "data", sections), tmp_path / "own.yaml"))
    assert config.recording.modality == modality
    assert config.scaling.kind == "robust"
    assert config.split.column == "phase"


def test_haxby_as_converted(tmp_path, shared_data):
    section = {
        "kind": "haxby2001",
        "path": str(shared_data("haxby2001-slice")),
        "pictures": str(shared_data("stimulus-images")),
    }
    recording = {"modality": "fmri", "task": "objectviewing"}
    root = made(tmp_path / "data", {"source": section, "recording": recording})
    config = accepted(init.run(root, tmp_path / "own.yaml"))
    assert config.recording.stimulus_column == "trial_type"
    assert (config.split.by, config.split.scheme) == ("run", "leave-one-out")
    assert config.recording.responses.kind == "block"


def test_eeglab_sample_as_imported(tmp_path, shared_data):
    shared_data("eeglab-sample")
    from calcarine.pipelines.workflow import WORKFLOW

    example = load_config(WORKFLOW / "config" / "eeglab_sample.yaml")
    raw = example.model_dump(mode="json") | {"out": str(tmp_path / "data")}
    config = parse_config(raw, "the example")
    source.run(config)
    draft = init.run(config.bids, tmp_path / "own.yaml")
    found = accepted(draft)
    assert found.recording.modality == "eeg"
    assert found.recording.stimulus_column in ("stimulus", "stim_file")


def plain_study(root: Path, column: str = "image") -> Path:
    """Write a folder as labs have them: no stimulus table, pictures in folders, two tasks."""
    rng = np.random.default_rng(0)
    names = [f"{kind}s/{kind}{i:02d}.png" for kind in ("face", "house") for i in range(20)]
    for i, name in enumerate(names):
        path = root / "stimuli" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 5 * i, dtype=np.uint8)).save(path)
    func = root / "sub-A1" / "ses-pre" / "func"
    func.mkdir(parents=True)
    for task, n_runs in (("look", 2), ("motor", 1)):
        for run in range(1, n_runs + 1):
            stem = f"sub-A1_ses-pre_task-{task}_run-{run:02d}"
            volumes = rng.normal(0, 2, (12, 12, 10, 90)).astype(np.float32)
            volumes[3:9, 3:9, 2:8] += 1000
            nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), func / f"{stem}_bold.nii.gz")
            (func / f"{stem}_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
            rows = ["onset\tduration\ttrial_type\t" + column]
            for trial, name in enumerate(names[20 * (run - 1) : 20 * run]):
                kind = "finger" if task == "motor" else "picture"
                shown = "n/a" if task == "motor" else f"C:\\exp\\{Path(name).name}"
                rows.append(f"{4 + 8 * trial}\t1\t{kind}\t{shown}")
            rows += ["170\t2\tquestion\tn/a"] if task == "look" else []
            (func / f"{stem}_events.tsv").write_text("\n".join(rows) + "\n")
    description = {"Name": "Plain", "BIDSVersion": "1.9.0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    return root


def test_plain_folder_gets_a_draft_of_stimuli(tmp_path):
    root = plain_study(tmp_path / "study")
    before = sorted(p.relative_to(root) for p in root.rglob("*"))
    draft = init.run(root, tmp_path / "own.yaml")
    config = accepted(draft)
    assert sorted(p.relative_to(root) for p in root.rglob("*")) == before
    assert config.recording.task == "look"
    assert config.recording.stimulus_column == "image"
    assert "question" in config.recording.ignore_trial_types
    assert any("fmri of task motor (1 runs)" in note for note in draft.notes)
    table = read_stimuli(config.stimuli).set_index("stimulus_id")
    assert len(table) == 40
    assert table.loc["house03", "file"] == "pictures/houses/house03.png"
    assert table.loc["house03", "concept"] == "houses"
    assert (config.split.by, config.split.scheme) == ("stimulus", "holdout")


def test_task_can_be_chosen_and_missing_lines_are_named(tmp_path):
    root = plain_study(tmp_path / "study")
    draft = init.run(root, tmp_path / "own.yaml", task="motor")
    lines = draft.path.read_text().splitlines()
    assert [lines[number - 1].split(":")[0].strip() for number, _ in draft.to_fill] == [
        "stimuli",
        "stimulus_column",
        "embeddings",
    ]
    assert all(why for _, why in draft.to_fill)


def test_a_table_that_fits_no_column_is_said_so(tmp_path):
    root = plain_study(tmp_path / "study")
    (root / "stimuli" / "stimuli.tsv").write_text("stimulus_id\tfile\nother\tn/a\n")
    draft = init.run(root, tmp_path / "own.yaml")
    line = draft.path.read_text().splitlines()[draft.to_fill[0][0] - 1]
    assert line.strip().startswith("stimulus_column: FILL-IN")
    assert "image" in draft.to_fill[0][1]  # the columns that there are


def test_derivatives_are_read_with_their_raw_events(tmp_path):
    root = plain_study(tmp_path / "study")
    raw = root / "sub-A1" / "ses-pre" / "func"
    prep = root / "derivatives" / "fmriprep"
    own = prep / "sub-A1" / "ses-pre" / "func"
    own.mkdir(parents=True)
    for path in raw.glob("*task-look*_bold.nii.gz"):
        for space in ("T1w", "MNI152NLin2009cAsym_res-2"):
            stem = path.name.removesuffix("_bold.nii.gz")
            shutil.copy(path, own / f"{stem}_space-{space}_desc-preproc_bold.nii.gz")
    description = {"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    (prep / "dataset_description.json").write_text(json.dumps(description))
    for number, folder in enumerate((root, prep)):
        config = accepted(init.run(folder, tmp_path / f"own{number}.yaml"))
        assert config.recording.derivatives == prep
        assert config.recording.space == "T1w"
        assert config.bids == root


@pytest.mark.parametrize("what", ["absent", "file", "empty", "no-events", "no-bids"])
def test_strange_folders_end_in_one_message(tmp_path, what):
    root = tmp_path / "study"
    if what == "file":
        root.write_text("hello")
    if what in ("empty", "no-bids"):
        root.mkdir()
    if what == "no-bids":
        (root / "subject1.mat").write_text("")
    if what == "no-events":
        plain_study(root)
        for path in root.rglob("*_events.tsv"):
            path.unlink()
        draft = init.run(root, tmp_path / "own.yaml")
        assert any("events column" in why for _, why in draft.to_fill)
        return
    with pytest.raises(CalcarineError, match=r"BIDS data set|holds no recording"):
        init.run(root, tmp_path / "own.yaml")
    assert not (tmp_path / "own.yaml").exists()


def test_command_line(fmri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", str(fmri), "--out", "own.yaml"])
    assert done.exit_code == 0
    assert "Next: calcarine check own.yaml" in done.output
    with pytest.raises(CalcarineError, match="is there already"):
        init.run(fmri, Path("own.yaml"))
