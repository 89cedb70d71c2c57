"""Records in the cache: whole, believed only with their checksum, decoded once until they are replaced."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxtempo.cohort import record
from voxtempo.cohort.record import read_record, write_record

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=12, deadline=None)
@given(values, values)
def test_what_is_written_is_read_and_the_last_one_counts(tmp_path_factory: pytest.TempPathFactory, first, second):
    path = tmp_path_factory.mktemp("records") / "a"
    for value in (first, second):
        write_record(path, value)
        assert read_record(path) == value


def test_a_record_with_a_changed_byte_or_a_lost_end_is_none(tmp_path: Path):
    path = tmp_path / "a"
    write_record(path, {"pairs": [1, 2, 3]})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_record(path) is None
        path.write_bytes(whole[:place])
        assert read_record(path) is None
    path.write_bytes(whole)
    assert read_record(path) == {"pairs": [1, 2, 3]}
    path.unlink()
    assert read_record(path) is None


def test_it_is_decoded_once_until_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, decoded = tmp_path / "a", []

    def spy(text: bytes) -> object:
        decoded.append(text)
        return json.JSONDecoder().decode(text.decode())

    monkeypatch.setattr(record.json, "loads", spy)
    write_record(path, [1])
    assert [read_record(path) for _ in range(3)] == [[1]] * 3
    assert len(decoded) == 1
    write_record(path, [2])  # of the same size, and perhaps within the same tick of the clock
    assert [read_record(path) for _ in range(3)] == [[2]] * 3
    assert len(decoded) == 2


def test_who_reads_while_others_write_sees_one_of_them_whole(tmp_path: Path):
    path, written = tmp_path / "a", [[number] * 5000 for number in range(24)]
    write_record(path, written[0])
    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write_record, path, value) for value in written]
        seen = [read_record(path) for _ in range(40)]
        for job in writing:
            job.result()
    assert all(value in written for value in seen)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    write_record(tmp_path / "file" / "a", [1])
    assert read_record(tmp_path / "file" / "a") is None
