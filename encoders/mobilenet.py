"""MobileNet v1 and v2 (Howard et al. 2017, arXiv:1704.04861), rebuilt from 8-bit weights.

The `.npz` holds the operations of a TensorFlow Lite file (`graph_json`) and its weights as stored;
they are dequantised and run in single precision by torch.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchvision import transforms

from calcarine.data.errors import CalcarineError
from calcarine.encoders.picture_network import PictureNetwork, frozen
from calcarine.encoders.public_weights import loading

UINT8_MAX = 255


class QuantisedTensor:
    """Shape and quantisation of one tensor of the graph."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.shape = tuple(record["shape"])
        self.scale = np.asarray(record["scale"], dtype=np.float64)
        self.zero_point = np.asarray(record["zero_point"], dtype=np.float64)
        self.axis = record["axis"]

    def dequantise(self, stored: np.ndarray) -> torch.Tensor:
        """Compute (stored − zero point) × scale, with one scale or one a channel."""
        along = [1] * stored.ndim
        along[self.axis] = -1
        zero, scale = self.zero_point.reshape(along), self.scale.reshape(along)
        return torch.from_numpy(((stored - zero) * scale).astype(np.float32))

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value that the stored byte can mean; this is the ReLU6."""
        scale, zero = float(self.scale[0]), float(self.zero_point[0])
        return (0 - zero) * scale, (UINT8_MAX - zero) * scale


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pad as TensorFlow's SAME does: the odd pixel goes to the end."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Convolution(nn.Module):
    """A convolution whose output is clamped to its quantised range.

    Parameters
    ----------
    weight
        Shape (n_out, n_in / groups, height, width).
    bias
        Shape (n_out,).
    stride, groups
        As in torch.
    limits
        Clamp of the output.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        stride: int,
        groups: int,
        limits: tuple[float, float],
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.groups, self.limits = stride, groups, limits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        top, bottom = _same_padding(x.shape[2], self.weight.shape[2], self.stride)
        left, right = _same_padding(x.shape[3], self.weight.shape[3], self.stride)
        padded = functional.pad(x, (left, right, top, bottom))
        out = functional.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)
        return out.clamp(*self.limits)


class Addition(nn.Module):
    """A residual sum, clamped to its quantised range."""

    def __init__(self, limits: tuple[float, float]) -> None:
        super().__init__()
        self.limits = limits

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Add two feature maps."""
        return (x + y).clamp(*self.limits)


class MobileNet(nn.Module):
    """The graph of a TensorFlow Lite MobileNet.

    Its layers are called `pool`, `softmax`, `flatten`, and `conv0`, `depthwise1`, `add9` … by
    the number of the operation.

    Parameters
    ----------
    graph
        What `graph_json` holds: `input output graph tensors`.
    stored
        Weights as stored, by the number of the tensor.
    """

    def __init__(self, graph: dict[str, Any], stored: dict[int, np.ndarray]) -> None:
        super().__init__()
        tensors = {int(i): QuantisedTensor(r) for i, r in graph["tensors"].items()}
        self.input_size: tuple[int, int] = tensors[graph["input"]].shape[1:3]
        self.input: int = graph["input"]
        self.steps: list[tuple[str, list[int], int]] = []
        for number, operation in enumerate(graph["graph"]):
            name, module = _layer(number, operation, tensors, stored)
            self.add_module(name, module)
            inputs = [i for i in operation["inputs"] if i not in stored]
            self.steps.append((name, inputs, operation["outputs"][0]))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map pictures in [−1, 1], shape (n, 3, height, width), to the graph's output."""
        return self.run_to(self.steps[-1][0], pictures)

    def run_to(self, last: str, pictures: torch.Tensor) -> torch.Tensor:
        """Run up to the layer `last` and return its output."""
        values = {self.input: pictures}
        for name, inputs, output in self.steps:
            values[output] = self.get_submodule(name)(*(values[i] for i in inputs))
            if name == last:
                break
        return values[output]


def _layer(
    number: int,
    operation: dict[str, Any],
    tensors: dict[int, QuantisedTensor],
    stored: dict[int, np.ndarray],
) -> tuple[str, nn.Module]:
    kind, inputs, (output, *_) = operation["op"], operation["inputs"], operation["outputs"]
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        depthwise = kind == "DEPTHWISE_CONV_2D"
        weight, bias = (tensors[i].dequantise(stored[i]) for i in inputs[1:])
        # stored as (n_out, h, w, n_in), depthwise as (1, h, w, n_out)
        weight = weight.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)).contiguous()
        stride = math.ceil(tensors[inputs[0]].shape[1] / tensors[output].shape[1])
        groups = len(weight) if depthwise else 1
        layer = Convolution(weight, bias, stride, groups, tensors[output].limits)
        return f"{'depthwise' if depthwise else 'conv'}{number}", layer
    if kind == "ADD":
        return f"add{number}", Addition(tensors[output].limits)
    simple: dict[str, tuple[str, nn.Module]] = {
        "AVERAGE_POOL_2D": ("pool", nn.AdaptiveAvgPool2d(1)),
        "RESHAPE": ("flatten", nn.Flatten()),
        "SOFTMAX": ("softmax", nn.Softmax(dim=1)),
    }
    if kind not in simple:
        known = ["CONV_2D", "DEPTHWISE_CONV_2D", "ADD", *simple]
        raise CalcarineError(f"operation {number} is {kind!r}; MobileNets are made of {known}.")
    return simple[kind]


def load_mobilenet(identifier: str) -> PictureNetwork:
    """Load a MobileNet from a `.npz` of dequantisable weights.

    The network's own output is the average pool (1024 numbers for v1, 1280 for v2), also where a
    classifier follows; class probabilities are the layer `softmax`.

    Parameters
    ----------
    identifier
        Path of the file.

    Raises
    ------
    CalcarineError
        The file is not there or holds something else.
    """
    path = Path(identifier).expanduser()
    with (
        loading(f"mobilenet:{identifier}", "Expected a .npz with `graph_json` and arrays `t<i>`."),
        np.load(path, allow_pickle=False) as file,
    ):
        text = bytes(file["graph_json"]).decode()
        stored = {int(key[1:]): file[key] for key in file.files if key != "graph_json"}
        module = MobileNet(json.loads(text), stored)
    model = frozen(module)
    # (v − 128) / 128 of bytes, written for values in [0, 1]
    middle = [128 / UINT8_MAX] * 3
    transform = transforms.Compose(
        [
            transforms.Resize(module.input_size),
            transforms.ToTensor(),
            transforms.Normalize(middle, middle),
        ]
    )

    layers = [name for name, _, _ in module.steps]
    before_pool = layers[layers.index("pool") - 1]
    return PictureNetwork(
        module=model,
        transform=transform,
        pooled=lambda pictures: module.run_to("pool", pictures).flatten(1),
        tokens=lambda pictures: module.run_to(before_pool, pictures),
        whole=module.forward,
        architecture=text,
    )
