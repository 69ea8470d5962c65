"""Content hashes of the files that a subject's responses were read from."""

import json

from calcarine.data.atomic import write_json
from calcarine.data.digests import file_sha
from calcarine.pipelines.config import Config


def write_input_hashes(config: Config, subject: str) -> dict[str, str]:
    """Hash what `prepare` has just read, and write the hashes beside the responses.

    Files that share the name of a named file up to its first dot belong to it (`_eeg.vhdr`,
    `_eeg.eeg`, `_eeg.json`); of a folder all files are hashed.

    Returns
    -------
    dict
        SHA-256 by name relative to the data set.
    """
    layout = config.layout
    sidecar = json.loads(layout.responses(subject).with_suffix(".json").read_text(encoding="utf-8"))
    parts = [part for part in sidecar.get("provenance", {}).values() if isinstance(part, list)]
    derivatives = getattr(config.recording, "derivatives", None)
    release = getattr(config.source, "path", None)  # published betas are read where they stand
    found: dict[str, str] = {}
    for root in dict.fromkeys((config.bids, derivatives, release)):
        for name in (name for part in parts for name in part if root is not None):
            place = root / name
            for path in sorted(place.parent.glob(f"{place.name.split('.')[0]}.*")):
                for file in [path] if path.is_file() else sorted(path.rglob("*")):
                    key = file.relative_to(root).as_posix()
                    if file.is_file() and key not in found:
                        found[key] = file_sha(file)
    write_json(layout.inputs(subject), found)
    return found
