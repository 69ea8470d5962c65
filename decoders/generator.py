"""Pictures from embeddings: one generator over the Stable-unCLIP pipeline of diffusers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableUnCLIPImg2ImgPipeline
from diffusers.utils.torch_utils import randn_tensor
from tqdm import tqdm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.devices import default_device

WEIGHTS = Path(__file__).resolve().parent / "weights"
SHIPPED = ("phantom-unclip",)


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn from the diffusion model.

    Attributes
    ----------
    n_steps
        Denoising steps.
    guidance_scale
        Classifier-free guidance against an empty embedding; 1 is off.
    noise_level
        Noise added to the embedding, in steps of the pipeline's noising schedule.
    strength
        Share of the denoising steps that a picture with starting latents goes through (img2img).
    """

    n_steps: int = 20
    guidance_scale: float = 1.0
    noise_level: int = 0
    strength: float = 0.75


class UnclipGenerator:
    """Draw pictures from image embeddings with a Stable-unCLIP pipeline.

    Every item has its own seed, from which the noise on its embedding and the noise that its
    picture starts from are drawn; a picture does not depend on what else is in its batch.

    Parameters
    ----------
    name
        Name that the pipeline was loaded by.
    pipeline
        `diffusers.StableUnCLIPImg2ImgPipeline`, on its device.

    Attributes
    ----------
    embed_dim
        Length of an image embedding.
    latent_shape
        Channels, height and width of the autoencoder's latents.
    picture_shape
        Height, width and 3.
    """

    def __init__(self, name: str, pipeline: StableUnCLIPImg2ImgPipeline) -> None:
        self.name = name
        self.pipeline = pipeline
        self.embed_dim = int(pipeline.image_normalizer.config.embedding_dim)
        config = pipeline.unet.config
        self.latent_shape = (config.in_channels, config.sample_size, config.sample_size)
        size = config.sample_size * pipeline.vae_scale_factor
        self.picture_shape = (size, size, 3)
        # the prompt is always empty, so that one encoding serves all pictures
        self._prompt = self._encode_empty_prompt()

    @torch.no_grad()
    def generate(
        self,
        image_embeds: np.ndarray,
        seeds: Sequence[int] | np.ndarray,
        sampling: Sampling,
        init_latents: np.ndarray | None = None,
        batch_size: int = 16,
    ) -> np.ndarray:
        """Draw one picture for each embedding.

        Parameters
        ----------
        image_embeds
            Shape (n, embed_dim).
        seeds
            One seed an item, shape (n,).
        sampling
            Steps, guidance, noise level; `strength` counts only with `init_latents`.
        init_latents
            Latents to start from (img2img), shape (n, *latent_shape); without them pictures start
            from pure noise.
        batch_size
            Items at a time.

        Returns
        -------
        numpy.ndarray
            uint8, shape (n, height, width, 3).

        Raises
        ------
        CalcarineError
            The embeddings have another length than the pipeline's, or a value is not finite.
        """
        embeds = self._checked(image_embeds, seeds, sampling, init_latents)
        pictures = np.empty((len(embeds), *self.picture_shape), dtype=np.uint8)
        bar = tqdm(total=len(embeds), desc="generate", unit="picture", disable=None)
        for start in range(0, len(embeds), batch_size):
            rows = slice(start, start + batch_size)
            noise = [torch.Generator("cpu").manual_seed(int(s)) for s in seeds[rows]]
            init = None if init_latents is None else self._tensor(init_latents[rows])
            latents = self._denoise(self._tensor(embeds[rows]), noise, sampling, init)
            pictures[rows] = self._decode(latents)
            bar.update(len(noise))
        bar.close()
        return pictures

    @torch.no_grad()
    def decode(self, latents: np.ndarray, batch_size: int = 16) -> np.ndarray:
        """Decode autoencoder latents, without any denoising.

        Parameters
        ----------
        latents
            Shape (n, *latent_shape), in the diffusion model's scale (posterior mean times the
            autoencoder's scaling factor).
        batch_size
            Items at a time.

        Returns
        -------
        numpy.ndarray
            uint8, shape (n, height, width, 3).
        """
        chunks = [latents[i : i + batch_size] for i in range(0, len(latents), batch_size)]
        pictures = [self._decode(self._tensor(chunk)) for chunk in chunks]
        return np.concatenate(pictures) if pictures else np.empty((0, *self.picture_shape), "u1")

    def _checked(
        self,
        image_embeds: np.ndarray,
        seeds: Sequence[int] | np.ndarray,
        sampling: Sampling,
        init_latents: np.ndarray | None,
    ) -> np.ndarray:
        embeds = np.asarray(image_embeds, dtype=np.float32)
        if embeds.ndim != 2 or embeds.shape[1] != self.embed_dim:
            raise CalcarineError(
                f"{self.name} draws from embeddings of shape (n, {self.embed_dim}); got "
                f"{embeds.shape}. Choose a decoder whose target is the embedding that the "
                "generator was trained on."
            )
        if len(seeds) != len(embeds):
            raise CalcarineError(f"{len(embeds)} embeddings came with {len(seeds)} seeds.")
        bad = np.flatnonzero(~np.isfinite(embeds).all(axis=1))
        if len(bad):
            raise CalcarineError(f"the embedding of item {bad[0]} is not finite; leave it out.")
        n_levels = self.pipeline.image_noising_scheduler.config.num_train_timesteps
        if not 0 <= sampling.noise_level < n_levels:
            raise CalcarineError(
                f"noise_level is {sampling.noise_level}; {self.name} knows 0 to {n_levels - 1}."
            )
        expected = (len(embeds), *self.latent_shape)
        if init_latents is not None and init_latents.shape != expected:
            raise CalcarineError(
                f"the latents to start from have shape {init_latents.shape}; {self.name} needs "
                f"{expected}."
            )
        return embeds

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        unet = self.pipeline.unet
        return torch.tensor(np.asarray(array, np.float32)).to(unet.device, unet.dtype)

    @torch.no_grad()
    def _encode_empty_prompt(self) -> torch.Tensor:
        embeds, _ = self.pipeline.encode_prompt("", self.pipeline.unet.device, 1, False)
        return embeds

    def _conditioning(
        self, embeds: torch.Tensor, noise: list[torch.Generator], sampling: Sampling
    ) -> torch.Tensor:
        """Noise the embeddings as unCLIP does; empty ones stand in front where guidance is on."""
        labels = self.pipeline.noise_image_embeddings(
            image_embeds=embeds, noise_level=sampling.noise_level, generator=noise
        )
        if sampling.guidance_scale > 1:
            labels = torch.cat([torch.zeros_like(labels), labels])
        return labels

    def _start(
        self, noise: list[torch.Generator], sampling: Sampling, init: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the latents that denoising starts from and the time steps that are left."""
        scheduler = self.pipeline.scheduler
        unet = self.pipeline.unet
        scheduler.set_timesteps(sampling.n_steps, device=unet.device)
        shape = (len(noise), *self.latent_shape)
        start = randn_tensor(shape, generator=noise, device=unet.device, dtype=unet.dtype)
        if init is None:
            return start * scheduler.init_noise_sigma, scheduler.timesteps
        n_left = max(1, min(int(sampling.n_steps * sampling.strength), sampling.n_steps))
        first = (sampling.n_steps - n_left) * scheduler.order
        timesteps = scheduler.timesteps[first:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        return scheduler.add_noise(init, start, timesteps[:1].repeat(len(init))), timesteps

    def _denoise(
        self,
        embeds: torch.Tensor,
        noise: list[torch.Generator],
        sampling: Sampling,
        init: torch.Tensor | None,
    ) -> torch.Tensor:
        pipeline = self.pipeline
        labels = self._conditioning(embeds, noise, sampling)
        latents, timesteps = self._start(noise, sampling, init)
        prompt = self._prompt.expand(len(labels), -1, -1)
        extra: dict[str, Any] = pipeline.prepare_extra_step_kwargs(noise, 0.0)
        for t in timesteps:
            doubled = torch.cat([latents] * (len(labels) // len(latents)))
            doubled = pipeline.scheduler.scale_model_input(doubled, t)
            predicted = pipeline.unet(
                doubled, t, encoder_hidden_states=prompt, class_labels=labels, return_dict=False
            )[0]
            if sampling.guidance_scale > 1:
                free, guided = predicted.chunk(2)
                predicted = free + sampling.guidance_scale * (guided - free)
            latents = pipeline.scheduler.step(predicted, t, latents, **extra, return_dict=False)[0]
        return latents

    def _decode(self, latents: torch.Tensor) -> np.ndarray:
        vae = self.pipeline.vae
        decoded = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
        shares = self.pipeline.image_processor.postprocess(decoded, output_type="np")
        return (shares * 255).round().astype(np.uint8)


def generator_source(name: str) -> str:
    """Find what diffusers loads for a generator's name: a folder, or a repository.

    Parameters
    ----------
    name
        `calcarine:phantom-unclip`, `local-dir:PATH` or `hf-hub:ORG/NAME`.

    Raises
    ------
    CalcarineError
        The name has none of these forms, or the folder is not there.

    Examples
    --------
    >>> generator_source("hf-hub:somebody/unclip")
    'somebody/unclip'
    """
    family, _, rest = name.partition(":")
    if family == "hf-hub" and rest:
        return rest
    if family == "local-dir" and rest:
        folder = Path(rest).expanduser()
    elif family == "calcarine" and rest in SHIPPED:
        folder = WEIGHTS / rest
    else:
        raise CalcarineError(
            f"there is no generator {name!r}. Write `local-dir:{name}` for a folder, "
            f"`hf-hub:{name}` for a repository, or one of {[f'calcarine:{n}' for n in SHIPPED]}."
        )
    if not (folder / "model_index.json").is_file():
        raise CalcarineError(
            f"generator {name!r}: {folder} is not a diffusers pipeline (no model_index.json). "
            "Save one there with `save_pretrained`, or correct the path."
        )
    return str(folder)


def load_generator(name: str, device: str | None = None) -> UnclipGenerator:
    """Load a Stable-unCLIP pipeline as a generator.

    Parameters
    ----------
    name
        `calcarine:phantom-unclip` (shipped), `local-dir:PATH`, or `hf-hub:ORG/NAME` (downloaded
        where the network is allowed and it is not in the cache).
    device
        torch device; by default a GPU where there is one. On a CPU weights are float32.

    Returns
    -------
    UnclipGenerator

    Raises
    ------
    CalcarineError
        There is no such pipeline, or it is not Stable-unCLIP.
    """
    source = generator_source(name)
    place = torch.device(device or default_device())
    dtype = torch.float32 if place.type == "cpu" else torch.float16
    try:
        pipeline = StableUnCLIPImg2ImgPipeline.from_pretrained(
            source, dtype=dtype, use_safetensors=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, TypeError) as error:
        raise CalcarineError(
            f"generator {name!r} cannot be loaded as diffusers.StableUnCLIPImg2ImgPipeline: {error}"
        ) from error
    return UnclipGenerator(name, pipeline.to(place))
