"""Latents of a diffusion model's autoencoder (AutoencoderKL), as embeddings.

A row is the mean of the posterior times `scaling_factor`, channels × height × width laid end to
end; `values.reshape(n, *row_shape)` with `row_shape` of the sidecar gives the latents back.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torchvision import transforms

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork, frozen
from calcarine.encoders.public_weights import loading, may_download

SHIPPED = Path(__file__).parent.parent / "decoders" / "weights"


def load_diffusers_vae(identifier: str) -> PictureNetwork:
    """Load the autoencoder of a diffusion pipeline.

    Parameters
    ----------
    identifier
        `calcarine:NAME` (shipped), `local-dir:PATH` (a pipeline's folder or its `vae`) or
        `hf-hub:ORG/NAME` (its `vae`).

    Raises
    ------
    CalcarineError
        There is no such autoencoder.
    """
    source, _, place = identifier.partition(":")
    name = f"diffusers-vae:{identifier}"
    if source == "hf-hub":
        with loading(name):
            return _network(
                AutoencoderKL.from_pretrained(
                    place, subfolder="vae", local_files_only=not may_download()
                )
            )
    folders = {"calcarine": SHIPPED / place, "local-dir": Path(place).expanduser()}
    if source not in folders:
        raise CalcarineError(
            f"{name!r} names no autoencoder. Write diffusers-vae:calcarine:NAME, "
            "diffusers-vae:local-dir:PATH or diffusers-vae:hf-hub:ORG/NAME."
        )
    folder = folders[source]
    if (folder / "vae").is_dir():
        folder = folder / "vae"
    with loading(name, f"Expected a diffusers pipeline with a folder `vae` in {folders[source]}."):
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder / 'config.json'} is not there.")
        return _network(AutoencoderKL.from_pretrained(folder, local_files_only=True))


def _network(model: Any) -> PictureNetwork:
    model = frozen(model)
    size = model.config.sample_size
    # each level but the last halves the picture
    latent_size = size // 2 ** (len(model.config.block_out_channels) - 1)

    def latents(batch: torch.Tensor) -> torch.Tensor:
        mean = model.encode(batch).latent_dist.mean
        return (mean * model.config.scaling_factor).flatten(1)

    return PictureNetwork(
        module=model,
        transform=transforms.Compose(
            [
                transforms.Resize(size),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        ),
        pooled=latents,
        architecture=json.dumps(dict(model.config), sort_keys=True, default=str),
        latent_shape=(model.config.latent_channels, latent_size, latent_size),
    )
