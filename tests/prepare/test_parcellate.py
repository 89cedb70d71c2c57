"""Region time series: the same as nilearn's maskers, refused where atlas and scan do not meet, followed by the cache."""

from __future__ import annotations

import json
import os
import tracemalloc
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from voxtempo.cohort import dump_study, load_study
from voxtempo.errors import CohortError, GeometryError, ScanError, StudyError
from voxtempo.prepare import apply_decided, build_steps, run_steps, step_records
from voxtempo.prepare.parcellate import Parcellate, summarise
from voxtempo.prepare.store import key_of
from voxtempo.scans import Geometry, Scan, write_scan

SHAPE = (14, 16, 11)


def turned(spacing: tuple[float, ...], angle: float, origin: tuple[float, ...]) -> np.ndarray:
    affine = np.eye(4)
    c, s = np.cos(angle), np.sin(angle)
    affine[:3, :3] = np.array([[-c, s, 0], [s, c, 0], [0, 0, 1]]) * spacing
    affine[:3, 3] = origin
    return affine


@pytest.fixture
def scan() -> Scan:
    """An oblique, left-handed series of two channels about the world's origin."""
    geometry = Geometry(SHAPE, turned((3.1, 2.9, 3.7), 0.2, (19.0, -27.0, -18.0)))
    data = np.random.default_rng(0).normal(900, 40, (9, *SHAPE, 2)).astype(np.float32)
    return Scan(data, geometry, 2.0, channels=("echo1", "echo2"), source="bold.nii.gz")


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    """Boxes of values 2, 5, 9 and 300 on another, finer grid, with a gap between them."""
    labels = np.zeros((30, 30, 24), np.int16)
    labels[3:14, 3:14, 3:20], labels[16:27, 3:14, 3:20] = 9, 2
    labels[3:14, 16:27, 3:20], labels[16:27, 16:27, 3:20] = 5, 300
    path = tmp_path / "labels.nii.gz"
    grid = Geometry((30, 30, 24), turned((1.5, 1.6, 1.7), -0.1, (20, -24, -18)))
    write_scan(Scan(labels[None, ..., None], grid, kind="label"), path)
    return path


def image(scan: Scan, channel: int = 0) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.moveaxis(scan.data[..., channel], 0, -1), scan.geometry.affine)


def parcellated(scan: Scan, **options: object) -> tuple[Scan, dict]:
    result, (decision,) = run_steps(scan, build_steps([{"parcellate": options}]))
    return result, decision


def test_a_label_map_gives_what_nilearns_masker_gives(scan, atlas):
    from nilearn.maskers import NiftiLabelsMasker

    result, decision = parcellated(scan, atlas=str(atlas))
    assert result.data.shape == (9, 4, 1, 1, 2)
    assert decision["regions"] == ["2", "5", "9", "300"]
    assert min(decision["voxels"]) > 30
    for channel in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            masker = NiftiLabelsMasker(nib.load(atlas), resampling_target="data", standardize=None, strategy="mean")
            expected = masker.fit_transform(image(scan, channel))
        np.testing.assert_allclose(result.data[:, :, 0, 0, channel], expected, rtol=1e-5)


