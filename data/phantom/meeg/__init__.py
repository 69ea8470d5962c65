"""The phantom's EEG and MEG: the same brains and scenes, seen by sensors."""
