"""Stimulus to embedding to predicted response: embedding models, ridge, pretrained encoders."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcarine.encoders.pretrained import list_pretrained, load_pretrained

__all__ = ["list_pretrained", "load_pretrained"]


def __getattr__(name: str) -> Any:
    # the two names that a notebook wants, without their weight for everybody else
    if name in __all__:
        from calcarine.encoders import pretrained

        return getattr(pretrained, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
