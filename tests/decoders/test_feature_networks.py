import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models, transforms

from calcarine.decoders import feature_networks
from calcarine.decoders.feature_networks import (
    ARCHITECTURES,
    NETWORK_USES,
    FeatureNetwork,
    not_found,
    weights_path,
)
from calcarine.decoders.picture_views import network_views

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """Give an empty folder of torch's checkpoints, and an empty Hugging Face cache."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(
        feature_networks, "_CLIP_FILE", ("nobody/has-this-model", "open_clip_model.safetensors")
    )
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def efficientnet(checkpoints):
    torch.manual_seed(0)
    network = models.efficientnet_b1(weights=None).eval()
    for version in ("v1", "v2"):
        file = ARCHITECTURES[f"efficientnet-b1-{version}"].file
        torch.save(network.state_dict(), checkpoints / file)
    return network


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, size=(2, 60, 60, 3), dtype=np.uint8)


def _use(protocol: str, architecture: str):
    return next(u for u in NETWORK_USES[protocol] if u.architecture == architecture)


@torch.no_grad()
def _pooled(network, batch) -> np.ndarray:
    return network.avgpool(network.features(batch)).flatten(1).numpy()


def test_mindeye_features_by_hand(efficientnet, pictures):
    steps = transforms.Compose(
        [
            transforms.Resize((256, 256)),
            transforms.Resize(255, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.Normalize(MEAN, STD),
        ]
    )
    shares = torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)
    use = _use("mindeye", "efficientnet-b1-v2")
    ours = FeatureNetwork(use, "mindeye", weights_path("efficientnet-b1-v2")).features(pictures)
    np.testing.assert_allclose(
        ours["correlation_distance_effnet_b1"], _pooled(efficientnet, steps(shares)), atol=1e-5
    )


def test_brain_diffuser_features_by_hand(efficientnet, pictures):
    steps = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )
    batch = torch.stack([steps(Image.fromarray(p)) for p in pictures])
    use = _use("brain-diffuser", "efficientnet-b1-v1")
    network = FeatureNetwork(use, "brain-diffuser", weights_path("efficientnet-b1-v1"))
    np.testing.assert_allclose(
        network.features(pictures, batch_size=1)["correlation_distance_effnet_b1"],
        _pooled(efficientnet, batch),
        atol=1e-5,
    )


def _layers_by_hand(architecture: str, network, batch) -> dict[str, np.ndarray]:
    with torch.no_grad():
        if architecture == "alexnet":
            early, late = network.features[:5](batch), network.features[:12](batch)
            found = {
                "two_way_identification_alexnet_2": early,
                "two_way_identification_alexnet_5": late,
            }
        elif architecture == "inception-v3":
            pooled = {}
            network.avgpool.register_forward_hook(lambda _, __, out: pooled.update(out=out))
            network(batch)
            found = {"two_way_identification_inception": pooled["out"]}
        else:
            stem = network.maxpool(network.relu(network.bn1(network.conv1(batch))))
            last = network.layer4(network.layer3(network.layer2(network.layer1(stem))))
            found = {"correlation_distance_swav": network.avgpool(last)}
    return {name: value.flatten(1).numpy() for name, value in found.items()}


@pytest.mark.parametrize(
    ("architecture", "make", "prefix"),
    [
        ("alexnet", models.alexnet, ""),
        ("inception-v3", models.inception_v3, ""),
        ("swav-resnet50", models.resnet50, "module."),  # SwAV was trained on several devices
    ],
)
def test_layers_of_each_network_by_hand(checkpoints, pictures, architecture, make, prefix):
    torch.manual_seed(1)
    extra = {}
    if architecture == "inception-v3":  # its own initial weights take seconds to draw
        extra = {"transform_input": True, "init_weights": False}
    network = make(weights=None, **extra).eval()
    state = {f"{prefix}{name}": value for name, value in network.state_dict().items()}
    if prefix:  # its projection head, and no classifier
        state = {n: v for n, v in state.items() if not n.startswith("module.fc")}
        state["module.projection_head.0.weight"] = torch.zeros(4, 4)
    torch.save(state, checkpoints / ARCHITECTURES[architecture].file)
    use = _use("mindeye", architecture)
    ours = FeatureNetwork(use, "mindeye", weights_path(architecture)).features(pictures)
    shares = torch.from_numpy(pictures.astype(np.float32) / 255).permute(0, 3, 1, 2)
    steps = transforms.Compose(
        [
            transforms.Resize((256, 256)),
            transforms.Resize(use.size, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.Normalize(MEAN, STD),
        ]
    )
    expected = _layers_by_hand(architecture, network, steps(shares))
    assert set(ours) == set(use.nodes) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-5 * np.abs(value).max())


@pytest.mark.parametrize("protocol", ["mindeye", "brain-diffuser"])
def test_missing_weights_are_said_and_not_fetched(checkpoints, protocol):
    views = list(network_views(protocol))
    assert len(views) == 5
    assert {m for v in views for m in v.metrics} == {
        "two_way_identification_alexnet_2",
        "two_way_identification_alexnet_5",
        "two_way_identification_inception",
        "two_way_identification_clip",
        "correlation_distance_effnet_b1",
        "correlation_distance_swav",
    }
    for view in views:
        assert view.represent is None
        assert view.note.startswith(f"not computed: weights of {view.target} not found (put them")
    assert "alexnet-owt-7be5be79.pth" in not_found("alexnet")
    assert "hf download nobody/has-this-model" in not_found("clip-vit-l-14")


def test_scores_carry_the_hash_of_the_weights(efficientnet, pictures):
    view = next(v for v in network_views("mindeye") if v.represent is not None)
    name, sha = view.target.split("@")
    assert name == "efficientnet-b1-v2"
    assert len(sha) == 12
    features = view.represent(pictures)
    found = view.compare(features, features)["correlation_distance_effnet_b1"]
    np.testing.assert_allclose(found.values, 0, atol=1e-12)


def test_the_two_presets_differ_where_the_field_says_so():
    sizes = {p: [u.size for u in NETWORK_USES[p]] for p in ("mindeye", "brain-diffuser")}
    assert sizes["mindeye"] == [256, 342, 224, 255, 224]
    assert sizes["brain-diffuser"] == [224] * 5
    assert not NETWORK_USES["phantom"]
