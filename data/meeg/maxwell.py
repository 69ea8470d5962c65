"""Signal space separation for MEG, where the files that it needs are there."""

from pathlib import Path
from typing import Any, Literal

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.recordings import MeegFiles
from calcarine.data.meeg.settings import Maxwell, MeegReading

_ENDINGS = {"calibration": "_acq-calibration_meg.dat", "cross_talk": "_acq-crosstalk_meg.fif"}


def bids_file(files: MeegFiles, which: Literal["calibration", "cross_talk"]) -> Path | None:
    """Find the fine-calibration or cross-talk file that lies beside a recording."""
    found = sorted(files.recording.parent.glob(f"sub-*{_ENDINGS[which]}"))
    return found[0] if found else None


def settings_for(files: MeegFiles, reading: MeegReading) -> Maxwell | None:
    """Decide whether a run is separated, and how."""
    asked = reading.maxwell_filter
    if isinstance(asked, Maxwell):
        return asked
    if asked == "where-calibrated" and bids_file(files, "calibration") is not None:
        return Maxwell()
    return None


def _files(files: MeegFiles, settings: Maxwell) -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    kinds: tuple[Literal["calibration", "cross_talk"], ...] = ("calibration", "cross_talk")
    for which in kinds:
        given = getattr(settings, which)
        path = bids_file(files, which) if given == "bids" else given
        if path is not None and not Path(path).is_file():
            raise CalcarineError(
                f"recording.maxwell_filter.{which} {path} is not there. Correct the path, or "
                "write null to go without."
            )
        out[which] = None if path is None else str(path)
    return out


def separate(
    raw: Any, files: MeegFiles, reading: MeegReading, first_head: Any
) -> tuple[Any, list[str]]:
    """Separate what comes from the head from what comes from the room.

    Bad channels are rebuilt from the others (Taulu & Kajola 2005, doi:10.1063/1.1935742).

    Returns
    -------
    tuple
        The recording, and what was done.

    Raises
    ------
    CalcarineError
        A file is missing, or the system is none that MNE can separate.
    """
    from mne.preprocessing import maxwell_filter

    settings = settings_for(files, reading)
    if settings is None or reading.datatype != "meg":
        return raw, []
    try:
        out = maxwell_filter(
            raw,
            **_files(files, settings),
            int_order=settings.int_order,
            ext_order=settings.ext_order,
            st_duration=settings.st_duration,
            st_correlation=settings.st_correlation,
            destination=first_head if settings.destination == "first-run" else None,
            verbose="error",
        )
    except (RuntimeError, ValueError) as error:
        raise CalcarineError(
            f"{files.name}: signal space separation failed ({error}). Set "
            "`recording.maxwell_filter` to null, or lower its orders."
        ) from error
    kind = "SSS" if settings.st_duration is None else f"tSSS ({settings.st_duration:g} s)"
    return out, [f"{kind} with orders {settings.int_order} and {settings.ext_order}"]


def find_maxwell_bads(raw: Any, files: MeegFiles, reading: MeegReading) -> list[str]:
    """Find channels that disagree with what separation rebuilds from the others.

    Raises
    ------
    CalcarineError
        The recording is no MEG, or a file is missing.
    """
    from mne.preprocessing import find_bad_channels_maxwell

    if reading.datatype != "meg":
        raise CalcarineError(
            "`recording.find_bads: maxwell` is for MEG; choose lof or none for EEG."
        )
    settings = settings_for(files, reading) or Maxwell()
    noisy, flat = find_bad_channels_maxwell(raw, **_files(files, settings), verbose="error")
    return sorted({*noisy, *flat}, key=raw.ch_names.index)
