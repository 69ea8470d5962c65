"""Step `decode`: fit one decoder on one subject and predict the embeddings of the test trials."""

from calcarine.pipelines.config import Config
from calcarine.pipelines.decoding import decode_subjects


def run(config: Config, subject: str, name: str) -> None:
    """Fit and predict with a decoder of the `decode` section that has `subjects: each`.

    Writes `models/decoder-<name>` and `predictions/decoder-<name>`. In a cross-validation
    predictions come from the fold that was left out, and the model that is saved is fitted on all
    trials.

    Raises
    ------
    CalcarineError
        There is no such decoder, or its data do not fit it.
    """
    folder = config.layout.model(subject, f"decoder-{name}")
    decode_subjects(config, (subject,), name, "each", folder)
