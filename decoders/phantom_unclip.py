"""A tiny latent diffusion model conditioned by the tiny CLIP's picture embedding."""

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableUnCLIPImg2ImgPipeline,
    UNet2DConditionModel,
)
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
    StableUnCLIPImageNormalizer,
)
from torch import nn
from torch.nn import functional
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from calcarine.data.phantom.scenes import IMAGE_SIZE, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.decoders.phantom_autoencoder import LATENT_CHANNELS, encode_pictures
from calcarine.encoders.phantom_clip import EMBED_DIM, embed_pictures
from calcarine.encoders.phantom_training import Trainer, scene_masks, scene_pictures

N_STEPS = 9000
N_SCENES = 30_000
N_FURTHER_STEPS = 18_000
N_FURTHER_SCENES = 60_000
BATCH_SIZE = 64
LEARNING_RATE = 1.2e-3
FURTHER_LEARNING_RATE = 8e-4
LATENT_FOREGROUND_WEIGHT = 3.0
CONDITION_DROPOUT = 0.08
FURTHER_CONDITION_DROPOUT = 0.15
PROMPT_DIM = 32
PROMPT_LENGTH = 8


def build_unet(seed: int) -> UNet2DConditionModel:
    """Make the untrained denoiser: levels of 8, 4 and 2 pixels, told the embedding as a class.

    There is no cross-attention: the prompt is always empty.
    """
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        up_block_types=("UpBlock2D",) * 3,
        block_out_channels=(64, 96, 128),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=PROMPT_DIM,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * EMBED_DIM,
        resnet_time_scale_shift="scale_shift",
    )


def build_scheduler() -> DDIMScheduler:
    """Make the noise schedule of the latents."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def noised_condition(
    embeddings: torch.Tensor, levels: torch.Tensor, scheduler: DDPMScheduler, noise: torch.Tensor
) -> torch.Tensor:
    """Add noise of known level to standardised embeddings, as unCLIP does.

    Parameters
    ----------
    embeddings
        ``(n, 64)``, of mean 0 and variance 1.
    levels
        Noise levels, int ``(n,)``, 0 to 999.
    scheduler
        Of the noise on embeddings.
    noise
        Standard normal, ``(n, 64)``.

    Returns
    -------
    torch.Tensor
        ``(n, 128)``: the noised embedding and the sinusoidal code of its level.
    """
    noised = scheduler.add_noise(embeddings, noise, levels)
    code = get_timestep_embedding(levels, EMBED_DIM, flip_sin_to_cos=True, downscale_freq_shift=0)
    return torch.cat([noised, code], dim=1)


@dataclass(frozen=True)
class UnclipExamples:
    """What the denoiser is trained on, one row a scene."""

    latents: torch.Tensor
    embeddings: torch.Tensor
    masks: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor


def unclip_examples(
    autoencoder: AutoencoderKL,
    clip: nn.Module,
    seed: int,
    n_scenes: int = N_SCENES,
    part: str = "unet",
) -> UnclipExamples:
    """Encode and embed scenes once, before the training.

    The embeddings are not yet standardised; `mean` and `std`, ``(1, 64)``, are theirs. Each part
    of the training has scenes of its own.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, part, "scenes"))
    pictures = scene_pictures(scenes)
    embeddings = embed_pictures(clip, pictures)
    return UnclipExamples(
        latents=encode_pictures(autoencoder, pictures),
        embeddings=embeddings,
        masks=functional.max_pool2d(scene_masks(scenes).float(), 8),
        mean=embeddings.mean(dim=0, keepdim=True),
        std=embeddings.std(dim=0, keepdim=True),
    )


def unet_trainer(
    examples: UnclipExamples, seed: int, n_steps: int = N_STEPS, batch_size: int = BATCH_SIZE
) -> Trainer:
    """Set the training of the denoiser up: v-prediction, noised embeddings, some dropped."""
    network = build_unet(derive_seed(seed, "unet", "weights"))
    loss = _velocity_loss(network, examples, batch_size, CONDITION_DROPOUT)
    return Trainer(
        network, loss, n_steps, LEARNING_RATE, derive_seed(seed, "unet"), ema_decay=0.999
    )


def further_unet_trainer(
    unet: UNet2DConditionModel,
    examples: UnclipExamples,
    seed: int,
    n_steps: int = N_FURTHER_STEPS,
    batch_size: int = BATCH_SIZE,
) -> Trainer:
    """Set a further training of a trained denoiser up, on new scenes.

    Embeddings are dropped more often: guidance by a brain asks it to draw without any.

    Parameters
    ----------
    unet
        Trained, changed in place.
    examples
        Of new scenes, with the `mean` and `std` of the first training.
    seed, n_steps, batch_size
        See `unet_trainer`.
    """
    loss = _velocity_loss(unet, examples, batch_size, FURTHER_CONDITION_DROPOUT)
    draws = derive_seed(seed, "unet", "further")
    return Trainer(unet.train(), loss, n_steps, FURTHER_LEARNING_RATE, draws, ema_decay=0.999)


