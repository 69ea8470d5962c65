"""Weights of units to the space of natural pictures: one streaming pass over a bank."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from calcarine.data.errors import CalcarineError
from calcarine.encoders.devices import default_device

RankBy = Literal["response", "cosine"]
TEMPERATURE = 1 / 150
UNIT_BLOCK, BANK_BLOCK = 2048, 4096


@dataclass(frozen=True)
class Projection:
    """Where the weights of units lie among natural pictures.

    Attributes
    ----------
    direction
        Unit vectors, float32, shape (n_units, embed_dim); NaN where a unit has no weights.
    norm
        Length of the projected vector, float32, shape (n_units,).
    top_entries
        Bank entries that a unit prefers, best first, int64, shape (n_units, n_top); -1 where a
        unit has no weights.
    top_scores
        Their scores, float32, shape (n_units, n_top).
    """

    direction: np.ndarray
    norm: np.ndarray
    top_entries: np.ndarray
    top_scores: np.ndarray

    @property
    def embedding(self) -> np.ndarray:
        """The projected vectors, direction times norm, shape (n_units, embed_dim)."""
        return self.direction * self.norm[:, None]


class _Units:
    """Running softmax, sums and best entries of all units."""

    def __init__(self, weights: np.ndarray, n_top: int, device: torch.device) -> None:
        n_units, embed_dim = weights.shape
        given = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32)).to(device)
        self.length = torch.linalg.vector_norm(given, dim=1)
        self.unit = given / torch.where(self.length > 0, self.length, 1.0)[:, None]
        self.largest = torch.full((n_units,), -torch.inf, device=device)
        # Σ s u, Σ s n and Σ s side by side: one product adds to all three
        self.sums = torch.zeros(n_units, embed_dim + 2, device=device)
        self.best = torch.full((n_units, n_top), -torch.inf, device=device)
        self.entries = torch.full((n_units, n_top), -1, dtype=torch.int64, device=device)


def project(
    weights: np.ndarray,
    shards: Iterable[np.ndarray],
    temperature: float = TEMPERATURE,
    n_top: int = 32,
    rank_by: RankBy = "response",
    device: str | torch.device | None = None,
    unit_block: int = UNIT_BLOCK,
    bank_block: int = BANK_BLOCK,
) -> Projection:
    """Project the weights of units onto natural pictures, and find the pictures they prefer.

    For the unit vector ŵ of a unit's weights and pictures e = n·u (u of length one), with
    s = softmax(ŵ·u / τ) over the bank, the direction is Σ s u at unit length and the norm is Σ s n
    (BrainSCUBA: Luo et al. 2024, arXiv:2310.04420). The softmax runs: every shard is read once,
    and memory does not grow with the bank.

    Parameters
    ----------
    weights
        Weights of the encoder, one row a unit, shape (n_units, embed_dim).
    shards
        The bank's embeddings, each shape (n_entries, embed_dim), any floating type; not
        normalised.
    temperature
        τ of the softmax.
    n_top
        How many preferred entries are kept.
    rank_by
        Preferred are entries with the largest predicted response ŵ·e (what an encoder that was
        fitted on embeddings as they are predicts, up to scale and intercept), or the largest
        cosine ŵ·u.
    device
        For instance `cpu` or `cuda`; by default a GPU where there is one.
    unit_block, bank_block
        Units and bank entries at a time; they bound the memory and change no result.

    Returns
    -------
    Projection
        Entries are numbered through all shards.

    Raises
    ------
    CalcarineError
        Shapes disagree, the bank is smaller than `n_top`, a number is not finite, or the
        temperature is not positive.

    Examples
    --------
    >>> bank = np.eye(3, dtype=np.float32) * [[1], [2], [3]]
    >>> project(np.array([[0.0, 5.0, 0.0]]), [bank], temperature=0.01, n_top=1).embedding.round(3)
    array([[0., 2., 0.]], dtype=float32)
    """
    _check(weights, temperature, n_top, rank_by)
    place = torch.device(device or default_device())
    units = _Units(weights, n_top, place)
    n_entries = 0
    with torch.inference_mode():
        for block in _blocks(shards, weights.shape[1], bank_block):
            entries = torch.from_numpy(block).to(place)
            _add_block(units, entries, n_entries, 1 / temperature, rank_by, unit_block)
            n_entries += len(block)
    if n_entries < n_top:
        raise CalcarineError(
            f"the bank has {n_entries} entries and the {n_top} best were asked for. Take a larger "
            "bank or a smaller n_top."
        )
    return _finish(units)


def _check(weights: np.ndarray, temperature: float, n_top: int, rank_by: str) -> None:
    if weights.ndim != 2 or not np.isfinite(weights).all():
        raise CalcarineError(
            f"weights have shape {weights.shape}; expected finite numbers, one row a unit: "
            "(n_units, embed_dim). An encoder's `coef_` has units in columns; transpose it."
        )
    if not temperature > 0 or n_top < 1:
        raise CalcarineError(
            f"temperature is {temperature} and n_top {n_top}; expected a positive temperature and "
            "one entry or more."
        )
    if rank_by not in ("response", "cosine"):
        raise CalcarineError(f"rank_by is {rank_by!r}; expected 'response' or 'cosine'.")


def _blocks(shards: Iterable[np.ndarray], embed_dim: int, bank_block: int) -> Iterator[np.ndarray]:
    """Cut shards into float32 blocks, each read from disk once."""
    for number, shard in enumerate(shards):
        if shard.ndim != 2 or shard.shape[1] != embed_dim:
            raise CalcarineError(
                f"shard {number} of the bank has shape {shard.shape}; the units have weights for "
                f"{embed_dim} features. Build the bank with the encoder's embedding model."
            )
        for start in range(0, len(shard), bank_block):
            block = np.array(shard[start : start + bank_block], dtype=np.float32, order="C")
            if not np.isfinite(block).all():
                row = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                raise CalcarineError(
                    f"row {row} of shard {number} of the bank is not finite; build it again "
                    "without that entry."
                )
            yield block


def _add_block(
    units: _Units,
    entries: torch.Tensor,
    first_entry: int,
    sharpness: float,
    rank_by: RankBy,
    unit_block: int,
) -> None:
    norm = torch.linalg.vector_norm(entries, dim=1)
    unit = entries / torch.where(norm > 0, norm, 1.0)[:, None]
    added = torch.cat([unit, norm[:, None], torch.ones_like(norm)[:, None]], dim=1)
    for start in range(0, len(units.unit), unit_block):
        rows = slice(start, start + unit_block)
        cosine = units.unit[rows] @ unit.T
        if rank_by == "cosine":
            _keep_best(units, rows, cosine, first_entry)
        else:
            _keep_best(units, rows, cosine * norm, first_entry)
        _add_softmax(units, rows, cosine.mul_(sharpness), added)


def _add_softmax(units: _Units, rows: slice, logits: torch.Tensor, added: torch.Tensor) -> None:
    """Add a block to the running softmax; earlier sums are rescaled where the maximum grows."""
    before = units.largest[rows]
    largest = torch.maximum(before, logits.amax(dim=1))
    share = logits.sub_(largest[:, None]).exp_()
    units.sums[rows] *= torch.exp(before - largest)[:, None]
    units.sums[rows] += share @ added
    units.largest[rows] = largest


def _keep_best(units: _Units, rows: slice, scores: torch.Tensor, first_entry: int) -> None:
    """Merge a block's scores with the best so far; of equal scores the earlier entry stays."""
    best, entries = units.best[rows], units.entries[rows]
    row, column = torch.nonzero(scores > best[:, -1:], as_tuple=True)
    if not len(row):
        return
    counts = torch.bincount(row, minlength=len(best))
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    width = int(counts.max())
    new = torch.full((len(best), width), -torch.inf, device=row.device)
    new_entries = torch.full((len(best), width), -1, dtype=torch.int64, device=row.device)
    new[row, place] = scores[row, column]
    new_entries[row, place] = column + first_entry
    both, order = torch.cat([best, new], dim=1).sort(dim=1, descending=True, stable=True)
    n_top = best.shape[1]
    units.best[rows] = both[:, :n_top]
    units.entries[rows] = torch.cat([entries, new_entries], dim=1).gather(1, order[:, :n_top])


