"""A large study: what its plan, its dry run and its fits take, on sparse files.

Run with `PYTHONPATH=tests python benchmarks/load.py`; prints a table. Aims: the dry run in 20 s,
one subject of 30,000 trials × 50,000 voxels within 6 GB. Nothing but tables and models takes room
on disk. Every part runs in a process of its own, whose peak of resident memory is printed.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fixtures.sparse_study import (
    lab_sections,
    write_configuration,
    write_prepared,
    write_sparse_nsd,
    write_stub_embedding,
)

from calcarine.pipelines import decode, encode
from calcarine.pipelines.check import check_config
from calcarine.pipelines.check_plan import plan_text
from calcarine.pipelines.config import load_config

SUBJECTS = [f"{n:02d}" for n in range(1, 9)]
FMRI = {"modality": "fmri", "task": "scenes"}


def release(folder: Path) -> Path:
    """Write NSD's release of eight subjects with 50,000 voxels, and a configuration of it."""
    write_sparse_nsd(folder, len(SUBJECTS), (50, 50, 20))
    source = {"kind": "nsd", "path": str(folder), "accept_terms": True}
    sections = {"recording": {"modality": "betas"}, **lab_sections()}
    return write_configuration(folder, SUBJECTS, source, **sections)


def plan(folder: Path, arguments: argparse.Namespace) -> float:
    """Check the configuration of the release."""
    path = release(folder)
    start = time.perf_counter()
    problems, found = check_config(path)
    seconds = time.perf_counter() - start
    if problems or found is None:
        sys.exit("\n".join(problems))
    print(plan_text(found), file=sys.stderr)
    return seconds


def dry_run(folder: Path, arguments: argparse.Namespace) -> float:
    """Plan all jobs of the release."""
    path = release(folder)
    start = time.perf_counter()
    command = [sys.executable, "-m", "calcarine.pipelines.cli", "run", str(path), "-n"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    totals = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("total")]
    if done.returncode or not totals:
        sys.exit(done.stdout + done.stderr)
    print(f"jobs: {totals[0].split()[1]}", file=sys.stderr)
    return seconds


def fit(step: Callable[..., None], name: str) -> Callable[[Path, argparse.Namespace], float]:
    """Make a part that fits one model to one subject."""

    def part(folder: Path, arguments: argparse.Namespace) -> float:
        decoders = {
            "contrastive": {"kind": "contrastive", "target": "stub", "n_epochs": 1},
            "ridge": {"kind": "ridge", "target": "stub"},
        }
        nowhere = {"kind": "bids", "path": "nowhere"}
        path = write_configuration(folder, ["01"], nowhere, recording=FMRI, decode=decoders)
        config = load_config(path)
        write_prepared(config.layout, "01", arguments.n_trials, arguments.n_units)
        write_stub_embedding(config.layout, "stub", arguments.n_trials, arguments.n_features)
        start = time.perf_counter()
        step(config, "01", name)
        return time.perf_counter() - start

    return part


PARTS = {
    "plan": plan,
    "dry-run": dry_run,
    "encode": fit(encode.run, "stub"),
    "contrastive": fit(decode.run, "contrastive"),
    "ridge-decoder": fit(decode.run, "ridge"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--n-trials", type=int, default=30_000)
    parser.add_argument("--n-units", type=int, default=50_000)
    parser.add_argument("--n-features", type=int, default=512)
    parser.add_argument("--one", choices=list(PARTS), help="run one part in this process")
    arguments = parser.parse_args()
    if arguments.one:
        with tempfile.TemporaryDirectory() as folder:
            seconds = PARTS[arguments.one](Path(folder), arguments)
        mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {arguments.one} | {seconds:.1f} | {mb:.0f} |")
        return
    print(
        f"{arguments.n_trials} trials × {arguments.n_units} voxels, {arguments.n_features} features"
    )
    print("| part | seconds | peak resident MB |\n| --- | --- | --- |", flush=True)
    for name in arguments.parts:
        subprocess.run([sys.executable, *sys.argv, "--one", name], check=True)


if __name__ == "__main__":
    main()
