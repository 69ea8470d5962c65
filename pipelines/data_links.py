"""Links in a data set that a person brings, before anything is read through them."""

from collections.abc import Sequence

from calcarine.data.links import check_links
from calcarine.pipelines.config import Config
from calcarine.pipelines.config_data import BidsSource


def check_data_set_links(config: Config, subjects: Sequence[str] = ()) -> None:
    """Refuse links of a BIDS data set that leave it, unless `source.follow_links` allows them.

    What the workflow itself converts may be linked to where a release lies, and is not looked at.

    Parameters
    ----------
    config
        The configuration.
    subjects
        Whose folders to look at beside those of the stimuli.

    Raises
    ------
    CalcarineError
        With the first links and where they lead.
    """
    source = config.source
    if not isinstance(source, BidsSource):
        return
    stimuli = config.stimuli.parent
    own_root = source.path if stimuli.is_relative_to(source.path) else stimuli
    # a table beside the data set may link to pictures inside of it
    check_links(own_root, [stimuli], (*source.follow_links, source.path))
    for root in (source.path, getattr(config.recording, "derivatives", None)):
        if root is not None:
            folders = [root / f"sub-{subject}" for subject in subjects]
            check_links(root, folders, source.follow_links)
