"""Files and folders that appear whole or not at all."""

import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from calcarine.data.errors import CalcarineError

_N_FLUSHES = 16
# what a full disk looks like: safetensors hides the error of the system in one of its own
_FAILURES = (OSError, SafetensorError)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; raise `CalcarineError` where that is not allowed."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalcarineError(
            f"cannot make the folder {path}: {error.strerror}. "
            "Choose another `out` in the configuration or mend its permissions."
        ) from error
    return path


def _mark(process: int | str) -> str:
    """Begin the name of something temporary with whose it is: host, space of processes, process."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        space = 0
    return f".{platform.node()}-{space}-{process}."


def _clear_up(path: Path) -> None:
    """Remove what killed processes of this host left half-written beside `path`."""
    name = re.compile(
        rf"{re.escape(_mark('PID')).replace('PID', '([0-9]+)')}{re.escape(path.name)}"
    )
    for left in path.parent.iterdir():
        owner = name.match(left.name)
        if owner and not _is_alive(int(owner.group(1))):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _not_written(path: Path, error: Exception) -> CalcarineError:
    free_mb = shutil.disk_usage(path.parent).free / 1e6
    return CalcarineError(
        f"cannot write {path}: {getattr(error, 'strerror', None) or error} ({free_mb:,.1f} MB are "
        "free there). Nothing that was there is lost; free some disk space or mend the folder's "
        "permissions and run again."
    )


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well.

    What stood at `path` stays until the new file is complete and on disk.
    """
    make_folder(path.parent)
    _clear_up(path)
    # the suffix is kept: writers such as nibabel and numpy choose the format by it
    temporary = path.parent / f"{_mark(os.getpid())}{path.name}"
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except _FAILURES as error:
        raise _not_written(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; put it in the place of `path` when all went well."""
    make_folder(path.parent)
    _clear_up(path)
    prefix = f"{_mark(os.getpid())}{path.name}."
    try:
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    except OSError as error:
        raise CalcarineError(
            f"cannot write into {path.parent}: {error.strerror}. Mend its permissions."
        ) from error
    try:
        yield temporary
        # a disk flushes many files together in a fraction of the time of one after the other
        with ThreadPoolExecutor(_N_FLUSHES) as pool:
            list(pool.map(_sync, temporary.rglob("*")))
        temporary.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{prefix}old.", dir=path.parent))
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
        _sync(path.parent)
    except _FAILURES as error:
        raise _not_written(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reserve(path: Path) -> None:
    """Give a file the disk space of its size, so that it can be written through memory.

    A full disk is then an error here. Without it, the first write to a page that has no place ends
    the process without a message.

    Raises
    ------
    OSError
        There is no space.
    """
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        if size:
            os.posix_fallocate(file.fileno(), 0, size)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal values give equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write one array as `.npy`, never pickled."""
    with new_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
