"""Pixel metrics of reconstructed pictures, each by the name of its protocol.

A protocol fixes how pictures are brought to one size before they are compared; the same pictures
have other scores under another protocol.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torchvision.transforms.v2.functional import InterpolationMode, resize

from calcarine.data.errors import CalcarineError

Protocol = Literal["phantom", "mindeye", "brain-diffuser"]
# uint8 pictures (height, width, 3), of one size in an array or of any sizes in a list
Pictures = Sequence[np.ndarray] | np.ndarray

# weights of skimage.color.rgb2gray, which the published protocols use
_GREY = np.array([0.2125, 0.7154, 0.0721])
_SIGMA = 1.5
_RADIUS = 5  # of the Gaussian window, and of the border that the mean leaves out


def at_size(
    pictures: Pictures,
    height: int,
    width: int,
    resampling: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """Bring 8-bit pictures to one size.

    Parameters
    ----------
    pictures
        uint8, each of shape (any height, any width, 3). A picture that has the size is kept as
        it is.
    height, width
        Wanted size in pixels.
    resampling
        Pillow's filter; by default the one that Pillow itself takes.

    Returns
    -------
    numpy.ndarray
        uint8, shape (n, height, width, 3).
    """
    out = np.empty((len(pictures), height, width, 3), dtype=np.uint8)
    for row, picture in enumerate(pictures):
        if picture.shape[:2] == (height, width):
            out[row] = picture
        else:
            image = Image.fromarray(np.asarray(picture))
            out[row] = np.asarray(image.resize((width, height), resampling))
    return out


def resize_float(pictures: np.ndarray, size: int) -> np.ndarray:
    """Resize float pictures as torchvision does: bilinear, antialiased where they shrink.

    Parameters
    ----------
    pictures
        float32, shape (n, height, width, 3).
    size
        Height and width in pixels.

    Returns
    -------
    numpy.ndarray
        float32, shape (n, size, size, 3).
    """
    channels_first = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    out = resize(
        channels_first, [size, size], interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    return out.permute(0, 2, 3, 1).numpy()


def _shares(picture: np.ndarray) -> np.ndarray:
    return np.asarray(picture, dtype=np.float32)[None] / np.float32(255)


def mindeye_base(pictures: Pictures) -> np.ndarray:
    """Bring pictures to the 256 × 256 float form from which the `mindeye` protocol starts.

    Parameters
    ----------
    pictures
        uint8, each of shape (height, width, 3).

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], shape (n, 256, 256, 3).
    """
    return np.concatenate([resize_float(_shares(picture), 256) for picture in pictures])


_PIXELS: dict[str, Callable[[Pictures], np.ndarray]] = {
    "phantom": lambda pictures: np.concatenate([_shares(picture) for picture in pictures]),
    "mindeye": lambda pictures: resize_float(mindeye_base(pictures), 425),
    "brain-diffuser": lambda pictures: at_size(pictures, 425, 425).astype(np.float32) / 255,
}


def pixels(pictures: Pictures, protocol: str) -> np.ndarray:
    """Bring pictures to the size at which a protocol compares pixels.

    Parameters
    ----------
    pictures
        uint8, each of shape (height, width, 3).
    protocol
        `phantom`: as they are; `mindeye`: 256, then 425, both in float; `brain-diffuser`: 425
        directly, in 8 bits.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1], shape (n, size, size, 3).

    Raises
    ------
    CalcarineError
        There is no such protocol, or `phantom` got pictures of different sizes.
    """
    if protocol not in _PIXELS:
        raise CalcarineError(f"there is no picture protocol {protocol!r}; choose {list(_PIXELS)}.")
    sizes = {tuple(picture.shape) for picture in pictures}
    if protocol == "phantom" and len(sizes) > 1:
        raise CalcarineError(
            f"the protocol phantom compares pictures of one size; got {sorted(sizes)}."
        )
    return _PIXELS[protocol](pictures)


def is_constant(pictures: Pictures) -> np.ndarray:
    """Tell which pictures show one value everywhere; they have no correlation with anything.

    Returns
    -------
    numpy.ndarray
        bool, shape (n,).
    """
    return np.array([np.ptp(picture) == 0 for picture in pictures], dtype=bool)


def pixel_correlation(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Correlate the pixels of each pair of pictures (PixCorr).

    Parameters
    ----------
    truth, predicted
        float, shape (n, height, width, 3).

    Returns
    -------
    numpy.ndarray
        Pearson correlation over all values of all channels, shape (n,); NaN where a picture is
        constant.

    Examples
    --------
    >>> ramp = np.linspace(0, 1, 48).reshape(1, 4, 4, 3)
    >>> pixel_correlation(ramp, 1 - ramp).round(6).tolist()
    [-1.0]
    """
    a = np.asarray(truth, dtype=np.float64).reshape(len(truth), -1)
    b = np.asarray(predicted, dtype=np.float64).reshape(len(predicted), -1)
    constant = (np.ptp(a, axis=1) == 0) | (np.ptp(b, axis=1) == 0)
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where(constant, np.nan, (a * b).sum(axis=1) / np.where(constant, 1, norm))