def test_spheres_give_what_nilearns_masker_gives(scan, tmp_path):
    from nilearn.maskers import NiftiSpheresMasker

    points = [(-3.3, 1.2, -4.0), (5.1, 7.7, 2.2), (-6.0, -9.0, 8.0), (0.2, 0.1, -0.3)]
    table = tmp_path / "points.csv"
    table.write_text(
        "name,x,y,z\n" + "".join(f"p{i},{x},{y},{z}\n" for i, (x, y, z) in enumerate(points)), encoding="utf-8"
    )
    for radius in (0.5, 5.0, 8.0):
        result, decision = parcellated(scan, coordinates=str(table), radius=radius)
        masker = NiftiSpheresMasker(points, radius=radius, allow_overlap=True, standardize=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = masker.fit_transform(image(scan))
        np.testing.assert_allclose(result.data[:, :, 0, 0, 0], expected, rtol=1e-5)
        assert decision["regions"] == ["p0", "p1", "p2", "p3"]
        assert decision["centres"] == [list(point) for point in points]
    assert decision["voxels"][0] == pytest.approx(4 / 3 * np.pi * 8**3 / scan.geometry.voxel_volume, rel=0.1)


@pytest.mark.parametrize(("name", "count"), [("power_2011", 264), ("dosenbach_2010", 160), ("seitzman_2018", 300)])
def test_published_points_come_without_a_network(name, count):
    whole_brain = Geometry.from_spacing((46, 55, 46), (4, 4, 4), (-90, -126, -72))
    data = whole_brain.to_world(np.indices(whole_brain.shape).reshape(3, -1).T).reshape(1, *whole_brain.shape, 3)
    (built,) = build_steps([{"parcellate": {"coordinates": name}}])
    assert built.foresee(whole_brain).shape == (count, 1, 1)
    result, (decision,) = run_steps(Scan(data, whole_brain), [built])
    assert len(set(decision["regions"])) == count
    centres = np.array(decision["centres"])
    assert np.ptp(centres, axis=0).min() > 80
    np.testing.assert_allclose(result.data[0, :, 0, 0], centres, atol=2.0)  # a ball's mean position is its centre


def test_regions_without_a_voxel_are_refused_or_zero(scan, atlas):
    far = scan.with_data(scan.data, Geometry(SHAPE, turned((3.1, 2.9, 3.7), 0.2, (219.0, -27.0, -18.0))))
    with pytest.raises(
        GeometryError, match=r"parcellate.*4 of 4 regions.*no voxel in bold.nii.gz \(2, 5, 9.*missing: zero"
    ):
        parcellated(far, atlas=str(atlas))
    half = scan.with_data(scan.data[:, :5], Geometry((5, 16, 11), scan.geometry.affine))
    with pytest.raises(GeometryError, match="2 of 4 regions"):
        parcellated(half, atlas=str(atlas))
    result, decision = parcellated(half, atlas=str(atlas), missing="zero")
    empty = np.array(decision["voxels"]) == 0
    assert empty.sum() == 2
    assert (result.data[:, empty] == 0).all()
    assert (result.data[:, ~empty] > 800).all()


def test_the_median_is_not_moved_by_one_bright_vessel(scan, atlas):
    plain, decision = parcellated(scan, atlas=str(atlas), summary="median")
    built = Parcellate(atlas=str(atlas))
    members = built.regions.members(scan.geometry)
    expected = np.stack([np.median(scan.data.reshape(9, -1, 2)[:, m], axis=1) for m in members], axis=1)
    np.testing.assert_allclose(plain.data[:, :, 0, 0], expected, rtol=1e-6)
    bright = scan.data.copy()
    bright.reshape(9, -1, 2)[:, members[0][0]] = 1e6
    moved, _ = parcellated(scan.with_data(bright), atlas=str(atlas), summary="median")
    assert np.abs(moved.data - plain.data).max() < 20
    assert decision["voxels"] == [len(m) for m in members]


def test_what_belongs_to_time_is_kept_and_label_maps_cannot_follow(scan, atlas):
    confounds = {"framewise_displacement": np.linspace(0, 1, 9)}
    moved = scan.with_data(scan.data, confounds=confounds, slice_times=tuple(np.linspace(0, 1.8, 11)))
    steps = build_steps([{"parcellate": {"atlas": str(atlas)}}])
    result, decisions = run_steps(moved, steps)
    assert result.repetition_time == 2.0
    assert result.channels == scan.channels
    assert result.slice_times == ()
    np.testing.assert_array_equal(result.confounds["framewise_displacement"], confounds["framewise_displacement"])
    assert result.geometry.matches(steps[0].foresee(scan.geometry))
    assert json.loads(json.dumps(decisions)) == decisions
    label = Scan(np.ones((1, *SHAPE, 1), np.uint8), scan.geometry, kind="label", source="mask.nii.gz")
    with pytest.raises(StudyError, match=r"mask.nii.gz.*cannot follow.*Remove 'parcellate'"):
        apply_decided(label, steps, decisions)


def test_the_default_augmentation_of_series_mixes_no_regions(scan, atlas):
    from voxtempo.augment.spatial import free_axes

    result, _ = parcellated(scan, atlas=str(atlas))
    assert not free_axes(result.geometry.shape, result.geometry.spacing).any()


def test_regions_are_named_by_a_table(scan, atlas, tmp_path):
    table = tmp_path / "names.tsv"
    table.write_text("index\tname\n300\tinsula\n2\tputamen\n5\tpons\n9\tvermis\n", encoding="utf-8")
    _, decision = parcellated(scan, atlas=str(atlas), names=str(table))
    assert decision["regions"] == ["putamen", "pons", "vermis", "insula"]
    table.write_text("index\tname\n2\tputamen\n5\tpons\n300\tinsula\n", encoding="utf-8")
    with pytest.raises(StudyError, match="no region of value 9"):
        parcellated(scan, atlas=str(atlas), names=str(table))


def test_another_content_is_another_result_and_another_path_is_not(scan, atlas, tmp_path):
    def key(path: Path) -> str:
        return key_of({"bold": "0"}, None, None, None, build_steps([{"parcellate": {"atlas": str(path)}}]))

    before, copy = key(atlas), tmp_path / "elsewhere.nii.gz"
    copy.write_bytes(atlas.read_bytes())
    assert key(copy) == before
    _, first = parcellated(scan, atlas=str(atlas))
    labels = nib.load(atlas)
    data = np.asarray(labels.dataobj).copy()
    data[data == 9] = 2
    nib.save(nib.Nifti1Image(data, labels.affine), atlas)
    os.utime(atlas, ns=(1, 1))
    assert key(atlas) != before
    _, second = parcellated(scan, atlas=str(atlas))
    assert len(first["regions"]) == len(second["regions"]) + 1


def test_blocks_of_volumes_give_the_same_and_need_little_memory(monkeypatch):
    monkeypatch.setattr("voxtempo.prepare.parcellate.BLOCK", 500_000)
    rng = np.random.default_rng(1)
    data = rng.integers(0, 2000, (600, 20, 20, 20, 1)).astype(np.int16)
    order = rng.permutation(8000)
    members = [order[:2000], np.array([], np.intp), order[2000:7000], order[6900:]]
    tracemalloc.start()
    try:
        result = summarise(data, members, "mean")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 8 * 500_000  # in one piece the regions' voxels are 5 million numbers of 8 bytes
    for place, inside in enumerate(members):
        expected = data.reshape(600, -1)[:, inside].astype(np.float64).mean(axis=1) if len(inside) else 0.0
        np.testing.assert_allclose(result[:, place, 0, 0, 0], expected, rtol=1e-6)


def test_what_cannot_be_is_said(scan, atlas, tmp_path):
    with pytest.raises(StudyError, match=r"either 'atlas'.*or 'coordinates'"):
        build_steps(["parcellate"])
    with pytest.raises(StudyError, match="either 'atlas'"):
        build_steps([{"parcellate": {"atlas": "a.nii", "coordinates": "power_2011"}}])
    with pytest.raises(StudyError, match="'names'"):
        build_steps([{"parcellate": {"names": "a.tsv", "coordinates": "power_2011"}}])
    with pytest.raises(StudyError, match="Did you mean 'power_2011'"):
        parcellated(scan, coordinates="power2011")
    with pytest.raises(ScanError, match=r"nothing.nii"):
        parcellated(scan, atlas=str(tmp_path / "nothing.nii"))
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,three\n", encoding="utf-8")
    with pytest.raises(StudyError, match="line 2: x, y and z are numbers"):
        parcellated(scan, coordinates=str(tmp_path / "p.csv"))
    (tmp_path / "q.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(CohortError, match="'z'"):
        parcellated(scan, coordinates=str(tmp_path / "q.csv"))
    write_scan(
        Scan(np.zeros((1, 4, 4, 4, 1), np.uint8), Geometry.from_spacing((4, 4, 4)), kind="label"), tmp_path / "z.nii"
    )
    with pytest.raises(StudyError, match="only zeros"):
        parcellated(scan, atlas=str(tmp_path / "z.nii"))
    write_scan(
        Scan(np.ones((2, 4, 4, 4, 1), np.uint8), Geometry.from_spacing((4, 4, 4)), 1.0, kind="label"),
        tmp_path / "t.nii",
    )
    with pytest.raises(StudyError, match="2 volumes"):
        parcellated(scan, atlas=str(tmp_path / "t.nii"))


def test_files_that_steps_name_are_relative_to_the_study_and_absolute_in_the_run(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    text = (
        "name: a\ntask: classify\ncohort: {{table: cohort.csv, scans: {{bold: '{{id}}.nii.gz'}}, target: {{column: group}}}}\n"
        "prepare: [{{orient: RAS}}, {{parcellate: {0}}}]\nnetwork: {{name: st_gcn, norm: batch}}\n"
    )
    wanted = str((tmp_path / "atlases" / "labels.nii.gz").resolve())
    for written in ("{atlas: ../atlases/labels.nii.gz}", "../atlases/labels.nii.gz"):
        (folder / "study.yaml").write_text(text.format(written), encoding="utf-8")
        study = load_study(folder / "study.yaml")
        (_, built) = build_steps(study.prepare)
        assert built.atlas == wanted
        (tmp_path / "run.yaml").write_text(dump_study(study), encoding="utf-8")
        again = load_study(tmp_path / "run.yaml")
        assert step_records(build_steps(again.prepare)) == step_records(build_steps(study.prepare))
        assert again.network.options == {"norm": "batch"}


def write_cohort(folder: Path) -> Path:
    """Ten series on an oblique grid; in which of two regions the second half is brighter, is the class."""
    labels = np.zeros((10, 8, 6), np.uint8)
    labels[1:5, 1:4, 1:5], labels[5:9, 1:4, 1:5], labels[1:5, 4:7, 1:5] = 1, 2, 4
    geometry = Geometry((10, 8, 6), turned((3.0, 3.0, 3.5), 0.1, (12, -11, -9)))
    write_scan(Scan(labels[None, ..., None], geometry, kind="label"), folder / "atlas.nii.gz")
    rows = ["id,group"]
    for number in range(10):
        data = np.random.default_rng(number).normal(100, 4, (14, *labels.shape, 1)).astype(np.float32)
        data[7:, labels == 1 + number % 2] += 10
        write_scan(Scan(data, geometry, 2.0), folder / f"s{number}.nii.gz")
        rows.append(f"s{number},{'ab'[number % 2]}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    study = folder / "study.yaml"
    study.write_text(
        "name: regions\ntask: classify\n"
        "cohort: {table: cohort.csv, scans: {bold: '{id}.nii.gz'}, target: {column: group}}\n"
        "prepare: [{parcellate: atlas.nii.gz}, {normalise: {method: zscore, axis: time}}]\n"
        "sample: {window: {length: 12}}\nsplit: {test: 0.4, seed: 1}\n"
        "network: {name: st_gcn, edges: distance, widths: [4], neighbours: 1, kernel: 3}\n"
        "train: {epochs: 2, batch: 4, rate: 0.01}\nevaluate: {intervals: 100}\n",
        encoding="utf-8",
    )
    return study


def test_from_an_atlas_beside_the_study_to_a_prediction(tmp_path, monkeypatch):
    from voxtempo.errors import RunError
    from voxtempo.workflow import predict_scans, train_study

    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    run = train_study(load_study(write_cohort(tmp_path / "data")), tmp_path / "run", workers=1)
    recipe = run.recipes[0]
    assert recipe.input_shape == (12, 3, 1, 1, 1)
    assert np.shape(recipe.options["coordinates"]) == (3, 3)
    assert run.metrics["test"]["accuracy"]["n"] == 4
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "run" / "prepare.json").read_text(encoding="utf-8"))["files"]) == 1
    (predicted,) = predict_scans(run, [str(tmp_path / "data" / "s0.nii.gz")], tmp_path / "out")
    assert predicted.row["status"] == "ok"
    assert len(predicted.course) == 3
    assert not list((tmp_path / "out").glob("*.nii.gz"))
    atlas = nib.load(tmp_path / "data" / "atlas.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(atlas.dataobj) * 2, atlas.affine), tmp_path / "data" / "atlas.nii.gz")
    with pytest.raises(RunError, match=r"needs the file .*atlas.nii.gz, which has changed"):
        predict_scans(run, [str(tmp_path / "data" / "s0.nii.gz")], tmp_path / "out")
