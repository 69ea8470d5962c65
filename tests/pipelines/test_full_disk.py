"""A step on a full disk ends with one message, and what was there stays."""

import hashlib
import os
import subprocess
import sys

import pytest
from fixtures.small_phantom import make_small_recordings, write_small_phantom

from calcarine.pipelines.config import load_config

# a process that may write no file above so many bytes stands for one whose disk is full
STEP = """
import resource, sys
from calcarine.pipelines.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["calcarine", "step", *sys.argv[2:]]
main()
"""


def step(config, limit, *arguments):
    command = [sys.executable, "-c", STEP, str(limit), arguments[0], str(config), *arguments[1:]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = write_small_phantom(tmp_path_factory.mktemp("disk"), subjects=("01",))
    make_small_recordings(path)
    for arguments in (("prepare", "--subject", "01"), ("embed", "--name", "clip")):
        done = step(path, 10**9, *arguments)
        assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("source",),
        ("source", "--subject", "01"),
        ("prepare", "--subject", "01"),
        ("encode", "--subject", "01", "--name", "clip"),
        ("decode", "--subject", "01", "--name", "contrastive-clip"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_one_message_and_loses_nothing(arguments, config):
    out = load_config(config).out
    before = contents(out)
    done = step(config, 5_000, *arguments)
    assert done.returncode == 2, done.stderr
    messages = [line for line in done.stderr.splitlines() if line.startswith("calcarine: ")]
    assert len(messages) == 1
    assert messages[0].startswith(f"calcarine: cannot write {out}")
    assert "MB are free there). Nothing that was there is lost" in messages[0]
    assert "Traceback" not in done.stderr
    assert contents(out) == before
