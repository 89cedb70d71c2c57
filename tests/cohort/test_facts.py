"""What is remembered of files: a record a folder, until a file changes, whoever else uses the cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from voxtempo.cohort import cache_root, facts
from voxtempo.cohort.facts import gather, stamp
from voxtempo.errors import ScanError


class Looks:
    """Counts what is looked at; a file that says "broken" cannot be read."""

    def __init__(self) -> None:
        self.at: list[str] = []

    def __call__(self, path: Path) -> dict[str, str]:
        self.at.append(path.name)
        text = path.read_text(encoding="utf-8")
        if text == "broken":
            raise ScanError(f"{path}: is broken")
        return {"text": text}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files in each of two folders."""
    paths = [tmp_path / folder / name for folder in ("one", "two") for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{path.parent.name} {path.name}", encoding="utf-8")
    return paths


def records(kind: str) -> list[Path]:
    return sorted((cache_root() / "facts" / kind).iterdir())


def test_facts_are_kept_by_folder_and_kind_until_a_file_changes(files: list[Path]):
    looks = Looks()
    first, errors = gather(files, "words-1", looks)
    assert {path: fact["text"] for path, fact in first.items()} == {p: f"{p.parent.name} {p.name}" for p in files}
    assert (errors, len(looks.at), len(records("words-1"))) == ({}, 4, 2)
    assert gather(files, "words-1", looks) == (first, {})
    assert len(looks.at) == 4
    files[1].write_text("another", encoding="utf-8")
    os.utime(files[1], ns=(1, 1))
    assert gather(files, "words-1", looks)[0][files[1]] == {"text": "another"}
    assert looks.at[4:] == ["b"]
    gather(files, "words-2", looks)
    assert len(looks.at) == 9


def test_only_the_records_of_the_folders_asked_for_are_read(files: list[Path], monkeypatch: pytest.MonkeyPatch):
    gather(files, "words-1", Looks())
    read: list[Path] = []
    monkeypatch.setattr(facts, "read_record", lambda path: read.append(path))
    gather(files[:1], "words-1", Looks())
    assert set(read) < set(records("words-1"))


def test_what_another_process_found_meanwhile_is_kept(files: list[Path]):
    """The other process looks at file b while this one looks at file a of the same folder."""
    looks = Looks()

    def interrupted(path: Path) -> dict[str, str]:
        gather([files[1]], "words-1", looks)
        return looks(path)

    gather([files[0]], "words-1", interrupted)
    assert sorted(looks.at) == ["a", "b"]
    gather(files[:2], "words-1", looks)
    assert len(looks.at) == 2


def test_damaged_and_foreign_records_are_not_believed(files: list[Path]):
    looks = Looks()
    truth = gather(files, "words-1", looks)
    one, two = records("words-1")
    one.write_bytes(one.read_bytes()[:-3])
    assert gather(files, "words-1", looks) == truth
    assert len(looks.at) == 6
    shutil.copy(two, one)  # a folder's record in the place of another's
    for path in files:
        os.utime(path, ns=(5, 5))
    gather(files, "words-1", looks)
    shutil.copy(two, one)
    assert gather(files, "words-1", looks) == truth


def test_errors_are_told_and_never_remembered(files: list[Path]):
    looks = Looks()
    files[0].write_text("broken", encoding="utf-8")
    files[2].unlink()
    for count in (1, 2):
        found, errors = gather(files, "words-1", looks)
        assert set(found) == {files[1], files[3]}
        assert errors == {
            files[0]: f"{files[0]}: is broken",
            files[2]: f"{files[2]} cannot be read: No such file or directory.",
        }
        assert looks.at.count("a") == count


def test_folders_change_with_any_file_in_them(files: list[Path]):
    folder = files[0].parent
    before = stamp(folder)
    assert stamp(folder) == before
    os.utime(files[0], ns=(1, 1))
    assert stamp(folder) != before
