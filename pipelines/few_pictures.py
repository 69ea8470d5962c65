"""Step `few-pictures`: encode a subject from few pictures, given the recordings of others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.checkpoints import remove_checkpoint
from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, write_predictions
from calcarine.data.repeats import average_rows, repeat_rows
from calcarine.data.responses import Responses, read_responses
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import Fold, folds
from calcarine.data.standardize import Standardizer
from calcarine.encoders.few_pictures.empirical_bayes import LinearVoxels, empirical_bayes_ridge
from calcarine.encoders.few_pictures.in_context import InContextEncoder
from calcarine.encoders.few_pictures.in_context_network import InContextShape
from calcarine.encoders.few_pictures.in_context_tasks import Person
from calcarine.encoders.few_pictures.weight_mixture import mixture_weights
from calcarine.encoders.ridge.solver import solve_ridge
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_few_pictures import FewPicturesSection
from calcarine.pipelines.encode import data_set_fields, usual_repeats
from calcarine.pipelines.training_plans import training_plan

_N_FOLDS = 5


def run(config: Config, subject: str, name: str) -> None:
    """Compare ridge, empirical Bayes and in-context encoding of one subject.

    Writes `models/in-context-<name>` (trained on the others) and `predictions/few-pictures-<name>`
    (test items, for every method, number of pictures and draw).

    Raises
    ------
    CalcarineError
        There is no such section, nobody else to learn from, or too few training pictures.
    """
    if name not in config.few_pictures:
        raise CalcarineError(
            f"the configuration has no few_pictures {name!r}; it has {list(config.few_pictures)}."
        )
    section = config.few_pictures[name]
    teachers = section.teachers(subject, config.subjects)
    if not teachers:
        raise CalcarineError(
            f"few_pictures.{name}: there is nobody but sub-{subject} to learn from. Name other "
            "subjects in `subjects`."
        )
    embeddings = read_embeddings(config.layout.embedding(section.embedding))
    seed = derive_seed(config.seed, subject, "few-pictures", name)
    folder = config.layout.model(subject, f"in-context-{name}")
    work = folder.parent / f".{folder.name}.training"
    encoder = _encoder(section, derive_seed(seed, "in context"), work)
    people = [_subject_data(config, s, embeddings, section.regions) for s in teachers]
    encoder.fit([_person(own) for own in people])
    own = _subject_data(config, subject, embeddings, section.regions)
    predictions = _predict(own, section, encoder, f"few-pictures-{name}", seed)
    card = {
        **data_set_fields(config),
        "split": f"training trials of sub-{', sub-'.join(teachers)}; sub-{subject} is never seen",
        "preprocessing": f"`{config.recording.preprocessing}`, responses z-scored within session",
        "seed": f"{seed}, from the configuration's {config.seed}",
    }
    encoder.save(folder, card)
    write_predictions(config.layout.prediction(subject, f"few-pictures-{name}"), predictions)
    remove_checkpoint(work)


def _encoder(section: FewPicturesSection, seed: int, checkpoint: Path) -> InContextEncoder:
    own = section.in_context
    shape = InContextShape(own.width, own.n_blocks, own.n_heads, own.dropout)
    counts = min(section.counts), max(section.counts)
    return InContextEncoder(shape, training_plan(own, seed), counts, checkpoint, section.n_kinds)


@dataclass(frozen=True)
class _SubjectData:
    """One subject's trials beside one embedding, with the only fold of the split."""

    subject: str
    trials: pd.DataFrame
    values: np.ndarray
    features: np.ndarray
    fold: Fold
    regions: np.ndarray | None


def _subject_data(
    config: Config, subject: str, embeddings: Embeddings, with_regions: bool
) -> _SubjectData:
    responses: Responses = read_responses(config.layout, subject)
    found = folds(responses.trials)
    if len(found) != 1 or responses.values.ndim != 2:
        raise CalcarineError(
            f"few pictures are compared on one set of held-out trials with one value a unit; the "
            f"split has {len(found)} folds, the responses have shape {responses.values.shape}. "
            "Use `split.scheme: holdout` and a recording of voxels."
        )
    rows = embeddings.rows(responses.trials["stimulus_id"])
    features = np.asarray(embeddings.flat[rows], dtype=np.float32)
    told = with_regions and "roi" in responses.units
    regions = responses.units["roi"].astype(str).to_numpy() if told else None
    return _SubjectData(subject, responses.trials, responses.values, features, found[0], regions)


def _person(own: _SubjectData) -> Person:
    """Standardise a teacher's training trials within session; test trials are left out."""
    rows = own.fold.fit
    sessions = own.trials["session"].astype(str).to_numpy()[rows]
    values = np.asarray(own.values[rows])
    z = Standardizer.fit(values, sessions).transform(values, sessions)
    known = np.isfinite(own.features[rows]).all(axis=1)
    held = np.isin(rows, own.fold.validation)
    return Person(own.features[rows][known], z[known], held[known], own.regions)


