"""Reading third parties' pickled .npy files without running what a pickle could run.

The one place where a pickle is read, and none is written: releases such as THINGS-EEG2 hold
dictionaries of arrays in object arrays. Only the constructors of arrays are let through.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from calcarine.data.errors import CalcarineError

# what NumPy's own arrays need, under the names of NumPy 1 and 2
_ALLOWED = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct", "scalar")
} | {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        # NumPy 2 moved `numpy.core`; its old name warns
        moved = module.replace("numpy.core.", "numpy._core.")
        return super().find_class(moved, name)


def read_array_dictionary(path: Path) -> dict[str, Any]:
    """Read a dictionary of arrays, lists, texts and numbers from a pickled .npy file.

    Parameters
    ----------
    path
        A .npy file that holds one object, as `numpy.save` writes a dictionary.

    Returns
    -------
    dict
        As it was saved.

    Raises
    ------
    CalcarineError
        The file is absent, is no such file, or asks for anything but arrays.
    """
    try:
        with path.open("rb") as file:
            version = npy_format.read_magic(file)
            read_header = {
                (1, 0): npy_format.read_array_header_1_0,
                (2, 0): npy_format.read_array_header_2_0,
            }[version]
            _, _, dtype = read_header(file)
            if not dtype.hasobject:
                raise ValueError(f"it holds an array of {dtype}, not a dictionary")
            # encoding as numpy.load has it for files that Python 2 wrote
            value = _ArraysOnly(file, encoding="ASCII").load()
    except FileNotFoundError as error:
        raise CalcarineError(f"{path} is not there.") from error
    except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, TypeError) as error:
        raise CalcarineError(
            f"{path} is no dictionary of arrays in a pickled .npy file, or one that would run "
            f"code ({error}). It was not read; get the file from its publisher again."
        ) from error
    found = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not isinstance(found, dict):
        raise CalcarineError(f"{path} holds {type(found).__name__}; expected a dictionary.")
    return found
