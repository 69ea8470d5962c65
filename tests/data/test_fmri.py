import dataclasses
import json

import nibabel
import numpy as np
import pandas as pd
import pytest

from calcarine.data.bids import find_runs
from calcarine.data.block_averages import BlockModel
from calcarine.data.bold import volume_space
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri import prepare_fmri, response_window_s
from calcarine.data.fmri_trials import FmriReading, read_fmri_trials
from calcarine.data.glm import GlmModel
from calcarine.data.splits import hold_out, leave_one_out


def reading_of(bids, model=None, **changes):
    reading = FmriReading(
        bids.root, "01", "scenes", bids.stimuli, model or GlmModel("lsa", "glover")
    )
    return dataclasses.replace(reading, **changes)


def declared(trials):
    return hold_out(trials, "declared", 0, declared="phase")


def prepared(bids, model=None, **changes):
    reading = reading_of(bids, model, **changes)
    runs, trials = read_fmri_trials(reading)
    return prepare_fmri(reading, runs, declared(trials))


def test_trials_stand_in_order_of_presentation(small_bids):
    runs, trials = read_fmri_trials(reading_of(small_bids))
    assert len(runs) == 4
    assert len(trials) == 48
    key = trials[["session", "run"]].agg("/".join, axis=1)
    assert key.tolist() == sorted(key)
    assert trials["trial_id"][0] == "sub-01_ses-01_run-01_trial-0001"
    assert trials["trial_id"].is_unique
    assert trials.loc[trials["stimulus_id"] == "test0", "repeat"].tolist() == list(range(1, 7))
    assert trials["phase"].tolist().count("test") == 24
    assert trials["concept"].isin(["cat", "dog", "cup"]).all()
    assert trials["stimulus_sha"].nunique() == 28


def test_planted_responses_come_back(small_bids):
    responses, quality = prepared(small_bids)
    names = [f"train{i:02d}" for i in range(24)] + [f"test{i}" for i in range(4)]
    planted = small_bids.tuning[[names.index(s) for s in responses.trials["stimulus_id"]]]
    found = responses.values
    assert found.dtype == np.float32
    assert found.shape == (48, small_bids.mask.sum())
    assert np.corrcoef(found.ravel(), planted.ravel())[0, 1] > 0.98
    assert np.polyfit(planted.ravel(), found.ravel(), 1)[0] == pytest.approx(1, abs=0.05)
    assert responses.sidecar["unit"] == "percent signal change"
    assert quality["n_trials"] == 48
    assert quality["n_units"] == found.shape[1]


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_lss_and_ar1_recover_them_too(small_bids, noise_model):
    responses, _ = prepared(small_bids, GlmModel("lss", "glover", noise_model=noise_model))
    names = [f"train{i:02d}" for i in range(24)] + [f"test{i}" for i in range(4)]
    planted = small_bids.tuning[[names.index(s) for s in responses.trials["stimulus_id"]]]
    assert np.corrcoef(responses.values.ravel(), planted.ravel())[0, 1] > 0.8


def test_units_have_place_region_and_ceiling(small_bids):
    responses, quality = prepared(small_bids)
    assert list(responses.units.columns) == [
        *("i", "j", "k", "x", "y", "z", "roi", "ncsnr", "noise_ceiling_1", "noise_ceiling_n")
    ]
    assert (responses.units["roi"] == "n/a").all()
    assert responses.sidecar["noise_ceiling"]["n_repeats"] == 6
    assert responses.sidecar["noise_ceiling"]["n_stimuli"] == 4
    assert responses.units["noise_ceiling_n"].median() > 0.95
    assert quality["ncsnr_median"] > 2
    assert json.dumps(quality)
    assert json.dumps(responses.sidecar)


def test_shapes_are_chosen_without_the_test_runs(small_bids):
    model = GlmModel("lsa", "library")
    before, _ = prepared(small_bids, model)
    rng = np.random.default_rng(0)
    for session in ("01", "02"):
        small_bids.edit_volumes(
            lambda d: d.__setitem__(..., d * rng.uniform(0.9, 1.1, size=d.shape)), session, "02"
        )
    after, _ = prepared(small_bids, model)
    assert before.units["hrf_index"].tolist() == after.units["hrf_index"].tolist()
    assert len(before.sidecar["hrf"]) == 21
    is_train = before.trials["split"].isin(["train", "validation"]).to_numpy()
    np.testing.assert_array_equal(before.values[is_train], after.values[is_train])


