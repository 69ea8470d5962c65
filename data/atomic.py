"""Files and folders that appear whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError

_N_FLUSHES = 16


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


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well.

    What stood at `path` stays until the new file is complete and on disk.
    """
    make_folder(path.parent)
    # the suffix is kept: writers such as nibabel and numpy choose the format by it
    name = f".{os.getpid()}.{path.name}"
    temporary = path.parent / name
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise CalcarineError(
            f"cannot write {path}: {error.strerror or error}. Nothing that was there is lost; "
            "free some disk space or mend the folder's permissions and run again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; put it in the place of `path` when all went well."""
    make_folder(path.parent)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
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
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise CalcarineError(
            f"cannot write {path}: {error.strerror or error}. Nothing that was there is lost; "
            "free some disk space or mend the folder's permissions and run again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
