"""The simulated cohort: its truth can be found again in the files, its names are BIDS, its studies are valid."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage

from voxtempo.cohort.study import Study
from voxtempo.errors import StudyError
from voxtempo.scans import content_hash, read_header, read_scan
from voxtempo.simulate import simulations
from voxtempo.simulate.bold import Bold
from voxtempo.simulate.haemodynamics import block_response
from voxtempo.simulate.motion import MOTION_COLUMNS, displacement, rigid_matrix

SMALL = {"subjects": 8, "volumes": 58, "voxel": 8.0, "seed": 3}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bold")
    return folder, Bold(**SMALL).write(folder)


def series(folder, subject):
    func = folder / subject / "func"
    scan = read_scan(func / f"{subject}_task-blocks_run-1_bold.nii.gz")
    data = scan.data[..., 0].astype(np.float64)
    time = np.linspace(-1, 1, len(data))
    basis = np.stack([time**k for k in range(4)], axis=1)
    flat = data.reshape(len(data), -1)
    clean = flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]
    return (
        scan,
        (clean / clean.std(axis=0)).reshape(data.shape),
        table(func / f"{subject}_task-blocks_run-1_events.tsv"),
    )


def test_registered():
    assert simulations["bold"] is Bold
    with pytest.raises(StudyError, match="Did you mean 'bold'"):
        simulations["bolt"]


def test_names_are_bids(cohort):
    folder, _ = cohort
    name = re.compile(
        r"sub-\d+_task-[a-z]+(_run-\d+)?(_desc-[a-z]+)?_(bold|events|timeseries|statmap|dseg)\.(nii\.gz|json|tsv)"
    )
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name == "func"]
    assert len(files) == 8 * (3 + 2 + 5)
    for path in files:
        assert name.fullmatch(path.name), path.name
        assert path.name.startswith(path.parent.parent.name)
    description = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
    assert {"Name", "BIDSVersion"} <= set(description)
    people = table(folder / "participants.tsv")
    assert list(people[0]) == ["participant_id", "group", "age", "sex", "amplitude"]
    assert [p["participant_id"] for p in people] == sorted(p.name for p in folder.glob("sub-*"))
    assert sorted(p["group"] for p in people) == ["control"] * 4 + ["patient"] * 4
    sidecar = json.loads((folder / "sub-01/func/sub-01_task-blocks_run-1_bold.json").read_text(encoding="utf-8"))
    header = read_header(folder / "sub-01/func/sub-01_task-blocks_run-1_bold.nii.gz")
    assert sidecar["RepetitionTime"] == header.repetition_time == 2.0
    assert header.volumes == 58


def test_studies_are_valid_and_found(cohort):
    folder, studies = cohort
    assert [path.name for path in studies] == ["conditions.yaml", "groups.yaml", "amplitude.yaml"]
    for path in studies:
        study = Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert (folder / study.cohort.bids).resolve() == folder.resolve()
        assert study.sample.kind == "window"
    conditions = Study.model_validate(yaml.safe_load(studies[0].read_text(encoding="utf-8")))
    assert conditions.cohort.target.events == "auto"
    assert conditions.sample.window.align == "events"
    assert conditions.sample.window.delay == 5.0


def test_activation_map_is_found_by_correlation(cohort):
    folder, _ = cohort
    for region, value in (("visual", 1), ("motor", 2)):
        found, true = [], []
        for truth in sorted(folder.glob("derivatives/truth/sub-*/func")):
            subject = truth.parent.name
            scan, clean, events = series(folder, subject)
            mine = [e for e in events if e["trial_type"] == region]
            onsets, durations = [float(e["onset"]) for e in mine], [float(e["duration"]) for e in mine]
            course = block_response(onsets, durations, np.arange(len(clean)) * 2.0)
            correlation = (clean * ((course - course.mean()) / course.std())[:, None, None, None]).mean(axis=0)
            dseg = truth / f"{subject}_task-blocks_desc-activation_dseg.nii.gz"
            labels = read_scan(dseg, kind="label").data[0, ..., 0]
            strength = read_scan(truth / f"{subject}_task-blocks_desc-{region}_statmap.nii.gz").data[0, ..., 0]
            silent = (strength < 0.01) & (scan.data[0, ..., 0] > 500) & (labels == 0)
            assert np.mean(correlation[labels == value]) > np.mean(correlation[silent]) + 0.1
            found.append(correlation)
            true.append(strength)
        inside = np.mean(true, axis=0) > 0.01
        assert np.corrcoef(np.mean(found, axis=0)[inside], np.mean(true, axis=0)[inside])[0, 1] > 0.8
        strongest = np.mean(found, axis=0).ravel().argsort()[-20:]
        assert np.mean(true, axis=0).ravel()[strongest].min() > 0.3


def windows(clean, events):
    return {
        (k, e["trial_type"]): clean[int((float(e["onset"]) + 5) / 2) :][:6].mean(axis=0) for k, e in enumerate(events)
    }


def test_nearest_mean_decodes_conditions_in_new_subjects(cohort):
    folder, _ = cohort
    people = [p["participant_id"] for p in table(folder / "participants.tsv")]
    seen = {who: windows(*series(folder, who)[1:]) for who in people}
    right = []
    for left_out in people:
        train = [(kind, w) for who in people if who != left_out for (_, kind), w in seen[who].items()]
        means = {k: np.mean([w for kind, w in train if kind == k], axis=0) for k in ("visual", "motor")}
        for (_, kind), window in seen[left_out].items():
            score = {k: np.corrcoef(window.ravel(), m.ravel())[0, 1] for k, m in means.items()}
            right.append(max(score, key=score.get) == kind)
    assert len(right) >= 32
    assert np.mean(right) > 0.85


def test_groups_differ_in_course_and_amplitude_in_size(cohort):
    folder, _ = cohort
    people = table(folder / "participants.tsv")
    lags, sizes, noises = [], [], []
    for person in people:
        who = person["participant_id"]
        scan, clean, events = series(folder, who)
        truth = folder / "derivatives/truth" / who / "func"
        labels = read_scan(truth / f"{who}_task-blocks_desc-activation_dseg.nii.gz", kind="label").data[0, ..., 0]
        onsets = [float(e["onset"]) for e in events]
        course = block_response(onsets, [12.0] * len(onsets), np.arange(len(clean)) * 2.0)
        frontal = clean[:, labels == 3].mean(axis=1)
        lags.append(np.corrcoef(frontal, course)[0, 1])
        noises.append(scan.data[0, ..., 0][labels == 0].std())
        visual = [e for e in events if e["trial_type"] == "visual"]
        answer = block_response([float(e["onset"]) for e in visual], [12.0] * len(visual), np.arange(len(clean)) * 2.0)
        raw = scan.data[..., 0][:, labels == 1].mean(axis=1).astype(float)
        design = np.stack([answer, *(np.linspace(-1, 1, len(raw)) ** k for k in range(4))], axis=1)
        fit = np.linalg.lstsq(design, raw, rcond=None)[0]
        sizes.append(fit[0] / fit[1])
    patient = np.array([p["group"] == "patient" for p in people])
    assert np.max(np.array(lags)[patient]) < 0 < np.min(np.array(lags)[~patient])
    assert np.corrcoef(sizes, [float(p["amplitude"]) for p in people])[0, 1] > 0.8


def test_motion_is_what_the_table_says():
    still = Bold(**SMALL, noise=0.0, drift=0.0, effect=0.0)
    made = Bold(**SMALL, noise=0.0, drift=0.0, effect=0.0)
    moving = Bold(**(SMALL | {"motion": 0}), noise=0.0, drift=0.0, effect=0.0)
    object.__setattr__(still, "motion", 8.0)
    who = made.participants()[0]
    moved, rest = still.simulate_run(who, 0, 0), moving.simulate_run(who, 0, 0)
    assert displacement(moved.motion).max() == pytest.approx(8.0)
    assert np.array_equal(rest.scan.data, np.repeat(rest.scan.data[:1], 58, axis=0))
    grid, last = moved.scan.geometry, int(displacement(moved.motion).argmax())
    shifted = moved.scan.data[last, ..., 0].astype(np.float64)
    still_volume = rest.scan.data[0, ..., 0].astype(np.float64)

    def error(row):
        back = np.linalg.inv(grid.affine) @ rigid_matrix(row) @ grid.affine
        inside = ndimage.affine_transform(shifted, back[:3, :3], back[:3, 3], order=3)
        return np.sqrt(((inside - still_volume)[4:-4, 4:-4, 4:-4] ** 2).mean())

    assert error(moved.motion[last]) < 0.5 * error(np.zeros(6))
    assert error(moved.motion[last]) < 0.5 * error(-moved.motion[last])


def test_motion_table_round_trip(cohort):
    folder, _ = cohort
    rows = table(folder / "derivatives/truth/sub-03/func/sub-03_task-blocks_run-1_desc-motion_timeseries.tsv")
    assert tuple(rows[0]) == MOTION_COLUMNS
    options = Bold(**SMALL)
    want = options.simulate_run(options.participants()[2], 2, 0).motion
    np.testing.assert_array_equal([[float(v) for v in row.values()] for row in rows], want)


def test_same_seed_same_bytes(cohort, tmp_path):
    folder, _ = cohort
    Bold(**SMALL).write(tmp_path / "again")
    assert content_hash(tmp_path / "again") == content_hash(folder)
    few = Bold(**(SMALL | {"seed": 4}))
    other = few.simulate_run(few.participants()[0], 0, 0)
    assert not np.array_equal(other.scan.data, series(folder, "sub-01")[0].data)


@pytest.mark.parametrize(
    ("design", "studies", "kinds"),
    [("conditions", ["conditions.yaml"], {"visual", "motor"}), ("groups", ["groups.yaml", "amplitude.yaml"], {"task"})],
)
def test_designs(tmp_path, design, studies, kinds):
    made = Bold(design=design, subjects=2, runs=2, volumes=34, voxel=12.0)
    assert [path.name for path in made.write(tmp_path)] == studies
    assert len(list(tmp_path.glob("sub-*/func/*_bold.nii.gz"))) == 4
    events = table(tmp_path / "sub-01/func/sub-01_task-blocks_run-2_events.tsv")
    assert {e["trial_type"] for e in events} == kinds
    amplitudes = {p.amplitude for p in made.participants()}
    assert (amplitudes == {3.0}) == (design == "conditions")


@pytest.mark.parametrize(
    "options",
    [{"volumes": 8}, {"subjects": 1}, {"noise": -1.0}, {"noise": float("nan")}, {"voxel": 0.0}, {"design": "x"}],
)
def test_impossible_options(options):
    with pytest.raises(StudyError, match="simulate"):
        Bold(**options)
