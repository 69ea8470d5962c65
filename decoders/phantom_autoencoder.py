"""The autoencoder of the phantom's generator: 64 × 64 pixels to 8 × 8 latents and back."""

import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from calcarine.data.phantom.scenes import IMAGE_SIZE, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.encoders.phantom_training import Trainer, scene_masks, scene_pictures

LATENT_CHANNELS = 12
FOREGROUND_WEIGHT = 6.0
KL_WEIGHT = 2e-4
CROP = 32
N_STEPS = 3000
N_SCENES = 12_000
BATCH_SIZE = 32
LEARNING_RATE = 2e-3
CROPPED_FRACTION = 0.8
N_DECODER_STEPS = 3000
DECODER_BATCH_SIZE = 16
DECODER_LEARNING_RATE = 1e-3
LATENT_JITTER = 0.1


def to_model_range(pictures: torch.Tensor) -> torch.Tensor:
    """Scale uint8 pictures to [-1, 1]."""
    return pictures.float() / 127.5 - 1


def build_autoencoder(seed: int) -> AutoencoderKL:
    """Make the untrained autoencoder: 64 × 64 pixels to 8 × 8 latents."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 24, 48, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=IMAGE_SIZE,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def picture_error(error: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Weigh errors inside the object more, or small objects would be ignored.

    Squared plus half absolute error, `FOREGROUND_WEIGHT` times as heavy inside the mask.
    """
    weight = 1 + (FOREGROUND_WEIGHT - 1) * masks.float()
    return (weight * (error.square() + 0.5 * error.abs())).mean()


def autoencoder_loss(
    network: AutoencoderKL, pictures: torch.Tensor, masks: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Add to the picture's error a little divergence of the latents from a standard normal."""
    target = to_model_range(pictures)
    with torch.autocast("cpu", torch.bfloat16):
        moments = network.encode(target).latent_dist
        noise = torch.randn(moments.mean.shape, generator=generator)
        decoded = network.decode(moments.mean + moments.std * noise).sample
    divergence = 0.5 * (moments.mean.square() + moments.var - 1 - moments.logvar).float().mean()
    return picture_error(decoded.float() - target, masks) + KL_WEIGHT * divergence


def object_crops(
    pictures: torch.Tensor, masks: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a window of `CROP` pixels, at a multiple of 8, that holds some of each object."""
    n_places = (pictures.shape[-1] - CROP) // 8 + 1
    covered = functional.avg_pool2d(masks.float(), CROP, stride=8).flatten(1)
    place = torch.multinomial(covered + 1e-3, 1, generator=generator).squeeze(1)
    cut_pictures, cut_masks = [], []
    for picture, mask, at in zip(pictures, masks, place.tolist(), strict=True):
        top, left = 8 * (at // n_places), 8 * (at % n_places)
        cut_pictures.append(picture[:, top : top + CROP, left : left + CROP])
        cut_masks.append(mask[:, top : top + CROP, left : left + CROP])
    return torch.stack(cut_pictures), torch.stack(cut_masks)


def autoencoder_trainer(
    seed: int,
    n_steps: int = N_STEPS,
    n_scenes: int = N_SCENES,
    batch_size: int = BATCH_SIZE,
) -> Trainer:
    """Set the training of the autoencoder up: first on crops, the last fifth on whole pictures."""
    scenes = sample_scenes(n_scenes, derive_seed(seed, "autoencoder", "scenes"))
    pictures, masks = scene_pictures(scenes), scene_masks(scenes)
    network = build_autoencoder(derive_seed(seed, "autoencoder", "weights"))

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(n_scenes, (batch_size,), generator=generator)
        if trainer.n_done < CROPPED_FRACTION * n_steps:
            batch, inside = object_crops(pictures[rows], masks[rows], generator)
        else:
            rows = rows[: batch_size // 2]
            batch, inside = pictures[rows], masks[rows]
        return autoencoder_loss(network, batch, inside, generator)

    trainer = Trainer(
        network,
        loss,
        n_steps,
        LEARNING_RATE,
        derive_seed(seed, "autoencoder"),
        ema_decay=0.995,
    )
    return trainer


@torch.inference_mode()
def redraw(
    autoencoder: AutoencoderKL, pictures: torch.Tensor, batch_size: int = 64
) -> torch.Tensor:
    """Encode and decode uint8 pictures ``(n, 3, 64, 64)``: the most that a generator can show."""
    parts = []
    for part in pictures.split(batch_size):
        latents = autoencoder.encode(to_model_range(part)).latent_dist.mean
        shares = (autoencoder.decode(latents).sample / 2 + 0.5).clamp(0, 1)
        parts.append((shares * 255).round().to(torch.uint8))
    return torch.cat(parts)


@torch.inference_mode()
def encode_pictures(
    autoencoder: AutoencoderKL, pictures: torch.Tensor, batch_size: int = 64
) -> torch.Tensor:
    """Encode uint8 pictures ``(n, 3, 64, 64)`` into mean latents, ``(n, 12, 8, 8)``."""
    parts = [
        autoencoder.encode(to_model_range(p)).latent_dist.mean for p in pictures.split(batch_size)
    ]
    return torch.cat(parts)


@torch.no_grad()
def standardise_latents(autoencoder: AutoencoderKL, pictures: torch.Tensor) -> None:
    """Fold mean and spread of each latent channel into the two 1 × 1 convolutions.

    Pictures encode and decode as before, but latents have mean 0 and variance 1 over `pictures`,
    as diffusion wants them, and the pipeline's scaling factor is 1.
    """
    latents = encode_pictures(autoencoder, pictures)
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    before.weight[:LATENT_CHANNELS] /= std[:, None, None, None]
    before.bias[:LATENT_CHANNELS] = (before.bias[:LATENT_CHANNELS] - mean) / std
    before.bias[LATENT_CHANNELS:] -= 2 * std.log()
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= std[None, :, None, None]


def decoder_trainer(
    autoencoder: AutoencoderKL,
    seed: int,
    n_steps: int = N_DECODER_STEPS,
    n_scenes: int = N_SCENES,
    batch_size: int = DECODER_BATCH_SIZE,
) -> Trainer:
    """Set a further training of the decoder up, on whole pictures and the latents as they are.

    The latents are jittered a little, since those that diffusion makes are never quite right.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, "decoder", "scenes"))
    pictures, masks = scene_pictures(scenes), scene_masks(scenes)
    latents = encode_pictures(autoencoder, pictures)
    autoencoder.encoder.requires_grad_(False)
    autoencoder.quant_conv.requires_grad_(False)

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(n_scenes, (batch_size,), generator=generator)
        jitter = torch.randn(latents[rows].shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = autoencoder.decode(latents[rows] + LATENT_JITTER * jitter).sample
        return picture_error(decoded.float() - to_model_range(pictures[rows]), masks[rows])

    return Trainer(
        autoencoder,
        loss,
        n_steps,
        DECODER_LEARNING_RATE,
        derive_seed(seed, "decoder"),
        ema_decay=0.995,
    )
