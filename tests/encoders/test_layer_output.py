import pytest
import torch
from torch import nn

from calcarine.data.errors import CalcarineError
from calcarine.encoders.layer_output import as_tokens, mean_token, pooled_token
from calcarine.encoders.picture_network import PictureNetwork


def network(**settings) -> PictureNetwork:
    return PictureNetwork(nn.Identity(), lambda p: p, lambda b: b, "none", **settings)


def test_positions_of_a_feature_map_become_tokens():
    channels_first = torch.randn(2, 5, 3, 4)
    tokens = as_tokens(channels_first, network())
    assert tokens.shape == (2, 12, 5)
    assert torch.equal(tokens[1, 1 * 4 + 2], channels_first[1, :, 1, 2])
    channels_last = channels_first.permute(0, 2, 3, 1)
    assert torch.equal(as_tokens(channels_last, network(feature_map="NHWC")), tokens)


def test_a_vector_is_one_token():
    vectors = torch.randn(3, 7)
    assert torch.equal(as_tokens(vectors, network())[:, 0], vectors)


def test_prefix_tokens_are_left_out_of_the_mean():
    tokens = torch.randn(2, 6, 3)
    with_registers = network(n_prefix_tokens=2, n_tokens=6)
    assert torch.equal(mean_token(tokens, with_registers), tokens[:, 2:].mean(dim=1))
    assert torch.equal(pooled_token(tokens, with_registers), tokens[:, 0])
    # patches alone, before the class token joins them
    patches = tokens[:, 2:]
    assert torch.equal(mean_token(patches, with_registers), patches.mean(dim=1))
    assert torch.equal(pooled_token(patches, with_registers), patches.mean(dim=1))


def test_too_many_axes():
    with pytest.raises(CalcarineError, match=r"shape \(1, 2, 3, 4, 5\); expected 2, 3 or 4"):
        as_tokens(torch.zeros(1, 2, 3, 4, 5), network())
