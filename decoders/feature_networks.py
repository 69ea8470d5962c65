"""Networks in whose features the published protocols compare pictures; local weights only.

Nothing is ever downloaded: a network whose weights are not on this machine is `None`, with a
sentence that says where to put them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from huggingface_hub import try_to_load_from_cache
from PIL import Image
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from calcarine.data.digests import file_sha
from calcarine.data.errors import CalcarineError
from calcarine.decoders.picture_metrics import Pictures, at_size, mindeye_base, resize_float
from calcarine.encoders.torch_files import read_torch_weights

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_CLIP_FILE = ("timm/vit_large_patch14_clip_224.openai", "open_clip_model.safetensors")


@dataclass(frozen=True)
class Architecture:
    """A network and where its weights are published.

    Attributes
    ----------
    build
        Makes the network and fills it from a local file.
    file
        Name of the weights in torch's checkpoint folder.
    statistics
        Mean and standard deviation of each channel.
    """

    build: Callable[[Path], nn.Module]
    file: str
    statistics: tuple[tuple[float, ...], tuple[float, ...]] = _IMAGENET


@dataclass(frozen=True)
class NetworkUse:
    """How a protocol uses a network.

    Attributes
    ----------
    architecture
        Name in `ARCHITECTURES`.
    size
        Pictures are resized to so many pixels.
    nodes
        Layer that each metric compares; "" is the network's output.
    """

    architecture: str
    size: int
    nodes: dict[str, str]


def _state(path: Path) -> dict[str, torch.Tensor]:
    state = read_torch_weights(path)
    weights: dict[str, torch.Tensor] = state.get("state_dict", state)
    return weights


def _filled(make: Callable[[], nn.Module]) -> Callable[[Path], nn.Module]:
    def build(path: Path) -> nn.Module:
        network = make()
        network.load_state_dict(_state(path))
        return network

    return build


def _swav(path: Path) -> nn.Module:
    state = {name.removeprefix("module."): value for name, value in _state(path).items()}
    network = models.resnet50(weights=None)
    # SwAV's projection head has no place in a ResNet, and its classifier is not used
    own = {name: value for name, value in state.items() if name in network.state_dict()}
    missing = network.load_state_dict(own, strict=False).missing_keys
    if set(missing) - {"fc.weight", "fc.bias"}:
        raise CalcarineError(f"{path} is no SwAV ResNet-50: it lacks {sorted(missing)[:3]}.")
    return network


def _clip(path: Path) -> nn.Module:
    return open_clip.create_model("ViT-L-14-quickgelu", pretrained=str(path)).visual


ARCHITECTURES: dict[str, Architecture] = {
    "alexnet": Architecture(
        _filled(lambda: models.alexnet(weights=None)), "alexnet-owt-7be5be79.pth"
    ),
    "inception-v3": Architecture(
        # torchvision sets transform_input wherever it loads published weights
        _filled(
            lambda: models.inception_v3(weights=None, transform_input=True, init_weights=False)
        ),
        "inception_v3_google-0cc3c7bd.pth",
    ),
    "clip-vit-l-14": Architecture(_clip, _CLIP_FILE[1], _CLIP),
    "efficientnet-b1-v1": Architecture(
        _filled(lambda: models.efficientnet_b1(weights=None)),
        "efficientnet_b1_rwightman-bac287d4.pth",
    ),
    "efficientnet-b1-v2": Architecture(
        _filled(lambda: models.efficientnet_b1(weights=None)), "efficientnet_b1-c27df63c.pth"
    ),
    "swav-resnet50": Architecture(_swav, "swav_800ep_pretrain.pth.tar"),
}

_ALEXNET = {
    "two_way_identification_alexnet_2": "features.4",
    "two_way_identification_alexnet_5": "features.11",
}
NETWORK_USES: dict[str, tuple[NetworkUse, ...]] = {
    "phantom": (),
    "mindeye": (
        NetworkUse("alexnet", 256, _ALEXNET),
        NetworkUse("inception-v3", 342, {"two_way_identification_inception": "avgpool"}),
        NetworkUse("clip-vit-l-14", 224, {"two_way_identification_clip": ""}),
        NetworkUse("efficientnet-b1-v2", 255, {"correlation_distance_effnet_b1": "avgpool"}),
        NetworkUse("swav-resnet50", 224, {"correlation_distance_swav": "avgpool"}),
    ),
    "brain-diffuser": (
        NetworkUse("alexnet", 224, _ALEXNET),
        NetworkUse("inception-v3", 224, {"two_way_identification_inception": "avgpool"}),
        NetworkUse("clip-vit-l-14", 224, {"two_way_identification_clip": ""}),
        NetworkUse("efficientnet-b1-v1", 224, {"correlation_distance_effnet_b1": "avgpool"}),
        NetworkUse("swav-resnet50", 224, {"correlation_distance_swav": "avgpool"}),
    ),
}


def weights_path(architecture: str) -> Path | None:
    """Find a network's weights on this machine; None where they are not."""
    if architecture == "clip-vit-l-14":
        found = try_to_load_from_cache(*_CLIP_FILE)
        return Path(found) if isinstance(found, str) else None
    path = Path(torch.hub.get_dir()) / "checkpoints" / ARCHITECTURES[architecture].file
    return path if path.is_file() else None


