import json
import os

import numpy as np
import pytest

from calcarine.data.atomic import (
    make_folder,
    new_file,
    new_folder,
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
