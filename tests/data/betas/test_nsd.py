"""NSD's reader against files that another script wrote from the published layout."""

import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.io
from fixtures.nsd_release import (
    AFFINE,
    SESSIONS_OF,
    write_design,
    write_pictures,
    write_surface_subject,
    write_volume_subject,
)

from calcarine.data.betas.nsd import convert_nsd, open_nsd
from calcarine.data.betas.nsd_release import NsdReading, nsd_events
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import read_stimuli


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("nsd")
    design = write_design(root)
    stored = write_volume_subject(root, 1, [1, 2, 3], as_nifti=(2,))
    return root, design, stored


@pytest.fixture
def broken(release, tmp_path):
    """Give a copy of everything but the pictures, to be spoilt."""
    root = tmp_path / "nsd"
    shutil.copytree(release[0], root)
    return root


def reading_of(root, **keys) -> NsdReading:
    return NsdReading(root, "01", **{"sessions": (1, 2, 3), **keys})


def roi(root, name):
    import nibabel

    folder = root / "nsddata" / "ppdata" / "subj01" / "func1pt8mm" / "roi"
    return np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj)


def test_events_follow_the_design(release):
    root, design, _ = release
    events = nsd_events(NsdReading(root, "03", sessions=(2, 32)))
    assert len(events) == 1500
    trial = 750 + 17  # the 18th picture of session 2
    number = int(design["masterordering"][trial])
    picture = int(design["subjectim"][2, number - 1]) - 1
    row = events.iloc[17]
    assert row["stimulus_id"] == f"nsd-{picture:05d}"
    assert row["phase"] == ("test" if picture + 1 in design["sharedix"] else "train")
    assert events.iloc[750]["session"] == "32"
    # 63 pictures in the first run, 62 in the second, in slots of 4 s
    assert events.head(750)["run"].value_counts().sort_index().tolist() == [63, 62] * 6
    first = np.flatnonzero(design["stimpattern"][1, 0])
    assert events["onset"].head(63).tolist() == (4.0 * first).tolist()


def test_sessions_that_were_released(release):
    for subject, n_sessions in enumerate(SESSIONS_OF, start=1):
        reading = NsdReading(release[0], f"{subject:02d}")
        assert reading.chosen_sessions == tuple(range(1, n_sessions + 1))
    with pytest.raises(CalcarineError, match=r"names \[31\].*1 … 30"):
        _ = NsdReading(release[0], "04", sessions=(31,)).chosen_sessions
    with pytest.raises(CalcarineError, match="01 … 08"):
        _ = NsdReading(release[0], "1").chosen_sessions


@pytest.mark.parametrize("session", [1, 2])  # HDF5, NIfTI
def test_volumes_are_percent_signal_change(release, session):
    root, _, stored = release
    betas = open_nsd(reading_of(root))
    values = betas.sessions[session - 1]()
    units = betas.units
    mask = roi(root, "nsdgeneral") > 0
    assert units[["i", "j", "k"]].to_numpy().tolist() == np.argwhere(mask).tolist()
    assert values.dtype == np.float32
    for unit in (0, len(units) - 1):
        i, j, k = units.loc[unit, ["i", "j", "k"]].astype(int)
        np.testing.assert_allclose(values[:, unit], stored[session][i, j, k] / 300, rtol=1e-6)
    np.testing.assert_allclose(values, stored[session][mask].T / 300, rtol=1e-6)
    np.testing.assert_allclose(units[["x", "y", "z"]], np.argwhere(mask) * 1.8, atol=1e-3)
    np.testing.assert_allclose(betas.sidecar["affine"], AFFINE, rtol=1e-6)


def test_regions_and_published_ncsnr(release):
    import nibabel

    root, _, _ = release
    units = open_nsd(reading_of(root)).units
    mask = roi(root, "nsdgeneral") > 0
    names = np.array(["n/a", "V1v", "V1d"])
    assert units["roi"].tolist() == names[roi(root, "prf-visualrois")[mask]].tolist()
    folder = root / "nsddata_betas" / "ppdata" / "subj01" / "func1pt8mm"
    ncsnr = nibabel.load(folder / "betas_fithrf_GLMdenoise_RR" / "ncsnr.nii.gz").get_fdata()
    np.testing.assert_allclose(units["ncsnr_published"], ncsnr[mask], rtol=1e-6)


def test_cortex_is_what_is_not_minus_one(release):
    root, _, _ = release
    units = open_nsd(reading_of(root, mask="cortex", rois=())).units
    assert len(units) == (roi(root, "nsdgeneral") >= 0).sum()
    assert len(units) > (roi(root, "nsdgeneral") > 0).sum()


def test_fsaverage_is_not_scaled(release, tmp_path):
    root = tmp_path / "nsd"
    shutil.copytree(release[0] / "nsddata" / "experiments", root / "nsddata" / "experiments")
    marked = {"lh": [3, 100_000], "rh": [0, 7, 163_841]}
    write_surface_subject(root, 1, marked)
    betas = open_nsd(NsdReading(root, "01", "fsaverage", sessions=(1,)))
    values = betas.sessions[0]()
    vertices = np.array(marked["lh"] + marked["rh"])
    expected = vertices + np.arange(750)[:, None] / 1000
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert betas.units["hemisphere"].tolist() == ["L", "L", "R", "R", "R"]
    assert betas.units["vertex"].tolist() == vertices.tolist()
    assert betas.sidecar["n_vertices"] == {"L": 163_842, "R": 163_842}
    assert betas.notes  # ncsnr was not given


