"""The demonstration: every phantom from end to end, and one page that lists what came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcarine.data.atomic import write_text
from calcarine.pipelines.page import render
from calcarine.pipelines.workflow import WORKFLOW, run_workflow


@dataclass(frozen=True)
class Demo:
    """One phantom of the demonstration.

    Attributes
    ----------
    file
        Configuration that the package ships.
    sentence
        What it shows.
    pages
        Subjects whose pages are made, with all that these need of the others (a decoder of three
        people is fitted on three); empty: everybody's, and the page that lists them.
    """

    file: str
    sentence: str
    pages: tuple[str, ...] = ()


DEMOS = {
    "fmri": Demo("phantom.yaml", "fMRI: encoders, decoders, reconstructions, captions of cortex"),
    "eeg": Demo("phantom_eeg.yaml", "EEG: the first of them under a cap of 64 electrodes", ("01",)),
    "meg": Demo("phantom_meg.yaml", "MEG: the same under a helmet of 102 magnetometers", ("01",)),
}
"""By folder of the output. Sensors show one person, so that the demonstration takes minutes."""


def run(out: Path, arguments: Sequence[str] = ()) -> int:
    """Run all phantoms, one after the other, each into a folder of `out`.

    A phantom that fails does not stop the others.

    Parameters
    ----------
    out
        Folder of the demonstration.
    arguments
        Further Snakemake arguments.

    Returns
    -------
    int
        Snakemake's exit code; of several that failed, that of the first one.
    """
    codes = []
    for name, demo in DEMOS.items():
        pages = [str(out / name / f"sub-{subject}.html") for subject in demo.pages]
        told = [*pages, "--config", f"out={out / name}", *arguments]
        codes.append(run_workflow(WORKFLOW / "config" / demo.file, told))
    write_index(out)
    return next((code for code in codes if code), 0)


def write_index(out: Path) -> None:
    """Write the page that lists all phantoms that have pages; none where there is none.

    A phantom of which only some pages were asked for gets a list of its own too, to which these
    lead back.
    """
    entries = []
    for name, demo in DEMOS.items():
        pages = sorted(p.name for p in (out / name).glob("sub-*.html"))
        entry = {"name": name, "folder": name, "sentence": demo.sentence, "pages": pages}
        if pages:
            entries.append(entry)
        if pages and demo.pages:
            _write(out / name / "index.html", [{**entry, "folder": "."}])
    if entries:
        _write(out / "index.html", entries)


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    write_text(path, render("demo.html.j2", {"title": "demo", "entries": entries}))
