"""The phantom's devices: sensors, where they sit on each subject, and how they are read out."""

from collections.abc import Callable
from dataclasses import dataclass

import mne
import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.meeg.experiment import SensorExperiment
from calcarine.data.phantom.meeg.head import Dipoles, head_to_mri, leadfield, shell
from calcarine.data.seeds import derive_seed

POSITIONS = "fsaverage_1005"
REFERENCE = ("TP9", "TP10")
"""EEG is recorded against the mean of two electrodes near the mastoids."""

MEG_SENSORS = {"mag": "mag", "all": True}
LINE_HZ = 50.0
_HELMET_MM = 45.0
"""Height of the helmet over the head; with 0, as shipped, sensors lie inside the head."""

_CLEARANCE_MM = 8.0
_ATTEMPTS = 200


@dataclass(frozen=True)
class Device:
    """The sensors of one subject.

    Attributes
    ----------
    datatype
        `eeg` or `meg`.
    info
        MNE's description of the sensors: names, types, positions, sampling rate, head position.
    reference
        Channels by electrodes, shape (n_channels, n_electrodes): what turns the potentials of all
        electrodes (the reference's too) into channels. The identity for MEG.
    electrodes
        Sensors of the head model, the reference's included.
    montage
        Name of the montage or helmet.
    """

    datatype: str
    info: mne.Info
    reference: np.ndarray
    electrodes: mne.Info
    montage: str

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return list(self.info["ch_names"])

    @property
    def positions_m(self) -> np.ndarray:
        """Places of the channels in head coordinates, metres, shape (n_channels, 3)."""
        places = np.array([channel["loc"][:3] for channel in self.info["chs"]])
        if self.datatype == "eeg":
            return places
        return mne.transforms.apply_trans(self.info["dev_head_t"], places)

    def see(self, dipoles: Dipoles) -> np.ndarray:
        """Give what one ampere metre in each dipole gives in each channel, in SI units."""
        return self.reference @ leadfield(self.electrodes, dipoles, self.datatype)


def _electrodes(names: list[str], rate_hz: float) -> mne.Info:
    info = mne.create_info(names, rate_hz, "eeg", verbose="ERROR")
    info.set_montage(POSITIONS, verbose="ERROR")
    return info


def eeg_device(experiment: SensorExperiment, subject: str) -> Device:
    """Put a cap on a subject.

    Electrodes have the names of the subject's montage and the places of `POSITIONS` on the scalp.

    Raises
    ------
    CalcarineError
        MNE knows no such montage, or its electrodes are not of the 10-5 system.
    """
    montage = experiment.montages.get(subject, experiment.montage)
    known = mne.channels.make_standard_montage(POSITIONS).ch_names
    if montage not in mne.channels.get_builtin_montages():
        raise CalcarineError(
            f"sub-{subject}: MNE has no montage {montage!r}. Choose one of the 10-20 family, such "
            "as biosemi16, biosemi32, biosemi64 or easycap-M1."
        )
    names = mne.channels.make_standard_montage(montage).ch_names
    names = [name for name in names if name not in REFERENCE]
    strange = [name for name in names if name not in known]
    if strange:
        raise CalcarineError(
            f"sub-{subject}: the montage {montage!r} has electrodes outside the 10-5 system "
            f"({strange[:5]}), and the phantom's head knows no place for them. Choose another one."
        )
    electrodes = _electrodes([*names, *REFERENCE], experiment.sampling_rate_hz)
    share = np.full((len(names), len(REFERENCE)), -1 / len(REFERENCE))
    return Device(
        "eeg",
        _electrodes(names, experiment.sampling_rate_hz),
        np.hstack([np.eye(len(names)), share]),
        electrodes,
        montage,
    )


def head_position(experiment: SensorExperiment, subject: str, places: np.ndarray) -> np.ndarray:
    """Draw how a subject sits in the helmet.

    Parameters
    ----------
    experiment, subject
        What decides the draw.
    places
        Sensors in device coordinates, metres, shape (n_sensors, 3).

    Returns
    -------
    numpy.ndarray
        Device to head, shape (4, 4): tilts of a few degrees, shifts of a few mm, and no sensor
        nearer to the scalp than 8 mm.

    Raises
    ------
    CalcarineError
        No draw leaves that much room.
    """
    rng = np.random.default_rng(derive_seed(experiment.seed, "phantom-meeg", subject, "helmet"))
    to_head = mne.transforms.invert_transform(head_to_mri())
    skin = cKDTree(mne.transforms.apply_trans(to_head, shell("outer_skin")))
    centre = skin.data.mean(axis=0)
    radius = np.linalg.norm(skin.data - centre, axis=1)
    trans = np.eye(4)
    for _ in range(_ATTEMPTS):
        tilt = Rotation.from_euler("xyz", rng.normal(0, 4.0, 3), degrees=True)
        trans[:3, :3] = tilt.as_matrix()
        trans[:3, 3] = rng.normal((0, 0, _HELMET_MM / 1000), (0.003, 0.004, 0.003))
        sensors = mne.transforms.apply_trans(trans, places)
        distance, nearest = skin.query(sensors)
        is_outside = np.linalg.norm(sensors - centre, axis=1) > radius[nearest]
        if is_outside.all() and distance.min() >= _CLEARANCE_MM / 1000:
            return trans
    raise CalcarineError(
        f"no position of sub-{subject}'s head in the helmet leaves {_CLEARANCE_MM:g} mm to all "
        f"sensors after {_ATTEMPTS} draws. Choose another seed."
    )


def _head_shape() -> mne.channels.DigMontage:
    """Give what a stylus would digitise before MEG: three landmarks and points on the scalp."""
    points = _electrodes(mne.channels.make_standard_montage("biosemi64").ch_names, 1.0)
    landmarks = points.get_montage().get_positions()
    return mne.channels.make_dig_montage(
        nasion=landmarks["nasion"],
        lpa=landmarks["lpa"],
        rpa=landmarks["rpa"],
        hsp=np.array(list(landmarks["ch_pos"].values())),
        coord_frame=landmarks["coord_frame"],
    )


def meg_device(experiment: SensorExperiment, subject: str) -> Device:
    """Seat a subject under the helmet of a Neuromag system."""
    info = mne.channels.read_meg_canonical_info("neuromag")
    picks = mne.pick_types(info, meg=MEG_SENSORS[experiment.sensors])
    info = mne.pick_info(info, picks, verbose="ERROR")
    places = np.array([channel["loc"][:3] for channel in info["chs"]])
    with info._unlock():
        info["sfreq"] = experiment.sampling_rate_hz
        info["lowpass"], info["highpass"] = experiment.sampling_rate_hz / 2, 0.0
        info["dev_head_t"]["trans"] = head_position(experiment, subject, places)
    info.set_montage(_head_shape(), verbose="ERROR")
    return Device("meg", info, np.eye(len(picks)), info, "neuromag")


DEVICES: dict[str, Callable[[SensorExperiment, str], Device]] = {
    "eeg": eeg_device,
    "meg": meg_device,
}


def device_of(datatype: str, experiment: SensorExperiment, subject: str) -> Device:
    """Give a subject's sensors.

    Raises
    ------
    CalcarineError
        The phantom has no sensors of this data type.
    """
    if datatype not in DEVICES:
        raise CalcarineError(
            f"the source phantom-meeg simulates {list(DEVICES)}; recording.modality reads "
            f"{datatype!r}. Set it to `eeg` or `meg`, or set source.kind to `phantom`."
        )
    return DEVICES[datatype](experiment, subject)
