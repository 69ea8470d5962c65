import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, PNDMScheduler, StableDiffusionImg2ImgPipeline
from diffusers.models import UNet2DConditionModel
from fixtures.tiny_unclip import EMBED_DIM, LATENT_SHAPE, PICTURE_SIZE, save_tiny_unclip

from calcarine.data.errors import CalcarineError
from calcarine.decoders.generator import (
    Sampling,
    UnclipGenerator,
    generator_source,
    load_generator,
)

SEEDS = [11, 7, 2_000_000_011, 5, 3]


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> UnclipGenerator:
    folder = save_tiny_unclip(tmp_path_factory.mktemp("generator") / "unclip")
    return load_generator(f"local-dir:{folder}", device="cpu")


@pytest.fixture
def embeds(rng):
    return rng.normal(size=(len(SEEDS), EMBED_DIM)).astype(np.float32)


@pytest.fixture
def latents(rng):
    return rng.normal(size=(len(SEEDS), *LATENT_SHAPE)).astype(np.float32)


def test_shapes_are_read_from_the_pipeline(generator):
    assert generator.embed_dim == EMBED_DIM
    assert generator.latent_shape == LATENT_SHAPE
    assert generator.picture_shape == (PICTURE_SIZE, PICTURE_SIZE, 3)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.5])
@pytest.mark.parametrize("noise_level", [0, 300])
def test_pictures_are_those_of_the_diffusers_pipeline(
    generator, embeds, guidance_scale, noise_level
):
    prompt = generator.pipeline.encode_prompt("", "cpu", 1, False)[0].expand(len(SEEDS), -1, -1)
    shares = generator.pipeline(
        image_embeds=torch.from_numpy(embeds),
        prompt_embeds=prompt,
        negative_prompt_embeds=prompt if guidance_scale > 1 else None,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        num_inference_steps=3,
        guidance_scale=guidance_scale,
        noise_level=noise_level,
        output_type="np",
    ).images
    sampling = Sampling(n_steps=3, guidance_scale=guidance_scale, noise_level=noise_level)
    drawn = generator.generate(embeds, SEEDS, sampling)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, (shares * 255).round().astype(np.uint8))


class _Conditioned(UNet2DConditionModel):
    """Hand the image embeddings to a pipeline that knows of none."""

    labels: torch.Tensor

    def forward(self, sample, timestep, encoder_hidden_states, **rest):
        rest.pop("class_labels", None)
        return super().forward(
            sample, timestep, encoder_hidden_states, class_labels=self.labels, **rest
        )


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75, 1.0])
def test_combination_is_the_img2img_of_diffusers(generator, embeds, latents, strength):
    parts = generator.pipeline
    unet = _Conditioned.from_config(parts.unet.config)
    unet.load_state_dict(parts.unet.state_dict())
    sampling = Sampling(n_steps=4, noise_level=20, strength=strength)
    ours = generator.generate(embeds[:2], SEEDS[:2], sampling, latents[:2])
    # the embedding's noise is drawn first, the latents' noise second, from one stream an item
    streams = [torch.Generator().manual_seed(seed) for seed in SEEDS[:2]]
    unet.labels = parts.noise_image_embeddings(torch.from_numpy(embeds[:2]), 20, generator=streams)
    img2img = StableDiffusionImg2ImgPipeline(
        parts.vae, parts.text_encoder, parts.tokenizer, unet.eval(), parts.scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    shares = img2img(
        ["", ""], image=torch.from_numpy(latents[:2]), strength=strength, num_inference_steps=4,
        guidance_scale=1.0, generator=streams, output_type="np",
    ).images  # fmt: skip
    np.testing.assert_array_equal(ours, (shares * 255).round().astype(np.uint8))


@pytest.mark.parametrize("n_chosen", [1, 2])
def test_a_picture_does_not_depend_on_its_batch(generator, embeds, latents, n_chosen):
    sampling = Sampling(n_steps=3, noise_level=50)
    together = generator.generate(embeds, SEEDS, sampling, latents)
    alone = generator.generate(embeds[3:4], SEEDS[3:4], sampling, latents[3:4])
    in_parts = generator.generate(embeds, SEEDS, sampling, latents, batch_size=n_chosen)
    # float convolutions of another batch size may round the last bit differently
    assert np.abs(together[3:4].astype(int) - alone).max() <= 1
    assert np.abs(together.astype(int) - in_parts).max() <= 1


def test_seed_and_embedding_both_change_the_picture(generator, embeds):
    sampling = Sampling(n_steps=3)
    one = np.repeat(embeds[:1], 2, axis=0)
    assert (generator.generate(one, [4, 4], sampling)[0] == generator.generate(one, [4, 4],
            sampling)[1]).all()  # fmt: skip
    assert (generator.generate(one, [4, 5], sampling)[0] != generator.generate(one, [4, 5],
            sampling)[1]).any()  # fmt: skip
    other = generator.generate(embeds[:2], [4, 4], sampling)
    assert (other[0] != other[1]).any()


@pytest.mark.parametrize("scheduler", [DDPMScheduler, PNDMScheduler])
def test_schedulers_with_noise_or_memory_repeat_themselves(generator, embeds, latents, scheduler):
    was = generator.pipeline.scheduler
    generator.pipeline.scheduler = scheduler.from_config(was.config)
    try:
        sampling = Sampling(n_steps=5, strength=0.6)
        first = generator.generate(embeds, SEEDS, sampling, latents)
        np.testing.assert_array_equal(first, generator.generate(embeds, SEEDS, sampling, latents))
    finally:
        generator.pipeline.scheduler = was


def test_low_level_path_is_the_autoencoder_alone(generator, latents):
    vae = generator.pipeline.vae
    with torch.no_grad():
        decoded = vae.decode(torch.from_numpy(latents) / vae.config.scaling_factor).sample
    expected = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(generator.decode(latents, batch_size=16), expected)
    assert generator.decode(latents[:0]).shape == (0, *generator.picture_shape)


def test_errors_name_what_is_wrong(generator, embeds, latents):
    with pytest.raises(CalcarineError, match=r"shape \(n, 12\); got \(5, 11\)"):
        generator.generate(embeds[:, 1:], SEEDS, Sampling())
    with pytest.raises(CalcarineError, match="5 embeddings came with 4 seeds"):
        generator.generate(embeds, SEEDS[1:], Sampling())
    with pytest.raises(CalcarineError, match=r"noise_level is 1000; .* knows 0 to 999"):
        generator.generate(embeds, SEEDS, Sampling(noise_level=1000))
    with pytest.raises(CalcarineError, match="latents to start from"):
        generator.generate(embeds, SEEDS, Sampling(), latents[:2])
    embeds[2, 3] = np.nan
    with pytest.raises(CalcarineError, match="item 2 is not finite"):
        generator.generate(embeds, SEEDS, Sampling())


def test_names_that_lead_nowhere(tmp_path):
    assert generator_source("hf-hub:org/name") == "org/name"
    with pytest.raises(CalcarineError, match="Write `local-dir:some/folder` for a folder"):
        generator_source("some/folder")
    with pytest.raises(CalcarineError, match="calcarine:phantom-unclip"):
        generator_source("calcarine:other")
    with pytest.raises(CalcarineError, match=r"no model_index\.json"):
        generator_source(f"local-dir:{tmp_path}")
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableUnCLIPImg2ImgPipeline"}')
    with pytest.raises(CalcarineError, match="cannot be loaded"):
        load_generator(f"local-dir:{tmp_path}")
