"""Cards of decoders."""

import pandas as pd

import calcarine
from calcarine.data.digests import frame_sha
from calcarine.data.splits import folds
from calcarine.pipelines.config import Config
from calcarine.pipelines.encode import data_set_fields


def decoder_card(
    config: Config, name: str, trials: dict[str, pd.DataFrame]
) -> tuple[str, dict[str, str]]:
    """Give title and fields of a decoder's card.

    Parameters
    ----------
    config
        The configuration.
    name
        Name of the decoder.
    trials
        Trial tables that it was fitted on, by subject.
    """
    section, split = config.decode[name], config.split
    subjects = ", ".join(f"sub-{s}" for s in trials)
    hashes = ", ".join(
        f"sub-{s} {frame_sha(t[['trial_id', 'split']])[:16]}" for s, t in trials.items()
    )
    n_folds = len(folds(next(iter(trials.values()))))
    fitted = (
        "scored out of fold; this model is fitted on all trials"
        if n_folds > 1
        else "this model is fitted on training trials, and test trials have never been seen"
    )
    fields = data_set_fields(config)
    fields["data"] += f", {subjects}"
    return f"{name}: {section.kind} decoder of {section.target}", fields | {
        "split": f"{split.scheme} by {split.by}, {n_folds} folds, hashes {hashes}; {fitted}",
        "units": "hash of the voxel mask by subject: `units_sha` in config.json",
        "preprocessing": f"`{config.recording.preprocessing}`; responses z-scored "
        f"by training trials ({section.standardize})",
        "target": f"{section.target}: {config.embeddings[section.target].model}, "
        f"revision and transform in config.json",
        "scores": "with intervals, chance, controls and ceilings in each subject's metrics.tsv",
        "seed": str(config.seed),
        "version": calcarine.__version__,
    }
