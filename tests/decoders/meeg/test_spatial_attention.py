import math

import numpy as np
import pytest
import torch

from calcarine.decoders.meeg.sensors import flat_positions
from calcarine.decoders.meeg.spatial_attention import (
    SpatialAttention,
    UnitBox,
    fourier_features,
)
from calcarine.decoders.meeg.subject_layers import SubjectLayers
from calcarine.decoders.meeg.time_aggregation import (
    AttentionOverTime,
    LinearOverTime,
    MeanOverTime,
)


def places(n, n_dims=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((n, n_dims), dtype=np.float32))


def test_fourier_features_are_the_papers_formula():
    where = places(4, 2)
    expected = torch.empty(4, 2 * 3**2)
    for i, (x, y) in enumerate(where.tolist()):
        angles = [
            2 * math.pi * (k * (x + 0.2) + m * (y + 0.2)) / 1.4 for k in range(3) for m in range(3)
        ]
        expected[i] = torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles])
    torch.testing.assert_close(fourier_features(where, 3), expected, atol=1e-5, rtol=1e-5)


def test_attention_is_the_softmax_over_sensors():
    torch.manual_seed(0)
    attention = SpatialAttention(5, 3, 2).eval()
    values, where = torch.randn(2, 7, 11), places(7)
    features = fourier_features(where, 2)
    expected = torch.empty(2, 5, 11)
    for o in range(5):
        logits = torch.stack([attention.queries[o] @ features[c] for c in range(7)])
        share = logits.exp() / logits.exp().sum()
        expected[:, o] = torch.einsum("c,nct->nt", share, values)
    torch.testing.assert_close(attention(values, where), expected, atol=1e-5, rtol=1e-4)


def test_the_order_of_sensors_does_not_matter():
    attention = SpatialAttention(4).eval()
    values, where = torch.randn(3, 9, 5), places(9)
    order = torch.randperm(9)
    torch.testing.assert_close(
        attention(values, where), attention(values[:, order], where[order]), atol=1e-6, rtol=1e-5
    )


def test_mixed_montages_in_one_batch_equal_each_alone():
    attention = SpatialAttention(4).eval()
    small, large = torch.randn(2, 5, 6), torch.randn(3, 8, 6)
    padded = torch.cat([torch.cat([small, torch.full((2, 3, 6), 7.0)], dim=1), large])
    of_small = torch.cat([places(5, seed=1), torch.full((3, 3), torch.nan)])
    where = torch.stack([of_small] * 2 + [places(8, seed=2)] * 3)
    together = attention(padded, where)
    torch.testing.assert_close(together[:2], attention(small, places(5, seed=1)))
    torch.testing.assert_close(together[2:], attention(large, places(8, seed=2)))


def test_spatial_dropout_leaves_out_a_neighbourhood_in_training_alone():
    attention = SpatialAttention(4, dropout_radius=0.4).train()
    where = places(60)
    torch.manual_seed(3)
    weights = attention.weights(where)
    left_out = where[(weights == 0).all(dim=0)]
    kept = where[(weights > 0).any(dim=0)]
    assert 0 < len(left_out) < 60
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))
    # whoever is left out lies in one ball that holds none of the others
    torch.manual_seed(3)
    centre = torch.rand(3)
    assert ((left_out - centre).norm(dim=1) <= 0.4).all()
    assert ((kept - centre).norm(dim=1) > 0.4).all()
    assert (attention.eval().weights(where) > 0).all()


def test_no_sensor_left_gives_zero_and_no_nan():
    attention = SpatialAttention(2, dropout_radius=9.0).train()
    out = attention(torch.randn(1, 4, 3), places(4))
    assert (out == 0).all()
    out.sum().backward()
    assert torch.isfinite(attention.queries.grad).all()


def test_the_box_holds_all_montages_and_keeps_their_proportions():
    box = UnitBox(3)
    first, second = 0.1 * torch.randn(8, 3), 0.1 * torch.randn(5, 3) + 0.05
    first[0] = torch.nan
    box.fit([first, second])
    inside = torch.cat([box(first)[1:], box(second)])
    assert inside.min() >= 0
    assert inside.max() <= 1
    assert torch.isnan(box(first)[0]).all()
    ratio = torch.pdist(box(second)) / torch.pdist(second)
    torch.testing.assert_close(ratio, ratio[0].expand_as(ratio), rtol=1e-4, atol=1e-4)


def test_a_plane_keeps_the_angle_from_the_vertex():
    top = flat_positions(np.array([[0, 0, 0.1]]))
    right = flat_positions(np.array([[0.1, 0, 0.0]]))
    np.testing.assert_allclose(top, [[0, 0]], atol=1e-7)
    np.testing.assert_allclose(right, [[np.pi / 2, 0]], rtol=1e-6)


def test_subject_layers_start_as_the_identity_and_serve_strangers():
    layers = SubjectLayers(["01", "02"], 3)
    values = torch.randn(4, 3, 5)
    torch.testing.assert_close(layers.eval()(values, "01"), values)
    with torch.no_grad():
        layers.matrices[1] *= 2
        layers.matrices[2] *= 5
    torch.testing.assert_close(layers(values, "02"), 2 * values)
    torch.testing.assert_close(layers(values, None), 5 * values)
    torch.testing.assert_close(layers(values, "stranger"), 5 * values)
    layers.train().dropout = 0.5
    torch.manual_seed(0)
    factor = (layers(torch.ones(400, 3, 1), "02")[:, 0, 0]).tolist()
    assert set(factor) == {2.0, 5.0}
    assert factor.count(5.0) / 400 == pytest.approx(0.5, abs=0.08)


def test_time_aggregation_is_what_its_name_says():
    values = torch.randn(3, 4, 9)
    torch.testing.assert_close(MeanOverTime(4, 9)(values), values.mean(-1))
    linear = LinearOverTime(4, 9)
    torch.testing.assert_close(linear(values), (values * linear.affine.weight[0]).sum(-1))
    attention = AttentionOverTime(4, 9)
    weights = attention.weights(values)
    assert weights.shape == (3, 1, 9)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 1))
    torch.testing.assert_close(attention(values), (values * weights).sum(-1))
