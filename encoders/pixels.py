"""Pixels as an embedding, for encoders that learn from the picture itself."""

import torch
from torch import nn
from torchvision import transforms

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork


def load_pixels(identifier: str) -> PictureNetwork:
    """Make the network that passes pixels on.

    A row is channels × height × width laid end to end, −1 to 1; `row_shape` of the sidecar gives
    the shape back.

    Parameters
    ----------
    identifier
        Side in pixels, to which the picture's shorter side is brought; the middle is taken.

    Raises
    ------
    CalcarineError
        It is no number from 8 to 512.
    """
    if not identifier.isdecimal() or not 8 <= int(identifier) <= 512:
        raise CalcarineError(
            f"pixels:{identifier} names no size; write pixels:SIZE with a side from 8 to 512, for "
            "instance pixels:64."
        )
    size = int(identifier)
    steps = [
        transforms.Resize(size),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ]

    def flat(batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1)

    return PictureNetwork(
        module=nn.Identity(),
        transform=transforms.Compose(steps),
        pooled=flat,
        architecture=f"pixels:{size}",
        latent_shape=(3, size, size),
    )
