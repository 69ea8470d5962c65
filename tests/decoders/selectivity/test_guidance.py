"""Guidance on randomly initialised networks: formulas, invariants, the contract with diffusers."""

import numpy as np
import pytest
import torch
from fixtures.tiny_unclip import save_tiny_unclip

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.guidance import (
    Guidance,
    as_noise,
    discriminative,
    from_noise,
    matching,
    mean_of,
    synthesise,
)
from calcarine.decoders.selectivity.latent_diffusion import load_latent_diffusion, wrap_pipeline


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    folder = save_tiny_unclip(tmp_path_factory.mktemp("unclip") / "pipeline")
    return load_latent_diffusion(f"local-dir:{folder}", "cpu")


def redness(pictures):
    """Respond with the mean of red and of blue."""
    means = pictures.mean(dim=(2, 3))
    return torch.stack([means[:, 0], means[:, 2]], dim=1)


FEW = Guidance(scale=0.0, n_steps=4)


def test_without_a_push_pictures_are_the_pipelines_own(diffusion):
    off = synthesise(diffusion, redness, mean_of([1, 0]), 1.0, [3, 4], FEW)
    assert off.shape == (2, 32, 32, 3)
    other = synthesise(diffusion, redness, mean_of([0, 1]), 1.0, [3, 4], FEW)
    np.testing.assert_array_equal(off, other)


def test_a_push_raises_the_objective(diffusion):
    seeds = range(6)
    off = synthesise(diffusion, redness, mean_of([1, -1]), 0.05, seeds, FEW)
    pushed = Guidance(scale=3.0, n_steps=4, first=0.0, last=1.0)
    on = synthesise(diffusion, redness, mean_of([1, -1]), 0.05, seeds, pushed)
    gain = (on.astype(float)[..., 0] - on[..., 2]).mean((1, 2)) - (
        off.astype(float)[..., 0] - off[..., 2]
    ).mean((1, 2))
    assert (gain > 0).all()


def test_a_scale_means_the_same_for_every_encoder(diffusion):
    """An encoder whose output is 100 times as large, with its spread, draws the same pictures."""
    pushed = Guidance(scale=2.0, n_steps=3, first=0.0, last=1.0)
    one = synthesise(diffusion, redness, mean_of([1, 0]), 0.1, [5], pushed)
    scaled = synthesise(diffusion, lambda x: 128 * redness(x), mean_of([1, 0]), 12.8, [5], pushed)
    np.testing.assert_allclose(one.astype(int), scaled.astype(int), atol=1)


def test_a_picture_does_not_depend_on_its_batch(diffusion):
    pushed = Guidance(scale=2.0, n_steps=3, first=0.0, last=1.0)
    together = synthesise(diffusion, redness, mean_of([1, 0]), 0.1, [1, 2, 3], pushed)
    alone = synthesise(diffusion, redness, mean_of([1, 0]), 0.1, [3], pushed)
    assert np.abs(together[2].astype(int) - alone[0]).max() <= 1


def test_the_gradient_is_that_of_finite_differences(diffusion):
    """The push of one step against the formula, evaluated numerically in double precision."""
    from calcarine.decoders.selectivity.guidance import _Push

    signal = torch.tensor(0.8)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, *diffusion.latent_shape, generator=generator)
    t = torch.tensor(300)

    def objective_of(latents):
        epsilon = as_noise(diffusion.predict(latents, t), latents, signal, "v_prediction")
        rest = (1 - signal**2).sqrt()
        clean = (latents - rest * epsilon) / signal
        seen = diffusion.decode(rest * clean + (1 - rest) * latents).clamp(0, 1)
        return float(redness(seen)[0, 0])

    given = z.clone().requires_grad_(True)
    epsilon = as_noise(diffusion.predict(given, t), given, signal, "v_prediction")
    push = _Push(diffusion, redness, mean_of([1, 0]), 1.0, FEW, None)
    found = push._gradient(given, epsilon, signal)
    along = found / found.norm()
    step = 0.02
    with torch.no_grad():
        slope = (objective_of(z + step * along) - objective_of(z - step * along)) / (2 * step)
    assert slope == pytest.approx(float(found.norm()), rel=0.05)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_noise_and_prediction_turn_into_each_other(kind, rng):
    output, latents = (torch.from_numpy(rng.standard_normal((2, 3))) for _ in range(2))
    signal = torch.tensor(0.6, dtype=torch.float64)
    epsilon = as_noise(output, latents, signal, kind)
    torch.testing.assert_close(from_noise(epsilon, latents, signal, kind), output)
    # latents are signal · clean + rest · noise, whatever is predicted
    clean = as_clean = (latents - 0.8 * epsilon) / 0.6
    torch.testing.assert_close(0.6 * as_clean + 0.8 * epsilon, latents)
    if kind == "v_prediction":
        torch.testing.assert_close(0.6 * epsilon - 0.8 * clean, output)


