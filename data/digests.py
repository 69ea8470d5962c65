"""Content hashes: equal content, equal hash, whatever the name."""

import hashlib
import importlib.util
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from calcarine.data.errors import CalcarineError
from calcarine.data.stored_rows import row_blocks


def file_sha(path: Path) -> str:
    """Hash a file's bytes (SHA-256, hexadecimal)."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def array_sha(array: np.ndarray) -> str:
    """Hash an array's shape, type and values."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    for _, block in row_blocks(array) if array.ndim > 1 else [(None, array)]:
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def text_sha(text: str) -> str:
    """Hash a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def frame_sha(frame: pd.DataFrame) -> str:
    """Hash a table's column names and cells as they would be written to disk."""
    return text_sha(frame.to_csv(sep="\t", index=False, lineterminator="\n"))


def read_picture(path: Path) -> Image.Image:
    """Open a picture as RGB.

    Only plain formats are tried: none of them runs another program, as PostScript would.

    Raises
    ------
    CalcarineError
        The file is absent, is no picture, is larger than 50 million pixels, holds several
        pictures, or holds values that 8 bits a channel cannot.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as picture:
            _check_picture(picture, path)
            return picture.convert("RGB")
    except FileNotFoundError as error:
        raise CalcarineError(
            f"the picture {path} is not there. Correct the `file` column of stimuli.tsv "
            "or put the picture in its place."
        ) from error
    except CalcarineError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, *_UNREADABLE) as error:
        raise CalcarineError(
            f"{path} cannot be read as a picture ({error}). Replace it with a PNG or JPEG."
        ) from error


def _check_picture(picture: Image.Image, path: Path) -> None:
    wrong = None
    n_pictures = getattr(picture, "n_frames", 1)
    if picture.width * picture.height > MAX_PIXELS:
        wrong = f"has {picture.width} x {picture.height} pixels; expected at most {MAX_PIXELS:,}"
    elif n_pictures != 1:
        wrong = f"holds {n_pictures} pictures; expected one"
    elif picture.mode.startswith(("I", "F")):
        depth = "32 bits (integers or floats)" if picture.mode in ("I", "F") else "16 bits"
        wrong = f"has {depth} a channel; expected 8, because what to do with the rest is a choice"
    if wrong is not None:
        raise CalcarineError(f"the picture {path} {wrong}. Save it as an 8-bit PNG or JPEG.")


def picture_sha(path: Path) -> str:
    """Hash what a picture shows (size and RGB values), so that a renamed copy is found.

    A folder of pictures has the hash of its pictures' sorted hashes.
    """
    if path.is_dir():
        return text_sha("\n".join(sorted(picture_sha(file) for file in pictures_of(path))))
    return array_sha(np.asarray(read_picture(path)))


PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
MAX_PIXELS = 50_000_000
# what the readers of damaged pictures raise
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, MemoryError)
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


def pictures_of(path: Path) -> list[Path]:
    """List the pictures that a stimulus has: the file itself, or all in the folder, sorted."""
    if not path.is_dir():
        return [path]
    found = sorted(f for f in path.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise CalcarineError(
            f"the stimulus folder {path} holds no picture with one of the endings "
            f"{sorted(PICTURE_SUFFIXES)}."
        )
    return found


def code_digest(*modules: str) -> str:
    """Hash the source of some modules: 12 hexadecimal digits.

    Used as a parameter of workflow rules, so that a step reruns when its code has changed.
    """
    digest = hashlib.sha256()
    for name in sorted(modules):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise CalcarineError(f"there is no module {name} to hash.")
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()[:12]
