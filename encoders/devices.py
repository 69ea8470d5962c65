"""Where networks run."""

import torch


def default_device() -> torch.device:
    """Choose a GPU where torch sees one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
