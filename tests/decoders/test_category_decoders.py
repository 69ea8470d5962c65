import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import SVC

from calcarine.data.errors import CalcarineError
from calcarine.decoders.decoding_trials import DecodingTrials
from calcarine.decoders.lda import LdaDecoder
from calcarine.decoders.svm import SvmDecoder

N_UNITS, N_CONCEPTS = 14, 5


def trials_of(rng, concepts, noise=1.5):
    """Give trials of some concepts (columns of the codes), each with a pattern of its own."""
    labels = np.repeat(concepts, 12)
    patterns = np.random.default_rng(0).standard_normal((N_CONCEPTS, N_UNITS))
    responses = patterns[labels] + noise * rng.standard_normal((len(labels), N_UNITS))
    return labels, DecodingTrials(
        responses.astype(np.float32),
        np.eye(N_CONCEPTS, dtype=np.float32)[labels],
        labels.astype(str),
        np.tile(np.arange(12), len(concepts)).astype(str),
        np.zeros(len(labels), dtype=bool),
    )


def reference(kind, trials, labels):
    x = trials.responses.astype(np.float64)
    if kind == "lda":
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, labels)
    c = 1 / np.mean((x**2).sum(axis=1))
    return SVC(kernel="linear", C=c, break_ties=True).fit(x, labels)


DECODERS = {"lda": LdaDecoder, "svm": SvmDecoder}


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("concepts", [[0, 1, 2, 3, 4], [1, 3], [0, 2, 4]])
def test_choices_equal_scikit_learn(rng, kind, concepts):
    labels, trials = trials_of(rng, concepts)
    new = rng.standard_normal((200, N_UNITS)).astype(np.float32)
    predicted = DECODERS[kind]().fit({"01": trials}).predict(new)
    assert predicted.shape == (200, N_CONCEPTS)
    np.testing.assert_array_equal(
        predicted.argmax(axis=1), reference(kind, trials, labels).predict(new.astype(np.float64))
    )


@pytest.mark.parametrize("concepts", [[0, 1, 2, 3, 4], [1, 3]])
def test_lda_probabilities_equal_scikit_learn(rng, concepts):
    labels, trials = trials_of(rng, concepts)
    new = rng.standard_normal((20, N_UNITS)).astype(np.float32)
    predicted = LdaDecoder().fit({"01": trials}).predict(new)
    expected = reference("lda", trials, labels).predict_proba(new.astype(np.float64))
    np.testing.assert_allclose(predicted[:, concepts], expected, atol=1e-5)
    assert np.all(np.delete(predicted, concepts, axis=1) == 0)


def test_svm_scores_equal_scikit_learn(rng):
    labels, trials = trials_of(rng, [0, 1, 3, 4])
    new = rng.standard_normal((50, N_UNITS)).astype(np.float32)
    predicted = SvmDecoder().fit({"01": trials}).predict(new)
    expected = reference("svm", trials, labels).decision_function(new.astype(np.float64))
    np.testing.assert_allclose(predicted[:, [0, 1, 3, 4]], expected, atol=1e-5)
    assert np.all(predicted[:, 2] == -1)


@pytest.mark.parametrize("kind", DECODERS)
def test_more_units_than_trials(rng, kind):
    labels = np.repeat([0, 1, 2], 6)
    pattern = rng.standard_normal((3, 60))
    make = lambda: (pattern[labels] + rng.standard_normal((18, 60))).astype(np.float32)  # noqa: E731
    trials = DecodingTrials(
        make(), np.eye(3)[labels], labels.astype(str), labels.astype(str), np.zeros(18, bool)
    )
    decoder = DECODERS[kind]().fit({"01": trials})
    assert (decoder.predict(make()).argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.parametrize("kind", DECODERS)
def test_one_item_alone_equals_one_in_a_batch(rng, kind):
    _, trials = trials_of(rng, [0, 1, 2])
    decoder = DECODERS[kind]().fit({"01": trials})
    new = rng.standard_normal((9, N_UNITS)).astype(np.float32)
    np.testing.assert_allclose(decoder.predict(new)[4:5], decoder.predict(new[4:5]), rtol=1e-6)


@pytest.mark.parametrize("kind", DECODERS)
def test_what_is_stored_predicts_the_same(rng, kind):
    _, trials = trials_of(rng, [0, 2, 3])
    decoder = DECODERS[kind]().fit({"01": trials})
    again = DECODERS[kind].from_model(*decoder.to_model())
    new = rng.standard_normal((9, N_UNITS)).astype(np.float32)
    np.testing.assert_array_equal(decoder.predict(new), again.predict(new))


@pytest.mark.parametrize("kind", DECODERS)
def test_errors_say_what_to_do(rng, kind):
    _, trials = trials_of(rng, [0, 1])
    decoder = DECODERS[kind]()
    with pytest.raises(CalcarineError, match="one subject, and 2 came"):
        decoder.fit({"01": trials, "02": trials})
    soft = DecodingTrials(
        trials.responses, trials.targets * 0.5, trials.stimuli, trials.groups, trials.is_validation
    )
    with pytest.raises(CalcarineError, match=r"concept-codes.*not one-hot"):
        decoder.fit({"01": soft})
    _, one = trials_of(rng, [2])
    with pytest.raises(CalcarineError, match="training trials show 1"):
        decoder.fit({"01": one})
    decoder.fit({"01": trials})
    with pytest.raises(CalcarineError, match="fitted on 14 units"):
        decoder.predict(np.zeros((3, 13), dtype=np.float32))
