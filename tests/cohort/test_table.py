"""Tables and events: read strictly, faults named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxtempo.cohort.events import outside, read_events
from voxtempo.cohort.table import Row, Table, choose_rows, fill, read_table, template_columns
from voxtempo.errors import CohortError


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.csv", "\t"), ("t.tsv", "\t")])
def test_delimiters_bom_and_line_ends(tmp_path: Path, name: str, delimiter: str):
    path = tmp_path / name
    text = 'id, age \r\n001,33\r\n\r\n"a,b\tc;d",7\r\n'
    cells = (
        text.replace("id, age ", f"id{delimiter} age ")
        .replace("001,33", f"001{delimiter}33")
        .replace('",7', f'"{delimiter}7')
    )
    path.write_bytes(b"\xef\xbb\xbf" + cells.encode())
    table = read_table(path)
    assert table.columns == ("id", "age")
    assert [dict(row.values) for row in table.rows] == [{"id": "001", "age": "33"}, {"id": "a,b\tc;d", "age": "7"}]
    assert [row.line for row in table.rows] == [2, 4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"id,age\n", "no rows under its header"),
        (b"id,id\n1,2\n", "names id more than once"),
        (b"id,,b\n1,2,3\n", "column 2 has no name"),
        (b"id,age\n1,2\n3\n4,5,6\n", r"2 rows do not have 2 cells.*line 3 \(1\), line 4 \(3\)"),
        (b"id,age\n\xe9,2\n", "not UTF-8"),
        (b"PK\x03\x04rest", "spreadsheet"),
        (b'id,age\n"1,2\n', "line"),
        (b"i\x00d,age\n1,2\n", "zero bytes"),
    ],
)
def test_broken_tables(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=words) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def table_of(*rows: dict[str, str]) -> Table:
    return Table("t.csv", tuple(rows[0]), tuple(Row(values, i + 2) for i, values in enumerate(rows)))


def test_rows_are_chosen_by_value():
    table = table_of({"id": "a", "site": "1"}, {"id": "b", "site": "2"}, {"id": "c", "site": "1"})
    assert [row.values["id"] for row in choose_rows(table, {"site": "1"})] == ["a", "c"]
    assert [row.values["id"] for row in choose_rows(table, {"site": ["1", "2"], "id": ["b"]})] == ["b"]
    with pytest.raises(CohortError, match=r"no row .* has site = 3. It holds: 1, 2"):
        choose_rows(table, {"site": "3"})
    with pytest.raises(CohortError, match="Did you mean 'site'"):
        choose_rows(table, {"sites": "1"})
    with pytest.raises(CohortError, match="no row meets all"):
        choose_rows(table, {"site": "1", "id": "b"})


def test_templates(tmp_path: Path):
    table = table_of({"id": "a", "site": "x"}, {"id": "b", "site": ""})
    template = "{site}/{id}{{raw}}.nii"
    assert fill(template, table.rows[0], tmp_path, "k", table) == tmp_path / "x" / "a{raw}.nii"
    assert fill(template, table.rows[1], tmp_path, "k", table) is None
    with pytest.raises(CohortError, match=r"'cohort.scans.t1' names the column 'idd'.*Did you mean 'id'"):
        fill("{idd}.nii", table.rows[0], tmp_path, "cohort.scans.t1", table)
    for bad in ("{id", "{}", "{id.real}x{0", "{id!r}", "{id:03d}"):
        with pytest.raises(CohortError, match="template"):
            template_columns(bad, "cohort.scans.t1")


def test_a_template_cannot_reach_into_objects(tmp_path: Path):
    table = table_of({"id": "a"})
    with pytest.raises(CohortError):
        fill("{id.__class__}", table.rows[0], tmp_path, "k", table)


def test_events_are_sorted_and_unlabelled_ones_left_out(tmp_path: Path):
    path = tmp_path / "e.tsv"
    path.write_text("onset\tduration\ttrial_type\n20\t2.5\tface\n1.5\tn/a\thouse\n30\t1\tn/a\n", encoding="utf-8")
    assert [(e.onset, e.duration, e.label) for e in read_events(path, "trial_type")] == [
        (1.5, 0.0, "house"), (20.0, 2.5, "face"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("n/a\t1\tface", "line 2: onset"),
        ("x\t1\tface", "line 2: onset 'x'"),
        ("1\t-2\tface", "duration '-2'"),
        ("1\tinf\tface", "duration"),
    ],
)
def test_broken_events(tmp_path: Path, row: str, words: str):
    path = tmp_path / "e.tsv"
    path.write_text(f"onset\tduration\ttrial_type\n{row}\n", encoding="utf-8")
    with pytest.raises(CohortError, match=words):
        read_events(path, "trial_type")


def test_the_events_column_is_suggested(tmp_path: Path):
    path = tmp_path / "e.tsv"
    path.write_text("onset\tduration\ttrial_type\n1\t1\ta\n", encoding="utf-8")
    with pytest.raises(CohortError, match="Did you mean 'trial_type'"):
        read_events(path, "trialtype")


def test_outside_is_before_the_first_volume_or_after_the_last(tmp_path: Path):
    path = tmp_path / "e.tsv"
    path.write_text("onset\tduration\tx\n-0.1\t1\ta\n0\t1\tb\n9.99\t5\tc\n10\t0\td\n", encoding="utf-8")
    assert [e.label for e in outside(read_events(path, "x"), 10.0)] == ["a", "d"]
