"""A small EEG recording in BIDS with a planted evoked response."""

from fixtures.small_eeg import SmallEeg, small_eeg

__all__ = ["SmallEeg", "small_eeg"]
