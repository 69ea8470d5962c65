"""The lines of a drafted configuration, section by section."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from calcarine.data.bids_names import NO_LABEL
from calcarine.data.events import MISSING
from calcarine.data.stimuli import NO_PICTURE
from calcarine.pipelines.bids_survey import Survey

FILL_IN = "FILL-IN"
FEW_STIMULI = 30  # so few are shown in every run: a run is left out, not a stimulus
_BLOCK_S = 8.0  # longer events are blocks
_RATE_HZ = 250.0


@dataclass(frozen=True)
class StimulusTable:
    """The stimulus table that the configuration names, and what stands in it.

    Attributes
    ----------
    path, table
        File and content; None and empty where no stimulus is known.
    is_draft
        Whether it was drafted from the events.
    """

    path: Path | None
    table: pd.DataFrame
    is_draft: bool

    @property
    def has_pictures(self) -> bool:
        """Whether any stimulus has a picture."""
        return bool((self.table["file"] != NO_PICTURE).any())

    @property
    def n_concepts(self) -> int:
        """Number of concepts that are known."""
        return len(set(self.table["concept"]) - MISSING)


def configuration(found: Survey, stimuli: StimulusTable) -> list[str]:
    """Write the lines of the configuration.

    Parameters
    ----------
    found
        What the folder holds.
    stimuli
        Its stimulus table, or the draft of one.
    """
    chosen = found.chosen
    subjects = ", ".join(f'"{s}"' for s in chosen.labels("sub"))
    return [
        f"# Drafted by `calcarine init` from {found.bids}: {chosen.title}.",
        "# Look through it; then `calcarine check FILE`, and `calcarine run FILE -j 2`.",
        f"subjects: [{subjects}]",
        "",
        "source:",
        "  kind: bids",
        f"  path: {_quoted(found.bids.resolve())}",
        *_stimuli_lines(found, stimuli),
        "",
        "recording:",
        f"  modality: {chosen.modality}",
        *_task_lines(found),
        *RECORDINGS[chosen.modality](found),
        "",
        *SCALINGS[chosen.modality],
        *_split_lines(found, stimuli),
        "",
        *_model_lines(chosen.modality, stimuli),
    ]


def _quoted(path: Path | str) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _stimuli_lines(found: Survey, stimuli: StimulusTable) -> list[str]:
    if stimuli.path is None:
        why = "a table with the columns stimulus_id, file, concept, captions: one row a stimulus"
        return [f"  stimuli: {FILL_IN}    # {why}"]
    if not stimuli.is_draft:
        return [f"  stimuli: {_quoted(stimuli.path.resolve())}"]
    folders = [] if found.pictures is None else [found.pictures[0].resolve()]
    # the draft's folder links to the pictures, and links are followed where they are named
    links = [f"  follow_links: [{_quoted(folder)}]" for folder in folders]
    n_lost = int((stimuli.table["file"] == NO_PICTURE).sum())
    state = "all pictures were found" if not n_lost else f"{n_lost} pictures were not found (n/a)"
    return [
        f"  # drafted from the events: {len(stimuli.table)} stimuli, {state}; look at `concept`,",
        "  # and write captions if you have any",
        f"  stimuli: {_quoted(stimuli.path.resolve())}",
        *links,
    ]


def _task_lines(found: Survey) -> list[str]:
    chosen, shown = found.chosen, found.shown
    task = chosen.task if chosen.task != NO_LABEL else FILL_IN
    mark = "" if task != FILL_IN else "    # the file names have no task; BIDS wants one"
    columns = [c for c in shown.table.columns if c != "row"]
    others = "" if not columns else f"    # other columns: {', '.join(map(str, columns[:8]))}"
    if shown.column is None:
        others = f"    # the events column that names what was shown; {others.strip(' #')}"
    lines = [
        f"  task: {task}{mark}",
        f"  stimulus_column: {shown.column or FILL_IN}{others}",
        f"  ignore_trial_types: [{', '.join(_quoted(t) for t in shown.ignored)}]",
    ]
    sessions = chosen.labels("ses")
    return lines + ([f"  # sessions: [{', '.join(sessions)}]   # all are read"] if sessions else [])


def _fmri_lines(found: Survey) -> list[str]:
    lines = []
    if found.derivatives is not None:
        space = next((s for s in found.spaces if s in ("T1w", "func")), found.spaces[0])
        lines += [
            f"  derivatives: {_quoted(found.derivatives.resolve())}",
            f"  space: {space}    # there are: {', '.join(found.spaces)}",
            "  # confounds: [trans_x, trans_y, trans_z, rot_x, rot_y, rot_z]",
        ]
    rois = "{bids}/derivatives/rois/sub-{subject}_rois.nii.gz"
    first = found.bids / "derivatives" / "rois" / f"sub-{found.chosen.labels('sub')[0]}_rois.nii.gz"
    is_there = first.is_file()
    what = "label image with a table of names, or a folder of masks; names regions in the report"
    lines.append(f"  {'' if is_there else '# '}rois: {_quoted(rois)}    # {what}")
    durations = pd.to_numeric(found.shown.table.get("duration", pd.Series(dtype=float)))
    if len(durations) and durations.median() >= _BLOCK_S:
        standardize = "run" if len(set(found.shown.table["trial_type"])) else "none"
        return [
            *lines,
            f"  # events last {durations.median():g} s: the average of each block's volumes",
            f"  responses: {{kind: block, average: true, standardize: {standardize}}}",
        ]
    return [*lines, "  responses: {kind: glm, method: lss, hrf: glover}    # one beta a trial"]


def _sensor_lines(found: Survey) -> list[str]:
    sidecar, lines = found.sidecar, []
    rate = sidecar.get("SamplingFrequency")
    decim = max(int(rate / _RATE_HZ), 1) if isinstance(rate, int | float) and rate > 0 else 1
    mains = sidecar.get("PowerLineFrequency")
    if isinstance(mains, int | float):
        lines.append(f"  # mains at {mains:g} Hz lie above the band-pass; otherwise: notch_filter")
    at = f"    # of {rate:g} Hz" if isinstance(rate, int | float) else ""
    return [
        *lines,
        "  filter: {l_freq: 0.1, h_freq: 40.0}    # Hz",
        "  # artefacts: {kind: regression}        # where EOG or ECG was recorded; or kind: ica",
        f"  epochs: {{tmin: -0.2, tmax: 0.8, baseline: [null, 0.0], decim: {decim}}}{at}",
    ]


def _eeg_lines(found: Survey) -> list[str]:
    path, _ = found.chosen.runs[0]
    knows_places = any(path.parent.glob("*_electrodes.tsv")) or path.suffix in (".set", ".fif")
    montage = "montage: fsaverage_1005    # positions by name, where files have none"
    return [f"  {'# ' if knows_places else ''}{montage}", *_sensor_lines(found)]


RECORDINGS: dict[str, Callable[[Survey], list[str]]] = {
    "fmri": _fmri_lines,
    "eeg": _eeg_lines,
    "meg": _sensor_lines,
}
SCALINGS: dict[str, list[str]] = {
    "fmri": [],
    "eeg": ["scaling: {kind: robust}", ""],
    "meg": ["scaling: {kind: robust}", ""],
}


def _split_lines(found: Survey, stimuli: StimulusTable) -> list[str]:
    column = found.shown.split_column
    if column is not None:
        table = found.shown.table
        words = sorted(set(table[column].astype(str)) - MISSING)
        return [
            "split:",
            f"  by: declared      # {column} says {', '.join(words)}",
            f"  column: {column}",
            "  disjoint: [stimulus]    # also: run, session, concept, window",
        ]
    n_runs = len({(o.get("sub"), o.get("ses"), o.get("run")) for _, o in found.chosen.runs})
    n_runs //= max(len(found.chosen.labels("sub")), 1)
    n_stimuli = found.shown.names.nunique()
    if 0 < n_stimuli <= FEW_STIMULI and n_runs >= 3:
        return [
            f"split:              # {n_stimuli} stimuli come in every run: one run is left out",
            "  by: run",
            "  scheme: leave-one-out",
            "  disjoint: [run]",
        ]
    return [
        f"split:              # of {n_stimuli} stimuli, drawn by content",
        "  by: stimulus",
        "  test: 0.2",
        "  validation: 0.1",
        "  disjoint: [stimulus]    # also: run, session, concept, window",
    ]


def _model_lines(modality: str, stimuli: StimulusTable) -> list[str]:
    embeddings, encoders, decoders = [], [], []
    if stimuli.has_pictures:
        embeddings.append('  pixels: {model: "pixels:16"}')
        encoders.append("  pixels: {kind: ridge, embedding: pixels, standardize: all}")
    if stimuli.n_concepts >= 2:
        embeddings.append("  category: {model: concept-codes, input: concepts}")
        encoders.append("  category: {kind: ridge, embedding: category, standardize: all}")
        decoders.append("  ridge-category: {kind: ridge, target: category, standardize: all}")
    elif stimuli.has_pictures:
        decoders.append("  ridge-pixels: {kind: ridge, target: pixels, standardize: all}")
    if not embeddings:
        why = "concepts or pictures in the stimulus table, and then: category, or pixels"
        return [f"embeddings: {FILL_IN}    # {why}"]
    network = "contrastive" if modality == "fmri" else "sensor-contrastive"
    return [
        "embeddings:",
        *embeddings,
        '  # clip: {model: "open_clip:ViT-L-14/openai"}    # public weights, fetched once',
        "",
        "encode:",
        *encoders,
        "  # clip: {kind: ridge, embedding: clip}",
        "",
        "decode:",
        *decoders,
        f"  # contrastive-clip: {{kind: {network}, target: clip}}",
    ]
