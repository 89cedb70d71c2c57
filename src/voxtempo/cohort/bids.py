"""A BIDS folder as a table: one row for each scan, with participants, sessions, sidecars and events.

Only what a study needs is read (names, participants.tsv, sessions.tsv, RepetitionTime, SliceTiming, events), so pybids and its
database are not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import Problem, few
from voxtempo.cohort.sidecar import read_timing
from voxtempo.cohort.table import Row, Table, read_table, repeated, template_columns
from voxtempo.errors import CohortError, did_you_mean

LONG_NAMES = {
    "subject": "sub", "session": "ses", "acquisition": "acq", "ceagent": "ce", "reconstruction": "rec",
    "direction": "dir", "resolution": "res", "description": "desc", "hemisphere": "hemi", "inversion": "inv",
}  # fmt: skip
_WHO = ("sub", "ses", "task", "run")
_KNOWN = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part", "inv", "space", "res", "den", "desc",
          "label", "suffix", "datatype", "hemi", "flip", "mod", "recording", "split", "chunk")  # fmt: skip


@dataclass(frozen=True)
class BidsFile:
    """One file and what its name says: entities such as sub, ses, task and run, the suffix and the data type."""

    path: Path
    entities: Mapping[str, str]
    suffix: str

    @property
    def stem(self) -> str:
        """The name without suffix and extension: 'sub-01_task-rest_run-1'."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())


def parse_name(path: Path) -> BidsFile | None:
    """Return what a BIDS file name says, or None where the name does not follow BIDS.

    >>> found = parse_name(Path("sub-01_ses-1_task-rest_run-2_bold.nii.gz"))
    >>> found.stem, found.suffix
    ('sub-01_ses-1_task-rest_run-2', 'bold')
    """
    *pairs, suffix = path.name.split(".", 1)[0].split("_")
    entities: dict[str, str] = {}
    for pair in pairs:
        key, dash, value = pair.partition("-")
        if not (key and dash and value):
            return None
        entities[key] = value
    return BidsFile(path, entities, suffix)


def read_bids(root: Path, scans: Mapping[str, str | Mapping[str, str]]) -> Table:
    """Return a table of the scans in a BIDS folder.

    Parameters
    ----------
    root : the dataset's folder, with sub-* folders in it (derivatives have their own root).
    scans : channel -> entities that choose files (``{suffix: bold, task: objects}``), a bare suffix, or a template
        over the columns. The first channel makes the rows; others are matched by the entities both names have.

    Returns
    -------
    Columns id, participant_id, subject, session, every entity, suffix, path, and those of participants.tsv and
    sessions.tsv. Files found for a channel are in ``Row.scans``.

    Raises
    ------
    CohortError : no such folder, no subjects, nothing matches, or one row matches several files of a channel.
    """
    if not root.is_dir():
        raise CohortError(f"There is no BIDS folder at {root}.")
    files = [found for folder in sorted(root.glob("sub-*")) for found in _images(folder)]
    if not files:
        raise CohortError(f"{root} holds no images in sub-* folders, so it is no BIDS dataset.")
    wanted = {channel: query for channel, spec in scans.items() if (query := _query(spec, channel)) is not None}
    if next(iter(scans)) not in wanted:
        raise CohortError(
            f"cohort.scans.{next(iter(scans))}: the first channel of a BIDS cohort needs entities, "
            "such as {suffix: bold}."
        )
    chosen = {channel: [file for file in files if _fits(file, query, root)] for channel, query in wanted.items()}
    for channel, found in chosen.items():
        if not found:
            suffixes = sorted({file.suffix for file in files})
            raise CohortError(
                f"cohort.scans.{channel}: no image in {root} has {_words(wanted[channel])}. "
                f"Its suffixes: {few(suffixes, 12)}."
            )
    participants, problems = _participants(root, chosen[next(iter(wanted))])
    first, *others = wanted
    rows = []
    for line, file in enumerate(sorted(chosen[first], key=lambda f: natural(str(f.path.relative_to(root)))), 1):
        matched = {first: file.path, **{c: _partner(file, chosen[c], c) for c in others}}
        said = {**participants.get(f"sub-{file.entities['sub']}", {}), **_session(file, root)}
        named = _values(file, root)
        spoken = {key: value for key, value in named.items() if value}  # what the name says stands
        values = {**named, **said, **spoken}
        time, slices = read_timing(file.path.name, [s.path for s in _inherited(file, root, file.suffix, ".json")])
        rows.append(Row(values, line, matched, _events_of(file, root), time, slices))
    doubled = repeated(row.values["id"] for row in rows)
    if doubled:
        raise CohortError(
            f"{root}: two files share one name: {few(doubled)}. Narrow cohort.scans.{first} (datatype, space, ...)."
        )
    columns = tuple(dict.fromkeys(name for row in rows for name in row.values))
    complete = tuple(replace(row, values={name: row.values.get(name, "") for name in columns}) for row in rows)
    return Table(str(root), columns, complete, tuple(problems))


