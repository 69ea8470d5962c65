"""Decoding while the recording runs: newest samples in, an embedding with its delay out.

The idea of a system that reads images from MEG as they are seen (Benchetrit et al. 2024,
doi:10.48550/arXiv.2310.19812): no step looks into the future.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import signal

from calcarine.data.errors import CalcarineError


@dataclass(frozen=True)
class Decoded:
    """One decision.

    Attributes
    ----------
    embedding
        float32, shape (embed_dim,).
    end_sample
        Number of the newest sample that went in, from 0.
    delay_s
        How old the middle of the decoded window is: half its length, the delay of the causal
        filter, and `computing_s`.
    computing_s
        Wall time from the last sample to the embedding.
    """

    embedding: np.ndarray
    end_sample: int
    delay_s: float
    computing_s: float


class CausalFilter:
    """Band-pass that knows the past only: second-order sections whose state goes on.

    Parameters
    ----------
    n_channels
        Number of channels.
    sampling_rate_hz
        Of the samples.
    l_freq, h_freq
        Edges in Hz; None leaves that side open.
    order
        Of the Butterworth filter.

    Attributes
    ----------
    delay_s
        Group delay in the middle of the pass band, in seconds.
    """

    def __init__(
        self,
        n_channels: int,
        sampling_rate_hz: float,
        l_freq: float | None,
        h_freq: float | None,
        order: int = 2,
    ) -> None:
        edges = [f for f in (l_freq, h_freq) if f is not None]
        nyquist = sampling_rate_hz / 2
        if not edges or min(edges) <= 0 or max(edges) >= nyquist or sorted(edges) != edges:
            raise CalcarineError(
                f"a filter from {l_freq} to {h_freq} Hz was asked for at {sampling_rate_hz:g} Hz; "
                f"expected 0 < l_freq < h_freq < {nyquist:g}, at least one of them."
            )
        kind = "bandpass" if len(edges) == 2 else "highpass" if h_freq is None else "lowpass"
        band = edges if len(edges) == 2 else edges[0]
        self.sections = signal.butter(order, band, kind, fs=sampling_rate_hz, output="sos")
        middle = np.sqrt(edges[0] * edges[-1]) if len(edges) == 2 else edges[0] / 2
        if kind == "highpass":
            middle = min(4 * edges[0], 0.9 * nyquist)
        self.delay_s = self._group_delay(float(middle), sampling_rate_hz)
        self.state = np.zeros((len(self.sections), n_channels, 2))

    def _group_delay(self, frequency_hz: float, sampling_rate_hz: float) -> float:
        near = frequency_hz * np.array([0.99, 1.01])
        _, response = signal.sosfreqz(self.sections, near, fs=sampling_rate_hz)
        phase = np.unwrap(np.angle(response))
        return max(0.0, float(-(phase[1] - phase[0]) / (2 * np.pi * (near[1] - near[0]))))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Filter new samples, shape (n_channels, n_new)."""
        filtered, self.state = signal.sosfilt(self.sections, samples, axis=1, zi=self.state)
        return np.asarray(filtered)


class StreamingDecoder:
    """Keep the newest window and decode it when asked.

    Parameters
    ----------
    predict
        From responses (1, n_channels, n_times), prepared as in training but not scaled, to an
        embedding (1, embed_dim): `SavedDecoder.predict` with its units, for instance.
    n_channels
        Number of channels.
    n_times
        Samples of a window: those that the decoder was trained on.
    sampling_rate_hz
        Of the samples that come in, which must be that of the training responses.
    causal_filter
        Applied to every sample on its way in; without it samples go in as they are.
    baseline
        Number of samples at the start of the window whose mean is subtracted; 0 is off.

    Examples
    --------
    >>> decoder = StreamingDecoder(lambda x: x.mean(axis=2), n_channels=2, n_times=4,
    ...                            sampling_rate_hz=100.0)
    >>> decoder.push(np.ones((2, 3)))
    >>> decoder.is_ready
    False
    >>> decoder.push(np.ones((2, 1)))
    >>> decoder.decode().embedding
    array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        n_channels: int,
        n_times: int,
        sampling_rate_hz: float,
        causal_filter: CausalFilter | None = None,
        baseline: int = 0,
    ) -> None:
        if not 0 <= baseline < n_times:
            raise CalcarineError(
                f"the baseline has {baseline} samples and the window {n_times}; the baseline must "
                "be shorter."
            )
        self.predict = predict
        self.sampling_rate_hz = sampling_rate_hz
        self.causal_filter = causal_filter
        self.baseline = baseline
        self.n_seen = 0
        # every sample stands twice, so that the newest window is always one piece of memory
        self._ring = np.zeros((n_channels, 2 * n_times), dtype=np.float32)
        self._n_times = n_times

    @property
    def is_ready(self) -> bool:
        """Whether a whole window was seen."""
        return self.n_seen >= self._n_times

    def push(self, samples: np.ndarray) -> None:
        """Take new samples.

        Parameters
        ----------
        samples
            Shape (n_channels, n_new), oldest first.

        Raises
        ------
        CalcarineError
            Another number of channels, or a value that is not finite.
        """
        samples = np.asarray(samples)
        if samples.ndim != 2 or len(samples) != len(self._ring):
            raise CalcarineError(
                f"new samples have the shape {samples.shape}; expected ({len(self._ring)}, n_new)."
            )
        if not np.isfinite(samples).all():
            channel = int(np.argwhere(~np.isfinite(samples))[0][0])
            raise CalcarineError(
                f"a new sample of channel {channel} is not finite; it would stay in the filter. "
                "Replace it, for instance by the last good one."
            )
        if self.causal_filter is not None and samples.shape[1]:
            samples = self.causal_filter(samples)
        newest = samples[:, -self._n_times :]
        at = (self.n_seen + samples.shape[1] - newest.shape[1]) % self._n_times
        places = (at + np.arange(newest.shape[1])) % self._n_times
        self._ring[:, places] = newest
        self._ring[:, places + self._n_times] = newest
        self.n_seen += samples.shape[1]

    def window(self) -> np.ndarray:
        """Give the newest window, oldest sample first, float32 (n_channels, n_times)."""
        start = self.n_seen % self._n_times
        window = self._ring[:, start : start + self._n_times]
        if not self.baseline:
            return window
        return window - window[:, : self.baseline].mean(axis=1, keepdims=True)

    def decode(self) -> Decoded:
        """Decode the newest window.

        Raises
        ------
        CalcarineError
            Too few samples were seen.
        """
        if not self.is_ready:
            raise CalcarineError(
                f"{self.n_seen} samples were seen; a decision needs {self._n_times}. Push more, or "
                "ask `is_ready` first."
            )
        began = time.perf_counter()
        embedding = np.asarray(self.predict(self.window()[None]), dtype=np.float32)[0]
        computing_s = time.perf_counter() - began
        filter_s = 0.0 if self.causal_filter is None else self.causal_filter.delay_s
        half_s = (self._n_times - 1) / (2 * self.sampling_rate_hz)
        return Decoded(embedding, self.n_seen - 1, half_s + filter_s + computing_s, computing_s)
