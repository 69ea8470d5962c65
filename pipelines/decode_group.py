"""Step `decode-group`: fit one decoder on all subjects together and predict for each of them."""

from calcarine.pipelines.config import Config
from calcarine.pipelines.decoding import decode_subjects


def run(config: Config, name: str) -> None:
    """Fit and predict with a decoder of the `decode` section that has `subjects: all`.

    Writes `group/models/decoder-<name>` and every subject's `predictions/decoder-<name>`.

    Raises
    ------
    CalcarineError
        There is no such decoder, its data do not fit it, or a stimulus is tested in one subject
        and trained on in another.
    """
    folder = config.layout.group_model(f"decoder-{name}")
    decode_subjects(config, config.subjects, name, "all", folder)
