"""Sites made alike, from the study file to the prediction of a new scan: each fold by its own training cases."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import voxtempo as vt
from voxtempo.cli import main
from voxtempo.errors import CohortError, RunError, StudyError
from voxtempo.harmonise import About
from voxtempo.report.choices import chosen
from voxtempo.report.run_files import read_run
from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.workflow.harmonising import harmonise, lens_in
from voxtempo.workflow.predict import predict_scans
from voxtempo.workflow.setup import prepare, set_up

from .cohorts import write_study, write_table

COMBAT = {"combat": {"covariates": ["sex"], "unseen": "adapt", "least": 5}}
SETTINGS = {
    "augment": "none",
    "sample": "volume",
    "prepare": ["orient"],
    "network": {"name": "resnet3d", "widths": [4, 4]},
    "train": {"epochs": 2, "batch": 4, "rate": 0.01},
    "evaluate": {"intervals": 100},
}


def sited(
    folder: Path, name: str, sites: dict[str, tuple[int, float, float]], harmonise: list, seed: int = 0, **more
) -> Path:
    """Write a cohort of small volumes: site -> (scans, gain, offset)."""
    rng = np.random.default_rng(seed)
    anatomy = np.random.default_rng(99).gamma(3, 1, (8, 8, 8))
    rows = []
    for site, (count, gain, offset) in sites.items():
        for number in range(count):
            age = rng.uniform(20, 80)
            data = gain * 100 * (anatomy + (age - 50) / 30 + rng.normal(0, 0.3, anatomy.shape)) + offset
            case = f"{name}-{site}{number}"
            scan = Scan(data[None, ..., None].astype(np.float32), Geometry.from_spacing((8, 8, 8)))
            write_scan(scan, folder / f"{case}.nii.gz")
            rows.append({"id": case, "site": site, "age": f"{age:.1f}", "sex": "FM"[number % 2]})
    write_table(folder / f"{name}.csv", rows)
    study = {
        "name": name,
        "task": "regress",
        "cohort": {"table": f"{name}.csv", "site": "site", "scans": {"t1": "{id}.nii.gz"}, "target": {"column": "age"}},
        "split": {"test": 0.25, "folds": 2, "stratify": ["site"], "seed": 1},
        **SETTINGS,
        **more,
    }
    if harmonise:
        study["harmonise"] = harmonise
    return write_study(folder / f"{name}.yaml", **study)


SITES = {"a": (12, 1.0, 0.0), "b": (12, 3.0, 200.0)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Both folds of a study with a fixed test set, whose networks then answer together."""
    folder = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXTEMPO_CACHE", str(folder / "cache"))
        study = vt.load_study(sited(folder, "sites", SITES, ["histogram", COMBAT]))
        vt.train(study, folder / "run", "all")
        yield folder


def predictions(path: Path) -> dict[str, float]:
    rows = csv.DictReader((path / "predictions.csv").read_text(encoding="utf-8").splitlines())
    return {row["id"]: float(row["predicted"]) for row in rows if row.get("role", "test") == "test"}


def test_each_fold_keeps_what_its_own_training_cases_taught(trained):
    run = vt.open_run(trained / "run")
    first, second = (lens.chain for lens in run.lenses)
    assert first.digest() != second.digest()
    record = json.loads((trained / "run" / "fold-0" / "harmonise.json").read_text(encoding="utf-8"))
    split = (trained / "run" / "fold-0" / "split.csv").read_text(encoding="utf-8").splitlines()
    trains = [row for row in csv.DictReader(split) if row["role"] == "train"]
    assert record["cases"] == len(trains) == sum(record["sites"].values())
    assert [next(iter(item)) for item in record["harmonisers"]] == ["histogram", "combat"]
    said = " ".join(chosen(read_run(trained / "run")))
    assert "sites are made alike by histogram" in said
    assert f"learned from {len(trains)} training cases (by site: a " in said


def test_networks_of_several_folds_each_look_through_their_own_lens(trained):
    run = vt.open_run(trained / "run")
    scan = trained / "sites-b3.nii.gz"
    together = run.predict(scan, site="b", values={"sex": "F"}).row["predicted"]
    alone = [
        vt.open_run(trained / "run" / f"fold-{k}").predict(scan, site="b", values={"sex": "F"}).row["predicted"]
        for k in (0, 1)
    ]
    assert alone[0] != alone[1]
    assert together == pytest.approx(np.mean(alone), rel=1e-5)


