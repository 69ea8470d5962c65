"""The workflow on a real Slurm: resources, arrays, a cancelled job, a kill, the same numbers."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from fixtures import eager_snakemake, local_slurm
from fixtures.small_phantom import SUBJECTS, make_small_recordings, write_small_phantom

from calcarine.pipelines.config import load_config
from calcarine.pipelines.efficiency import measured_jobs
from calcarine.pipelines.workflow import WORKFLOW, snakemake_command

pytestmark = pytest.mark.slurm

COLUMNS = (
    *("ArrayJobID:20", "ArrayTaskID:10", "Comment:200"),
    *("NumCPUs:10", "MinMemory:20", "TimeLimit:20", "tres-per-job:40"),
)
TRAINS_OR_GENERATES = {"embed", "decode", "decode_group"}
PROFILE = yaml.safe_load((WORKFLOW / "profiles" / "slurm" / "profile.yaml").read_text())
THREADS = {rule: int(n) for rule, n in (pair.split("=") for pair in PROFILE["set-threads"])}


@pytest.fixture(scope="module")
def cluster():
    """Bring up Slurm, or skip the test and say why not."""
    reason = local_slurm.why_not()
    if reason is not None:
        pytest.skip(reason)
    root = Path(tempfile.mkdtemp(prefix="calcarine-slurm-"))
    root.chmod(0o755)  # munge has a user of its own
    try:
        try:
            local_slurm.start(root)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"Slurm did not come up here: {error}")
        yield
    finally:
        local_slurm.stop(root)
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def bids(tmp_path_factory):
    return make_small_recordings(write_small_phantom(tmp_path_factory.mktemp("recordings")))


def start(config, cwd):
    """Start what `calcarine run CONFIG --profile slurm` starts, with a shorter time to wait."""
    arguments = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1"]
    command = snakemake_command(config, arguments)
    assert command[1:3] == ["-m", "snakemake"]
    command[1:3] = [eager_snakemake.__file__]
    with (cwd / "workflow.log").open("a") as log:
        return subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, env=environment())


def environment():
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


def jobs(states="all"):
    """List the workflow's jobs that Slurm knows; the plugin writes a rule's name as comment."""
    call = ["squeue", "--noheader", "--array", "--states", states, "--Format", ",".join(COLUMNS)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    names = [column.split(":")[0] for column in COLUMNS]
    lines = [line.split() for line in done.stdout.splitlines() if "rule_" in line]
    found = [dict(zip(names, line, strict=True)) for line in lines]
    for job in found:
        rule = re.match(r"rule_(\w+?)(?:_wildcards_.*)?$", job["Comment"])
        assert rule, job
        job["rule"] = rule.group(1)
    return found


def wait_for(condition, timeout_s=300):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def running(rule):
    return lambda: [job for job in jobs(states="running") if job["rule"] == rule]


def metrics(config):
    layout = load_config(config).layout
    return {s: layout.metrics(s).read_bytes() for s in SUBJECTS}


@pytest.fixture(scope="module")
def calm(bids, tmp_path_factory):
    """Run the steps undisturbed, one after the other, with the threads that jobs have."""
    config = write_small_phantom(tmp_path_factory.mktemp("calm"), bids)
    threads = str(min(THREADS["decode"], len(os.sched_getaffinity(0))))
    call = "import sys; from fixtures.small_phantom import run_steps; run_steps(sys.argv[1])"
    variables = {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": threads}
    subprocess.run(
        [sys.executable, "-c", call, str(config)], env={**os.environ, **variables}, check=True
    )
    return metrics(config)


@dataclass(frozen=True)
class Disturbed:
    """What happened to a workflow whose job was cancelled and which was then killed."""

    config: Path
    folder: Path
    log_before: str
    retried: dict[str, str]
    jobs: list[dict[str, str]]


@pytest.fixture(scope="module")
def disturbed(cluster, bids, tmp_path_factory):
    """Run the workflow, cancel a job, kill the workflow when it is tried again, run it again."""
    folder = tmp_path_factory.mktemp("disturbed")
    config = write_small_phantom(folder, bids)
    process = start(config, folder)
    victim = wait_for(running("decode"))[0]
    subprocess.run(["scancel", f"{victim['ArrayJobID']}_{victim['ArrayTaskID']}"], check=True)
    retried = wait_for(lambda: [j for j in running("decode")() if j["MinMemory"] == "8000M"])[0]
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = (folder / "workflow.log").read_text()
    subprocess.run(["scancel", "--user", str(os.geteuid())], check=True)
    wait_for(lambda: not jobs(states="running,pending,completing"))
    unlock = [sys.executable, "-m", "calcarine.pipelines", "run", str(config), "--unlock"]
    subprocess.run(unlock, cwd=folder, check=True, capture_output=True)
    process = start(config, folder)
    code = process.wait(timeout=900)
    assert code == 0, (folder / "workflow.log").read_text()[-4000:]
    return Disturbed(config, folder, told, retried, jobs())


def test_cancelled_and_killed_it_ends_with_the_same_numbers(disturbed, calm):
    assert metrics(disturbed.config) == calm


def test_every_job_asks_for_what_it_needs(disturbed):
    for job in disturbed.jobs:
        assert int(job["NumCPUs"]) == THREADS.get(job["rule"], 1), job
        assert re.fullmatch(r"\d+[MG]", job["MinMemory"]), job
        assert re.fullmatch(r"[\d:-]+", job["TimeLimit"]), job
        assert ("gpu" in job["tres-per-job"]) == (job["rule"] in TRAINS_OR_GENERATES), job
    found = {job["rule"] for job in disturbed.jobs}
    assert found == {"prepare", *TRAINS_OR_GENERATES, "encode", "evaluate", "report"}
    # `index` ran on the machine that started the workflow
    assert load_config(disturbed.config).layout.index.is_file()


def test_the_jobs_of_a_rule_are_one_array(disturbed):
    by_array: dict[str, list[str]] = {}
    for job in disturbed.jobs:
        by_array.setdefault(job["ArrayJobID"], []).append(job["rule"])
    fans = [rules for rules in by_array.values() if len(rules) > 1]
    assert all(len(set(rules)) == 1 for rules in fans)
    for rule in ("prepare", "encode", "decode"):
        assert [rule] * len(SUBJECTS) in fans


def test_a_cancelled_job_is_tried_again_with_twice_the_memory(disturbed):
    first = {job["MinMemory"] for job in disturbed.jobs if job["rule"] == "prepare"}
    assert first == {"4001M"}  # the plugin adds what the list of the array's jobs takes
    assert disturbed.retried["MinMemory"] == "8000M"
    assert "Trying to restart" in disturbed.log_before


def test_the_error_message_names_the_log_of_the_job(disturbed):
    layout = load_config(disturbed.config).layout
    logs = [layout.log("decode", f"{s}_contrastive-clip") for s in SUBJECTS]
    message = disturbed.log_before.partition("Error in rule decode")[2]
    named = [path for path in logs if f"log: {path}" in message]
    assert len(named) == 1
    assert all(path.is_file() for path in logs)


def test_the_page_of_costs_knows_the_jobs(disturbed):
    layout = load_config(disturbed.config).layout
    used = {(job.step, job.job): job for job in measured_jobs(layout)}
    arrays = {job["ArrayJobID"] for job in disturbed.jobs if job["rule"] == "prepare"}
    for subject in SUBJECTS:
        job = used["prepare", subject]
        number, _, task = job.slurm_job.partition("_")
        assert number in arrays
        assert task in ("1", "2", "3")
        assert (job.asked_mb, job.asked_s) == (4000, 120 * 60)
        assert 0 < job.memory_mb < job.asked_mb
        assert job.slurm_job in layout.efficiency.read_text()
        page = layout.page(subject).read_text()
        assert 'href="logs/efficiency.html"' in page
