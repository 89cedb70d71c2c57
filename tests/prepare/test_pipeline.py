from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from voxtempo.cohort import Case, cache_root
from voxtempo.errors import CohortError, StudyError
from voxtempo.prepare import (
    PreparedCase,
    Step,
    build_steps,
    job,
    pipeline,
    prepare_cohort,
    prepare_scan,
    run_steps,
    to_native,
)
from voxtempo.prepare.store import fitting_storage, key_of
from voxtempo.scans import Geometry, Scan, read_scan, write_scan

STEPS = ["orient", {"resample": 2.0}, {"crop_pad": [10, 10, 10]}, "normalise"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VOXTEMPO_CACHE", str(tmp_path / "cache"))


def write_case(folder: Path, name: str, seed: int, volumes: int = 1, channels: tuple[str, ...] = ("mr",)) -> Case:
    rng = np.random.default_rng(seed)
    geometry = Geometry.from_spacing((14, 16, 12), (1.5, 1.5, 2.0), (-3.0, 4.0, 5.0)).reoriented("LPS")
    folder.mkdir(parents=True, exist_ok=True)
    scans = {}
    for channel in channels:
        data = rng.normal(100, 10, (volumes, *geometry.shape, 1)).astype(np.float32)
        scans[channel] = write_scan(
            Scan(data, geometry, 2.0 if volumes > 1 else None), folder / f"{name}_{channel}.nii.gz"
        )
    label = Scan(rng.integers(0, 3, (1, *geometry.shape, 1)).astype(np.uint8), geometry, kind="label")
    return Case(name, name, scans, mask=write_scan(label, folder / f"{name}_seg.nii.gz"))


@pytest.fixture
def cases(tmp_path) -> list[Case]:
    return [write_case(tmp_path / "data", f"case{i}", i) for i in range(4)]


@dataclass(frozen=True)
class Counting(Step):
    """Adds a number and remembers how often; not in the registry, so only this test knows it."""

    name: ClassVar[str] = "counting"
    costly: ClassVar[bool] = False
    calls: ClassVar[Counter[str]] = Counter()

    tag: str = "a"
    plus: float = 0.0

    def apply(self, scan, decision):
        self.calls[self.tag] += 1
        return scan.with_data(scan.data + np.float32(self.plus))


@dataclass(frozen=True)
class Costly(Counting):
    """The same, worth keeping."""

    name: ClassVar[str] = "costly"
    costly: ClassVar[bool] = True


@pytest.fixture
def calls() -> Counter[str]:
    Counting.calls.clear()
    return Counting.calls


def test_a_case_is_prepared_as_by_hand_and_comes_back(cases):
    steps = build_steps(STEPS)
    prepared = prepare_cohort(cases, steps)
    assert list(prepared) == [case.id for case in cases]
    case, original = prepared["case1"], read_scan(cases[1].scans["mr"])
    by_hand, native, decisions = prepare_scan(original, steps)
    assert case.fresh
    assert case.decisions == json.loads(json.dumps(decisions))
    assert case.image.geometry.matches(by_hand.geometry)
    assert case.image.channels == ("mr",)
    np.testing.assert_allclose(case.image.read(), by_hand.data, atol=2e-3)
    assert case.mask.geometry.matches(case.image.geometry)
    assert case.mask.kind == "label"
    assert case.native.matches(native)
    assert to_native(by_hand, case.native).geometry.shape == original.geometry.shape
    again = PreparedCase.open_case(case.folder, case.id)
    assert (again.id, again.decisions, again.fresh) == ("case1", case.decisions, False)
    assert case.bytes > 2000


def test_workers_give_the_same_bytes_as_one_process(cases, tmp_path):
    one = prepare_cohort(cases, build_steps(STEPS), tmp_path / "one")
    two = prepare_cohort(cases, build_steps(STEPS), tmp_path / "two", workers=2)
    for case in cases:
        assert two[case.id].fresh
        assert one[case.id].folder.name == two[case.id].folder.name
        np.testing.assert_array_equal(one[case.id].image.array, two[case.id].image.array)
        np.testing.assert_array_equal(one[case.id].mask.array, two[case.id].mask.array)


def test_finished_cases_are_taken_and_changed_ones_redone(cases, calls):
    steps = (Counting("a"), *build_steps(["normalise"]))
    prepare_cohort(cases, steps)
    seen = []
    second = prepare_cohort(cases, steps, progress=lambda *told: seen.append(told))
    assert calls["a"] == 4
    assert not any(case.fresh for case in second.values())
    assert seen == [(4, 4, "")]
    os.utime(cases[0].scans["mr"], (1, 1))  # touched, not changed
    prepare_cohort(cases, steps)
    assert calls["a"] == 4
    data = read_scan(cases[2].scans["mr"])
    write_scan(data.with_data(data.data + 1), cases[2].scans["mr"])
    third = prepare_cohort(cases, steps)
    assert calls["a"] == 5
    assert [case.id for case in third.values() if case.fresh] == ["case2"]


def test_a_changed_step_reruns_only_what_must_be(cases, calls):
    def prepared(*steps):
        calls.clear()
        return prepare_cohort(cases, steps), dict(calls)

    first, ran = prepared(Costly("c", 1.0), Counting("x"), Costly("d", 2.0), Counting("y", 3.0))
    assert ran == {"c": 4, "x": 4, "d": 4, "y": 4}
    second, ran = prepared(Costly("c", 1.0), Counting("x"), Costly("d", 2.0), Counting("z", 5.0))
    assert ran == {"z": 4}  # both stages are taken up
    np.testing.assert_allclose(second["case0"].image.read() - first["case0"].image.read(), 2, atol=0.1)
    _, ran = prepared(Costly("c", 1.0), Counting("new"), Costly("d", 2.0), Counting("z", 5.0))
    assert ran == {"new": 4, "d": 4, "z": 4}  # the first stage is taken up
    _, ran = prepared(Costly("c", 1.5), Counting("x"))
    assert ran == {"c": 4, "x": 4}
    assert first["case0"].decisions == [{}, {}, {}, {}]


def test_a_changed_label_map_is_redone(cases):
    steps = build_steps(["orient"])
    prepare_cohort(cases, steps)
    label = read_scan(cases[1].mask, kind="label")
    write_scan(label.with_data(2 - label.data), cases[1].mask)
    again = prepare_cohort(cases, steps)
    assert [case.id for case in again.values() if case.fresh] == ["case1"]
    turned = run_steps(read_scan(cases[1].mask, kind="label"), steps)[0]
    np.testing.assert_array_equal(again["case1"].mask.read(), turned.data)


def test_the_key_holds_everything_that_decides_the_result():
    steps = build_steps(STEPS)
    base = {"sources": {"a": "1", "b": "2"}, "mask": "3", "series": None, "repetition_time": None, "steps": steps}
    variants = [
        base,
        {**base, "sources": {"b": "2", "a": "1"}},
        {**base, "sources": {"a": "1", "c": "2"}},
        {**base, "sources": {"a": "1", "b": "4"}},
        {**base, "mask": None},
        {**base, "series": "4"},
        {**base, "repetition_time": 2.0},
        {**base, "steps": steps[:-1]},
        {**base, "steps": steps[::-1]},
        {**base, "steps": build_steps([*STEPS[:-1], {"normalise": "minmax"}])},
    ]
    assert len({key_of(**variant) for variant in variants}) == len(variants)
    assert key_of(**base) == key_of(**{**base, "steps": build_steps(STEPS)})


def test_a_raised_version_is_redone(cases, calls, monkeypatch):
    prepare_cohort(cases[:1], (Counting("v"),))
    monkeypatch.setattr(Counting, "version", 2)
    prepare_cohort(cases[:1], (Counting("v"),))
    assert calls["v"] == 2


def test_identical_files_are_prepared_once(cases, calls):
    twin = Case("twin", "twin", cases[0].scans, mask=cases[0].mask)
    prepared = prepare_cohort([*cases[:1], twin], (Counting("t"),))
    assert calls["t"] == 1
    assert prepared["twin"].folder == prepared["case0"].folder
    assert prepared["twin"].id == "twin"


def test_half_written_folders_are_not_taken_for_cases(cases, calls):
    steps = (Counting("p"),)
    done = prepare_cohort(cases, steps)
    record = done["case3"].folder / "case.json"
    record.unlink()
    (done["case3"].folder / ".image.abc.part").mkdir()
    with pytest.raises(CohortError, match="no complete prepared case"):
        PreparedCase.open_case(done["case3"].folder)
    again = prepare_cohort(cases, steps)
    assert [case.id for case in again.values() if case.fresh] == ["case3"]
    record.write_text('{"format": ', encoding="utf-8")
    assert prepare_cohort(cases, steps)["case3"].fresh


def test_one_bad_file_stops_nobody_else(cases, tmp_path):
    cases[1].scans["mr"].write_bytes(cases[1].scans["mr"].read_bytes()[:200])
    small = Scan(np.zeros((1, 5, 5, 5, 1), np.uint8), Geometry.from_spacing((5, 5, 5)), kind="label")
    write_scan(small, cases[2].mask)
    cases.append(Case("gone", "gone", {"mr": tmp_path / "gone.nii.gz"}))
    cases.append(Case("other", "other", {"t2": cases[0].scans["mr"]}))
    for workers in (1, 2):
        with pytest.raises(CohortError) as caught:
            prepare_cohort(cases, build_steps(STEPS), channels=["mr"], workers=workers)
        message = str(caught.value)
        assert message.startswith("4 of 6 cases could not be prepared")
        assert "case1_mr.nii.gz" in message
        assert "case2_mr.nii.gz and the label map" in message
        assert "case2_seg.nii.gz do not lie on one grid: shape (14, 16, 12) against (5, 5, 5)" in message
        assert "gone.nii.gz" in message
        assert "other: has no scan 'mr'" in message
    done = prepare_cohort([cases[0], cases[3]], build_steps(STEPS))
    assert not any(case.fresh for case in done.values())


def test_a_failing_step_is_named_with_its_file(cases):
    with pytest.raises(CohortError, match=r"case0_mr\.nii\.gz.*'temporal_filter' works over time"):
        prepare_cohort(cases, build_steps([{"temporal_filter": {"detrend": 1}}]))
    with pytest.raises(StudyError, match=r"preparation step 'normalise'"):
        run_steps(read_scan(cases[0].scans["mr"]), build_steps([{"normalise": {"axis": "time"}}]))


def test_a_step_with_a_bug_is_told_as_such(cases):
    @dataclass(frozen=True)
    class Broken(Step):
        """Fails."""

        name: ClassVar[str] = "broken"

        def apply(self, scan, decision):
            return 1 / 0

    with pytest.raises(CohortError, match=r"case0_mr\.nii\.gz: ZeroDivisionError: division by zero \(in test_pipeline"):
        prepare_cohort(cases[:1], (Broken(),))


def test_nan_after_preparation_is_refused(cases):
    scan = read_scan(cases[0].scans["mr"])
    scan.data[0, 0, 0, 0, 0] = np.nan
    write_scan(scan, cases[0].scans["mr"])
    with pytest.raises(CohortError, match=r"case0_mr\.nii\.gz: 1 of 2688 voxels are NaN.*fill_nan"):
        prepare_cohort(cases[:1], build_steps(["orient"]))


def test_channels_are_stacked_in_the_order_asked_for(tmp_path):
    case = write_case(tmp_path / "data", "two", 7, channels=("t1", "t2"))
    ahead = prepare_cohort([case], build_steps(["orient"]), channels=["t1", "t2"])["two"]
    behind = prepare_cohort([case], build_steps(["orient"]), channels=["t2", "t1"])["two"]
    assert ahead.image.channels == ("t1", "t2")
    assert behind.image.channels == ("t2", "t1")
    np.testing.assert_array_equal(ahead.image.read(), behind.image.read()[..., ::-1])


def test_a_repetition_time_told_from_outside_is_used(tmp_path):
    case = write_case(tmp_path / "data", "bold", 3, volumes=40)
    scan = read_scan(case.scans["mr"])
    write_scan(Scan(scan.data, scan.geometry), case.scans["mr"])
    steps = build_steps([{"temporal_filter": {"high_pass": 0.02}}])
    with pytest.raises(CohortError, match="needs the repetition time"):
        prepare_cohort([case], steps)
    told = Case("bold", "bold", case.scans, mask=case.mask, repetition_time=2.0)
    prepared = prepare_cohort([told], steps)["bold"]
    assert prepared.image.repetition_time == 2.0
    assert prepared.decisions == [{"regressors": 2 + 3}]


def test_storage_keeps_small_changes_on_a_large_mean(tmp_path):
    geometry = Geometry.from_spacing((6, 6, 6))
    rng = np.random.default_rng(0)
    data = (1500 + rng.normal(0, 2, (50, 6, 6, 6, 1))).astype(np.float32)
    path = write_scan(Scan(data, geometry, 2.0), tmp_path / "bold.nii.gz")
    case = Case("bold", "bold", {"bold": path})
    kept = prepare_cohort([case], build_steps([{"temporal_filter": {"detrend": 0}}]))["bold"].image
    assert np.abs(kept.read() - data).max() < 1e-2  # half precision would be off by 0.5
    scored = prepare_cohort([case], build_steps([{"normalise": {"axis": "time"}}]))["bold"].image
    assert scored.array.dtype == np.float16  # where it suffices it is used


SLOW = """
import signal, sys, time
from pathlib import Path
from voxtempo.cohort import Case, cache_root
from voxtempo.prepare import build_steps, prepare_cohort
from dataclasses import dataclass
from voxtempo.prepare.step import Step

@dataclass(frozen=True)
class Slow(Step):
    name = "slow"
    def apply(self, scan, decision):
        # Two cases pass; the others wait to be allowed, so that the process can be stopped in the middle for certain.
        if len(list(root.glob("turn*"))) >= 2:
            while not (root / "go").exists():
                time.sleep(0.01)
        (root / f"turn{time.time_ns()}").touch()
        return scan

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background inherit that it is ignored
root = Path(sys.argv[1])
cases = [Case(f"case{i}", f"case{i}", {"mr": root / f"case{i}_mr.nii.gz"}) for i in range(4)]
prepare_cohort(cases, (Slow(),), progress=lambda done, n, name: print(done, flush=True))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_loses_nothing_that_was_done(cases, tmp_path, how):
    command = [sys.executable, "-c", SLOW, str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline().strip() == "1"
    assert process.stdout.readline().strip() == "2"
    process.send_signal(how)
    assert process.wait() != 0
    (tmp_path / "data" / "go").touch()
    second = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert second == ["2", "3", "4"]  # two were there, two were made


def test_an_interrupt_stops_the_workers_and_leaves_a_usable_cache(tmp_path):
    cases = [write_case(tmp_path / "data", f"case{i}", i, volumes=10) for i in range(6)]
    steps = build_steps(["orient", {"resample": 0.7}, "normalise"])

    def interrupt(done, total, case_id):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_cohort(cases, steps, workers=2, progress=interrupt)
    time.sleep(0.2)
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        alive = [
            Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
            for pid in children.read_text(encoding="utf-8").split()
        ]
        assert not any("voxtempo.prepare.worker" in command for command in alive)
    prepared = prepare_cohort(cases, steps, workers=2)
    assert 1 <= sum(not case.fresh for case in prepared.values()) < 6


def test_a_lost_worker_costs_one_case(cases, monkeypatch, tmp_path):
    module = tmp_path / "fatal_step.py"
    module.write_text(
        "import os\nfrom dataclasses import dataclass\nfrom voxtempo.prepare.step import Step, step\n\n"
        "@step('fatal')\n@dataclass(frozen=True)\nclass Fatal(Step):\n"
        "    def apply(self, scan, decision):\n"
        "        if 'case1' in scan.source:\n            os._exit(9)\n        return scan\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import fatal_step

    from voxtempo.prepare import steps as registry

    try:
        with pytest.raises(CohortError, match=r"1 of 4 cases.*(?s:.)*case1_mr\.nii\.gz: its worker process was lost"):
            prepare_cohort(cases, (fatal_step.Fatal(),), workers=2)
        rest = prepare_cohort([cases[0], *cases[2:]], (fatal_step.Fatal(),))
        assert not any(case.fresh for case in rest.values())
    finally:
        registry._entries.pop("fatal")


def test_no_framework_is_imported_by_preparing():
    code = (
        "import sys, voxtempo.cli.prepare, voxtempo.prepare; voxtempo.prepare.build_steps(['orient']);"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_verb_prepares_and_finds_again(cases, tmp_path, capsys):
    import argparse

    from voxtempo.cli import prepare as verb

    rows = "\n".join(f"case{i},{i % 2}" for i in range(4))
    (tmp_path / "data" / "cohort.csv").write_text(f"id,label\n{rows}\n", encoding="utf-8")
    study = tmp_path / "study.yaml"
    study.write_text(
        "name: small\ntask: classify\ncohort:\n  table: data/cohort.csv\n  scans: {mr: '{id}_mr.nii.gz'}\n"
        "  target: {column: label}\nprepare: [orient]\nsplit: {folds: 2}\n",
        encoding="utf-8",
    )
    parser = argparse.ArgumentParser()
    verb.add(parser.add_subparsers())
    arguments = ["prepare", str(study), "--workers", "1", "--cache", str(tmp_path / "elsewhere")]
    for expected in ("4 new, 0 from the cache", "0 new, 4 from the cache"):
        args = parser.parse_args(arguments)
        assert args.run(args) == 0
        said = capsys.readouterr().out
        assert expected in said
        assert str(tmp_path / "elsewhere") in said
        assert "steps: orient" in said
    args = parser.parse_args([*arguments, "--set", "prepare=[orient, normalise]"])
    args.run(args)
    assert "4 new" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args([*arguments[:3], "0"])
    assert "--workers: expected a whole number of 1 or more, found '0'" in capsys.readouterr().err


def test_many_failures_are_told_in_few_lines(cases):
    many = [Case(f"copy{i}", f"copy{i}", cases[0].scans) for i in range(30)]
    with pytest.raises(CohortError) as caught:
        prepare_cohort(many, build_steps([{"temporal_filter": {"detrend": 1}}]))
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 20 more: copy10, copy11, copy12, copy13, copy14 and 15 more"


@pytest.mark.parametrize(("spike", "kept"), [(None, None), (1e3, None), (1e7, "float32"), (1e10, "float32")])
def test_outliers_do_not_coarsen_the_rest(spike, kept):
    values = np.random.default_rng(0).normal(1200, 400, (1, 20, 20, 20, 1)).astype(np.float32)
    if spike is not None:
        values[0, 3, 3, 3, 0] = spike
    assert fitting_storage(Scan(values, Geometry.from_spacing((20, 20, 20)))) == kept


@pytest.mark.parametrize("largest", [1.0, 5e4])
def test_what_half_precision_holds_is_stored_so_however_it_is_spread(largest):
    """A mask as float32, and an image whose outlier float16 still reaches."""
    values = np.ones((1, 20, 20, 20, 1), np.float32)
    values[0, :3], values[0, 5, 5, 5, 0] = 0.0, largest
    assert fitting_storage(Scan(values, Geometry.from_spacing((20, 20, 20)))) is None


def test_a_label_map_gets_the_shape_of_its_image_where_headers_round_differently(tmp_path):
    """Thirty-three slices of 3 mm make 49.5 of 2 mm."""
    geometry = Geometry.from_spacing((8, 8, 33), (1.0, 1.0, 3.0))
    off = geometry.affine.copy()
    off[2, 2] *= 1 + 1e-7
    image = Scan(np.random.default_rng(0).normal(size=(1, 8, 8, 33, 1)).astype(np.float32), geometry)
    label = Scan(np.ones((1, 8, 8, 33, 1), np.uint8), Geometry((8, 8, 33), off), kind="label")
    case = Case(
        "c", "c", {"mr": write_scan(image, tmp_path / "i.nii.gz")}, mask=write_scan(label, tmp_path / "m.nii.gz")
    )
    prepared = prepare_cohort([case], build_steps([{"resample": [1.0, 1.0, 2.0]}]))["c"]
    assert prepared.image.geometry.shape == prepared.mask.geometry.shape


def test_a_case_that_another_process_has_finished_is_not_made_again(cases, monkeypatch):
    steps = build_steps(STEPS)
    prepare_cohort(cases[:1], steps)
    jobs, _ = pipeline._plan(cases[:1], steps, cache_root(), ["mr"], None, 1)
    monkeypatch.setattr(job, "save_case", lambda *given: pytest.fail("it was made again"))
    job.prepare_case(jobs[cases[0].id], steps)
