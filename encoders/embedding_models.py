"""One door to embeddings of pictures and texts: `load_embedding_model(name)`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image

from calcarine.data.digests import text_sha
from calcarine.data.errors import CalcarineError
from calcarine.encoders.devices import default_device
from calcarine.encoders.evaluation_transform import transform_text
from calcarine.encoders.layer_output import as_tokens, layer_output, mean_token, pooled_token
from calcarine.encoders.picture_network import PictureNetwork, weights_sha

Pooling = Literal["pooled", "tokens", "mean"]
POOLINGS = ("pooled", "tokens", "mean")
SHIPPED = Path(__file__).parent / "weights"


class EmbeddingModel:
    """A network that embeds pictures, and texts where it has a text tower.

    Parameters
    ----------
    name
        Name under which it was loaded.
    network
        What the family has handed over.
    layer
        Name of an intermediate layer; without it the network's output.
    pooling
        `pooled`: the network's own output, or of a layer its class token (the mean where there is
        none). `tokens`: all tokens, class and register tokens first. `mean`: their mean, class and
        register tokens left out.
    device
        Where it runs.

    Attributes
    ----------
    row_shape
        Shape of one embedding: (embed_dim,) or (n_tokens, embed_dim).
    latent_shape
        Shape before flattening, where a row is a flattened latent; else `row_shape`.
    transform
        The evaluation transform: picture to float tensor (3, height, width).
    transform_text, transform_sha
        The transform written out, and its hash.

    Raises
    ------
    CalcarineError
        The transform is random, or layer and pooling do not fit the network.
    """

    def __init__(
        self,
        name: str,
        network: PictureNetwork,
        layer: str | None = None,
        pooling: Pooling = "pooled",
        device: str | torch.device = "cpu",
    ) -> None:
        if pooling not in POOLINGS:
            raise CalcarineError(f"pooling is {pooling!r}; expected one of {list(POOLINGS)}.")
        if pooling != "pooled" and layer is None and network.tokens is None:
            raise CalcarineError(
                f"{name} has no tokens at its output for pooling {pooling!r}. "
                "Take `pooled`, or name a `layer`."
            )
        self.name, self.layer, self.pooling = name, layer, pooling
        self.device = torch.device(device)
        self.network = network
        self.transform = network.transform
        self.transform_text = transform_text(network.transform)
        self.transform_sha = text_sha(self.transform_text)
        network.module.to(self.device)
        # one grey picture shows the shape, and that layer and pooling can be had
        grey = self.embed_pictures([Image.new("RGB", (96, 64), (128, 128, 128))])
        self.row_shape: tuple[int, ...] = grey.shape[1:]
        self.latent_shape = network.latent_shape if layer is None else None

    @property
    def embed_dim(self) -> int:
        """Length of one vector."""
        return self.row_shape[-1]

    @cached_property
    def revision(self) -> str:
        """Hash of architecture and weights."""
        return weights_sha(self.network.module, self.network.architecture)

    def embed_tensor(self, batch: torch.Tensor) -> torch.Tensor:
        """Embed pictures that are transformed already, differentiably.

        Parameters
        ----------
        batch
            Shape (n, 3, height, width), on the model's device, as `transform` gives it.

        Returns
        -------
        torch.Tensor
            Shape (n, embed_dim) or (n, n_tokens, embed_dim).
        """
        if self.layer is not None:
            forward = self.network.whole or self.network.pooled
            output = layer_output(self.network.module, self.layer, forward, batch)
            if output.ndim == 2:
                return output
            return self._pool(as_tokens(output, self.network))
        if self.pooling == "pooled" or self.network.tokens is None:
            return self.network.pooled(batch)
        return self._pool(as_tokens(self.network.tokens(batch), self.network))

    def _pool(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.pooling == "tokens":
            return tokens
        pool = mean_token if self.pooling == "mean" else pooled_token
        return pool(tokens, self.network)

    def embed_pictures(self, pictures: Sequence[Image.Image], batch_size: int = 64) -> np.ndarray:
        """Embed pictures.

        Parameters
        ----------
        pictures
            PIL pictures of any size and mode.
        batch_size
            Pictures at a time.

        Returns
        -------
        numpy.ndarray
            float32, shape (n, embed_dim) or (n, n_tokens, embed_dim).
        """
        parts = []
        for start in range(0, len(pictures), batch_size):
            chosen = pictures[start : start + batch_size]
            parts.append(self.embed_transformed([self.transform(p.convert("RGB")) for p in chosen]))
        return np.concatenate(parts)

    def embed_transformed(self, pictures: Sequence[torch.Tensor]) -> np.ndarray:
        """Embed one batch of transformed pictures without gradients: float32."""
        # cuDNN would round to TF32 and choose its sums anew each run: stored rows are exact
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            batch = torch.stack(list(pictures)).to(self.device)
            return self.embed_tensor(batch).float().cpu().numpy()

    def embed_texts(self, texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Embed sentences by the network's text tower.

        Returns
        -------
        numpy.ndarray
            float32, shape (n, embed_dim), not normalised.

        Raises
        ------
        CalcarineError
            The network has no text tower, or layer and pooling ask for something else.
        """
        if self.network.texts is None:
            raise CalcarineError(
                f"{self.name} has no text tower. Captions need a CLIP, for instance "
                "calcarine:phantom-clip or open_clip:ViT-L-14/openai."
            )
        if self.layer is not None or self.pooling != "pooled":
            raise CalcarineError(
                f"texts are embedded by the output of {self.name} alone; remove "
                f"`layer` ({self.layer!r}) and `pooling` ({self.pooling!r})."
            )
        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), batch_size):
                chosen = list(texts[start : start + batch_size])
                parts.append(self.network.texts(chosen, self.device).float().cpu().numpy())
        return np.concatenate(parts)


