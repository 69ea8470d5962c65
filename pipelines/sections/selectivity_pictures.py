"""What regions respond to, in pictures: natural ones, where they are looked at, drawn ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from calcarine.data.captions import Captions
from calcarine.data.digests import read_picture
from calcarine.data.errors import CalcarineError
from calcarine.data.stimuli import NO_PICTURE, read_stimuli
from calcarine.decoders.selectivity.relevance import overlay
from calcarine.pipelines.figures.thumbnails import plain_thumbnail
from calcarine.pipelines.page import Block, Gallery, Thumbnail
from calcarine.pipelines.subject_record import SubjectRecord

N_EACH = 3
_N_COLOURS = 32


def region_pictures(record: SubjectRecord, captions: Captions) -> list[Block]:
    """Show each region's best natural pictures, where it looks in them, and pictures for it."""
    files = _stimulus_files(record)
    sets = captions.units.drop_duplicates("unit").set_index("unit")
    rows = []
    for unit in captions.units.loc[captions.units["kind"] == "region", "unit"]:
        parts = (
            _natural(files, sets.loc[unit, "evidence"], unit),
            _looked_at(files, captions, unit),
            _drawn(captions, unit, N_EACH),
        )
        if any(parts):
            padded = [t for part in parts for t in _padded(part, unit)]
            rows.append((f"{unit}: {sets.loc[unit, 'text'] or '–'}", padded))
    if not rows:
        return []
    told = captions.sidecar.get("synthesised") or {"generator": "nothing"}
    caption = (
        f"Left, the {N_EACH} pictures of the bank that drive each region's encoder most, best "
        "first. Middle, where in them the region looks: bright where the embedding of that place "
        f"points along the region's weights, dark elsewhere. Right, what {told['generator']} drew "
        f"{_begun(told)}while the encoder's gradient pushed the region's predicted response up "
        "(BrainDiVE). All is made of the encoder alone; the judge's scores are in the table below."
    )
    heads = [f"{what} {i + 1}" for what in ("real", "looks", "drawn") for i in range(N_EACH)]
    return [Gallery(caption, heads, rows)]


def _begun(told: dict[str, object]) -> str:
    if told.get("condition") != "projection":
        return ""
    return "from the projection of the region's weights among the bank's pictures (BrainSCUBA) "


def contrast_pictures(captions: Captions) -> list[Block]:
    """Show what was drawn for one region against another, and without any push."""
    told = captions.sidecar.get("synthesised")
    if not told:
        return []
    regions = set(captions.units.loc[captions.units["kind"] == "region", "unit"])
    rows = [(t, _drawn(captions, t, None)) for t in told["targets"] if t not in regions]
    caption = (
        f"Pictures that {told['generator']} drew without a push, and for one region against "
        "another (“>”). One column has one seed."
    )
    return [Gallery(caption, [str(i + 1) for i in range(len(rows[0][1]))], rows)]


def _padded(shown: list[Thumbnail], unit: str) -> list[Thumbnail]:
    return [*shown, *[Thumbnail(unit, None)] * (N_EACH - len(shown))]


def _natural(files: dict[str, Path], entries: Sequence[str], unit: str) -> list[Thumbnail]:
    paths = [files[e] for e in entries if e in files][:N_EACH]
    return [Thumbnail(f"{unit}: {p.stem}", _small(np.asarray(read_picture(p)))) for p in paths]


def _looked_at(files: dict[str, Path], captions: Captions, unit: str) -> list[Thumbnail]:
    told = captions.sidecar.get("relevance", {})
    if unit not in told.get("regions", ()):
        return []
    row = told["regions"].index(unit)
    maps = np.asarray(captions.arrays["relevance"][row], dtype=np.float32)
    out = []
    for entry, own in list(zip(told["entries"][row], maps, strict=True))[:N_EACH]:
        if entry in files:
            # a map is as large as the transformed picture, which is the middle of the original
            whole = Image.fromarray(np.asarray(read_picture(files[entry])))
            shown = np.asarray(ImageOps.fit(whole, own.shape[::-1], Image.Resampling.BICUBIC))
            out.append(Thumbnail(f"{unit} looks at {entry}", _small(overlay(shown, own))))
    return out


def _drawn(captions: Captions, target: str, n_pictures: int | None) -> list[Thumbnail]:
    told = captions.sidecar.get("synthesised")
    if not told or target not in told["targets"]:
        return []
    made = np.asarray(captions.arrays["synthesised"][told["targets"].index(target)])
    return [Thumbnail(f"{target}, drawn", _small(p)) for p in made[:n_pictures]]


def _small(pixels: np.ndarray) -> bytes:
    return plain_thumbnail(pixels, _N_COLOURS)


def _stimulus_files(record: SubjectRecord) -> dict[str, Path]:
    try:
        stimuli = read_stimuli(record.config.stimuli)
    except CalcarineError:
        return {}
    folder = record.config.stimuli.parent
    pairs: pd.Series = stimuli.set_index("stimulus_id")["file"]
    files = {str(s): folder / f for s, f in pairs.items() if f != NO_PICTURE}
    return {s: path for s, path in files.items() if path.is_file()}
