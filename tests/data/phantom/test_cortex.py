from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nibabel.affines import apply_affine
from nilearn.datasets import load_fsaverage

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.cortex import plant_cortex
from calcarine.data.phantom.object_parts import part_drive
from calcarine.data.phantom.regions import (
    ALL_REGIONS,
    LATE_REGIONS,
    add_late_patches,
    choose_voxels,
    volume_affine,
    volume_shape,
)
from calcarine.data.phantom.scenes import factor_table, render_scene, sample_scenes
from calcarine.data.phantom.tuning import factor_codes, gabor_energy
from calcarine.data.phantom.wording import fine_codes, wording_codes, wordings


@pytest.fixture(scope="module")
def large():
    """A cortex of the default size."""
    return plant_cortex("01", 900, seed=0)


@pytest.fixture(scope="module")
def large_drive(large, many_scenes):
    return large.drive(many_scenes.pictures, many_scenes.table)


def test_the_same_subject_has_the_same_cortex(cortex):
    again = plant_cortex("01", len(cortex.voxels), seed=3)
    pd.testing.assert_frame_equal(again.voxels, cortex.voxels)
    np.testing.assert_array_equal(again.tuning.linear, cortex.tuning.linear)
    np.testing.assert_array_equal(again.shared_noise, cortex.shared_noise)


def test_subjects_differ_in_layout_tuning_and_noise(cortex):
    other = plant_cortex("02", len(cortex.voxels), seed=3)
    layouts = [
        set(map(tuple, c.voxels[["i", "j", "k", "roi"]].to_numpy())) for c in (cortex, other)
    ]
    assert 0.02 < len(layouts[0] & layouts[1]) / len(layouts[0]) < 0.9
    assert not np.allclose(cortex.tuning.linear, other.tuning.linear)
    assert cortex.voxels["noise_sd"].median() != other.voxels["noise_sd"].median()


def test_voxels_lie_in_the_cortical_ribbon(large):
    voxels = large.voxels
    index = voxels[["i", "j", "k"]].to_numpy()
    assert len(np.unique(index, axis=0)) == len(voxels) == 900
    assert (index >= 0).all()
    assert (index < volume_shape()).all()
    place = voxels[["x", "y", "z"]].to_numpy()
    np.testing.assert_allclose(apply_affine(volume_affine(), index), place)
    pial, white = (load_fsaverage("fsaverage5")[depth] for depth in ("pial", "white_matter"))
    for letter, name in (("L", "left"), ("R", "right")):
        own = (voxels["hemisphere"] == letter).to_numpy()
        middle = (pial.parts[name].coordinates + white.parts[name].coordinates) / 2
        gap = np.linalg.norm(place[own] - middle[voxels["vertex"][own]], axis=1)
        assert gap.max() <= 2.5


def test_patches_lie_where_they_should(large):
    for region in ALL_REGIONS:
        for letter, sign, size in (("L", -1, region.left), ("R", 1, region.right)):
            voxels = large.voxels
            own = voxels[(voxels["roi"] == region.name) & (voxels["hemisphere"] == letter)]
            assert bool(len(own)) == bool(size)
            if size:
                centre = np.array(region.centre_mm) * (sign, 1, 1)
                gap = np.linalg.norm(own[["x", "y", "z"]].median() - centre)
                assert gap < 10, (region.name, letter)


def test_a_third_of_the_voxels_is_untuned_less_the_late_patches(large, large_drive):
    untuned = ~large.is_tuned
    late = large.voxels["roi"].isin([region.name for region in LATE_REGIONS])
    assert late.sum() == 90
    assert untuned.sum() == 300 - 90
    assert (large_drive[:, untuned] == 0).all()
    assert (large_drive[:, ~untuned].std(axis=0) > 0).all()
    assert (large.voxels.loc[untuned, "roi"] == "n/a").all()


def test_late_patches_take_the_place_of_untuned_voxels_alone(rng):
    before = choose_voxels(400, 250, np.random.default_rng(5))
    after, origin = add_late_patches(before, 40, rng)
    assert sorted(origin) == list(range(400))
    place = ["i", "j", "k"]
    assert after[place].equals(after[place].sort_values(place, ignore_index=True))
    was = before.iloc[origin].reset_index(drop=True)
    kept = was["roi"] != "n/a"
    pd.testing.assert_frame_equal(after[kept], was[kept])
    late = ~after["roi"].isin([*was["roi"].unique()])
    assert late.sum() == 40
    assert (was.loc[late, "roi"] == "n/a").all()
    # an untuned voxel that is in no late patch is one that was there
    rest = ~kept & ~late
    pd.testing.assert_frame_equal(after[rest], was[rest])


def test_too_few_untuned_voxels_for_the_late_patches_are_refused(rng):
    full = choose_voxels(100, 98, np.random.default_rng(5))
    with pytest.raises(CalcarineError, match=r"need \d+ untuned voxels to give way; of 100"):
        add_late_patches(full, 40, rng)


