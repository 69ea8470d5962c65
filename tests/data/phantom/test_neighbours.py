"""Pairs of patches that share a category: who changes, and what they prefer."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.phantom.cortex import plant_cortex
from calcarine.data.phantom.neighbours import PAIRED_PATCHES, split_into_pairs
from calcarine.data.phantom.tuning import factor_codes


@pytest.fixture(scope="module")
def large():
    return plant_cortex("01", 900, seed=3)


def test_only_voxels_of_the_hosts_change(large):
    """Rename the pairs to their hosts and split again: the same voxels come out."""
    hosts = {p.name: p.host for p in PAIRED_PATCHES}
    before = large.voxels.assign(roi=large.voxels["roi"].replace(hosts))
    after, tuning = split_into_pairs(before, large.tuning, np.random.default_rng(1))
    pd.testing.assert_series_equal(after["roi"], large.voxels["roi"])
    changed = (tuning.linear != large.tuning.linear).any(axis=1)
    assert set(after.loc[changed, "roi"]) <= set(hosts)
    kept = ~large.voxels["roi"].isin(hosts)
    pd.testing.assert_frame_equal(after[kept], large.voxels[kept])


def test_partners_are_of_one_size_and_touch(large):
    voxels = large.voxels
    for patch in PAIRED_PATCHES:
        own, other = (voxels[voxels["roi"] == n] for n in (patch.name, patch.partner))
        assert len(own) == len(other) >= 8
        a, b = (t[["x", "y", "z"]].to_numpy() for t in (own, other))
        gaps = np.linalg.norm(a[:, None] - b[None], axis=2)
        assert np.median(gaps.min(axis=1)) < 16
        host = voxels[voxels["roi"] == patch.host]
        assert own["y"].median() > host["y"].median()


@pytest.mark.parametrize("patch", PAIRED_PATCHES, ids=lambda p: p.name)
def test_partners_share_a_category_and_differ_in_one_factor(large, many_scenes, patch):
    drive = large.drive(many_scenes.pictures, many_scenes.table)
    roi = large.voxels["roi"].to_numpy()
    own, other = (drive[:, roi == n].mean(axis=1) for n in (patch.name, patch.partner))
    is_it = (many_scenes.table["category"] == patch.category).to_numpy()
    for response in (own, other):
        assert response[is_it].mean() > response[~is_it].mean() + response.std() / 2
    values = (
        factor_codes(many_scenes.table)[:, -4] * patch.weight
        if patch.code == "x"
        else (many_scenes.table["colour"] == patch.code).to_numpy(float)
    )
    assert np.corrcoef(own - other, values)[0, 1] > 0.5


def test_small_patches_are_not_cut():
    small = plant_cortex("01", 60, seed=3)
    assert not small.voxels["roi"].isin([p.name for p in PAIRED_PATCHES]).any()
