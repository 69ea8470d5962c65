import numpy as np
import pytest
from scipy.stats import norm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.integration import integration_table


def simulate(rng, n_items=200, n_units=200, n_planted=40, gain=0.6):
    """Planted units respond to what only the joint model predicts; the others to a shared part."""
    shared, more = rng.normal(size=(2, n_items, n_units))
    planted = np.arange(n_units) < n_planted
    measured = shared + rng.normal(size=shared.shape)
    measured[:, planted] += gain * 2 * more[:, planted]
    joint = shared + 0.3 * rng.normal(size=shared.shape)
    joint[:, planted] += gain * 2 * more[:, planted]
    rivals = {n: shared + 0.3 * rng.normal(size=shared.shape) for n in ("picture", "both")}
    return measured, joint, rivals, planted


def test_planted_units_are_found_and_others_are_not(rng):
    measured, joint, rivals, planted = simulate(rng)
    table = integration_table(measured, joint, rivals, seed=1, n_draws=300)
    found = table["integrates"].to_numpy()
    assert found[planted].mean() >= 0.8
    assert found[~planted].sum() <= 0.05 * found.sum() + 1
    expected = correlation(measured, joint) - correlation(measured, rivals["both"])
    np.testing.assert_allclose(table["gain_both"], expected)


def test_nothing_is_found_where_nothing_is_planted(rng):
    discoveries = []
    for i in range(10):
        measured, joint, rivals, _ = simulate(rng, n_items=60, n_units=60, n_planted=0)
        table = integration_table(measured, joint, rivals, seed=i, n_draws=200)
        discoveries.append(table["integrates"].any())
    assert np.mean(discoveries) <= 0.2


def test_every_rival_must_be_beaten(rng):
    measured, joint, rivals, _ = simulate(rng)
    as_good = {**rivals, "caption": joint}
    table = integration_table(measured, joint, as_good, seed=1, n_draws=100)
    assert not table["integrates"].any()
    np.testing.assert_allclose(table["gain"], np.minimum(table["gain_caption"], table["gain"]))


def test_p_is_the_normal_tail_of_the_paired_gain(rng):
    measured, joint, rivals, _ = simulate(rng, n_items=300)
    one = {"both": rivals["both"]}
    table = integration_table(measured, joint, one, seed=3, n_draws=2000)
    unit = 7
    draws = []
    for i in range(1500):
        rows = np.random.default_rng(i).integers(0, 300, 300)
        r = [np.corrcoef(measured[rows, unit], p[rows, unit])[0, 1] for p in (joint, one["both"])]
        draws.append(r[0] - r[1])
    expected = norm.sf(table["gain_both"][unit] / np.std(draws))
    assert np.log(table["p"][unit]) == pytest.approx(np.log(expected), rel=0.15)


def test_constant_units_do_not_integrate_and_rivals_are_needed(rng):
    measured, joint, rivals, _ = simulate(rng)
    measured[:, 0] = 1.0
    table = integration_table(measured, joint, rivals, seed=1, n_draws=50)
    assert not table["integrates"][0]
    assert np.isnan(table["q"][0])
    with pytest.raises(CalcarineError, match="needs rivals"):
        integration_table(measured, joint, {}, seed=1)
