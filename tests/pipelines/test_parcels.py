"""Parcels of planted units, and whether they hold in measured responses."""

import numpy as np
import pandas as pd
import pytest

from calcarine.data.banks import Bank, entry_table
from calcarine.data.captions import Captions
from calcarine.decoders.selectivity.caption_chain import Chain, prepare_bank
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.parcels import parcel_column, parcel_fit, parcel_image, parcels

WORDS = ("face", "house", "tool")


@pytest.fixture
def captioned(rng):
    kind = rng.integers(0, 3, 120)
    values = np.eye(3, dtype=np.float32)[kind] + 0.05 * rng.standard_normal((120, 3))
    names = [f"b{i}" for i in range(120)]
    table = entry_table(names, names, names, [[f"a {WORDS[k]}"] for k in kind])
    return prepare_bank(Bank((values.astype(np.float32),), table, {}))


def _encoder(rng, n_each=8):
    """Eight units for each axis of the embedding, and four that prefer nothing."""
    encoder = VoxelEncoder({}, pd.DataFrame(index=range(3 * n_each + 4)))
    encoder.coef_ = np.hstack([np.repeat(np.eye(3), n_each, axis=1), np.zeros((3, 4))])
    encoder.coef_ = encoder.coef_ + 0.02 * rng.standard_normal(encoder.coef_.shape)
    encoder.coef_[:, -4:] = 0
    return encoder


def test_planted_kinds_come_out_as_parcels_with_their_captions(captioned, rng):
    encoder = _encoder(rng)
    reliable = np.ones(28, dtype=bool)
    reliable[0] = False
    arrays, told = parcels(encoder, reliable, captioned, Chain(n_top=16), 3, 4, seed=1)
    labels = arrays["parcels"]
    assert labels[0] == -1
    assert (labels[-4:] == -1).all()
    assert told["n_units"] == [int((labels == k).sum()) for k in range(3)]
    for kind in range(3):
        own = set(labels[max(1, 8 * kind) : 8 * kind + 8])
        assert len(own) == 1
        assert WORDS[kind] in told["texts"][own.pop()]


def test_a_label_image_shows_parcels_where_their_voxels_are():
    units = pd.DataFrame({"i": [0, 1, 1], "j": [0, 2, 1], "k": 0})
    space = {"affine": np.diag([4.0, 4, 4, 1]).tolist(), "volume_shape": [2, 3, 1], "space": "x"}
    (image,) = parcel_image(np.array([1, -1, 0], dtype=np.int16), units, space).values()
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(image.dataobj)[..., 0], [[2, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(image.affine, space["affine"])
    assert parcel_image(np.zeros(3), units[["i"]], space) == {}
    assert parcel_image(np.zeros(3), units, {"space": "x"}) == {}


@pytest.mark.parametrize("n_parcels", [0, 8])
def test_nothing_is_clustered_where_it_is_off_or_units_are_few(captioned, rng, n_parcels):
    made = parcels(_encoder(rng), np.ones(28, bool), captioned, Chain(n_top=16), n_parcels, 4, 1)
    assert made == ({}, {})


def test_units_go_with_their_parcel_and_not_with_others(rng):
    signal = rng.standard_normal((400, 2))
    labels = np.array([0, 0, 0, 1, 1, 1, -1])
    measured = np.hstack(
        [signal[:, [0, 0, 0, 1, 1, 1]] + 0.5 * rng.standard_normal((400, 6)), np.ones((400, 1))]
    )
    inside, outside = parcel_fit(measured, labels)
    for unit in range(6):
        others = [u for u in range(6) if labels[u] == labels[unit] and u != unit]
        z = (measured - measured.mean(axis=0)) / np.where(measured.std(0), measured.std(0), 1)
        naive = np.corrcoef(measured[:, unit], z[:, others].mean(axis=1))[0, 1]
        assert inside[unit] == pytest.approx(naive)
    assert inside.min() > 0.6
    assert np.abs(outside).max() < 0.2


def test_single_units_carry_their_parcel_in_the_table():
    table = pd.DataFrame({"kind": ["unit", "unit", "region"]})
    sidecar = {"parcels": {"names": ["p1", "p2"]}}
    captions = Captions(table, table, sidecar, {"parcels": np.array([1, -1])})
    assert parcel_column(captions, table) == ["p2", "n/a", "n/a"]
    assert parcel_column(Captions(table, table, {}, {}), table) == ["n/a"] * 3
