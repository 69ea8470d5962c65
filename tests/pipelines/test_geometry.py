"""Geometry through the steps: a small release in the form of kriegeskorte92, and an fMRI tree."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fixtures.report_tree import build_tree, phantom_config
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

from calcarine.data.dissimilarities import read_dissimilarities
from calcarine.data.errors import CalcarineError
from calcarine.data.kriegeskorte92 import convert_kriegeskorte92
from calcarine.data.layout import Layout
from calcarine.data.recorded_dissimilarities import recorded_dissimilarities
from calcarine.data.responses import Responses, read_responses, write_responses
from calcarine.data.scores import read_scores
from calcarine.encoders.geometry.ceilings import geometry_ceilings
from calcarine.encoders.geometry.dissimilarity import correlation_distance
from calcarine.pipelines import geometry
from calcarine.pipelines.config import Config, parse_config
from calcarine.pipelines.evaluate_geometry import geometry_results
from calcarine.pipelines.evaluate_group import adjusted
from calcarine.pipelines.steps import run_step

N_STIMULI = 12
SUBJECTS = ("AA", "BB", "CC")


def write_release(folder: Path) -> dict[str, np.ndarray]:
    """Write a release whose monkey, people and judgements see the same four categories."""
    rng = np.random.default_rng(4)
    category = np.repeat(["face", "body", "tool", "place"], 3)
    truth = (category[:, None] == np.unique(category)[None]) * 1.5 + 0.3 * rng.normal(
        size=(N_STIMULI, 4)
    )
    truth = np.concatenate([truth, 0.2 * rng.normal(size=(N_STIMULI, 16))], axis=1)

    def noisy(*shape: int) -> np.ndarray:
        found = [
            correlation_distance(truth + 0.3 * rng.normal(size=truth.shape))
            for _ in range(int(np.prod(shape)))
        ]
        return np.array(found, dtype=np.float32).reshape(*shape, -1)

    flags = {name: rng.integers(0, 2, N_STIMULI) > 0 for name in ("human", "face", "animal")}
    release = {
        "images": rng.integers(0, 256, (N_STIMULI, 16, 16, 3)).astype(np.uint8),
        "category": category,
        **flags,
        "natural": flags["animal"],
        "hIT_rdm_subject_session_upper": noisy(3, 2),
        "hIT_rdm_names": np.array(
            [[f"hIT | {s} | Session: {i}" for i in (1, 2)] for s in SUBJECTS]
        ),
        "monkeyIT_upper": noisy(1)[0],
        "behaviour_upper": noisy(5),
        "model_names": np.array(
            ["animacy", "FaceBodyManmadeNatobj", "EVA", "HMAX", "V1", "Silhouette", "RADON"]
        ),
        "model_upper": rng.random((7, 66)).astype(np.float32),
    }
    folder.mkdir()
    np.savez(folder / "kriegeskorte92.npz", **release)
    return release


@dataclass(frozen=True)
class Done:
    config: Config
    release: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Done:
    """Run the whole workflow on the small release."""
    root = tmp_path_factory.mktemp("geometry")
    release = write_release(root / "release")
    raw = {
        "name": "small",
        "out": str(root / "out"),
        "subjects": list(SUBJECTS),
        "source": {"kind": "kriegeskorte92", "path": str(root / "release")},
        "recording": {"modality": "dissimilarities"},
        "split": {"scheme": "none"},
        "embeddings": {"category": {"model": "concept-codes", "input": "concepts"}},
        "geometry": {
            "it": {
                "distance": "recorded",
                "embeddings": ["category"],
                "references": ["monkey-it", "radon"],
                "reference_targets": ["behaviour"],
            }
        },
        "evaluate": {"n_bootstrap": 100},
    }
    config = parse_config(raw, "small")
    run_step("source", config)
    run_step("embed", config, name="category")
    for subject in SUBJECTS:
        run_step("source", config, subject=subject)
        run_step("prepare", config, subject=subject)
        run_step("geometry", config, subject=subject, name="it")
    for subject in SUBJECTS:
        run_step("evaluate", config, subject=subject)
        run_step("report", config, subject=subject)
    run_step("evaluate-group", config)
    run_step("index", config)
    return Done(config, release)


def value(rows, model, metric="rsa_spearman", target="it"):
    chosen = rows[(rows.model == model) & (rows.metric == metric) & (rows.target == target)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_trials_and_responses_hold_every_session_of_the_release(done):
    responses = read_responses(done.config.layout, "BB")
    assert len(responses.trials) == 2 * N_STIMULI
    sessions, stimuli = recorded_dissimilarities(responses)
    np.testing.assert_array_equal(sessions, done.release["hIT_rdm_subject_session_upper"][1])
    assert stimuli[0] == "picture01"
    assert (done.config.bids / "stimuli" / "pictures" / "picture12.png").is_file()


def test_a_subject_is_scored_by_the_mean_of_its_sessions(done):
    rows = read_scores(done.config.layout.metrics("AA"))
    own = done.release["hIT_rdm_subject_session_upper"].astype(float).mean(axis=1)
    assert value(rows, "monkey-it").value == pytest.approx(
        spearmanr(own[0], done.release["monkeyIT_upper"])[0], abs=1e-5
    )
    assert value(rows, "category").ci_low > 0
    assert abs(value(rows, "radon").value) < 0.35
    assert abs(value(rows, "category/shuffled-stimuli").value) < 0.05
    bounds = geometry_ceilings(own)
    assert value(rows, "noise-ceiling/lower").value == pytest.approx(bounds.lower[0], abs=1e-5)
    assert value(rows, "category").ceiling == pytest.approx(bounds.upper[0], abs=1e-5)
    assert set(rows["protocol"]) == {"rsa-recorded"}


def test_the_group_has_means_over_subjects_and_the_correlation_with_the_mean(done):
    rows = read_scores(done.config.layout.group_metrics)
    each = [value(read_scores(done.config.layout.metrics(s)), "monkey-it").value for s in SUBJECTS]
    assert value(rows, "monkey-it").value == pytest.approx(np.mean(each), abs=1e-5)
    mean = done.release["hIT_rdm_subject_session_upper"].astype(float).mean(axis=(0, 1))
    assert value(rows, "monkey-it", "rsa_pearson_of_mean_rdm").value == pytest.approx(
        np.corrcoef(mean, done.release["monkeyIT_upper"])[0, 1], abs=1e-5
    )
    assert value(rows, "monkey-it", "rsa_spearman_q_permutation").value < 0.05
    assert value(rows, "radon", "rsa_spearman_q_permutation").value > 0.05
    judged = done.release["behaviour_upper"].astype(float)
    assert value(rows, "noise-ceiling/upper", target="behaviour").value == pytest.approx(
        geometry_ceilings(judged).upper.mean(), abs=1e-5
    )
    assert value(rows, "monkey-it", "rsa_spearman_of_mean_rdm", "behaviour").value > 0.3


def test_page_and_index_show_the_geometry(done):
    page = done.config.layout.page("AA").read_text()
    assert "Representational geometry" in page
    assert "dissimilarities a stimulus" in page
    assert "Nothing was fitted" in page
    figures = {f.name for f in done.config.layout.figures("AA").iterdir()}
    assert {"rdm_it.png", "geometry_it.png"} <= figures
    index = done.config.layout.index.read_text()
    assert "Over all subjects" in index
    assert "behaviour" in index


def test_adjusted_probabilities_are_those_of_scipy():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(1).random(20) ** 3
    np.testing.assert_allclose(adjusted(p), false_discovery_control(p))


@pytest.fixture(scope="module")
def fmri(tmp_path_factory) -> Config:
    """Plant the first embedding's geometry into the region FFA of two subjects."""
    section = {"embeddings": ["clip", "category"], "regions": ["FFA", "V1"], "min_units": 5}
    config = phantom_config(
        tmp_path_factory.mktemp("fmri") / "out",
        geometry={"regions": section},
        evaluate={"n_bootstrap": 100},
    )
    for subject in config.subjects:
        build_tree(config, subject)  # each writes the embeddings anew
    for subject in config.subjects:
        plant(config.layout, subject)
        geometry.run(config, subject, "regions")
    return config


