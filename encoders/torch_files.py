"""Weights that torch has saved, read without running anything in them."""

from pathlib import Path
from typing import Any

import torch

from calcarine.data.errors import CalcarineError


def read_torch_weights(path: Path) -> dict[str, Any]:
    """Read tensors by name.

    The file may be a pickle of plain tensors, as published weights are; whatever else it names is
    refused by torch before it is made.

    Raises
    ------
    CalcarineError
        The file is absent, damaged, or holds something other than tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch passes on whatever its unpickler raises
        text = " ".join(str(error).split())[:200]
        raise CalcarineError(
            f"{path} holds no weights that can be read safely ({type(error).__name__}: {text}). "
            "Expected tensors by name, as torch.save writes a state_dict."
        ) from error
    if not isinstance(state, dict):
        raise CalcarineError(f"{path} holds {type(state).__name__}; expected tensors by name.")
    return state
