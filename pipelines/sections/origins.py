"""Where recordings come from, in a sentence of the methods, by the kind of the source."""

ORIGINS: dict[str, str] = {
    "phantom": "The recording is synthetic: scenes were rendered, a cortex with known tuning "
    "was planted in MNI space, and BOLD time series were simulated from it.",
    "phantom-meeg": "The recording is synthetic: scenes were rendered, dipoles with known "
    "tuning and latency were planted in the cortex of fsaverage, what sensors see of them was "
    "computed by boundary element models, and noise of brain and sensors, blinks, heartbeats, "
    "mains and muscles were added.",
    "kriegeskorte92": "The recording is that of a published study [kriegeskorte].",
    "haxby2001": "The recording is one slice of subject 1 of a published study [haxby].",
    "recordings": "The recordings were converted from the files of a release.",
    "things-eeg2": "The recordings are those of THINGS-EEG2 [things-eeg2].",
    "things-meg": "The recordings are those of THINGS-MEG [things-meg].",
    "bids": "The recording was read from a data set.",
    "nsd": "The recording is that of the Natural Scenes Dataset [allen].",
    "generic-object-decoding": "The recording is that of Generic Object Decoding [horikawa].",
    "bold5000": "The recording is that of BOLD5000 [bold5000].",
}
