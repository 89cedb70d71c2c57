"""``voxtempo check``: resolves and explains a study, looks for what could make its result untrue, and its cost."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxtempo.cohort import Cohort, DuplicateReport, Fold, GeometryReport, Problem

MANY_SHOWN = 4


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to the command line."""
    parser = subparsers.add_parser(
        "check", help="resolve and explain a study; find leaks and faults; estimate memory and time",
        description="Resolves and explains a study: cohort, geometry, labels, duplicates, leakage, split, plan. "
        "The exit status is 1 if errors were found.",
    )  # fmt: skip
    parser.add_argument("study", nargs="?", metavar="STUDY", help="the study file (YAML)")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="A.B=C", help="override a value")
    parser.add_argument("--quick", action="store_true", help="headers only: no duplicates, no label values")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that read scans (default: 2)")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of study files, and stop")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print everything about a study; return 1 if an error was found."""
    from voxtempo import cohort as room
    from voxtempo.errors import StudyError

    if args.schema:
        print(json.dumps(room.study_schema(), indent=2))
        return 0
    if args.study is None:
        raise StudyError("Give a study file: voxtempo check STUDY. ('voxtempo check --schema' prints the schema.)")
    study = room.load_study(args.study, args.settings)
    _title(f"Study {study.name}")
    print(room.dump_study(study).rstrip())
    cohort = room.build_cohort(study)
    problems = list(cohort.problems)
    _title("Cohort")
    _print_cohort(cohort)

    _title("Geometry")
    geometry = room.check_geometry(cohort, args.workers)
    _print_geometry(geometry)
    problems += geometry.problems

    duplicates = None
    if not args.quick:
        readable = {problem.where for problem in geometry.problems if problem.severity == "error"}
        if study.task == "segment":
            problems += room.check_masks(cohort, args.workers, _progress("label maps"))
        _title("Duplicates and leakage")
        duplicates = room.find_duplicates(cohort, args.workers, _progress("decoding images"))
        cohort = room.join_duplicates(cohort, duplicates)
        _print_duplicates(cohort, duplicates, study.split.column)
        found = room.duplicate_problems(cohort, duplicates, study.split.column)
        shuffled = study.cohort.target.shuffle is not None
        problems += [p for p in found if p.where not in readable and not (shuffled and "different truths" in p.message)]

    _title("Split")
    folds = room.make_folds(cohort, study.split)
    for fold in folds:
        room.refuse_leaks(cohort, fold, duplicates)
    problems += room.check_folds(cohort, folds)
    _print_split(cohort, folds)
    _title("Problems")
    _print_problems(problems)
    if geometry.headers:
        from voxtempo.planning import explain

        _title("Plan")
        print("\n".join(explain(study, cohort, geometry)))
    return 1 if any(problem.severity == "error" for problem in problems) else 0


def _title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def _progress(what: str):  # type: ignore[no-untyped-def]
    """Return a callback that counts on the terminal's error stream, and nothing where nobody watches."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            sys.stderr.write(f"\r{what}: {done} of {total}" + ("\n" if done == total else ""))

    return show


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_cohort(cohort: Cohort) -> None:
    from voxtempo.cohort import summarise

    for step, cases, subjects in cohort.flow:
        print(f"{cases} cases of {subjects} subjects {step}")
    if cohort.classes:
        print(f"classes: {', '.join(cohort.classes)}")
    if cohort.labels:
        print("labels: " + ", ".join(f"{value} {name}" for value, name in cohort.labels.items()))
    _print_table(summarise(cohort)["table"]["rows"])


def _print_geometry(report: GeometryReport) -> None:
    for name, values in report.counts.items():
        shown = [f"{value} ({count})" for value, count in list(values.items())[:MANY_SHOWN]]
        more = f" and {len(values) - MANY_SHOWN} more" if len(values) > MANY_SHOWN else ""
        print(f"{name}: {', '.join(shown)}{more}")


def _print_duplicates(cohort: Cohort, report: DuplicateReport, column: str | None) -> None:
    from voxtempo.cohort import straddles

    print(
        f"{report.images} images decoded: {len(report.groups)} groups of identical images, "
        f"{report.redundant} redundant cases, {len(report.conflicts)} groups with different truths"
    )
    for straddle in straddles(cohort, report, column):
        shares = ", ".join(f"{n} of {straddle.total[name]} in {name}" for name, n in straddle.cases.items())
        print(f"across '{straddle.column}': {len(straddle.groups)} groups have members under several values ({shares})")
        for group in straddle.groups:
            print("  " + " = ".join(f"{case_id} [{cohort[case_id].row[straddle.column]}]" for case_id in group))
    print(f"{len(cohort.subjects)} subjects make {len({case.group for case in cohort})} independent groups")


def _print_split(cohort: Cohort, folds: tuple[Fold, ...]) -> None:
    from voxtempo.cohort import summarise

    rows = [["fold", "train", "validation", "test"]]
    for fold in folds:
        sides = [cohort.only(ids) for ids in (fold.train, fold.validation, fold.test)]
        rows.append([fold.name, *(f"{len(side)} cases, {len({c.subject for c in side})} subjects" for side in sides)])
    _print_table(rows)
    print("no subject and no identical image stands on two sides")
    table = summarise(cohort, folds[0])["table"]
    print(f"\n{folds[0].name}:")
    _print_table([["", *table["columns"][1:]], *([row[0], *row[2:]] for row in table["rows"])])


def _print_problems(problems: list[Problem]) -> None:
    from voxtempo.cohort import by_severity

    if not problems:
        print("none")
    for problem in by_severity(problems):
        print(f"{problem.severity.upper()} {problem.where}: {problem.message}")
