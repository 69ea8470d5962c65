"""Codes of the stimulus table's own columns: what a stimulus is, without any network."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from calcarine.data.errors import CalcarineError

NO_CONCEPT = "n/a"


def concept_codes(concepts: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Write concepts as one-hot codes.

    Parameters
    ----------
    concepts
        Concept of each stimulus; `n/a` where it has none.

    Returns
    -------
    codes : numpy.ndarray
        float32, shape (n_stimuli, n_concepts); a row of NaN where there is no concept.
    names : list of str
        Concepts in the order of the columns, sorted.

    Raises
    ------
    CalcarineError
        There are fewer than two concepts.

    Examples
    --------
    >>> concept_codes(pd.Series(["house", "face", "house"]))[0].tolist()
    [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    names = sorted(set(concepts) - {NO_CONCEPT})
    if len(names) < 2:
        raise CalcarineError(
            f"the stimuli have the concepts {names}; codes need two at least. "
            f"Fill the column `{concepts.name}` of stimuli.tsv."
        )
    column = np.asarray(concepts)[:, None]
    codes = (column == np.array(names)[None]).astype(np.float32)
    codes[column[:, 0] == NO_CONCEPT] = np.nan
    return codes, names


def column_codes(table: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Write several columns as codes side by side.

    Parameters
    ----------
    table
        Stimulus table.
    columns
        Columns of words (one-hot codes) or numbers (mean 0 and variance 1 over all stimuli of the
        table: a ridge penalty sees the scale, and no response is looked at).

    Returns
    -------
    codes : numpy.ndarray
        float32, shape (n_stimuli, n_codes); a row of NaN where a column has `n/a`.
    names : list of str
        What each code stands for: `column=word`, or the column.

    Raises
    ------
    CalcarineError
        No column is named, or one is not there.

    Examples
    --------
    >>> table = pd.DataFrame({"colour": ["red", "blue"], "x": [1.0, 3.0]})
    >>> codes, names = column_codes(table, ["colour", "x"])
    >>> names, codes.tolist()
    (['colour=blue', 'colour=red', 'x'], [[0.0, 1.0, -1.0], [1.0, 0.0, 1.0]])
    """
    unknown = [name for name in columns if name not in table]
    if unknown or not columns:
        raise CalcarineError(
            f"column-codes of {list(columns)}: stimuli.tsv has the columns {list(table.columns)}. "
            "Name some of them in `columns`."
        )
    parts, names = [], []
    for name in columns:
        words = table[name].astype(str)
        numbers = pd.to_numeric(words.where(words != NO_CONCEPT), errors="coerce")
        if numbers.notna().eq(words != NO_CONCEPT).all():
            spread = float(numbers.std(ddof=0)) or 1.0
            parts.append(((numbers - numbers.mean()) / spread).to_numpy(dtype=np.float32)[:, None])
            names.append(name)
        else:
            codes, own = concept_codes(words.rename(name))
            parts.append(codes)
            names += [f"{name}={word}" for word in own]
    codes = np.concatenate(parts, axis=1)
    codes[~np.isfinite(codes).all(axis=1)] = np.nan
    return codes, names
