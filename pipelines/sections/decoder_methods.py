"""Methods text of decoders, each kind by itself."""

from collections.abc import Callable

from calcarine.pipelines.config_models import (
    ContrastiveDecoderSection,
    Decoder,
    LdaDecoderSection,
    RidgeDecoderSection,
    SvmDecoderSection,
)
from calcarine.pipelines.config_sensors import (
    DirectionRidgeSection,
    OverTimeSection,
    RiemannDecoderSection,
    SensorContrastiveSection,
    XdawnDecoderSection,
)


def decoder_text(name: str, decoder: Decoder) -> str:
    """Say what a decoder is, what it predicts, and on whom it was fitted."""
    whom = "all subjects together" if decoder.subjects == "all" else "each subject"
    return f"{name}: {DECODERS[decoder.kind](decoder)}, to {decoder.target}, fitted on {whom}"


def over_time_text(name: str, section: OverTimeSection) -> str:
    """Say how a decoder slides over the trial."""
    what = _WINDOWS[section.kind]
    return (
        f"{name}: {what} in windows of {section.window_s:g} s every {section.step_s:g} s, to "
        f"{section.target}"
    )


def _ridge(section: RidgeDecoderSection) -> str:
    return "ridge regression with a penalty for each target dimension [ridge]"


def _direction_ridge(section: DirectionRidgeSection) -> str:
    return _BY_DIRECTION


def _lda(section: LdaDecoderSection) -> str:
    return "linear discriminant analysis with shrinkage [ledoit]"


def _svm(section: SvmDecoderSection) -> str:
    return "a linear support vector machine [svm]"


def _contrastive(section: ContrastiveDecoderSection) -> str:
    return (
        f"a residual network ({section.n_blocks} blocks of width {section.hidden_dim}) with a "
        "linear layer for each subject, trained contrastively [mindeye]: mixed responses "
        "first [mixco], soft targets later [softclip]"
    )


def _sensor_contrastive(section: SensorContrastiveSection) -> str:
    mixed = "mixed responses first [mixco], then " if section.mixco_share > 0 else ""
    contrast = _CONTRASTS[section.contrast]
    held = f", without {', '.join(section.hold_out)}" if section.held_out_subjects else ""
    return (
        f"{_NETWORKS[section.network.kind]} over sensors and time, trained by {mixed}{contrast} "
        f"(weight {section.clip_weight:g}) beside a squared error, stopped on validation "
        f"trials{held}"
    )


def _riemann(section: RiemannDecoderSection) -> str:
    return "covariances of trials in their tangent space, then ridge regression [ridge]"


def _xdawn(section: XdawnDecoderSection) -> str:
    return (
        f"{section.n_filters} xDAWN filters a category, covariances in their tangent space, then "
        "ridge regression [ridge]"
    )


_BY_DIRECTION = (
    "ridge regression with one penalty, that of the largest held-out cosine of predictions and "
    "targets [ridge]"
)
_WINDOWS = {
    "ridge": "ridge regression with a penalty for each target dimension [ridge]",
    "direction-ridge": _BY_DIRECTION,
    "lda": "linear discriminant analysis with shrinkage [ledoit]",
}
_NETWORKS = {
    "brain-module": "spatial attention, a layer for each subject and dilated convolutions",
    "eeg-project": "a linear projection with a residual layer",
    "ts-conv": "convolutions over time, then over channels",
    "channel-transformer": "a transformer over channels, then convolutions",
    "shared-filters": "filters over time in closed form that people share (noise whitened over "
    "time, leading courses that the target explains), then a linear layer for each subject and a "
    "residual layer",
}
_CONTRASTS = {
    "info-nce": "a contrastive loss [clip]",
    "sig-lip": "a pairwise sigmoid loss",
    "soft-clip": "a contrastive loss with soft targets [softclip]",
}

DECODERS: dict[str, Callable[..., str]] = {
    "ridge": _ridge,
    "direction-ridge": _direction_ridge,
    "lda": _lda,
    "svm": _svm,
    "contrastive": _contrastive,
    "sensor-contrastive": _sensor_contrastive,
    "riemann": _riemann,
    "xdawn": _xdawn,
}
"""What methods say of a decoder, by its kind."""