def not_found(architecture: str) -> str:
    """Say that a network's weights are missing and where they belong."""
    if architecture == "clip-vit-l-14":
        place = f"into the Hugging Face cache: `hf download {' '.join(_CLIP_FILE)}`"
    else:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        # the home folder's name is nobody's business in a report
        shown = str(folder).replace(str(Path.home()), "~")
        place = f"at {shown}/{ARCHITECTURES[architecture].file}"
    return f"not computed: weights of {architecture} not found (put them {place})"


class FeatureNetwork:
    """Features of pictures as one protocol computes them.

    Parameters
    ----------
    use
        Network, size and layers.
    protocol
        `mindeye` resizes a float picture of 256 × 256, `brain-diffuser` the 8-bit original.
    path
        Local weights.

    Attributes
    ----------
    sha
        First 12 digits of the SHA-256 of the weights' file; scores carry it.
    """

    def __init__(self, use: NetworkUse, protocol: str, path: Path) -> None:
        self.use = use
        self.protocol = protocol
        self.sha = file_sha(path)[:12]
        network = ARCHITECTURES[use.architecture].build(path).eval().requires_grad_(False)
        nodes = [node for node in use.nodes.values() if node]
        self._network = create_feature_extractor(network, nodes) if nodes else network

    def prepare(self, pictures: Pictures) -> torch.Tensor:
        """Resize and normalise: uint8 pictures to float (n, 3, size, size)."""
        size = self.use.size
        if self.protocol == "mindeye":
            shares = resize_float(mindeye_base(pictures), size)
        else:
            resized = at_size(pictures, size, size, Image.Resampling.BILINEAR)
            shares = resized.astype(np.float32) / 255
        mean, std = np.array(ARCHITECTURES[self.use.architecture].statistics, dtype=np.float32)
        normal = (shares - mean) / std
        return torch.from_numpy(normal.transpose(0, 3, 1, 2).copy())

    @torch.inference_mode()
    def features(self, pictures: Pictures, batch_size: int = 16) -> dict[str, np.ndarray]:
        """Compute the features that each metric compares.

        Parameters
        ----------
        pictures
            uint8, each of shape (height, width, 3).
        batch_size
            Pictures at a time.

        Returns
        -------
        dict
            float32 (n, n_features) by metric.
        """
        parts: dict[str, list[np.ndarray]] = {metric: [] for metric in self.use.nodes}
        for start in range(0, len(pictures), batch_size):
            output = self._network(self.prepare(pictures[start : start + batch_size]))
            for metric, node in self.use.nodes.items():
                layer = output[node] if node else output
                parts[metric].append(layer.float().flatten(1).numpy())
        return {metric: np.concatenate(rows) for metric, rows in parts.items()}
