import numpy as np
import pytest
from scipy.stats import norm, rankdata
from sklearn.metrics.pairwise import cosine_similarity

from calcarine.data.errors import CalcarineError
from calcarine.decoders.retrieval import brain_to_image, cosines, d_prime, image_to_brain

# rows are brains, columns images: row winners are 1, 1, 2; column winners are 0, 0, 2
ASYMMETRIC = np.array([[0.5, 0.9, 0.1], [0.4, 0.6, 0.2], [0.3, 0.7, 0.8]])
OWN = np.arange(3)


def test_directions_are_named_by_what_is_ranked():
    np.testing.assert_allclose(brain_to_image(ASYMMETRIC, OWN).top(1), [0, 1, 1])
    np.testing.assert_allclose(image_to_brain(ASYMMETRIC, OWN).top(1), [1, 0, 1])


def test_ranks_equal_scipy_with_ties_averaged(rng):
    similarity = rng.integers(0, 6, (12, 12)).astype(float)
    expected = [rankdata(-row)[i] - 1 for i, row in enumerate(similarity)]
    ranks = brain_to_image(similarity, np.arange(12))
    np.testing.assert_allclose(ranks.relative, np.array(expected) / 11)
    by_image = [rankdata(-column)[i] - 1 for i, column in enumerate(similarity.T)]
    np.testing.assert_allclose(
        image_to_brain(similarity, np.arange(12)).relative, np.array(by_image) / 11
    )


def test_top_k_with_ties_is_the_probability_of_a_random_order():
    similarity = np.array([[1.0, 1.0, 1.0, 0.5]])
    ranks = brain_to_image(similarity, np.array([0]))
    np.testing.assert_allclose([ranks.top(k)[0] for k in (1, 2, 3, 4)], [1 / 3, 2 / 3, 1, 1])


def test_perfect_shuffled_and_constant_predictions(rng):
    truth = rng.standard_normal((300, 20))
    own = np.arange(300)
    assert brain_to_image(cosines(truth, truth), own).top(1).mean() == 1
    hits = [
        brain_to_image(cosines(truth[rng.permutation(300)], truth), own).top(1).mean()
        for _ in range(60)
    ]
    assert abs(np.mean(hits) - 1 / 300) < 3 * np.sqrt(1 / 300 / 300 / 60)
    same = np.tile(truth[:1] + 1, (300, 1))
    assert brain_to_image(cosines(same, truth), own).top(1).sum() == pytest.approx(1)
    np.testing.assert_allclose(image_to_brain(cosines(same, truth), own).relative, 0.5)


def test_chance_and_gallery_with_several_responses_to_an_image():
    similarity = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.4], [0.7, 0.6]])
    match = np.array([0, 1, 0, 0])
    ranks = brain_to_image(similarity, match)
    np.testing.assert_allclose(ranks.top(1), [1, 1, 0, 1])
    assert ranks.chance(1) == 0.5
    # image 0 ranks each of its three brains against brain 1 alone; image 1 ranks 1 against three
    back = image_to_brain(similarity, match)
    np.testing.assert_allclose(back.n_candidates, [2, 4, 2, 2])
    np.testing.assert_allclose(back.top(1), [1, 1, 1, 1])
    assert back.chance(1) == pytest.approx((0.5 * 3 + 0.25) / 4)
    assert ranks.chance(5) == 1


def test_cosines_raw_and_centred_equal_scikit_learn(rng):
    predicted, gallery = rng.standard_normal((7, 5)), rng.standard_normal((4, 5))
    mean = rng.standard_normal(5)
    np.testing.assert_allclose(cosines(predicted, gallery), cosine_similarity(predicted, gallery))
    np.testing.assert_allclose(
        cosines(predicted, gallery, mean), cosine_similarity(predicted - mean, gallery - mean)
    )
    means = np.stack([mean, -mean])[[0, 1, 0, 1, 1, 0, 0]]
    mixed = cosines(predicted, gallery, means)
    np.testing.assert_allclose(mixed[1], cosines(predicted[1:2], gallery, -mean)[0])
    np.testing.assert_allclose(mixed[2], cosines(predicted[2:3], gallery, mean)[0])


def test_centring_removes_shrinkage_towards_the_mean(rng):
    mean = 5 * rng.standard_normal(16)
    truth = mean + rng.standard_normal((50, 16))
    noisy = truth + 1.2 * rng.standard_normal((50, 16))
    shrunk = mean + 0.05 * (noisy - mean)
    own = np.arange(50)
    raw = brain_to_image(cosines(shrunk, truth), own).top(1).mean()
    centred = brain_to_image(cosines(shrunk, truth, mean), own).top(1).mean()
    assert centred > raw + 0.1


def test_a_zero_prediction_is_not_scored(rng):
    truth = rng.standard_normal((5, 4))
    predicted = truth.copy()
    predicted[3] = 0
    ranks = brain_to_image(cosines(predicted, truth), np.arange(5))
    assert np.isnan(ranks.top(1)[3])
    assert np.nanmean(ranks.top(1)) == 1


def test_one_item_has_no_relative_rank():
    ranks = brain_to_image(np.array([[0.3]]), np.array([0]))
    assert np.isnan(ranks.relative).all()
    assert np.isnan(d_prime(float(ranks.relative.mean()), 0))


def test_d_prime_of_gaussian_scores(rng):
    n, planted = 400, 1.5
    similarity = rng.standard_normal((n, n)) + planted * np.eye(n)
    rank = brain_to_image(similarity, np.arange(n)).relative.mean()
    found = d_prime(rank, n * (n - 1))
    assert found == pytest.approx(planted, abs=0.15)
    assert norm.cdf(found / np.sqrt(2)) == pytest.approx(1 - rank)


@pytest.mark.parametrize(("rank", "planted"), [(0.159, 2 / np.sqrt(2)), (0.5, 0.0)])
def test_d_prime_of_known_ranks(rank, planted):
    # a two-way share of .841 is one standard deviation of the difference of two scores
    assert d_prime(rank, 10**6) == pytest.approx(planted, abs=0.005)


def test_d_prime_of_a_perfect_decoder_is_finite():
    assert 3 < d_prime(0.0, 20 * 19) < 10


def test_dimensions_must_agree(rng):
    with pytest.raises(CalcarineError, match="3 dimensions and the gallery 4"):
        cosines(rng.standard_normal((2, 3)), rng.standard_normal((2, 4)))
    with pytest.raises(CalcarineError, match=r"shape \(2, 2\) and 3 matches"):
        brain_to_image(np.eye(2), np.array([0, 1, 1]))
