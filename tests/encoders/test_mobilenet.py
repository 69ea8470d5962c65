import json

import numpy as np
import pytest
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.mobilenet import load_mobilenet

LIMIT = 6.0


def tensor(*shape, scale=1.0, zero_point=0, axis=0):
    scales, zeros = np.atleast_1d(scale).tolist(), np.atleast_1d(zero_point).tolist()
    return {"shape": shape, "scale": scales, "zero_point": zeros, "axis": axis}


@pytest.fixture
def tiny(rng, tmp_path):
    """Write a graph with one of each operation: 9 × 7 pictures, 4 channels, 5 classes."""
    six = LIMIT / 255
    stored = {
        1: rng.integers(0, 256, (4, 3, 3, 3), dtype=np.uint8),
        2: rng.integers(-50, 50, 4, dtype=np.int32),
        3: rng.integers(0, 256, (1, 3, 3, 4), dtype=np.uint8),
        4: rng.integers(-50, 50, 4, dtype=np.int32),
        5: rng.integers(0, 256, (5, 1, 1, 4), dtype=np.uint8),
        6: rng.integers(-50, 50, 5, dtype=np.int32),
    }
    tensors = {
        "0": tensor(1, 9, 7, 3, scale=1 / 128, zero_point=128),
        "1": tensor(4, 3, 3, 3, scale=[0.01, 0.02, 0.03, 0.015], zero_point=[120, 130, 125, 128]),
        "2": tensor(4, scale=0.01),
        "3": tensor(1, 3, 3, 4, scale=0.02, zero_point=110),
        "4": tensor(4, scale=0.01),
        "5": tensor(5, 1, 1, 4, scale=0.02, zero_point=128),
        "6": tensor(5, scale=0.01),
        "10": tensor(1, 5, 4, 4, scale=six),
        "11": tensor(1, 5, 4, 4, scale=six),
        "12": tensor(1, 5, 4, 4, scale=six),
        "13": tensor(1, 1, 1, 4, scale=six),
        "14": tensor(1, 1, 1, 5, scale=0.1, zero_point=100),
        "15": tensor(1, 5, scale=0.1, zero_point=100),
        "16": tensor(1, 5, scale=1 / 256),
    }
    operations = [
        {"op": "CONV_2D", "inputs": [0, 1, 2], "outputs": [10]},
        {"op": "DEPTHWISE_CONV_2D", "inputs": [10, 3, 4], "outputs": [11]},
        {"op": "ADD", "inputs": [10, 11], "outputs": [12]},
        {"op": "AVERAGE_POOL_2D", "inputs": [12], "outputs": [13]},
        {"op": "CONV_2D", "inputs": [13, 5, 6], "outputs": [14]},
        {"op": "RESHAPE", "inputs": [14], "outputs": [15]},
        {"op": "SOFTMAX", "inputs": [15], "outputs": [16]},
    ]
    graph = {"input": 0, "output": 16, "graph": operations, "tensors": tensors}
    text = np.frombuffer(json.dumps(graph).encode(), dtype=np.uint8)
    path = tmp_path / "tiny.npz"
    np.savez(path, graph_json=text, **{f"t{i}": a for i, a in stored.items()})
    return path, graph, stored


def naive_convolution(x, weight, bias, stride):
    """Convolve (h, w, n_in) by (n_out, 3, 3, n_in) with TensorFlow's SAME, pixel by pixel."""
    height, width = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
    before = [
        max((n - 1) * stride + 3 - size, 0) // 2
        for n, size in ((height, x.shape[0]), (width, x.shape[1]))
    ]
    out = np.zeros((height, width, len(weight)))
    for i, j, k, a, b in np.ndindex(height, width, len(weight), 3, 3):
        y, z = i * stride + a - before[0], j * stride + b - before[1]
        if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
            out[i, j, k] += x[y, z] @ weight[k, a, b]
    return np.clip(out + bias, 0, LIMIT)


