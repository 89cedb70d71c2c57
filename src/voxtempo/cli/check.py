"""``voxtempo check``: resolves and explains a study, looks for what could make its result untrue, and its cost."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from voxtempo.cli.console import add_budget_arguments, add_leak_argument, add_override_argument, count, overrides

if TYPE_CHECKING:
    from voxtempo.cohort import Cohort, DuplicateReport, Fold, GeometryReport, Problem, Study

MANY_SHOWN = 4


def add(subparsers: Any) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "check",
        help="resolve and explain a study; find leaks and faults; predict memory and time",
        description="Resolve and explain a study: cohort, geometry, labels, duplicates, leakage, split, plan and cost. "
        "The exit status is 1 if errors were found.",
    )
    parser.add_argument("study", nargs="?", metavar="STUDY", help="study file (YAML)")
    add_override_argument(parser)
    add_budget_arguments(parser)
    add_leak_argument(parser)
    parser.add_argument("--quick", action="store_true", help="read headers only: no duplicates, no label values")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="threads that read scans (default 2)")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of study files and stop")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print everything about a study; return 1 if an error was found."""
    from voxtempo import cohort as room
    from voxtempo.cli.console import Console
    from voxtempo.errors import StudyError
    from voxtempo.planning import explain
    from voxtempo.workflow.examine import examine
    from voxtempo.workflow.voice import Voice

    if args.schema:
        print(json.dumps(room.study_schema(), indent=2))
        return 0
    if args.study is None:
        raise StudyError("Give a study file: voxtempo check STUDY. ('voxtempo check --schema' prints the schema.)")
    study = room.load_study(args.study, overrides(args))
    console = Console()
    seen = examine(
        study,
        args.workers,
        Voice(console.say, console.bar),
        strict=False,
        known_leaks=args.known_leaks,
        headers_only=args.quick,
    )
    console.close()
    problems = [*seen.cohort.problems, *_weight_problems(study), *seen.problems]
    _title(f"Study {study.name}")
    print(room.dump_study(seen.plan.study if seen.plan else study).rstrip())
    _title("Cohort")
    _print_cohort(seen.cohort)
    _title("Geometry")
    _print_geometry(seen.geometry)
    if seen.duplicates is not None:
        _title("Duplicates")
        _print_duplicates(seen.cohort, seen.duplicates, study.split.column)
    _title("Split")
    if seen.folds:
        _print_split(seen.cohort, seen.folds, seen.duplicates is not None, seen.leaks)
        if args.known_leaks:
            print(room.shout(seen.leaks))
    else:
        print("impossible, see below")
    _title("Problems")
    _print_problems(problems)
    if seen.plan is not None:
        _title("Plan")
        print("\n".join(explain(seen.plan)))
    return 1 if any(problem.severity == "error" for problem in problems) else 0


def _weight_problems(study: Study) -> tuple[Problem, ...]:
    """Return why a local file of weights cannot be used, if it cannot: training finds out when it builds the network."""
    from voxtempo.cohort import Problem
    from voxtempo.errors import VoxTempoError
    from voxtempo.networks.local_weights import refuse_unusable

    try:
        if study.network.name is not None:
            refuse_unusable(study.network.options)
    except VoxTempoError as error:
        return (Problem("error", "network", str(error)),)
    return ()


def _title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


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
        if name == "shape" and len(values) > MANY_SHOWN:
            shapes = [header.geometry.shape for channels in report.headers.values() for header in channels.values()]
            low, high = (" x ".join(map(str, map(pick, zip(*shapes, strict=True)))) for pick in (min, max))
            print(f"  between {low} and {high}")


def _print_duplicates(cohort: Cohort, report: DuplicateReport, column: str | None) -> None:
    from voxtempo.cohort import straddles

    print(
        f"{report.images} images decoded: {len(report.groups)} groups of identical images, "
        f"{report.redundant} redundant cases, {len(report.conflicts)} groups with different truths"
    )
    same = sum(pair.same for pair in report.likenesses)
    print(
        f"near duplicates (mirrored, turned, resized, rescaled, encoded again): {len(report.near)} groups of {same} pairs, "
        f"{len(report.near_conflicts)} groups with different truths; {len(report.likenesses) - same} pairs of one head"
    )
    for straddle in straddles(cohort, report, column):
        if not straddle.groups:
            print(f"across '{straddle.column}': none")
            continue
        shares = ", ".join(f"{n} of {straddle.total[name]} in {name}" for name, n in straddle.cases.items())
        print(f"across '{straddle.column}': {len(straddle.groups)} groups have members under several values ({shares})")
        for group in straddle.groups:
            print("  " + " = ".join(f"{case_id} [{cohort[case_id].row[straddle.column]}]" for case_id in group))
    print(f"{len(cohort.subjects)} subjects make {len({case.group for case in cohort})} independent groups")


def _print_split(cohort: Cohort, folds: tuple[Fold, ...], by_image: bool, leaks: tuple[dict[str, Any], ...]) -> None:
    from voxtempo.cohort import summarise

    rows = [["fold", "train", "validation", "test"]]
    for fold in folds:
        sides = [cohort.only(ids) for ids in (fold.train, fold.validation, fold.test)]
        rows.append([fold.name, *(f"{len(side)} cases, {len({c.subject for c in side})} subjects" for side in sides)])
    _print_table(rows)
    if not leaks:
        print(f"no subject{' and no identical image' if by_image else ''} stands on two sides of any fold")
    table = summarise(cohort, folds[0])["table"]
    print(f"\n{folds[0].name}:")
    _print_table([["", *table["columns"][1:]], *([row[0], *row[2:]] for row in table["rows"])])


def _print_problems(problems: list[Problem]) -> None:
    from voxtempo.cohort import by_severity, grouped

    if not problems:
        print("none")
    for problem in by_severity(grouped(problems)):
        print(f"{problem.severity.upper()} {problem}")