def test_the_command_line_predicts_as_the_run_was_judged(trained, capsys):
    judged = predictions(trained / "run")
    ids = sorted(judged)
    rows = [{"id": i, "site": i.split("-")[1][0], "sex": "FM"[int(i.split("-")[1][1:]) % 2]} for i in ids]
    write_table(trained / "new.csv", rows)
    scans = [str(trained / f"{i}.nii.gz") for i in ids]
    assert (
        main(
            [
                "predict",
                str(trained / "run"),
                *scans,
                "--out",
                str(trained / "out"),
                "--table",
                str(trained / "new.csv"),
            ]
        )
        == 0
    )
    found = predictions(trained / "out")
    for case_id in ids:  # the cache keeps prepared scans in half precision
        assert found[case_id] == pytest.approx(judged[case_id], abs=0.3)
    assert main(["predict", str(trained / "run"), scans[0], "--out", str(trained / "out"), "--site", rows[0]["site"],
                 "--value", f"sex={rows[0]['sex']}"]) == 0  # fmt: skip
    assert predictions(trained / "out")[ids[0]] == pytest.approx(found[ids[0]], rel=1e-6)
    capsys.readouterr()
    assert main(["predict", str(trained / "run"), scans[0], "--out", str(trained / "out")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "must know of each: site (of" in said
    assert "--site NAME --value sex=..." in said


def test_evaluating_again_gives_the_same(trained):
    before = predictions(trained / "run" / "fold-1")
    shutil.copytree(trained / "run" / "fold-1", trained / "copy")
    vt.open_run(trained / "copy").evaluate()
    assert predictions(trained / "copy") == before


def test_an_external_cohort_is_harmonised_by_its_own_site_column(trained):
    path = sited(trained, "elsewhere", {"b": (6, 3.0, 200.0), "c": (5, 0.2, 10.0)}, [], seed=5, split={"folds": 2})
    other = vt.load_study(path)
    run = vt.open_run(trained / "run")
    assert run.evaluate(other)["test"]["mae"]["n"] == 11
    record = json.loads((trained / "run" / "external-elsewhere" / "harmonise.json").read_text(encoding="utf-8"))
    assert record == {"adapted_to": {"c": 5}}
    nameless = other.model_copy(update={"cohort": other.cohort.model_copy(update={"site": None}), "name": "nameless"})
    with pytest.raises(CohortError, match=r"the site of .* is not known"):
        run.evaluate(nameless)


def test_a_site_that_comes_with_prediction_is_learned_from_the_scans_that_come_together(trained):
    sited(trained, "new", {"d": (6, 2.0, -50.0)}, [], seed=8)
    scans = [str(trained / f"new-d{k}.nii.gz") for k in range(6)]
    run = vt.open_run(trained / "run" / "fold-0")
    told = {"site": "d", "values": ["sex=F"]}
    said = predict_scans(run, scans, trained / "told", **told)
    assert all(each.row["status"] == "ok" for each in said)
    summary = json.loads((trained / "told" / "predictions.json").read_text(encoding="utf-8"))
    assert summary["adapted_to"] == {"d": 6}
    assert sorted(path.name for path in (trained / "told").iterdir()) == ["predictions.csv", "predictions.json"]
    with pytest.raises(CohortError, match="new site 'd' has 3 scans"):
        predict_scans(run, scans[:3], trained / "told", **told)


def test_what_was_learned_is_part_of_the_run(trained):
    shutil.copytree(trained / "run" / "fold-0", trained / "robbed")
    (trained / "robbed" / "harmonise.json").unlink()
    with pytest.raises(RunError, match=r"harmonise.json is gone, without which scans cannot be harmonised"):
        vt.open_run(trained / "robbed").predict(trained / "sites-b3.nii.gz", site="b", values={"sex": "F"})
    with pytest.raises(StudyError, match=r"must know of each: sex \(of scan\)"):
        vt.open_run(trained / "run").predict(trained / "sites-b3.nii.gz", site="b")


def test_a_site_left_out_is_refused_or_adapted_to_and_the_report_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    sites = {"a": (9, 1.0, 0.0), "b": (9, 3.0, 200.0), "c": (6, 0.3, 50.0)}
    path = sited(tmp_path, "out", sites, ["combat"], split={"column": "site", "validation": 0.2})
    with pytest.raises(CohortError, match="in some fold no training case is of the site a, b, c"):
        set_up(vt.load_study(path))
    setup = set_up(vt.load_study(path, ["harmonise.combat={unseen: adapt, least: 5}"]))
    prepared, sides = prepare(setup), setup.sides(setup.fold(2))
    seen = harmonise(setup, sides, prepared, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "harmonise.json").read_text(encoding="utf-8"))
    assert record["adapted_to"] == {"c": 6}
    write_study(tmp_path / "run" / "study.yaml", name="out", task="regress")
    said = " ".join(chosen(read_run(tmp_path / "run")))
    assert "adapted to the images, not the truths, of validation and test cases of the new site c (6 scans)" in said
    lens = lens_in(tmp_path / "run")
    moved = [case.id for case in setup.cohort if seen[case.id].folder != prepared[case.id].folder]
    assert moved == [case.id for case in setup.cohort if case.id not in {each.id for each in sides.test}]

    def brightness(site, images):
        return np.mean([images(case) for case in setup.cohort if case.site == site])

    before = [brightness(site, lambda case: prepared[case.id].image.read().mean()) for site in "abc"]
    after = [
        brightness(site, lambda case: lens.chain.apply(prepared[case.id].image.to_scan(), About.of(case)).data.mean())
        for site in "abc"
    ]
    assert np.ptp(after) < 0.1 * np.ptp(before)
    kept = (tmp_path / "run" / "harmonise.json").stat().st_mtime_ns
    harmonise(setup, sides, prepared, tmp_path / "run")
    assert (tmp_path / "run" / "harmonise.json").stat().st_mtime_ns == kept
    other = setup.sides(setup.fold(1))
    harmonise(setup, other, prepared, tmp_path / "run")  # other cases: what was learned is not taken for theirs
    assert json.loads((tmp_path / "run" / "harmonise.json").read_text(encoding="utf-8"))["adapted_to"] == {"b": 9}
    plain = set_up(vt.load_study(path, ["harmonise=[]"]))  # the study is corrected before anything was trained
    assert harmonise(plain, other, prepared, tmp_path / "run") == prepared
    assert lens_in(tmp_path / "run") is None


def test_check_names_the_confound(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))
    path = sited(tmp_path, "old", {"a": (10, 1.0, 0.0), "b": (10, 3.0, 200.0)}, ["combat"])
    table = (tmp_path / "old.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in table[1:]]
    ages = sorted(float(row[2]) for row in rows)
    write_table(
        tmp_path / "old.csv",
        [{"id": r[0], "site": r[1], "age": a, "sex": r[3]} for r, a in zip(rows, ages, strict=True)],
    )
    assert main(["check", str(path), "--quick"]) == 0
    assert "the target is confounded with the site" in " ".join(capsys.readouterr().out.split())
