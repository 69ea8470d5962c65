"""Voxelwise ridge side by side: calcarine, himalaya, scikit-learn, and the bare product XᵀY.

    python benchmarks/ridge.py --parts kfold --n-samples 9000 --n-features 768 --n-targets 1000

Prints markdown tables. All contestants run in one process on the same data, one after the other,
`--n-pairs` times; times are medians and ratios are medians of paired ratios. Every library may use
as many threads as OMP_NUM_THREADS says. With `--device cuda` calcarine, himalaya and the bare
product compute there, from and to the computer's memory; scikit-learn stays on the processor.
"""

import argparse
import ctypes
import gc
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from sklearn.linear_model import RidgeCV as ScikitRidgeCV
from sklearn.model_selection import PredefinedSplit

from calcarine.encoders.ridge.folds import grouped_folds
from calcarine.encoders.ridge.from_statistics import solve_statistics
from calcarine.encoders.ridge.solver import RidgeSettings, solve_ridge
from calcarine.encoders.ridge.streaming import RidgeStatistics

N_ALPHAS = 20
OURS, HIMALAYA = "calcarine, 5-fold, every α", "himalaya RidgeCV, 5-fold (torch)"
BRACKET = "calcarine, 5-fold, α around that of GCV"


@dataclass(frozen=True)
class Run:
    """One run: wall and processor seconds, peak working memory (result included), result.

    `device_mb` is the peak of what was allocated on a GPU, 0 without one.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    device_mb: float
    result: Any


def planted(n_samples: int, n_features: int, n_targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Make features with a falling spectrum and targets of very different noise, float32."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1.0, n_features + 1) ** -0.6
    turn = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    x = (rng.standard_normal((n_samples, n_features)) * spectrum @ turn).astype(np.float32)
    y = np.empty((n_samples, n_targets), dtype=np.float32)
    for start in range(0, n_targets, 1024):
        n_now = min(1024, n_targets - start)
        signal = x @ rng.standard_normal((n_features, n_now), dtype=np.float32)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        y[:, start : start + n_now] = signal / signal.std(0) + noise * np.exp(
            rng.uniform(-1, 2, n_now).astype(np.float32)
        )
    return x, y


def himalaya(
    x: np.ndarray, y: np.ndarray, alphas: np.ndarray, folds: np.ndarray, device: str | None
) -> Any:
    backend = set_backend("torch_cuda" if device else "torch")
    model = HimalayaRidgeCV(
        alphas=alphas,
        fit_intercept=True,
        cv=PredefinedSplit(folds),
        solver_params={"n_targets_batch": 2048, "n_alphas_batch": 5},
    )
    model.fit(backend.asarray(x), backend.asarray(y))
    return backend.to_numpy(model.best_alphas_), backend.to_numpy(model.coef_)


def _memory_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def run_once(work: Callable[[], Any]) -> Run:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or memory that was freed would be used unseen
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = _memory_mb("VmRSS")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start, cpu_start = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    on_device = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    return Run(seconds, cpu_seconds, _memory_mb("VmHWM") - before, on_device, result)


def side_by_side(contestants: dict[str, Callable[[], Any]], n_pairs: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for _ in range(n_pairs):
        for name, work in contestants.items():
            runs[name].append(run_once(work))
    return runs


def table(runs: dict[str, list[Run]], reference: str) -> str:
    """Write medians; the ratios are medians of paired ratios of wall and of processor time."""
    lines = [
        f"| | seconds | ratio to {reference} | processor seconds | ratio | peak memory MB "
        "| on the GPU |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, own in runs.items():
        pairs = list(zip(own, runs[reference], strict=True))
        wall = np.median([run.seconds / base.seconds for run, base in pairs])
        cpu = np.median([run.cpu_seconds / base.cpu_seconds for run, base in pairs])
        lines.append(
            f"| {name} | {np.median([run.seconds for run in own]):.3f} | {wall:.2f} "
            f"| {np.median([run.cpu_seconds for run in own]):.3f} | {cpu:.2f} "
            f"| {max(run.peak_mb for run in own):.0f} "
            f"| {max(run.device_mb for run in own):.0f} |"
        )
    return "\n".join(lines)


def kfold(args: argparse.Namespace) -> None:
    x, y = planted(args.n_samples, args.n_features, args.n_targets)
    alphas = np.logspace(-4, 4, N_ALPHAS) * float(((x - x.mean(0)) ** 2).sum() / x.shape[1])
    folds = grouped_folds(len(x), None, 5)
    contestants: dict[str, Callable[[], Any]] = {
        OURS: lambda: solve_ridge(x, y, alphas=alphas, settings=_settings(args)),
        BRACKET: lambda: solve_ridge(
            x, y, alphas=alphas, search="bracket", settings=_settings(args)
        ),
    }
    if not args.without_himalaya:
        contestants[HIMALAYA] = lambda: himalaya(x, y, alphas, folds, args.device)
    if not args.without_scikit_learn:
        contestants["scikit-learn RidgeCV, leave-one-out"] = lambda: ScikitRidgeCV(
            alphas, alpha_per_target=True
        ).fit(x, y)
    found = side_by_side(contestants, args.n_pairs)
    print(f"\n{_sizes(args, args.n_targets)}, {N_ALPHAS} α, one α a target\n")
    print(table(found, OURS))
    reference = OURS if args.without_himalaya else HIMALAYA
    alpha, coef = _result(found[reference][-1].result)
    scale = np.abs(coef).max(axis=0)
    for name in (OURS, BRACKET):
        ours = found[name][-1].result
        same = np.isclose(ours.alpha, alpha)
        difference = (np.abs(ours.coef - coef).max(axis=0) / scale)[same].max()
        wall = [_ratio(runs, found[name], "seconds") for runs in found.values()]
        cpu = [_ratio(runs, found[name], "cpu_seconds") for runs in found.values()]
        print(
            f"\n{name}: same α as {reference} for {100 * same.mean():.2f} % of targets, largest "
            f"relative difference of their weights {difference:.1e}. In the order of the table, "
            f"all take {' / '.join(wall)} of its seconds, and {' / '.join(cpu)} of its processor "
            "seconds."
        )


def _result(result: Any) -> tuple[np.ndarray, np.ndarray]:
    """Give penalties and weights of himalaya, or of our own fit."""
    return result if isinstance(result, tuple) else (result.alpha, result.coef)


def _ratio(runs: list[Run], base: list[Run], what: str) -> str:
    pairs = zip(runs, base, strict=True)
    return f"{np.median([getattr(a, what) / getattr(b, what) for a, b in pairs]):.1f}"


def gcv(args: argparse.Namespace) -> None:
    x, y = planted(args.n_samples, args.n_features, args.gcv_targets)
    contestants: dict[str, Callable[[], Any]] = {
        "bare product XᵀY": lambda: _product(x, y, args.device),
        "calcarine, GCV": lambda: solve_ridge(
            x, y, method="gcv", settings=_settings(args)
        ).cv_score.mean(),
    }
    found = side_by_side(contestants, args.n_pairs)
    print(f"\n{_sizes(args, args.gcv_targets)}, GCV\n")
    print(table(found, "bare product XᵀY"))


def _product(x: np.ndarray, y: np.ndarray, device: str | None) -> np.ndarray:
    if device is None:
        return np.asarray(x.T @ y)
    there = [torch.from_numpy(values).to(device) for values in (x, y)]
    return np.asarray((there[0].T @ there[1]).cpu())


def flat_memory(args: argparse.Namespace) -> None:
    where = f" on {args.device}" if args.device else ""
    print(f"\nWorking memory{where} (weights not counted), {_sizes(args, None)}\n")
    print(
        "| targets | method | seconds | measured MB | stated MB |\n| --- | --- | --- | --- | --- |"
    )
    for n_targets in args.memory_targets:
        x, y = planted(args.n_samples, args.n_features, n_targets)
        for method, search in (("gcv", "grid"), ("kfold", "bracket")):
            run = run_once(
                lambda x=x, y=y, m=method, s=search: solve_ridge(
                    x, y, method=m, search=s, settings=_settings(args)
                )
            )
            working = run.device_mb or run.peak_mb - run.result.coef.nbytes / 2**20
            stated = run.result.working_bytes / 2**20
            print(f"| {n_targets} | {method} | {run.seconds:.2f} | {working:.0f} | {stated:.0f} |")


def from_disk(args: argparse.Namespace) -> None:
    """Fit int16 responses that lie on the disk, beside reading the file and nothing else."""
    n_samples, n_targets = args.n_samples, args.disk_targets
    x, y = planted(n_samples, args.n_features, min(n_targets, 2000))
    counts = np.round(np.clip(y * 1000, -32767, 32767)).astype(np.int16)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        path = Path(folder) / "responses.npy"
        stored = np.lib.format.open_memmap(path, "w+", np.int16, (n_samples, n_targets))
        for start in range(0, n_targets, counts.shape[1]):
            width = min(counts.shape[1], n_targets - start)
            stored[:, start : start + width] = counts[:, :width]
        stored.flush()
        del stored
        settings = _settings(args)
        runs = np.repeat([f"run-{k}" for k in range(5)], -(-n_samples // 5))[:n_samples]
        contestants: dict[str, Callable[[], Any]] = {
            "reading the file": lambda: _read(path),
            "calcarine, GCV": lambda: solve_ridge(
                x, _mapped(path), method="gcv", settings=settings
            ),
            "calcarine, 5-fold, α around that of GCV": lambda: solve_ridge(
                x, _mapped(path), search="bracket", settings=settings
            ),
        }
        if args.with_sums:
            contestants["calcarine, sums of five runs, then GCV"] = lambda: solve_statistics(
                RidgeStatistics.from_arrays(x, _mapped(path), runs), method="gcv"
            )
        found = side_by_side(contestants, args.n_pairs)
        size = path.stat().st_size / 2**30
    print(f"\n{_sizes(args, n_targets)}, {size:.2f} GB of int16 on disk, read anew each time\n")
    print(table(found, "reading the file"))
    weights = x.shape[1] * n_targets * 4 / 2**20
    print(f"\nMemory holds the weights, {weights:.0f} MB.")


def _mapped(path: Path) -> np.ndarray:
    _forget(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read(path: Path) -> int:
    _forget(path)
    total = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(2**24):
            total += len(block)
    return total


def _forget(path: Path) -> None:
    """Drop the file from the page cache, so that it is read from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def _settings(args: argparse.Namespace) -> RidgeSettings:
    return RidgeSettings(device=args.device)


