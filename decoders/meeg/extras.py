"""Packages that only some decoders need: imported when one is used, refused with a remedy."""

import importlib
from typing import Any

from calcarine.data.errors import CalcarineError


def needed(module: str) -> Any:
    """Import a module of the extra `meeg`.

    Parameters
    ----------
    module
        Dotted name.

    Raises
    ------
    CalcarineError
        The package is not installed, or cannot be imported beside the others.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise CalcarineError(
            f"this decoder needs {package}, which is not installed ({error}). Install the extra: "
            'pip install -c constraints.txt "calcarine[meeg]".'
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise CalcarineError(
            f"{package} is installed but cannot be imported: {error}. braindecode imports "
            "torchaudio, which must be built for the CUDA version of torch; install the versions "
            "of constraints.txt."
        ) from error
