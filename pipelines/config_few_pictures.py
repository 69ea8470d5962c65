"""Section on encoders of a person of whom little was recorded."""

from typing import Annotated

from pydantic import Field

from calcarine.pipelines.config_base import Label, Name, Section

Count = Annotated[int, Field(ge=4)]


class InContextSection(Section):
    """The transformer that writes a voxel's weights, and its training on other people."""

    width: int = Field(32, ge=4, description="Length of a token; a multiple of `n_heads`")
    n_blocks: int = Field(2, ge=1, description="Blocks")
    n_heads: int = Field(4, ge=1, description="Heads of each block's attention")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the blocks")
    n_epochs: int = Field(6, ge=1, description="Passes over the voxels of the other people")
    batch_size: int = Field(32, ge=2, description="Voxels in a batch, which see the same pictures")
    learning_rate: float = Field(3e-3, gt=0, description="Peak of the one-cycle schedule")
    weight_decay: float = Field(0.1, ge=0, description="AdamW decay of weight matrices")
    patience: int = Field(6, ge=1, description="Epochs without a better validation loss")


class FewPicturesSection(Section):
    """How well a subject is encoded from few pictures, given the recordings of others."""

    embedding: Name = Field(description="Embedding to encode from")
    learn_from: tuple[Label, ...] | None = Field(
        None, description="Whose voxels teach; by default those of all other subjects"
    )
    counts: tuple[Count, ...] = Field(
        (10, 25, 50, 100, 300), min_length=1, description="Numbers of training pictures"
    )
    n_kinds: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 4, 8, 16), min_length=1, description="Numbers of kinds of voxels to choose from"
    )
    regions: bool = Field(
        True, description="Tell the region of each unit, where the units table has one"
    )
    n_draws: int = Field(6, ge=1, description="Times that so many pictures are drawn")
    in_context: InContextSection = InContextSection()

    def teachers(self, subject: str, subjects: tuple[str, ...]) -> tuple[str, ...]:
        """Name those whose voxels teach the encoder of `subject`, never the subject."""
        return tuple(s for s in self.learn_from or subjects if s != subject)
