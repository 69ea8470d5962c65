"""A local language model as a part of the caption chain; nothing leaves the machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.composing import compose
from calcarine.decoders.selectivity.terms import FUNCTION_WORDS, singular, terms_of, words_of

KEYWORD_PROMPT = (
    "Captions of pictures:\n{captions}\nWords that these pictures have in common, with commas:"
)
SENTENCE_PROMPT = "Write one short sentence with the words {keywords}.\nSentence:"
_N_CAPTIONS = 16


class LanguageModel:
    """Propose keywords and compose sentences with a causal language model of transformers.

    What it proposes is tested like every other word, and a sentence of its that leaves out a
    keyword is replaced by a real caption cut down: the model can suggest and cannot claim.

    Parameters
    ----------
    folder
        Model and tokenizer, as `save_pretrained` writes them.
    max_new_tokens
        Length of an answer; greedy, so that it repeats.

    Raises
    ------
    CalcarineError
        There is no such model.
    """

    def __init__(self, folder: Path, max_new_tokens: int = 32) -> None:
        # heavy; most chains have no language model
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise CalcarineError(
                f"the language model {folder} cannot be loaded: {error}. Put a causal model there "
                "(`save_pretrained`), or remove `language_model`."
            ) from error
        self._model.eval()
        self._max_new_tokens = max_new_tokens

    def answer(self, prompt: str) -> str:
        """Continue a prompt greedily and give the first line."""
        tokens = self._tokenizer(prompt, return_tensors="pt")
        n_prompt = tokens["input_ids"].shape[1]
        out = self._model.generate(
            **tokens,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            pad_token_id=self._tokenizer.eos_token_id,
        )
        text = str(self._tokenizer.decode(out[0, n_prompt:], skip_special_tokens=True))
        return text.strip().split("\n")[0].strip()

    def keywords(self, captions: Sequence[str]) -> list[str]:
        """Propose words of captions that may become keywords; all of them where it says none."""
        shown = "\n".join(f"- {caption}" for caption in captions[:_N_CAPTIONS])
        known = frozenset(w for caption in captions for w in words_of(caption))
        there = {term for caption in captions for term in terms_of(caption, known)}
        said = terms_of(self.answer(KEYWORD_PROMPT.format(captions=shown)), known)
        return sorted(there & set(said)) or sorted(there)

    def compose(
        self, keywords: Sequence[str], captions: Sequence[str], known: frozenset[str] = frozenset()
    ) -> str:
        """Write a sentence with the keywords and no other content word of the captions."""
        sentence = self.answer(SENTENCE_PROMPT.format(keywords=", ".join(keywords)))
        said = {singular(word, known) for word in words_of(sentence)}
        wanted = {word for term in keywords for word in term.split()}
        others = {singular(w, known) for c in captions for w in words_of(c)} - wanted
        if wanted <= said and not said & (others - FUNCTION_WORDS):
            return sentence
        return compose(keywords, captions, known)
