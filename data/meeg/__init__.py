"""EEG and MEG: from files to trials, clean signals and windows around each trial."""
