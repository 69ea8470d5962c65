"""Embedding to sentence: a prefix of made-up words that a small language model goes on from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import read_model
from calcarine.decoders.selectivity.terms import words_of
from calcarine.encoders.torch_files import read_torch_weights

KIND = "prefix-decoder"
END = "<end>"
SHIPPED = Path(__file__).resolve().parent / "weights"


@dataclass(frozen=True)
class PrefixShape:
    """Sizes of a prefix decoder.

    Attributes
    ----------
    embed_dim
        Length of an embedding.
    prefix_length
        Made-up words that stand before the sentence.
    width, n_layers, n_heads, inner
        Of the language model.
    max_words
        Longest sentence, its end counted.
    """

    embed_dim: int
    prefix_length: int = 4
    width: int = 64
    n_layers: int = 2
    n_heads: int = 2
    inner: int = 128
    max_words: int = 24


class PrefixNetwork(nn.Module):
    """CLIPCap's parts: a two-layer map to the prefix, and a language model (arXiv:2111.09734)."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, shape: PrefixShape, n_words: int) -> None:
        super().__init__()
        self.shape = shape
        hidden = shape.prefix_length * shape.width // 2
        self.map = nn.Sequential(
            nn.Linear(shape.embed_dim, hidden),
            nn.Tanh(),
            nn.Linear(hidden, shape.prefix_length * shape.width),
        )
        self.language = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=n_words,
                n_positions=shape.prefix_length + shape.max_words,
                n_embd=shape.width,
                n_layer=shape.n_layers,
                n_head=shape.n_heads,
                n_inner=shape.inner,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
        self.register_buffer("mean", torch.zeros(shape.embed_dim))
        self.register_buffer("deviation", torch.ones(shape.embed_dim))

    def forward(self, embeddings: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Give logits of each word of a sentence and of what follows it.

        Parameters
        ----------
        embeddings
            Shape (n, embed_dim).
        words
            Numbers of the words so far, shape (n, n_words), n_words from 0.

        Returns
        -------
        torch.Tensor
            Shape (n, n_words + 1, n_vocabulary).
        """
        shape = self.shape
        standard = (embeddings - self.mean) / self.deviation
        prefix = self.map(standard).view(len(embeddings), shape.prefix_length, shape.width)
        given = torch.cat([prefix, self.language.transformer.wte(words)], dim=1)
        logits: torch.Tensor = self.language(inputs_embeds=given).logits
        return logits[:, shape.prefix_length - 1 :]


def sentence_loss(
    network: PrefixNetwork, embeddings: torch.Tensor, words: torch.Tensor
) -> torch.Tensor:
    """Give the mean cross-entropy of sentences that are filled up with the end (number 0).

    The first end of a sentence counts, those after it do not.
    """
    logits = network(embeddings, words[:, :-1])
    ended = functional.pad((words == 0).cumsum(dim=1)[:, :-1] > 0, (1, 0))
    return functional.cross_entropy(logits[~ended], words[~ended])


class PrefixDecoder:
    """Turn embeddings into sentences.

    Parameters
    ----------
    network
        Trained.
    vocabulary
        Words by number; the first is the end of a sentence.
    """

    def __init__(self, network: PrefixNetwork, vocabulary: Sequence[str]) -> None:
        self.network = network.eval().requires_grad_(False)
        self.vocabulary = list(vocabulary)

    @torch.inference_mode()
    def sentences(self, embeddings: np.ndarray, batch_size: int = 256) -> list[str]:
        """Write a sentence for each embedding, the likeliest word at each place.

        Parameters
        ----------
        embeddings
            Shape (n, embed_dim), of the model that the decoder was trained on.
        batch_size
            Embeddings at a time.

        Raises
        ------
        CalcarineError
            Embeddings have another length.
        """
        embed_dim = self.network.shape.embed_dim
        if embeddings.ndim != 2 or embeddings.shape[1] != embed_dim:
            raise CalcarineError(
                f"the prefix decoder reads embeddings of shape (n, {embed_dim}); got "
                f"{embeddings.shape}. Take a decoder to the embedding that it was trained on."
            )
        out: list[str] = []
        for start in range(0, len(embeddings), batch_size):
            rows = np.array(embeddings[start : start + batch_size], dtype=np.float32, order="C")
            given = torch.from_numpy(rows)
            words = torch.zeros(len(given), 0, dtype=torch.int64)
            for _ in range(self.network.shape.max_words - 1):
                following = self.network(given, words)[:, -1].argmax(dim=1)
                words = torch.cat([words, following[:, None]], dim=1)
                if (words == 0).any(dim=1).all():
                    break
            out += [self._spell(row) for row in words.tolist()]
        return out

    def _spell(self, numbers: list[int]) -> str:
        end = numbers.index(0) if 0 in numbers else len(numbers)
        return " ".join(self.vocabulary[n] for n in numbers[:end])


def vocabulary_of(captions: Sequence[str]) -> list[str]:
    """List the words of captions, sorted, after the end of a sentence."""
    return [END, *sorted({word for caption in captions for word in words_of(caption)})]


def numbered(captions: Sequence[str], vocabulary: Sequence[str], max_words: int) -> torch.Tensor:
    """Write captions as numbers of words, filled up with the end, int64 (n, max_words).

    Raises
    ------
    CalcarineError
        A caption is too long or has a word that is not known.
    """
    number = {word: i for i, word in enumerate(vocabulary)}
    out = torch.zeros(len(captions), max_words, dtype=torch.int64)
    for row, caption in enumerate(captions):
        words = words_of(caption)
        unknown = [w for w in words if w not in number]
        if unknown or len(words) >= max_words:
            raise CalcarineError(
                f"the caption {caption!r} has {len(words)} words and the unknown words {unknown}; "
                f"expected fewer than {max_words} words of the vocabulary."
            )
        out[row, : len(words)] = torch.tensor([number[w] for w in words])
    return out


def _own(folder: Path) -> PrefixDecoder:
    config, tensors = read_model(folder, KIND)
    network = PrefixNetwork(PrefixShape(**config["shape"]), len(config["vocabulary"]))
    state = {name: torch.from_numpy(np.asarray(t)).float() for name, t in tensors.items()}
    network.load_state_dict(state, strict=False)
    missing = set(dict(network.named_parameters())) - set(state)
    if missing:
        raise CalcarineError(f"{folder} lacks the weights {sorted(missing)}; get it again, whole.")
    return PrefixDecoder(network, config["vocabulary"])


class ClipCapDecoder:
    """Turn embeddings into sentences with public CLIPCap weights and a local GPT-2.

    Parameters
    ----------
    folder
        `weights.pt` as CLIPCap publishes them (its MLP variant), and `gpt2/` with model and
        tokenizer as `save_pretrained` writes them.
    """

    def __init__(self, folder: Path) -> None:
        # most runs have the small decoder
        from transformers import AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                folder / "gpt2", local_files_only=True
            )
            self._model: Any = GPT2LMHeadModel.from_pretrained(
                folder / "gpt2", local_files_only=True
            ).eval()
            state = read_torch_weights(folder / "weights.pt")
        except (OSError, ValueError) as error:
            raise CalcarineError(f"{folder} is no CLIPCap folder: {error}") from error
        language = {n[4:]: t for n, t in state.items() if n.startswith("gpt.")}
        self._model.load_state_dict(language, strict=False)
        self._layers = [
            (state[f"clip_project.model.{i}.weight"], state[f"clip_project.model.{i}.bias"])
            for i in (0, 2)
        ]

    @torch.inference_mode()
    def sentences(self, embeddings: np.ndarray, max_words: int = 32) -> list[str]:
        """Write a sentence for each embedding, greedily, up to its first full stop."""
        (a, b), (c, d) = self._layers
        given = torch.from_numpy(np.asarray(embeddings, dtype=np.float32))
        if given.shape[1] != a.shape[1]:
            raise CalcarineError(
                f"CLIPCap's weights read embeddings of length {a.shape[1]}; got {given.shape[1]}."
            )
        prefix = functional.linear(torch.tanh(functional.linear(given, a, b)), c, d)
        prefix = prefix.view(len(given), -1, self._model.config.n_embd)
        out = []
        for row in prefix:
            tokens = self._model.generate(
                inputs_embeds=row[None],
                attention_mask=torch.ones(1, len(row), dtype=torch.int64),
                max_new_tokens=max_words,
                do_sample=False,
                pad_token_id=self._tokenizer.eos_token_id,
            )
            text = str(self._tokenizer.decode(tokens[0], skip_special_tokens=True))
            out.append(text.split(".")[0].strip())
        return out


KINDS: dict[str, Callable[[Path], Any]] = {
    "model.safetensors": _own,
    "weights.pt": ClipCapDecoder,
}


def load_prefix_decoder(name: str) -> Any:
    """Load a decoder of embeddings to sentences.

    Parameters
    ----------
    name
        `calcarine:phantom-prefix` (shipped), or `local-dir:PATH`: a folder of `calcarine train
        prefix`, or public CLIPCap weights with their GPT-2.

    Returns
    -------
    PrefixDecoder or ClipCapDecoder
        With `sentences(embeddings)`.

    Raises
    ------
    CalcarineError
        There is no such decoder.
    """
    family, _, rest = name.partition(":")
    folders = {"calcarine": SHIPPED / rest, "local-dir": Path(rest).expanduser()}
    if family in folders and rest:
        for file, load in KINDS.items():
            if (folders[family] / file).is_file():
                return load(folders[family])
    raise CalcarineError(
        f"there is no prefix decoder {name!r}; expected calcarine:phantom-prefix, or "
        f"local-dir:PATH of a folder with one of {sorted(KINDS)}."
    )
