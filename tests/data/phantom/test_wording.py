import re

import numpy as np
import pytest

from calcarine.data.phantom.scenes import CATEGORIES
from calcarine.data.phantom.tuning import factor_codes
from calcarine.data.phantom.wording import (
    FINE,
    WORDINGS,
    fine_codes,
    wording_code_names,
    wording_codes,
    wordings,
)


def test_wording_is_the_share_of_captions():
    captions = [["there is a big house", "a little house"], ["two words", "a picture of a word"]]
    codes = wordings(captions)
    expected = {"sentence": (0.5, 0.0), "mention": (0.0, 0.5), "synonym": (1.0, 0.0)}
    for column, (name, (_, chance)) in enumerate(WORDINGS.items()):
        share = codes[:, column] * np.sqrt(chance * (1 - chance) / 2) + chance
        np.testing.assert_allclose(share, expected[name], atol=1e-12)


def test_wording_is_standardised_and_no_factor_tells_it(many_scenes):
    codes = wordings(many_scenes.table["captions"].tolist())
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(codes.std(axis=0), 1, atol=0.15)
    factors = factor_codes(many_scenes.table)
    factors = factors[:, factors.std(axis=0) > 0]
    r = np.corrcoef(codes.T, factors.T)[:3, 3:]
    # 3 × 20 correlations over 312 scenes, standard error 0.057
    assert np.abs(r).max() < 0.25


def test_words_do_not_tell_the_details(many_scenes):
    """Within a word for a place, details are spread over the whole range."""
    table = many_scenes.table
    details = fine_codes(table)
    captions = [own[0] for own in table["captions"]]
    right = np.array([bool(re.search(r"\bright\b", c)) for c in captions])
    x = (table["x"] - 0.5).to_numpy()
    assert abs(np.corrcoef(right, x)[0, 1]) > 0.7
    assert abs(np.corrcoef(right, details[:, FINE.index("fine x")])[0, 1]) < 0.25
    for word in (right, ~right):
        assert details[word, 0].min() < -0.5
        assert details[word, 0].max() > 0.5


def test_products_are_of_wording_and_picture(many_scenes):
    table = many_scenes.table
    names = wording_code_names()
    codes = dict(zip(names, wording_codes(table).T, strict=True))
    assert len(codes) == len(names) == 3 + 3 + 3 * (len(CATEGORIES) + 2)
    sentence = codes["sentence"]
    np.testing.assert_allclose(codes["x*sentence"], sentence * (table["x"] - 0.5) / 0.15)
    face = (table["category"] == "face").to_numpy()
    ratio = codes["face*sentence"] / sentence
    assert ratio[face] == pytest.approx((1 - 1 / 6) / np.sqrt(5 / 36))
    assert ratio[~face] == pytest.approx((0 - 1 / 6) / np.sqrt(5 / 36))
