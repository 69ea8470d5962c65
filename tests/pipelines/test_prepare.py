import json
import re

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.data.fmri_check import find_problems
from calcarine.data.responses import read_responses
from calcarine.pipelines import prepare
from calcarine.pipelines.config import parse_config

SHAPE = (4, 3, 2)
N_VOLUMES, TR_S = 60, 2.0


def write_run(folder, run, names, rng):
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-01_task-look_run-{run}"
    data = 800 + rng.normal(size=(*SHAPE, N_VOLUMES)).astype(np.float32) * 8
    nibabel.Nifti1Image(data, np.diag([3, 3, 4, 1])).to_filename(folder / f"{stem}_bold.nii.gz")
    events = pd.DataFrame(
        {
            "onset": 4 + 10.0 * np.arange(len(names)),
            "duration": 2.0,
            "stim_file": [f"{n}.png" for n in names],
        }
    )
    events.to_csv(folder / f"{stem}_events.tsv", sep="\t", index=False)


@pytest.fixture
def config(tmp_path):
    """Three runs in which the same six pictures are shown."""
    rng = np.random.default_rng(11)
    bids = tmp_path / "bids"
    stimuli = bids / "stimuli"
    stimuli.mkdir(parents=True)
    names = [f"s{i}" for i in range(6)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8)).save(
            stimuli / f"{name}.png"
        )
    rows = ["stimulus_id\tfile\tconcept"]
    rows += [f"{n}\t{n}.png\tc{i % 2}" for i, n in enumerate(names)]
    (stimuli / "stimuli.tsv").write_text("\n".join(rows) + "\n")
    func = bids / "sub-01" / "func"
    for run, order in enumerate((names[:5], names[1:], names[::-1][:5]), start=1):
        write_run(func, f"{run:02d}", order, rng)
    (bids / "task-look_bold.json").write_text(json.dumps({"RepetitionTime": TR_S}))
    mask = np.ones(SHAPE, dtype=np.uint8)
    nibabel.Nifti1Image(mask, np.diag([3, 3, 4, 1])).to_filename(tmp_path / "mask.nii.gz")
    return parse_config(
        {
            "name": "small",
            "out": str(tmp_path / "out"),
            "subjects": ["01"],
            "source": {"kind": "bids", "path": str(bids)},
            "recording": {
                "task": "look",
                "mask": str(tmp_path / "mask.nii.gz"),
                "responses": {"kind": "glm", "hrf": "glover"},
            },
            "split": {"by": "stimulus", "test": 0.35, "validation": 0.25},
            "embeddings": {"category": {"model": "concept-codes", "input": "concepts"}},
        },
        "test",
    )


def changed(config, **sections):
    raw = config.model_dump(mode="json")
    for name, values in sections.items():
        raw[name] = raw[name] | values
    return parse_config(raw, "test")


def func(config, ending):
    return config.bids / "sub-01" / "func" / f"sub-01_task-look_{ending}"


def test_what_is_written_is_read_again(config):
    prepare.run(config, "01")
    responses = read_responses(config.layout, "01")
    assert responses.values.shape == (15, 24)
    assert set(responses.trials["split"]) == {"train", "validation", "test"}
    by_stimulus = responses.trials.groupby("stimulus_sha")["split"].nunique()
    assert (by_stimulus == 1).all()
    assert responses.units["roi"].tolist() == ["n/a"] * 24
    quality = json.loads(config.layout.quality("01").read_text())
    assert quality["n_runs"] == 3
    assert quality["fd_mean_mm"] is None


def test_two_runs_give_the_same_bytes(config):
    prepare.run(config, "01")
    folder = config.layout.trials("01").parent
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    prepare.run(config, "01")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert len(first) == 5


def test_subjects_draw_the_same_split(config):
    prepare.run(config, "01")
    trials = read_responses(config.layout, "01").trials
    again = prepare.declare_split(trials, config.split, config.seed)
    pd.testing.assert_series_equal(again["split"], trials["split"])
    other = trials.assign(subject="02")
    pd.testing.assert_series_equal(
        prepare.declare_split(other, config.split, config.seed)["split"], trials["split"]
    )


