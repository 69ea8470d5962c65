import dataclasses
import json
import shutil

import numpy as np
import open_clip
import pytest
import timm
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file, save_file

from calcarine.data.errors import CalcarineError
from calcarine.encoders.embedding_models import FAMILIES, EmbeddingModel, load_embedding_model

# attention takes another path in torch where weights need no gradient: single-precision rounding
CLOSE = {"rtol": 1e-5, "atol": 3e-6}


@pytest.fixture
def pictures(rng) -> list[Image.Image]:
    sizes = [(40, 56, 3), (64, 33, 3), (32, 32, 3), (90, 50, 3), (35, 70, 3)]
    return [Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)) for size in sizes]


def timm_folder(path, architecture, **settings):
    torch.manual_seed(5)
    model = timm.create_model(architecture, **settings).eval()
    timm.models.save_for_hf(model, path, model_args=settings, safe_serialization=True)
    return path, model


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    settings = {"img_size": 32, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 0}
    return timm_folder(tmp_path_factory.mktemp("vit"), "vit_tiny_patch16_224", **settings)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return timm_folder(tmp_path_factory.mktemp("resnet"), "test_resnet", num_classes=7)


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    torch.manual_seed(7)
    model = AutoencoderKL(
        block_out_channels=(4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=2,
        latent_channels=3,
        sample_size=32,
        scaling_factor=0.4,
    )
    folder = tmp_path_factory.mktemp("pipeline")
    model.save_pretrained(folder / "vae")
    return folder, model.eval()


# --- oracles: the libraries themselves ------------------------------------------------------


def test_clip_equals_open_clip(tiny_clip_folder, pictures):
    name = f"local-dir:{tiny_clip_folder}"
    direct, _, transform = open_clip.create_model_and_transforms(name)
    direct.eval()
    words = ["a red house at the left", "two faces"]
    with torch.no_grad():
        seen = direct.encode_image(torch.stack([transform(p) for p in pictures])).numpy()
        read = direct.encode_text(open_clip.get_tokenizer(name)(words)).numpy()
    model = load_embedding_model(name)
    assert model.row_shape == (20,)
    np.testing.assert_allclose(model.embed_pictures(pictures), seen, **CLOSE)
    np.testing.assert_allclose(model.embed_texts(words), read, **CLOSE)
    assert model.embed_pictures(pictures).dtype == np.float32


def test_clip_tokens_are_what_its_own_pooling_takes(tiny_clip_folder, pictures):
    name = f"local-dir:{tiny_clip_folder}"
    tokens = load_embedding_model(name, pooling="tokens")
    out = tokens.embed_pictures(pictures)
    assert out.shape == (5, 1 + 4 * 4, 24)
    projection = tokens.network.module.visual.proj.cpu().numpy()
    pooled = load_embedding_model(name).embed_pictures(pictures)
    np.testing.assert_allclose(out[:, 0] @ projection, pooled, **CLOSE)
    mean = load_embedding_model(name, pooling="mean").embed_pictures(pictures)
    np.testing.assert_allclose(mean, out[:, 1:].mean(axis=1), **CLOSE)


def test_clip_with_a_timm_tower(tmp_path, pictures):
    tower = {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear"}
    text = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    settings = {"embed_dim": 12, "vision_cfg": {**tower, "image_size": 32}, "text_cfg": text}
    torch.manual_seed(8)
    direct = open_clip.CustomTextCLIP(**settings).eval()
    save_file(direct.state_dict(), tmp_path / "open_clip_model.safetensors")
    config = {"model_cfg": {**settings, "custom_text": True}, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))

    model = load_embedding_model(f"local-dir:{tmp_path}")
    batch = torch.stack([model.transform(p) for p in pictures])
    with torch.no_grad():
        pooled = direct.encode_image(batch).numpy()
        tokens = direct.visual.trunk.forward_features(batch).numpy()
    np.testing.assert_allclose(model.embed_pictures(pictures), pooled, **CLOSE)
    mean = load_embedding_model(f"local-dir:{tmp_path}", pooling="mean").embed_pictures(pictures)
    np.testing.assert_allclose(mean, tokens[:, 1:].mean(axis=1), **CLOSE)


def test_timm_equals_timm(vit, pictures):
    folder, _ = vit
    direct = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    settings = timm.data.resolve_model_data_config(direct)
    transform = timm.data.create_transform(**settings, is_training=False)
    batch = torch.stack([transform(p) for p in pictures])
    with torch.no_grad():
        pooled, tokens = direct(batch).numpy(), direct.forward_features(batch).numpy()
    name = f"local-dir:{folder}"
    np.testing.assert_allclose(load_embedding_model(name).embed_pictures(pictures), pooled, **CLOSE)
    np.testing.assert_allclose(
        load_embedding_model(name, pooling="tokens").embed_pictures(pictures), tokens, **CLOSE
    )


def test_classifier_is_taken_off(resnet, pictures):
    folder, direct = resnet
    model = load_embedding_model(f"local-dir:{folder}")
    batch = torch.stack([model.transform(p) for p in pictures])
    with torch.no_grad():
        features = direct.forward_head(direct.forward_features(batch), pre_logits=True).numpy()
    np.testing.assert_allclose(model.embed_pictures(pictures), features, **CLOSE)


def test_feature_map_becomes_tokens(resnet, pictures):
    folder, direct = resnet
    model = load_embedding_model(f"local-dir:{folder}", pooling="tokens")
    out = model.embed_pictures(pictures)
    batch = torch.stack([model.transform(p) for p in pictures])
    with torch.no_grad():
        maps = direct.forward_features(batch).numpy()
    height, width = maps.shape[2:]
    np.testing.assert_allclose(out[:, 1 * width + 2], maps[:, :, 1, 2], **CLOSE)
    assert out.shape == (5, height * width, maps.shape[1])
    mean = load_embedding_model(f"local-dir:{folder}", pooling="mean").embed_pictures(pictures)
    np.testing.assert_allclose(mean, maps.mean(axis=(2, 3)), **CLOSE)


def test_intermediate_layer_equals_timms(vit, pictures):
    folder, direct = vit
    name = f"local-dir:{folder}"
    model = load_embedding_model(name, layer="blocks.1", pooling="tokens")
    batch = torch.stack([model.transform(p) for p in pictures])
    with torch.no_grad():
        patches, prefix = direct.forward_intermediates(
            batch, [1], output_fmt="NLC", return_prefix_tokens=True, intermediates_only=True
        )[0]
    expected = torch.cat([prefix, patches], dim=1).numpy()
    np.testing.assert_allclose(model.embed_pictures(pictures), expected, **CLOSE)
    pooled = load_embedding_model(name, layer="blocks.1").embed_pictures(pictures)
    np.testing.assert_allclose(pooled, expected[:, 0], **CLOSE)
    mean = load_embedding_model(name, layer="blocks.1", pooling="mean").embed_pictures(pictures)
    np.testing.assert_allclose(mean, expected[:, 1:].mean(axis=1), **CLOSE)


def test_latents_equal_diffusers(vae, pictures):
    folder, direct = vae
    model = load_embedding_model(f"diffusers-vae:local-dir:{folder}")
    batch = torch.stack([model.transform(p) for p in pictures])
    assert batch.shape[1:] == (3, 32, 32)
    assert batch.min() >= -1
    assert batch.min() < -0.5
    with torch.no_grad():
        expected = direct.encode(batch).latent_dist.mean.numpy() * 0.4
    out = model.embed_pictures(pictures)
    assert model.latent_shape == (3, 8, 8)
    assert model.row_shape == (192,)
    np.testing.assert_allclose(out.reshape(-1, *model.latent_shape), expected, **CLOSE)
    inner = load_embedding_model(f"diffusers-vae:local-dir:{folder / 'vae'}")
    assert inner.revision == model.revision


# --- invariants -----------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["pooled", "tokens", "mean"])
def test_batch_size_does_not_matter(tiny_clip_folder, pictures, pooling):
    model = load_embedding_model(f"local-dir:{tiny_clip_folder}", pooling=pooling)
    together = model.embed_pictures(pictures)
    for size in (1, 2, 3):
        np.testing.assert_allclose(model.embed_pictures(pictures, size), together, **CLOSE)
    np.testing.assert_allclose(model.embed_pictures(pictures[3:4])[0], together[3], **CLOSE)


def test_grey_and_transparent_pictures_are_read_as_rgb(tiny_clip_folder, pictures):
    model = load_embedding_model(f"local-dir:{tiny_clip_folder}")
    grey = pictures[0].convert("L")
    np.testing.assert_array_equal(
        model.embed_pictures([grey]), model.embed_pictures([grey.convert("RGB")])
    )


def test_embedding_is_differentiable(tiny_clip_folder, pictures):
    model = load_embedding_model(f"local-dir:{tiny_clip_folder}")
    batch = torch.stack([model.transform(p) for p in pictures[:2]]).to(model.device)
    batch.requires_grad_(True)
    direction = torch.linspace(-1, 1, 20, device=model.device)
    (model.embed_tensor(batch) @ direction).sum().backward()
    step = batch.grad / batch.grad.norm()
    with torch.no_grad():
        change = [(model.embed_tensor(batch + s * step) @ direction).sum() for s in (5e-2, -5e-2)]
    slope = float(change[0] - change[1]) / 0.1
    assert slope == pytest.approx(float(batch.grad.norm()), rel=0.02)
    assert all(p.grad is None for p in model.network.module.parameters())


def test_revision_follows_the_weights(tiny_clip_folder, tmp_path):
    name = f"local-dir:{tiny_clip_folder}"
    first = load_embedding_model(name)
    assert first.revision == load_embedding_model(name, pooling="tokens").revision
    copy = shutil.copytree(tiny_clip_folder, tmp_path / "copy")
    assert first.revision == load_embedding_model(f"local-dir:{copy}").revision
    weights = load_file(copy / "open_clip_model.safetensors")
    weights["visual.proj"][2, 3] += 1e-3
    save_file(weights, copy / "open_clip_model.safetensors")
    assert first.revision != load_embedding_model(f"local-dir:{copy}").revision


def test_revision_follows_the_architecture(tiny_clip_folder, tmp_path):
    copy = shutil.copytree(tiny_clip_folder, tmp_path / "copy")
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    first = load_embedding_model(f"local-dir:{tiny_clip_folder}")
    assert first.revision != load_embedding_model(f"local-dir:{copy}").revision


# --- errors ---------------------------------------------------------------------------------


def test_training_transform_is_refused(tiny_clip_folder):
    name = f"local-dir:{tiny_clip_folder}"
    _, training, _ = open_clip.create_model_and_transforms(name)
    network = dataclasses.replace(load_embedding_model(name).network, transform=training)
    with pytest.raises(CalcarineError, match="RandomResizedCrop"):
        EmbeddingModel(name, network)


@pytest.mark.parametrize("name", ["sonar:x", "clip", "timm:", ""])
def test_unknown_names_list_the_families(name):
    with pytest.raises(CalcarineError) as caught:
        load_embedding_model(name)
    assert all(family.form in str(caught.value) for family in FAMILIES.values())


def test_bare_path_names_both_fixes():
    with pytest.raises(CalcarineError, match=r"local-dir:models/x .* hf-hub:models/x"):
        load_embedding_model("models/x")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:ViT-Z/openai", "no architecture 'ViT-Z'"),
        ("open_clip:ViT-B-32", "its tags are .*'openai'"),
        ("open_clip:ViT-B-32/mine", "its tags are .*'openai'"),
        ("timm:vit_smal_patch14_dinov2", "near names are .*vit_small_patch14_dinov2"),
        ("local-dir:nowhere", "is not there; expected a folder with open_clip_config.json"),
        ("calcarine:phantom-none", "ships no embedding model 'phantom-none'"),
        ("mobilenet:nowhere.npz", "cannot load 'mobilenet:nowhere.npz'"),
        ("diffusers-vae:stable", "diffusers-vae:local-dir:PATH"),
        ("diffusers-vae:local-dir:nowhere", "a folder `vae` in nowhere"),
    ],
)
def test_names_that_lead_nowhere(name, message):
    with pytest.raises(CalcarineError, match=message):
        load_embedding_model(name)


