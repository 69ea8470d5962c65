"""Removal of eyes and heart: independent components, or regression."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.data.meeg.settings import Ica, Regression


@dataclass(frozen=True)
class Component:
    """A component that was removed.

    Attributes
    ----------
    index, cause
        Its number, and `eyes` or `heart`.
    score
        Correlation with (or cross-trial phase statistic of) the channel that betrayed it.
    channels, pattern
        Its topography: names, and weights of shape (n_channels,), largest magnitude 1.
    """

    index: int
    cause: str
    score: float
    channels: list[str]
    pattern: np.ndarray


@dataclass(frozen=True)
class Rejection:
    """What was removed from a run.

    Attributes
    ----------
    n_components
        Components of the decomposition; 0 where there was none.
    removed
        Components that were removed.
    share
        Share of the sensors' variance that the removal took away.
    steps, warnings
        What was done, and what could not be done.
    """

    n_components: int = 0
    removed: tuple[Component, ...] = ()
    share: float = 0.0
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def remove_artefacts(
    raw: Any, sensors: list[str], settings: Ica | Regression | None, seed: int
) -> Rejection:
    """Remove eyes and heart from a run.

    Parameters
    ----------
    raw
        Filtered recording; it is changed in place.
    sensors
        Channels to clean.
    settings
        How; None: not at all.
    seed
        Start of the decomposition.
    """
    good = [n for n in sensors if n not in raw.info["bads"]]
    if settings is None or not good:
        return Rejection()
    before = raw.get_data(picks=good)
    if isinstance(settings, Ica):
        found = _by_components(raw, good, settings, seed)
    else:
        found = _by_regression(raw, good, settings)
    after = raw.get_data(picks=good)
    # each sensor counts alike, whatever its unit
    variance = before.var(axis=1)
    taken = np.divide(
        (before - after).var(axis=1), variance, out=np.zeros_like(variance), where=variance > 0
    )
    return Rejection(
        found.n_components, found.removed, float(taken.mean()), found.steps, found.warnings
    )


def _by_components(raw: Any, good: list[str], settings: Ica, seed: int) -> Rejection:
    from mne.preprocessing import ICA

    copy = raw.copy().pick(
        [n for n in raw.ch_names if n in set(good) or raw.get_channel_types([n])[0] in _WATCHED]
    )
    copy.filter(settings.l_freq, None, verbose="error")
    fitted = {"infomax": {"extended": True}}.get(settings.method)
    n_components = settings.n_components
    if isinstance(n_components, int | float) and n_components >= 1:
        n_components = min(int(n_components), len(good))
    ica = ICA(
        n_components,
        method=settings.method,
        fit_params=fitted,
        random_state=seed,
        max_iter="auto",
        verbose="error",
    )
    try:
        ica.fit(copy, picks=good, verbose="error")
    except (RuntimeError, ImportError, ValueError) as error:
        raise CalcarineError(
            f"the independent component analysis failed ({error}). Lower "
            "`recording.artefacts.n_components`, choose another method, or use `kind: regression`."
        ) from error
    causes, warnings = _find(ica, copy, settings)
    patterns = ica.get_components()
    removed = []
    for index, (cause, score) in sorted(causes.items()):
        pattern = patterns[:, index]
        scaled = pattern / np.abs(pattern).max()
        removed.append(Component(index, cause, score, list(ica.ch_names), scaled))
    ica.exclude = sorted(causes)
    ica.apply(raw, verbose="error")
    named = ", ".join(f"{c.index} ({c.cause})" for c in removed) or "none"
    step = f"ICA ({settings.method}): {ica.n_components_} components, removed: {named}"
    return Rejection(int(ica.n_components_), tuple(removed), 0.0, [step], warnings)


_WATCHED = ("eog", "ecg")


def _find(ica: Any, raw: Any, settings: Ica) -> tuple[dict[int, tuple[str, float]], list[str]]:
    """Find components by the channels that see eyes and heart."""
    causes: dict[int, tuple[str, float]] = {}
    warnings: list[str] = []
    kinds = set(raw.get_channel_types())
    if settings.find_bads_eog:
        missing = sorted(set(settings.eog_channels) - set(raw.ch_names))
        if missing:
            raise CalcarineError(
                f"recording.artefacts.eog_channels names {missing}, which are no good channels; "
                f"there are {raw.ch_names[:12]}."
            )
        channels = list(settings.eog_channels) or None
        if channels is None and "eog" not in kinds:
            warnings.append(
                "no channel of type eog: components of the eyes were not looked for; name channels "
                "in `recording.artefacts.eog_channels`"
            )
        else:
            found, scores = ica.find_bads_eog(
                raw,
                ch_name=channels,
                measure=settings.measure,
                threshold=settings.threshold,
                verbose="error",
            )
            scores = np.atleast_2d(scores)
            best = np.abs(scores).max(axis=0)
            causes |= {int(i): ("eyes", float(best[i])) for i in found}
    if settings.find_bads_ecg:
        if not kinds & {"ecg", "mag"}:
            warnings.append(
                "no channel of type ecg or mag: components of the heart were not looked for"
            )
        else:
            found, scores = ica.find_bads_ecg(raw, method="ctps", threshold="auto", verbose="error")
            causes = {int(i): ("heart", float(scores[i])) for i in found} | causes
    return causes, warnings


def _by_regression(raw: Any, good: list[str], settings: Regression) -> Rejection:
    from mne.preprocessing import EOGRegression

    watched = _channels_of(raw, settings.picks_artifact)
    model = EOGRegression(picks=good, picks_artifact=watched, proj=False)
    if "eeg" in raw and not raw.info["custom_ref_applied"]:
        # EOGRegression wants a reference to have been chosen: the recording's own
        raw.set_eeg_reference([], verbose="error")
    centred = raw.copy()
    centred.apply_function(lambda x: x - x.mean(), picks=[*good, *watched], verbose="error")
    model.fit(centred)
    model.apply(raw, copy=False)
    step = f"regression on {', '.join(watched)}"
    return Rejection(0, (), 0.0, [step], [])


def _channels_of(raw: Any, picks: Any) -> list[str]:
    """Name the channels that are given by name or by type."""
    kinds = raw.get_channel_types()
    out: list[str] = []
    for pick in picks:
        own = [n for n, k in zip(raw.ch_names, kinds, strict=True) if pick in (n, k)]
        if not own:
            raise CalcarineError(
                f"recording.artefacts.picks_artifact {pick!r} is no channel and no type of one; "
                f"there are the types {sorted(set(kinds))}. Name the channels of the eyes, or "
                "state them in `recording.channel_types`."
            )
        out += own
    return list(dict.fromkeys(out))
