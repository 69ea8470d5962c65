"""Banks of pictures: built from a folder, or made of the training stimuli of a subject."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from calcarine.data.banks import Bank, entry_table, read_bank, write_bank
from calcarine.data.digests import PICTURE_SUFFIXES, read_picture
from calcarine.data.embeddings import read_embeddings
from calcarine.data.errors import CalcarineError
from calcarine.data.json_files import read_json
from calcarine.data.splits import folds
from calcarine.data.stimuli import NO_PICTURE, read_stimuli
from calcarine.data.trials import read_trials
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_captions import CaptionSection

if TYPE_CHECKING:
    from calcarine.decoders.picture_captioner import PictureCaptioner

SHARD_ROWS = 65_536
FAMILIES_FILE = "families.json"
# cosine above which two embeddings are those of one picture; half precision costs 1e-6
_SAME_COSINE = 0.9999
_MIN_WORDS = 8


def bank_of(
    config: Config,
    subject: str,
    section: CaptionSection,
    shown: set[str] | None = None,
    written: Mapping[str, list[str]] | None = None,
) -> Bank:
    """Give the bank of a caption section: its folder, or the subject's training stimuli.

    Parameters
    ----------
    config, subject, section
        Whose.
    shown
        Stimuli that a bank without a folder is made of; without it all that the encoder that is
        kept was fitted on.
    written
        Captions of stimuli that came without any, see `write_missing_captions`.

    Raises
    ------
    CalcarineError
        There is no such bank, or no training stimulus has a picture.
    """
    if section.bank is None:
        return training_bank(config, subject, section, shown, written)
    bank = read_bank(section.bank)
    check_bank_leaks(config, subject, section, bank)
    return bank


def check_bank_leaks(config: Config, subject: str, section: CaptionSection, bank: Bank) -> None:
    """Refuse a bank that holds test stimuli: their pictures, or their captions.

    A picture is known by its embedding, because a bank may come without its pictures; captions by
    all that is said about a stimulus, eight words at the least.

    Raises
    ------
    CalcarineError
        With the first entry and the test stimulus that it shows.
    """
    trials = read_trials(config.layout.trials(subject))
    tested = sorted(
        set(trials["stimulus_id"].iloc[np.concatenate([f.test for f in folds(trials)])])
    )
    pictures = read_embeddings(config.layout.embedding(config.encode[section.encoder].reads[0]))
    bank.check_embedding(pictures.sidecar)
    found = _shown_again(bank, np.asarray(pictures.flat[pictures.rows(pd.Series(tested))]))
    leaks = [(entry, tested[row], "picture") for entry, row in found]
    said = read_stimuli(config.stimuli).set_index("stimulus_id")["captions"]
    keys = {_said_key(said[s]): s for s in tested if s in said.index}
    for entry, captions in enumerate(bank.entries["captions"]):
        if len(_said_key(captions)) >= _MIN_WORDS and _said_key(captions) in keys:
            leaks.append((entry, keys[_said_key(captions)], "captions"))
    if leaks:
        entry, stimulus, what = leaks[0]
        raise CalcarineError(
            f"the leak check found {len(leaks)} entries of the bank {section.bank} that are test "
            f"stimuli of sub-{subject}: entry {bank.entries['entry'].iloc[entry]!r} has the {what} "
            f"of {stimulus!r}. Build the bank without them: `calcarine bank build --without "
            f"{config.layout.trials(subject)}`."
        )


def _shown_again(bank: Bank, values: np.ndarray) -> list[tuple[int, int]]:
    """Find entries with the embedding of a test stimulus: (entry, row of `values`)."""
    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    units = values[known] / np.maximum(np.linalg.norm(values[known], axis=1, keepdims=True), 1e-12)
    found, start = [], 0
    for shard in bank.shards:
        rows = np.asarray(shard, dtype=np.float32)
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        for entry, row in np.argwhere(rows @ units.T > _SAME_COSINE):
            found.append((start + int(entry), int(known[row])))
        start += len(rows)
    return found


def _said_key(captions: list[str]) -> tuple[str, ...]:
    return tuple(word for text in sorted(captions) for word in text.casefold().split())


def training_bank(
    config: Config,
    subject: str,
    section: CaptionSection,
    shown: set[str] | None = None,
    written: Mapping[str, list[str]] | None = None,
) -> Bank:
    """Make a bank of the stimuli that the subject's encoder was fitted on, and of no others."""
    if shown is None:
        trials = read_trials(config.layout.trials(subject))
        # in a cross-validation the encoder that is kept was fitted on all trials
        shown = set(trials["stimulus_id"].iloc[np.concatenate([f.fit for f in folds(trials)])])
    stimuli = with_captions(read_stimuli(config.stimuli), written or {})
    stimuli = stimuli[stimuli["stimulus_id"].isin(list(shown))].reset_index(drop=True)
    pictures = read_embeddings(config.layout.embedding(config.encode[section.encoder].reads[0]))
    values = np.asarray(pictures.flat[pictures.rows(stimuli["stimulus_id"])], dtype=np.float32)
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        raise CalcarineError(
            f"no training stimulus of sub-{subject} has a picture that could speak for a unit. "
            "Name a bank in `caption` (`calcarine bank build`)."
        )
    texts = None
    if section.texts is not None:
        said = read_embeddings(config.layout.embedding(section.texts))
        texts = np.asarray(said.flat[said.rows(stimuli["stimulus_id"])], dtype=np.float32)[known]
    stimuli = stimuli[known]
    entries = entry_table(*(stimuli[n] for n in ("stimulus_id", "file", "concept", "captions")))
    folder = config.stimuli.parent
    families = read_families(folder)
    return Bank((values[known],), entries, pictures.sidecar, texts, families, folder)


