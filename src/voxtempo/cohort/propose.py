"""A first study file, guessed from what lies in a folder; each guess is said aloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from voxtempo.cohort.bids import parse_name
from voxtempo.cohort.guessing import SITE_WORDS, guess_truth, named
from voxtempo.cohort.proposal import Proposal, plain, study_name
from voxtempo.cohort.propose_folder import from_folder
from voxtempo.cohort.propose_table import from_table
from voxtempo.cohort.table import read_table
from voxtempo.errors import CohortError


def propose_study(path: Path, task: str | None = None) -> Proposal:
    """Return a proposal for a BIDS folder, a table, or a folder of scans.

    Parameters
    ----------
    path : a CSV or TSV, or a folder: BIDS; one with a table; images beside label maps; one folder for each class.
    task : classify, regress or segment; guessed when left out.

    Raises
    ------
    CohortError : nothing to make a study of was found.
    """
    path = path.resolve()
    if path.is_file():
        return from_table(read_table(path), path, path.parent, task)
    if not path.is_dir():
        raise CohortError(f"There is neither a table nor a folder at {path}.")
    tables = sorted(
        [*path.glob("*.csv"), *path.glob("*.tsv")], key=lambda p: (p.stem not in ("cohort", "participants"), p.name)
    )
    if (path / "dataset_description.json").exists() or any(path.glob("sub-*")):
        return _from_bids(path, task)
    for table in tables:
        try:
            return from_table(read_table(table), table, path, task)
        except CohortError:
            continue
    return from_folder(path, task)


def _from_bids(root: Path, task: str | None) -> Proposal:
    """Return a proposal from a BIDS folder: the most usual image, and events or a column of participants.tsv."""
    files = [found for path in sorted(root.glob("sub-*/**/*.nii*")) if (found := parse_name(path)) is not None]
    if not files:
        raise CohortError(f"{root} looks like BIDS but holds no .nii or .nii.gz in sub-* folders.")
    suffixes = [file.suffix for file in files]
    suffix = max(sorted(set(suffixes)), key=lambda s: (s == "bold", suffixes.count(s)))
    guesses = [f"scans are those with suffix {suffix} ({suffixes.count(suffix)} of {len(files)} images)"]
    scans = {suffix.lower(): f"{{suffix: {suffix}}}"}
    chosen_files = [file for file in files if file.suffix == suffix]
    common = Proposal(study_name(root.name), "classify", "bids", root, root, scans, "")
    people = {file.entities.get("sub") for file in chosen_files}
    if len(people) == 1 and len({file.entities.get("run") for file in chosen_files}) == len(chosen_files) > 2:
        guesses.append("one person, so the runs are what must not cross the split, and one run at a time is the test")
        common = replace(common, subject="run", split="{column: run}")
    elif 3 <= len(people) < 10:
        common = replace(common, split=f"{{folds: {min(5, len(people))}, seed: 1}}")
    if any(root.glob("sub-*/**/*_events.tsv")) and suffix == "bold" and task in (None, "classify"):
        guesses.append("the truth is trial_type of the events (task classify)")
        return replace(common, target="{events: auto, column: trial_type}", guesses=tuple(guesses))
    participants = root / "participants.tsv"
    if not participants.exists():
        raise CohortError(f"{root} has neither events nor a participants.tsv to take the truth from.")
    table = read_table(participants)
    columns = {
        c: [row.values[c] for row in table.rows] for c in table.columns if c != "participant_id" and c not in SITE_WORDS
    }
    truth = guess_truth(columns, {}, None, task)
    if truth is None:
        raise CohortError(f"{participants} has no column that could be the truth{f' of {task}' if task else ''}.")
    chosen, column = truth
    guesses.append(f"the truth is {column} of participants.tsv (task {chosen})")
    site = named(list(table.columns), SITE_WORDS)
    return replace(common, task=chosen, target=f"{{column: {plain(column)}}}", site=site, guesses=tuple(guesses))
