"""Whether pictures of one patch against its neighbour show what tells the two apart."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calcarine.data.captions import Captions
from calcarine.data.embeddings import read_embeddings
from calcarine.data.phantom.neighbours import PAIRED_PATCHES, PairedPatch
from calcarine.data.phantom.tuning import factor_code_names, factor_codes
from calcarine.data.scores import Score, share_interval
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import folds
from calcarine.data.stimuli import read_stimuli
from calcarine.data.trials import read_trials
from calcarine.pipelines.config import Config

_ALPHAS = np.logspace(-1, 5, 13)
Reader = Callable[[np.ndarray], np.ndarray]


def planted_pairs(targets: list[str]) -> list[tuple[PairedPatch, PairedPatch]]:
    """List the planted pairs of which both directions are among the targets."""
    by_name = {patch.name: patch for patch in PAIRED_PATCHES}
    found = []
    for patch in PAIRED_PATCHES:
        both = {f"{patch.name} > {patch.partner}", f"{patch.partner} > {patch.name}"}
        if patch.name < patch.partner and both <= set(targets):
            found.append((patch, by_name[patch.partner]))
    return found


def contrast_scores(
    config: Config,
    subject: str,
    captions: Captions,
    shown: dict[str, dict[str, np.ndarray]],
    template: Score,
) -> list[Score]:
    """Let the judge choose, of two pictures, the one that was drawn for the first patch.

    Pictures of A > B and of B > A come in pairs (of one seed, or of one rank among the natural
    pictures). What tells the patches apart, such as red less blue, is read off the judge's frozen
    embedding by ridge regression on training scenes; how well it reads test scenes is in the note.

    Parameters
    ----------
    config, subject
        Whose.
    captions
        Of one section.
    shown
        By kind (`synthesised`, `preferred-pictures`) and target: the judge's embeddings.
    template
        Row to fill.

    Returns
    -------
    list of Score
        `contrast_separated_judge` of each pair and of all, chance 0.5; equal readings are half a
        success.
    """
    pairs = planted_pairs(captions.sidecar["synthesised"]["targets"])
    section = config.caption[template.model]
    if not pairs or section.picture_judge is None:
        return []
    readers = {a.name: _reader(config, subject, section.picture_judge, a, b) for a, b in pairs}
    rows = []
    for kind, by_target in shown.items():
        wins = {}
        for a, b in pairs:
            read, _ = readers[a.name]
            first, second = by_target[f"{a.name} > {b.name}"], by_target[f"{b.name} > {a.name}"]
            n = min(len(first), len(second))
            if n:
                wins[f"{a.name}-{b.name}"] = preferred_first(read(first[:n]), read(second[:n]))
        notes = [f"{n}: r {r:.2f} on test scenes" for n, (_, r) in readers.items()]
        row = replace(template, model=f"{template.model}/{kind}", note="; ".join(notes))
        rows += _rows(row, wins, derive_seed(config.seed, kind), config.evaluate.n_bootstrap)
    return rows


def preferred_first(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Give 1 where the first reading is higher, 0.5 where both are equal, else 0.

    Examples
    --------
    >>> preferred_first(np.array([2.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])).tolist()
    [1.0, 0.5, 0.0]
    """
    return (first > second) + 0.5 * (first == second)


def _rows(template: Score, wins: dict[str, np.ndarray], seed: int, n_draws: int) -> list[Score]:
    if not wins:
        return []
    rows = []
    for target, values in {"paired-patches": np.concatenate(list(wins.values())), **wins}.items():
        low, high = share_interval(values, derive_seed(seed, target), n_draws)
        row = replace(template, target=target, metric="contrast_separated_judge")
        row = replace(row, protocol="phantom", n_items=len(values), value=float(values.mean()))
        rows.append(replace(row, ci_low=low, ci_high=high, chance=0.5))
    return rows


def _reader(
    config: Config, subject: str, judge: str, a: PairedPatch, b: PairedPatch
) -> tuple[Reader, float]:
    """Fit what tells two patches apart on the judge's embedding of training scenes.

    Returns
    -------
    tuple
        Embeddings (n, embed_dim) to readings (n,); and its correlation with the truth over test
        scenes.
    """
    trials = read_trials(config.layout.trials(subject))
    fold, *_ = folds(trials)
    embedded = read_embeddings(config.layout.embedding(judge))
    table = read_stimuli(config.stimuli).set_index("stimulus_id")

    def of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shown = pd.Series(sorted(set(trials["stimulus_id"].iloc[rows])))
        own = table.loc[shown]
        codes = factor_codes(own)
        names = factor_code_names()
        goal = a.weight * codes[:, names.index(a.code)] - b.weight * codes[:, names.index(b.code)]
        return np.asarray(embedded.flat[embedded.rows(shown)], dtype=np.float64), goal

    model = make_pipeline(StandardScaler(), RidgeCV(alphas=_ALPHAS)).fit(*of(fold.fit))
    features, goal = of(fold.test)
    r = float(np.corrcoef(model.predict(features), goal)[0, 1])
    return lambda embeddings: np.asarray(model.predict(embeddings)), r