@pytest.mark.parametrize(
    "name",
    [
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "open_clip:RN50/yfcc15m",
        "timm:vit_small_patch14_dinov2.lvd142m",
        "hf-hub:nobody/no-such-model",
        "diffusers-vae:hf-hub:nobody/no-such-model",
    ],
)
def test_without_network_public_weights_come_from_the_cache_alone(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CalcarineError, match="HF_HUB_OFFLINE is set"):
        load_embedding_model(name)


def test_folder_without_weights(tiny_clip_folder, tmp_path):
    shutil.copy(tiny_clip_folder / "open_clip_config.json", tmp_path)
    with pytest.raises(CalcarineError, match=r"Expected .*open_clip_model.safetensors"):
        load_embedding_model(f"local-dir:{tmp_path}")


@pytest.mark.parametrize("n_bytes", [0, 40, 5000])
def test_truncated_weights(vit, tmp_path, n_bytes):
    folder = shutil.copytree(vit[0], tmp_path / "copy")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:n_bytes])
    with pytest.raises(CalcarineError, match=r"Expected timm's config.json and model.safetensors"):
        load_embedding_model(f"local-dir:{folder}")


def test_weights_that_lack_a_layer_are_refused(resnet, tmp_path):
    folder = shutil.copytree(resnet[0], tmp_path / "copy")
    weights = load_file(folder / "model.safetensors")
    del weights["layer4.0.conv1.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CalcarineError, match="cannot load"):
        load_embedding_model(f"local-dir:{folder}")


def test_wrong_layer_lists_near_ones(vit):
    with pytest.raises(CalcarineError, match=r"no layer 'block.1'.*blocks\.1"):
        load_embedding_model(f"local-dir:{vit[0]}", layer="block.1")


def test_layer_that_no_picture_passes(tiny_clip_folder):
    with pytest.raises(CalcarineError, match=r"put out \[\]"):
        load_embedding_model(f"local-dir:{tiny_clip_folder}", layer="transformer.resblocks.0")


def test_pooling_that_does_not_exist(vit, vae):
    with pytest.raises(CalcarineError, match=r"expected one of \['pooled', 'tokens', 'mean'\]"):
        load_embedding_model(f"local-dir:{vit[0]}", pooling="cls")
    with pytest.raises(CalcarineError, match="has no tokens at its output"):
        load_embedding_model(f"diffusers-vae:local-dir:{vae[0]}", pooling="tokens")


def test_texts_without_text_tower(vit, tiny_clip_folder):
    with pytest.raises(CalcarineError, match="no text tower"):
        load_embedding_model(f"local-dir:{vit[0]}").embed_texts(["a face"])
    tokens = load_embedding_model(f"local-dir:{tiny_clip_folder}", pooling="tokens")
    with pytest.raises(CalcarineError, match="by the output of"):
        tokens.embed_texts(["a face"])
