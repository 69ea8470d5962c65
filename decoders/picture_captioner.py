"""Sentences about pictures that come without any, by a local image-to-text model."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image

from calcarine.data.errors import CalcarineError

MAX_TOKENS = 30
_BATCH = 16
# CoCa's words 49406 and 49407 begin and end a sentence, as in every CLIP
_START, _END = 49406, 49407
_FAMILIES = "BLIP, GIT or an encoder-decoder of transformers, or a CoCa of open_clip"


class PictureCaptioner(Protocol):
    """A model of pictures and sentences.

    Attributes
    ----------
    name
        As it stands in tables.
    """

    name: str

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Write one sentence a picture, the same ones whenever it is asked."""


def _batches(pictures: Sequence[Image.Image]) -> Iterator[list[Image.Image]]:
    for start in range(0, len(pictures), _BATCH):
        yield [p.convert("RGB") for p in pictures[start : start + _BATCH]]


class TransformersCaptioner:
    """Caption pictures with an image-to-text model of transformers.

    Parameters
    ----------
    folder
        Model, image processor and tokenizer, as `save_pretrained` writes them.

    Raises
    ------
    CalcarineError
        There is no such model.
    """

    def __init__(self, folder: Path) -> None:
        # heavy; most banks have captions
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            raise CalcarineError(
                f"{folder} holds no captioner that transformers can load ({error}). Save model, "
                f"image processor and tokenizer there; expected {_FAMILIES}."
            ) from error
        self.name = folder.name

    @torch.inference_mode()
    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Write one sentence a picture, greedily."""
        out: list[str] = []
        for shown in _batches(pictures):
            values = self._processor(images=shown, return_tensors="pt")["pixel_values"]
            tokens = self._model.generate(
                pixel_values=values, max_new_tokens=MAX_TOKENS, do_sample=False, num_beams=1
            )
            said = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
            out += [" ".join(sentence.split()) for sentence in said]
        return out


class CocaCaptioner:
    """Caption pictures with a CoCa of open_clip (Yu et al. 2022, arXiv:2205.01917).

    Parameters
    ----------
    folder
        `open_clip_config.json` with a `multimodal_cfg`, and weights, as open_clip saves them.

    Raises
    ------
    CalcarineError
        There is no such model, or it is one that does not write.
    """

    def __init__(self, folder: Path) -> None:
        import open_clip

        try:
            self._model, _, self._transform = open_clip.create_model_and_transforms(
                f"local-dir:{folder}"
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise CalcarineError(
                f"{folder} holds no CoCa that open_clip can load ({error}). Expected {_FAMILIES}."
            ) from error
        if not hasattr(self._model, "generate"):
            raise CalcarineError(
                f"{folder} holds a {type(self._model).__name__} of open_clip, which writes no "
                f"captions. Expected {_FAMILIES}."
            )
        self._model.eval()
        self.name = folder.name

    @torch.inference_mode()
    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Write one sentence a picture, the likeliest word at each place."""
        from open_clip import decode

        out: list[str] = []
        for shown in _batches(pictures):
            batch = torch.stack([self._transform(picture) for picture in shown])
            for row in self._written(batch):
                text = decode(row).split("<end_of_text>")[0].replace("<start_of_text>", "")
                out.append(" ".join(text.split()).rstrip(" ."))
        return out

    def _written(self, batch: torch.Tensor) -> torch.Tensor:
        """Take the likeliest word at each place, int64 (n, n_words).

        open_clip's own `generate` needs parts of transformers that its newest releases lack.
        """
        model = self._model
        _, places = model._encode_image(batch)
        words = torch.full((len(batch), 1), _START, dtype=torch.int64)
        ended = torch.zeros(len(batch), dtype=torch.bool)
        for _ in range(MAX_TOKENS):
            logits = model(batch, words, places, places, output_labels=False)["logits"]
            following = logits[:, -1].argmax(dim=1).masked_fill(ended, _END)
            words = torch.cat([words, following[:, None]], dim=1)
            ended |= following == _END
            if ended.all():
                break
        return words


# the file by which a family is known
FAMILIES: dict[str, Callable[[Path], PictureCaptioner]] = {
    "open_clip_config.json": CocaCaptioner,
    "config.json": TransformersCaptioner,
}


def load_captioner(name: str) -> PictureCaptioner:
    """Load a model that captions pictures.

    Parameters
    ----------
    name
        `local-dir:PATH`: a folder of transformers (BLIP, GIT, an encoder with a language model) or
        of open_clip (CoCa). Nothing is fetched.

    Raises
    ------
    CalcarineError
        The name has another form, or there is no such model.
    """
    family, _, place = name.partition(":")
    folder = Path(place).expanduser()
    if family != "local-dir" or not place:
        raise CalcarineError(
            f"the captioner {name!r} is not known; write local-dir:PATH with the folder of "
            f"{_FAMILIES}."
        )
    for file, make in FAMILIES.items():
        if (folder / file).is_file():
            return make(folder)
    raise CalcarineError(
        f"the captioner {name!r} is not there: {folder} has neither of {list(FAMILIES)}. Put "
        f"{_FAMILIES} there."
    )
