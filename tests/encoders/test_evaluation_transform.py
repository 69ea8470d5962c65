import open_clip
import pytest
import timm
import torch
from torchvision import transforms

from calcarine.data.errors import CalcarineError
from calcarine.encoders.evaluation_transform import transform_text


def normalised(mean) -> transforms.Compose:
    return transforms.Compose(
        [transforms.Resize(8), transforms.ToTensor(), transforms.Normalize(mean, [0.5] * 3)]
    )


def test_same_transform_has_the_same_text():
    assert transform_text(normalised([0.1, 0.2, 0.3])) == transform_text(
        normalised(torch.tensor([0.1, 0.2, 0.3]))
    )


def test_a_change_in_the_seventh_digit_shows():
    assert transform_text(normalised([0.48145466] * 3)) != transform_text(
        normalised([0.48145496] * 3)
    )


@pytest.mark.parametrize(
    "transform",
    [
        open_clip.image_transform(32, is_train=False, resize_mode=mode)
        for mode in ("shortest", "longest", "squash")
    ]
    + [timm.data.create_transform(input_size=32, is_training=False, crop_pct=0.9)],
)
def test_evaluation_transforms_are_written_out_without_addresses(transform):
    assert " at 0x" not in transform_text(transform)


@pytest.mark.parametrize(
    "transform",
    [
        open_clip.image_transform(32, is_train=True),
        timm.data.create_transform(input_size=32, is_training=True),
        transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()]),
        transforms.Compose([normalised([0.1, 0.2, 0.3]), transforms.ColorJitter(0.1)]),
    ],
)
def test_training_transforms_are_refused(transform):
    with pytest.raises(CalcarineError, match="random or unknown"):
        transform_text(transform)


def test_a_kept_ratio_that_is_jittered_is_refused():
    from open_clip.transform import ResizeKeepRatio

    with pytest.raises(CalcarineError, match="random or unknown"):
        transform_text(ResizeKeepRatio(32, random_scale_prob=0.5))
