"""A whole run that is killed at random moments ends with the bytes of a calm one."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fixtures.small_phantom import make_small_recordings, write_small_phantom

from calcarine.data.checkpoints import checkpoint_of
from calcarine.pipelines.config import load_config
from calcarine.pipelines.steps import run_step
from calcarine.pipelines.workflow import snakemake_command

SUBJECT = "01"
NEVER = 1_000_000

# `calcarine` with a checkpoint after every third epoch, that dies in the epoch of the given number
MORTAL = """
import os, signal, sys
from calcarine.encoders import training
from calcarine.pipelines.cli import main

last, begun = int(sys.argv.pop(1)), [0]
one_epoch, write_state = training._one_epoch, training._write_state

def mortal(*arguments):
    if begun[0] == last:
        os.kill(os.getpid(), signal.SIGKILL)
    begun[0] += 1
    return one_epoch(*arguments)

def write_some(folder, key, model, optimizer, history, best):
    if len(history.train_loss) % 3 == 0:
        write_state(folder, key, model, optimizer, history, best)

training._one_epoch, training._write_state = mortal, write_some
training._CHECKPOINT_EVERY_S, training._CHECKPOINT_SHARE = 0.0, float("inf")
main()
"""


@dataclass
class Runs:
    """One configuration that is run, killed and run again in one folder.

    Attributes
    ----------
    folder, config, out
        Working directory, configuration file, output tree.
    calm_s
        Seconds that an undisturbed run took.
    moments, running, checkpoints
        At each kill: seconds since the start, the steps that ran, and whether a training had left
        a checkpoint.
    """

    folder: Path
    config: Path
    out: Path
    calm_s: float = 0.0
    moments: list[float] = field(default_factory=list)
    running: list[tuple[str, ...]] = field(default_factory=list)
    checkpoints: list[bool] = field(default_factory=list)

    def start(self) -> subprocess.Popen:
        # --nolock: a killed Snakemake leaves its lock, which `--unlock` takes away
        command = snakemake_command(self.config, ["--nolock", "--cores", "2"])
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
        with (self.folder / "run.log").open("a") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def kill(self, process: subprocess.Popen, after_s: float) -> bool:
        """Kill the whole process group after some time; tell whether it was still running."""
        try:
            process.wait(timeout=after_s)
        except subprocess.TimeoutExpired:
            self.moments.append(after_s)
            self.running.append(tuple(sorted(self.steps())))
            self.checkpoints.append(any(self.out.glob("*/models/.*.training/*/state.json")))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            while self.steps():
                time.sleep(0.02)
            return True
        return False

    def steps(self) -> list[str]:
        """List the steps of this configuration that run on this machine."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"step" in words and str(self.out / "config.yaml").encode() in words:
                found.append(words[words.index(b"step") + 1].decode())
        return found

    def finish(self, process: subprocess.Popen) -> dict[str, str]:
        """Wait for the end; give the content hash of every file that must not vary."""
        code = process.wait(timeout=900)
        assert code == 0, (self.folder / "run.log").read_text()[-4000:]
        varies = {self.out / "logs", *self.out.glob("sub-*/provenance.json")}
        return {
            path.relative_to(self.out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and varies.isdisjoint([path, *path.parents])
        }

    def forget(self) -> None:
        """Remove everything that was made."""
        shutil.rmtree(self.out)
        shutil.rmtree(self.folder / ".snakemake")


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> tuple[Runs, dict[str, str]]:
    """Run undisturbed, and take the result away."""
    folder = tmp_path_factory.mktemp("kills")
    config = write_small_phantom(folder, subjects=(SUBJECT,), n_epochs=400)
    runs = Runs(folder, config, load_config(config).out)
    start = time.monotonic()
    made = runs.finish(runs.start())
    runs.calm_s = time.monotonic() - start
    runs.forget()
    return runs, made


def disturb(runs: Runs, made: dict[str, str], n_kills: int, seed: int) -> int:
    """Kill so often; begin anew whenever a run came to its end. Give how often it came there."""
    moments = random.Random(seed)
    n_ends = 0
    while len(runs.moments) < n_kills:
        process = runs.start()
        if not runs.kill(process, moments.uniform(0.03, 0.5) * runs.calm_s):
            assert runs.finish(process) == made
            runs.forget()
            n_ends += 1
    assert runs.finish(runs.start()) == made
    runs.forget()
    return n_ends + 1


def test_a_calm_run_makes_what_it_should(calm):
    _, made = calm
    wanted = {
        "index.html",
        f"sub-{SUBJECT}.html",
        f"sub-{SUBJECT}/metrics.tsv",
        f"sub-{SUBJECT}/models/decoder-contrastive-clip/model.safetensors",
        f"sub-{SUBJECT}/models/encoder-clip/model.safetensors",
    }
    assert wanted <= set(made)


def test_killed_three_times_it_ends_with_the_same_bytes(calm):
    disturb(*calm, n_kills=3, seed=0)


def test_a_training_killed_between_checkpoints_ends_with_the_same_weights(tmp_path):
    path = write_small_phantom(tmp_path, subjects=(SUBJECT,), n_epochs=40)
    config = load_config(path)
    make_small_recordings(path)
    run_step("prepare", config, subject=SUBJECT)
    run_step("embed", config, name="clip")
    models = config.layout.model(SUBJECT, "decoder-contrastive-clip").parent
    weights = models / "decoder-contrastive-clip" / "model.safetensors"
    training = models / ".decoder-contrastive-clip.training"
    state = checkpoint_of(training, "holdout") / "state.json"

    def train(n_epochs_until_death: int) -> int:
        command = [sys.executable, "-c", MORTAL, str(n_epochs_until_death), "step", "decode"]
        command += [str(path), "--subject", SUBJECT, "--name", "contrastive-clip"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, check=False).returncode

    def n_epochs() -> int:
        return len(json.loads(state.read_text())["state"]["train_loss"])

    assert train(NEVER) == 0
    calm = weights.read_bytes()
    shutil.rmtree(weights.parent)
    # the second process goes on from where the first was, not from the beginning
    for lived, reached in ((7, 6), (5, 9)):
        assert train(lived) == -signal.SIGKILL
        assert n_epochs() == reached
        assert not weights.exists()
    assert train(NEVER) == 0
    assert weights.read_bytes() == calm
    assert not state.exists()


@pytest.mark.kills
def test_killed_25_times_it_ends_with_the_same_bytes(calm):
    runs, made = calm
    n_ends = disturb(runs, made, n_kills=25, seed=1)
    print(f"\ncalm run {runs.calm_s:.1f} s, {len(made)} files; {n_ends} runs came to their end")
    for moment, running, left in zip(runs.moments, runs.running, runs.checkpoints, strict=True):
        print(f"killed after {moment:5.1f} s in {', '.join(running) or 'no step'}", end="")
        print("; a checkpoint was there" if left else "")
