"""Which channels become units, where they lie, and how a head is drawn flat."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

# factor from MNE's SI units to the unit that responses have, and its name
UNITS = {"eeg": (1e6, "µV"), "mag": (1e15, "fT"), "grad": (1e13, "fT/cm")}
# MNE's sphere for heads without a measured shape: centre in the head frame, metres
_CENTRE = np.array([0.0, 0.0, 0.04])
_NEAREST_M, _FARTHEST_M = 0.02, 0.35


def sensor_names(info: Any, sensors: str) -> list[str]:
    """Name the channels that are sensors, bad ones too.

    Parameters
    ----------
    info
        `mne.Info`.
    sensors
        `eeg`, `meg`, `mag` or `grad`.
    """
    import mne

    wanted = {"eeg": sensors == "eeg", "meg": False if sensors == "eeg" else sensors}
    if sensors == "meg":
        wanted["meg"] = True
    rows = mne.pick_types(info, ref_meg=False, exclude=[], **wanted)
    return [info["ch_names"][i] for i in rows]


def picked(names: Sequence[str], picks: Sequence[str] | None, where: str) -> list[str]:
    """Choose channels by name or by regular expression, in the recording's order.

    Parameters
    ----------
    names
        Channels that there are.
    picks
        Names, or regular expressions that are found in names; without it all.
    where
        The recording, for the message.

    Raises
    ------
    CalcarineError
        One of them fits nothing, or is no regular expression.

    Examples
    --------
    >>> picked(["Fz", "O1", "PO3", "Oz"], ["^O", "PO3"], "run 1")
    ['O1', 'PO3', 'Oz']
    """
    if picks is None:
        return list(names)
    chosen: set[str] = set()
    for pick in picks:
        try:
            found = {pick} if pick in names else {n for n in names if re.search(pick, n)}
        except re.error as error:
            raise CalcarineError(
                f"recording.picks: {pick!r} is no regular expression ({error})."
            ) from error
        if not found:
            raise CalcarineError(
                f"{where}: recording.picks {pick!r} fits no channel; there are {list(names)[:12]}."
            )
        chosen |= found
    return [n for n in names if n in chosen]


def positions(info: Any, names: Sequence[str]) -> np.ndarray:
    """Give positions of sensors in the head frame.

    Parameters
    ----------
    info
        `mne.Info`.
    names
        Channels.

    Returns
    -------
    numpy.ndarray
        Metres, shape (n_channels, 3); NaN where a channel has no position.
    """
    by_name = {c["ch_name"]: c for c in info["chs"]}
    rows = np.array([by_name[n]["loc"][:3] for n in names], dtype=np.float64).reshape(-1, 3)
    rows[~np.isfinite(rows).all(axis=1) | (rows == 0).all(axis=1)] = np.nan
    moved = info["dev_head_t"]
    if moved is not None:
        is_meg = np.array([by_name[n]["coord_frame"] == moved["from"] for n in names], dtype=bool)
        rows[is_meg] = rows[is_meg] @ moved["trans"][:3, :3].T + moved["trans"][:3, 3]
    return rows


def check_positions(info: Any, names: Sequence[str], where: str) -> None:
    """Refuse sensors without a position, or with one that is on no head.

    Raises
    ------
    CalcarineError
        With the channels and what to do.
    """
    placed = positions(info, names)
    lost = [n for n, p in zip(names, placed, strict=True) if np.isnan(p).any()]
    if lost:
        raise CalcarineError(
            f"{where}: {len(lost)} of {len(names)} channels have no position: {lost[:8]}. Name a "
            "montage that knows them (`recording.montage`, e.g. fsaverage_1005), add an "
            "electrodes.tsv, leave them out with `recording.picks`, or state what they are in "
            "`recording.channel_types`, e.g. {EOG1: eog}."
        )
    distance = np.linalg.norm(placed - _CENTRE, axis=1)
    far = (distance < _NEAREST_M) | (distance > _FARTHEST_M)
    if far.any():
        i = int(np.flatnonzero(far)[0])
        raise CalcarineError(
            f"{where}: {int(far.sum())} channels are on no head: {names[i]} lies "
            f"{distance[i]:.3g} m from its centre. Positions are metres; look at the units in "
            "coordsystem.json and electrodes.tsv."
        )


def flat_layout(placed: np.ndarray) -> np.ndarray:
    """Project sensors onto a plane, seen from above, nose up (azimuthal equidistant).

    Parameters
    ----------
    placed
        Positions in the head frame, metres, shape (n_channels, 3).

    Returns
    -------
    numpy.ndarray
        Shape (n_channels, 2): 0 is the vertex, length 1 the head's equator.

    Examples
    --------
    >>> flat_layout(np.array([[0, 0, 0.14], [0.1, 0, 0.04]])).round(3).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    centred = np.asarray(placed, dtype=np.float64) - _CENTRE
    across = np.linalg.norm(centred[:, :2], axis=1)
    angle = np.arctan2(across, centred[:, 2]) / (np.pi / 2)
    scale = np.divide(angle, across, out=np.zeros_like(angle), where=across > 1e-9)
    return centred[:, :2] * scale[:, None]


