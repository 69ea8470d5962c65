import numpy as np
import pandas as pd
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.noise_ceiling import noise_ceiling_r, repeat_variance, unit_ceilings

SIGNAL = np.array([1.0, 0.5, 0.2, 0.0])


def simulate(rng, n_stimuli, n_repeats):
    truth = rng.normal(size=(n_stimuli, 4)) * SIGNAL
    stimuli = np.repeat(np.arange(n_stimuli), n_repeats)
    return truth, truth[stimuli] + rng.normal(size=(len(stimuli), 4)), stimuli


def test_a_known_ratio_is_recovered(rng):
    _, values, stimuli = simulate(rng, 4000, 3)
    found = repeat_variance(values, stimuli)
    np.testing.assert_allclose(found.noise, 1, atol=0.03)
    np.testing.assert_allclose(found.ncsnr[:3], SIGNAL[:3], atol=0.05)
    assert found.ncsnr[3] < 0.1
    assert (found.n_stimuli, found.n_measurements) == (4000, 12000)


@pytest.mark.parametrize("n_repeats", [1, 6])
def test_the_ceiling_is_what_the_true_model_reaches(rng, n_repeats):
    """The noiseless truth, correlated with averaged measurements, is the perfect model."""
    truth, values, stimuli = simulate(rng, 20000, 6)
    averaged = values.reshape(20000, 6, 4)[:, :n_repeats].mean(axis=1)
    reached = [np.corrcoef(truth[:, v], averaged[:, v])[0, 1] for v in range(3)]
    ceiling = noise_ceiling_r(repeat_variance(values, stimuli).ncsnr, n_repeats)
    np.testing.assert_allclose(ceiling[:3], reached, atol=0.03)


def test_few_stimuli_give_no_bias(rng):
    """The mean estimate over many small experiments is the planted variance."""
    truth = rng.normal(size=(12, 3000)) * 0.8
    values = truth.repeat(4, axis=0) + rng.normal(size=(48, 3000))
    found = repeat_variance(values, np.repeat(np.arange(12), 4))
    assert found.noise.mean() == pytest.approx(1, abs=0.02)
    assert found.signal.mean() == pytest.approx(0.64, abs=0.02)


def test_noise_is_the_mean_variance_of_repeats(rng):
    values = rng.normal(size=(9, 2))
    stimuli = np.array(["a", "b", "a", "c", "b", "a", "d", "d", "d"])
    found = repeat_variance(values, stimuli)
    parts = [values[stimuli == s].var(axis=0, ddof=1) for s in "abd"]
    np.testing.assert_allclose(found.noise, np.mean(parts, axis=0))
    assert (found.n_stimuli, found.n_measurements) == (3, 8)


def test_nsd_form_for_standardised_responses(rng):
    """With total variance 1 the signal variance is 1 - noise variance (many stimuli)."""
    _, values, stimuli = simulate(rng, 5000, 3)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    found = repeat_variance(z, stimuli)
    np.testing.assert_allclose(found.signal, np.maximum(0, 1 - found.noise), atol=0.01)


def test_mixture_of_repeats():
    ncsnr = np.array([0.7])
    found = noise_ceiling_r(ncsnr, np.array([3, 3, 2, 1]))
    a, b, c = 2, 1, 1
    m = (a / 3 + b / 2 + c / 1) / (a + b + c)
    assert found[0] == pytest.approx(np.sqrt(0.49 / (0.49 + m)))


def test_limits():
    np.testing.assert_allclose(noise_ceiling_r(np.array([0.0, np.inf]), 2), [0, 1])
    with pytest.raises(CalcarineError, match="at least 1"):
        noise_ceiling_r(np.array([1.0]), np.array([], dtype=int))


def test_without_repeats_there_is_no_ceiling(rng):
    with pytest.raises(CalcarineError, match="1 of 4 stimuli were shown at least twice"):
        repeat_variance(rng.normal(size=(5, 2)), np.array([1, 2, 3, 4, 4]))


def trial_table(rng, n_train=40, n_test=30, n_repeats=4):
    stimuli = [f"train{i}" for i in range(n_train)] + [
        f"test{i}" for i in range(n_test)
    ] * n_repeats
    split = ["train"] * n_train + ["test"] * (n_test * n_repeats)
    session = [("1", "2")[i % 2] for i in range(len(split))]
    return pd.DataFrame({"stimulus_id": stimuli, "split": split, "session": session})


def test_units_get_ceilings_for_one_measurement_and_for_the_test_repeats(rng):
    trials = trial_table(rng)
    truth = dict(zip(trials["stimulus_id"].unique(), rng.normal(size=(70, 3)), strict=True))
    signal = np.stack([truth[s] for s in trials["stimulus_id"]]) * [1, 0.5, 0]
    gain = np.where(trials["session"] == "1", 1.0, 3.0)[:, None]
    values = gain * (signal + rng.normal(size=signal.shape)) + 7 * gain
    table, statement = unit_ceilings(values, trials)
    expected = noise_ceiling_r(table["ncsnr"].to_numpy(), 4)
    np.testing.assert_allclose(table["noise_ceiling_n"], expected)
    assert (table["noise_ceiling_n"] >= table["noise_ceiling_1"]).all()
    assert table["ncsnr"][0] > table["ncsnr"][1] > table["ncsnr"][2]
    assert statement["n_stimuli"] == 30
    assert statement["n_repeats"] == 4
    assert statement["n_repeats_of_items"] == {"4": 30}
    assert statement["splits"] == ["test"]
    assert statement["standardized_by"] == "session"


def test_ceilings_do_not_depend_on_the_scale_of_a_session(rng):
    trials = trial_table(rng)
    values = rng.normal(size=(len(trials), 2))
    values += rng.normal(size=len(trials))[:, None]
    other = values * np.where(trials["session"] == "1", 1.0, 9.0)[:, None] + 5
    a, _ = unit_ceilings(values, trials)
    b, _ = unit_ceilings(other, trials)
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_no_repeats_give_missing_values(rng):
    trials = trial_table(rng, n_repeats=1)
    table, statement = unit_ceilings(rng.normal(size=(70, 2)), trials)
    assert statement is None
    assert table.isna().all(axis=None)
