import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.banded import BandedSettings
from calcarine.encoders.ridge.partition import commonality, partition_variance

QUICK = BandedSettings(n_candidates=2, n_refinements=1)


def test_three_bands_by_hand():
    r2 = {"a": 5.0, "b": 4.0, "c": 3.0, "ab": 7.0, "ac": 6.5, "bc": 5.0, "abc": 8.0}
    parts = commonality({tuple(k): v for k, v in r2.items()}, "abc")
    assert parts[("a",)] == 8.0 - 5.0
    assert parts[("c",)] == 8.0 - 7.0
    assert parts[("a", "b")] == -3.0 + 6.5 + 5.0 - 8.0
    assert parts[("a", "b", "c")] == 5.0 + 4.0 + 3.0 - 7.0 - 6.5 - 5.0 + 8.0
    assert sum(parts.values()) == 8.0


def test_planted_parts_come_out(rng):
    shared = rng.standard_normal((400, 2))
    a = np.concatenate([shared, rng.standard_normal((400, 2))], axis=1)
    b = np.concatenate([shared, rng.standard_normal((400, 2))], axis=1)
    y = np.stack([a[:, 2] + a[:, 3], b[:, 2] - b[:, 3], shared.sum(1)], axis=1)
    y = y + rng.standard_normal(y.shape)  # two thirds can be explained
    bands = np.repeat(["a", "b"], 4)
    found = partition_variance(np.concatenate([a, b], axis=1), y, bands, settings=QUICK)
    for target, key in enumerate([("a",), ("b",), ("a", "b")]):
        for part, value in found.parts.items():
            assert value[target] == pytest.approx(2 / 3 if part == key else 0.0, abs=0.08)
    total = found.scores[("a", "b")]
    np.testing.assert_allclose(sum(found.parts.values()), total, atol=1e-12)
    np.testing.assert_allclose(sum(found.product.values()), total, atol=2e-6)
    assert found.product["a"][0] > 0.5
    assert abs(found.product["b"][0]) < 0.1


def test_too_many_bands_are_refused(rng):
    with pytest.raises(CalcarineError, match="6 bands make 63 models"):
        partition_variance(
            rng.standard_normal((30, 6)), rng.standard_normal((30, 2)), list("abcdef")
        )
