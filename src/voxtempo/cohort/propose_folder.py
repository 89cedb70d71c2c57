"""A study proposed from a folder without a table: label maps beside images, or one folder for each class."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from voxtempo.cohort.guessing import IMAGES, held_labels, is_label_word, mask_target
from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import few
from voxtempo.cohort.proposal import Proposal, quoted, study_name
from voxtempo.errors import CohortError


def from_folder(root: Path, task: str | None) -> Proposal:
    """Make a table of a folder without one: images beside label maps of the same name, or one folder for each class."""
    series = dicom_folders(root)
    inside = {folder for folder in series if folder != root}
    images = sorted(
        (p for p in root.rglob("*") if p.is_file() and p.name.lower().endswith(IMAGES) and not is_dicom_name(p)),
        key=lambda p: natural(str(p)),
    )
    if images and series:
        raise CohortError(
            f"{root} holds {len(images)} image files and {len(series)} folders of DICOM files; a study has scans of one kind. "
            "Give a folder with one of them, or a table that names the scans: id,path,label."
        )
    if series and not inside:
        raise CohortError(f"{root} is a single folder of DICOM files: a study needs one folder a scan, or a table.")
    images = images or sorted(inside, key=lambda p: natural(str(p)))
    if not images:
        raise CohortError(f"{root} holds no scans ({', '.join(IMAGES)}) and no table.")
    masks = [path for path in images if is_label_word(path.parent.name)]
    if masks and task in (None, "segment"):
        return _from_pairs(root, images, masks)
    folders = sorted({path.parent for path in images if path.parent != root}, key=lambda p: natural(str(p)))
    classes = sorted({folder.name for folder in folders}, key=natural)
    if len(classes) < 2 or 2 * len(classes) > len(images) or task not in (None, "classify"):
        kind = "folders of DICOM files" if series else "scans"
        column = {"segment": "mask", "regress": "age"}.get(task or "", "label")
        raise CohortError(
            f"{root}: found {len(images)} {kind} but no truth{f' to {task}' if task else ''}: no table, no label maps, no "
            f"folders for classes. Write a table there, such as cohort.csv with the header 'id,subject,path,{column}', and "
            f"give it to 'voxtempo new'."
        )
    below = [p for p in images if p.parent != root]
    names = _told_apart([study_name(_stem(p.relative_to(root).as_posix())) for p in below])
    rows = [[name, p.relative_to(root).as_posix(), p.parent.name] for name, p in zip(names, below, strict=True)]
    header = ["id", "path", "label"]
    above = {path.parent.parent for path in images}
    if len(above) > 1:
        header.append("source_split")
        rows = [[*row, Path(row[1]).parent.parent.name] for row in rows]
    guesses = [
        f"the folders are the classes: {few(classes, 8)}",
        "every image is its own subject: add a column if people have several",
    ]
    return Proposal(
        study_name(root.name), "classify", "table", root / "cohort.csv", root,
        scans={"mr": quoted("{path}")}, target="{column: label}", table_text=_csv(header, rows), guesses=tuple(guesses),
    )  # fmt: skip


def _from_pairs(root: Path, images: Sequence[Path], masks: Sequence[Path]) -> Proposal:
    folder = masks[0].parent
    by_name = {_stem(path.name): path for path in masks if path.parent == folder}
    pairs = [
        (path, by_name[_stem(path.name)]) for path in images if path not in set(masks) and _stem(path.name) in by_name
    ]
    if not pairs:
        raise CohortError(f"{root}: no scan has the name of a label map in {folder}.")
    rows = [[_stem(image.name), *(p.relative_to(root).as_posix() for p in (image, mask))] for image, mask in pairs]
    if len({row[0] for row in rows}) < len(rows):
        raise CohortError(f"{root}: several scans share a name with one label map; write a table with their paths.")
    guesses = (
        f"{len(pairs)} scans have a label map of the same name in '{folder.name}'",
        "every scan is its own subject",
    )
    return Proposal(
        study_name(root.name), "segment", "table", root / "cohort.csv", root,
        scans={"mr": quoted("{image}")},
        target=mask_target("{mask}", held_labels([mask for _, mask in pairs[:20]])),
        table_text=_csv(["id", "image", "mask"], rows), guesses=guesses,
    )  # fmt: skip


def dicom_folders(root: Path) -> list[Path]:
    """Return the folders that directly hold DICOM files, by name (.dcm, .ima) or, without any suffix, by content."""
    return sorted({path.parent for path in root.rglob("*") if path.is_file() and is_dicom_name(path)})


def is_dicom_name(path: Path) -> bool:
    """Return whether a file is DICOM by its name, or has no suffix and begins as DICOM does."""
    if path.suffix:
        return path.suffix.lower() in (".dcm", ".ima")
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _stem(name: str) -> str:
    return next(
        (name[: -len(end)] for end in sorted(IMAGES, key=len, reverse=True) if name.lower().endswith(end)), name
    )


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return the names, with a running number where several became alike.

    >>> _told_apart(["a", "b", "a", "a-2"])
    ['a', 'b', 'a-3', 'a-2']
    """
    taken, found = set(names), []
    seen: set[str] = set()
    for name in names:
        number, own = 2, name
        while own in seen or (own != name and own in taken):
            own, number = f"{name}-{number}", number + 1
        seen.add(own)
        found.append(own)
    return found
