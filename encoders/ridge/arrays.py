"""The few array operations of the solver, by numpy or by torch on a processor or a GPU.

What has the size of features × features is float64, what grows with the number of targets float32.
Both libraries spell `@`, `*`, indexing and `linalg.eigh` alike, so that only the operations below
differ.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcarine.data.errors import CalcarineError

Array = Any  # numpy.ndarray or torch.Tensor

ROWS_IN_DOUBLE = 512  # torch adds in float64 by copying to it


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
        if self.device is None or isinstance(values, self.xp.Tensor):
            return values
        if not values.flags.writeable or min(values.strides, default=0) < 0:
            values = values.copy()  # torch shares memory with neither
        return self.xp.from_numpy(values).to(self.device)  # gathers what is strided on all cores

    def get(self, values: Array) -> np.ndarray:
        """Take an array back."""
        return values if self.device is None else values.cpu().numpy()

    def double(self, values: Any) -> Array:
        """Hand over an array as float64."""
        if self.device is None:
            return np.asarray(values, dtype=np.float64)
        return self.put(values).to(self.xp.float64)

    def single(self, values: Array) -> Array:
        """Round the library's own array to float32, in rows that follow each other."""
        if self.device is None:
            return np.ascontiguousarray(values, dtype=np.float32)
        return values.to(self.xp.float32).contiguous()

    def cholesky(self, matrix: Array) -> Array | None:
        """Give the lower root of a float64 matrix; None where it is not positive definite."""
        if self.device is None:
            try:
                return np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                return None
        root, failed = self.xp.linalg.cholesky_ex(matrix)
        return None if failed else root

    def upper_root(self, matrix: Array) -> Array:
        """Give the triangle R of a matrix = QR: RᵀR is its Gram matrix."""
        found = self.xp.linalg.qr(matrix, mode="r")
        return found if self.device is None else found[-1]

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

    def row_product(self, row: np.ndarray, matrix: Array) -> np.ndarray:
        """Multiply a float64 row with a float32 matrix in float64: shape (n_columns,)."""
        if self.device is None:
            return np.asarray(row @ matrix)
        return self.get(self.put(row) @ matrix.to(self.xp.float64))

    def column_products(self, left: Array, right: Array) -> np.ndarray:
        """Multiply the columns of two matrices with each other: shape (n_columns,), float64."""
        if self.device is None:
            return np.einsum("mv,mv->v", left, right).astype(np.float64)
        total = self.xp.zeros(left.shape[1], dtype=self.xp.float64, device=self.device)
        for start in range(0, len(left), ROWS_IN_DOUBLE):
            rows = slice(start, start + ROWS_IN_DOUBLE)
            total += (left[rows] * right[rows]).sum(0, dtype=self.xp.float64)
        return self.get(total)

    def column_sums(self, values: Array) -> np.ndarray:
        """Add the rows of torch's matrix in float64: shape (n_columns,)."""
        total = self.xp.zeros(values.shape[1], dtype=self.xp.float64, device=self.device)
        for start in range(0, len(values), ROWS_IN_DOUBLE):
            total += values[start : start + ROWS_IN_DOUBLE].sum(0, dtype=self.xp.float64)
        return self.get(total)

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
