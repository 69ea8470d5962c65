"""Fit the encoders that come with the package: the phantom's subjects, from the shipped CLIP."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from calcarine.data.errors import CalcarineError
from calcarine.pipelines.config import Config, named_config, read_raw
from calcarine.pipelines.sharing import export_model
from calcarine.pipelines.steps import run_step
from calcarine.pipelines.workflow import WORKFLOW

EMBEDDING = "clip"
LICENCE = "Apache-2.0"


def run(out: Path, subjects: Sequence[str] = ("01", "02"), seed: int = 0) -> list[Path]:
    """Simulate the phantom, fit one encoder a subject, and write `<out>/phantom-sub-<label>`.

    Parameters
    ----------
    out
        Folder that is written; the recording lies beside it until all encoders are done.
    subjects
        Labels.
    seed
        Of the phantom.

    Returns
    -------
    list of pathlib.Path
        One model folder a subject, in half precision, with scores of its test scenes.
    """
    work = out.parent / f".{out.name}-fitting"
    config = encoder_config(work, subjects, seed)
    run_step("source", config)
    run_step("embed", config, name=EMBEDDING)
    for subject in subjects:
        if (out / f"phantom-sub-{subject}").is_dir():
            continue  # an interrupted call goes on with the next subject
        for step in ("source", "prepare"):
            run_step(step, config, subject=subject)
        run_step("encode", config, subject=subject, name=EMBEDDING)
        run_step("evaluate", config, subject=subject)
        folder = config.layout.model(subject, f"encoder-{EMBEDDING}")
        fields = {"licence": LICENCE}
        export_model(folder, out / f"phantom-sub-{subject}", fields, half=True)
    shutil.rmtree(work)
    return [out / f"phantom-sub-{subject}" for subject in subjects]


def encoder_config(work: Path, subjects: Sequence[str], seed: int) -> Config:
    """Take the phantom's configuration, with one encoder and nothing else."""
    path = WORKFLOW / "config" / "phantom.yaml"
    raw = read_raw(path)
    if EMBEDDING not in raw["embeddings"] or EMBEDDING not in raw["encode"]:
        raise CalcarineError(f"{path} has no embedding and encoder {EMBEDDING!r} any more.")
    kept = {name: {EMBEDDING: raw[name][EMBEDDING]} for name in ("embeddings", "encode")}
    kept |= {n: {} for n in ("decode", "reconstruct", "geometry", "caption") if n in raw}
    more = {"out": str(work), "subjects": list(subjects), "seed": seed}
    return named_config({**raw, **kept, **more}, path)
