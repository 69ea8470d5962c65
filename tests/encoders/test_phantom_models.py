import json

import numpy as np
import open_clip
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from calcarine.data.phantom.scenes import (
    CATEGORIES,
    COLOURS,
    factor_table,
    render_scene,
    sample_scenes,
)
from calcarine.encoders import phantom_clip, phantom_judge, phantom_probes
from calcarine.encoders.phantom_training import (
    Trainer,
    learning_rate_factor,
    scene_masks,
    scene_pictures,
)
from calcarine.pipelines.phantom_weights import WEIGHTS, load_clip, load_judge

UNSEEN = sample_scenes(120, seed=20260707)


@pytest.fixture(scope="module")
def clip():
    return load_clip(WEIGHTS["clip"])


@pytest.fixture(scope="module")
def judge():
    return load_judge(WEIGHTS["judge"])


def test_clip_names_unseen_scenes(clip):
    scores = phantom_clip.clip_scores(clip, UNSEEN)
    # chance is 1/6 for the names and 1/120 for the captions
    assert scores["zero_shot_category"] > 0.8
    assert scores["zero_shot_colour"] > 0.8
    assert scores["caption_top5"] > 0.5


def test_clip_embeddings_have_unit_mean_square(clip):
    embeddings = phantom_clip.embed_pictures(clip, scene_pictures(UNSEEN))
    assert embeddings.square().mean() == pytest.approx(1, abs=0.1)


def test_clip_transform_is_the_training_normalisation(clip):
    _, _, transform = open_clip.create_model_and_transforms(f"local-dir:{WEIGHTS['clip']}")
    picture = render_scene(UNSEEN[0])
    expected = phantom_clip.normalise(scene_pictures(UNSEEN[:1]))[0]
    torch.testing.assert_close(transform(Image.fromarray(picture)), expected)


def test_unit_scale_leaves_cosines_alone():
    network = phantom_clip.build_clip(seed=3)
    pictures = scene_pictures(UNSEEN[:7])
    before = torch.nn.functional.normalize(phantom_clip.embed_pictures(network, pictures))
    phantom_clip.unit_scale(network, pictures, ["a red house", "a tool"])
    after = phantom_clip.embed_pictures(network, pictures)
    assert after.square().mean() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(torch.nn.functional.normalize(after), before)


def test_embedding_one_picture_equals_embedding_it_in_a_batch(clip, judge):
    pictures = scene_pictures(UNSEEN[:5])
    for network, embed in (
        (clip, phantom_clip.embed_pictures),
        (judge[0], phantom_judge.embed_pictures),
    ):
        torch.testing.assert_close(
            embed(network, pictures)[3:4], embed(network, pictures[3:4]), atol=1e-4, rtol=1e-4
        )


def test_probes_of_the_judge_read_unseen_scenes(judge):
    scores = phantom_probes.judge_scores(*judge, UNSEEN)
    # chance is 1/6; the card says 0.93 and 1.00
    assert scores["category"] > 0.85
    assert scores["colour"] > 0.85


def test_the_category_is_read_off_soft_pictures_too(judge):
    network, probes = judge
    soft = phantom_probes.softened(scene_pictures(UNSEEN), torch.Generator().manual_seed(3))
    named = probes["category"](phantom_judge.embed_pictures(network, soft).numpy())
    assert np.mean(named == factor_table(UNSEEN)["category"]) > 0.7


def test_probes_name_their_classes():
    names = json.loads((WEIGHTS["judge"] / "probes.json").read_text(encoding="utf-8"))
    assert names == {"category": list(CATEGORIES), "colour": list(COLOURS)}


def test_judge_transform_is_the_training_normalisation(judge):
    network = timm.create_model(f"local-dir:{WEIGHTS['judge']}", pretrained=True)
    transform = create_transform(**resolve_data_config({}, model=network))
    expected = phantom_judge.normalise(scene_pictures(UNSEEN[:1]))[0]
    torch.testing.assert_close(transform(Image.fromarray(render_scene(UNSEEN[0]))), expected)


