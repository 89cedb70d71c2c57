"""From a study to its cohort: rows become cases with files and truth; what is missing is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voxtempo.cohort.bids import read_bids
from voxtempo.cohort.case import Case, Cohort, Event
from voxtempo.cohort.events import read_events
from voxtempo.cohort.leakage.matching import match_subjects
from voxtempo.cohort.odd_values import odd_values
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.shuffle import shuffle_truth
from voxtempo.cohort.study import Study
from voxtempo.cohort.table import Row, Table, choose_rows, fill, is_missing, read_table, repeated
from voxtempo.cohort.truths import with_classes, with_targets
from voxtempo.errors import CohortError, VoxTempoError
from voxtempo.scans import read_header

Flow = list[tuple[str, int, int]]


@dataclass(frozen=True)
class Files:
    """The files of one row, and in words which of them are not there."""

    scans: Mapping[str, Path]
    mask: Path | None
    events: Path | None
    confounds: Path | None
    missing: tuple[str, ...]


def build_cohort(study: Study) -> Cohort:
    """Return the cohort a study describes: its cases in the table's order, with files found and truth read.

    Parameters
    ----------
    study : as ``load_study`` returns it (absolute paths).

    Raises
    ------
    CohortError : the table or BIDS folder cannot be read, a column does not exist, ids repeat, files or truth are
        missing (unless ``cohort.missing: skip``), a class has no case, or a regression target is not a number.
    """
    section = study.cohort
    if section.bids is not None:
        table = read_bids(section.bids, section.scans)
    else:
        assert section.table is not None
        table = read_table(section.table)
    _require_columns(study, table)
    rows = choose_rows(table, section.where)
    doubled = repeated(row.values[section.id] for row in rows)
    if doubled:
        raise CohortError(
            f"{table.source}: the column '{section.id}' must be unique, but {len(doubled)} values repeat: "
            f"{few(doubled)}. Name another column with 'cohort.id'."
        )
    problems = [*table.problems, *_nobodys(rows, study)]
    flow: Flow = [("in the table", *_count(table.rows, study))]
    if section.where:
        flow.append(("chosen by 'where'", *_count(rows, study)))
    rows, files = _with_files(study, table, rows, problems)
    flow.append(("with all files", *_count(rows, study)))
    cases = [_case(study, row, found) for row, found in zip(rows, files, strict=True)]
    if section.target.mask is None and section.target.events is None:
        cases = with_targets(study, cases, problems)
        flow.append(("with known truth", len(cases), len({case.subject for case in cases})))
    others, ignore = section.target.others == "background", section.target.ignore
    cohort = Cohort(tuple(cases), others=others, ignore=ignore, series=section.series, flow=tuple(flow))
    cohort = with_classes(study, cohort, problems)
    if section.target.shuffle is not None:
        cohort = shuffle_truth(cohort, section.target.shuffle)
        message = f"the truth is permuted (seed {section.target.shuffle}): results show what chance looks like."
        problems.append(Problem("warning", "cohort.target.shuffle", message))
    problems += odd_values(cohort.cases, section.target.column, study.task == "regress")
    cohort = replace(cohort, problems=tuple(problems))
    return match_subjects(cohort, section.match, section.caliper) if section.match is not None else cohort


def _require_columns(study: Study, table: Table) -> None:
    section = study.cohort
    table.require(section.id, "cohort.id")
    for column, key in (
        (section.subject, "cohort.subject"),
        (section.site, "cohort.site"),
        (section.target.column if section.target.events is None else None, "cohort.target.column"),
        (study.split.column, "split.column"),
        *((name, "split.stratify") for name in study.split.stratify),
        *((name, "evaluate.subgroups") for name in study.evaluate.subgroups or ()),
    ):
        if column is not None:
            table.require(column, key)


def _subject(row: Row, study: Study) -> str:
    """Return whom a row comes from; a row without a subject stands for itself."""
    section = study.cohort
    column = section.subject or ("participant_id" if section.bids is not None else section.id)
    value = row.values[column]
    return row.values[section.id] if is_missing(value) else value


def _nobodys(rows: Sequence[Row], study: Study) -> Iterator[Problem]:
    """Yield a warning about rows that do not say whom they come from."""
    column = study.cohort.subject
    lacking = [row.values[study.cohort.id] for row in rows if column is not None and is_missing(row.values[column])]
    if lacking:
        message = (
            f"{len(lacking)} of {len(rows)} rows have no '{column}' ({few(lacking, 3)}), so each counts as a person of its "
            "own, and nothing keeps several of one person on one side. Fill the column in, or leave such rows out with 'where'."
        )
        yield Problem("warning", "cohort.subject", message)


def _count(rows: Sequence[Row], study: Study) -> tuple[int, int]:
    return len(rows), len({_subject(row, study) for row in rows})


def _with_files(
    study: Study, table: Table, rows: Sequence[Row], problems: list[Problem]
) -> tuple[tuple[Row, ...], tuple[Files, ...]]:
    files = [_find(study, table, row) for row in rows]
    lacking = [
        f"{row.values[study.cohort.id]} ({'; '.join(found.missing)})"
        for row, found in zip(rows, files, strict=True)
        if found.missing
    ]
    if lacking:
        message = f"{len(lacking)} of {len(rows)} cases lack files: {few(lacking, 3)}."
        if study.cohort.missing == "refuse" or len(lacking) == len(rows):
            raise CohortError(
                f"{table.source}: {message} Correct the templates or 'cohort.root' (now {study.cohort.root}), "
                "or leave such cases out with 'cohort.missing: skip'."
            )
        problems.append(Problem("warning", "cohort.missing", f"Left out: {message}"))
    kept = [(row, found) for row, found in zip(rows, files, strict=True) if not found.missing]
    return tuple(row for row, _ in kept), tuple(found for _, found in kept)


def _find(study: Study, table: Table, row: Row) -> Files:
    section = study.cohort
    root = section.root or Path(table.source).parent
    missing: list[str] = []

    def existing(path: Path | None, name: str) -> Path | None:
        if path is None:
            missing.append(f"{name}: none named")
        elif not path.exists():
            missing.append(f"{name}: {path}")
        else:
            return path
        return None

    scans = {}
    for channel, spec in section.scans.items():
        if channel in row.scans:
            path = row.scans[channel]
        elif isinstance(spec, str):
            path = fill(spec, row, root, f"cohort.scans.{channel}", table)
        else:
            raise CohortError(
                f"cohort.scans.{channel}: entities choose files of a BIDS folder; with a table give a template, "
                "such as '{id}.nii.gz'."
            )
        found = existing(path, channel)
        if found is not None:
            scans[channel] = found
    target = section.target
    mask = events = None
    if target.mask is not None:
        mask = existing(fill(target.mask, row, root, "cohort.target.mask", table), "mask")
    if target.events == "auto":
        if section.bids is None:
            raise CohortError(
                "cohort.target.events: 'auto' finds events in a BIDS folder; with a table give a template."
            )
        events = existing(row.events, "events")
    elif target.events is not None:
        events = existing(fill(target.events, row, root, "cohort.target.events", table), "events")
    confounds = None
    if section.confounds is not None:
        confounds = existing(fill(section.confounds, row, root, "cohort.confounds", table), "confounds")
    return Files(scans, mask, events, confounds, tuple(missing))


def _case(study: Study, row: Row, files: Files) -> Case:
    section = study.cohort
    events: tuple[Event, ...] = ()
    if files.events is not None:
        assert section.target.column is not None
        window = study.sample.window if study.sample is not None else None
        rest = window.rest if window is not None else None
        end = None if rest is None else _duration(files, row, section.series)
        events = read_events(files.events, section.target.column, rest, end)
    return Case(
        id=row.values[section.id],
        subject=_subject(row, study),
        scans=files.scans,
        mask=files.mask,
        events=events,
        site=row.values[section.site] if section.site else None,
        row=row.values,
        repetition_time=row.repetition_time,
        slice_times=row.slice_times,
        confounds=files.confounds,
    )


def _duration(files: Files, row: Row, series: str | None) -> float | None:
    """Return the seconds that a series lasts, by its header; None where that cannot be known."""
    path = next(iter(files.scans.values()))
    try:
        header = read_header(path, series=series if path.is_dir() else None)
    except (VoxTempoError, OSError):  # told by the check of headers, with all others
        return None
    time = header.repetition_time or row.repetition_time
    return None if time is None else header.volumes * time