def _sizes(args: argparse.Namespace, n_targets: int | None) -> str:
    targets = "" if n_targets is None else f", {n_targets} targets"
    where = args.device or "processor"
    return (
        f"{args.n_samples} samples, {args.n_features} features{targets}, {where}, "
        f"{torch.get_num_threads()} threads, median of {args.n_pairs} paired runs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-samples", type=int, default=2000)
    parser.add_argument("--n-features", type=int, default=256)
    parser.add_argument("--n-targets", type=int, default=1000)
    parser.add_argument("--gcv-targets", type=int, default=20_000)
    parser.add_argument("--n-pairs", type=int, default=3)
    parser.add_argument("--without-scikit-learn", action="store_true")
    parser.add_argument("--without-himalaya", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["kfold", "gcv", "memory"])
    parser.add_argument("--memory-targets", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--disk-targets", type=int, default=20_000)
    parser.add_argument("--with-sums", action="store_true", help="add the store of sums to `disk`")
    parser.add_argument("--scratch", default=None, help="folder of the file of `disk`")
    parser.add_argument("--device", default=None, help="torch device of calcarine's column")
    args = parser.parse_args()
    for part in args.parts:
        PARTS[part](args)


PARTS = {"kfold": kfold, "gcv": gcv, "memory": flat_memory, "disk": from_disk}


if __name__ == "__main__":
    main()
