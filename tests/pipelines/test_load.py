"""A study that is larger than memory is fitted a piece at a time; memory is measured."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.sparse_study import (
    lab_sections,
    trial_table,
    write_configuration,
    write_prepared,
    write_sparse_nsd,
    write_stub_embedding,
)

from calcarine.data.predictions import read_predictions
from calcarine.data.stored_rows import StoredRows
from calcarine.pipelines import decode, encode
from calcarine.pipelines.check import check_config
from calcarine.pipelines.config import load_config

BIDS = {"kind": "bids", "path": "nowhere"}
FMRI = {"modality": "fmri", "task": "scenes"}
# what a child prints: its peak beyond what imports took, in MB
MEASURE = """
import resource, sys
from pathlib import Path
from calcarine.pipelines import {step}
from calcarine.pipelines.config import load_config
config = load_config(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{step}.run(config, "01", "stub")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def prepared(folder: Path, n_trials: int, n_units: int, **sections):
    path = write_configuration(folder, ["01"], BIDS, recording=FMRI, **sections)
    config = load_config(path)
    write_prepared(config.layout, "01", n_trials, n_units)
    write_stub_embedding(config.layout, "stub", n_trials, 8)
    return path, config


def test_sparse_files_take_no_room(tmp_path):
    _, config = prepared(tmp_path, 600, 50_000)
    found = config.layout.responses("01").stat()
    assert found.st_size > 4 * 600 * 50_000
    assert 512 * found.st_blocks < 1e6


def test_encoding_needs_less_memory_than_one_copy_of_the_responses(tmp_path):
    n_trials, n_units = 3000, 60_000  # 720 MB; read at once and standardised it took four copies
    path, config = prepared(tmp_path, n_trials, n_units)
    command = [sys.executable, "-c", MEASURE.format(step="encode"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 4 * n_trials * n_units / 1e6 * 0.9
    predictions = read_predictions(config.layout.prediction("01", "encoder-stub"))
    n_tested = trial_table(n_trials, "01").query("split == 'test'")["stimulus_id"].nunique()
    assert predictions.values.shape == (3 * n_tested, n_units)


@pytest.fixture
def random_study(tmp_path, rng):
    decoders = {
        "ridge": {"kind": "ridge", "target": "stub"},
        "contrastive": {"kind": "contrastive", "target": "stub", "n_epochs": 3, "hidden_dim": 16},
    }
    _, config = prepared(tmp_path, 360, 40, decode=decoders)
    values = rng.standard_normal((360, 40)).astype(np.float32)
    values += trial_table(360, "01")["concept"].str[-2:].astype(int).to_numpy()[:, None] / 5
    np.save(config.layout.responses("01"), values)
    return config


def test_rows_on_disk_give_the_results_of_rows_in_memory(random_study, monkeypatch):
    config = random_study
    steps = [(encode, "stub", "encoder-stub")]
    steps += [(decode, name, f"decoder-{name}") for name in config.decode]
    found: dict[str, list[np.ndarray]] = {folder: [] for _, _, folder in steps}
    built = []
    plain = StoredRows.__init__

    def counted(self, *arguments):
        built.append(1)
        plain(self, *arguments)

    for limit in (2**29, 0):
        monkeypatch.setattr("calcarine.data.stored_rows.IN_MEMORY_BYTES", limit)
        monkeypatch.setattr(StoredRows, "__init__", counted)
        built.clear()
        for step, name, folder in steps:
            step.run(config, "01", name)
            predictions = read_predictions(config.layout.prediction("01", folder))
            found[folder].append(np.array(predictions.values))
        assert bool(built) == (limit == 0)
    for folder, (in_memory, on_disk) in found.items():
        scale = in_memory.std()
        np.testing.assert_allclose(on_disk, in_memory, atol=2e-3 * scale, err_msg=folder)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """Give the configuration of a sparse release: 8 subjects, 50,000 voxels, ten models each."""
    folder = tmp_path_factory.mktemp("release")
    write_sparse_nsd(folder, 8, (50, 50, 20))
    source = {"kind": "nsd", "path": str(folder), "accept_terms": True}
    subjects = [f"{n:02d}" for n in range(1, 9)]
    sections = {"recording": {"modality": "betas"}, **lab_sections()}
    return write_configuration(folder, subjects, source, **sections)


def test_check_states_what_a_large_study_takes(release):
    problems, plan = check_config(release)
    assert problems == []
    n_trials = 750 * (40 + 40 + 32 + 30 + 40 + 32 + 40 + 30)
    assert any(f"{n_trials} trials, 50000 units" in line for line in plan.makes)
    responses_mb = 4 * n_trials * 50_000 / 1e6
    assert responses_mb < plan.disk_mb < 5 * responses_mb
    # the fits hold neither all responses nor a copy of them
    assert 900 < plan.memory_mb < 6000
    assert plan.minutes > 60


def test_dry_run_of_a_large_study_lists_every_job(release):
    command = [sys.executable, "-m", "calcarine.pipelines.cli", "run", str(release), "-n"]
    done = subprocess.run(command, cwd=release.parent, capture_output=True, text=True, check=True)
    counts = dict(line.split()[:2] for line in done.stdout.splitlines() if len(line.split()) == 2)
    # six encoders and four decoders of eight subjects
    assert (counts["encode"], counts["decode"], counts["report"]) == ("48", "32", "8")