@dataclass(frozen=True)
class _Shown:
    """What a method is told of the subject: few pictures, responses to them, regions of units."""

    features: np.ndarray
    targets: np.ndarray
    regions: np.ndarray | None


def _mean(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return LinearVoxels.of(np.zeros((own.features.shape[1] + 1, own.targets.shape[1])))


def _others(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return LinearVoxels.of(encoder.mixture_.mean_weights(own.regions, own.targets.shape[1]))


def _ridge(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    n_pictures = len(own.features)
    n_folds = min(_N_FOLDS, n_pictures // 2)
    found = solve_ridge(own.features, own.targets, np.arange(n_pictures), n_folds=n_folds)
    return LinearVoxels(found.coef, found.intercept)


def _bayes(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return empirical_bayes_ridge(own.features, own.targets, encoder.prior_)


def _kinds(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return LinearVoxels.of(mixture_weights(own.features, own.targets, encoder.mixture_))


def _regions(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return LinearVoxels.of(
        mixture_weights(own.features, own.targets, encoder.mixture_, own.regions)
    )


def _in_context(own: _Shown, encoder: InContextEncoder) -> LinearVoxels:
    return encoder.read(own.features, own.targets, own.regions)


METHODS: dict[str, Callable[[_Shown, InContextEncoder], LinearVoxels]] = {
    "mean-predictor": _mean,
    "others-mean": _others,
    "ridge": _ridge,
    "empirical-bayes": _bayes,
    "empirical-bayes-kinds": _kinds,
    "empirical-bayes-regions": _regions,
    "in-context": _in_context,
}
"""From pictures, responses and what was learned from others to weights."""


def _predict(
    own: _SubjectData,
    section: FewPicturesSection,
    encoder: InContextEncoder,
    model: str,
    seed: int,
) -> Predictions:
    """Predict the test items by every method, number of pictures and draw."""
    features, measured, items = _test_items(own)
    values, tables = [], []
    for labels, found in _fitted(own, section, encoder, seed):
        values.append(found.predict(features))
        tables.append(items.assign(**labels))
    sidecar = {
        "model": model,
        "target": "responses",
        "kind": "few-pictures",
        "embeddings": [section.embedding],
        "n_repeats": int(items["n_repeats"].iloc[0]),
        "n_folds": 1,
    }
    return Predictions(
        np.concatenate(values),
        pd.concat(tables, ignore_index=True),
        sidecar,
        np.concatenate([measured] * len(values)),
    )


def _fitted(
    own: _SubjectData, section: FewPicturesSection, encoder: InContextEncoder, seed: int
) -> Iterator[tuple[dict[str, str | int], LinearVoxels]]:
    """Fit on the first trial of so many pictures, z-scored by those trials alone."""
    rows = own.fold.fit[np.isfinite(own.features[own.fold.fit]).all(axis=1)]
    first = ~own.trials["stimulus_sha"].iloc[rows].duplicated().to_numpy()
    rows = rows[first]
    if max(section.counts) > len(rows):
        raise CalcarineError(
            f"sub-{own.subject} has {len(rows)} training pictures; {max(section.counts)} are asked "
            "for. Lower `counts`."
        )
    for draw in range(section.n_draws):
        # the pictures of a smaller number are among those of a larger one
        order = np.random.default_rng(derive_seed(seed, f"draw-{draw}")).permutation(rows)
        for n_pictures in section.counts:
            chosen = np.sort(order[:n_pictures])
            values = np.asarray(own.values[chosen])
            targets = Standardizer.fit(values).transform(values)
            shown = _Shown(own.features[chosen], targets, own.regions)
            for name, method in METHODS.items():
                labels: dict[str, str | int] = {
                    "method": name, "n_pictures": n_pictures, "draw": draw,
                }  # fmt: skip
                yield labels, method(shown, encoder)


def _test_items(own: _SubjectData) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Average the test trials of each stimulus, standardised by all training trials."""
    rows, fit = own.fold.test, own.fold.fit
    sessions = own.trials["session"].astype(str).to_numpy()
    standardizer = Standardizer.fit(np.asarray(own.values[fit]), sessions[fit])
    measured = standardizer.transform(np.asarray(own.values[rows]), sessions[rows])
    trials = own.trials.iloc[rows].reset_index(drop=True)
    n_repeats = usual_repeats(own.trials, [own.fold])
    groups = repeat_rows(trials, np.arange(len(trials)), n_repeats)
    first = np.array([group[0] for group in groups])
    items = pd.DataFrame(
        {
            "item": np.arange(len(groups)),
            "stimulus_id": trials["stimulus_id"].to_numpy()[first],
            "concept": trials["concept"].to_numpy()[first],
            "fold": own.fold.name,
            "brain": "measured",
            "n_repeats": n_repeats,
            "averaging": "signal",
        }
    )
    known = np.isfinite(own.features[rows][first]).all(axis=1)
    features, averaged = own.features[rows][first][known], average_rows(measured, groups)[known]
    return features, averaged, items[known].reset_index(drop=True)
