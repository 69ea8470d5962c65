"""Ridge and banded ridge as scikit-learn estimators."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from calcarine.encoders.ridge.banded import BandedSettings, solve_banded
from calcarine.encoders.ridge.chunk_solver import Method
from calcarine.encoders.ridge.penalty_search import Search
from calcarine.encoders.ridge.solver import DEFAULT, RidgeSettings, solve_ridge


class _LinearModel(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What both estimators share: checks of the data, and predictions from weights."""

    coef_: np.ndarray
    intercept_: np.ndarray

    def _checked(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # the solver names the positions of values that are not finite
        of_x = {"ensure_all_finite": False, "ensure_min_samples": 2}
        of_y = {"ensure_all_finite": False, "ensure_2d": False}
        checked = validate_data(self, X, y, validate_separately=(of_x, of_y))
        return checked[0], checked[1]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict targets.

        Parameters
        ----------
        X
            Features, shape (n_samples, n_features).

        Returns
        -------
        numpy.ndarray
            Shape (n_samples, n_targets) or (n_samples,).
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return X @ self.coef_ + self.intercept_


class RidgeCV(_LinearModel):
    """Fit ridge regression with one cross-validated penalty a target.

    Parameters
    ----------
    alphas
        Penalties to choose from; without them a grid scaled by the features (see `solve_ridge`).
    n_folds
        Number of folds; None leaves out one group at a time.
    method
        `kfold` (exact) or `gcv` (faster; for independent samples).
    search
        `grid`, `bracket` or `continuous`, see `choose_penalties`.
    settings
        Memory, threads, device, route: see `RidgeSettings`; None: its defaults.

    Attributes
    ----------
    coef_
        float32, shape (n_features, n_targets), or (n_features,) where `y` has one dimension.
    intercept_
        Shape (n_targets,), or a number.
    alpha_, cv_score_
        Chosen penalty and cross-validated R² about the training mean, shaped as `intercept_`.
    alphas_
        Penalties that were tried, shape (n_alphas,).
    edge_share_
        Shares of targets whose penalty is the smallest and the largest tried.
    n_features_in_
        Number of features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((80, 5))
    >>> y = x @ rng.standard_normal((5, 2)) + 0.1 * rng.standard_normal((80, 2))
    >>> RidgeCV().fit(x, y, groups=np.arange(80) // 4).coef_.shape
    (5, 2)
    """

    def __init__(
        self,
        alphas: Sequence[float] | np.ndarray | None = None,
        n_folds: int | None = 5,
        method: Method = "kfold",
        search: Search = "grid",
        settings: RidgeSettings | None = None,
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.method = method
        self.search = search
        self.settings = settings

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit weights and penalties.

        Parameters
        ----------
        X
            Features, shape (n_samples, n_features).
        y
            Targets, shape (n_samples, n_targets) or (n_samples,).
        groups
            Group of each sample, shape (n_samples,); a group never straddles two folds.

        Raises
        ------
        CalcarineError
            As `solve_ridge`.
        """
        X, y = self._checked(X, y)
        targets = y.reshape(len(y), -1)
        solution = solve_ridge(
            X,
            targets,
            groups,
            self.alphas,
            self.n_folds,
            self.method,
            self.search,
            settings=self.settings or DEFAULT,
        )
        single = y.ndim == 1
        self.coef_ = solution.coef[:, 0] if single else solution.coef
        self.intercept_ = solution.intercept[0] if single else solution.intercept
        self.alpha_ = solution.alpha[0] if single else solution.alpha
        self.cv_score_ = solution.cv_score[0] if single else solution.cv_score
        self.alphas_, self.edge_share_ = solution.alphas, solution.edge_share
        return self


class GroupRidgeCV(_LinearModel):
    """Fit ridge regression whose bands of features are shrunk differently, target by target.

    Parameters
    ----------
    bands
        Band of each feature, shape (n_features,); without it all are one band.
    alphas
        Penalties relative to the mean variance of the features, see `solve_banded`.
    n_folds
        Number of folds; None leaves out one group at a time.
    n_candidates, n_refinements
        Random shares, and rounds of steps along the gradient.
    random_state
        Seed of the shares, an integer.

    Attributes
    ----------
    coef_
        float32, shape (n_features, n_targets), or (n_features,) where `y` has one dimension.
    intercept_, alpha_, cv_score_
        Shape (n_targets,), or numbers.
    shares_, band_scores_
        Share of each band, and its part of the cross-validated R²: shape (n_bands, n_targets) or
        (n_bands,).
    edge_share_
        Shares of targets whose penalty is the smallest and the largest offered.
    n_features_in_
        Number of features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((80, 6))
    >>> y = x[:, :3] @ rng.standard_normal((3, 2)) + 0.1 * rng.standard_normal((80, 2))
    >>> GroupRidgeCV(bands=[0, 0, 0, 1, 1, 1]).fit(x, y).shares_.shape
    (2, 2)
    """

    def __init__(
        self,
        bands: Sequence[object] | np.ndarray | None = None,
        alphas: Sequence[float] | np.ndarray | None = None,
        n_folds: int | None = 5,
        n_candidates: int = 15,
        n_refinements: int = 2,
        random_state: int = 0,
    ) -> None:
        self.bands = bands
        self.alphas = alphas
        self.n_folds = n_folds
        self.n_candidates = n_candidates
        self.n_refinements = n_refinements
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit weights, shares and penalties.

        Parameters
        ----------
        X
            Features, shape (n_samples, n_features).
        y
            Targets, shape (n_samples, n_targets) or (n_samples,).
        groups
            Group of each sample, shape (n_samples,); a group never straddles two folds.

        Raises
        ------
        CalcarineError
            As `solve_banded`.
        """
        X, y = self._checked(X, y)
        settings = BandedSettings(
            n_candidates=self.n_candidates,
            n_refinements=self.n_refinements,
            seed=self.random_state,
        )
        bands = np.zeros(X.shape[1], dtype=np.int64) if self.bands is None else self.bands
        found = solve_banded(
            X, y.reshape(len(y), -1), bands, groups, self.alphas, self.n_folds, settings=settings
        )
        column = 0 if y.ndim == 1 else slice(None)
        self.coef_, self.intercept_ = found.coef[:, column], found.intercept[column]
        self.alpha_, self.cv_score_ = found.alpha[column], found.cv_score[column]
        self.shares_, self.band_scores_ = found.shares[:, column], found.band_scores[:, column]
        self.edge_share_ = found.edge_share
        return self
