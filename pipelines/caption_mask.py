"""Caption a piece of cortex that a mask image marks, from the command line."""

from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from calcarine.data.banks import Bank, read_bank
from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.caption_chain import Chain, caption_units, prepare_bank
from calcarine.decoders.selectivity.projection import group_weights
from calcarine.encoders.pretrained import load_pretrained
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.caption_banks import training_bank
from calcarine.pipelines.config import load_config
from calcarine.pipelines.config_captions import CaptionSection

N_WORDS, N_PICTURES = 8, 5


def masked_units(units: pd.DataFrame, mask: Path) -> np.ndarray:
    """Find the units whose place lies in a mask, whatever grid the mask has.

    Parameters
    ----------
    units
        Units table with `x y z` in mm, of the space that the mask is in.
    mask
        Image; voxels above 0.5 belong to it.

    Returns
    -------
    numpy.ndarray
        Row numbers.

    Raises
    ------
    CalcarineError
        Units have no coordinates, the image cannot be read, or no unit lies in it.
    """
    if not {"x", "y", "z"} <= set(units):
        raise CalcarineError(
            f"the encoder's units have no coordinates x, y, z; they have {list(units.columns)}. "
            "Caption them from Python by row number."
        )
    try:
        image = nibabel.load(mask)
    except (OSError, nibabel.filebasedimages.ImageFileError) as error:
        raise CalcarineError(f"the mask {mask} cannot be read: {error}") from error
    values = np.asarray(image.dataobj)
    place = units[["x", "y", "z"]].to_numpy(dtype=np.float64)
    index = np.rint(apply_affine(np.linalg.inv(image.affine), place)).astype(int)
    inside = ((index >= 0) & (index < values.shape[:3])).all(axis=1)
    found = np.zeros(len(units), dtype=bool)
    found[inside] = values[tuple(index[inside].T)] > 0.5
    if not found.any():
        raise CalcarineError(
            f"none of the encoder's {len(units)} units lies in {mask}. Mask and units must be in "
            "one space: check it by their coordinates in mm."
        )
    return np.flatnonzero(found)


def caption_mask(mask: Path, encoder_name: Path | str, bank_folder: Path | None = None) -> str:
    """Caption the units in a mask.

    Parameters
    ----------
    mask
        Image that marks them.
    encoder_name
        Model folder of a ridge encoder, or a name that `load_pretrained` knows.
    bank_folder
        Bank; without it the training stimuli of the output tree that the encoder stands in.

    Returns
    -------
    str
        The mask's caption, its evidence, and the commonest words of single units.
    """
    encoder = _encoder(encoder_name)
    bank = read_bank(bank_folder) if bank_folder else _bank_of_tree(Path(encoder_name))
    bank.check_embedding(encoder.embedding)
    rows = masked_units(encoder.units, mask)
    captioned = prepare_bank(bank)
    chain = Chain(n_top=max(1, min(Chain().n_top, len(bank.entries) // 4)))
    weights = encoder.coef_.T
    (whole,) = caption_units(group_weights(weights, [rows]), captioned, chain)
    single = caption_units(weights[rows], captioned, chain)
    words = Counter(term for own in single for term in own.terms).most_common(N_WORDS)
    evidence = bank.entries["entry"].iloc[whole.entries[:N_PICTURES]]
    lines = [
        f"{len(rows)} units in {mask.name}: {whole.text or '(no word stands out)'}",
        *(
            f"  {k.term}: {k.share:.0%} of the {chain.n_top} pictures that drive it most, "
            f"{k.base:.0%} of all {len(bank.entries):,}"
            for k in whole.keywords
        ),
        "words of single units: " + (", ".join(f"{w} ({n})" for w, n in words) or "none"),
        "best pictures: " + ", ".join(map(str, evidence)),
        "Made from the encoder's weights and its preferred pictures alone, and not tested; the "
        "workflow's section `caption` takes words that training responses bear out, and tests "
        "captions on held-out ones.",
    ]
    return "\n".join(lines)


def _encoder(name: Path | str) -> VoxelEncoder:
    if Path(name).is_dir() or isinstance(name, Path) or ":" not in name:
        return VoxelEncoder.load(Path(name))
    found = load_pretrained(name, check_embedding=False)
    if not isinstance(found, VoxelEncoder):
        raise CalcarineError(
            f"captions are made of the weights of a ridge encoder; {name} is a "
            f"{type(found).__name__}."
        )
    return found


def _bank_of_tree(encoder_folder: Path) -> Bank:
    folder = encoder_folder.resolve()
    tree = folder.parents[min(2, len(folder.parents) - 1)]
    if not (folder.is_dir() and (tree / "config.yaml").is_file()):
        raise CalcarineError(
            f"{encoder_folder} stands in no output tree, so that its training stimuli are not "
            "known. Name a bank: --bank FOLDER (see `calcarine bank build`)."
        )
    config = load_config(tree / "config.yaml")
    name, subject = folder.name.removeprefix("encoder-"), folder.parents[1].name[4:]
    own = [c for c in config.caption.values() if c.encoder == name and c.bank is None]
    return training_bank(config, subject, own[0] if own else CaptionSection(encoder=name))
