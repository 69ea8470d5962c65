"""Latent diffusion models behind one interface: what guidance needs of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableUnCLIPImg2ImgPipeline

from calcarine.data.errors import CalcarineError
from calcarine.decoders.generator import generator_source
from calcarine.encoders.devices import default_device

Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


@dataclass(frozen=True)
class LatentDiffusion:
    """A denoiser with an empty prompt, its schedule and its autoencoder.

    Attributes
    ----------
    name
        Name that it was loaded by.
    scheduler
        Of diffusers, with `alphas_cumprod`.
    vae
        Autoencoder.
    latent_shape
        Channels, height and width.
    predict
        Noisy latents, a time step and what they are conditioned on (None: nothing) to the
        denoiser's output, differentiable.
    condition_of
        Image embeddings ``(n, embed_dim)`` to what `predict` is conditioned on, first axis n; None
        where the denoiser does not know image embeddings.
    """

    name: str
    scheduler: Any
    vae: Any
    latent_shape: tuple[int, int, int]
    predict: Predict
    condition_of: Callable[[np.ndarray], torch.Tensor] | None = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return torch.device(self.vae.device)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its latents."""
        dtype: torch.dtype = self.vae.dtype
        return dtype

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents to pictures from about 0 to 1, shape (n, 3, height, width)."""
        decoded = self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]
        shares: torch.Tensor = decoded / 2 + 0.5
        return shares


def _unclip(pipeline: Any) -> Predict:
    """Run a stable-unCLIP denoiser; without a picture on an empty embedding, as in its training."""
    prompt, _ = pipeline.encode_prompt("", pipeline.unet.device, 1, False)
    width = pipeline.unet.config.projection_class_embeddings_input_dim

    def predict(
        latents: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None = None
    ) -> torch.Tensor:
        empty = torch.zeros(len(latents), width, device=latents.device, dtype=latents.dtype)
        labels = empty if condition is None else condition
        scaled = pipeline.scheduler.scale_model_input(latents, t)
        output: torch.Tensor = pipeline.unet(
            scaled,
            t,
            encoder_hidden_states=prompt.expand(len(latents), -1, -1),
            class_labels=labels,
            return_dict=False,
        )[0]
        return output

    return predict


def _unclip_condition(pipeline: Any) -> Callable[[np.ndarray], torch.Tensor]:
    """Turn image embeddings into a stable-unCLIP denoiser's class labels, without noise on them."""
    embed_dim = int(pipeline.image_normalizer.config.embedding_dim)

    def condition_of(embeddings: np.ndarray) -> torch.Tensor:
        if embeddings.shape[1] != embed_dim:
            raise CalcarineError(
                f"the diffusion model is conditioned on embeddings of {embed_dim} values; the "
                f"encoder's have {embeddings.shape[1]}. Write `condition: none`, or fit the "
                "encoder on the embedding that the diffusion model was trained with."
            )
        given = torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        given = given.to(pipeline.unet.device, pipeline.unet.dtype)
        # level 0 still adds a little noise, drawn without a seed unless it is given
        none = torch.zeros_like(given)
        labels: torch.Tensor = pipeline.noise_image_embeddings(given, noise_level=0, noise=none)
        return labels

    return condition_of


def _stable(pipeline: Any) -> Predict:
    """Run a Stable Diffusion denoiser with the empty prompt."""
    prompt, _ = pipeline.encode_prompt("", pipeline.unet.device, 1, False)

    def predict(
        latents: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None = None
    ) -> torch.Tensor:
        scaled = pipeline.scheduler.scale_model_input(latents, t)
        output: torch.Tensor = pipeline.unet(
            scaled,
            t,
            encoder_hidden_states=prompt.expand(len(latents), -1, -1),
            return_dict=False,
        )[0]
        return output

    return predict


ADAPTERS: dict[str, Callable[[Any], Predict]] = {
    StableUnCLIPImg2ImgPipeline.__name__: _unclip,
    StableDiffusionPipeline.__name__: _stable,
}
CONDITIONS: dict[str, Callable[[Any], Callable[[np.ndarray], torch.Tensor]]] = {
    StableUnCLIPImg2ImgPipeline.__name__: _unclip_condition,
}


def wrap_pipeline(name: str, pipeline: Any) -> LatentDiffusion:
    """Put a pipeline of diffusers behind the interface; its weights get no gradients.

    Raises
    ------
    CalcarineError
        It is of another class than `ADAPTERS` knows.
    """
    kind = type(pipeline).__name__
    if kind not in ADAPTERS:
        raise CalcarineError(
            f"{name} is a {kind}; guidance knows {sorted(ADAPTERS)}. Give it one of these."
        )
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.eval().requires_grad_(False)
    config = pipeline.unet.config
    shape = (config.in_channels, config.sample_size, config.sample_size)
    with torch.no_grad():
        predict = ADAPTERS[kind](pipeline)
    condition_of = CONDITIONS[kind](pipeline) if kind in CONDITIONS else None
    return LatentDiffusion(name, pipeline.scheduler, pipeline.vae, shape, predict, condition_of)


def load_latent_diffusion(name: str, device: str | None = None) -> LatentDiffusion:
    """Load a latent diffusion model by name.

    Parameters
    ----------
    name
        `calcarine:phantom-unclip`, `local-dir:PATH` or `hf-hub:ORG/NAME`, of stable-unCLIP or
        Stable Diffusion (2.1, for instance).
    device
        By default a GPU where there is one.

    Raises
    ------
    CalcarineError
        There is no such model, or it is of another kind.
    """
    source = generator_source(name)
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            source,
            use_safetensors=True,
            low_cpu_mem_usage=False,
            local_files_only=Path(source).is_dir(),
        )
    except (OSError, ValueError, TypeError) as error:
        raise CalcarineError(f"the diffusion model {name!r} cannot be loaded: {error}") from error
    return wrap_pipeline(name, pipeline.to(device or default_device()))