def test_a_linear_reader_finds_no_colour_in_what_is_left():
    rng = np.random.default_rng(0)
    names = rng.choice(["red", "blue", "green"], size=900)
    embeddings = rng.normal(size=(900, 12)) @ rng.normal(size=(12, 12))
    embeddings[:, :3] += 3 * (names[:, None] == np.unique(names))
    projection = phantom_probes.without_linear(embeddings, names)
    rest = (embeddings - embeddings.mean(axis=0)) @ projection
    # the means of all colours are one: no linear reader does better than the commonest answer
    means = np.stack([rest[names == name].mean(axis=0) for name in np.unique(names)])
    np.testing.assert_allclose(means, 0, atol=1e-9)
    # and only two directions were given up
    assert np.linalg.matrix_rank(projection) == 10


def test_the_category_probe_reads_what_is_not_linear():
    rng = np.random.default_rng(1)
    n = 3000
    category, colour = rng.choice(CATEGORIES, size=n), rng.choice(COLOURS, size=n)
    sign = rng.choice([-1.0, 1.0], size=n)
    embeddings = 0.1 * rng.normal(size=(n, 9))
    # a category is a direction of either sign: its mean is nothing
    embeddings[np.arange(n), [CATEGORIES.index(c) for c in category]] += sign
    embeddings[:, 6:] += np.eye(6)[[COLOURS.index(c) for c in colour], :3]
    probe = phantom_probes.category_probe(embeddings, category, colour, seed=0)
    assert np.mean(probe(embeddings) == category) > 0.95


def test_views_keep_colour_and_change_pixels():
    pictures = phantom_judge.normalise(scene_pictures(UNSEEN[:40]))
    views = phantom_judge.augment(pictures, torch.Generator().manual_seed(0))
    assert views.shape == pictures.shape
    assert (views - pictures).abs().mean() > 0.05
    corner = (slice(None), slice(None), slice(0, 8), slice(0, 8))
    shift = (views[corner] - pictures[corner]).mean(dim=(2, 3))
    # the light field moves all three channels together: hues stay
    assert (shift - shift.mean(dim=1, keepdim=True)).abs().mean() < 0.03


def test_moving_the_teacher_is_an_exponential_average():
    network = phantom_judge.SelfDistillation(phantom_judge.build_judge(0), seed=0)
    student, teacher = network.student[1][0].weight, network.teacher[1][0].weight
    with torch.no_grad():
        student += 1
    expected = teacher + (1 - phantom_judge.TEACHER_MOMENTUM) * (student - teacher)
    network.move_teacher()
    torch.testing.assert_close(network.teacher[1][0].weight, expected)


def test_learning_rate_rises_and_falls():
    factors = [learning_rate_factor(i, 200) for i in range(200)]
    assert factors[0] == 0.1
    assert max(factors) == 1.0
    assert np.argmax(factors) == 9
    assert all(np.diff(factors[10:]) <= 0)


def test_trainer_averages_weights_as_written_down():
    layer = torch.nn.Linear(3, 2, bias=False)
    start = layer.weight.detach().clone()
    trainer = Trainer(
        layer,
        lambda generator: layer(torch.randn(5, 3, generator=generator)).square().sum(),
        n_steps=4,
        learning_rate=0.1,
        seed=0,
        ema_decay=0.9,
    )
    expected = start.clone()
    for step in range(1, 5):
        trainer.step()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    trainer.use_average()
    torch.testing.assert_close(layer.weight.detach(), expected)


def test_pictures_and_masks_line_up():
    pictures, masks = scene_pictures(UNSEEN[:3]), scene_masks(UNSEEN[:3])
    assert pictures.shape == (3, 3, 64, 64)
    assert pictures.dtype == torch.uint8
    assert masks.shape == (3, 1, 64, 64)
    assert masks.dtype == torch.bool
