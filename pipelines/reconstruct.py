"""The reconstruct step: pictures from predicted embeddings, and every control beside them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from calcarine.data.digests import read_picture
from calcarine.data.embeddings import Embeddings, read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.data.reconstructions import write_reconstructions
from calcarine.data.seeds import derive_seed
from calcarine.data.splits import folds
from calcarine.data.stimuli import NO_PICTURE, read_stimuli
from calcarine.data.trials import read_trials
from calcarine.decoders.controls import (
    BRAIN_CONTROLS,
    CATEGORY_ONLY,
    CEILING,
    NEAREST_TRAINING_PICTURE,
    category_only,
    nearest_training_items,
)
from calcarine.decoders.generator import Sampling, UnclipGenerator, load_generator
from calcarine.decoders.low_level import vectors_to_latents
from calcarine.decoders.picture_metrics import at_size
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_models import ReconstructSection


@dataclass(frozen=True)
class Condition:
    """One way of making a picture for each item.

    Attributes
    ----------
    path
        `semantic`, `low-level` or `combined`: the path that it is, or is a control of.
    control
        Name of the control; empty for the path itself.
    embeds, vectors
        What drives the generator: image embeddings, latents laid end to end, or both.
    shown
        Stimuli whose pictures are shown, where nothing is generated.
    """

    path: str
    control: str = ""
    embeds: np.ndarray | None = None
    vectors: np.ndarray | None = None
    shown: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`semantic`; `shuffled-brain` (of the semantic path); `combined-shuffled-brain`."""
        if not self.control:
            return self.path
        return self.control if self.path == "semantic" else f"{self.path}-{self.control}"


def run(config: Config, subject: str, name: str) -> None:
    """Draw the pictures of one reconstruction of one subject.

    Reads the predictions of the decoders that drive it and the embeddings that they predict;
    writes `reconstructions/<name>/`. What a stimulus really looks like enters `targets.npy` and
    the ceilings, and no other condition.

    Parameters
    ----------
    config
        The configuration.
    subject
        Subject label.
    name
        Name in the section `reconstruct`.

    Raises
    ------
    CalcarineError
        Predictions, embeddings and generator do not belong together.
    """
    section = config.reconstruct[name]
    files = single_pictures(config.stimuli)
    predictions = _predictions(config, subject, section.semantic)
    items = _items(predictions, files, section.n_controls)
    items.insert(
        len(items.columns) - 1,
        "seed",
        [derive_seed(config.seed, subject, "reconstruct", name, s) for s in items["stimulus_id"]],
    )
    conditions = _semantic_conditions(config, subject, section, items, files)
    if section.low_level is not None:
        conditions += _low_level_conditions(config, subject, section, items, conditions)
    generator = load_generator(section.generator)
    sampling = Sampling(
        section.n_steps, section.guidance_scale, section.noise_level, section.strength
    )
    sidecar = {
        "conditions": [c.name for c in conditions],
        "paths": {c.name: c.path for c in conditions},
        "controls": {c.name: c.control for c in conditions if c.control},
        "generator": section.generator,
        "semantic": section.semantic,
        "low_level": section.low_level,
        "sampling": asdict(sampling),
        "n_left_out": len(predictions.most_repeats().items) - len(items),
    }
    write_reconstructions(
        config.layout.reconstruction(subject, name),
        _show(generator, files, items["stimulus_id"]),
        items,
        sidecar,
        _draw(generator, sampling, conditions, items, files),
    )


def single_pictures(table: Path) -> dict[str, Path]:
    """List the stimuli that are one picture each, with its file."""
    stimuli = read_stimuli(table)
    files = zip(stimuli["stimulus_id"], stimuli["file"], strict=True)
    paths = {stimulus: table.parent / file for stimulus, file in files if file != NO_PICTURE}
    return {stimulus: path for stimulus, path in paths.items() if not path.is_dir()}


def _predictions(config: Config, subject: str, decoder: str) -> Predictions:
    return read_predictions(config.layout.prediction(subject, f"decoder-{decoder}"))


def _items(
    predictions: Predictions, files: dict[str, Path], n_controls: int | None
) -> pd.DataFrame:
    """Take the measured items, all repeats averaged, whose stimulus is one picture."""
    items = predictions.most_repeats().items
    items = items.loc[
        items["stimulus_id"].isin(list(files)), ["stimulus_id", "concept", "fold", "n_repeats"]
    ].reset_index(drop=True)
    if not len(items):
        raise CalcarineError(
            f"{predictions.sidecar.get('model')} predicts no item that has one picture of its own; "
            "there is nothing to reconstruct. Remove the section `reconstruct`."
        )
    items.insert(0, "item", np.arange(len(items)))
    n_chosen = len(items) if n_controls is None else min(n_controls, len(items))
    chosen = np.linspace(0, len(items) - 1, n_chosen).round().astype(int)
    items["controls"] = np.isin(items["item"], chosen).astype(int)
    return items


