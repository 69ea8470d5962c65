import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.decoders.identification import (
    correlations,
    two_way_identification,
    two_way_identification_takagi,
    two_way_shares,
)


def naive_two_way(truth, predicted, distractors):
    shares = []
    for j in range(len(truth)):
        own = np.corrcoef(truth[j], predicted[j])[0, 1]
        wins = 0
        for i in range(len(truth)):
            if i == j:
                continue
            pair = (truth[i], predicted[j]) if distractors == "truth" else (truth[j], predicted[i])
            wins += np.corrcoef(*pair)[0, 1] < own
        shares.append(wins / (len(truth) - 1))
    return np.array(shares)


def test_both_protocols_equal_the_naive_loop(rng):
    truth = rng.standard_normal((9, 5))
    predicted = truth + 1.5 * rng.standard_normal((9, 5))

    mindeye = two_way_identification(truth, predicted)
    takagi = two_way_identification_takagi(truth, predicted)

    np.testing.assert_allclose(mindeye, naive_two_way(truth, predicted, "truth"))
    np.testing.assert_allclose(takagi, naive_two_way(truth, predicted, "predicted"))
    assert not np.allclose(mindeye, takagi)


def test_the_matrix_form_of_the_field(rng):
    # R = corrcoef([real; predicted])[:n, n:], success where R[i, j] < R[j, j], over n − 1
    truth, predicted = rng.standard_normal((2, 12, 7))
    n = len(truth)
    r = np.corrcoef(np.concatenate([truth, predicted]))[:n, n:]
    success = (r < np.diag(r)).sum(axis=0) / (n - 1)
    np.testing.assert_allclose(correlations(truth, predicted), r, atol=1e-12)
    np.testing.assert_allclose(two_way_identification(truth, predicted), success)


def test_asymmetric_matrix_tells_the_directions_apart():
    similarity = np.array([[0.5, 0.9, 0.1], [0.4, 0.6, 0.2], [0.3, 0.7, 0.8]])
    # columns: 0.5 beats .4 and .3; 0.6 beats nothing; 0.8 beats both
    np.testing.assert_allclose(two_way_shares(similarity), [1, 0, 1])
    # rows: 0.5 beats .1; 0.6 beats .4 and .2; 0.8 beats both
    np.testing.assert_allclose(two_way_shares(similarity.T), [0.5, 1, 1])


def test_perfect_and_shuffled(rng):
    truth = rng.standard_normal((200, 30))
    assert two_way_identification(truth, truth).mean() == 1
    means = [two_way_identification(truth, truth[rng.permutation(200)]).mean() for _ in range(20)]
    assert abs(np.mean(means) - 0.5) < 0.02


def test_a_tie_is_a_failure():
    truth = np.array([[1.0, 0, 2], [1.0, 0, 2], [0, 3.0, 1]])
    np.testing.assert_allclose(two_way_identification(truth, truth), [0.5, 0.5, 1])


def test_constant_vectors_are_nan_and_no_distractors(rng):
    truth, predicted = rng.standard_normal((2, 6, 4))
    predicted[2] = 1234.567
    truth[4] = 7.7
    shares = two_way_identification(truth, predicted)
    assert np.isnan(shares[2])
    assert np.isnan(shares[4])
    keep = [0, 1, 3, 5]
    # prediction 2 never was a distractor for others; true item 4 is none any more
    others = [0, 1, 2, 3, 5]
    expected = two_way_identification(truth[others], predicted[others])[[0, 1, 3, 4]]
    np.testing.assert_allclose(shares[keep], expected)


def test_one_item_has_no_distractor(rng):
    one = rng.standard_normal((1, 5))
    assert np.isnan(two_way_identification(one, one)).all()


def test_shapes_must_agree(rng):
    with pytest.raises(CalcarineError, match=r"\(4, 3\) and \(4, 2\)"):
        two_way_identification(rng.standard_normal((4, 3)), rng.standard_normal((4, 2)))
