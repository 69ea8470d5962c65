"""What a reconstruction has to beat: controls that know less than the brain should tell."""

import numpy as np

from calcarine.data.errors import CalcarineError

# brains that the decode step has predicted from, by the name of the control
BRAIN_CONTROLS = {"shuffled-brain": "shuffled", "noise-brain": "noise"}
CATEGORY_ONLY = "category-only"
NEAREST_TRAINING_PICTURE = "nearest-training-picture"
CEILING = "ceiling"


def _cosine(a: np.ndarray, b: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Give the cosine of each row of `a` to each row of `b`, both seen from `centre`."""
    x = np.asarray(a, dtype=np.float64) - centre
    y = np.asarray(b, dtype=np.float64) - centre
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    y /= np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-12)
    return x @ y.T


def nearest_training_items(predicted: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Find the training item whose embedding is nearest to each prediction.

    Parameters
    ----------
    predicted
        Predicted embeddings, shape (n_items, embed_dim).
    train
        Embeddings of training stimuli, shape (n_train, embed_dim).

    Returns
    -------
    numpy.ndarray
        Row of `train` with the largest train-centred cosine, shape (n_items,); the first of equals.
    """
    if not len(train):
        raise CalcarineError("there is no training stimulus with a picture to be nearest to.")
    return _cosine(predicted, train, train.mean(axis=0, dtype=np.float64)).argmax(axis=1)


def category_only(
    predicted: np.ndarray, train: np.ndarray, concepts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Replace each prediction by the mean training embedding of the concept it is nearest to.

    The concept is the decoder's own guess, never the item's true one: what is left is a decoder
    that knows nothing but categories.

    Parameters
    ----------
    predicted
        Predicted embeddings, shape (n_items, embed_dim).
    train
        Embeddings of training stimuli, shape (n_train, embed_dim).
    concepts
        Their concepts, shape (n_train,).

    Returns
    -------
    tuple of numpy.ndarray
        Mean embeddings, float32, shape (n_items, embed_dim), and the guessed concepts (n_items,).
    """
    names = np.unique(np.asarray(concepts, dtype=str))
    means = np.stack([train[np.asarray(concepts) == n].mean(axis=0) for n in names])
    guess = _cosine(predicted, means, train.mean(axis=0, dtype=np.float64)).argmax(axis=1)
    return means[guess].astype(np.float32), names[guess]