def test_a_renamed_copy_across_the_split_stops_the_step(config):
    """By run, a picture and its copy under another name stand on both sides."""
    stimuli = config.bids / "stimuli"
    (stimuli / "copy.png").write_bytes((stimuli / "s2.png").read_bytes())
    table = stimuli / "stimuli.tsv"
    table.write_text(table.read_text() + "copy\tcopy.png\tc0\n")
    for run, name in (("01", "s2"), ("02", "copy"), ("03", "s0")):
        path = func(config, f"run-{run}_events.tsv")
        path.write_text(f"onset\tduration\tstim_file\n4\t2\t{name}.png\n")
    leaky = changed(config, split={"by": "run", "test": ["02"], "validation": ["03"]})
    with pytest.raises(CalcarineError, match=r"stimulus copy = s2 stands on both sides"):
        prepare.run(leaky, "01")
    assert not config.layout.trials("01").exists()
    by_content = changed(config, split={"by": "stimulus", "test": 0.5, "validation": 0.0})
    prepare.run(by_content, "01")
    trials = read_responses(config.layout, "01").trials
    copies = trials[trials["stimulus_id"].isin(["s2", "copy"])]
    assert copies["split"].nunique() == 1


def test_what_was_made_survives_a_failing_run(config):
    prepare.run(config, "01")
    before = config.layout.responses("01").read_bytes()
    path = func(config, "run-02_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CalcarineError, match="truncated or damaged"):
        prepare.run(config, "01")
    assert config.layout.responses("01").read_bytes() == before


def break_volumes(config):
    path = func(config, "run-02_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:3000])


def break_voxel(config):
    path = func(config, "run-03_bold.nii.gz")
    image = nibabel.load(path)
    data = image.get_fdata(dtype=np.float32)
    data[1, 2, 0, 7] = np.nan
    nibabel.Nifti1Image(data, image.affine).to_filename(path)


def break_mask(config):
    nibabel.Nifti1Image(np.ones((4, 3, 3), dtype=np.uint8), np.eye(4)).to_filename(
        config.recording.mask
    )


def break_events(config):
    path = func(config, "run-01_events.tsv")
    path.write_text(path.read_text() + "400\t2\ts1.png\n")


def break_ids(config):
    for run in ("01", "02", "03"):
        path = func(config, f"run-{run}_events.tsv")
        table = pd.read_csv(path, sep="\t")
        table.assign(trial_id=[f"t{i}" for i in range(5)]).to_csv(path, sep="\t", index=False)


BREAKS = {
    "missing run": (
        lambda c: func(c, "run-02_bold.nii.gz").unlink(),
        r"BOLD file of run 02 is missing",
    ),
    "truncated": (break_volumes, r"run-02_bold\.nii\.gz is truncated or damaged"),
    "voxel": (break_voxel, r"first is voxel \(1, 2, 0\) at volume 7"),
    "mask": (break_mask, r"has the shape \(4, 3, 3\), the BOLD image .* has \(4, 3, 2\)"),
    "events": (break_events, r"run-01_events\.tsv, row 7: 1 of 6 events begin beyond the scan"),
    "picture": (
        lambda c: (c.bids / "stimuli" / "s3.png").unlink(),
        r"stimuli\.tsv, row 5: the picture .*s3\.png is not there",
    ),
    "ids": (break_ids, r"trial id 't0' stands in rows \[2, 7, 12\]"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_check_and_step_name_the_same_problem(config, name):
    damage, message = BREAKS[name]
    damage(config)
    problems, trials = find_problems(prepare.fmri_reading(config, "01"))
    assert trials is None
    assert len(problems) == 1
    assert re.search(message, problems[0])
    with pytest.raises(CalcarineError, match=message):
        prepare.run(config, "01")


def test_check_lists_all_problems_at_once(config):
    for name in ("truncated", "voxel", "picture", "events"):
        BREAKS[name][0](config)
    problems, _ = find_problems(prepare.fmri_reading(config, "01"))
    assert len(problems) == 4


def test_check_finds_nothing_wrong_with_good_data(config):
    problems, trials = find_problems(prepare.fmri_reading(config, "01"))
    assert problems == []
    assert len(trials) == 15