def grey(pictures: np.ndarray) -> np.ndarray:
    """Turn RGB into luminance: shape (n, height, width, 3) to (n, height, width), float64."""
    return np.asarray(pictures, dtype=np.float64) @ _GREY


def ssim_2d(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Compute the structural similarity of each pair of pictures.

    Luminance, Gaussian window (σ = 1.5 px, 11 × 11), population covariance, data range 1, mean
    without a border of 5 px: Wang et al. 2004 (doi:10.1109/TIP.2003.819861).

    Parameters
    ----------
    truth, predicted
        float in [0, 1], shape (n, height, width, 3).

    Returns
    -------
    numpy.ndarray
        Shape (n,), at most 1.
    """
    return _ssim(truth, predicted, window_axes=(0, 1))


def ssim_1d_columns(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Compute what published reconstruction code has called SSIM.

    The published calls pass `multichannel=True` with a grey picture, and scikit-image before 0.19
    then took each column for a channel: the mean over columns of a one-dimensional SSIM down the
    rows. Numbers of papers are of this kind, or of the other, depending on the version installed.

    Parameters
    ----------
    truth, predicted
        float in [0, 1], shape (n, height, width, 3).

    Returns
    -------
    numpy.ndarray
        Shape (n,), at most 1.
    """
    return _ssim(truth, predicted, window_axes=(0,))


def _ssim(truth: np.ndarray, predicted: np.ndarray, window_axes: tuple[int, ...]) -> np.ndarray:
    if min(truth.shape[1:3]) <= 2 * _RADIUS:
        raise CalcarineError(
            f"SSIM needs pictures of more than {2 * _RADIUS} × {2 * _RADIUS} px; got "
            f"{truth.shape[1]} × {truth.shape[2]}."
        )
    sigma = [_SIGMA if axis in window_axes else 0.0 for axis in (0, 1)]
    inner = tuple(
        slice(_RADIUS, -_RADIUS) if axis in window_axes else slice(None) for axis in (0, 1)
    )
    pairs = zip(grey(truth), grey(predicted), strict=True)
    return np.array([_ssim_map(x, y, sigma)[inner].mean() for x, y in pairs])


def _ssim_map(x: np.ndarray, y: np.ndarray, sigma: list[float]) -> np.ndarray:
    c1, c2 = 0.01**2, 0.03**2

    def smooth(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, sigma, truncate=3.5)

    mean_x, mean_y = smooth(x), smooth(y)
    var_x = smooth(x * x) - mean_x**2
    var_y = smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


PIXEL_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "pixcorr": pixel_correlation,
    "ssim_2d": ssim_2d,
    "ssim_1d_columns": ssim_1d_columns,
}