def test_pictures_of_all_subjects_once(release, tmp_path):
    root, design, _ = release
    shown = design["masterordering"][:750].astype(int) - 1
    seen = np.unique(design["subjectim"][[0, 4]][:, shown]).astype(int) - 1
    if not (root / "nsddata_stimuli").exists():
        write_pictures(root, seen)
    readings = [NsdReading(root, subject, sessions=(1,)) for subject in ("01", "05")]
    convert_nsd(readings, tmp_path / "data")
    table = read_stimuli(tmp_path / "data" / "stimuli" / "stimuli.tsv")
    assert table["stimulus_id"].tolist() == [f"nsd-{n:05d}" for n in seen]
    assert (table["coco_id"].astype(int) == seen + 500_000).all()
    from PIL import Image

    for row in (0, len(seen) - 1):
        with Image.open(tmp_path / "data" / "stimuli" / table["file"][row]) as picture:
            red, green, _ = picture.getpixel((200, 200))
        assert (red, green) == (seen[row] % 256, seen[row] // 256 % 256)


def spoil_design(root, change):
    file = root / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat"
    design = {k: v for k, v in scipy.io.loadmat(file).items() if not k.startswith("__")}
    change(design)
    scipy.io.savemat(file, design)


def count_from_0(design):
    design["masterordering"] = design["masterordering"] - 1


def drop_a_picture(design):
    session = design["stimpattern"][0]
    run, slot = np.argwhere(session)[0]
    session[run, slot] = 0


def swap_pictures(design):
    design["masterordering"][0, [0, 1]] = design["masterordering"][0, [1, 0]]


def forget(design):
    del design["sharedix"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (count_from_0, "count from 1"),
        (drop_a_picture, "every session of NSD has 750"),
        (swap_pictures, "disagree in 2 trials"),
        (forget, "sharedix has the shape"),
    ],
)
def test_broken_design_is_refused(broken, change, message):
    spoil_design(broken, change)
    with pytest.raises(CalcarineError, match=message):
        open_nsd(reading_of(broken))


def test_table_of_pictures_out_of_order_is_refused(broken):
    file = broken / "nsddata" / "experiments" / "nsd" / "nsd_stim_info_merged.csv"
    pd.read_csv(file).iloc[::-1].to_csv(file, index=False)
    with pytest.raises(CalcarineError, match="not its row counted from 0"):
        open_nsd(reading_of(broken))


def betas_folder(root):
    return (
        root / "nsddata_betas" / "ppdata" / "subj01" / "func1pt8mm" / "betas_fithrf_GLMdenoise_RR"
    )


def rewrite(root, session, values):
    import h5py

    with h5py.File(betas_folder(root) / f"betas_session{session:02d}.hdf5", "w") as file:
        file.create_dataset("betas", data=values)


def test_missing_and_strange_sessions_are_named(broken, release):
    stored = release[2]
    rewrite(broken, 1, stored[1])  # (x, y, z, trials), as nobody wrote it
    with pytest.raises(CalcarineError, match=r"expected \(750, 3, 4, 5\) \(trials, z, y, x\)"):
        open_nsd(reading_of(broken))
    rewrite(broken, 1, stored[1].T.astype(np.float32))
    with pytest.raises(CalcarineError, match="of int16, which is percent signal change × 300"):
        open_nsd(reading_of(broken))
    (betas_folder(broken) / "betas_session01.hdf5").write_bytes(b"no HDF5")
    with pytest.raises(CalcarineError, match="cannot be read"):
        open_nsd(reading_of(broken))
    (betas_folder(broken) / "betas_session03.hdf5").unlink()
    with pytest.raises(CalcarineError, match=r"session 3: betas_session03.hdf5 or .*\.nii\.gz"):
        open_nsd(reading_of(broken))


def test_a_nifti_with_a_slope_is_refused(broken):
    import nibabel

    file = betas_folder(broken) / "betas_session02.nii.gz"
    values = np.asarray(nibabel.load(file).dataobj)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_slope_inter(1 / 300, 0)
    nibabel.save(image, file)
    with pytest.raises(CalcarineError, match="without a slope"):
        open_nsd(reading_of(broken))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"space": "MNI"}, "source.space"),
        ({"mask": "nsdspecial"}, "nsdspecial.nii.gz is not there"),
        ({"rois": ("floc-faces",)}, "floc-faces.nii.gz is not there"),
        ({"path": "nowhere"}, "Fetch it from NSD"),
    ],
)
def test_wrong_keys_are_named(release, tmp_path, keys, message):
    root = tmp_path / keys.pop("path") if "path" in keys else release[0]
    with pytest.raises(CalcarineError, match=message):
        open_nsd(reading_of(root, **keys))
