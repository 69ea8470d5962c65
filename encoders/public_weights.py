"""Weights that others publish: taken from the local cache, fetched only where that is allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants

from calcarine.data.errors import CalcarineError


def may_download() -> bool:
    """Tell whether a named public model may be fetched: not while HF_HUB_OFFLINE is set."""
    return not constants.HF_HUB_OFFLINE


@contextmanager
def loading(name: str, fix: str = "") -> Iterator[None]:
    """Turn whatever goes wrong while weights are read into one error with a remedy.

    Parameters
    ----------
    name
        What the user wrote.
    fix
        What to do, where it is not a matter of the network.
    """
    try:
        yield
    except CalcarineError:
        raise
    except Exception as error:  # the libraries raise a dozen types, RuntimeError among them
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CalcarineError(f"cannot load {name!r}: {first} {fix or _network_fix()}") from error


def cached_or_fetched(name: str, file: Path) -> None:
    """Refuse to go on where weights would be fetched by URL although that is not allowed.

    Raises
    ------
    CalcarineError
        The file is not in the cache and HF_HUB_OFFLINE is set.
    """
    if not file.is_file() and not may_download():
        raise CalcarineError(f"{name!r}: its weights are not at {file}. {_network_fix()}")


def _network_fix() -> str:
    if may_download():
        return (
            "Check the name and the network, or load it elsewhere and name the folder: "
            "local-dir:PATH."
        )
    return (
        "HF_HUB_OFFLINE is set, so only the local cache was looked at. Unset it to let the weights "
        "be fetched once, or fetch them elsewhere and name the folder: local-dir:PATH."
    )
