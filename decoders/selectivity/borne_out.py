"""Which words measured training responses bear out, one after the other.

What an encoder's weights and a bank's pictures suggest are candidates. A word becomes part of a
caption if responses go with it, given the words that are there already.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtrit

# a word of which the words chosen before leave less variance than this says nothing new
_LEAST_NEW = 0.01
_UNITS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Evidence:
    """How the words of stimuli go with the responses to them.

    Attributes
    ----------
    correlations
        Of each unit's response with the share of a stimulus's captions that say a term, shape
        (n_units, n_terms); 0 where one of them does not vary.
    between_terms
        Correlations of terms with terms over the same stimuli, shape (n_terms, n_terms).
    n_stimuli
        Different stimuli that the responses belong to.
    columns
        Which of the bank's terms these are, shape (n_terms,).
    """

    correlations: np.ndarray
    between_terms: np.ndarray
    n_stimuli: float
    columns: np.ndarray


def borne_out(
    evidence: Evidence, candidates: np.ndarray, level: float, min_effect: float, max_words: int
) -> np.ndarray:
    """Accept candidate words one at a time, all units at once.

    The next word is that of the largest partial correlation with the response, given the words
    before it. It is accepted if that correlation is positive, significant (one-sided t) and not
    much smaller than the first word's. The first word's level is divided by the number of all terms
    and not of candidates, for candidates are found in the same trials: a unit that goes with no
    term is given a word with probability `level` at most. Behind a first word the others are
    tested at `level` itself (Fisher's protected tests). Nothing depends on other units.

    Parameters
    ----------
    evidence
        From `MeasuredWords.evidence`.
    candidates
        Which of the bank's terms may be a word of which unit, bool, shape (n_units, n_bank_terms).
    level
        Of the tests.
    min_effect
        Semipartial correlation (of the response with what is new in a word) that a further word
        needs, as a share of the first word's: with trials enough every word is significant, and a
        caption says what matters.
    max_words
        Words of a caption at most.

    Returns
    -------
    numpy.ndarray
        Numbers of the bank's terms in the order of acceptance, -1 for none, int64, shape (n_units,
        max_words).

    Examples
    --------
    >>> between = np.array([[1, 0, 0.5], [0, 1, 0], [0.5, 0, 1]])
    >>> found = Evidence(np.array([[0.5, 0.4, 0.3]]), between, 400, np.arange(3))
    >>> borne_out(found, np.ones((1, 3), dtype=bool), 0.05, 0.5, 3).tolist()
    [[0, 1, -1]]
    """
    own = candidates[:, evidence.columns]
    chosen = np.full((len(own), max_words), -1, dtype=np.int64)
    for start in range(0, len(own), _UNITS_AT_A_TIME):
        part = slice(start, start + _UNITS_AT_A_TIME)
        few = replace(evidence, correlations=evidence.correlations[part])
        chosen[part] = _accepted(few, own[part], level, min_effect, max_words)
    return np.where(chosen >= 0, evidence.columns[chosen], -1)


def _accepted(
    evidence: Evidence, candidates: np.ndarray, level: float, min_effect: float, max_words: int
) -> np.ndarray:
    every = np.arange(len(candidates))
    chosen = np.full((len(candidates), max_words), -1, dtype=np.int64)
    still, going = candidates.copy(), candidates.any(axis=1)
    left, least = _Left.of(evidence), np.zeros(len(candidates))
    for word in range(max_words):
        freedom = evidence.n_stimuli - 2 - word
        if freedom < 1 or not going.any():
            break
        partial = np.where(still, left.partial(), -np.inf)
        best = partial.argmax(axis=1)
        size = partial[every, best]
        needed = -stdtrit(freedom, level if word else level / candidates.shape[1])
        effect = size * np.sqrt(left.rest)
        going &= (size > max(needed, 0) / np.sqrt(freedom + needed**2)) & (effect >= least)
        if word == 0:
            least = min_effect * np.maximum(effect, 0)
        chosen[going, word] = best[going]
        still[every, best] = False
        left = left.without(best)
    return chosen


@dataclass(frozen=True)
class _Left:
    """What the words chosen so far leave: a Cholesky factor of the terms that grows by rows.

    `cross` is the covariance of what is left of terms with the response, `unsaid` what is left of
    the terms' variance, `rest` what is left of the response's, `rows` the rows so far, each of
    shape (n_units, n_terms).
    """

    evidence: Evidence
    cross: np.ndarray
    unsaid: np.ndarray
    rest: np.ndarray
    rows: tuple[np.ndarray, ...] = field(default=())

    @classmethod
    def of(cls, evidence: Evidence) -> "_Left":
        shape = evidence.correlations.shape
        return cls(evidence, evidence.correlations, np.ones(shape), np.ones(shape[0]))

    def partial(self) -> np.ndarray:
        """Give partial correlations, -inf where a term says nothing new."""
        size = np.sqrt(np.maximum(self.unsaid, _LEAST_NEW) * self.rest[:, None])
        return np.where(self.unsaid > _LEAST_NEW, self.cross / size, -np.inf)

    def without(self, word: np.ndarray) -> "_Left":
        """Take one more word of each unit out of everything."""
        every = np.arange(len(word))
        row = self.evidence.between_terms[word]
        for before in self.rows:
            row = row - before[every, word][:, None] * before
        root = np.sqrt(np.maximum(self.unsaid[every, word], _LEAST_NEW))
        row = row / root[:, None]
        told = self.cross[every, word] / root
        return _Left(
            self.evidence,
            self.cross - row * told[:, None],
            self.unsaid - row**2,
            np.maximum(self.rest - told**2, 1e-6),
            (*self.rows, row),
        )
