"""Label maps of known shapes, written by prediction, against the truth on each scan's own grid.

The network is a threshold of the intensity, so whatever differs from the truth was done on the way: preparation, slicing,
stitching, or the way back.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from voxtempo.cohort import Study
from voxtempo.feed import Plane
from voxtempo.inference.network import Network
from voxtempo.inference.predictor import Predictor
from voxtempo.learning.recipe import Recipe, input_kind
from voxtempo.learning.tasks import SegmentTask
from voxtempo.prepare import build_steps
from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.workflow.predict import predict_scans

VALUE = 5  # of the label
SHARPNESS = 10.0  # of the threshold

GRIDS = {
    "LAS": Geometry.from_spacing((26, 24, 22), (1, 1, 1), (-7, 11, 3)).reoriented("LAS"),
    "PSR": Geometry.from_spacing((26, 24, 22), (1, 1, 1), (-7, 11, 3)).reoriented("PSR"),
    "thick": Geometry.from_spacing((48, 44, 12), (1, 1, 6), (-7, 11, 3)),
    "thick SPL": Geometry.from_spacing((48, 44, 12), (1, 1, 6), (-7, 11, 3)).reoriented("SPL"),
}
OBLIQUE = {"oblique LIP": "PSR", "oblique thick": "thick"}

SAMPLES = {
    "whole": {"volume": "whole"},
    "patch": {"patch": [12, 14, 10]},
    "patch x": {"patch": [1, 14, 10]},
    "patch y": {"patch": [12, 1, 10]},
    "patch z": {"patch": [12, 14, 1]},
    "patch x beside": {"patch": [1, 14, 10], "neighbours": 2},
    "patch y beside": {"patch": [12, 1, 10], "neighbours": 1},
    "patch z beside": {"patch": [12, 14, 1], "neighbours": 3},
    "slices x": {"slices": {"axis": "x"}},
    "slices y beside": {"slices": {"axis": "y", "neighbours": 2}},
    "slices z beside": {"slices": {"axis": "z", "neighbours": 1}},
}


def grid(name: str) -> Geometry:
    """One of the grids above; oblique ones are turned by 27 degrees about an axis between x, y and z."""
    if name in GRIDS:
        return GRIDS[name]
    base = GRIDS[OBLIQUE[name]]
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.deg2rad(27) * np.array([0.6, -0.48, 0.64])).as_matrix()
    turned = Geometry(base.shape, turn @ base.affine)
    return turned.reoriented("LIP") if name == "oblique LIP" else turned


def inside(points: np.ndarray) -> np.ndarray:
    """Whether points (n, 3), in units of the scan's half size about its centre, are in an L with a thumb: no mirror image
    and no turn of it is itself."""
    x, y, z = points.T
    foot = (np.abs(x + 0.05) < 0.55) & (np.abs(y + 0.4) < 0.25) & (np.abs(z + 0.1) < 0.5)
    leg = (np.abs(x - 0.3) < 0.2) & (np.abs(y - 0.2) < 0.5) & (np.abs(z + 0.1) < 0.5)
    thumb = (np.abs(x + 0.4) < 0.2) & (np.abs(y + 0.4) < 0.25) & (np.abs(z - 0.5) < 0.25)
    return foot | leg | thumb


def shape_on(geometry: Geometry) -> np.ndarray:
    """The shape (x, y, z) as large as a scan on this grid, along its axes."""
    half = np.array(geometry.shape) / 2
    voxels = np.argwhere(np.ones(geometry.shape))
    return inside((voxels - (half - 0.5)) / half).reshape(geometry.shape)


class Threshold:
    """A stand-in for a network: logits that change sign where its own slice is half as bright as the shape."""

    def __init__(self, beside: int) -> None:
        self.beside = beside

    def predict_on_batch(self, images):
        own = images[..., self.beside : self.beside + 1]
        return np.concatenate([np.zeros_like(own), SHARPNESS * (own - 0.5)], axis=-1)


def run_of(sample: dict, prepare: list, native: Geometry) -> SimpleNamespace:
    """What prediction asks of a run, with the threshold for a network."""
    study = Study.model_validate(
        {
            "name": "s", "task": "segment", "prepare": prepare, "sample": sample, "train": {"batch": 4},
            "cohort": {"table": "t", "scans": {"mr": "a"}, "target": {"mask": "m", "labels": {VALUE: "shape"}}},
        }
    )  # fmt: skip
    chosen, geometry = study.sample, native
    for step in build_steps(study.prepare):
        geometry = step.foresee(geometry)
    kind = input_kind(chosen, geometry.shape[2] == 1)
    box = chosen.patch or geometry.shape
    if chosen.across is not None:
        box = Plane(chosen.across).turned(box)
    shape = (*(box[:2] if kind == "slice" else box), 2 * chosen.beside + 1)
    task = SegmentTask({VALUE: "shape"})
    predictor = Predictor(
        [Network(Threshold(chosen.beside), Recipe("threshold", {}, shape, kind, task.as_json()))], study
    )
    return SimpleNamespace(
        study=study, predictor=predictor, task=task, steps=build_steps(study.prepare), folder=Path("run"), lenses=(),
        refuse_unfinished=lambda: None, refuse_changed_files=lambda: None, weights_sha256="0",
    )  # fmt: skip


def predicted(folder: Path, image: np.ndarray, native: Geometry, sample: dict, prepare: list) -> np.ndarray:
    """The label map that prediction writes for a scan in a file, checked to lie on the scan's own grid."""
    scan = folder / "scan.nii.gz"
    write_scan(Scan(image[None, ..., None].astype(np.float32), native), scan)
    (prediction,) = predict_scans(run_of(sample, prepare, native), [str(scan)], folder / "out")
    assert prediction.row["status"] == "ok", prediction.row["status"]
    source, written = nib.load(scan), nib.load(folder / "out" / "scan.nii.gz")
    assert np.allclose(source.affine, written.affine, atol=1e-4)
    labels = np.asarray(written.dataobj)
    assert labels.shape == source.shape
    assert set(np.unique(labels)) <= {0, VALUE}
    assert prediction.row["volume_shape"] == pytest.approx((labels > 0).sum() * np.prod(native.spacing) / 1000)
    return labels == VALUE


