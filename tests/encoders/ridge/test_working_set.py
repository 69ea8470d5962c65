import gc
import tracemalloc

import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.solver import RidgeSettings, solve_ridge
from calcarine.encoders.ridge.working_set import Sizes, chunk_size_within, working_set_bytes


@pytest.mark.parametrize(("method", "n_features"), [("kfold", 60), ("gcv", 60), ("kfold", 900)])
def test_the_stated_working_set_holds(rng, method, n_features):
    x = rng.standard_normal((400, n_features)).astype(np.float32)
    y = rng.standard_normal((400, 1500)).astype(np.float32)
    settings = RidgeSettings(chunk_size=128, n_threads=2)
    solve_ridge(x, y[:, :200], method=method, settings=settings)
    gc.collect()
    tracemalloc.start()
    found = solve_ridge(x, y, method=method, settings=settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - found.coef.nbytes < found.working_bytes
    assert found.working_bytes < 4 * (peak - found.coef.nbytes)


def test_grows_with_everything_but_targets():
    def stated(**more):
        sizes = {"n_samples": 9000, "n_features": 768, "n_targets": 10**5, "n_axes": 768}
        return working_set_bytes(Sizes(**{**sizes, "n_blocks": 5, "n_folds": 5, **more}), 512)

    assert stated(n_targets=10**6) == stated()
    assert stated() < 2**30
    for name, value in {"n_samples": 20_000, "n_features": 2000, "n_folds": 9}.items():
        assert stated(**{name: value}) > stated()


def test_chunks_shrink_until_nothing_fits():
    sizes = Sizes(9000, 768, 10**5, 768, 5, 5, n_threads=2)
    wide, narrow = (chunk_size_within(sizes, n * 2**20) for n in (1024, 300))
    assert 64 <= narrow < wide
    assert working_set_bytes(sizes, narrow) <= 300 * 2**20
    with pytest.raises(CalcarineError, match="allows 100 MB. Raise it, choose the route"):
        chunk_size_within(sizes, 100 * 2**20)


def test_checked_before_the_run(rng):
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 3))
    with pytest.raises(CalcarineError, match="`max_working_bytes` allows 0 MB"):
        solve_ridge(x, y, settings=RidgeSettings(max_working_bytes=1000))