def channel_types(info: Any, names: Sequence[str]) -> list[str]:
    """Give MNE's type of each channel: eeg, mag, grad, …."""
    import mne

    rows = [info["ch_names"].index(n) for n in names]
    return [mne.channel_type(info, i) for i in rows]


def units_table(info: Any, names: Sequence[str], bads: Sequence[str]) -> pd.DataFrame:
    """Describe the units of a recording.

    Returns
    -------
    pandas.DataFrame
        `channel type x y z layout_x layout_y interpolated`, one row a channel.
    """
    placed = positions(info, names)
    flat = flat_layout(placed)
    return pd.DataFrame(
        {
            "channel": list(names),
            "type": channel_types(info, names),
            **{axis: placed[:, i].round(6) for i, axis in enumerate("xyz")},
            "layout_x": flat[:, 0].round(6),
            "layout_y": flat[:, 1].round(6),
            "interpolated": [n in set(bads) for n in names],
        }
    )


def unit_scales(types: Sequence[str]) -> tuple[np.ndarray, str]:
    """Give the factors from SI units to the unit of responses, and the units' names.

    Examples
    --------
    >>> unit_scales(["mag", "grad"])[1]
    'fT (mag), fT/cm (grad)'
    """
    factors = np.array([UNITS[t][0] for t in types])
    kinds = list(dict.fromkeys(types))
    if len(kinds) == 1:
        return factors, UNITS[kinds[0]][1]
    return factors, ", ".join(f"{UNITS[k][1]} ({k})" for k in kinds)


def same_channels(a: pd.DataFrame, b: pd.DataFrame) -> str | None:
    """Say how the montages of two recordings differ.

    Parameters
    ----------
    a, b
        Units tables.

    Returns
    -------
    str or None
        What differs, None where they are the same channels in the same order.
    """
    first, second = list(a["channel"]), list(b["channel"])
    if first == second:
        return None
    only_a = [n for n in first if n not in set(second)]
    only_b = [n for n in second if n not in set(first)]
    if not only_a and not only_b:
        return f"the same {len(first)} channels in another order"
    return (
        f"{len(first)} and {len(second)} channels, {len(set(first) & set(second))} in common; "
        f"only here {only_a[:6]}, only there {only_b[:6]}"
    )


def check_same_channels(a: pd.DataFrame, b: pd.DataFrame, name_a: str, name_b: str) -> None:
    """Refuse runs with different channels.

    Raises
    ------
    CalcarineError
        With what differs.
    """
    differs = same_channels(a, b)
    if differs is not None:
        raise CalcarineError(
            f"{name_a} and {name_b} have different channels: {differs}. Name the channels that "
            "both have in `recording.picks`, or interpolate bad channels "
            "(`recording.bad_channels`)."
        )
