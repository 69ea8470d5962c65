"""A small BOLD recording in BIDS with planted responses."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from calcarine.data.hrf import HrfShape, trial_design

SHAPE = (5, 4, 3)
AFFINE = np.array([[3.0, 0, 0, -20], [0, 3.5, 0, -60], [0, 0, 4.0, 10], [0, 0, 0, 1]])


def write_table(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


@dataclass
class SmallBids:
    """Where the recording lies, and what was planted in it."""

    root: Path
    tr_s: float = 1.5
    n_volumes: int = 80
    baseline: np.ndarray = field(default_factory=lambda: np.zeros(0))
    tuning: np.ndarray = field(default_factory=lambda: np.zeros(0))
    mask: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def stimuli(self) -> Path:
        return self.root / "stimuli" / "stimuli.tsv"

    def func(self, session: str = "01", run: str = "01", ending: str = "bold.nii.gz") -> Path:
        stem = f"sub-01_ses-{session}_task-scenes_run-{run}_{ending}"
        return self.root / "sub-01" / f"ses-{session}" / "func" / stem

    def edit_events(self, edit, session: str = "01", run: str = "01") -> Path:
        """Change an events table: `edit` takes and returns a table of text."""
        path = self.func(session, run, "events.tsv")
        table = pd.read_csv(path, sep="\t", dtype="str", keep_default_na=False)
        write_table(path, edit(table))
        return path

    def edit_volumes(self, edit, session: str = "01", run: str = "01") -> Path:
        """Change BOLD data in place: `edit` takes a float array (x, y, z, t)."""
        path = self.func(session, run)
        image = nibabel.load(path)
        data = image.get_fdata(dtype=np.float32)
        edit(data)
        nibabel.Nifti1Image(data, image.affine).to_filename(path)
        return path


def write_stimuli_files(folder: Path, n_train: int, n_test: int) -> list[str]:
    rng = np.random.default_rng(3)
    folder.mkdir(parents=True)
    names = [f"train{i:02d}" for i in range(n_train)] + [f"test{i}" for i in range(n_test)]
    for name in names:
        pixels = rng.integers(0, 255, size=(6, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    table = pd.DataFrame(
        {
            "stimulus_id": names,
            "file": [f"{n}.png" for n in names],
            "concept": [("cat", "dog", "cup")[i % 3] for i in range(len(names))],
            "captions": [json.dumps([f"a picture of {n}"]) for n in names],
        }
    )
    write_table(folder / "stimuli.tsv", table)
    return names


def run_events(names: list[str], first_s: float = 4.0, soa_s: float = 6.0) -> pd.DataFrame:
    onset = first_s + soa_s * np.arange(len(names))
    phase = ["test" if n.startswith("test") else "train" for n in names]
    return pd.DataFrame(
        {
            "onset": onset.round(3),
            "duration": 1.0,
            "trial_type": "picture",
            "stim_file": [f"{n}.png" for n in names],
            "phase": phase,
        }
    )


@pytest.fixture
def small_bids(tmp_path) -> SmallBids:
    """Two sessions of two runs: a training run and a test run each, responses planted."""
    bids = SmallBids(tmp_path / "bids")
    rng = np.random.default_rng(7)
    names = write_stimuli_files(bids.root / "stimuli", n_train=24, n_test=4)
    bids.mask = np.zeros(SHAPE, dtype=bool)
    bids.mask[1:4, :, 1:] = True
    n_voxels = int(bids.mask.sum())
    bids.baseline = rng.uniform(500, 1500, n_voxels)
    bids.tuning = rng.normal(0, 1.5, size=(len(names), n_voxels))
    train = [names[:12], names[12:24]]
    test = [names[24:] * 3, names[:23:-1] * 3]
    for s, session in enumerate(("01", "02")):
        for run, shown in (("01", train[s]), ("02", test[s])):
            events = run_events(shown)
            times = bids.tr_s * np.arange(bids.n_volumes)
            design = trial_design(
                events["onset"].to_numpy(), events["duration"].to_numpy(), times, HrfShape("glover")
            )
            percent = design @ bids.tuning[[names.index(n) for n in shown]]
            percent += 0.2 * rng.normal(size=percent.shape)
            data = np.zeros((*SHAPE, bids.n_volumes), dtype=np.float32)
            data[bids.mask] = (bids.baseline * (1 + percent / 100)).T
            path = bids.func(session, run)
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.Nifti1Image(data, AFFINE).to_filename(path)
            write_table(bids.func(session, run, "events.tsv"), events)
            motion = rng.normal(0, 0.02, size=(bids.n_volumes, 6)).cumsum(axis=0)
            motion[:, 3:] /= 50
            names6 = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
            confounds = pd.DataFrame(motion, columns=names6)
            confounds["trans_x_derivative1"] = confounds["trans_x"].diff()
            write_table(bids.func(session, run, "desc-confounds_timeseries.tsv"), confounds)
    mask_path = bids.root / "sub-01" / "sub-01_desc-brain_mask.nii.gz"
    nibabel.Nifti1Image(bids.mask.astype(np.uint8), AFFINE).to_filename(mask_path)
    (bids.root / "task-scenes_bold.json").write_text(json.dumps({"RepetitionTime": bids.tr_s}))
    return bids
