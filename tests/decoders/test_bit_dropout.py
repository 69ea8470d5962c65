import numpy as np
import pytest
import torch
from scipy.stats import binom

from calcarine.decoders.bit_dropout import BitDropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("place", range(4))
def test_as_many_are_left_as_torch_leaves(p, place):
    torch.manual_seed(place)
    values = torch.full((100, 401), 3.0)
    out = BitDropout(p)(values).flatten()[place::4]  # four values share one integer
    kept = out != 0
    low, high = binom.ppf([0.0001, 0.9999], len(out), 1 - p)
    assert low <= int(kept.sum()) <= high
    torch.testing.assert_close(
        out[kept], torch.full_like(out[kept], 3 / (1 - p)), rtol=1e-4, atol=0
    )


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    kept = (BitDropout(0.5)(torch.ones(20_000, 4)) != 0).double().numpy()
    r = np.corrcoef(kept.T)[~np.eye(4, dtype=bool)]
    assert np.abs(r).max() < 4 / np.sqrt(20_000)


def test_gradients_pass_where_values_do_and_nothing_happens_in_evaluation():
    torch.manual_seed(0)
    layer, values = BitDropout(0.5), torch.randn(7, 9, requires_grad=True)
    out = layer(values)
    out.sum().backward()
    torch.testing.assert_close(values.grad, torch.where(out != 0, 2.0, 0.0))
    assert layer.eval()(values) is values
    assert BitDropout(0.0)(values) is values
    assert layer.p == 0.5


def test_equal_seeds_drop_alike():
    def draw(seed):
        torch.manual_seed(seed)
        return BitDropout(0.3)(torch.ones(50))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
