"""The phantom's trained networks: where they are shipped, and how they are loaded."""

from pathlib import Path

import open_clip
import timm
from diffusers import AutoencoderKL
from torch import nn

from calcarine.decoders import phantom_prefix, phantom_unclip
from calcarine.encoders import phantom_clip, phantom_judge
from calcarine.encoders.factor_probes import FactorProbe, read_probes

WEIGHTS = {
    "clip": Path(phantom_clip.__file__).parent / "weights" / "phantom-clip",
    "judge": Path(phantom_judge.__file__).parent / "weights" / "phantom-judge",
    "prefix": Path(phantom_prefix.__file__).parent / "weights" / "phantom-prefix",
    "unclip": Path(phantom_unclip.__file__).parent / "weights" / "phantom-unclip",
}
"""Where the shipped folders are."""


def load_clip(folder: Path) -> nn.Module:
    """Load a tiny CLIP through open_clip's own door."""
    network: nn.Module = open_clip.create_model(f"local-dir:{folder}")
    return network.eval()


def load_judge(folder: Path) -> tuple[nn.Module, dict[str, FactorProbe]]:
    """Load a judge through timm's own door, and its probes."""
    network: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return network.eval(), read_probes(folder)


def load_autoencoder(folder: Path) -> AutoencoderKL:
    """Load the autoencoder of a generator's folder, in single precision."""
    autoencoder: AutoencoderKL = AutoencoderKL.from_pretrained(folder / "vae")
    return autoencoder.float().eval()
