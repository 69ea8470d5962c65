"""Sections on decoders of sensors over time: networks, baselines, windows."""

from typing import Annotated, Literal

from pydantic import Field

from calcarine.pipelines.config_base import DecoderSection, Label, Name, Section, Share

# --- networks ---------------------------------------------------------------------------------


class _AnyMontage(Section):
    """What networks have that mix sensors by their positions."""

    n_virtual: int = Field(32, ge=1, description="Virtual channels that sensors are mixed into")
    n_dims: Literal[2, 3] = Field(3, description="Positions in a plane, or in space")
    n_harmonics: int = Field(6, ge=1, description="Fourier features of positions along each axis")
    spatial_dropout: float = Field(
        0.2, ge=0, description="Radius left out of a step, where the montage is 1 wide"
    )
    subject_dropout: Share = Field(
        0.2, description="Share of training trials that teach the layer for people never seen"
    )


class BrainModuleSection(_AnyMontage):
    """Spatial attention, a layer a subject, dilated convolutions, time summed up."""

    kind: Literal["brain-module"] = "brain-module"
    hidden_dim: int = Field(64, ge=2, description="Width of the convolutions")
    n_blocks: int = Field(2, ge=1, description="Blocks of two dilated convolutions and a gate")
    kernel_size: int = Field(3, ge=1, description="Samples of a kernel")
    dropout: Share = Field(0.3, description="Dropout before the heads")
    aggregation: Literal["mean", "linear", "attention"] = Field(
        "linear", description="How time is summed up"
    )


class EegProjectSection(Section):
    """Linear map of all samples, then a residual layer; one montage."""

    kind: Literal["eeg-project"] = "eeg-project"
    hidden_dim: int = Field(128, ge=2, description="Width of the features")
    dropout: Share = Field(0.5, description="Dropout of the residual layer")
    input_dropout: Share = Field(0.8, description="Samples left out of a step")


class _TemporalSpatial(Section):
    """Filters over time and channels."""

    n_filters: int = Field(40, ge=1, description="Filters over time, and over channels")
    hidden_dim: int = Field(128, ge=2, description="Width of the features")
    kernel_s: float = Field(0.1, gt=0, description="Length of the filters over time in seconds")
    pool_s: float = Field(0.2, gt=0, description="Length of the averaging in seconds")
    stride_s: float = Field(0.02, gt=0, description="Step of the averaging in seconds")


class TsConvSection(_TemporalSpatial):
    """Convolution over time, then over channels (NICE type); one montage."""

    kind: Literal["ts-conv"] = "ts-conv"
    dropout: Share = Field(0.5, description="Dropout")


class ChannelTransformerSection(_AnyMontage, _TemporalSpatial):
    """Transformer over channels, then convolutions (ATM type)."""

    kind: Literal["channel-transformer"] = "channel-transformer"
    n_layers: int = Field(1, ge=1, description="Layers of the transformer")
    n_heads: int = Field(4, ge=1, description="Heads of its attention")
    feedforward_dim: int = Field(256, ge=2, description="Width of its feed-forward layer")
    dropout: Share = Field(0.25, description="Dropout")


class SharedFiltersSection(Section):
    """Filters over time in closed form that people share, a linear layer each, a residual layer."""

    kind: Literal["shared-filters"] = "shared-filters"
    n_filters: int = Field(4, ge=1, description="Filters over time")
    noise_floor: float = Field(
        0.1, gt=0, description="White noise added before whitening, as a share of the variance"
    )
    n_target_axes: int = Field(
        32, ge=1, description="Principal axes of the target that the filters are fitted to"
    )
    hidden_dim: int = Field(128, ge=2, description="Width of the features")
    input_dropout: Share = Field(0.5, description="Filtered values left out of a step")
    dropout: Share = Field(0.5, description="Dropout of the residual layer")


Network = Annotated[
    BrainModuleSection
    | EegProjectSection
    | TsConvSection
    | ChannelTransformerSection
    | SharedFiltersSection,
    Field(discriminator="kind"),
]

# --- decoders ---------------------------------------------------------------------------------


class SensorContrastiveSection(DecoderSection):
    """A network over sensors and time, trained contrastively beside a regression."""

    kind: Literal["sensor-contrastive"] = "sensor-contrastive"
    network: Network = EegProjectSection()
    hold_out: tuple[Label, ...] = Field(
        (), description="Subjects that a decoder of `all` is tested on, but never trained on"
    )
    contrast: Literal["info-nce", "sig-lip", "soft-clip"] = Field(
        "info-nce", description="Contrastive loss"
    )
    clip_weight: float = Field(
        0.75, ge=0, le=1, description="λ of the contrastive loss; the regression has 1 − λ"
    )
    mixco_share: float = Field(0.0, ge=0, le=1, description="First share of epochs with MixCo")
    n_epochs: int = Field(30, ge=1, description="Passes over the training trials")
    batch_size: int = Field(128, ge=4, description="Trials in a batch: all are negatives")
    learning_rate: float = Field(3e-3, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(1.0, ge=0, description="AdamW decay of weight matrices")
    patience: int = Field(15, ge=1, description="Epochs without a better validation loss")

    @property
    def held_out_subjects(self) -> tuple[Label, ...]:
        """Subjects that are tested and never trained on."""
        return self.hold_out if self.subjects == "all" else ()


class DirectionRidgeSection(DecoderSection):
    """Ridge with one α, chosen by the direction of held-out predictions."""

    kind: Literal["direction-ridge"] = "direction-ridge"
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")


class RiemannDecoderSection(DecoderSection):
    """Tangent space of trial covariances, then ridge (needs pyriemann)."""

    kind: Literal["riemann"] = "riemann"
    covariance: Literal["erp", "spatial"] = Field(
        "erp", description="Of channels beside the mean response, or of channels alone"
    )
    n_components: int = Field(16, ge=2, description="Principal components that channels become")
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")


class XdawnDecoderSection(DecoderSection):
    """xDAWN filters of each category, tangent space, ridge; the target is `concept-codes`."""

    kind: Literal["xdawn"] = "xdawn"
    n_filters: int = Field(4, ge=1, description="Filters a category")
    n_components: int = Field(16, ge=2, description="Principal components that channels become")
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")


SensorDecoder = (
    SensorContrastiveSection | DirectionRidgeSection | RiemannDecoderSection | XdawnDecoderSection
)

# --- over time --------------------------------------------------------------------------------


class OverTimeSection(Section):
    """A linear decoder in windows that slide over the trial."""

    target: Name = Field(description="Embedding to predict")
    kind: Literal["ridge", "direction-ridge", "lda"] = Field(
        "ridge", description="Decoder in each window"
    )
    window_s: float = Field(0.05, gt=0, description="Length of a window in seconds")
    step_s: float = Field(0.025, gt=0, description="Time between windows in seconds")
    generalisation_step_s: float | None = Field(
        0.05, gt=0, description="Time between windows that are trained and tested crosswise"
    )
    standardize: Literal["session", "all"] = Field(
        "session", description="z-score responses within session or over all training trials"
    )
    n_folds: int | None = Field(5, ge=2, description="Folds of the α search; null: one group out")
