"""A units table as named arrays, the form in which a model folder can hold it."""

import numpy as np
import pandas as pd

_PREFIX = "units."


def unit_arrays(
    units: pd.DataFrame,
) -> tuple[dict[str, np.ndarray], list[tuple[str, list[str] | None]]]:
    """Write a units table as arrays.

    Parameters
    ----------
    units
        One row a unit.

    Returns
    -------
    tuple
        Arrays `units.<column>`, and the columns in order, each with the texts that its codes stand
        for (None for a column of numbers).

    Examples
    --------
    >>> arrays, columns = unit_arrays(pd.DataFrame({"i": [3, 4], "roi": ["V1", "FFA"]}))
    >>> arrays["units.roi"], columns
    (array([1, 0]), [('i', None), ('roi', ['FFA', 'V1'])])
    """
    arrays: dict[str, np.ndarray] = {}
    columns: list[tuple[str, list[str] | None]] = []
    for name in units.columns:
        texts = None
        values = units[name]
        if not pd.api.types.is_numeric_dtype(values):
            codes, found = pd.factorize(values.fillna("n/a").astype(str), sort=True)
            values, texts = pd.Series(codes, dtype=np.int64), [str(text) for text in found]
        arrays[_PREFIX + name] = values.to_numpy()
        columns.append((name, texts))
    return arrays, columns


def units_of(
    arrays: dict[str, np.ndarray], columns: list[tuple[str, list[str] | None]]
) -> pd.DataFrame:
    """Rebuild the units table from what `unit_arrays` gave."""
    table = {}
    for name, texts in columns:
        values = arrays[_PREFIX + name]
        table[name] = values if texts is None else np.array(texts, dtype=object)[values]
    return pd.DataFrame(table)