def test_a_library_cannot_be_chosen_from_in_a_cross_validation(small_bids):
    reading = reading_of(small_bids, GlmModel("lss", "library"))
    runs, trials = read_fmri_trials(reading)
    with pytest.raises(CalcarineError, match=r"Set `recording\.responses\.hrf` to glover or spm"):
        prepare_fmri(reading, runs, leave_one_out(trials, "run"))


def test_confounds_reach_the_model(small_bids):
    columns = ("trans_x", "trans_x_derivative1")
    run = find_runs(small_bids.root, "01", "scenes")[0]
    motion = pd.read_csv(run.confounds, sep="\t")["trans_x"].to_numpy()
    clean, _ = prepared(small_bids, confounds=columns)
    small_bids.edit_volumes(lambda d: d.__iadd__(300 * motion * (d.mean(axis=3) > 1)[..., None]))
    with_confound, _ = prepared(small_bids, confounds=columns)
    without, _ = prepared(small_bids)
    assert with_confound.sidecar["provenance"]["confounds"] == list(columns)
    own = np.abs(with_confound.values - clean.values)[:12].mean()
    assert own < 0.1 * np.abs(without.values - clean.values)[:12].mean()


def test_block_averages_go_the_same_road(small_bids):
    model = BlockModel(shift_s=3.0, standardize="run")
    responses, quality = prepared(small_bids, model)
    assert responses.sidecar["unit"] == "z (run)"
    assert responses.sidecar["response_window_s"] == [3.0, 4.0]
    assert len(responses.values) == 48
    assert quality["n_units_without_baseline"] == 0


def test_rest_needs_a_row_in_the_stimulus_table(small_bids):
    reading = reading_of(small_bids, BlockModel(include_rest=True))
    with pytest.raises(CalcarineError, match="Add a row with stimulus_id rest and file n/a"):
        read_fmri_trials(reading)
    text = small_bids.stimuli.read_text()
    small_bids.stimuli.write_text(text + "rest\tn/a\trest\t[]\n")
    trials = read_fmri_trials(reading)[1]
    assert (trials["concept"] == "rest").any()
    assert (trials.loc[trials["concept"] == "rest", "phase"] == "n/a").all()


def test_constant_voxels_are_left_out_and_counted(small_bids):
    def silence(data):
        data[2, 1, 1] = 700.0
        data[3, 3, 2] = 0.0

    small_bids.edit_volumes(silence, "02", "01")
    responses, quality = prepared(small_bids)
    n_voxels = int(small_bids.mask.sum())
    assert responses.values.shape[1] == n_voxels - 2
    assert quality["n_units_constant"] == 2
    assert quality["n_units_in_mask"] == n_voxels
    assert quality["units_dropped"] == ["voxel (2, 1, 1)", "voxel (3, 3, 2)"]
    assert quality["warnings"] == [f"2 of {n_voxels} units of the mask were left out"]
    indices = responses.units[["i", "j", "k"]].to_numpy().tolist()
    assert [2, 1, 1] not in indices
    np.testing.assert_array_equal(
        indices,
        np.argwhere(small_bids.mask)[
            [
                i
                for i, v in enumerate(np.argwhere(small_bids.mask).tolist())
                if v not in ([2, 1, 1], [3, 3, 2])
            ]
        ],
    )


def test_a_voxel_that_is_not_a_number_is_refused(small_bids):
    small_bids.edit_volumes(lambda d: d.__setitem__((2, 3, 1, 5), np.nan), "02", "02")
    with pytest.raises(
        CalcarineError, match=r"run-02_bold.*first is voxel \(2, 3, 1\) at volume 5"
    ):
        prepared(small_bids)


def test_demeaned_data_are_refused(small_bids):
    for session in ("01", "02"):
        for run in ("01", "02"):
            small_bids.edit_volumes(
                lambda d: d.__isub__(d.mean(axis=3, keepdims=True)), session, run
            )
    with pytest.raises(CalcarineError, match="data that were not demeaned"):
        prepared(small_bids)


def test_quality_names_runs_and_motion(small_bids):
    _, quality = prepared(small_bids)
    assert [r["run"] for r in quality["runs"]] == ["01", "02"] * 2
    run = find_runs(small_bids.root, "01", "scenes")[0]
    motion = pd.read_csv(run.confounds, sep="\t").iloc[:, :6].to_numpy()
    steps = np.abs(np.diff(motion, axis=0))
    displacement = np.r_[0, steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)]
    assert quality["runs"][0]["fd_mean_mm"] == pytest.approx(displacement.mean(), abs=1e-4)
    space = volume_space([run], "func", None, None)
    series = space.read(run).astype(float)
    time = np.arange(len(series))
    rest = series - np.polynomial.polynomial.polyval(time, np.polyfit(time, series, 1)[::-1]).T
    expected = np.median(series.mean(axis=0) / rest.std(axis=0))
    assert quality["runs"][0]["tsnr_median"] == pytest.approx(expected, rel=1e-3)


