"""Sensors in the report: figures of quality, and the whitening check with and without a leak."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from calcarine.data.meeg.channels import flat_layout
from calcarine.data.meeg.noise import residual_variance
from calcarine.data.meeg.sensor_scaling import SensorScaler
from calcarine.data.responses import Responses
from calcarine.pipelines.config_data import NoiseNormalization, RobustScaling, ZscoreScaling
from calcarine.pipelines.figures.topography import evoked_plot
from calcarine.pipelines.sections.sensor_quality import (
    sensor_figures,
    steps_list,
    whitening_table,
)

N_CHANNELS = 12


@dataclass
class FakeConfig:
    scaling: Any


@dataclass
class FakeRecord:
    responses: Responses
    quality: dict[str, Any]
    config: FakeConfig

    @property
    def trials(self):
        return self.responses.trials

    @property
    def units(self):
        return self.responses.units


@pytest.fixture
def record(rng):
    angles = np.linspace(0, 2 * np.pi, N_CHANNELS, endpoint=False)
    xyz = np.column_stack([0.08 * np.cos(angles), 0.08 * np.sin(angles), np.full(N_CHANNELS, 0.08)])
    flat = flat_layout(xyz)
    names = [f"E{i}" for i in range(N_CHANNELS)]
    units = pd.DataFrame(
        {"channel": names, "type": "eeg", "layout_x": flat[:, 0], "layout_y": flat[:, 1]}
    )
    shown = np.repeat(np.arange(20), 4).astype(str)
    trials = pd.DataFrame(
        {"stimulus_sha": shown, "split": np.where(shown.astype(int) < 10, "train", "test")}
    )
    times = np.arange(-5, 15) / 50
    mixing = rng.normal(size=(N_CHANNELS, N_CHANNELS))
    noise = np.einsum("ij,njt->nit", mixing, rng.normal(size=(80, N_CHANNELS, 20)))
    bump = np.exp(-0.5 * ((times - 0.16) / 0.02) ** 2) * 12
    values = (noise + bump * np.linspace(-1, 1, N_CHANNELS)[:, None]).astype(np.float32)
    sidecar = {"times_s": times.tolist(), "unit": "µV"}
    spectra = {"eeg": {"freqs_hz": [1.0, 2.0, 3.0], "power": [3.0, 2.0, 1.0]}}
    pattern = dict(zip(names, np.linspace(-1, 1, N_CHANNELS).tolist(), strict=True))
    quality = {
        "spectra": {"before": spectra, "after": spectra},
        "removed_components": {
            "sub-01_run-01": [
                {"component": 2, "cause": "eyes", "score": 0.9, "pattern": pattern},
            ]
        },
        "steps": ["notch 50 Hz (fir)"],
    }
    config = FakeConfig(RobustScaling(mvnn=NoiseNormalization()))
    return FakeRecord(Responses(values, trials, units, sidecar), quality, config)


def test_figures_of_sensors(record):
    figures = sensor_figures(record)
    assert [f.name for f in figures] == [
        "quality_spectra",
        "quality_evoked_eeg",
        "quality_components",
    ]
    assert all(f.png.startswith(b"\x89PNG") and len(f.png) < 120_000 for f in figures)
    assert "at 160 ms" in figures[1].caption
    assert "1 of 1 independent components" in figures[2].caption
    assert steps_list(record).sentences == ["First run: notch 50 Hz (fir)."]
    again = sensor_figures(record)
    assert [f.png for f in again] == [f.png for f in figures]


def test_voxels_have_no_figures_of_sensors(record):
    record.responses.units.drop(columns="layout_x", inplace=True)
    assert sensor_figures(record) == []


def test_the_peak_is_looked_for_after_the_onset():
    times = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    values = np.array([[0.0, 9.0, 1.0, 4.0, 2.0], [0.0, -9.0, 0.0, -4.0, 1.0]])
    assert evoked_plot(times, values, np.eye(2), "t", "µV")[1] == 0.1


def test_whitening_is_checked_on_trials_that_it_has_not_seen(record):
    rows = {row[0]: row for row in whitening_table(record).rows}
    values, shown = record.responses.values, record.trials["stimulus_sha"].to_numpy()
    train = np.flatnonzero(record.trials["split"] == "train")
    scaler = SensorScaler.fit(values[train], None, shown[train], 20.0, "residual")
    for name, part in (("training trials", "train"), ("test trials", "test")):
        own = np.flatnonzero(record.trials["split"] == part)
        expected = residual_variance(scaler.transform(values[own]), shown[own])
        assert float(rows[name][2]) == pytest.approx(expected[0], abs=0.006)
        assert rows[name][1] == "40"
    # unseen noise is larger after an estimated whitening
    assert float(rows["test trials"][2]) > float(rows["training trials"][2])
    record.config = FakeConfig(ZscoreScaling())
    assert whitening_table(record) is None


def test_a_test_trial_in_the_whitening_set_changes_what_is_fitted(record):
    """The planted leak: what is fitted without test trials differs from what has seen one."""
    values = record.responses.values
    shown = record.trials["stimulus_sha"].to_numpy()
    train = np.flatnonzero(record.trials["split"] == "train")
    test = np.flatnonzero(record.trials["split"] == "test")
    clean = SensorScaler.fit(values[train], None, shown[train], mvnn_dim="residual")
    spoilt = np.r_[train, test[:4]]
    leaked = SensorScaler.fit(values[spoilt], None, shown[spoilt], mvnn_dim="residual")
    assert not np.allclose(clean.whitener, leaked.whitener)
    changed = values.copy()
    changed[test] *= 5
    again = SensorScaler.fit(changed[train], None, shown[train], mvnn_dim="residual")
    np.testing.assert_array_equal(clean.whitener, again.whitener)
