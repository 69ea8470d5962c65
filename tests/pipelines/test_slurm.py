"""The workflow on a real Slurm: resources, a cancelled job, a killed workflow, the same numbers."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures.small_phantom import write_small_phantom

from calcarine.pipelines.config import load_config

pytestmark = pytest.mark.slurm

POLL_S = ("--slurm-init-seconds-before-status-checks", "6")
# a machine with few cores claims more of them: jobs are small
NODES = {"SLURM_IT_CPUS": "8", "SLURM_IT_MEM": "32000"}
TRAINS_OR_GENERATES = {"embed", "decode", "decode_group", "reconstruct"}


@pytest.fixture(scope="module")
def cluster():
    """Bring up Slurm by the script beside the shared data, or skip the test and say why not."""
    root = Path(__file__).resolve().parents[2].parent / "shared"
    scripts = Path(os.environ.get("CALCARINE_SHARED", root / "data")).parent / "slurm"
    if not (scripts / "slurm_up.sh").is_file():
        pytest.skip(f"slurm_up.sh is not at {scripts} (set CALCARINE_SHARED)")
    if os.geteuid() != 0:
        pytest.skip("bringing up Slurm needs root")
    up = [str(scripts / "slurm_up.sh"), "--restart"]
    started = subprocess.run(up, env={**os.environ, **NODES}, capture_output=True, text=True)
    if started.returncode:
        pytest.skip(f"Slurm did not come up: {(started.stdout + started.stderr)[-400:]}")
    yield
    subprocess.run([str(scripts / "slurm_down.sh")], check=False, capture_output=True)


def start(config, cwd):
    command = [sys.executable, "-m", "calcarine.pipelines", "run", str(config)]
    with (cwd / "workflow.log").open("a") as log:
        return subprocess.Popen(
            [*command, "--profile", "slurm", *POLL_S], cwd=cwd, stdout=log, stderr=log
        )


def finish(process, cwd):
    code = process.wait(timeout=900)
    assert code == 0, (cwd / "workflow.log").read_text()[-4000:]


def jobs(*columns, states="all"):
    """List the workflow's jobs that Slurm knows; the plugin writes a rule's name as comment."""
    call = ["squeue", "--noheader", "--states", states, "--Format", ",".join(columns)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines() if "rule_" in line]


def rule_of(comment):
    found = re.match(r"rule_(\w+?)(?:_wildcards_.*)?$", comment)
    assert found, comment
    return found.group(1)


def wait_for(condition, timeout_s=400):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not happen in time")


def running(rule):
    def found():
        table = jobs("JobID:20", "Comment:200", states="running")
        return [job for job, comment in table if rule_of(comment) == rule]

    return found


def metrics(config):
    layout = load_config(config).layout
    return {s: layout.metrics(s).read_bytes() for s in load_config(config).subjects}


@pytest.fixture(scope="module")
def calm(cluster, tmp_path_factory):
    """Run the workflow undisturbed; give its folder and what Slurm knew of its jobs."""
    folder = tmp_path_factory.mktemp("calm")
    config = write_small_phantom(folder)
    finish(start(config, folder), folder)
    columns = ("Comment:200", "NumCPUs:10", "MinMemory:20", "TimeLimit:20", "tres-per-job:40")
    return config, jobs(*columns)


def test_every_job_asks_for_what_it_needs(calm):
    _, table = calm
    rules = set()
    for comment, cpus, memory, minutes, devices in table:
        rule = rule_of(comment)
        rules.add(rule)
        assert int(cpus) >= 1
        assert memory.endswith(("M", "G"))
        assert minutes not in ("UNLIMITED", "INVALID")
        assert ("gpu" in devices) == (rule in TRAINS_OR_GENERATES), (rule, devices)
    assert {"prepare", "embed", "encode", "decode", "decode_group", "evaluate"} <= rules
    assert "index" not in rules  # small rules stay on the machine that started the workflow


def test_a_log_for_every_job_lies_where_the_layout_says(calm):
    config, _ = calm
    layout = load_config(config).layout
    assert layout.log("prepare", "01").is_file()
    assert layout.log("decode", "02_contrastive-clip").is_file()
    assert layout.index.is_file()


def test_cancelled_and_killed_it_ends_with_the_same_numbers(calm, tmp_path):
    config = write_small_phantom(tmp_path)
    process = start(config, tmp_path)
    victim = wait_for(running("decode"))[0]
    subprocess.run(["scancel", victim], check=True)
    wait_for(lambda: "Trying to restart" in (tmp_path / "workflow.log").read_text())
    wait_for(running("decode_group"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(["scancel", "--user", str(os.geteuid())], check=True)
    wait_for(lambda: not jobs("JobID:20", "Comment:200", states="running,pending,completing"))
    unlock = [sys.executable, "-m", "calcarine.pipelines", "run", str(config), "--unlock"]
    subprocess.run(unlock, cwd=tmp_path, check=True, capture_output=True)
    finish(start(config, tmp_path), tmp_path)
    assert metrics(config) == metrics(calm[0])
