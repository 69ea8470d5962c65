"""Sections on encoders that are networks: routing, read-outs, pixels."""

from typing import Annotated, Literal

from pydantic import Field

from calcarine.pipelines.config_base import EncoderSection, Name


class TrainedEncoderSection(EncoderSection):
    """What every network has; the epoch that is kept is chosen on validation trials."""

    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout of what the heads see")
    n_epochs: int = Field(60, ge=1, description="Passes over the training trials")
    batch_size: int = Field(64, ge=2, description="Trials in a batch")
    learning_rate: float = Field(5e-3, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(0.1, ge=0, description="AdamW decay of weight matrices")
    patience: int = Field(20, ge=1, description="Epochs without a better validation loss")


class RoiQueryEncoderSection(TrainedEncoderSection):
    """Cross-attention from a query a region to the tokens of a picture, one linear head a unit."""

    kind: Literal["roi-query"] = "roi-query"
    embeddings: tuple[Name, ...] = Field(
        min_length=1,
        description="Embeddings with `pooling: tokens`, one a layer (a pooled one is one token: "
        "nothing to route); of several, each unit mixes networks by validation r",
    )
    queries: Literal["roi", "parcel", "unit"] = Field(
        "roi", description="What a query belongs to: region and hemisphere, parcel, or unit"
    )
    n_parcels: int = Field(32, ge=1, description="For `queries: parcel`: clusters of responses")
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout of what the heads see")
    learning_rate: float = Field(1e-2, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(1.0, ge=0, description="AdamW decay of weight matrices")
    n_heads: int = Field(4, ge=1, description="Heads of the attention")
    head_dim: int = Field(16, ge=1, description="Length of a head's keys and values")
    ff_dim: int = Field(0, ge=0, description="Width of the layer after the attention; 0: none")
    sharpness: float = Field(20.0, ge=0, description="Of the softmax over networks, times r")

    @property
    def reads(self) -> tuple[Name, ...]:
        """Embeddings, one a network."""
        return self.embeddings


class ReadOutEncoderSection(TrainedEncoderSection):
    """A read-out on the tokens of a frozen network."""

    kind: Literal["read-out"] = "read-out"
    embedding: Name = Field(description="Embedding with `pooling: tokens`")
    read_out: Literal["linear", "factorised", "gaussian", "spatial-transformer"] = Field(
        "factorised",
        description="Weights of all tokens; place times channel; a Gaussian receptive field; or "
        "one that moves with what is shown",
    )

    @property
    def reads(self) -> tuple[Name, ...]:
        """The one embedding."""
        return (self.embedding,)


class ResponseOptimisedEncoderSection(TrainedEncoderSection):
    """A small convolutional network trained on responses alone, from pixels."""

    kind: Literal["response-optimised"] = "response-optimised"
    embedding: Name = Field(description="Embedding of the model pixels:SIZE")
    dropout: float = Field(0.4, ge=0, lt=1, description="Dropout of whole channels")
    n_epochs: int = Field(30, ge=1, description="Passes over the training trials")
    learning_rate: float = Field(2e-2, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(1.0, ge=0, description="AdamW decay of weight matrices")
    patience: int = Field(30, ge=1, description="Epochs without a better validation loss")
    width: int = Field(16, ge=1, description="Channels of the first layer")
    read_out: Literal["linear", "factorised", "gaussian", "spatial-transformer"] = Field(
        "factorised", description="See `read-out`"
    )

    @property
    def reads(self) -> tuple[Name, ...]:
        """The one embedding."""
        return (self.embedding,)


NetworkEncoderSection = Annotated[
    RoiQueryEncoderSection | ReadOutEncoderSection | ResponseOptimisedEncoderSection,
    Field(discriminator="kind"),
]