def test_discriminative_objective_has_its_closed_forms():
    sets = [np.array([0, 1]), np.array([2]), np.array([3])]
    same = torch.full((1, 4), 0.7)
    assert float(discriminative(sets, 0)(same)) == pytest.approx(0.0, abs=1e-6)
    responses = torch.tensor([[2.0, 4.0, 1.0, -1.0]])
    r = np.array([3.0, 1.0, -1.0]) / 1.6
    expected = r[0] - np.log(np.exp(r).mean())
    assert float(discriminative(sets, 0)(responses)) == pytest.approx(expected, rel=1e-6)
    # it never exceeds log K
    assert float(discriminative(sets, 0)(responses * 1000)) == pytest.approx(np.log(3), abs=1e-4)


def test_matching_is_a_correlation(rng):
    pattern, responses = rng.standard_normal(7), rng.standard_normal((3, 7))
    found = matching(pattern)(torch.from_numpy(responses).float())
    expected = [np.corrcoef(pattern, r)[0, 1] for r in responses]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(CalcarineError, match="constant"):
        matching(np.ones(4))


def test_stable_diffusion_goes_through_the_same_door(diffusion, tmp_path):
    """The contract with the class that loads Stable Diffusion 2.1."""
    from diffusers import StableDiffusionPipeline, StableUnCLIPImg2ImgPipeline, UNet2DConditionModel

    folder = save_tiny_unclip(tmp_path / "unclip")
    parts = StableUnCLIPImg2ImgPipeline.from_pretrained(folder)
    config = dict(parts.unet.config)
    config |= {"class_embed_type": None, "projection_class_embeddings_input_dim": None}
    unet = UNet2DConditionModel.from_config(config)
    pipeline = StableDiffusionPipeline(
        vae=parts.vae, text_encoder=parts.text_encoder, tokenizer=parts.tokenizer, unet=unet,
        scheduler=parts.scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(tmp_path / "sd")
    loaded = load_latent_diffusion(f"local-dir:{tmp_path / 'sd'}", "cpu")
    pushed = Guidance(scale=1.0, n_steps=2, first=0.0, last=1.0)
    assert synthesise(loaded, redness, mean_of([1, 0]), 0.1, [0], pushed).shape == (1, 32, 32, 3)
    with pytest.raises(CalcarineError, match="is not conditioned on image embeddings"):
        synthesise(loaded, redness, mean_of([1, 0]), 0.1, [0], pushed, np.zeros((1, 12)))
    with pytest.raises(CalcarineError, match="guidance knows"):
        wrap_pipeline("x", object())


def test_each_picture_has_the_embedding_that_it_begins_with(diffusion, rng):
    """Conditions go with their pictures through batches, and are the pipeline's own labels."""
    embeddings = rng.standard_normal((3, 12)).astype(np.float32)
    together = synthesise(
        diffusion, redness, mean_of([1, 0]), 1.0, [1, 2, 3], FEW, embeddings, batch_size=2
    )
    alone = synthesise(diffusion, redness, mean_of([1, 0]), 1.0, [3], FEW, embeddings[2:])
    assert np.abs(together[2].astype(int) - alone[0]).max() <= 1
    other = synthesise(diffusion, redness, mean_of([1, 0]), 1.0, [3], FEW, embeddings[:1])
    assert (other != alone).any()


def test_a_condition_draws_nothing(diffusion, rng):
    embeddings = rng.standard_normal((3, 12)).astype(np.float32)
    first, second = (diffusion.condition_of(embeddings) for _ in range(2))
    assert torch.equal(first, second)


def test_embeddings_of_another_length_are_refused(diffusion):
    with pytest.raises(CalcarineError, match="embeddings of 12 values; the encoder's have 5"):
        synthesise(diffusion, redness, mean_of([1, 0]), 1.0, [1], FEW, np.zeros((1, 5)))


def test_an_encoder_that_tells_nothing_apart_is_refused(diffusion):
    with pytest.raises(CalcarineError, match="does not tell pictures apart"):
        synthesise(diffusion, redness, mean_of([1, 0]), 0.0, [0], FEW)
