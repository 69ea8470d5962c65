import numpy as np
import pytest
from scipy.stats import kstest, norm

from calcarine.data.errors import CalcarineError
from calcarine.encoders.encoding_scores import correlation
from calcarine.encoders.integration import integration_table


def simulate(rng, n_items=200, n_units=200, n_planted=40, gain=0.6):
    """Planted units respond to what only products predict; the others to a shared part."""
    shared, more = rng.normal(size=(2, n_items, n_units))
    planted = np.arange(n_units) < n_planted
    measured = shared + rng.normal(size=shared.shape)
    measured[:, planted] += gain * 2 * more[:, planted]
    added = 0.1 * rng.normal(size=shared.shape)
    added[:, planted] += gain * 2 * more[:, planted]
    joint = shared + 0.3 * rng.normal(size=shared.shape) + added
    rivals = {n: shared + 0.3 * rng.normal(size=shared.shape) for n in ("picture", "both")}
    return measured, joint, rivals, planted, added


def test_planted_units_are_found_and_others_are_not(rng):
    measured, joint, rivals, planted, added = simulate(rng)
    table = integration_table(measured, joint, rivals, seed=1, n_draws=300, added=added)
    found = table["integrates"].to_numpy()
    assert found[planted].mean() >= 0.8
    assert found[~planted].sum() <= 0.05 * found.sum() + 1
    expected = correlation(measured, joint) - correlation(measured, rivals["both"])
    np.testing.assert_allclose(table["gain_both"], expected)


def test_nothing_is_found_where_nothing_is_planted(rng):
    discoveries = []
    for i in range(10):
        measured, joint, rivals, _, added = simulate(rng, n_items=60, n_units=60, n_planted=0)
        table = integration_table(measured, joint, rivals, seed=i, n_draws=200, added=added)
        discoveries.append(table["integrates"].any())
    assert np.mean(discoveries) <= 0.2


def test_every_rival_must_be_beaten(rng):
    measured, joint, rivals, *_ = simulate(rng)
    as_good = {**rivals, "caption": joint}
    table = integration_table(measured, joint, as_good, seed=1, n_draws=100)
    assert not table["integrates"].any()
    np.testing.assert_allclose(table["gain"], np.minimum(table["gain_caption"], table["gain"]))


def test_p_is_that_of_the_joint_model_in_a_regression_beside_its_rivals(rng):
    measured, joint, rivals, _, added = simulate(rng, n_items=2000, gain=0.05)
    table = integration_table(measured, joint, rivals, seed=3, n_draws=2000, added=added)
    for unit in range(5):
        others = [*(r[:, unit] for r in rivals.values()), (joint - added)[:, unit]]
        x = np.column_stack([np.ones(2000), added[:, unit], *others])
        inverse = np.linalg.inv(x.T @ x)
        weights = inverse @ x.T @ measured[:, unit]
        noise = ((measured[:, unit] - x @ weights) ** 2).sum() / (2000 - x.shape[1])
        wanted = weights[1] / np.sqrt(noise * inverse[1, 1])
        assert norm.isf(table["p"][unit]) == pytest.approx(wanted, abs=0.3)


def test_p_is_uniform_where_nothing_is_added(rng):
    measured, joint, rivals, _, added = simulate(rng, n_units=1000, n_planted=0)
    p = integration_table(measured, joint, rivals, seed=1, n_draws=500, added=added)["p"]
    assert kstest(p, "uniform").pvalue > 0.01


def test_units_that_are_no_candidates_are_not_tested(rng):
    measured, joint, rivals, planted, _ = simulate(rng)
    some = planted & (np.arange(len(planted)) % 2 == 0)
    table = integration_table(measured, joint, rivals, seed=1, n_draws=200, candidates=some)
    assert table["q"].notna().to_numpy().tolist() == some.tolist()
    assert not table["integrates"][~some].any()


def test_constant_units_do_not_integrate_and_rivals_are_needed(rng):
    measured, joint, rivals, *_ = simulate(rng)
    measured[:, 0] = 1.0
    table = integration_table(measured, joint, rivals, seed=1, n_draws=50)
    assert not table["integrates"][0]
    assert np.isnan(table["q"][0])
    with pytest.raises(CalcarineError, match="needs rivals"):
        integration_table(measured, joint, {}, seed=1)
