"""``voxtempo simulate``: what it writes, what it refuses, what it prints."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from voxtempo.cli import simulate
from voxtempo.errors import CohortError, StudyError

QUICK = ["--subjects", "2", "--volumes", "34", "--voxel", "14"]


def call(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="voxtempo")
    simulate.add(parser.add_subparsers())
    args = parser.parse_args(["simulate", *words])
    return args.run(args)


def test_writes_and_says_what_is_next(tmp_path, capsys):
    out = tmp_path / "made"
    assert call("bold", "--out", str(out), *QUICK, "--repetition-time", "2.5") == 0
    printed = capsys.readouterr().out
    assert "2 subjects" in printed
    assert f"voxtempo train {out / 'conditions.yaml'}" in printed
    assert (out / "sub-02/func/sub-02_task-blocks_run-1_bold.nii.gz").exists()


def test_refuses_a_folder_in_use(tmp_path):
    out = str(tmp_path / "made")
    call("bold", "--out", out, *QUICK)
    with pytest.raises(CohortError, match="--force"):
        call("bold", "--out", out, *QUICK)
    (tmp_path / "made" / "mine.txt").write_text("kept", encoding="utf-8")
    assert call("bold", "--out", out, "--subjects", "3", "--volumes", "34", "--voxel", "14", "--force") == 0
    assert call("bold", "--out", out, *QUICK, "--design", "groups", "--force") == 0
    assert sorted(p.name for p in (tmp_path / "made").glob("sub-*")) == ["sub-01", "sub-02"]
    assert not (tmp_path / "made" / "conditions.yaml").exists()
    assert (tmp_path / "made" / "mine.txt").read_text(encoding="utf-8") == "kept"


def test_force_never_touches_real_data(tmp_path):
    (tmp_path / "sub-01").mkdir()
    with pytest.raises(CohortError, match="no simulation wrote"):
        call("bold", "--out", str(tmp_path), *QUICK, "--force")
    assert (tmp_path / "sub-01").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CohortError, match="is a file"):
        call("bold", "--out", str(tmp_path / "file"), *QUICK)


def test_unknown_kind_and_option(tmp_path, capsys):
    with pytest.raises(StudyError, match="Did you mean 'bold'"):
        call("bld", "--out", str(tmp_path))
    with pytest.raises(SystemExit):
        call("bold", "--out", str(tmp_path), "--volume-count", "3")
    with pytest.raises(SystemExit):
        call("bold", "--help")
    assert "--repetition-time" in capsys.readouterr().out


def test_the_verb_imports_nothing_heavy_until_it_runs():
    code = (
        "import argparse, sys; from voxtempo.cli import simulate; p = argparse.ArgumentParser();"
        "simulate.add(p.add_subparsers());"
        "print([m for m in ('numpy', 'keras', 'scipy', 'nilearn') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
