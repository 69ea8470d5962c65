"""Ridge regression as a scikit-learn estimator."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from calcarine.encoders.ridge.chunk_solver import Method
from calcarine.encoders.ridge.solver import solve_ridge


class RidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Fit ridge regression with one cross-validated penalty a target.

    Parameters
    ----------
    alphas
        Penalties to choose from; without them a grid scaled by the features (see `solve_ridge`).
    n_folds
        Number of folds; None leaves out one group at a time.
    method
        `kfold` (exact) or `gcv` (faster; for independent samples).

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
    ) -> None:
        self.alphas = alphas
        self.n_folds = n_folds
        self.method = method

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
        # the solver names the positions of values that are not finite
        of_x = {"ensure_all_finite": False, "ensure_min_samples": 2}
        of_y = {"ensure_all_finite": False, "ensure_2d": False}
        X, y = validate_data(self, X, y, validate_separately=(of_x, of_y))
        targets = y.reshape(len(y), -1)
        solution = solve_ridge(X, targets, groups, self.alphas, self.n_folds, self.method)
        single = y.ndim == 1
        self.coef_ = solution.coef[:, 0] if single else solution.coef
        self.intercept_ = solution.intercept[0] if single else solution.intercept
        self.alpha_ = solution.alpha[0] if single else solution.alpha
        self.cv_score_ = solution.cv_score[0] if single else solution.cv_score
        self.alphas_, self.edge_share_ = solution.alphas, solution.edge_share
        return self

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
