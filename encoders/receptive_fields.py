"""Population receptive fields: where in a picture a unit looks, from its responses to pictures."""

import numpy as np
import pandas as pd

_LUMINANCE = (0.299, 0.587, 0.114)
_N_PLACES = 19
_MARGIN = 0.05
_SIZES = (0.05, 0.1, 0.15)


def contrast_energy(pictures: np.ndarray) -> np.ndarray:
    """Measure local contrast: the length of the gradient of luminance.

    Parameters
    ----------
    pictures
        uint8, shape (n_pictures, height, width, 3).

    Returns
    -------
    numpy.ndarray
        float64, shape (n_pictures, height, width).
    """
    light = pictures @ (np.array(_LUMINANCE) / 255)
    down, across = np.gradient(light, axis=(1, 2))
    return np.hypot(down, across)


def candidate_fields() -> pd.DataFrame:
    """List the receptive fields that are tried: `rf_x rf_y rf_sd`, fractions of the picture."""
    places = np.linspace(_MARGIN, 1 - _MARGIN, _N_PLACES)
    sd, y, x = (g.ravel() for g in np.meshgrid(_SIZES, places, places, indexing="ij"))
    return pd.DataFrame({"rf_x": x, "rf_y": y, "rf_sd": sd})


def field_drive(pictures: np.ndarray, fields: pd.DataFrame) -> np.ndarray:
    """Average the contrast of pictures under Gaussian windows.

    Parameters
    ----------
    pictures
        uint8, shape (n_pictures, height, width, 3).
    fields
        Columns `rf_x rf_y rf_sd`, fractions of the picture from the upper left.

    Returns
    -------
    numpy.ndarray
        float64, shape (n_pictures, n_fields).
    """
    contrast = contrast_energy(pictures)
    windows = [
        np.exp(-((place[None] - fields[axis].to_numpy()[:, None]) ** 2) / (2 * variance))
        for axis, place, variance in (
            ("rf_y", _centres(contrast.shape[1]), fields["rf_sd"].to_numpy()[:, None] ** 2),
            ("rf_x", _centres(contrast.shape[2]), fields["rf_sd"].to_numpy()[:, None] ** 2),
        )
    ]
    down, across = (w / w.sum(axis=1, keepdims=True) for w in windows)
    flat = np.einsum("fy,fx->fyx", down, across).reshape(len(fields), -1)
    return contrast.reshape(len(contrast), -1) @ flat.T


def _centres(n_pixels: int) -> np.ndarray:
    return (np.arange(n_pixels) + 0.5) / n_pixels


def fit_receptive_fields(responses: np.ndarray, pictures: np.ndarray) -> pd.DataFrame:
    """Find the Gaussian window whose contrast goes along best with each unit's responses.

    Dumoulin & Wandell 2008 (doi:10.1016/j.neuroimage.2007.09.034), for pictures instead of moving
    bars, over a fixed grid of places and sizes.

    Parameters
    ----------
    responses
        Training responses, shape (n_trials, n_units).
    pictures
        What was shown in each trial, uint8, shape (n_trials, height, width, 3).

    Returns
    -------
    pandas.DataFrame
        One row a unit: `rf_x rf_y rf_sd` (fractions of the picture) and `r`, the correlation on
        the same trials (it was maximised on them: no score).
    """
    fields = candidate_fields()
    drive = _standardised(field_drive(pictures, fields))
    r = drive.T @ _standardised(np.asarray(responses, dtype=np.float64)) / len(responses)
    best = r.argmax(axis=0)
    return fields.iloc[best].reset_index(drop=True).assign(r=r[best, np.arange(r.shape[1])])


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    std = centred.std(axis=0)
    return centred / np.where(std > 0, std, 1.0)