def test_equal_input_gives_equal_output(small_bids):
    first, one = prepared(small_bids, GlmModel("lss", "library"))
    second, two = prepared(small_bids, GlmModel("lss", "library"))
    np.testing.assert_array_equal(first.values, second.values)
    pd.testing.assert_frame_equal(first.units, second.units)
    assert one == two


def test_two_trials_with_one_id_are_refused(small_bids):
    for run in ("01", "02"):
        small_bids.edit_events(
            lambda t: t.assign(trial_id=[f"t{i}" for i in range(len(t))]), "01", run
        )
    with pytest.raises(CalcarineError, match=r"the trial id 't0' stands in rows \[2, 14\]"):
        read_fmri_trials(reading_of(small_bids))


def test_own_trial_ids_are_kept(small_bids):
    counter = iter(range(1000))
    for session in ("01", "02"):
        for run in ("01", "02"):
            small_bids.edit_events(
                lambda t: t.assign(trial_id=[f"t{next(counter)}" for _ in range(len(t))]),
                session,
                run,
            )
    assert read_fmri_trials(reading_of(small_bids))[1]["trial_id"].tolist()[-1] == "t47"


def test_a_picture_that_is_not_there_is_named(small_bids):
    (small_bids.root / "stimuli" / "train05.png").unlink()
    with pytest.raises(
        CalcarineError, match=r"stimuli\.tsv, row 7: the picture .*train05\.png is not"
    ):
        read_fmri_trials(reading_of(small_bids))


def test_pictures_that_were_not_shown_are_not_needed(small_bids):
    text = small_bids.stimuli.read_text()
    small_bids.stimuli.write_text(text + "extra\textra.png\tcat\t[]\n")
    assert len(read_fmri_trials(reading_of(small_bids))[1]) == 48


def test_nothing_shown_is_said(small_bids):
    reading = reading_of(small_bids, ignore_trial_types=("Picture",))
    with pytest.raises(CalcarineError, match="no event of 4 runs shows a stimulus"):
        read_fmri_trials(reading)


def test_a_mask_of_another_shape_is_refused(small_bids, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    nibabel.Nifti1Image(np.ones((6, 4, 3), dtype=np.uint8), np.eye(4)).to_filename(mask)
    with pytest.raises(CalcarineError, match=r"has the shape \(6, 4, 3\)"):
        prepared(small_bids, mask=mask)


def test_the_window_of_a_trial(small_bids):
    trials = read_fmri_trials(reading_of(small_bids))[1]
    assert response_window_s(GlmModel(), trials) == (0.0, 33.0)
    assert response_window_s(BlockModel(shift_s=4.0), trials) == (4.0, 5.0)


def test_surfaces_go_the_same_road(small_bids, tmp_path, rng):
    prep = tmp_path / "fmriprep"
    for files in find_runs(small_bids.root, "01", "scenes"):
        data = nibabel.load(files.bold[0]).get_fdata()[small_bids.mask].T.astype(np.float32)
        func = prep / "sub-01" / f"ses-{files.session}" / "func"
        func.mkdir(parents=True, exist_ok=True)
        for hemi, part in (("L", data[:, :10]), ("R", data[:, 10:])):
            wall = np.full((len(part), 1), np.nan, dtype=np.float32)
            arrays = [nibabel.gifti.GiftiDataArray(v) for v in np.hstack([wall, part])]
            name = f"sub-01_ses-{files.session}_task-scenes_run-{files.run}_hemi-{hemi}"
            nibabel.GiftiImage(darrays=arrays).to_filename(
                func / f"{name}_space-fsnative_bold.func.gii"
            )
    surface, _ = prepared(small_bids, derivatives=prep, space="fsnative")
    volume, _ = prepared(small_bids)
    np.testing.assert_allclose(surface.values, volume.values, atol=1e-5)
    assert surface.units["vertex"].tolist()[:3] == [1, 2, 3]
    assert surface.units["hemisphere"].value_counts().to_dict() == {"R": 14, "L": 10}
    with pytest.raises(CalcarineError, match="are for volumes"):
        prepared(small_bids, derivatives=prep, space="fsnative", smoothing_fwhm_mm=4.0)
