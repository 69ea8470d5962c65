"""Where in natural pictures each region's encoder looks."""

import numpy as np
import torch

from calcarine.data.banks import Bank
from calcarine.data.digests import read_picture
from calcarine.data.stimuli import NO_PICTURE
from calcarine.decoders.selectivity.relevance import relevance_maps
from calcarine.decoders.selectivity.unit_sets import UnitSets
from calcarine.encoders.dense_embeddings import DENSE, embed_places
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.voxel_encoder import VoxelEncoder

_SHIFTS = tuple((y, x) for y in (-6, 0, 6) for x in (-6, 0, 6))


def looked_at(
    encoder: VoxelEncoder, bank: Bank, sets: UnitSets, evidence: list[list[str]], n_pictures: int
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Map where each region looks in the pictures that drive it most.

    Parameters
    ----------
    encoder
        Ridge encoder on a CLIP-type embedding.
    bank
        With its pictures.
    sets
        Of which regions and contrasts get maps.
    evidence
        Entries that drive each set most, best first.
    n_pictures
        Pictures of each region.

    Returns
    -------
    arrays : dict
        `relevance`, float16, shape (n_regions, n_pictures, height, width) of the transformed
        pictures; absent where there is nothing to map.
    told : dict
        `regions`, and `entries` of each; or `why` there is nothing.
    """
    if bank.pictures is None:
        return {}, {"why": "the bank came without its pictures"}
    chosen = _pictures(bank, sets, evidence, n_pictures)
    if not chosen:
        return {}, {"why": "no region has pictures of the bank that can be read"}
    named = encoder.embedding
    model = load_embedding_model(named["model"], named["layer"], named["pooling"])
    if not isinstance(getattr(model.network.module, "visual", None), tuple(DENSE)):
        return {}, {"why": f"{model.name} does not embed places"}
    maps = []
    for row, entries in chosen.items():
        paths = [bank.pictures / path for path in entries.values()]
        shown = torch.stack([model.transform(read_picture(path)) for path in paths])
        shown = shown.to(model.device)
        weights = (sets.mixing[row] @ encoder.coef_.T)[None]
        found = relevance_maps(lambda batch: embed_places(model, batch), shown, weights, _SHIFTS)
        maps.append(found[0].astype(np.float16))
    told = {
        "regions": sets.table["unit"].iloc[list(chosen)].tolist(),
        "entries": [list(entries) for entries in chosen.values()],
    }
    return {"relevance": np.stack(maps)}, told


def _pictures(
    bank: Bank, sets: UnitSets, evidence: list[list[str]], n_pictures: int
) -> dict[int, dict[str, str]]:
    """List each region's first pictures that are there: row to entry to file."""
    assert bank.pictures is not None
    files = dict(zip(bank.entries["entry"], bank.entries["file"], strict=True))
    out = {}
    for row in np.flatnonzero(sets.table["kind"].isin(["region", "contrast"])):
        own = [e for e in evidence[row] if files[e] != NO_PICTURE][:n_pictures]
        if len(own) == n_pictures and all((bank.pictures / files[e]).is_file() for e in own):
            out[int(row)] = {e: files[e] for e in own}
    return out
