"""Cases and cohorts: which files belong together, what is true of them, and whom they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from voxtempo.cohort.problem import Problem


@dataclass(frozen=True)
class Event:
    """Something that happened during a series: onset and duration in seconds from the first volume."""

    onset: float
    duration: float
    label: str


@dataclass(frozen=True)
class Case:
    """One row of the cohort.

    Parameters
    ----------
    id : unique name of the row.
    subject : whom it comes from; all rows of a subject stay on one side of every split.
    scans : channel name -> file (or DICOM folder).
    target : class name (classify), number (regress), or None (segment, events, unknown truth).
    mask : label map's file (segment).
    events : what happened when (4D with a truth per window of time).
    site : scanner or hospital, if the study names a column for it.
    group : cases of one group never cross a split: the subject, or what duplicates join to it.
    row : every column of the table, as text.
    repetition_time : seconds, as a BIDS sidecar says it (None: the scan's own header is the only source).
    slice_times : seconds from the start of a volume to each slice along z of the file's array, as a sidecar says it.
    confounds : table with a row a volume (motion, physiology, components of noise), or None.
    """

    id: str
    subject: str
    scans: Mapping[str, Path]
    target: str | float | None = None
    mask: Path | None = None
    events: tuple[Event, ...] = ()
    site: str | None = None
    group: str = ""
    row: Mapping[str, str] = field(default_factory=dict)
    repetition_time: float | None = None
    slice_times: tuple[float, ...] = ()
    confounds: Path | None = None

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.subject)


@dataclass(frozen=True)
class Cohort:
    """All cases of a study, in the table's order.

    Parameters
    ----------
    cases : the rows that are in the study.
    classes : the class names in order (classify).
    labels : label value -> name (segment).
    others : whether label values that ``labels`` does not name are background (else they are an error).
    ignore : label value of voxels that count nowhere, or None.
    series : which DICOM series of a folder is meant (its number or UID).
    flow : how the cases came to be, step by step: (step, cases, subjects) that were left after it.
    problems : what was noticed on the way.
    """

    cases: tuple[Case, ...]
    classes: tuple[str, ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)
    others: bool = False
    ignore: int | None = None
    series: str | None = None
    flow: tuple[tuple[str, int, int], ...] = ()
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __getitem__(self, case_id: str) -> Case:
        for case in self.cases:
            if case.id == case_id:
                return case
        raise KeyError(case_id)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject once, in order of appearance."""
        return tuple(dict.fromkeys(case.subject for case in self.cases))

    def only(self, ids: Sequence[str]) -> tuple[Case, ...]:
        """Return the cases with these ids, in the cohort's order."""
        wanted = set(ids)
        return tuple(case for case in self.cases if case.id in wanted)


@dataclass(frozen=True)
class Fold:
    """One way to divide the cohort: three disjoint lists of case ids."""

    index: int
    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
