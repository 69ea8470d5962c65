"""What a ridge fit gives back."""

from dataclasses import dataclass, field

import numpy as np

from calcarine.encoders.ridge.chunk_solver import ChunkSolution
from calcarine.encoders.ridge.routes import RouteChoice


@dataclass(frozen=True)
class RidgeSolution:
    """Weights and penalties of every target.

    Attributes
    ----------
    coef
        float32, shape (n_features, n_targets).
    intercept
        float32, shape (n_targets,).
    alpha
        Chosen penalties, float64, shape (n_targets,).
    cv_score
        1 − (held-out squared error) / (that of the training mean), over all samples together:
        shape (n_targets,), at most 1, 0 for a constant target.
    alphas
        Penalties that were offered, rising, shape (n_alphas,); `continuous` search chooses between
        them.
    edge_share
        Share of the targets whose choice is the smallest and the largest penalty that was open to
        them: (lower, upper). A high lower share says that weaker penalties would do better; targets
        that cannot be predicted gather at the upper end.
    masked
        Targets with values that are not finite, bool, shape (n_targets,); all their results are
        NaN.
    route
        How the features were dealt with, and what every way would have cost; None where the fit
        began with sums.
    working_bytes
        Working memory beside inputs and weights, as stated before the fit.
    """

    coef: np.ndarray
    intercept: np.ndarray
    alpha: np.ndarray
    cv_score: np.ndarray
    alphas: np.ndarray
    edge_share: tuple[float, float]
    masked: np.ndarray
    route: RouteChoice | None
    working_bytes: int


@dataclass
class SolutionArrays:
    """Results, filled chunk by chunk; chunks touch columns of their own."""

    coef: np.ndarray
    intercept: np.ndarray
    alpha: np.ndarray
    cv_score: np.ndarray
    at_edge: np.ndarray
    counted: np.ndarray
    masked: np.ndarray
    tried: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def empty(cls, n_features: int, n_targets: int) -> "SolutionArrays":
        """Make room for the results of all targets."""
        return cls(
            np.empty((n_features, n_targets), dtype=np.float32),
            np.empty(n_targets, dtype=np.float32),
            np.empty(n_targets),
            np.empty(n_targets),
            np.zeros((2, n_targets), dtype=bool),
            np.zeros(n_targets, dtype=bool),
            np.zeros(n_targets, dtype=bool),
        )

    def store(
        self, targets: slice, coef: np.ndarray, intercept: np.ndarray, found: ChunkSolution
    ) -> None:
        """Write the results of some targets.

        Parameters
        ----------
        targets
            Which.
        coef, intercept
            Weights of the features and intercepts.
        found
            Penalties.
        """
        penalties = found.penalties
        self.coef[:, targets], self.intercept[targets] = coef, intercept
        self.alpha[targets], self.cv_score[targets] = penalties.alpha, -penalties.loss
        self.at_edge[0, targets], self.at_edge[1, targets] = penalties.at_lower, penalties.at_upper
        self.counted[targets] = found.varies
        self.tried.append(penalties.tried)

    def mask(self, targets: slice, masked: np.ndarray) -> None:
        """Write NaN for some of the targets of a chunk."""
        if masked.any():
            columns = np.arange(targets.start, targets.stop)[masked]
            self.masked[columns] = True
            self.coef[:, columns] = np.nan
            for values in (self.intercept, self.alpha, self.cv_score):
                values[columns] = np.nan

    def solution(self, route: RouteChoice | None, working_bytes: int) -> RidgeSolution:
        """Give the results of all targets."""
        edges = self.at_edge[:, self.counted]
        lower, upper = edges.mean(axis=1) if edges.size else (0.0, 0.0)
        return RidgeSolution(
            self.coef,
            self.intercept,
            self.alpha,
            self.cv_score,
            np.unique(np.concatenate(self.tried)),
            (float(lower), float(upper)),
            self.masked,
            route,
            working_bytes,
        )
