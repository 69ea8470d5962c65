import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from calcarine.data.errors import CalcarineError
from calcarine.decoders.selectivity.parcellation import discriminative_objective, parcellate


@pytest.fixture
def planted(rng):
    """Give 4 clusters of 20 units; stimuli excite one cluster each, or all of them."""
    truth = np.repeat(np.arange(4), 20)
    shown = rng.integers(0, 5, 120)
    responses = 3.0 * (shown[:, None] == truth) + 3.0 * (shown[:, None] == 4)
    return responses + 0.5 * rng.standard_normal(responses.shape), truth, shown


@pytest.mark.parametrize("start", [2, 4, 6])
def test_planted_clusters_are_found_by_splits_and_merges(planted, start):
    responses, truth, shown = planted
    found = parcellate(responses, start, seed=0)
    assert found.n_clusters == 4
    assert adjusted_rand_score(truth, found.labels) > 0.95
    # the stimulus of a cluster excites it and no other; what excites all is never chosen
    for cluster, stimulus in enumerate(found.stimuli):
        assert shown[stimulus] == np.bincount(truth[found.labels == cluster]).argmax()
    # without noise: a unit's z-scores are 1.22 and -0.82, J = 0.76 - log mean(e^0.76, 3 e^-0.51)
    level = np.array([np.sqrt(0.6 / 0.4), -np.sqrt(0.4 / 0.6)]) / 1.6
    noiseless = level[0] - np.log((np.exp(level[0]) + 3 * np.exp(level[1])) / 4)
    assert found.objective == pytest.approx(noiseless / np.log(4), rel=0.1)


def test_order_of_units_changes_nothing(planted, rng):
    responses, _, _ = planted
    order = rng.permutation(80)
    a, b = parcellate(responses, 4, seed=0), parcellate(responses[:, order], 4, seed=0)
    assert adjusted_rand_score(a.labels[order], b.labels) == 1


def test_objective_by_its_formula(rng):
    means = rng.standard_normal((6, 3))
    scaled = means / 1.6
    expected = scaled - np.log(np.exp(scaled).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(discriminative_objective(means), expected)
    assert discriminative_objective(means * 1000).max() == pytest.approx(np.log(3))


def test_errors(planted):
    responses, _, _ = planted
    with pytest.raises(CalcarineError, match="cannot make 30 clusters"):
        parcellate(responses, 30, seed=0)
    responses[:, 7] = 1
    with pytest.raises(CalcarineError, match="unit 7 responds to all"):
        parcellate(responses, 3, seed=0)
