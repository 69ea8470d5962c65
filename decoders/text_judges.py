"""Models of sentences that judge captions; none of them is the embedding that made the captions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.terms import FUNCTION_WORDS, singular, words_of

LEXICAL = "lexical"


class TextJudge(Protocol):
    """A model of sentences.

    Attributes
    ----------
    name
        As it stands in tables.
    """

    name: str

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Embed sentences at unit length, shape (n, embed_dim); a zero row for no content."""


class LexicalJudge:
    """Judge sentences by their content words, rare ones counting more (TF-IDF).

    It knows no network, so that no error of one can please it.

    Parameters
    ----------
    corpus
        Sentences that tell which words are rare.
    """

    name = LEXICAL

    def __init__(self, corpus: Sequence[str]) -> None:
        known = frozenset(word for sentence in corpus for word in words_of(sentence))

        def content(sentence: str) -> list[str]:
            words = [singular(word, known) for word in words_of(sentence)]
            return [word for word in words if word not in FUNCTION_WORDS]

        self._model = TfidfVectorizer(analyzer=content)
        try:
            self._model.fit(list(corpus))
        except ValueError as error:
            raise CalcarineError(
                "the sentences that the lexical judge learns from have no content words; give the "
                "bank captions."
            ) from error

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Embed sentences at unit length, shape (n, n_words)."""
        return np.asarray(self._model.transform(list(sentences)).toarray())


class TransformerJudge:
    """Judge sentences by the mean token of a local sentence model (transformers).

    Parameters
    ----------
    folder
        Folder of a model and its tokenizer, as `save_pretrained` writes them.
    """

    def __init__(self, folder: Path) -> None:
        # heavy, and most runs judge by words
        from transformers import AutoModel, AutoTokenizer

        self.name = folder.name
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError) as error:
            raise CalcarineError(
                f"the text judge {folder} cannot be loaded: {error}. Put a sentence model there "
                "(`save_pretrained`), or judge by `lexical`."
            ) from error

    def embed(self, sentences: Sequence[str], batch_size: int = 64) -> np.ndarray:
        """Embed sentences at unit length, shape (n, embed_dim)."""
        import torch

        parts = []
        for start in range(0, len(sentences), batch_size):
            chosen = [s or " " for s in sentences[start : start + batch_size]]
            tokens = self._tokenizer(chosen, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                hidden = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
            parts.append(torch.nn.functional.normalize(mean, dim=1).numpy())
        return np.concatenate(parts)


def _local(rest: str, corpus: Sequence[str]) -> TextJudge:
    return TransformerJudge(Path(rest).expanduser())


JUDGES: dict[str, Callable[[str, Sequence[str]], TextJudge]] = {
    LEXICAL: lambda rest, corpus: LexicalJudge(corpus),
    "local-dir": _local,
}


def load_text_judge(name: str, corpus: Sequence[str]) -> TextJudge:
    """Load a judge of sentences.

    Parameters
    ----------
    name
        `lexical`, or `local-dir:PATH` of a sentence model.
    corpus
        Captions of the bank, for `lexical`.

    Raises
    ------
    CalcarineError
        There is no such judge.
    """
    family, _, rest = name.partition(":")
    if family not in JUDGES or bool(rest) != (family != LEXICAL):
        raise CalcarineError(
            f"there is no text judge {name!r}; expected `lexical` or `local-dir:PATH`."
        )
    return JUDGES[family](rest, corpus)


def similarity_to_items(
    judge: TextJudge, texts: Sequence[str], item_captions: Sequence[Sequence[str]]
) -> np.ndarray:
    """Say how similar each text is to each item, by the mean over the item's captions.

    Parameters
    ----------
    judge
        Model of sentences.
    texts
        One a unit.
    item_captions
        Captions of each item; an item without any gets NaN.

    Returns
    -------
    numpy.ndarray
        Cosines, shape (n_texts, n_items).
    """
    means = []
    for own in item_captions:
        means.append(judge.embed(own).mean(axis=0) if own else None)
    width = next((len(m) for m in means if m is not None), 1)
    items = np.stack([np.full(width, np.nan) if m is None else m for m in means])
    unique, number = np.unique(np.asarray(list(texts), dtype=str), return_inverse=True)
    return (judge.embed(unique.tolist()) @ items.T)[number]