def plant(layout: Layout, subject: str) -> None:
    from calcarine.data.embeddings import read_embeddings

    rng = np.random.default_rng(int(subject))
    old = read_responses(layout, subject)
    embeddings = read_embeddings(layout.embedding("clip"))
    values = rng.normal(size=old.values.shape)
    units = np.flatnonzero(old.units["roi"] == "FFA")
    rows = embeddings.flat[embeddings.rows(old.trials["stimulus_id"])]
    weights = rng.normal(size=(rows.shape[1], len(units)))
    signal = (rows - rows.mean(axis=0)) @ weights
    values[:, units] += 2 * signal / signal.std()
    new = Responses(values.astype(np.float32), old.trials, old.units, old.sidecar)
    write_responses(layout, subject, new)


def test_the_planted_region_matches_and_the_other_does_not(fmri):
    rows = {(r.target, r.model): r for r in geometry_results(fmri, "01", "regions")[::-1]}
    planted = rows["regions/FFA", "clip"]
    assert planted.ci_low > 0.1
    assert planted.metric == "rsa_spearman"
    assert planted.protocol == "rsa-crossnobis"
    assert planted.n_items == 24
    assert planted.value <= planted.ceiling + 0.1
    other = rows["regions/V1", "clip"]
    assert other.ci_low < 0.1
    assert rows["regions/FFA", "noise-ceiling/lower"].value > 0.2


