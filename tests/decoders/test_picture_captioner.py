"""Captioners of public formats, with random weights, through the real loading code."""

import numpy as np
import pytest
from fixtures import tiny_captioners
from PIL import Image

from calcarine.data.errors import CalcarineError
from calcarine.decoders.picture_captioner import load_captioner

SAVERS = ("save_blip", "save_git", "save_encoder_decoder", "save_coca")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)) for _ in range(18)]


@pytest.mark.parametrize("save", SAVERS)
def test_every_format_writes_a_sentence_a_picture(tmp_path, pictures, save):
    folder = getattr(tiny_captioners, save)(tmp_path / save)
    captioner = load_captioner(f"local-dir:{folder}")
    said = captioner.captions(pictures)
    assert captioner.name == save
    assert len(said) == len(pictures)
    assert all(isinstance(text, str) and "<" not in text for text in said)
    assert any(said)
    # greedy: asked again, and alone, it says the same
    assert load_captioner(f"local-dir:{folder}").captions(pictures[:1]) == said[:1]


def test_an_absent_captioner_is_refused_by_name(tmp_path):
    with pytest.raises(CalcarineError, match="nowhere' is not there"):
        load_captioner(f"local-dir:{tmp_path / 'nowhere'}")
    with pytest.raises(CalcarineError, match="write local-dir:PATH"):
        load_captioner("hf-hub:some/blip")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(CalcarineError, match="no captioner that transformers can load"):
        load_captioner(f"local-dir:{tmp_path}")


def test_a_clip_does_not_write(tmp_path):
    import shutil

    from calcarine.encoders.embedding_models import SHIPPED

    folder = shutil.copytree(SHIPPED / "phantom-clip", tmp_path / "clip")
    with pytest.raises(CalcarineError, match="writes no captions"):
        load_captioner(f"local-dir:{folder}")
