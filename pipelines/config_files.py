"""YAML as a person types it: small, shallow, each key once, nothing that is executed."""

from typing import Any

import yaml

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 40


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands in a table twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            is_merge = key.tag == "tag:yaml.org,2002:merge"
            if isinstance(key, yaml.ScalarNode) and not is_merge:
                if key.value in seen:
                    raise yaml.YAMLError(
                        f"line {key.start_mark.line + 1}: `{key.value}` stands there a second "
                        "time in one table; keep one of them"
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Read YAML.

    Parameters
    ----------
    text
        What stands in the file.

    Raises
    ------
    yaml.YAMLError
        It is no YAML, or is larger or deeper than a person writes.
    """
    if len(text) > MAX_BYTES:
        raise yaml.YAMLError(f"{len(text)} characters; expected at most {MAX_BYTES}")
    try:
        value = yaml.load(text, Loader=_Loader)
        size, depth = _extent(value, {})
    except RecursionError as error:
        raise yaml.YAMLError(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # dates and numbers that do not exist
        raise yaml.YAMLError(str(error)) from error
    if depth > MAX_DEPTH:
        raise yaml.YAMLError(f"it is nested {depth} levels deep; expected at most {MAX_DEPTH}")
    if size > MAX_VALUES:
        raise yaml.YAMLError(
            f"its aliases (`*name`) expand to {size} values; expected at most {MAX_VALUES}"
        )
    return value


def _extent(value: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Count values and levels with all aliases expanded; each shared part is visited once."""
    if not isinstance(value, dict | list):
        return 1, 0
    if id(value) not in known:
        known[id(value)] = (MAX_VALUES + 1, 0)  # what holds itself has no end
        parts = list(value.values()) if isinstance(value, dict) else value
        inner = [_extent(part, known) for part in parts]
        size = 1 + sum(n for n, _ in inner)
        known[id(value)] = (size, 1 + max((d for _, d in inner), default=0))
    return known[id(value)]
