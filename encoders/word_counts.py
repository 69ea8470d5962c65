"""How often captions use each word: the plainest embedding of text."""

import re
from collections.abc import Sequence

import numpy as np

from calcarine.data.errors import CalcarineError

_WORD = re.compile(r"[\w'-]+")


def word_counts(
    captions: Sequence[Sequence[str]], least_stimuli: int = 2
) -> tuple[np.ndarray, list[str]]:
    """Count words, averaged over a stimulus's captions.

    Unlike a text tower that was trained to agree with pictures, it keeps how something is said.

    Parameters
    ----------
    captions
        Captions of each stimulus; none where none is known.
    least_stimuli
        Words of fewer stimuli are left out.

    Returns
    -------
    counts : numpy.ndarray
        float32, shape (n_stimuli, n_words); a row of NaN where there is no caption.
    words : list of str
        Lower-case words in the order of the columns, sorted.

    Raises
    ------
    CalcarineError
        No word is left.

    Examples
    --------
    >>> counts, words = word_counts([["A cat.", "two cats"], ["a dog"]], least_stimuli=1)
    >>> words, counts[0].tolist()
    (['a', 'cat', 'cats', 'dog', 'two'], [0.5, 0.5, 0.5, 0.0, 0.5])
    """
    split = [[_WORD.findall(caption.lower()) for caption in own] for own in captions]
    used: dict[str, int] = {}
    for own in split:
        for word in {word for caption in own for word in caption}:
            used[word] = used.get(word, 0) + 1
    words = sorted(word for word, n in used.items() if n >= least_stimuli)
    if not words:
        raise CalcarineError(
            f"no word stands in the captions of {least_stimuli} stimuli or more ({len(captions)} "
            "stimuli). Fill the column `captions` of stimuli.tsv."
        )
    column = {word: number for number, word in enumerate(words)}
    counts = np.zeros((len(split), len(words)), dtype=np.float32)
    for row, own in enumerate(split):
        if not own:
            counts[row] = np.nan
        for caption in own:
            for word in caption:
                if word in column:
                    counts[row, column[word]] += 1 / len(own)
    return counts, words
