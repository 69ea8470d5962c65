"""What a family of networks hands over: the network, its transform, and how it is called."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from torch import nn

from calcarine.encoders.evaluation_transform import Transform


@dataclass(frozen=True)
class PictureNetwork:
    """A pretrained network behind one interface.

    Attributes
    ----------
    module
        The whole network; layers are found in it by name.
    transform
        Evaluation transform: picture to float tensor (3, height, width).
    pooled
        Transformed pictures (n, 3, height, width) to the network's own output (n, embed_dim).
    architecture
        Text that tells two architectures with the same weights apart; part of the revision.
    tokens
        Transformed pictures to the last tokens (n, n_tokens, embed_dim), where there are any.
    whole
        Runs every layer, where `pooled` stops before the last ones; intermediate layers are found
        on its way.
    texts
        Sentences and a device to (n, embed_dim), where the network has a text tower.
    n_prefix_tokens, n_tokens
        Class and register tokens at the head of a sequence, and the sequence's whole length.
    feature_map
        Order of the axes of its feature maps.
    latent_shape
        Shape of one row before it was flattened, where it was.
    """

    module: nn.Module
    transform: Transform
    pooled: Callable[[torch.Tensor], torch.Tensor]
    architecture: str
    tokens: Callable[[torch.Tensor], torch.Tensor] | None = None
    whole: Callable[[torch.Tensor], torch.Tensor] | None = None
    texts: Callable[[list[str], torch.device], torch.Tensor] | None = None
    n_prefix_tokens: int = 0
    n_tokens: int | None = None
    feature_map: Literal["NCHW", "NHWC"] = "NCHW"
    latent_shape: tuple[int, ...] | None = None


def count_tokens(tokens: Callable[[torch.Tensor], torch.Tensor], transform: Transform) -> int:
    """Count a network's last tokens; it depends on the size that the transform gives."""
    grey = transform(Image.new("RGB", (96, 64), (128, 128, 128)))
    with torch.inference_mode():
        return tokens(grey[None]).shape[1]


def frozen(module: nn.Module) -> nn.Module:
    """Put a network into evaluation mode, in single precision, without gradients of its weights."""
    return module.float().eval().requires_grad_(False)


def weights_sha(module: nn.Module, architecture: str) -> str:
    """Hash a network's architecture and weights (SHA-256, hexadecimal)."""
    digest = hashlib.sha256(architecture.encode())
    for name, weight in sorted(module.state_dict().items()):
        digest.update(f"{name}{weight.dtype}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
