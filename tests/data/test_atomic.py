import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from calcarine.data.atomic import (
    make_folder,
    new_file,
    new_folder,
    reserve,
    write_json,
    write_npy,
    write_text,
)
from calcarine.data.errors import CalcarineError


def fail_in_file(path, error):
    with new_file(path) as temporary:
        temporary.write_text("half")
        raise error


def fail_in_folder(path, error):
    with new_folder(path) as temporary:
        (temporary / "a").write_text("half")
        raise error


def test_files_appear_whole(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with new_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failing_file_changes_nothing(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(RuntimeError):
        fail_in_file(path, RuntimeError())
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_folders_appear_whole_and_replace(tmp_path):
    path = tmp_path / "model"
    for content in ("one", "two"):
        with new_folder(path) as temporary:
            (temporary / "sub").mkdir()
            (temporary / "sub" / content).write_text(content)
    assert [p.name for p in (path / "sub").iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_failing_folder_changes_nothing(tmp_path):
    with new_folder(tmp_path / "m") as temporary:
        (temporary / "a").write_text("before")
    with pytest.raises(RuntimeError):
        fail_in_folder(tmp_path / "m", RuntimeError())
    assert (tmp_path / "m" / "a").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_json_is_sorted_and_finite(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": "ü",\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["b"] == 1


def test_arrays_are_never_pickled(tmp_path):
    write_npy(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy", allow_pickle=False).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="allow_pickle"):
        write_npy(tmp_path / "a.npy", np.array([{}], dtype=object))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]


def test_a_place_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(CalcarineError, match="cannot make the folder"):
        make_folder(tmp_path / "out" / "sub")
    with pytest.raises(CalcarineError, match="cannot make the folder"):
        write_text(tmp_path / "out" / "a.txt", "")
    with (
        pytest.raises(CalcarineError, match="cannot make the folder"),
        new_folder(tmp_path / "out" / "m"),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CalcarineError, match="cannot write"):
            write_text(tmp_path / "a.txt", "")
        with pytest.raises(CalcarineError, match="cannot write into"), new_folder(tmp_path / "m"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_loses_nothing(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before")
    full = OSError(28, "No space left on device")
    with pytest.raises(CalcarineError, match=r"No space left.*Nothing that was there is lost"):
        fail_in_file(path, full)
    with pytest.raises(CalcarineError, match=r"No space left.*Nothing that was there is lost"):
        fail_in_folder(tmp_path / "m", full)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


KILLED = """
import os, signal, sys
from pathlib import Path
from calcarine.data.atomic import new_file, new_folder
path = Path(sys.argv[1])
maker = {"file": new_file, "folder": new_folder}[sys.argv[2]]
with maker(path) as temporary:
    half = temporary if sys.argv[2] == "file" else temporary / "a"
    half.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_cleared_up_and_never_read(kind, tmp_path):
    path = tmp_path / "model"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), kind], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".other").write_text("")
    write_text(path, "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other", "model"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    with new_file(path) as temporary:
        temporary.write_text("mine")
        with new_file(tmp_path / "a.txt.gz") as other:
            other.write_text("another")
        with new_folder(tmp_path / "a.txt.d"):
            assert temporary.read_text() == "mine"
    assert path.read_text() == "mine"


# a process that may not write more than 64 KiB a file stands for one whose disk is full
LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
{imports}
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
{call}
"""
WRITERS = {
    "array": (
        "from calcarine.data.atomic import write_npy",
        "write_npy(Path(sys.argv[1]), np.zeros(100_000))",
    ),
    "text": (
        "from calcarine.data.atomic import write_text",
        "write_text(Path(sys.argv[1]), 'x' * 100_000)",
    ),
    "model": (
        "from calcarine.data.model_folder import write_model",
        "write_model(Path(sys.argv[1]), {'kind': 'a'}, {'w': np.zeros(100_000)}, 'card')",
    ),
    "checkpoint": (
        "from calcarine.data.checkpoints import write_checkpoint",
        "write_checkpoint(Path(sys.argv[1]), 'a', {'w': np.zeros(100_000)}, {})",
    ),
    "pictures": (
        "import pandas as pd\nfrom calcarine.data.reconstructions import write_reconstructions",
        "write_reconstructions(Path(sys.argv[1]), np.zeros((9, 64, 64, 3), np.uint8), "
        "pd.DataFrame(), {'conditions': ['a']}, [np.ones((9, 64, 64, 3), np.uint8)])",
    ),
}


def write_limited(path, kind):
    imports, call = WRITERS[kind]
    code = LIMITED.format(imports=imports, call=call)
    return subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_without_space_says_so_and_leaves_what_was_there(kind, tmp_path):
    path = tmp_path / "a"
    write_text(path, "before")
    done = write_limited(path, kind)
    assert done.returncode == 1  # an exception, and not a signal
    assert f"CalcarineError: cannot write {path}: " in done.stderr
    assert "MB are free there" in done.stderr
    assert "Nothing that was there is lost" in done.stderr
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 256 KiB, or skip."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_loses_nothing(small_disk):
    path = small_disk / "a.npy"
    write_npy(path, np.arange(10))
    before = path.read_bytes()
    with pytest.raises(CalcarineError, match=r"0\.\d MB are free there.*free some disk space"):
        write_npy(path, np.zeros(100_000))
    assert path.read_bytes() == before
    assert [p.name for p in small_disk.iterdir()] == ["a.npy"]


def test_memory_of_a_full_disk_is_refused_before_it_is_written(small_disk):
    out = np.lib.format.open_memmap(small_disk / "a.npy", "w+", np.uint8, (1_000_000,))
    with pytest.raises(OSError, match="No space left"):
        reserve(small_disk / "a.npy")
    del out
