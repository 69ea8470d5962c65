import gzip

import numpy as np
import pandas as pd
import pytest
from fixtures.reconstruction_tree import N_TEST, N_UNITS, SUBJECT, write_tree
from PIL import Image

from calcarine.data.digests import file_sha
from calcarine.data.errors import CalcarineError
from calcarine.data.reconstructions import read_reconstructions
from calcarine.data.scores import read_scores
from calcarine.decoders.identification import two_way_identification
from calcarine.encoders.embedding_models import load_embedding_model
from calcarine.encoders.factor_probes import read_probes
from calcarine.pipelines import evaluate, reconstruct


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = write_tree(tmp_path_factory.mktemp("evaluate"))
    whole = config.reconstruct["unclip"]
    published = whole.model_copy(
        update={"presets": ("mindeye",), "low_level": None, "n_controls": 2}
    )
    config = config.model_copy(update={"reconstruct": {"unclip": whole, "published": published}})
    reconstruct.run(config, SUBJECT, "published")
    reconstruct.run(config, SUBJECT, "unclip")
    evaluate.run(config, SUBJECT)
    return config


@pytest.fixture(scope="module")
def metrics(config):
    return read_scores(config.layout.metrics(SUBJECT))


def _row(metrics, model, metric, protocol="phantom", split="test"):
    chosen = metrics[
        (metrics["model"] == model)
        & (metrics["metric"] == metric)
        & (metrics["protocol"] == protocol)
        & (metrics["split"] == split)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_the_judge_identifies_as_the_formula_says(config, metrics):
    made = read_reconstructions(config.layout.reconstruction(SUBJECT, "unclip"))
    judge = load_embedding_model(config.embeddings["judge"].model)
    truth, drawn = (
        judge.embed_pictures([Image.fromarray(p) for p in pictures])
        for pictures in (made.targets, made.of("combined"))
    )
    row = _row(metrics, "unclip/combined", "two_way_identification_judge")
    assert row["value"] == pytest.approx(two_way_identification(truth, drawn).mean(), abs=1e-5)
    assert (row["chance"], row["n_items"], row["n_repeats"]) == (0.5, N_TEST - 2, 2)
    assert row["target"] == "judge"
    probe = read_probes(config.out.parent / "judge")["category"]
    agreement = _row(metrics, "unclip/combined", "category_agreement_judge")
    assert agreement["value"] == pytest.approx(np.mean(probe(truth) == probe(drawn)), abs=1e-5)


def test_every_condition_has_every_metric_of_every_protocol(metrics):
    rows = metrics[(metrics["stage"] == "reconstruct") & (metrics["split"] == "test")]
    sizes = rows.groupby("protocol").size().to_dict()
    assert sizes == {"phantom": 14 * 6, "mindeye": 6 * 9}
    assert not rows.duplicated(["model", "metric", "protocol"]).any()
    missing = rows[rows["value"].isna()]
    assert len(missing) == 6 * 6
    assert (missing["note"].str.startswith("not computed: weights of")).all()
    assert (rows.loc[rows["value"].notna(), "note"] == "").all()


def test_pixel_scores_of_presets_differ(metrics):
    own = _row(metrics, "unclip/semantic", "pixcorr", "phantom")["value"]
    assert own != _row(metrics, "published/semantic", "pixcorr", "mindeye")["value"]


def test_the_ceiling_of_a_row_is_that_of_its_path(metrics):
    for path, ceiling in (("low-level", "low-level-ceiling"), ("semantic", "ceiling")):
        row = _row(metrics, f"unclip/{path}", "pixcorr")
        assert row["ceiling"] == _row(metrics, f"unclip/{ceiling}", "pixcorr")["value"]


def test_combinations_that_were_never_trained_have_rows_of_their_own(metrics):
    metric = "two_way_identification_judge"
    row = _row(metrics, "unclip/semantic", metric, split="test-held-out")
    assert row["n_items"] == 2


def test_encoder_rows_and_unit_scores(config, metrics):
    rows = metrics[(metrics["model"] == "encoder-clip") & (metrics["target"] == "responses")]
    row = rows.set_index("metric").loc["r_median"]
    units = pd.read_csv(config.layout.unit_scores(SUBJECT), sep="\t", na_values=["n/a"])
    assert len(units) == N_UNITS
    assert {"i", "roi", "r_clip", "r2_clip", "r_over_ceiling_clip"} <= set(units.columns)
    assert units["r_clip"].median() == pytest.approx(row["value"], abs=1e-5)


def test_decoder_rows_stand_beside_their_controls(metrics):
    rows = metrics[(metrics["stage"] == "decode") & (metrics["split"] == "test")]
    models = {"ridge-clip", "ridge-clip/shuffled-brain", "ridge-clip/noise-brain"}
    assert models <= set(rows["model"])
    row = rows.set_index(["model", "metric", "protocol", "n_repeats"]).loc[
        ("ridge-clip", "brain_to_image_top1_centred", "calcarine", 2)
    ]
    assert (row["target"], row["n_items"]) == ("clip", N_TEST)
    assert row["chance"] == pytest.approx(1 / N_TEST, abs=1e-5)


def test_item_scores_average_to_the_rows(config, metrics):
    items = pd.read_csv(config.layout.item_scores(SUBJECT), sep="\t", na_values=["n/a"])
    chosen = items[
        (items["model"] == "published/semantic")
        & (items["metric"] == "ssim_2d")
        & (items["protocol"] == "mindeye")
    ]
    row = _row(metrics, "published/semantic", "ssim_2d", "mindeye")
    assert chosen["value"].mean() == pytest.approx(row["value"], abs=1e-5)


def test_two_runs_give_the_same_bytes(config):
    layout = config.layout
    files = [f(SUBJECT) for f in (layout.metrics, layout.item_scores, layout.unit_scores)]
    before = [file_sha(f) for f in files]
    again = config.model_copy(update={"reconstruct": {"unclip": config.reconstruct["unclip"]}})
    evaluate.run(again, SUBJECT)
    first = [file_sha(f) for f in files]
    evaluate.run(again, SUBJECT)
    assert [file_sha(f) for f in files] == first
    assert first[2] == before[2]
    packed = layout.item_scores(SUBJECT).read_bytes()
    assert packed[3:8] == bytes(5)  # neither name nor time in the header
    assert gzip.decompress(packed).startswith(b"subject\tstage\tmodel")


def test_a_judge_without_probes_says_so(config):
    folder = config.out.parent / "judge"
    (folder / "probes.safetensors").rename(folder / "away")
    try:
        one = {"unclip": config.reconstruct["unclip"]}
        evaluate.run(config.model_copy(update={"reconstruct": one}), SUBJECT)
    finally:
        (folder / "away").rename(folder / "probes.safetensors")
    rows = read_scores(config.layout.metrics(SUBJECT))
    rows = rows[rows["metric"] == "colour_agreement_judge"]
    assert rows["value"].isna().all()
    assert rows["note"].str.contains("has no probe of colour").all()


def test_a_missing_prediction_names_its_step(config, tmp_path):
    other = config.model_copy(update={"out": tmp_path})
    with pytest.raises(CalcarineError, match="Run the `prepare` step for sub-01 first"):
        evaluate.run(other, SUBJECT)


def test_splits_have_names(config):
    assert evaluate.split_name(config) == "test"
    split = config.split.model_copy(update={"scheme": "leave-one-out", "by": "run"})
    assert evaluate.split_name(config.model_copy(update={"split": split})) == "leave-one-run-out"
