from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.scene_captions import position_words, scene_captions, size_word
from calcarine.data.phantom.scenes import (
    BACKGROUND_RGB,
    BACKGROUNDS,
    CATEGORIES,
    COLOURS,
    HELD_OUT,
    OBJECT_RGB,
    Scene,
    factor_table,
    foreground_mask,
    render_scene,
    sample_scenes,
)


def test_same_seed_gives_same_scenes_and_bytes():
    first, second = sample_scenes(13, seed=5), sample_scenes(13, seed=5)
    assert first == second
    assert [render_scene(s).tobytes() for s in first] == [render_scene(s).tobytes() for s in second]


def test_scenes_of_other_seeds_differ():
    assert not set(sample_scenes(50, seed=1)) & set(sample_scenes(50, seed=2))


@pytest.mark.parametrize(("combinations", "n_pairs"), [("seen", 32), ("held-out", 4), ("all", 36)])
def test_combinations(combinations, n_pairs):
    pairs = {(s.category, s.colour) for s in sample_scenes(400, seed=3, combinations=combinations)}
    assert len(pairs) == n_pairs
    assert (pairs & set(HELD_OUT) == set()) == (combinations == "seen")


def test_default_leaves_the_held_out_combinations_out():
    pairs = {(s.category, s.colour) for s in sample_scenes(400, seed=3)}
    assert not pairs & set(HELD_OUT)


def test_balanced_over_categories_and_over_colours_within_each():
    scenes = sample_scenes(360, seed=0, combinations="all")
    counts = Counter((s.category, s.colour) for s in scenes)
    assert set(counts.values()) == {10}
    odd = Counter(s.category for s in sample_scenes(20, seed=0))
    assert max(odd.values()) - min(odd.values()) <= 1


def test_factors_stay_in_range_and_objects_inside_the_picture():
    scenes = sample_scenes(300, seed=8, combinations="all")
    assert {s.background for s in scenes} == set(BACKGROUNDS)
    assert {s.count for s in scenes} == {1, 2}
    assert all(0.25 <= s.size <= 0.5 for s in scenes)
    masks = np.stack([foreground_mask(s) for s in scenes[:60]])
    rim = np.ones((64, 64), dtype=bool)
    rim[1:-1, 1:-1] = False
    assert not masks[:, rim].any()


def test_mask_covers_the_object_and_nothing_else():
    for scene in sample_scenes(36, seed=4, combinations="all"):
        picture, mask = render_scene(scene).astype(float), foreground_mask(scene)
        distance = np.abs(picture - BACKGROUND_RGB[scene.background]).max(axis=2)
        # the texture of the light moves values by a few units, partly covered rims by more
        assert distance[~mask].max() < 130
        assert np.mean(distance[~mask] < 30) > 0.97
        assert np.mean(distance[mask] > 20) > 0.9


def test_mask_is_where_the_factors_say():
    scene = Scene("house", "red", "grey", x=0.3, y=0.7, size=0.4, count=1, style=3)
    rows, columns = np.nonzero(foreground_mask(scene))
    assert columns.min() + columns.max() == pytest.approx(2 * 0.3 * 64, abs=2)
    assert rows.min() + rows.max() == pytest.approx(2 * 0.7 * 64, abs=2)
    assert np.ptp(columns) + 1 == pytest.approx(0.4 * 64, abs=2)


@pytest.mark.parametrize("category", CATEGORIES)
def test_most_of_the_object_has_its_colour(category):
    scene = Scene(category, "red", "dark", 0.5, 0.5, 0.5, 1, style=11)
    inside = render_scene(scene)[foreground_mask(scene)].astype(float)
    reddest = inside[:, 0] > 1.4 * inside[:, 1:].max(axis=1)
    assert reddest.mean() > 0.5


def test_two_objects_cover_twice_as_much():
    one = Scene("face", "green", "sky", 0.5, 0.5, 0.3, 1, style=2)
    two = replace(one, count=2)
    ratio = foreground_mask(two).sum() / foreground_mask(one).sum()
    assert ratio == pytest.approx(2, rel=0.05)


def test_each_factor_changes_the_picture():
    scene = Scene("food", "red", "grey", 0.5, 0.5, 0.4, 1, style=0)
    changes = {
        "category": "tool",
        "colour": "blue",
        "background": "sky",
        "x": 0.6,
        "y": 0.4,
        "size": 0.3,
        "count": 2,
        "style": 1,
    }
    for name, value in changes.items():
        assert not np.array_equal(
            render_scene(scene), render_scene(replace(scene, **{name: value}))
        ), name


def test_captions_name_the_factors():
    plural = {"body": "bodies"}
    for scene in sample_scenes(60, seed=9, combinations="all"):
        for caption in scene_captions(scene, 3, seed=1):
            noun = plural.get(scene.category, scene.category) if scene.count == 2 else ""
            assert (noun or scene.category) in caption
            assert scene.colour in caption
            assert ("two" in caption.split()) == (scene.count == 2)
            ground = {"dark": ("dark", "night"), "sandy": ("sand",)}
            assert any(w in caption for w in ground.get(scene.background, (scene.background,)))
            sizes = {"small": ("small", "little"), "large": ("large", "big"), "medium": ("-sized",)}
            assert any(word in caption for word in sizes[size_word(scene)])
            places = {
                "upper": ("upper middle", "top"),
                "lower": ("lower middle", "bottom"),
                "centre": ("centre", "middle"),
            }
            place = position_words(scene)
            assert any(word in caption for word in places.get(place, (place,)))


def test_captions_are_varied_and_repeatable():
    scene = sample_scenes(1, seed=0)[0]
    captions = scene_captions(scene, 30, seed=0)
    assert captions == scene_captions(scene, 30, seed=0)
    assert len(set(captions)) > 10


def test_position_words():
    scene = Scene("house", "red", "grey", 0.2, 0.2, 0.3, 1, 0)
    assert position_words(scene) == "upper left"
    assert position_words(replace(scene, x=0.5, y=0.5)) == "centre"
    assert position_words(replace(scene, x=0.8, y=0.5)) == "right"


def test_factor_table_has_one_row_a_scene():
    scenes = sample_scenes(7, seed=0)
    table = factor_table(scenes)
    assert [Scene(**row) for row in table.to_dict("records")] == scenes


def test_names_have_colours():
    assert set(OBJECT_RGB) == set(COLOURS)
    assert set(BACKGROUND_RGB) == set(BACKGROUNDS)


def test_errors():
    with pytest.raises(CalcarineError, match="n_scenes is 0"):
        sample_scenes(0, seed=0)
    with pytest.raises(CalcarineError, match="expected 'seen', 'held-out' or 'all'"):
        sample_scenes(3, seed=0, combinations="unseen")
    with pytest.raises(CalcarineError, match="n_captions is 0"):
        scene_captions(sample_scenes(1, seed=0)[0], 0, seed=0)
