"""Recordings that were published as dissimilarities: each stimulus's profile is its response."""

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from calcarine.data.dissimilarities import Dissimilarities
from calcarine.data.errors import CalcarineError
from calcarine.data.responses import Responses

NO_FOLD = "unused"
PROFILE = "dissimilarity profile"


def profile_responses(
    measured: Dissimilarities, stimulus_shas: pd.Series, subject: str
) -> Responses:
    """Lay recorded dissimilarities out as trials and responses.

    A trial is one stimulus in one session; its response is its dissimilarity to every stimulus, so
    that trials × units of a session is the square RDM.

    Parameters
    ----------
    measured
        One RDM a session, with the column `session`.
    stimulus_shas
        Content hash by stimulus id.
    subject
        Label.

    Returns
    -------
    Responses
        (n_sessions × n_stimuli) trials, n_stimuli units; nothing is to be fitted, so that every
        trial has the split `unused`.
    """
    stimuli, names = measured.stimuli, measured.stimuli["stimulus_id"].tolist()
    tables = []
    for i, session in enumerate(measured.rdms["session"]):
        table = pd.DataFrame(
            {
                "trial_id": [f"sub-{subject}_ses-{session}_{name}" for name in names],
                "subject": subject,
                "session": str(session),
                "run": "1",
                "onset_s": np.nan,
                "duration_s": np.nan,
                "stimulus_id": names,
                "stimulus_sha": stimulus_shas[names].to_numpy(),
                "concept": stimuli["concept"].to_numpy(),
                "repeat": i + 1,
                "split": NO_FOLD,
                "split_group": stimulus_shas[names].to_numpy(),
            }
        )
        tables.append(table)
    values = np.concatenate([squareform(row, checks=False) for row in measured.values])
    units = pd.DataFrame({"channel": names, "type": "stimulus"})
    sidecar = {"space": PROFILE, "unit": measured.sidecar["unit"], "unit_noun": "stimulus"}
    trials = pd.concat(tables, ignore_index=True)
    return Responses(values.astype(np.float32), trials, units, sidecar)


def recorded_dissimilarities(responses: Responses) -> tuple[np.ndarray, list[str]]:
    """Give the RDM of every session back.

    Returns
    -------
    rdms : numpy.ndarray
        float64, shape (n_sessions, n_pairs).
    stimuli : list of str
        In the order of rows.

    Raises
    ------
    CalcarineError
        The responses are no dissimilarities.
    """
    names = responses.units["channel"].tolist() if "channel" in responses.units else []
    sessions = responses.trials.groupby("session", sort=True).indices
    orders = [responses.trials["stimulus_id"].iloc[rows].tolist() for rows in sessions.values()]
    if responses.sidecar.get("space") != PROFILE or any(order != names for order in orders):
        raise CalcarineError(
            f"these responses are {responses.sidecar.get('unit')} and no recorded dissimilarities; "
            "choose another `distance`, for instance crossnobis."
        )
    squares = [np.asarray(responses.values[rows], np.float64) for rows in sessions.values()]
    return np.stack([squareform(square, checks=False) for square in squares]), names
