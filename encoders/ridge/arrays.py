"""The few array operations of the solver, by numpy or by torch on a processor or a GPU.

What has the size of features × features is float64 and stays with numpy; what grows with the number
of targets is float32 and lives where `ArrayLibrary` puts it. Both libraries spell `@`, `*` and
indexing alike, so that only the operations below differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError

Array = Any  # numpy.ndarray or torch.Tensor


@dataclass(frozen=True)
class ArrayLibrary:
    """One library on one device.

    Attributes
    ----------
    xp
        The module: numpy or torch.
    device
        None for numpy, otherwise a torch device.
    """

    xp: Any
    device: Any = None

    def put(self, values: Any) -> Array:
        """Hand an array to the library."""
        if self.device is None:
            return values
        return self.xp.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def get(self, values: Array) -> np.ndarray:
        """Take an array back."""
        return values if self.device is None else values.cpu().numpy()

    def put_index(self, index: np.ndarray | slice) -> Any:
        """Hand over numbers of rows or columns."""
        return index if isinstance(index, slice) else self.put(index)

    def stack(self, arrays: list[Array]) -> Array:
        """Lay arrays of one shape behind each other; a single one is not copied."""
        return arrays[0][None] if len(arrays) == 1 else self.xp.stack(arrays)

    def outer(self, left: np.ndarray, right: np.ndarray) -> Array:
        """Give the float32 outer product of two vectors."""
        return self.product(left[:, None], right[None])

    def product(self, left: np.ndarray, right: np.ndarray) -> Array:
        """Give the float32 product of two small matrices."""
        return self.put(np.float32(left)) @ self.put(np.float32(right))

    def column_products(self, left: Array, right: Array) -> np.ndarray:
        """Multiply the columns of two matrices with each other: shape (n_columns,), float64."""
        return self.get(self.xp.einsum("mv,mv->v", left, right)).astype(np.float64)

    def empty(self, shape: tuple[int, ...]) -> Array:
        """Give float32 room."""
        if self.device is None:
            return np.empty(shape, dtype=np.float32)
        return self.xp.empty(shape, dtype=self.xp.float32, device=self.device)


NUMPY = ArrayLibrary(np)


def array_library(device: str | None) -> ArrayLibrary:
    """Choose a library by the device's name.

    Parameters
    ----------
    device
        None: numpy. `cpu`, `cuda`, `cuda:1`, …: torch on that device; products are true float32.

    Raises
    ------
    CalcarineError
        torch sees no such device.
    """
    if device is None:
        return NUMPY
    import torch

    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise CalcarineError(
            f"`device` is {device!r}, which torch cannot use here ({str(error).splitlines()[0]}). "
            "Expected None (numpy), 'cpu', or 'cuda' where torch sees a GPU."
        ) from error
    return ArrayLibrary(torch, chosen)
