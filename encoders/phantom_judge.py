"""A tiny self-distilled network that judges pictures: it knows neither labels nor CLIP."""

import copy
from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from calcarine.data.phantom.scenes import IMAGE_SIZE, sample_scenes
from calcarine.data.seeds import derive_seed
from calcarine.encoders.phantom_training import Trainer, scene_pictures

ARCHITECTURE = "resnet10t"
MODEL_ARGS: dict[str, Any] = {
    "stem_width": 16,
    "channels": [24, 48, 96, 160],
    "global_pool": "catavgmax",
}
EMBED_DIM = 320
MEAN, STD = 0.45, 0.25
N_STEPS = 600
N_SCENES = 16_000
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
TEACHER_MOMENTUM = 0.99
TEMPERATURE = 0.2
_PROJECTION_DIM = 128


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Scale uint8 pictures ``(n, 3, 64, 64)`` as the evaluation transform does."""
    return (pictures.float() / 255 - MEAN) / STD


def build_judge(seed: int) -> nn.Module:
    """Make the untrained network, which turns pictures into ``(n, 320)``."""
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model(ARCHITECTURE, num_classes=0, **MODEL_ARGS)
    return network


def judge_config() -> dict[str, Any]:
    """Give `config.json` of the folder that `timm.create_model("local-dir:PATH")` reads."""
    return {
        "architecture": ARCHITECTURE,
        "num_classes": 0,
        "num_features": EMBED_DIM,
        "model_args": MODEL_ARGS,
        "pretrained_cfg": {
            "num_classes": 0,
            "input_size": [3, IMAGE_SIZE, IMAGE_SIZE],
            "fixed_input_size": False,
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "license": "apache-2.0",
        },
    }


def salient_box(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find what differs from the picture's rim, by its pixels alone.

    Parameters
    ----------
    pictures
        Normalised, ``(n, 3, 64, 64)``.

    Returns
    -------
    tuple of torch.Tensor
        Centre ``(n, 2)``, x and y from -1 to 1, and half the longer side ``(n,)`` of the box; the
        whole picture where nothing differs.
    """
    rim = torch.cat([pictures[:, :, 0], pictures[:, :, -1]], dim=2)
    differs = (pictures - rim.median(dim=2).values[:, :, None, None]).abs().amax(dim=1) > 0.6
    place = torch.linspace(-1, 1, pictures.shape[-1])
    sides = []
    for along in (differs.any(dim=1), differs.any(dim=2)):
        low = torch.where(along, place, 1.0).amin(dim=1)
        high = torch.where(along, place, -1.0).amax(dim=1)
        sides.append(torch.stack([low, high], dim=1))
    box = torch.stack(sides, dim=1)
    box[~differs.flatten(1).any(dim=1)] = torch.tensor([-1.0, 1.0])
    return box.mean(dim=2), (box[:, :, 1] - box[:, :, 0]).amax(dim=1) / 2


def augment(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Make a view of each picture: a crop, pixel noise and a smooth light field; colours stay.

    The first half of the pictures is cropped mildly, so that position and background tell views
    apart. The other half is cropped to what differs from the rim, so that shape and colour must.
    The light field hides each scene's own texture.

    Parameters
    ----------
    pictures
        Normalised, ``(n, 3, 64, 64)``.
    generator
        Of the view.
    """
    n, n_mild = len(pictures), len(pictures) // 2
    zoom = 0.8 + 0.2 * torch.rand(n, generator=generator)
    shift = (torch.rand(n, 2, generator=generator) * 2 - 1) * (1 - zoom)[:, None]
    centre, half_side = salient_box(pictures[n_mild:])
    loose = half_side * (1.1 + 0.4 * torch.rand(n - n_mild, generator=generator))
    wobble = torch.rand(n - n_mild, 2, generator=generator) * 2 - 1
    zoom[n_mild:] = loose
    shift[n_mild:] = centre + wobble * (loose - half_side)[:, None]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, list(pictures.shape), align_corners=False)
    views = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    field = torch.randn(n, 1, 6, 6, generator=generator) * 0.1
    light = functional.interpolate(field, size=views.shape[-2:], mode="bicubic")
    noise = torch.randn(views.shape, generator=generator) * 0.1
    return views + light + noise


def _mlp(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, n_hidden),
        nn.BatchNorm1d(n_hidden),
        nn.ReLU(inplace=True),
        nn.Linear(n_hidden, n_out),
    )


class SelfDistillation(nn.Module):
    """Teach a student to predict what a slowly moving average of itself sees in another view.

    The prediction has to be nearer that view than the views of other pictures: MoCo v3, Chen, Xie
    and He 2021, arXiv:2104.02057.
    """

    def __init__(self, backbone: nn.Module, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.student = nn.Sequential(backbone, _mlp(EMBED_DIM, 256, _PROJECTION_DIM))
        self.predictor = _mlp(_PROJECTION_DIM, 256, _PROJECTION_DIM)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Give the loss of two views ``(n, 3, 64, 64)``, averaged over both directions."""
        n = len(first)
        both = torch.cat([first, second])
        predicted = functional.normalize(self.predictor(self.student(both)).float(), dim=1)
        with torch.no_grad():
            seen = functional.normalize(self.teacher(both).float(), dim=1)
        own = torch.arange(n)
        forth = functional.cross_entropy(predicted[:n] @ seen[n:].T / TEMPERATURE, own)
        back = functional.cross_entropy(predicted[n:] @ seen[:n].T / TEMPERATURE, own)
        return (forth + back) / 2

    @torch.no_grad()
    def move_teacher(self) -> None:
        """Move the teacher a little towards the student."""
        pairs = zip(self.teacher.parameters(), self.student.parameters(), strict=True)
        for teacher, student in pairs:
            teacher.lerp_(student, 1 - TEACHER_MOMENTUM)


def judge_trainer(
    seed: int, n_steps: int = N_STEPS, n_scenes: int = N_SCENES, batch_size: int = BATCH_SIZE
) -> Trainer:
    """Set the training of the judge up; its scenes are not those of the CLIP.

    Returns
    -------
    Trainer
        Its network is a `SelfDistillation`; `network.teacher[0]` is the judge.
    """
    scenes = sample_scenes(n_scenes, derive_seed(seed, "judge", "scenes"))
    pictures = scene_pictures(scenes)
    weights = derive_seed(seed, "judge", "weights")
    network = SelfDistillation(build_judge(weights), weights)

    def loss(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(n_scenes, (batch_size,), generator=generator)
        batch = normalise(pictures[rows])
        views = augment(batch, generator), augment(batch, generator)
        with torch.autocast("cpu", torch.bfloat16):
            distilled: torch.Tensor = network(*views)
        return distilled

    return Trainer(
        network,
        loss,
        n_steps,
        LEARNING_RATE,
        derive_seed(seed, "judge"),
        weight_decay=1e-3,
        after_step=lambda step: network.move_teacher(),
    )


@torch.inference_mode()
def embed_pictures(judge: nn.Module, pictures: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Embed uint8 pictures ``(n, 3, 64, 64)``, float32 ``(n, 320)``."""
    judge.eval()
    return torch.cat([judge(normalise(p)) for p in pictures.split(batch_size)])