def _images(folder: Path) -> Iterator[BidsFile]:
    for path in sorted(folder.rglob("*.nii*")):
        found = parse_name(path)
        if found is not None and "sub" in found.entities and path.name.endswith((".nii", ".nii.gz")):
            yield found


def _query(spec: str | Mapping[str, str], channel: str) -> dict[str, str] | None:
    """Return the entities a channel asks for; None where it is a template, which columns will fill."""
    if isinstance(spec, str):
        return (
            None
            if template_columns(spec, f"cohort.scans.{channel}") or "/" in spec or "." in spec
            else {"suffix": spec}
        )
    query = {LONG_NAMES.get(key, key): value for key, value in spec.items()}
    for key in query:
        if key not in _KNOWN:
            raise CohortError(f"cohort.scans.{channel}: BIDS has no entity '{key}'. {did_you_mean(key, _KNOWN)}")
    return query


def _words(query: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in query.items())


def _fits(file: BidsFile, query: Mapping[str, str], root: Path) -> bool:
    known = {**file.entities, "suffix": file.suffix, "datatype": file.path.parent.name}
    return all(key in known and _same(known[key], value) for key, value in query.items())


def _same(one: str, other: str) -> bool:
    return one == other or (one.isdecimal() and other.isdecimal() and int(one) == int(other))


def _partner(file: BidsFile, candidates: Iterable[BidsFile], channel: str) -> Path | None:
    """Return the one file of another channel that belongs to ``file``: who, when, and every shared entity agree."""
    fitting = [
        other
        for other in candidates
        if other.entities["sub"] == file.entities["sub"]
        and all(
            file.entities[key] == other.entities[key] for key in _WHO if key in file.entities and key in other.entities
        )
    ]
    exact = [o for o in fitting if all(file.entities.get(k, v) == v for k, v in o.entities.items())]
    found = exact or fitting
    if len(found) > 1:
        names = [other.path.name for other in found]
        raise CohortError(
            f"cohort.scans.{channel}: {file.path.name} fits several files: {few(names)}. "
            "Add an entity that tells them apart."
        )
    return found[0].path if found else None


def _values(file: BidsFile, root: Path) -> dict[str, str]:
    subject = f"sub-{file.entities['sub']}"
    named = {"id": file.stem, "participant_id": subject, "subject": subject, "session": file.entities.get("ses", "")}
    return {**named, **file.entities, "suffix": file.suffix, "path": file.path.relative_to(root).as_posix()}


def _participants(root: Path, files: Iterable[BidsFile]) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Return participant -> columns, and who has files but no line in participants.tsv."""
    path = root / "participants.tsv"
    if not path.exists():
        return {}, []
    table = read_table(path)
    table.require("participant_id", "participants.tsv")
    doubled = repeated(row.values["participant_id"] for row in table.rows)
    if doubled:
        raise CohortError(f"{path}: {few(doubled)} has more than one line.")
    known = {}
    for row in table.rows:
        name = row.values["participant_id"]
        known[name if name.startswith("sub-") else f"sub-{name}"] = {
            key: value for key, value in row.values.items() if key != "participant_id"
        }
    unlisted = sorted({f"sub-{file.entities['sub']}" for file in files} - set(known), key=natural)
    problems = []
    if unlisted:
        problems.append(
            Problem("warning", str(path), f"{len(unlisted)} subjects have scans but no line here: {few(unlisted)}.")
        )
    return known, problems


def _session(file: BidsFile, root: Path) -> dict[str, str]:
    if "ses" not in file.entities:
        return {}
    subject = f"sub-{file.entities['sub']}"
    return _sessions(root / subject / f"{subject}_sessions.tsv").get(f"ses-{file.entities['ses']}", {})


def _sessions(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    table = read_table(path)
    table.require("session_id", path.name)
    return {
        f"ses-{row.values['session_id'].removeprefix('ses-')}": {
            k: v for k, v in row.values.items() if k != "session_id"
        }
        for row in table.rows
    }


def _inherited(file: BidsFile, root: Path, suffix: str, extension: str) -> list[BidsFile]:
    """Return the files that apply to ``file`` by BIDS inheritance, the most general first."""
    found: list[BidsFile] = []
    folder = file.path.parent
    while True:
        applicable = [
            other
            for other in _named(folder, f"{suffix}{extension}")
            if all(file.entities.get(key) == value for key, value in other.entities.items())
        ]
        found.extend(sorted(applicable, key=lambda other: -len(other.entities)))
        if folder == root or folder == folder.parent:
            return found[::-1]
        folder = folder.parent


def _named(folder: Path, ending: str) -> list[BidsFile]:
    paths = [path for path in sorted(folder.iterdir()) if path.name.endswith(f"_{ending}") or path.name == ending]
    return [found for path in paths if (found := parse_name(path)) is not None]


def _events_of(file: BidsFile, root: Path) -> Path | None:
    found = _inherited(file, root, "events", ".tsv")
    return found[-1].path if found else None
