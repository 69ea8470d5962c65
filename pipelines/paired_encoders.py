"""Predictions of several encoders for the same items, to compare them one by one."""

from collections.abc import Iterable

from calcarine.data.errors import CalcarineError
from calcarine.data.predictions import Predictions, read_predictions
from calcarine.pipelines.config import Config


def read_paired(
    config: Config, subject: str, names: Iterable[str], section: str
) -> dict[str, Predictions]:
    """Read what encoders predicted, by name.

    Parameters
    ----------
    config, subject
        Whose.
    names
        Names in the section `encode`.
    section
        Who asks, as the configuration spells it: for the message.

    Raises
    ------
    CalcarineError
        They predicted other stimuli, or were not fitted.
    """
    read = {
        name: read_predictions(config.layout.prediction(subject, f"encoder-{name}")).most_repeats()
        for name in names
    }
    (first, own), *others = read.items()
    for name, other in others:
        if not other.items["stimulus_id"].equals(own.items["stimulus_id"]):
            raise CalcarineError(
                f"{section}: {first} and {name} predicted other stimuli; give all their "
                "embeddings a row for every stimulus."
            )
    return read
