import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.decoders.caption_metrics import bleu, cider, names_concept, rouge_l, says_any


def test_documented_figures_of_the_reference_example(shared_data):
    """The corpus scores that nlg-eval documents for its own example."""
    folder = shared_data("caption-metrics") / "examples"
    read = {n: (folder / f"{n}.txt").read_text().splitlines() for n in ("hyp", "ref1", "ref2")}
    references = list(zip(read["ref1"], read["ref2"], strict=True))
    documented = {1: 0.550000, 2: 0.428174, 3: 0.284043, 4: 0.201143}
    for n, value in documented.items():
        assert bleu(read["hyp"], references, n) == pytest.approx(value, abs=2e-6)
    assert rouge_l(read["hyp"], references).mean() == pytest.approx(0.522104, abs=1e-6)
    assert cider(read["hyp"], references).mean() == pytest.approx(1.242192, abs=1e-6)


def test_rouge_by_hand():
    # common subsequence "a house": P 2/3, R 2/2
    expected = 2.44 * (2 / 3) / (1 + 1.44 * 2 / 3)
    assert rouge_l(["a red house"], [["a house"]])[0] == pytest.approx(expected)
    # best precision and best recall may come from different references
    both = rouge_l(["a red house"], [["house", "a very red big old house"]])[0]
    assert both == pytest.approx(1.0)
    assert rouge_l([""], [["a house"]])[0] == 0


def test_cider_by_hand():
    """Two items, one word each: idf log 2, cosine 1 for n = 1, nothing for longer n-grams."""
    np.testing.assert_allclose(cider(["cat", "dog"], [["cat"], ["dog"]]), [2.5, 2.5])
    np.testing.assert_allclose(cider(["dog", "dog"], [["cat"], ["dog"]]), [0, 2.5])
    # a word that all references say is worth nothing
    np.testing.assert_allclose(cider(["a", "a"], [["a"], ["a"]]), [0, 0])
    # said twice: clipped to once, and one word too long
    expected = 2.5 * 0.5 * np.exp(-1 / 72)
    np.testing.assert_allclose(cider(["cat cat", "dog"], [["cat"], ["dog"]])[0], expected)


def test_perfect_and_alien_captions():
    references = [["a red house at night"], ["two small faces on sand"], ["some food in the sky"]]
    same = [own[0] for own in references]
    assert bleu(same, references) == 1
    np.testing.assert_allclose(rouge_l(same, references), 1)
    np.testing.assert_allclose(cider(same, references), 10)
    alien = ["x y z w v"] * 3
    assert bleu(alien, references) == 0
    assert rouge_l(alien, references).sum() == cider(alien, references).sum() == 0


def test_order_of_items_changes_nothing():
    references = [["a red house"], ["two faces", "a pair of faces"], ["food"]]
    said = ["a house", "two red faces", "green food"]
    turned = [1, 2, 0]
    np.testing.assert_allclose(
        cider(said, references)[turned],
        cider([said[i] for i in turned], [references[i] for i in turned]),
    )


def test_concepts_are_named_alone():
    words = {"food": ["food", "pieces of food"], "body": ["body", "bodies"]}
    found = names_concept(["two bodies", "a body and food", "it"], ["body"] * 3, words)
    assert found.tolist() == [1, 0, 0]
    assert says_any("at the Upper Left", ["upper left"])
    assert not says_any("a facet", ["face"])


def test_errors():
    with pytest.raises(CalcarineError, match="2 captions came with references for 1"):
        bleu(["a", "b"], [["a"]])
    with pytest.raises(CalcarineError, match="item 1 has no reference"):
        cider(["a", "b"], [["a"], []])
