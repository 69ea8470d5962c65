import numpy as np
import pytest
from scipy.signal import welch

from calcarine.data.phantom.meeg.artefacts import KINDS, draw_artefacts
from calcarine.data.phantom.meeg.devices import LINE_HZ

RATE_HZ, N_SAMPLES = 250.0, 60_000


@pytest.fixture(scope="module")
def drawn(brain):
    return draw_artefacts(brain.artefacts, N_SAMPLES, RATE_HZ, 1.0, np.random.default_rng(4))


def only(drawn, kind):
    return drawn.table[drawn.table["kind"] == kind]


def test_every_kind_is_listed(drawn):
    assert set(drawn.table["kind"]) == set(KINDS)
    assert (drawn.table["onset_s"] >= 0).all()
    assert (drawn.table["onset_s"] + drawn.table["duration_s"] <= N_SAMPLES / RATE_HZ + 1e-9).all()


def test_blinks_are_where_the_list_says(drawn):
    listed = np.zeros(N_SAMPLES, dtype=bool)
    for _, row in only(drawn, "blink").iterrows():
        start = int(row["onset_s"] * RATE_HZ)
        listed[start : start + int(row["duration_s"] * RATE_HZ) + 1] = True
    high = np.abs(drawn.eog) > 60e-6
    assert high.any()
    assert listed[high].all()


def test_blinks_are_seen_in_front(brain):
    eyes = np.abs(brain.artefacts.eyes)
    forward = brain.device.positions_m[:, 1]
    assert eyes[forward > 0.05].mean() > 4 * eyes[forward < -0.03].mean()


def test_heartbeats_keep_their_pace(drawn, brain):
    beats = only(drawn, "heartbeat")["onset_s"].to_numpy()
    assert 60 / np.diff(beats).mean() == pytest.approx(brain.artefacts.beats_per_minute, rel=0.05)
    r_peak = np.round((beats + 0.08) * RATE_HZ).astype(int)
    assert np.median(drawn.ecg[r_peak]) > 500e-6


def test_mains_hum_at_their_frequency(drawn, brain):
    channel = int(np.argmax(np.abs(brain.artefacts.line)))
    frequencies, power = welch(drawn.data[channel], RATE_HZ, nperseg=1000)
    assert frequencies[power.argmax()] == pytest.approx(LINE_HZ, abs=0.5)


def test_one_channel_is_broken(drawn, brain):
    quiet = only(drawn, "bad-channel").iloc[0]
    assert quiet["channel"] == brain.artefacts.bad_channel
    named = drawn.artefacts_named(brain.device.channels)
    names = named.loc[named["kind"] == "bad-channel", "channel"].tolist()
    assert names == [brain.device.channels[brain.artefacts.bad_channel]]
    assert set(named.loc[named["kind"] != "bad-channel", "channel"]) == {"n/a"}


def test_muscles_burst_on_one_side_and_fast(brain):
    left, right = brain.artefacts.muscles
    side = brain.device.positions_m[:, 0]
    assert side[np.argmax(left)] < 0 < side[np.argmax(right)]


def test_without_scale_there_are_none(brain):
    drawn = draw_artefacts(brain.artefacts, 5000, RATE_HZ, 0.0, np.random.default_rng(4))
    assert not drawn.data.any()
    assert not len(drawn.table)
    assert drawn.eog.std() < 10e-6
