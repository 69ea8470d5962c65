import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, StableUnCLIPImg2ImgPipeline

from calcarine.data.phantom.scenes import sample_scenes
from calcarine.decoders import phantom_autoencoder, phantom_unclip
from calcarine.decoders.phantom_unclip_scores import two_way_identification, unclip_scores
from calcarine.encoders.phantom_clip import embed_pictures
from calcarine.encoders.phantom_training import scene_masks, scene_pictures
from calcarine.pipelines.phantom_weights import WEIGHTS, load_clip, load_judge

UNSEEN = sample_scenes(24, seed=20260708)


@pytest.fixture(scope="module")
def pipeline():
    return StableUnCLIPImg2ImgPipeline.from_pretrained(WEIGHTS["unclip"])


@pytest.fixture(scope="module")
def clip():
    return load_clip(WEIGHTS["clip"])


def test_reconstructions_from_true_embeddings_are_nearest_their_targets(pipeline, clip):
    scores = unclip_scores(pipeline, clip, *load_judge(WEIGHTS["judge"]), UNSEEN, seed=0)
    # chance is 1/2, 1/6 and 1/6; the judge itself reads 0.94 of the categories of true pictures
    assert scores["two_way"] > 0.9
    assert scores["category"] > 0.3
    assert scores["colour"] > 0.7


def test_picture_depends_on_the_embedding_and_the_seed_alone(pipeline, clip):
    embeddings = embed_pictures(clip, scene_pictures(UNSEEN[:3]))
    first = phantom_unclip.reconstruct(pipeline, embeddings, seed=1, n_steps=3)
    again = phantom_unclip.reconstruct(pipeline, embeddings, seed=1, n_steps=3)
    other = phantom_unclip.reconstruct(pipeline, embeddings, seed=2, n_steps=3)
    assert first.shape == (3, 3, 64, 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_pipeline_takes_prompts_and_guidance(pipeline, clip):
    embeddings = embed_pictures(clip, scene_pictures(UNSEEN[:2]))
    pictures = pipeline(
        image_embeds=embeddings,
        prompt=["", ""],
        guidance_scale=2.0,
        num_inference_steps=2,
        output_type="np",
    ).images
    assert pictures.shape == (2, 64, 64, 3)


def test_shipped_latents_are_standardised(pipeline):
    latents = phantom_autoencoder.encode_pictures(pipeline.vae, scene_pictures(UNSEEN))
    assert latents.shape == (24, phantom_autoencoder.LATENT_CHANNELS, 8, 8)
    assert latents.std() == pytest.approx(1, abs=0.15)
    assert pipeline.vae.config.scaling_factor == 1.0


def test_shipped_autoencoder_draws_objects(pipeline):
    pictures, masks = scene_pictures(UNSEEN), scene_masks(UNSEEN)
    with torch.inference_mode():
        latents = phantom_autoencoder.encode_pictures(pipeline.vae, pictures)
        error = pipeline.vae.decode(latents).sample - phantom_autoencoder.to_model_range(pictures)
    flat = phantom_autoencoder.to_model_range(pictures)
    background = flat.median(dim=2, keepdim=True).values.median(dim=3, keepdim=True).values
    # within the objects, far better than painting the background alone
    inside = masks.expand_as(flat)
    assert error[inside].square().mean() < 0.15 * (flat - background)[inside].square().mean()


def test_standardising_latents_changes_no_picture():
    autoencoder = phantom_autoencoder.build_autoencoder(seed=4).eval()
    pictures = scene_pictures(UNSEEN[:6])
    with torch.inference_mode():
        latents = phantom_autoencoder.encode_pictures(autoencoder, pictures)
        before = autoencoder.decode(latents).sample
        phantom_autoencoder.standardise_latents(autoencoder, pictures)
        latents = phantom_autoencoder.encode_pictures(autoencoder, pictures)
        after = autoencoder.decode(latents).sample
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        latents.mean(dim=(0, 2, 3)), torch.zeros(len(latents[0])), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(len(latents[0])))


def test_crops_hold_some_of_the_object_and_masks_go_along():
    pictures, masks = scene_pictures(UNSEEN), scene_masks(UNSEEN)
    numbered = torch.where(masks, pictures, torch.zeros_like(pictures))
    crops, inside = phantom_autoencoder.object_crops(
        numbered, masks, torch.Generator().manual_seed(0)
    )
    assert crops.shape == (24, 3, 32, 32)
    assert inside.float().mean() > masks.float().mean()
    assert not crops[~inside.expand_as(crops)].any()


def test_condition_is_what_the_public_pipeline_computes(pipeline):
    embeddings = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    mean, std = pipeline.image_normalizer.mean, pipeline.image_normalizer.std
    expected = pipeline.noise_image_embeddings(embeddings, noise_level=170, noise=noise)
    condition = phantom_unclip.noised_condition(
        (embeddings - mean) / std,
        torch.full((5,), 170),
        DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        noise,
    )
    condition[:, :64] = condition[:, :64] * std + mean
    torch.testing.assert_close(condition, expected)


def test_two_way_identification(rng):
    targets = rng.normal(size=(9, 30))
    assert two_way_identification(targets + 0.01 * rng.normal(size=(9, 30)), targets) == 1.0
    assert two_way_identification(np.roll(targets, 1, axis=0), targets) < 0.6
    reconstructed = rng.normal(size=(9, 30))
    wins = [
        np.corrcoef(reconstructed[i], targets[i])[0, 1]
        > np.corrcoef(reconstructed[i], targets[j])[0, 1]
        for i in range(9)
        for j in range(9)
        if i != j
    ]
    assert two_way_identification(reconstructed, targets) == pytest.approx(np.mean(wins))
