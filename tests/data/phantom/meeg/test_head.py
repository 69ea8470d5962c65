import mne
import numpy as np
import pytest

from calcarine.data.errors import CalcarineError
from calcarine.data.phantom.meeg.devices import DEVICES, device_of
from calcarine.data.phantom.meeg.experiment import SensorExperiment
from calcarine.data.phantom.meeg.head import (
    Dipoles,
    artefact_dipoles,
    cortical_dipoles,
    head_to_mri,
    leadfield,
    shell,
    white_surface,
)

SMALL = SensorExperiment(montage="biosemi32", montages={"02": "biosemi16"})


@pytest.fixture(scope="module")
def cortical():
    vertices = np.arange(0, 10_000, 250)
    return cortical_dipoles(np.tile(["L", "R"], len(vertices) // 2), vertices)


def test_normals_have_length_one_and_point_outwards():
    vertices, normals = white_surface("L")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    outward = ((vertices - vertices.mean(axis=0)) * normals).sum(axis=1)
    assert (outward > 0).mean() > 0.6


def test_a_current_gives_the_field_of_mnes_sphere(cortical):
    """The oracle: three spheres, which MNE solves in closed form, where both know a field."""
    info = device_of("eeg", SMALL, "01").electrodes
    sphere = mne.make_sphere_model("auto", "auto", info, verbose="ERROR")
    to_head = mne.transforms.invert_transform(head_to_mri())
    place = mne.transforms.apply_trans(to_head, cortical.positions_m)
    inner = np.linalg.norm(place - sphere["r0"], axis=1) < 0.8 * sphere["layers"][0]["rad"]
    assert inner.sum() > 8
    chosen = Dipoles(cortical.positions_m[inner], cortical.directions[inner])
    found = leadfield(info, chosen, "eeg")
    direction = mne.transforms.apply_trans(to_head, chosen.directions, move=False)
    sources = mne.setup_volume_source_space(
        pos={"rr": place[inner], "nn": direction}, sphere=sphere, mindist=0.0, verbose="ERROR"
    )
    forward = mne.make_forward_solution(
        info, None, sources, sphere, meg=False, mindist=0.0, verbose="ERROR"
    )
    fixed = mne.convert_forward_solution(forward, force_fixed=True, verbose="ERROR")
    expected = fixed["sol"]["data"]
    r = [np.corrcoef(found[:, i], expected[:, i])[0, 1] for i in range(len(chosen))]
    assert np.median(r) > 0.95


def test_every_place_in_cortex_is_inside_the_skull(cortical):
    field = leadfield(device_of("meg", SMALL, "01").info, cortical + artefact_dipoles(), "meg")
    assert field.shape == (102, len(cortical) + 3)
    assert (np.abs(field).max(axis=0) > 0).all()


def test_a_dipole_outside_the_skull_is_refused():
    outside = Dipoles(np.array([[0.0, -0.3, 0.0]]), np.array([[0.0, 0.0, 1.0]]))
    with pytest.raises(CalcarineError, match="1 of 1 dipoles lie outside the inner skull"):
        leadfield(device_of("meg", SMALL, "01").info, outside, "meg")


def test_no_sensor_is_inside_the_head():
    to_head = mne.transforms.invert_transform(head_to_mri())
    skin = mne.transforms.apply_trans(to_head, shell("outer_skin"))
    for subject in ("01", "02", "03"):
        places = device_of("meg", SMALL, subject).positions_m
        distance = np.linalg.norm(places[:, None] - skin[None], axis=2)
        assert distance.min() > 0.008
        farther = np.linalg.norm(places - skin.mean(axis=0), axis=1)
        nearest = np.linalg.norm(skin[distance.argmin(axis=1)] - skin.mean(axis=0), axis=1)
        assert (farther > nearest).all()


def test_subjects_differ_in_position_and_montage():
    moved = [device_of("meg", SMALL, s).info["dev_head_t"]["trans"] for s in ("01", "02")]
    assert 0.001 < np.abs(moved[0][:3, 3] - moved[1][:3, 3]).max() < 0.03
    caps = [device_of("eeg", SMALL, s).channels for s in ("01", "02", "03")]
    assert [len(cap) for cap in caps] == [32, 16, 32]


def test_eeg_is_recorded_against_the_mastoids():
    device = device_of("eeg", SMALL, "01")
    np.testing.assert_allclose(device.reference.sum(axis=1), 0, atol=1e-12)
    assert not set(device.channels) & {"TP9", "TP10"}
    assert device.electrodes["ch_names"][-2:] == ["TP9", "TP10"]


def test_gradiometers_can_be_had():
    info = device_of("meg", SensorExperiment(sensors="all"), "01").info
    assert info.get_channel_types(unique=True) == ["grad", "mag"]
    assert len(info["ch_names"]) == 306


@pytest.mark.parametrize(
    ("datatype", "montage", "message"),
    [
        ("func", "biosemi32", r"simulates \['eeg', 'meg'\]; recording.modality reads 'func'"),
        ("eeg", "biosemi33", "MNE has no montage 'biosemi33'"),
        ("eeg", "GSN-HydroCel-32", "electrodes outside the 10-5 system"),
    ],
)
def test_impossible_devices_are_named(datatype, montage, message):
    with pytest.raises(CalcarineError, match=message):
        device_of(datatype, SensorExperiment(montage=montage), "01")


def test_every_device_says_what_it_is():
    for datatype in DEVICES:
        assert device_of(datatype, SMALL, "01").datatype == datatype
