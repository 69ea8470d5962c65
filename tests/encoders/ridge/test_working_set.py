import gc
import tracemalloc

import numpy as np
import pytest
import torch

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import StoredRows
from calcarine.encoders.ridge.memory_limit import settings_within
from calcarine.encoders.ridge.solver import DEFAULT, RidgeSettings, solve_ridge
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


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["gcv", "kfold"])
@pytest.mark.parametrize("n_targets", [1000, 12_000])
def test_stated_memory_holds_on_a_gpu(rng, method, n_targets):
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    x = rng.standard_normal((6000, 400), dtype=np.float32)
    y = rng.standard_normal((6000, n_targets), dtype=np.float32)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    found = solve_ridge(x, y, method=method, settings=RidgeSettings(device="cuda"))
    peak = torch.cuda.max_memory_allocated()
    assert peak <= found.working_bytes <= 2**30
    assert found.working_bytes < 4 * peak


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


def test_exact_where_memory_allows_it():
    small = settings_within(1000, 300, 64, 5, 2**32)
    assert small == DEFAULT
    larger = settings_within(9000, 3000, 512, 5, 4 * 2**30)
    assert (larger.route, larger.max_working_bytes) == ("auto", 4 * 2**30)
    large = settings_within(27_000, 50_000, 512, 5, 4 * 2**30, on_disk=True)
    assert large.route == "random"
    assert large.max_axes >= 1024
    with pytest.raises(CalcarineError, match="Allow more"):
        settings_within(27_000, 50_000, 512, 5, 2**28, on_disk=True)


def test_features_on_disk_are_projected_as_those_in_memory(tmp_path, rng):
    x = rng.standard_normal((90, 200)).astype(np.float32)
    y = x @ rng.standard_normal((200, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    settings = RidgeSettings(route="random", max_axes=60)
    groups = rng.integers(0, 30, 90)
    rows = np.arange(90)[::-1]
    plain = solve_ridge(x[rows], y[rows], groups, settings=settings)
    found = solve_ridge(StoredRows(mapped, rows), y[rows], groups, settings=settings)
    np.testing.assert_allclose(found.coef, plain.coef, atol=1e-5)
    assert found.route.route == "random"
