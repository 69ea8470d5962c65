import numpy as np
import pytest
import torch
from fixtures.tiny_language import WORDS, save_tiny_language_model

from calcarine.data.errors import CalcarineError
from calcarine.data.model_folder import model_card, write_model
from calcarine.decoders.prefix_decoder import (
    KIND,
    PrefixDecoder,
    PrefixNetwork,
    PrefixShape,
    load_prefix_decoder,
    numbered,
    sentence_loss,
    vocabulary_of,
)
from calcarine.decoders.selectivity.language_model import LanguageModel
from calcarine.decoders.text_judges import load_text_judge

CAPTIONS = ["a red house", "two faces at the left", "some food", "a tool on sand"]
SHAPE = PrefixShape(6, prefix_length=2, width=16, n_layers=1, n_heads=2, inner=16, max_words=8)


@pytest.fixture(scope="module")
def trained():
    """Learn four captions by heart."""
    torch.manual_seed(0)
    vocabulary = vocabulary_of(CAPTIONS)
    network = PrefixNetwork(SHAPE, len(vocabulary))
    embeddings = torch.randn(4, 6) * 3 + 1
    words = numbered(CAPTIONS, vocabulary, SHAPE.max_words)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        sentence_loss(network, embeddings, words).backward()
        optimizer.step()
    return PrefixDecoder(network, vocabulary), embeddings.numpy()


def test_captions_are_learned(trained):
    decoder, embeddings = trained
    assert decoder.sentences(embeddings) == CAPTIONS


def test_a_sentence_does_not_depend_on_its_batch(trained):
    decoder, embeddings = trained
    assert decoder.sentences(embeddings[::-1], batch_size=3) == CAPTIONS[::-1]


def test_loss_is_the_cross_entropy_of_words_and_first_end(trained):
    decoder, embeddings = trained
    words = numbered(CAPTIONS[2:3], decoder.vocabulary, SHAPE.max_words)
    given = torch.from_numpy(embeddings[1:2])
    logits = decoder.network(given, words[:, :-1])[0]
    share = torch.log_softmax(logits, dim=1)
    # two words and one end
    expected = -np.mean([float(share[i, words[0, i]]) for i in range(3)])
    assert float(sentence_loss(decoder.network, given, words)) == pytest.approx(expected, rel=1e-5)


def test_words_see_no_later_words(trained):
    decoder, embeddings = trained
    given = torch.from_numpy(embeddings[:1])
    words = torch.tensor([[1, 2, 3]])
    changed = torch.tensor([[1, 2, 4]])
    a, b = decoder.network(given, words), decoder.network(given, changed)
    torch.testing.assert_close(a[:, :3], b[:, :3])


def test_a_folder_comes_back(trained, tmp_path):
    from dataclasses import asdict

    decoder, embeddings = trained
    tied = "language.lm_head.weight"
    tensors = {n: t.half().numpy() for n, t in decoder.network.state_dict().items() if n != tied}
    config = {"kind": KIND, "shape": asdict(SHAPE), "vocabulary": decoder.vocabulary}
    fields = ("data", "licence", "split", "units", "preprocessing", "target", "scores", "seed",
              "version")  # fmt: skip
    write_model(tmp_path / "p", config, tensors, model_card("t", dict.fromkeys(fields, "x")))
    assert load_prefix_decoder(f"local-dir:{tmp_path / 'p'}").sentences(embeddings) == CAPTIONS


def test_errors(trained, tmp_path):
    decoder, _ = trained
    with pytest.raises(CalcarineError, match=r"shape \(n, 6\)"):
        decoder.sentences(np.ones((2, 5)))
    with pytest.raises(CalcarineError, match="unknown words"):
        numbered(["a dog"], decoder.vocabulary, 8)
    with pytest.raises(CalcarineError, match="no prefix decoder"):
        load_prefix_decoder(f"local-dir:{tmp_path}")


def test_public_clipcap_weights_are_read(tmp_path):
    """The contract: an MLP of two layers under `clip_project.model`, a GPT-2 under `gpt.`."""
    folder = tmp_path / "clipcap"
    save_tiny_language_model(folder / "gpt2", width=16)
    state = {
        "clip_project.model.0.weight": torch.randn(24, 6),
        "clip_project.model.0.bias": torch.zeros(24),
        "clip_project.model.2.weight": torch.randn(48, 24),
        "clip_project.model.2.bias": torch.zeros(48),
    }
    torch.save(state, folder / "weights.pt")
    decoder = load_prefix_decoder(f"local-dir:{folder}")
    said = decoder.sentences(np.random.default_rng(0).standard_normal((2, 6)), max_words=5)
    assert len(said) == 2
    assert all(set(s.split()) <= set(WORDS) for s in said)
    with pytest.raises(CalcarineError, match="length 6"):
        decoder.sentences(np.ones((1, 4)))


def test_a_language_model_suggests_and_cannot_claim(tmp_path):
    model = LanguageModel(save_tiny_language_model(tmp_path / "lm"), max_new_tokens=4)
    captions = ["a red house at the left", "the red face"]
    terms = model.keywords(captions)
    assert set(terms) <= {"red", "red house", "house", "left", "red face", "face"}
    # what an untrained model writes lacks the keywords: a real caption is cut down instead
    assert model.compose(["house"], captions) == "a house"
    with pytest.raises(CalcarineError, match="language model"):
        LanguageModel(tmp_path / "nothing")


def test_a_sentence_model_can_judge(tmp_path):
    judge = load_text_judge(f"local-dir:{save_tiny_language_model(tmp_path / 'lm')}", [])
    found = judge.embed(["a red house", "a face", ""])
    # an empty sentence has no content and no direction
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0], rtol=1e-5)
    # padding of a batch changes nothing
    np.testing.assert_allclose(judge.embed(["a face"])[0], found[1], atol=1e-5)
