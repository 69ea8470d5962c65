"""Published betas: which reader a source has, and what to read of a subject."""

from collections.abc import Callable

from calcarine.data.betas.bold5000 import Bold5000Reading, convert_bold5000, open_bold5000
from calcarine.data.betas.generic_object_decoding import (
    convert_generic_object_decoding,
    open_generic_object_decoding,
)
from calcarine.data.betas.nsd import convert_nsd, open_nsd
from calcarine.data.betas.nsd_release import NsdReading
from calcarine.data.betas.ready_betas import ReadyBetas
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_betas import (
    Bold5000Source,
    GenericObjectDecodingSource,
    NsdSource,
)


def _nsd_reading(config: Config, subject: str) -> NsdReading:
    source = config.source
    assert isinstance(source, NsdSource)
    return NsdReading(
        source.path,
        subject,
        source.space,
        source.version,
        source.mask,
        source.rois,
        source.sessions,
    )


def _bold5000_reading(config: Config, subject: str) -> Bold5000Reading:
    source = config.source
    assert isinstance(source, Bold5000Source)
    return Bold5000Reading(source.path, source.pictures, subject, source.version, source.rois)


def _open_god(config: Config, subject: str) -> ReadyBetas:
    source = config.source
    assert isinstance(source, GenericObjectDecodingSource)
    return open_generic_object_decoding(source.path, source.pictures, subject, source.roi)


def _convert_god(config: Config) -> None:
    source = config.source
    assert isinstance(source, GenericObjectDecodingSource)
    convert_generic_object_decoding(source.pictures, config.subjects, config.bids)


READERS: dict[str, Callable[[Config, str], ReadyBetas]] = {
    "nsd": lambda config, subject: open_nsd(_nsd_reading(config, subject)),
    "generic-object-decoding": _open_god,
    "bold5000": lambda config, subject: open_bold5000(_bold5000_reading(config, subject)),
}
CONVERTERS: dict[str, Callable[[Config], None]] = {
    "nsd": lambda config: convert_nsd(
        [_nsd_reading(config, s) for s in config.subjects], config.bids
    ),
    "generic-object-decoding": _convert_god,
    "bold5000": lambda config: convert_bold5000(
        [_bold5000_reading(config, s) for s in config.subjects], config.bids
    ),
}


def open_betas(config: Config, subject: str) -> ReadyBetas:
    """Look at a subject's betas without reading their values.

    Raises
    ------
    CalcarineError
        A file is missing or is not as it was released.
    """
    return READERS[config.source.kind](config, subject)


def convert(config: Config, subject: str | None) -> None:
    """Write the stimuli of a release; what one subject needs is read by `prepare`."""
    if subject is None:
        CONVERTERS[config.source.kind](config)
