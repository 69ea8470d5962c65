"""Reading JSON that somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from calcarine.data.errors import CalcarineError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON table.

    Raises
    ------
    CalcarineError
        The file is no JSON, or holds something other than a table.
    OSError
        The file cannot be read.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise CalcarineError(f"{path} is not JSON ({reason}). Mend it or get it again.") from error
    if not isinstance(value, dict):
        raise CalcarineError(
            f"{path} holds {type(value).__name__}; expected a table. Mend it or get it again."
        )
    return value