def test_graph_equals_pixel_by_pixel_arithmetic(tiny, rng):
    path, graph, stored = tiny

    def real(i):
        record = graph["tensors"][str(i)]
        first = (-1, *[1] * (stored[i].ndim - 1))
        zero, scale = (np.reshape(record[k], first) for k in ("zero_point", "scale"))
        return (stored[i].astype(float) - zero) * scale

    pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    x = (pixels.astype(float) - 128) / 128
    first = naive_convolution(x, real(1), real(2), stride=2)
    # a depthwise weight as a full one that is zero between channels
    full = np.zeros((4, 3, 3, 4))
    for c in range(4):
        full[c, :, :, c] = real(3)[0, :, :, c]
    added = np.clip(first + naive_convolution(first, full, real(4), stride=1), 0, LIMIT)
    pool = added.mean(axis=(0, 1))
    logits = np.clip(real(5)[:, 0, 0] @ pool + real(6), -10, 15.5)
    classes = np.exp(logits) / np.exp(logits).sum()

    picture = Image.fromarray(pixels)
    got = {
        layer: load_embedding_model(f"mobilenet:{path}", layer=layer).embed_pictures([picture])[0]
        for layer in (None, "conv0", "softmax")
    }
    np.testing.assert_allclose(got["conv0"], first.mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[None], pool, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got["softmax"], classes, rtol=1e-4)
    tokens = load_embedding_model(f"mobilenet:{path}", pooling="tokens").embed_pictures([picture])
    np.testing.assert_allclose(tokens[0], added.reshape(20, 4), rtol=1e-5, atol=1e-5)


def test_unknown_operation(tiny, tmp_path):
    _, graph, stored = tiny
    graph["graph"][2]["op"] = "TANH"
    text = np.frombuffer(json.dumps(graph).encode(), dtype=np.uint8)
    np.savez(tmp_path / "odd.npz", graph_json=text, **{f"t{i}": a for i, a in stored.items()})
    with pytest.raises(CalcarineError, match="operation 2 is 'TANH'"):
        load_mobilenet(str(tmp_path / "odd.npz"))


def test_other_npz(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(CalcarineError, match=r"Expected a .npz with `graph_json`"):
        load_mobilenet(str(tmp_path / "other.npz"))


# --- real weights, real pictures ------------------------------------------------------------


def test_real_faces_and_houses_lie_apart(shared_data):
    """3-NN leave-one-out, 96 of 96 as published with the weights; every fourth picture here."""
    weights = shared_data("mobilenet-imagenet") / (
        "mobilenet_v1_1.0_224_quant_embedding_extractor.npz"
    )
    folder = shared_data("stimulus-images") / "face_house"
    files = sorted((folder / "faces").glob("*.jpg")) + sorted((folder / "houses").glob("*.jpg"))
    files = files[::4]
    is_house = np.array([f.parent.name == "houses" for f in files])
    model = load_embedding_model(f"mobilenet:{weights}")
    assert model.row_shape == (1024,)
    embeddings = model.embed_pictures([Image.open(f) for f in files])
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :3]
    assert ((is_house[nearest].mean(axis=1) > 0.5) == is_house).sum() == len(files) == 24


@pytest.mark.parametrize(
    ("file", "name", "probability"),
    [
        ("cat.bmp", "Egyptian cat", 0.79),
        ("bird.bmp", "chickadee", 0.99),
        ("sunflower.bmp", "daisy", 0.99),
        ("parrot.jpg", "macaw", 1.00),
        ("hot_dog.jpg", "hotdog, hot dog, red hot", 0.89),
    ],
)
def test_real_pictures_have_the_documented_names(shared_data, file, name, probability):
    folder = shared_data("mobilenet-imagenet")
    names = (folder / "imagenet_labels.txt").read_text().splitlines()
    weights = folder / "mobilenet_v2_1.0_224_quant.npz"
    model = load_embedding_model(f"mobilenet:{weights}", layer="softmax")
    picture = Image.open(shared_data("stimulus-images") / "openimages" / file)
    classes = model.embed_pictures([picture])[0]
    assert names[classes.argmax()] == name
    assert classes.max() == pytest.approx(probability, abs=0.02)