def _aligned(predictions: Predictions, brain: str, items: pd.DataFrame) -> np.ndarray:
    """Bring the predictions from one brain into the order of the items."""
    chosen = predictions.select(brain, None, "signal")
    keys = zip(chosen.items["stimulus_id"], chosen.items["fold"], strict=True)
    position = {key: row for row, key in enumerate(keys)}
    wanted = list(zip(items["stimulus_id"], items["fold"], strict=True))
    missing = [key for key in wanted if key not in position]
    if missing:
        raise CalcarineError(
            f"{predictions.sidecar.get('model')} has no prediction from the {brain} brain for "
            f"{len(missing)} items, the first {missing[0]}. Run the `decode` step again."
        )
    return np.asarray(chosen.values[[position[key] for key in wanted]], dtype=np.float32)


def _by_control(
    predictions: Predictions, embeddings: Embeddings, items: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Give what each brain and the true embedding say, by the control's name ("" is the brain)."""
    said = {"": _aligned(predictions, "measured", items)}
    for control, brain in BRAIN_CONTROLS.items():
        said[control] = _aligned(predictions, brain, items)
    rows = embeddings.rows(items["stimulus_id"])
    said[CEILING] = np.asarray(embeddings.flat[rows], dtype=np.float32)
    return said


def _semantic_conditions(
    config: Config,
    subject: str,
    section: ReconstructSection,
    items: pd.DataFrame,
    files: dict[str, Path],
) -> list[Condition]:
    target = read_embeddings(config.layout.embedding(config.decode[section.semantic].target))
    said = _by_control(_predictions(config, subject, section.semantic), target, items)
    guessed, nearest = _from_training(config, subject, items, said[""], target, files)
    conditions = [Condition("semantic", c, embeds=e) for c, e in said.items() if c != CEILING]
    return [
        *conditions,
        Condition("semantic", CATEGORY_ONLY, embeds=guessed),
        Condition("semantic", NEAREST_TRAINING_PICTURE, shown=nearest),
        Condition("semantic", CEILING, embeds=said[CEILING]),
    ]


def _low_level_conditions(
    config: Config,
    subject: str,
    section: ReconstructSection,
    items: pd.DataFrame,
    semantic: list[Condition],
) -> list[Condition]:
    assert section.low_level is not None
    target = read_embeddings(config.layout.embedding(config.decode[section.low_level].target))
    said = _by_control(_predictions(config, subject, section.low_level), target, items)
    alone = [Condition("low-level", control, vectors=v) for control, v in said.items()]
    embeds = {c.control: c.embeds for c in semantic}
    return alone + [replace(c, path="combined", embeds=embeds[c.control]) for c in alone]


def _from_training(
    config: Config,
    subject: str,
    items: pd.DataFrame,
    predicted: np.ndarray,
    target: Embeddings,
    files: dict[str, Path],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give each item its category-only embedding and its nearest training picture.

    Both are looked up among the stimuli that the item's own fold was fitted on.
    """
    trials = read_trials(config.layout.trials(subject))
    guessed = np.full_like(predicted, np.nan)
    nearest = np.full(len(items), "", dtype=object)
    for fold in folds(trials):
        rows = np.flatnonzero(items["fold"] == fold.name)
        train = trials.iloc[fold.fit].drop_duplicates("stimulus_id").sort_values("stimulus_id")
        train = train[train["stimulus_id"].isin(list(files))]
        values = np.asarray(target.flat[target.rows(train["stimulus_id"])], dtype=np.float32)
        guessed[rows], _ = category_only(predicted[rows], values, train["concept"].to_numpy())
        found = nearest_training_items(predicted[rows], values)
        nearest[rows] = train["stimulus_id"].to_numpy()[found]
    unplaced = items["fold"][nearest == ""]
    if len(unplaced):
        raise CalcarineError(
            f"sub-{subject}: predictions name the fold {unplaced.iloc[0]!r}; the trial table has "
            f"{[f.name for f in folds(trials)]}. Run `decode` again."
        )
    return guessed, tuple(nearest)


def _show(
    generator: UnclipGenerator, files: dict[str, Path], stimulus_ids: Iterable[str]
) -> np.ndarray:
    height, width, _ = generator.picture_shape
    return at_size([np.asarray(read_picture(files[s])) for s in stimulus_ids], height, width)


def _draw(
    generator: UnclipGenerator,
    sampling: Sampling,
    conditions: list[Condition],
    items: pd.DataFrame,
    files: dict[str, Path],
) -> Iterator[np.ndarray]:
    """Make the pictures of each condition; an item has the same seed in all of them."""
    for condition in conditions:
        rows = np.flatnonzero(items["controls"] | (condition.control == ""))
        seeds = items["seed"].to_numpy()[rows]
        latents = None
        if condition.vectors is not None:
            latents = vectors_to_latents(condition.vectors[rows], generator.latent_shape)
        if condition.shown:
            yield _show(generator, files, [condition.shown[row] for row in rows])
        elif condition.embeds is not None:
            yield generator.generate(condition.embeds[rows], seeds, sampling, latents)
        elif latents is not None:
            yield generator.decode(latents)
