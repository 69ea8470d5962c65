"""Where the numbers come from: versions, seeds, hashes; time, host and cost stand apart."""

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

import calcarine
from calcarine.data.atomic import write_json
from calcarine.data.digests import file_sha
from calcarine.pipelines.config import Config, dump_config

PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "nibabel",
    "nilearn",
    "torch",
    "open-clip-torch",
    "timm",
    "diffusers",
    "transformers",
    "matplotlib",
    "snakemake",
)
_MEASURES = ("s", "max_rss", "cpu_time")


def write_provenance(config: Config, subject: str) -> Path:
    """Write `provenance.json` of a subject: the only file that knows time and host.

    Returns
    -------
    pathlib.Path
        What was written.
    """
    path = config.layout.provenance(subject)
    value = {
        **origin(config, subject),
        "configuration": config.model_dump(mode="json"),
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "platform": platform.platform(),
        "n_cpus": os.cpu_count(),
        "cost": costs(config, subject),
    }
    write_json(path, value)
    return path


def origin(config: Config, subject: str) -> dict[str, Any]:
    """Collect what is equal in two runs of one configuration on one machine.

    Returns
    -------
    dict
        `subject`, `seed`, `configuration` as YAML text, `versions`, `git`, and SHA-256 `hashes`
        by file, relative to the output tree.
    """
    return {
        "subject": subject,
        "seed": config.seed,
        "configuration_yaml": dump_config(config),
        "versions": versions(),
        "git": git_state(Path(__file__).resolve().parent),
        "hashes": hashes(config, subject),
    }


def versions() -> dict[str, str]:
    """List the versions of Python, calcarine and the packages that numbers depend on."""
    found = {"python": platform.python_version(), "calcarine": calcarine.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Name the commit that the code belongs to, and whether it was changed since.

    Returns
    -------
    dict or None
        `commit` and `changed`; None where the folder belongs to no checkout.
    """
    # an installed copy may lie inside somebody else's checkout, which does not track it
    if _git(folder, "ls-files", "--error-unmatch", "provenance.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "changed": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def hashes(config: Config, subject: str) -> dict[str, str]:
    """Hash what the report rests on, from the recording to the scores.

    Inputs (the recording's files as `prepare` hashed them, the table of stimuli), trials, units,
    responses, embeddings, weights of models, predictions, pictures, scores.
    """
    layout = config.layout
    paths = [
        layout.trials(subject),
        layout.units(subject),
        layout.responses(subject),
        layout.metrics(subject),
        *(layout.embedding(name) / "embeddings.npy" for name in config.embeddings),
    ]
    names = [f"decoder-{name}" for name in config.decode]
    names += [f"encoder-{name}" for name in config.encode]
    names += [f"over-time-{name}" for name in config.over_time]
    paths += [layout.prediction(subject, name) / "predictions.npy" for name in names]
    paths += [layout.reconstruction(subject, name) / "pictures.npy" for name in config.reconstruct]
    paths += [layout.geometry(subject, name) / "dissimilarities.npy" for name in config.geometry]
    models = [
        *(layout.model(subject, name) for name in names),
        *(
            layout.group_model(f"decoder-{n}")
            for n, d in config.decode.items()
            if d.subjects == "all"
        ),
    ]
    paths += [model / "model.safetensors" for model in models]
    made = {p.relative_to(layout.out).as_posix(): file_sha(p) for p in paths if p.is_file()}
    return {**_inputs(config, subject), **made}


def _inputs(config: Config, subject: str) -> dict[str, str]:
    path = config.layout.inputs(subject)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {f"input {name}": sha for name, sha in known.items()}
    if config.stimuli.is_file():
        found["input stimuli.tsv"] = file_sha(config.stimuli)
    return found


def costs(config: Config, subject: str) -> list[dict[str, Any]]:
    """Read the time and memory of the jobs that this subject's numbers needed.

    Returns
    -------
    list of dict
        `step`, `job`, and as far as Snakemake measured them `s` (seconds), `max_rss` (MB) and
        `cpu_time` (seconds). Jobs of other subjects are left out.
    """
    others = {s for s in config.subjects if s != subject}
    found = []
    for path in sorted((config.layout.out / "logs").glob("*/*.benchmark.tsv")):
        job = path.name.removesuffix(".benchmark.tsv")
        if job.split("_", 1)[0] in others:
            continue
        table = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        known = [m for m in _MEASURES if m in table.columns and len(table)]
        measured = {m: _plain(table[m].iloc[-1]) for m in known}
        found.append({"step": path.parent.name, "job": job, **measured})
    return found


def _plain(value: Any) -> float | None:
    number = pd.to_numeric(value, errors="coerce")
    return None if pd.isna(number) else float(number)
