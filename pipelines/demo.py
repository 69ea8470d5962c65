"""The demonstration: every phantom from end to end, and one page that lists what came out."""

from collections.abc import Sequence
from pathlib import Path

from calcarine.data.atomic import write_text
from calcarine.pipelines.page import render
from calcarine.pipelines.workflow import WORKFLOW, run_workflow

DEMOS = {
    "fmri": ("phantom.yaml", "fMRI: encoders, decoders, reconstructions, captions of cortex"),
    "eeg": ("phantom_eeg.yaml", "EEG: the same people under caps of 64 and 32 electrodes"),
    "meg": ("phantom_meg.yaml", "MEG: the same people under a helmet of 102 magnetometers"),
}
"""By folder of the output: configuration that the package ships, and what it shows."""


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
    for name, (file, _) in DEMOS.items():
        told = ["--config", f"out={out / name}", *arguments]
        codes.append(run_workflow(WORKFLOW / "config" / file, told))
    write_index(out)
    return next((code for code in codes if code), 0)


def write_index(out: Path) -> None:
    """Write the page that lists all phantoms whose own page is there; none where there is none."""
    entries = [
        {
            "name": name,
            "sentence": sentence,
            "pages": sorted(p.name for p in (out / name).glob("sub-*.html")),
        }
        for name, (_, sentence) in DEMOS.items()
        if (out / name / "index.html").is_file()
    ]
    if entries:
        write_text(
            out / "index.html", render("demo.html.j2", {"title": "demo", "entries": entries})
        )
