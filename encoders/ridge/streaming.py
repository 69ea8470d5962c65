"""The sums that ridge needs, filled in one pass over data that arrive piece by piece."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.statistics import BlockStatistics

_ROWS_AT_A_TIME = 4096
_TARGETS_AT_A_TIME = 2048


class RidgeStatistics:
    """Sums over named blocks (sessions, runs, folds), to which samples may be added at any time.

    Features and targets are taken off an origin that is fixed when the object is made, so that
    products in float32 keep their digits; what is fitted does not depend on it, but for the
    rounding of those products (about 1e-7 times the condition number of the features). The sums
    need 4 × n_blocks × n_features × n_targets bytes: the price of never reading responses again.

    Parameters
    ----------
    x_origin
        A value near the mean of each feature, shape (n_features,).
    y_origin
        A value near the mean of each target, in the stored unit, shape (n_targets,).
    scale
        Stored responses are multiplied by this (1/300 for percent signal change as int16).

    Attributes
    ----------
    names
        Names of the blocks, in the order of their first appearance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((60, 4)), rng.standard_normal((60, 7))
    >>> sums = RidgeStatistics(x.mean(axis=0), y.mean(axis=0))
    >>> for session in range(3):
    ...     rows = slice(20 * session, 20 * session + 20)
    ...     sums.update(x[rows], y[rows], np.repeat(f"session-{session}", 20))
    >>> sums.names, sums.blocks().n_samples.tolist()
    (['session-0', 'session-1', 'session-2'], [20, 20, 20])
    """

    def __init__(self, x_origin: np.ndarray, y_origin: np.ndarray, scale: float = 1.0) -> None:
        self.x_origin = np.asarray(x_origin, dtype=np.float64)
        self.y_origin = np.asarray(y_origin, dtype=np.float64)
        self.scale = scale
        self.names: list[str] = []
        n_features, n_targets = len(self.x_origin), len(self.y_origin)
        self._n_x = np.zeros(0, dtype=np.int64)
        self._n_y = np.zeros((0, n_targets), dtype=np.int64)
        self._sum_x, self._gram = np.zeros((0, n_features)), np.zeros((0, n_features, n_features))
        self._sum_y, self._sum_yy = np.zeros((0, n_targets)), np.zeros((0, n_targets))
        self._xty = np.zeros((0, n_features, n_targets), dtype=np.float32)

    @classmethod
    def from_arrays(
        cls,
        features: np.ndarray,
        responses: np.ndarray,
        blocks: Sequence[str] | np.ndarray,
        scale: float = 1.0,
        n_for_origin: int = 512,
    ) -> Self:
        """Sum over all samples, reading the responses once from front to back.

        Parameters
        ----------
        features
            Shape (n_samples, n_features).
        responses
            Shape (n_samples, n_targets); an array or a memory map of any number type.
        blocks
            Name of each sample's block, shape (n_samples,).
        scale
            See the class.
        n_for_origin
            The origin is the mean of so many samples, evenly spread.
        """
        some = np.unique(np.linspace(0, len(features) - 1, n_for_origin).astype(np.int64))
        x_origin = np.asarray(np.mean(features[some], axis=0, dtype=np.float64))
        y_origin = np.asarray(np.mean(responses[some], axis=0, dtype=np.float64))
        statistics = cls(x_origin, y_origin, scale)
        statistics.update(features, responses, blocks)
        return statistics

    def update(
        self, features: np.ndarray, responses: np.ndarray, blocks: Sequence[str] | np.ndarray
    ) -> None:
        """Add samples with all their targets; a name that is not known yet makes a new block.

        Parameters
        ----------
        features
            Shape (n_samples, n_features).
        responses
            Shape (n_samples, n_targets), in the stored unit.
        blocks
            Name of each sample's block, shape (n_samples,).

        Raises
        ------
        CalcarineError
            Shapes disagree, or a value is not finite.
        """
        self._check(features, responses, blocks, slice(0, len(self.y_origin)))
        self.update_features(features, blocks)
        self.update_targets(features, responses, blocks, slice(0, len(self.y_origin)))

    def update_features(self, features: np.ndarray, blocks: Sequence[str] | np.ndarray) -> None:
        """Add the features of samples whose targets come by `update_targets`, chunk by chunk."""
        names = np.asarray(blocks).astype(str)
        self._make_blocks(names)
        for block, rows in self._parts(names):
            centred = features[rows] - self.x_origin
            if not np.isfinite(centred).all():
                raise CalcarineError(
                    f"features of block {self.names[block]!r} hold NaN or inf. Leave those samples "
                    "or columns out."
                )
            self._n_x[block] += len(centred)
            self._sum_x[block] += centred.sum(axis=0)
            self._gram[block] += centred.T @ centred

    def update_targets(
        self,
        features: np.ndarray,
        responses: np.ndarray,
        blocks: Sequence[str] | np.ndarray,
        targets: slice,
    ) -> None:
        """Add some targets of samples whose features were added.

        Parameters
        ----------
        features
            Shape (n_samples, n_features), as given to `update_features`.
        responses
            Of those targets, shape (n_samples, n_chunk).
        blocks
            Name of each sample's block, shape (n_samples,).
        targets
            Which columns these are.
        """
        self._check(features, responses, blocks, targets)
        names = np.asarray(blocks).astype(str)
        self._make_blocks(names)
        start, stop = targets.start or 0, targets.stop
        for block, rows in self._parts(names):
            x = (features[rows] - self.x_origin).astype(np.float32)
            part = np.asarray(responses[rows])
            for first in range(start, stop, _TARGETS_AT_A_TIME):
                columns = slice(first, min(first + _TARGETS_AT_A_TIME, stop))
                self._add(block, x, part[:, first - start : columns.stop - start], columns)

    def blocks(self) -> BlockStatistics:
        """Give the sums, about the origin, to what fits and resamples.

        Raises
        ------
        CalcarineError
            Some targets were not given for all samples, or there is no sample.
        """
        short = np.argwhere(self._n_y != self._n_x[:, None])
        if len(short) or not self.names:
            where = (
                f"target {short[0][1]} of {self.names[short[0][0]]!r} has " if len(short) else ""
            )
            got = (
                f"{self._n_y[tuple(short[0])]} of {self._n_x[short[0][0]]}" if len(short) else "no"
            )
            raise CalcarineError(
                f"{where}{got} samples; expected every target of every sample exactly once. Add "
                "what is missing with `update_targets`."
            )
        return BlockStatistics(
            self._n_x, self._sum_x, self._gram, self._sum_y, self._sum_yy, self._xty
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Give all sums as arrays, to be stored without pickle; `from_tensors` takes them back."""
        return {
            "x_origin": self.x_origin,
            "y_origin": self.y_origin,
            "scale": np.array([self.scale]),
            "n_x": self._n_x,
            "n_y": self._n_y,
            "sum_x": self._sum_x,
            "gram": self._gram,
            "sum_y": self._sum_y,
            "sum_yy": self._sum_yy,
            "xty": self._xty,
        }

    @classmethod
    def from_tensors(cls, names: Sequence[str], tensors: dict[str, np.ndarray]) -> Self:
        """Take sums back, to go on adding samples.

        Parameters
        ----------
        names
            Names of the blocks.
        tensors
            Of `tensors`.
        """
        out = cls(tensors["x_origin"], tensors["y_origin"], float(tensors["scale"][0]))
        out.names = list(names)
        out._n_x, out._n_y = tensors["n_x"].copy(), tensors["n_y"].copy()
        out._sum_x, out._gram = tensors["sum_x"].copy(), tensors["gram"].copy()
        out._sum_y, out._sum_yy = tensors["sum_y"].copy(), tensors["sum_yy"].copy()
        out._xty = tensors["xty"].copy()
        return out

    def _add(self, block: int, x: np.ndarray, part: np.ndarray, columns: slice) -> None:
        origin = np.float32(self.y_origin[columns])
        values = np.subtract(part, origin, dtype=np.float32)
        sums = values.sum(axis=0, dtype=np.float64)
        if not np.isfinite(sums).all():
            bad = columns.start + int(np.argmax(~np.isfinite(sums)))
            raise CalcarineError(
                f"target {bad} holds NaN or inf in block {self.names[block]!r}. Leave that target "
                "out of the mask or those samples out of the fit."
            )
        self._n_y[block, columns] += len(values)
        self._sum_y[block, columns] += self.scale * sums
        squares = np.einsum("nv,nv->v", values, values, dtype=np.float32)
        self._sum_yy[block, columns] += self.scale**2 * squares.astype(np.float64)
        product = x.T @ values
        self._xty[block, :, columns] += product if self.scale == 1 else self.scale * product

    def _make_blocks(self, names: np.ndarray) -> None:
        unique, first = np.unique(names, return_index=True)
        new = [str(n) for n in unique[np.argsort(first)] if str(n) not in self.names]
        if not new:
            return
        self.names = self.names + new
        for attribute in ("_n_x", "_n_y", "_sum_x", "_gram", "_sum_y", "_sum_yy", "_xty"):
            old = getattr(self, attribute)
            room = np.zeros((len(new), *old.shape[1:]), dtype=old.dtype)
            setattr(self, attribute, np.concatenate([old, room]))

    def _parts(self, names: np.ndarray) -> list[tuple[int, slice | np.ndarray]]:
        """Cut samples into stretches of one block: slices where they follow each other."""
        changes = np.flatnonzero(names[1:] != names[:-1]) + 1
        number = {name: k for k, name in enumerate(self.names)}
        parts: list[tuple[int, slice | np.ndarray]] = []
        if len(changes) < 4 * len(self.names):
            for run in np.split(np.arange(len(names)), changes):
                for start in range(run[0], run[-1] + 1, _ROWS_AT_A_TIME):
                    stop = min(start + _ROWS_AT_A_TIME, int(run[-1]) + 1)
                    parts.append((number[str(names[start])], slice(start, stop)))
            return parts
        for name in np.unique(names):
            rows = np.flatnonzero(names == name)
            for start in range(0, len(rows), _ROWS_AT_A_TIME):
                parts.append((number[str(name)], rows[start : start + _ROWS_AT_A_TIME]))
        return parts

    def _check(
        self,
        features: np.ndarray,
        responses: np.ndarray,
        blocks: Sequence[str] | np.ndarray,
        targets: slice,
    ) -> None:
        n_targets = targets.stop - (targets.start or 0)
        expected = (len(features), len(self.x_origin)), (len(features), n_targets), len(features)
        got = tuple(features.shape), tuple(responses.shape), len(blocks)
        if got != expected:
            raise CalcarineError(
                f"features, responses and blocks have the shapes {got}; expected {expected}."
            )
