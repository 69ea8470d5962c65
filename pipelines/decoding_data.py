"""What a decoder is fitted on: responses beside targets, and folds that subjects share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calcarine.data.embeddings import Embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import read_responses
from calcarine.data.splits import Fold, folds
from calcarine.data.stored_rows import take_rows
from calcarine.decoders.meeg.sensors import Sensors, sensors_of
from calcarine.pipelines.config import Config
from calcarine.pipelines.config import Decoder as DecoderSection
from calcarine.pipelines.config_sensors import OverTimeSection
from calcarine.pipelines.encoding_data import penalty_groups
from calcarine.pipelines.leak_check import check_other_recordings, check_people


@dataclass(frozen=True)
class SubjectData:
    """Trials of one subject beside the target of their stimuli.

    Attributes
    ----------
    trials
        Trial table, one row a trial; only trials whose stimulus has a target.
    values
        Responses, not standardised, shape (n_trials, n_units) or (n_trials, n_channels, n_times).
    targets
        Target of each trial's stimulus, shape (n_trials, embed_dim).
    sessions
        Session of each trial, where responses are standardised within session.
    groups
        What must not straddle the folds of an inner search, shape (n_trials,).
    units
        Units table.
    n_without_target
        Number of trials that were left out.
    sensors
        Montage and times, where responses are time courses.
    """

    trials: pd.DataFrame
    values: np.ndarray
    targets: np.ndarray
    sessions: np.ndarray | None
    groups: np.ndarray
    units: pd.DataFrame
    n_without_target: int
    sensors: Sensors | None = None


def subject_data(
    config: Config, subject: str, section: DecoderSection | OverTimeSection, target: Embeddings
) -> SubjectData:
    """Read one subject's responses and look up the target of every trial.

    Raises
    ------
    CalcarineError
        No stimulus has a target.
    """
    responses = read_responses(config.layout, subject)
    targets = np.asarray(target.flat[target.rows(responses.trials["stimulus_id"])])
    known = np.isfinite(targets).all(axis=1)
    if not known.any():
        raise CalcarineError(
            f"sub-{subject}: no stimulus has a row in the embedding {section.target!r}: all are "
            "NaN because stimuli.tsv names no picture. Choose another target."
        )
    trials = responses.trials[known].reset_index(drop=True)
    by_session = section.standardize == "session"
    return SubjectData(
        trials,
        responses.values if known.all() else take_rows(responses.values, np.flatnonzero(known)),
        targets[known],
        trials["session"].astype(str).to_numpy() if by_session else None,
        penalty_groups(trials, config.split),
        responses.units,
        int((~known).sum()),
        sensors_of(responses.units, responses.sidecar),
    )


def common_folds(config: Config, data: dict[str, SubjectData]) -> dict[str, dict[str, Fold]]:
    """List the folds by name, each with its rows in every subject.

    Raises
    ------
    CalcarineError
        Subjects have different folds, or one subject's test data are another's training data.
    """
    of_subject = {s: {f.name: f for f in folds(d.trials)} for s, d in data.items()}
    first = next(iter(of_subject))
    for subject, own in of_subject.items():
        if list(own) != list(of_subject[first]):
            raise CalcarineError(
                f"sub-{first} has the folds {list(of_subject[first])[:5]} and sub-{subject} "
                f"{list(own)[:5]}; a decoder of all subjects needs the same. Split by stimulus or "
                "concept, or write `subjects: each`."
            )
    by_name = {name: {s: of_subject[s][name] for s in data} for name in of_subject[first]}
    for unit, column in (("stimulus", "stimulus_sha"), ("concept", "concept")):
        if unit in config.split.disjoint:
            for fold in by_name.values():
                _check_shared(data, fold, unit, column)
    return by_name


def _check_shared(
    data: dict[str, SubjectData], fold: dict[str, Fold], unit: str, column: str
) -> None:
    values = {s: d.trials[column].astype(str).to_numpy() for s, d in data.items()}
    tested = set().union(*(values[s][f.test] for s, f in fold.items()))
    for subject, own in fold.items():
        leaks = sorted(tested & set(values[subject][own.fit]) - {"n/a"})
        if leaks:
            raise CalcarineError(
                f"{len(leaks)} {unit} values, the first {leaks[0]!r}, are training data of "
                f"sub-{subject} and test data of another subject: a shared decoder would know "
                "them. Give all subjects the same split."
            )


def check_strangers(
    config: Config, data: dict[str, SubjectData], held_out: tuple[str, ...]
) -> None:
    """Refuse to hold out somebody whom the decoder is trained on under another label.

    Raises
    ------
    CalcarineError
        participants.tsv says so, or recordings of both are the same.
    """
    if held_out:
        check_people(config, held_out)
        values = {s: d.values for s, d in data.items()}
        check_other_recordings(values, {s: d.trials for s, d in data.items()}, held_out)


def all_trials(by_fold: dict[str, dict[str, Fold]]) -> dict[str, Fold]:
    """Make the fold of a final model: nothing is tested, the first fold's group validates."""
    out = {}
    for subject, first in next(iter(by_fold.values())).items():
        rows = np.unique(np.concatenate([f[subject].test for f in by_fold.values()]))
        rest = np.setdiff1d(rows, first.validation)
        out[subject] = Fold("all", rest, first.validation, np.array([], dtype=int))
    return out


def at_rows(sessions: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """Take the sessions of some trials, where sessions matter."""
    return None if sessions is None else sessions[rows]
