"""From the training keys of a section to the plan of a training."""

from typing import Protocol

from calcarine.encoders.training import TrainingPlan


class Trained(Protocol):
    """A section on something that is trained."""

    @property
    def n_epochs(self) -> int:
        """Passes over the training trials."""

    @property
    def batch_size(self) -> int:
        """Trials in a batch."""

    @property
    def learning_rate(self) -> float:
        """Peak of the one-cycle schedule."""

    @property
    def weight_decay(self) -> float:
        """AdamW decay of weight matrices."""

    @property
    def patience(self) -> int:
        """Epochs without a better validation loss."""


def training_plan(section: Trained, seed: int) -> TrainingPlan:
    """Take the plan of a training from its section."""
    return TrainingPlan(
        section.n_epochs,
        section.batch_size,
        section.learning_rate,
        section.weight_decay,
        section.patience,
        seed,
    )
