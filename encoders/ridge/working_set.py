"""How much memory a fit takes beside its inputs and its weights, said before it starts."""

from dataclasses import dataclass

from calcarine.data.errors import CalcarineError
from calcarine.encoders.ridge.arrays import ROWS_IN_DOUBLE
from calcarine.encoders.ridge.axes import columns_at_a_time

_FLOAT, _DOUBLE = 4, 8
_ROWS_AT_A_TIME = 4096
_LEAST_CHUNK, _LARGEST_CHUNK = 64, 1024
_LARGEST_ON_GPU = 8192
_PANELS = 3 * 96 * 2**20
_GPU_WORKSPACE = 64 * 2**20  # of cuBLAS and cuSOLVER


@dataclass(frozen=True)
class Sizes:
    """What the working set depends on.

    Attributes
    ----------
    n_samples, n_features, n_targets
        Of the data.
    n_axes
        Axes that the features are turned onto.
    n_blocks, n_folds
        Of the cross-validation; 1 and 0 for generalised cross-validation.
    n_threads
        Chunks at a time.
    sorted_copy
        Whether features are copied into the order of the blocks.
    from_disk
        Whether responses are read in panels.
    is_projected
        Whether the features are projected onto `n_axes` random directions and never decomposed.
    on_gpu
        Whether a GPU does it; chunks are larger, which keeps it busy.
    """

    n_samples: int
    n_features: int
    n_targets: int
    n_axes: int
    n_blocks: int
    n_folds: int
    n_threads: int = 1
    sorted_copy: bool = False
    from_disk: bool = False
    is_projected: bool = False
    on_gpu: bool = False


def fixed_bytes(sizes: Sizes) -> int:
    """Count what does not depend on the number of targets.

    Turned features, their decomposition, Gram matrices of the blocks and the bases of the folds.

    Parameters
    ----------
    sizes
        Of the problem.
    """
    n, p, r = sizes.n_samples, sizes.n_features, sizes.n_axes
    small = min(n, p)
    rows = min(_ROWS_AT_A_TIME, n)
    kept = _FLOAT * (n * r + p * r) + (_FLOAT * n * p if sizes.sorted_copy else 0)
    decomposing = _DOUBLE * (4 * small**2 + 2 * rows * min(p, 2 * _LARGEST_ON_GPU))
    if sizes.is_projected:
        panels = 3 * n * min(columns_at_a_time(n), p)
        decomposing = _FLOAT * (2 * p * r + n * r) + _DOUBLE * (4 * r**2 + n * r + panels)
    grams = _DOUBLE * sizes.n_blocks * r**2 if sizes.n_folds else 0
    a_fold = _DOUBLE * 7 * r**2 * min(sizes.n_threads, max(sizes.n_folds, 1))
    bases = _FLOAT * sizes.n_folds * 2 * r**2
    folding = grams + bases + a_fold if sizes.n_folds else 0
    staged = (_PANELS if sizes.from_disk else 0) + (_GPU_WORKSPACE if sizes.on_gpu else 0)
    return kept + max(decomposing, folding) + staged


def bytes_per_target(sizes: Sizes) -> int:
    """Count what every target of a chunk needs.

    Its responses twice (three times where they are put in another order), its products with the
    features by block and by fold, and the weights under trial; on a GPU the strip that is added in
    float64 too.

    Parameters
    ----------
    sizes
        Of the problem.
    """
    responses = (3 if sizes.sorted_copy else 2) * sizes.n_samples
    blocks = 2 * sizes.n_blocks if sizes.n_folds else 1
    products = (blocks + 2 * sizes.n_folds + 6) * sizes.n_axes
    strip = (_FLOAT + _DOUBLE) * ROWS_IN_DOUBLE if sizes.on_gpu else 0
    return _FLOAT * (responses + products + 3 * sizes.n_features) + _DOUBLE * 200 + strip


def working_set_bytes(sizes: Sizes, chunk_size: int) -> int:
    """Say how much memory a fit takes beside its inputs and its weights.

    Parameters
    ----------
    sizes
        Of the problem.
    chunk_size
        Number of targets at a time.

    Examples
    --------
    >>> sizes = Sizes(9000, 768, 100_000, 768, 5, 5, n_threads=2)
    >>> more = Sizes(9000, 768, 200_000, 768, 5, 5, n_threads=2)
    >>> working_set_bytes(sizes, 512) == working_set_bytes(more, 512)
    True
    """
    width = min(chunk_size, sizes.n_targets)
    return fixed_bytes(sizes) + sizes.n_threads * width * bytes_per_target(sizes)


def chunk_size_within(sizes: Sizes, limit: int) -> int:
    """Choose the number of targets at a time so that the working set stays within a limit.

    Parameters
    ----------
    sizes
        Of the problem.
    limit
        Bytes.

    Raises
    ------
    CalcarineError
        Even the smallest chunk would take more.
    """
    needed = working_set_bytes(sizes, _LEAST_CHUNK)
    if needed > limit:
        raise CalcarineError(
            f"a fit of {sizes.n_samples} samples × {sizes.n_features} features along "
            f"{sizes.n_axes} axes with {sizes.n_folds} folds takes {needed / 2**20:.0f} MB beside "
            f"its inputs and weights; `max_working_bytes` allows {limit / 2**20:.0f} MB. Raise it, "
            "choose the route 'pca' or 'random' with fewer `max_axes`, or take fewer folds."
        )
    a_target = bytes_per_target(sizes) * sizes.n_threads
    room = (limit - fixed_bytes(sizes)) // a_target
    # as many chunks as threads at least, or a thread would have nothing to do
    share = -(-sizes.n_targets // sizes.n_threads)
    largest = _LARGEST_ON_GPU if sizes.on_gpu else _LARGEST_CHUNK
    return int(max(min(room, largest, share), _LEAST_CHUNK))