def test_subjects_share_the_order_of_stimuli(fmri):
    first, second = (
        read_dissimilarities(fmri.layout.geometry(s, "regions")).stimuli for s in fmri.subjects
    )
    assert first.equals(second)


def test_only_repeated_stimuli_have_a_geometry(fmri):
    found = read_dissimilarities(fmri.layout.geometry("01", "regions"))
    trials = read_responses(fmri.layout, "01").trials
    runs = trials.groupby("stimulus_id")["run"].nunique()
    assert found.stimuli["stimulus_id"].tolist() == sorted(runs.index[runs >= 2])


def test_wrong_requests_are_refused(fmri, tmp_path):
    with pytest.raises(CalcarineError, match="no geometry 'none'"):
        geometry.run(fmri, "01", "none")
    with pytest.raises(CalcarineError, match="cannot be read"):
        convert_kriegeskorte92(tmp_path, tmp_path / "bids")
    for changes, message in (
        ({"regions": ["FFX"]}, "geometry.regions names"),
        ({"distance": "recorded", "regions": None}, "no recorded dissimilarities"),
        ({"min_units": 100_000}, "no region has 100000 units"),
    ):
        section = {**fmri.geometry["regions"].model_dump(), **changes}
        changed = phantom_config(fmri.layout.out, geometry={"regions": section})
        with pytest.raises(CalcarineError, match=message):
            geometry.run(changed, "01", "regions")


def test_stimuli_without_an_embedding_are_left_out_of_its_rdm(rng):
    rows = rng.normal(size=(5, 4))
    rows[2] = np.nan
    square = squareform(geometry.embedding_rdm(rows, "correlation"))
    assert np.isnan(square[2, [0, 1, 3, 4]]).all()
    kept = [0, 1, 3, 4]
    np.testing.assert_allclose(
        square[np.ix_(kept, kept)], squareform(correlation_distance(rows[kept]))
    )


def test_nothing_to_split_belongs_to_dissimilarities_alone(fmri):
    with pytest.raises(CalcarineError, match="belongs to recordings of dissimilarities"):
        phantom_config(
            fmri.layout.out, split={"scheme": "none"}, encode={}, decode={}, reconstruct={}
        )
