"""The evaluation transform of a network: written out, hashed, and proved free of chance."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from calcarine.data.errors import CalcarineError

Transform = Callable[[Image.Image], torch.Tensor]

# A list of what is allowed, not of what is forbidden: a step that nobody has looked at may draw
# random numbers under any name.
DETERMINISTIC_STEPS = frozenset(
    {
        "CenterCrop",
        "CenterCropOrPad",
        "MaybeConvertMode",
        "MaybePILToTensor",
        "MaybeToTensor",
        "Normalize",
        "PILToTensor",
        "Resize",
        "ResizeKeepRatio",
        "ToTensor",
        "_convert_to_rgb",
    }
)


def transform_text(transform: Transform) -> str:
    """Write a transform out, one line a step, the same text for the same transform.

    Parameters
    ----------
    transform
        A torchvision `Compose` (or one step) from picture to float tensor (3, height, width).

    Returns
    -------
    str
        Names and settings of the steps, separated by `; `.

    Raises
    ------
    CalcarineError
        A step is random or unknown: the picture would have another embedding each time.

    Examples
    --------
    >>> transform_text(transforms.Compose([transforms.CenterCrop(8), transforms.ToTensor()]))
    'CenterCrop(size=(8, 8)); ToTensor()'
    """
    return "; ".join(_step_text(step) for step in _steps(transform))


def _steps(transform: Any) -> Iterator[Any]:
    if isinstance(transform, transforms.Compose):
        for step in transform.transforms:
            yield from _steps(step)
    else:
        yield transform


def _step_text(step: Any) -> str:
    name = getattr(step, "__name__", type(step).__name__)
    chances = [getattr(step, f"random_{what}_prob", 0.0) for what in ("scale", "aspect")]
    if name not in DETERMINISTIC_STEPS or any(chances):
        raise CalcarineError(
            f"the transform has the step {step!r}, which is random or unknown; an embedding needs "
            f"the network's evaluation transform, made of {sorted(DETERMINISTIC_STEPS)}. "
            "Take the second transform that open_clip gives (`preprocess_val`), or timm's with "
            "`is_training=False`."
        )
    if name == "Normalize":
        # its own text rounds to four digits; nine tell all numbers in single precision apart
        mean, std = ([f"{np.float32(v):.9g}" for v in values] for values in (step.mean, step.std))
        return f"Normalize(mean=[{', '.join(mean)}], std=[{', '.join(std)}])"
    return name if callable(step) and hasattr(step, "__name__") else repr(step)