@dataclass(frozen=True)
class Family:
    """Networks of one origin.

    Attributes
    ----------
    load
        What comes after the prefix, to a network.
    form
        How a name is written.
    text
        What it is, in one line.
    """

    load: Callable[[str], PictureNetwork]
    form: str
    text: str


# Each family is imported when one of its names is asked for: open_clip, timm and diffusers take
# seconds each.


def _open_clip(identifier: str) -> PictureNetwork:
    from calcarine.encoders.open_clip_models import load_open_clip

    return load_open_clip(identifier)


def _timm(identifier: str) -> PictureNetwork:
    from calcarine.encoders.timm_models import load_timm

    return load_timm(identifier)


def _mobilenet(identifier: str) -> PictureNetwork:
    from calcarine.encoders.mobilenet import load_mobilenet

    return load_mobilenet(identifier)


def _diffusers_vae(identifier: str) -> PictureNetwork:
    from calcarine.encoders.diffusers_vae import load_diffusers_vae

    return load_diffusers_vae(identifier)


def _pixels(identifier: str) -> PictureNetwork:
    from calcarine.encoders.pixels import load_pixels

    return load_pixels(identifier)


def _folder(identifier: str) -> PictureNetwork:
    from calcarine.encoders.network_folders import load_folder

    return load_folder(Path(identifier).expanduser())


def _hub(identifier: str) -> PictureNetwork:
    from calcarine.encoders.network_folders import load_repository

    return load_repository(identifier)


def _shipped(identifier: str) -> PictureNetwork:
    shipped = shipped_models()
    if identifier not in shipped:
        raise CalcarineError(
            f"calcarine ships no embedding model {identifier!r}; it ships {shipped}."
        )
    return _folder(str(SHIPPED / identifier))


def shipped_models() -> list[str]:
    """List the embedding models that come with the package, as `calcarine:NAME` takes them."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/*config.json"))


FAMILIES: dict[str, Family] = {
    "open_clip": Family(_open_clip, "open_clip:ARCH/TAG", "CLIP by open_clip, public weights"),
    "timm": Family(_timm, "timm:NAME", "picture networks by timm, DINOv2 among them"),
    "local-dir": Family(_folder, "local-dir:PATH", "a folder in open_clip's or timm's format"),
    "hf-hub": Family(_hub, "hf-hub:ORG/NAME", "a hub repository in open_clip's or timm's format"),
    "calcarine": Family(_shipped, "calcarine:NAME", "tiny models that come with the package"),
    "mobilenet": Family(_mobilenet, "mobilenet:FILE.npz", "MobileNet v1 and v2, 8-bit weights"),
    "diffusers-vae": Family(
        _diffusers_vae, "diffusers-vae:NAME", "latents of a diffusion model's autoencoder"
    ),
    "pixels": Family(_pixels, "pixels:SIZE", "the picture itself, for encoders that learn from it"),
}


def load_embedding_model(
    name: str,
    layer: str | None = None,
    pooling: Pooling = "pooled",
    device: str | torch.device | None = None,
) -> EmbeddingModel:
    """Load a network that embeds pictures.

    A public name (`open_clip:`, `timm:`, `hf-hub:`) is fetched once into the libraries' own cache;
    with `HF_HUB_OFFLINE=1` in the environment only that cache is looked at.

    Parameters
    ----------
    name
        `PREFIX:…` as `FAMILIES` writes it.
    layer
        Intermediate layer by its module name; without it the output.
    pooling
        `pooled`, `tokens` or `mean`, see `EmbeddingModel`.
    device
        For instance `cpu` or `cuda`; by default a GPU where there is one.

    Raises
    ------
    CalcarineError
        The name is unknown, its weights are not at hand, or layer or pooling do not fit.

    Examples
    --------
    >>> load_embedding_model("clip")
    Traceback (most recent call last):
    ...
    calcarine.data.errors.CalcarineError: 'clip' has no prefix; expected one of ...
    """
    prefix, colon, identifier = name.partition(":")
    forms = [family.form for family in FAMILIES.values()]
    if not colon and "/" in name:
        raise CalcarineError(
            f"{name!r} has no prefix. Write local-dir:{name} for a folder of that name or "
            f"hf-hub:{name} for a hub repository."
        )
    if not colon:
        raise CalcarineError(f"{name!r} has no prefix; expected one of {forms}.")
    if prefix not in FAMILIES or not identifier:
        raise CalcarineError(f"there is no embedding model {name!r}; expected one of {forms}.")
    network = FAMILIES[prefix].load(identifier)
    return EmbeddingModel(name, network, layer, pooling, device or default_device())