def _finish(units: _Units) -> Projection:
    total = units.sums[:, -1:]
    direction = units.sums[:, :-2] / torch.linalg.vector_norm(units.sums[:, :-2], dim=1)[:, None]
    norm = (units.sums[:, -2:-1] / total)[:, 0]
    none = units.length == 0
    direction[none], norm[none] = torch.nan, torch.nan
    units.entries[none], units.best[none] = -1, torch.nan
    scale = units.length[:, None]
    return Projection(
        direction.cpu().numpy(),
        norm.cpu().numpy(),
        units.entries.cpu().numpy(),
        (units.best * scale).cpu().numpy(),
    )


def group_weights(weights: np.ndarray, members: Sequence[np.ndarray]) -> np.ndarray:
    """Average the weights of groups of units: parcels, regions, clusters of sensors.

    A linear encoder's mean response of a group is the response of its mean weights, so that a
    group goes through `project` like a single unit.

    Parameters
    ----------
    weights
        Shape (n_units, embed_dim).
    members
        Rows of each group, at least one a group.

    Returns
    -------
    numpy.ndarray
        float32, shape (n_groups, embed_dim).

    Raises
    ------
    CalcarineError
        A group is empty.
    """
    empty = [i for i, rows in enumerate(members) if not len(rows)]
    if empty:
        raise CalcarineError(f"group {empty[0]} has no unit; leave it out.")
    return np.stack([weights[rows].mean(axis=0) for rows in members]).astype(np.float32)
