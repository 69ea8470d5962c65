"""Which settings a fit gets from the memory that it may take."""

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.solver import DEFAULT, RidgeSettings
from calcarine.encoders.ridge.threads import blas_threads
from calcarine.encoders.ridge.working_set import Sizes, working_set_bytes

_AXES_TO_TRY = (4096, 2048, 1024, 512, 256)


def settings_within(
    n_samples: int,
    n_features: int,
    n_targets: int,
    n_folds: int,
    limit: int,
    on_disk: bool = False,
) -> RidgeSettings:
    """Solve exactly where memory allows it, and along random directions where it does not.

    Parameters
    ----------
    n_samples, n_features, n_targets, n_folds
        Of the fit.
    limit
        Bytes beside inputs and weights. Below 1 GB the defaults serve.
    on_disk
        Whether features are `StoredRows`, which are never copied into another order.

    Returns
    -------
    RidgeSettings
        `route` is `auto` or `random`; with the latter `max_axes` is the largest that fits.

    Raises
    ------
    CalcarineError
        Even 256 random directions would take more.
    """

    def needed(n_axes: int, is_projected: bool) -> int:
        sizes = Sizes(
            n_samples, n_features, n_targets, n_axes, n_folds, n_folds, blas_threads(),
            sorted_copy=not on_disk, is_projected=is_projected,
        )  # fmt: skip
        return working_set_bytes(sizes, 64)

    exact = needed(min(n_samples - 1, n_features), False)
    if exact <= DEFAULT.max_working_bytes:
        return DEFAULT
    if exact <= limit:
        return RidgeSettings(max_working_bytes=limit)
    for n_axes in _AXES_TO_TRY:
        if n_axes < n_features and needed(n_axes, True) <= limit:
            return RidgeSettings(route="random", max_axes=n_axes, max_working_bytes=limit)
    raise CalcarineError(
        f"a ridge of {n_samples} samples × {n_features} features takes {exact / 2**30:.1f} GB, and "
        f"{needed(_AXES_TO_TRY[-1], True) / 2**30:.1f} GB with its features projected; "
        f"{limit / 2**30:.1f} GB are allowed. Allow more, or choose fewer units."
    )
