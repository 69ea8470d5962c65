"""Real data: reproduction of published figures through the ordinary reader."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import SVC

from calcarine.data.block_averages import BlockModel
from calcarine.data.errors import CalcarineError
from calcarine.data.fmri import prepare_fmri
from calcarine.data.fmri_trials import FmriReading, read_fmri_trials
from calcarine.data.haxby2001 import CATEGORIES, convert_haxby2001
from calcarine.data.splits import folds, leave_one_out
from calcarine.data.stimuli import read_stimuli
from calcarine.pipelines.config import load_config


@pytest.fixture(scope="module")
def converted(shared_data, tmp_path_factory):
    destination = tmp_path_factory.mktemp("haxby") / "haxby2001"
    source = shared_data("haxby2001-slice")
    convert_haxby2001(source, shared_data("stimulus-images"), destination)
    return source, destination


def responses_of(bids, model, tmp_path=None):
    stimuli = bids / "stimuli" / "stimuli.tsv"
    if tmp_path is not None:
        stimuli = tmp_path / "stimuli.tsv"
        rows = [f"{name}\tn/a\t{name}\t[]\n" for name in (*CATEGORIES, "rest")]
        stimuli.write_text("stimulus_id\tfile\tconcept\tcaptions\n" + "".join(rows))
    reading = FmriReading(bids, "01", "objectviewing", stimuli, model, stimulus_column="trial_type")
    runs, trials = read_fmri_trials(reading)
    return prepare_fmri(reading, runs, leave_one_out(trials, "run"))


def test_conversion_keeps_every_value(converted):
    source, bids = converted
    whole = nibabel.load(source / "bold.nii.gz").get_fdata()
    runs = sorted((bids / "sub-01" / "func").glob("*_bold.nii.gz"))
    assert len(runs) == 12
    joined = np.concatenate([nibabel.load(p).get_fdata() for p in runs], axis=3)
    np.testing.assert_array_equal(joined, whole)


def test_pictures_of_faces_and_houses_are_there(converted):
    _, bids = converted
    stimuli = read_stimuli(bids / "stimuli" / "stimuli.tsv").set_index("stimulus_id")
    assert list(stimuli.index) == sorted(CATEGORIES)
    assert (stimuli["file"] == "n/a").sum() == 6
    for name in ("face", "house"):
        assert len(list((bids / "stimuli" / stimuli.loc[name, "file"]).iterdir())) == 48


def test_volumes_have_the_labels_of_the_release(converted, tmp_path):
    source, bids = converted
    model = BlockModel(average=False, include_rest=True)
    responses, quality = responses_of(bids, model, tmp_path)
    lines = (source / "attributes_literal.txt").read_text().splitlines()
    expected = [line.split()[0] for line in lines if line.split()]
    expected = [label for label in expected if label in (*CATEGORIES, "rest")]
    assert responses.trials["concept"].tolist() == expected
    assert quality["n_units"] == 530


def test_block_means_reach_the_published_accuracy(converted):
    _, bids = converted
    responses, _ = responses_of(bids, BlockModel())
    labels = responses.trials["concept"].to_numpy()
    correct = []
    for fold in folds(responses.trials):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(responses.values[fold.fit], labels[fold.fit])
        correct += list(model.predict(responses.values[fold.test]) == labels[fold.test])
    assert len(correct) == 96
    assert np.mean(correct) == pytest.approx(0.865, abs=0.02)


def test_volumes_reach_the_documented_error(converted, tmp_path):
    """PyMVPA's example: nine classes, linear SVM, detrended, z-scored to rest in each run."""
    _, bids = converted
    model = BlockModel(average=False, include_rest=True)
    responses, _ = responses_of(bids, model, tmp_path)
    gram = responses.values @ responses.values.T
    labels = responses.trials["concept"].to_numpy()
    wrong = []
    for fold in folds(responses.trials):
        train = gram[np.ix_(fold.fit, fold.fit)]
        svm = SVC(kernel="precomputed", C=1 / np.diag(train).mean()).fit(train, labels[fold.fit])
        wrong += list(svm.predict(gram[np.ix_(fold.test, fold.fit)]) != labels[fold.test])
    assert len(wrong) == 1452
    assert np.mean(wrong) == pytest.approx(0.273, abs=0.01)


def test_the_configuration_fits_the_converted_data(converted):
    _, bids = converted
    path = Path(__file__).resolve().parents[2] / "snakemake" / "config" / "haxby2001.yaml"
    config = load_config(path)
    assert config.split.scheme == "leave-one-out"
    assert config.split.disjoint == ("run",)
    assert "cannot carry a claim" in config.claim_limit
    assert config.recording.task == "objectviewing"
    description = json.loads((bids / "dataset_description.json").read_text())
    assert description["DatasetType"] == "raw"


def test_a_wrong_folder_is_named(tmp_path):
    with pytest.raises(CalcarineError, match=r"has no folder task001_run001.* `source\.path`"):
        convert_haxby2001(tmp_path, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_pictures_leave_nothing_behind(shared_data, tmp_path):
    with pytest.raises(CalcarineError, match=r"Correct `source\.pictures`"):
        convert_haxby2001(shared_data("haxby2001-slice"), tmp_path / "none", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