def test_late_voxels_respond_to_what_they_are_tuned_to(large, large_drive, many_scenes):
    table = many_scenes.table
    tuned_to = large.voxels["tuned_to"].to_numpy()
    words = wordings(table["captions"].tolist())
    details = fine_codes(table)

    def explained(features, voxels):
        design = np.column_stack([np.ones(len(features)), features])
        fitted = design @ np.linalg.lstsq(design, voxels, rcond=None)[0]
        return 1 - (voxels - fitted).var(axis=0) / voxels.var(axis=0)

    assert explained(words, large_drive[:, tuned_to == "words"]).min() > 1 - 1e-9
    assert explained(details, large_drive[:, tuned_to == "detail"]).min() > 1 - 1e-9
    both = np.hstack([words, details, factor_codes(table)])
    multimodal = large_drive[:, tuned_to == "multimodal"]
    assert np.median(explained(both, multimodal)) < 0.4
    assert explained(wording_codes(table), multimodal).min() > 1 - 1e-9


def test_part_voxels_follow_the_object(large):
    scene = sample_scenes(1, seed=4)[0]
    moved = [replace(scene, x=x, y=y, count=1, size=0.3) for x, y in ((0.2, 0.3), (0.75, 0.7))]
    pictures = np.stack([render_scene(s) for s in moved])
    near, far = part_drive(pictures, factor_table(moved), large.tuning.parts)
    other = replace(moved[0], category="face" if scene.category != "face" else "house")
    changed = part_drive(render_scene(other)[None], factor_table([other]), large.tuning.parts)[0]
    assert np.abs(near - far).mean() < 0.2 * np.abs(near - changed).mean()


def test_linear_voxels_are_sums_over_factors_and_others_are_not(large, large_drive, many_scenes):
    codes = factor_codes(many_scenes.table)
    centred = large_drive - large_drive.mean(axis=0)
    fitted = codes @ np.linalg.lstsq(codes, centred, rcond=None)[0]
    tuned = large.is_tuned
    unexplained = ((centred - fitted) ** 2).sum(axis=0)[tuned] / (centred**2).sum(axis=0)[tuned]
    linear = large.voxels["linear"].to_numpy()[tuned]
    assert 150 < linear.sum() < 350
    assert unexplained[linear].max() < 1e-9
    assert unexplained[~linear].min() > 1e-3
    assert np.median(unexplained[~linear]) > 0.1


def test_patches_prefer_their_category(large, large_drive, many_scenes):
    category = many_scenes.table["category"].to_numpy()
    means = pd.DataFrame(large_drive).groupby(category).mean()
    preferred = large.voxels["preferred"].to_numpy()
    own = np.flatnonzero((large.voxels["tuned_to"] == "category").to_numpy())
    assert (means.idxmax().to_numpy()[own] == preferred[own]).mean() > 0.95
    elsewhere = np.flatnonzero((large.voxels["tuned_to"] == "pixels").to_numpy())
    spread = means.std() / pd.DataFrame(large_drive).std()
    assert spread[own].median() > 2 * spread[elsewhere].median()


def test_early_areas_see_the_opposite_half_of_the_picture(large, large_drive, many_scenes):
    fields = large.tuning.gabors
    side = large.voxels["hemisphere"].to_numpy()[fields["voxel"]]
    assert (fields["rf_x"][side == "L"] >= 0.5).all()
    assert (fields["rf_x"][side == "R"] <= 0.5).all()
    x = many_scenes.table["x"].to_numpy()
    right_minus_left = large_drive[x > 0.6][:, fields["voxel"]].mean(axis=0) - large_drive[x < 0.4][
        :, fields["voxel"]
    ].mean(axis=0)
    eccentric = (np.abs(fields["rf_x"] - 0.5) > 0.1).to_numpy()
    assert (right_minus_left[eccentric & (side == "L")] > 0).mean() > 0.85
    assert (right_minus_left[eccentric & (side == "R")] < 0).mean() > 0.85


def test_the_visual_field_is_laid_out_over_v1(large):
    fields = large.tuning.gabors.join(large.voxels, on="voxel")
    v1 = fields[(fields["roi"] == "V1") & (fields["hemisphere"] == "R")]
    eccentricity = np.hypot(v1["rf_x"] - 0.5, v1["rf_y"] - 0.5)
    assert np.corrcoef(v1["y"], eccentricity)[0, 1] > 0.7
    # the lower bank of the calcarine sees the upper field
    assert np.corrcoef(v1["z"], v1["rf_y"])[0, 1] > 0.5


def test_pixel_voxels_show_gabor_energy(large, large_drive, many_scenes):
    fields = large.tuning.gabors.iloc[:5]
    energy = gabor_energy(many_scenes.pictures, fields)
    for column, voxel in enumerate(fields["voxel"]):
        r = np.corrcoef(energy[:, column], large_drive[:, voxel])[0, 1]
        assert r == pytest.approx(1, abs=1e-9)


def test_drive_has_the_planted_mean_and_spread(large, large_drive):
    tuned = large.is_tuned
    ratio = large_drive.std(axis=0)[tuned] / large.voxels["signal_sd"][tuned]
    assert ratio.median() == pytest.approx(1, abs=0.05)
    offset = (large_drive.mean(axis=0) - large.voxels["evoked"])[tuned]
    assert abs(offset / large.voxels["signal_sd"][tuned]).median() < 0.15


def test_shared_noise_is_a_share(large):
    share = (large.shared_noise**2).sum(axis=1)
    assert (share < 1).all()
    places = large.shared_noise[~large.is_tuned]
    assert (np.abs(places[:, 8:]) < 1e-12).all()


def test_too_many_voxels_are_refused():
    with pytest.raises(CalcarineError, match=r"n_voxels is 100000; .* has \d+ voxels of 4 mm"):
        plant_cortex("01", 100_000, seed=0)
