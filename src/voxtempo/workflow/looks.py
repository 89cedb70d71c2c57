"""How often a test set was looked at: every judging is written down, because a test that chooses is no test."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from voxtempo.cohort import Cohort, cache_root
from voxtempo.errors import ScanError
from voxtempo.metrics import TASKS, headline_of, path_to
from voxtempo.workflow.records import digest, write_csv, write_json

LOOKS = "looks.csv"


def record_look(
    folder: Path, what: str, cohort: Cohort, test: Sequence[str], judged: Path | None = None
) -> tuple[int, int]:
    """Add a row to ``looks.csv``: when, what, how many test cases, which test set, the main figure.

    The same test set (ids and files) is also written down under the cache root, with every run that was judged on it on this
    machine.

    Parameters
    ----------
    folder : of the run.
    what : "train", "evaluate", or "evaluate --on" with the name of the other study.
    cohort : knows the files.
    test : ids of the test cases; without any nothing is written.
    judged : the file with the metrics, by default the run's ``metrics.json``.

    Returns
    -------
    How often this run, and how many runs, have been judged on these test cases.
    """
    if not test:
        return 0, 0
    key = test_set_key(cohort, test)
    rows: list[dict[str, Any]] = list(looks_in(folder))
    metrics = json.loads((judged or folder / "metrics.json").read_text(encoding="utf-8"))
    name, value = _headline(metrics.get("test") or {})
    rows.append(
        {
            "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "what": what, "cases": len(test), "test_set": key,
            "figure": name, "value": value,
        }
    )  # fmt: skip
    runs = _register(key, folder)
    write_csv(folder / LOOKS, [{**row, "runs": runs} if row is rows[-1] else row for row in rows])
    return sum(row["test_set"] == key for row in rows), runs


def looks_in(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's ``looks.csv``, none where there is no such file."""
    try:
        with (folder / LOOKS).open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row.get("test_set")]
    except OSError:
        return []


def looks_in_words(looks: int, runs: int) -> str:
    """Return how often test cases were looked at, with what that means.

    >>> looks_in_words(1, 1)
    'The test cases have been looked at once.'
    """
    times = "once" if looks == 1 else f"{looks} times"
    said = f"The test cases have been looked at {times}"
    if runs > 1:
        said += f", and {runs} runs were judged on them on this machine"
    if looks <= 1 and runs <= 1:
        return f"{said}."
    return f"{said}. A figure that was chosen among several looks is too good: choose on validation cases."


def _register(key: str, folder: Path) -> int:
    """Return how many runs were judged on a test set; the folds of one run are one."""
    inside = folder.name.startswith("fold-") and (folder.parent / "study.yaml").is_file()
    run = str((folder.parent if inside else folder).resolve())
    store = cache_root() / "test-sets" / f"{key}.json"
    known: list[str] = []
    with suppress(OSError, ValueError):
        known = [str(name) for name in json.loads(store.read_text(encoding="utf-8"))["runs"]]
    known = list(dict.fromkeys((*known, run)))
    with suppress(ScanError, OSError):  # where the cache cannot be written, this run alone is counted
        write_json(store, {"runs": known})
    return len(known)


def test_set_key(cohort: Cohort, test: Sequence[str]) -> str:
    """Return what tells a test set from others: a digest of its ids and files."""
    wanted = set(test)
    named = sorted([case.id, *map(str, case.scans.values())] for case in cohort if case.id in wanted)
    return digest(named)


def _headline(figures: Mapping[str, Any]) -> tuple[str, float | None]:
    for path in (path_to(headline_of(task), task) for task in TASKS):
        found: Any = figures
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is not None:
            return " ".join(path), found.get("value")
    return "", None
