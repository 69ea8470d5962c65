"""Real data: voxels that prefer faces or houses retrieve pictures of them that nobody was shown.

One slice of one person; which picture was shown when is unknown, so that a stimulus is its
category: the mean embedding of half of the category's pictures. The other half is the bank.
"""

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.signal import detrend
from sklearn.metrics import roc_auc_score

from calcarine.decoders.selectivity.projection import project
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.voxel_encoder import VoxelEncoder

NETWORK = "mobilenet_v1_1.0_224_quant_embedding_extractor.npz"


@pytest.fixture(scope="module")
def blocks(shared_data):
    """Average each category's block in each run, z-scored to rest, linear trend removed."""
    folder = shared_data("haxby2001-slice")
    mask = np.asarray(nibabel.load(folder / "mask.nii.gz").dataobj).reshape(40, 20, 1) > 0
    bold = np.asarray(nibabel.load(folder / "bold.nii.gz").dataobj, dtype=np.float64)[mask].T
    lines = (folder / "attributes_literal.txt").read_text().split("\n")
    rows = [line.split() for line in lines if len(line.split()) == 2]
    rows = [row for row in rows if row[1].isdigit()][-len(bold) :]
    label = np.array([row[0] for row in rows])
    run = np.array([int(row[1]) for row in rows])
    values, table = [], []
    for number in np.unique(run):
        own = detrend(bold[run == number], axis=0)
        rest = own[label[run == number] == "rest"]
        own = (own - rest.mean(axis=0)) / np.maximum(rest.std(axis=0), 1e-6)
        for category in ("face", "house"):
            values.append(own[label[run == number] == category].mean(axis=0))
            table.append((number, category))
    return np.stack(values).astype(np.float32), pd.DataFrame(table, columns=["run", "category"])


@pytest.fixture(scope="module")
def pictures(shared_data):
    """Embed faces and houses by a real network; even ones are shown, odd ones are the bank."""
    model = load_embedding_model(f"mobilenet:{shared_data('mobilenet-imagenet') / NETWORK}")
    folder = shared_data("stimulus-images") / "face_house"
    out = {}
    for category, name in (("face", "faces"), ("house", "houses")):
        files = sorted(p for p in (folder / name).iterdir() if p.suffix in (".jpg", ".png"))
        out[category] = model.embed_pictures([Image.open(p).convert("RGB") for p in files])
    return out


def held_out_auc(values, table, pictures, train):
    """Fit on some runs, and compare what voxels retrieve with their contrast in the others."""
    shown = {c: e[::2].mean(axis=0) for c, e in pictures.items()}
    bank = np.concatenate([pictures["face"][1::2], pictures["house"][1::2]])
    n_faces = len(pictures["face"][1::2])
    features = np.stack([shown[c] for c in table["category"]])
    sidecar = {"model": "mobilenet", "revision": "x", "layer": None, "pooling": "pooled"}
    units = pd.DataFrame({"i": range(values.shape[1])})
    encoder = VoxelEncoder(sidecar, units, n_folds=None)
    encoder.fit(features[train], values[train], table["run"].to_numpy()[train])
    found = project(encoder.coef_.T, [bank], n_top=12)
    share = (found.top_entries < n_faces).mean(axis=1)
    graded = encoder.predict(bank[:n_faces]).mean(axis=0) - encoder.predict(bank[n_faces:]).mean(0)
    test = values[~train]
    is_face = (table["category"] == "face").to_numpy()[~train]
    difference = test[is_face] - test[~is_face]  # runs are paired
    t = difference.mean(axis=0) / (difference.std(axis=0, ddof=1) / np.sqrt(len(difference)))
    return share, graded, t


@pytest.mark.slow
def test_voxels_retrieve_what_they_prefer_in_other_runs(blocks, pictures):
    """Voxels that prefer one of the two in held-out runs (|t| > 2) rank its unseen pictures first.

    Measured 0.95 and 0.94 for the two halves (0.82 and 0.81 over all 530 voxels; by the share of
    faces among the twelve best pictures alone 0.77 and 0.82).
    """
    values, table = blocks
    assert len(table) == 24
    for parity in (0, 1):
        train = (table["run"] % 2 == parity).to_numpy()
        share, graded, t = held_out_auc(values, table, pictures, train)
        chosen = np.abs(t) > 2
        assert chosen.sum() > 100
        assert roc_auc_score(t[chosen] > 0, graded[chosen]) >= 0.8
        assert roc_auc_score(t[chosen] > 0, share[chosen]) > 0.7


@pytest.mark.slow
def test_permuted_labels_retrieve_nothing(blocks, pictures, rng):
    values, table = blocks
    train = (table["run"] % 2 == 0).to_numpy()
    found = []
    for _ in range(8):
        swapped = table.copy()
        for number in np.unique(table["run"][train]):
            rows = np.flatnonzero(table["run"] == number)
            swapped.loc[rows, "category"] = rng.permutation(["face", "house"])
        # the test runs keep their labels
        swapped.loc[~train, "category"] = table["category"][~train]
        _, graded, t = held_out_auc(values, swapped, pictures, train)
        chosen = np.abs(t) > 2
        found.append(roc_auc_score(t[chosen] > 0, graded[chosen]))
    assert 0.3 < np.mean(found) < 0.7
