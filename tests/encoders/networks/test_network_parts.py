"""Parts of the networks against naive formulas."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from calcarine.data.errors import CalcarineError
from calcarine.encoders.networks.block_heads import BlockHeads
from calcarine.encoders.networks.read_outs import (
    READ_OUTS,
    GaussianReadOut,
    SpatialTransformerReadOut,
    weigh,
)
from calcarine.encoders.networks.roi_query import RoiQueryNetwork, RoiQueryShape
from calcarine.encoders.networks.token_network import PixelNetwork, PixelShape, scale_tokens
from calcarine.encoders.networks.tokens import TokenScaler, grid_places, sine_places
from calcarine.encoders.networks.unit_queries import unit_queries


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


@pytest.mark.parametrize("queries", [[0, 2, 2, 1, 0], [3, 1, 0, 2], [0] * 70 + [1]])
def test_heads_are_the_masked_dense_product(queries):
    queries = np.array(queries)
    heads = BlockHeads(queries, 6)
    weights, bias = torch.randn(len(queries), 6), torch.randn(len(queries))
    heads.replace(weights, bias)
    vectors = torch.randn(4, queries.max() + 1, 6)
    dense = torch.einsum("nqd,ud->nqu", vectors, weights)
    mask = torch.nn.functional.one_hot(torch.from_numpy(queries)).T.float()
    expected = torch.einsum("nqu,qu->nu", dense, mask) + bias
    torch.testing.assert_close(heads(vectors), expected)


def test_unit_queries_make_blocks_of_one():
    assert BlockHeads(np.arange(50), 4).weight.shape == (50, 1, 4)
    assert BlockHeads(np.zeros(130, dtype=int), 4).weight.shape == (3, 64, 4)


def test_attention_is_the_naive_softmax():
    network = RoiQueryNetwork((9, 5), np.array([0, 1, 1]), RoiQueryShape(n_heads=2, head_dim=3))
    tokens = torch.randn(4, 9, 5)
    scale_tokens(network, tokens)
    network.eval()
    scaled = (tokens - tokens.flatten(0, 1).mean(0)) / tokens.flatten(0, 1).std(0)
    keys = network.key(scaled) + network.place_key(network.places)
    values = network.value(scaled) + network.place_value(network.places)
    naive = torch.zeros(4, 2, 6)
    for n in range(4):
        for q in range(2):
            for h in range(2):
                part = slice(3 * h, 3 * h + 3)
                logits = torch.stack([network.query[q, h] @ keys[n, t, part] for t in range(9)])
                weight = torch.softmax(logits / 3**0.5, dim=0)
                torch.testing.assert_close(network.attention(tokens)[n, q, h], weight)
                naive[n, q, part] = sum(weight[t] * values[n, t, part] for t in range(9))
    torch.testing.assert_close(network.seen(tokens), naive)
    torch.testing.assert_close(network(tokens), network.heads(naive))


def test_permuted_units_have_permuted_responses():
    queries = np.array([0, 2, 1, 2])
    network = RoiQueryNetwork((4, 3), queries, RoiQueryShape(n_heads=1, head_dim=2))
    order = np.array([3, 0, 2, 1])
    other = RoiQueryNetwork((4, 3), queries[order], RoiQueryShape(n_heads=1, head_dim=2))
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("heads.")}
    other.load_state_dict(state, strict=False)
    weights, bias = torch.randn(4, 2), torch.randn(4)
    network.heads.replace(weights, bias)
    other.heads.replace(weights[order], bias[order])
    tokens = torch.randn(5, 4, 3)
    network.eval(), other.eval()
    torch.testing.assert_close(other(tokens), network(tokens)[:, order])


@pytest.mark.parametrize(("n_tokens", "n_channels"), [(4, 9), (16, 3)])
def test_weigh_is_the_naive_sum(n_tokens, n_channels):
    tokens = torch.randn(3, n_tokens, n_channels)
    places, channels = torch.randn(5, n_tokens), torch.randn(5, n_channels)
    naive = (tokens[:, None] * places[None, :, :, None] * channels[None, :, None]).sum(dim=(2, 3))
    torch.testing.assert_close(weigh(tokens, places, channels), naive, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", READ_OUTS)
def test_read_outs_give_units_and_gradients(name):
    read_out = READ_OUTS[name](16, 6, 5)
    tokens = torch.randn(3, 16, 6, requires_grad=True)
    found = read_out(tokens)
    assert found.shape == (3, 5)
    found.sum().backward()
    assert torch.isfinite(tokens.grad).all()
    assert all(p.grad is not None for p in read_out.parameters())
    torch.testing.assert_close(read_out(tokens[:1])[0], found[0], atol=1e-5, rtol=1e-5)


def test_a_gaussian_field_is_where_it_says():
    read_out = GaussianReadOut(64, 2, 1)
    with torch.no_grad():
        read_out.raw_centre.copy_(torch.atanh(torch.tensor([[0.375, -0.625]])))
        read_out.log_sd.fill_(-4)
    field = read_out.fields()[0]
    assert field.sum().item() == pytest.approx(1)
    torch.testing.assert_close(grid_places(64)[field.argmax()], torch.tensor([0.375, -0.625]))


def test_a_spatial_transformer_follows_a_marked_token():
    read_out = SpatialTransformerReadOut(16, 3, 2, n_points=1)
    with torch.no_grad():
        read_out.point.weight.copy_(torch.tensor([[30.0, 0.0, 0.0]]))
        read_out.follow.fill_(1.0)
        read_out.home.zero_()
        read_out.channel.copy_(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        read_out.bias.zero_()
    tokens = torch.zeros(16, 16, 3)
    for place in range(16):
        tokens[place, place] = torch.tensor([1.0, 2.0, -1.0])
    torch.testing.assert_close(read_out.centres(tokens)[:, 0], grid_places(16))
    torch.testing.assert_close(read_out(tokens), torch.tensor([[2.0, -1.0]]).expand(16, 2))


def test_a_spatial_transformer_samples_bilinearly():
    read_out = SpatialTransformerReadOut(16, 3, 20)
    tokens = torch.randn(5, 16, 3)
    with torch.no_grad():
        read_out.home.mul_(5)  # some units look at the border and beyond
    centres = read_out.centres(tokens)
    assert (centres.abs() > 0.9).any()
    maps = tokens.transpose(1, 2).unflatten(2, (4, 4))
    seen = functional.grid_sample(
        maps, centres[:, :, None], align_corners=False, padding_mode="border"
    )[..., 0]
    wanted = torch.einsum("ncu,uc->nu", seen, read_out.channel) + read_out.bias
    torch.testing.assert_close(read_out(tokens), wanted, atol=1e-5, rtol=1e-5)


def test_places_need_a_square_grid():
    assert sine_places(16, 10).shape == (16, 10)
    assert sine_places(17, 10).shape == (17, 10)
    assert len(torch.unique(sine_places(17, 8), dim=0)) == 17
    with pytest.raises(CalcarineError, match="17 tokens lie on no square grid"):
        grid_places(17)


def test_the_scaler_standardises_training_tokens():
    scaler, tokens = TokenScaler(4), 3 + 2 * torch.randn(50, 9, 4)
    scaler.fit(tokens)
    found = scaler(tokens).flatten(0, 1)
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std(0), torch.ones(4), atol=1e-4, rtol=0)


def test_pixel_networks_need_a_square_that_eight_divides():
    assert PixelNetwork((3, 16, 16), 7, PixelShape(4))(torch.randn(2, 3, 16, 16)).shape == (2, 7)
    with pytest.raises(CalcarineError, match=r"shape \(3, 20, 20\); expected"):
        PixelNetwork((3, 20, 20), 7, PixelShape(4))


def test_queries_by_region_parcel_and_unit(rng):
    units = pd.DataFrame({"roi": ["V1", "V1", "n/a", "FFA"], "x": [3.0, -2.0, 1.0, 5.0]})
    pattern = rng.normal(size=(60, 2))
    responses = pattern[:, [0, 1, 1, 0]] + 0.1 * rng.normal(size=(60, 4))
    assert unit_queries("roi", units, responses, 2, 0).tolist() == [2, 1, 3, 0]
    parcels = unit_queries("parcel", units, responses, 2, 0)
    assert parcels[0] == parcels[3] != parcels[1] == parcels[2]
    assert unit_queries("unit", units, responses, 2, 0).tolist() == [0, 1, 2, 3]
    with pytest.raises(CalcarineError, match="no column `roi`"):
        unit_queries("roi", units[["x"]], responses, 2, 0)