def write_missing_captions(
    config: Config, subject: str, section: CaptionSection
) -> dict[str, list[str]]:
    """Let the section's captioner describe the subject's stimuli that have no caption.

    It sees pictures and nothing else, those of test stimuli too: their sentences are what captions
    of units are held against.

    Returns
    -------
    dict
        Stimulus to its one sentence; empty without a captioner.
    """
    if section.captioner is None:
        return {}
    # the model's library takes seconds
    from calcarine.decoders.picture_captioner import load_captioner

    shown = set(read_trials(config.layout.trials(subject))["stimulus_id"])
    table = read_stimuli(config.stimuli)
    bare = table[
        table["stimulus_id"].isin(list(shown))
        & (table["file"] != NO_PICTURE)
        & (table["captions"].map(len) == 0)
    ]
    return _described(section.captioner, bare, config.stimuli.parent, load_captioner)


def _described(
    captioner: str,
    bare: pd.DataFrame,
    folder: Path,
    load: Callable[[str], "PictureCaptioner"],
) -> dict[str, list[str]]:
    if not len(bare):
        return {}
    model = load(captioner)
    out: dict[str, list[str]] = {}
    for start in tqdm(range(0, len(bare), 64), desc=f"captions by {model.name}", disable=None):
        own = bare.iloc[start : start + 64]
        said = model.captions([read_picture(folder / file) for file in own["file"]])
        out |= {str(s): [t] for s, t in zip(own["stimulus_id"], said, strict=True) if t}
    return out


def with_captions(stimuli: pd.DataFrame, written: Mapping[str, list[str]]) -> pd.DataFrame:
    """Fill in captions where stimuli have none."""
    captions = [
        own or list(written.get(s, []))
        for s, own in zip(stimuli["stimulus_id"], stimuli["captions"], strict=True)
    ]
    return stimuli.assign(captions=captions)


def read_families(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Read `families.json` of a folder: words by family and value; empty where there is none."""
    path = folder / FAMILIES_FILE
    if not path.is_file():
        return {}
    found = read_json(path)
    return {str(f): {str(v): list(w) for v, w in own.items()} for f, own in found.items()}


def build_bank(
    folder: Path,
    out: Path,
    model_name: str,
    without: Path | None = None,
    captioner: str | None = None,
) -> Bank:
    """Embed a folder of pictures and write a bank.

    The folder has a `stimuli.tsv` (`stimulus_id file concept captions`), or is searched for
    pictures; a text file beside a picture, of the same name, holds its captions, one a line, and a
    subfolder names the concept. `families.json`, where it is there, is taken along.

    Parameters
    ----------
    folder
        Pictures.
    out
        Bank folder to write.
    model_name
        Embedding model, as a configuration names it.
    without
        Trial table: stimuli of its test trials are left out.
    captioner
        Image-to-text model for pictures without captions, see `load_captioner`.

    Raises
    ------
    CalcarineError
        There is no picture, or the model cannot be loaded.
    """
    # the network's library takes seconds
    from calcarine.encoders.embedding_models import load_embedding_model
    from calcarine.encoders.embedding_store import embed_stimuli

    table = _entries(folder, without)
    if captioner is not None:
        from calcarine.decoders.picture_captioner import load_captioner

        bare = table[table["captions"].map(len) == 0]
        table = with_captions(table, _described(captioner, bare, folder, load_captioner))
    model = load_embedding_model(model_name)
    with tempfile.TemporaryDirectory(dir=out.parent if out.parent.is_dir() else None) as work:
        made = embed_stimuli(model, table, folder, Path(work) / "pictures", "pictures")
        texts = None
        if model.network.texts is not None and table["captions"].map(len).any():
            said = embed_stimuli(model, table, folder, Path(work) / "texts", "captions")
            texts = np.array(said.flat)
        values = np.array(made.flat)
    shards = tuple(values[i : i + SHARD_ROWS] for i in range(0, len(values), SHARD_ROWS))
    entries = entry_table(*(table[n] for n in ("stimulus_id", "file", "concept", "captions")))
    bank = Bank(shards, entries, made.sidecar, texts, read_families(folder), folder.resolve())
    write_bank(out, bank)
    return bank


def _entries(folder: Path, without: Path | None) -> pd.DataFrame:
    if (folder / "stimuli.tsv").is_file():
        table = read_stimuli(folder / "stimuli.tsv")
        table = table[table["file"] != "n/a"]
    else:
        table = _found_pictures(folder)
    if without is not None:
        trials = read_trials(without)
        tested = set(trials.loc[trials["split"] == "test", "stimulus_id"])
        table = table[~table["stimulus_id"].isin(list(tested))]
    if not len(table):
        raise CalcarineError(
            f"{folder} has no picture for a bank; expected stimuli.tsv or files with the endings "
            f"{sorted(PICTURE_SUFFIXES)}."
        )
    return table.reset_index(drop=True)


def _found_pictures(folder: Path) -> pd.DataFrame:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    names = [p.relative_to(folder).as_posix() for p in files]
    concepts = [p.parent.name if p.parent != folder else "n/a" for p in files]
    captions = []
    for path in files:
        beside = path.with_suffix(".txt")
        lines = beside.read_text(encoding="utf-8").splitlines() if beside.is_file() else []
        captions.append([line.strip() for line in lines if line.strip()])
    columns = {"stimulus_id": names, "file": names, "concept": concepts, "captions": captions}
    return pd.DataFrame(columns)