def test_the_shape_is_no_mirror_image_or_turn_of_itself():
    cube = shape_on(Geometry.from_spacing((24, 24, 24)))
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)):
        for flips in np.ndindex(2, 2, 2):
            moved = np.flip(cube.transpose(order), [axis for axis in range(3) if flips[axis]])
            if order != (0, 1, 2) or any(flips):
                assert np.mean(moved != cube) > 0.02, (order, flips)


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", [*GRIDS, *OBLIQUE])
def test_where_voxels_only_move_the_label_map_is_the_truth(tmp_path, name, sample):
    native = grid(name)
    truth = shape_on(native)
    assert 0.05 < truth.mean() < 0.5
    found = predicted(tmp_path, truth, native, SAMPLES[sample], [{"orient": "RAS"}])
    assert np.array_equal(found, truth)


@pytest.mark.parametrize("sample", ["whole", "patch", "patch y", "slices x", "patch z beside"])
def test_padding_and_cropping_are_undone_exactly(tmp_path, sample):
    native = grid("PSR")
    truth = shape_on(native)
    prepare = [{"orient": "LPI"}, {"crop_pad": [40, 22, 19]}]
    found = predicted(tmp_path, truth, native, SAMPLES[sample], prepare)
    prepared = native
    for step in run_of(SAMPLES[sample], prepare, native).steps:
        prepared = step.foresee(prepared)
    world = native.to_world(np.argwhere(np.ones(native.shape)))
    index = np.rint(nib.affines.apply_affine(np.linalg.inv(prepared.affine), world))
    outside = ((index < 0) | (index >= prepared.shape)).any(axis=1).reshape(native.shape)
    assert outside.any()
    assert np.array_equal(found, truth & ~outside)


@pytest.mark.parametrize("sample", ["whole", "patch", "patch x", "patch y beside", "patch z", "slices z beside"])
@pytest.mark.parametrize(
    ("name", "spacing"),
    [
        ("LAS", [0.8, 1.3, 1.1]),
        ("oblique LIP", [1.2, 0.9, 1.2]),
        ("thick", [1.5, 1.5, 3.0]),
        ("thick SPL", [1.0, 1.0, 2.0]),
        ("oblique thick", [1.4, 1.4, 4.0]),
    ],
)
def test_where_the_scan_was_resampled_shape_and_place_stay(tmp_path, name, spacing, sample):
    """The image changes slowly, so interpolating it loses nothing and the rest of the way is seen."""
    native = grid(name)
    image = gaussian_filter(shape_on(native).astype(np.float32), 1.0)
    truth = image > 0.5
    found = predicted(tmp_path, image, native, SAMPLES[sample], [{"orient": "RAS"}, {"resample": spacing}])
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.985
    apart = np.argwhere(found).mean(axis=0) - np.argwhere(truth).mean(axis=0)
    assert np.abs(apart).max() < 0.05, "centres of mass, in voxels"


SMALL = [(20, 18, 1), (20, 18, 2), (1, 20, 18), (20, 20, 20)]


@pytest.mark.parametrize(
    ("shape", "sample"),
    # A network for volumes refuses a single slice, and says so.
    [(shape, sample) for shape in SMALL for sample in SAMPLES if (shape[2], sample) != (1, "patch")],
)
def test_scans_smaller_than_a_sample_are_predicted_too(tmp_path, shape, sample):
    """Single slices, fewer slices than neighbours, and volumes that a patch sticks out of."""
    native = Geometry.from_spacing(shape, (1, 1, 1), (4, -9, 2))
    truth = np.zeros(shape, bool)
    truth[tuple(slice(n // 3, n - n // 4) for n in shape)] = True
    truth[0, 0, 0] = True
    wanted = {key: dict(value) if isinstance(value, dict) else value for key, value in SAMPLES[sample].items()}
    if "patch" in wanted:
        wanted["patch"] = [n if n == 1 else 32 for n in wanted["patch"]]
    found = predicted(tmp_path, truth, native, wanted, [])
    assert np.array_equal(found, truth)
