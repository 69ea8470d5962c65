"""Pictures that drive regions, by gradient guidance."""

import numpy as np

from calcarine.data.banks import Bank
from calcarine.decoders.selectivity.unit_sets import UnitSets
from calcarine.encoders.voxel_encoder import VoxelEncoder
from calcarine.pipelines.config_captions import SynthesiseSection


def synthesised(
    section: SynthesiseSection, encoder: VoxelEncoder, bank: Bank, sets: UnitSets, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Draw pictures."""
    return {}, {}
