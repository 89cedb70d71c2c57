"""A run folder that another process writes into is left alone, and taken up when that process has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cohorts import disks

from voxtempo.cohort import load_study
from voxtempo.errors import StudyError
from voxtempo.workflow import train_study
from voxtempo.workflow.holding import LOCK, held
from voxtempo.workflow.records import refuse_foreign

pytest.importorskip("fcntl", reason="folders are not locked here")

HOLD = """
import sys, time
from pathlib import Path
from voxtempo.workflow.holding import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path):
    """Another process that holds a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_two_processes_never_write_into_one_run(other, tmp_path: Path):
    study = load_study(disks(tmp_path / "cohort"))
    with pytest.raises(StudyError, match=r"Another process is writing into .*run\. Wait until it ends"):
        train_study(study, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_killed_process_leaves_nothing_locked(other, tmp_path: Path):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run" / LOCK).is_file()
    refuse_foreign(tmp_path / "run")
    with held(tmp_path / "run"), held(tmp_path / "run"):
        (tmp_path / "run" / "study.yaml").write_text("", encoding="utf-8")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["study.yaml"]


def test_what_was_not_written_into_goes_again(tmp_path: Path):
    with pytest.raises(KeyError), held(tmp_path / "new" / "run"):
        raise KeyError
    assert not (tmp_path / "new" / "run").exists()
    with held(tmp_path / "new" / "run"):  # and may be held again
        pass


def test_a_folder_that_cannot_be_made_is_told_where_it_is_written(tmp_path: Path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with held(tmp_path / "file" / "run"):
        pass
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