def _velocity_loss(
    network: UNet2DConditionModel, examples: UnclipExamples, batch_size: int, dropout: float
) -> Callable[[torch.Generator], torch.Tensor]:
    scheduler, noising = build_scheduler(), DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    prompt = torch.zeros(batch_size, 1, PROMPT_DIM)

    def loss(generator: torch.Generator) -> torch.Tensor:
        def uniform() -> torch.Tensor:
            return torch.rand(batch_size, generator=generator)

        rows = torch.randint(len(examples.latents), (batch_size,), generator=generator)
        latents = examples.latents[rows]
        noise = torch.randn(latents.shape, generator=generator)
        times = (uniform() * 1000).long()
        levels = (uniform() ** 3 * 1000).long()
        standard = (examples.embeddings[rows] - examples.mean) / examples.std
        jitter = torch.randn(standard.shape, generator=generator)
        condition = noised_condition(standard, levels, noising, jitter)
        # the pipeline hands over the noised embedding with its mean and spread restored
        condition[:, :EMBED_DIM] = condition[:, :EMBED_DIM] * examples.std + examples.mean
        condition = condition * (uniform() >= dropout)[:, None]
        noisy = scheduler.add_noise(latents, noise, times)
        with torch.autocast("cpu", torch.bfloat16):
            velocity = network(
                noisy, times, encoder_hidden_states=prompt, class_labels=condition
            ).sample
        error = velocity.float() - scheduler.get_velocity(latents, noise, times)
        weight = 1 + (LATENT_FOREGROUND_WEIGHT - 1) * examples.masks[rows]
        return (weight * error.square()).mean()

    return loss


def build_pipeline(
    autoencoder: AutoencoderKL, unet: UNet2DConditionModel, mean: torch.Tensor, std: torch.Tensor
) -> StableUnCLIPImg2ImgPipeline:
    """Put the parts together in the class that loads the public stable-unCLIP weights.

    The class insists on a tokenizer, a text encoder and an image encoder: they are real but tiny
    and untrained. The prompt is always empty, and pictures are embedded by the tiny CLIP, outside.

    Parameters
    ----------
    autoencoder, unet
        Trained networks.
    mean, std
        Of the embeddings of training scenes, ``(1, 64)``.
    """
    torch.manual_seed(0)
    normalizer = StableUnCLIPImageNormalizer(EMBED_DIM)
    normalizer.mean.data, normalizer.std.data = mean.clone(), std.clone()
    letters = [letter + end for letter in ascii_lowercase for end in ("", "</w>")]
    words = ["<|startoftext|>", "<|endoftext|>", *letters]
    vocabulary = {word: i for i, word in enumerate(words)}
    text = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=PROMPT_DIM,
        intermediate_size=2 * PROMPT_DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=PROMPT_LENGTH,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        projection_dim=EMBED_DIM,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=IMAGE_SIZE,
        patch_size=IMAGE_SIZE // 2,
    )
    return StableUnCLIPImg2ImgPipeline(
        feature_extractor=CLIPImageProcessor(
            size={"shortest_edge": IMAGE_SIZE},
            crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        ),
        image_encoder=CLIPVisionModelWithProjection(vision),
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=PROMPT_LENGTH),
        text_encoder=CLIPTextModel(text),
        unet=unet,
        scheduler=build_scheduler(),
        vae=autoencoder,
    )


def reconstruct(
    pipeline: StableUnCLIPImg2ImgPipeline, embeddings: torch.Tensor, seed: int, n_steps: int = 25
) -> torch.Tensor:
    """Draw a picture for each embedding, uint8 ``(n, 3, 64, 64)``.

    Parameters
    ----------
    pipeline
        The tiny one or any of its class.
    embeddings
        ``(n, embed_dim)``, in the scale of the CLIP that it was trained with.
    seed
        Of the starting noise.
    n_steps
        Denoising steps.
    """
    pipeline.set_progress_bar_config(disable=True)
    n_prompts, width = len(embeddings), pipeline.unet.config.cross_attention_dim
    pictures = pipeline(
        image_embeds=embeddings,
        prompt_embeds=torch.zeros(n_prompts, 1, width),
        num_inference_steps=n_steps,
        guidance_scale=1.0,
        output_type="np",
        generator=torch.Generator().manual_seed(seed),
    ).images
    return torch.from_numpy((pictures * 255).round().astype("uint8")).permute(0, 3, 1, 2)
