"""Which series a folder holds, and which of them is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.enhanced import enhanced_frames, is_enhanced
from voxtempo.scans.dicom.frame import Frame, whole
from voxtempo.scans.dicom.mosaic import is_mosaic, mosaic_frames
from voxtempo.scans.dicom.parse import foreign, is_dicom, is_image, read_dataset, single_frame
from voxtempo.scans.dicom.stack import stack_frames

SeriesKind = Literal["classic", "enhanced", "mosaic"]


@dataclass(frozen=True)
class SeriesInfo:
    """One DICOM series.

    Parameters
    ----------
    number, uid, description : SeriesNumber, SeriesInstanceUID and SeriesDescription as the files say.
    kind : "classic" (a slice a file), "enhanced" (many frames a file) or "mosaic" (Siemens: a volume a picture).
    files : its files, sorted by name.
    volumes : number of time points; 0 if the files are no stack of slices.
    problem : why they are none, in one line, else "".
    """

    number: int | None
    uid: str
    description: str
    kind: SeriesKind
    files: tuple[Path, ...]
    volumes: int
    problem: str = ""


@dataclass
class FoundSeries:
    """The frames of one series, as they are found file by file."""

    number: int | None
    uid: str
    description: str
    kind: SeriesKind
    files: list[Path] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    broken: str = ""

    def __str__(self) -> str:
        return f"{self.number} '{self.description}' ({len(self.files)} files, UID {self.uid})"


def list_series(folder: str | Path) -> list[SeriesInfo]:
    """Return every DICOM series in a folder and its subfolders, by number.

    Raises
    ------
    ScanError : there is no such folder, or no DICOM image in it.
    """
    found = []
    for series in find_series(Path(folder)):
        volumes, problem = 0, series.broken
        if not problem:
            try:
                volumes = len(stack_frames(series.frames, str(folder)).frames)
            except ScanError as error:
                problem = str(error)
        files = tuple(sorted(series.files))
        found.append(SeriesInfo(series.number, series.uid, series.description, series.kind, files, volumes, problem))
    return found


def find_series(path: Path) -> list[FoundSeries]:
    """Return the series of a file, or of a folder and its subfolders (hidden files excepted), sorted by number.

    Raises
    ------
    ScanError : there is no such path or no image, or a file's header is damaged. What is wrong with a readable file is
        noted in its series instead.
    """
    if not path.exists():
        raise ScanError(f"{path}: no such file or folder")
    single = path.is_file()
    found: dict[str, FoundSeries] = {}
    seen: set[str] = set()
    for file in [path] if single else sorted(p for p in path.rglob("*") if p.is_file()):
        if not single and (file.name.startswith(".") or not is_dicom(file)):
            continue
        dataset = read_dataset(file)
        with foreign(file, "the DICOM header cannot be parsed"):
            if not is_image(dataset):
                continue
            instance = str(dataset.get("SOPInstanceUID") or file)
            series = _series_of(dataset, found)
        if instance in seen:
            continue  # a second copy of the very same image
        seen.add(instance)
        series.files.append(file)
        try:
            with foreign(file, "the DICOM header cannot be parsed"):
                series.frames.extend(_frames(dataset, file))
        except ScanError as error:
            series.broken = series.broken or str(error)
    if not found:
        others = sorted(path.glob("*.nii*")) if path.is_dir() else []
        hint = f", but {len(others)} NIfTI files: give these by name ({path / '*.nii.gz'})" if others else ""
        raise ScanError(f"{path}: holds no DICOM image{hint}")
    return sorted(found.values(), key=lambda series: (series.number is None, series.number or 0, series.uid))


def choose_series(found: Sequence[FoundSeries], choice: int | str | None, path: Path) -> FoundSeries:
    """Return the series with this number or UID; without a choice, the only one.

    Raises
    ------
    ScanError : there is no such series, or several (the message lists them all), or one of its files is damaged.
    """
    listed = "; ".join(map(str, found))
    matching = [s for s in found if choice is None or str(choice) in (s.uid, str(s.number))]
    if len(matching) == 1:
        if matching[0].broken:
            raise ScanError(matching[0].broken)
        return matching[0]
    if choice is None:
        raise ScanError(
            f"{path}: holds {len(found)} series, choose one by its number or UID (in a study 'cohort.series: NUMBER', for "
            f"'voxtempo predict' --series NUMBER): {listed}"
        )
    if matching:
        listed = "; ".join(map(str, matching))
        raise ScanError(f"{path}: holds {len(matching)} series with number {choice}, choose one by its UID: {listed}")
    raise ScanError(f"{path}: holds no series {choice}, found: {listed}")


def _series_of(dataset: Dataset, found: dict[str, FoundSeries]) -> FoundSeries:
    number = whole(dataset.get("SeriesNumber"))
    uid = str(dataset.get("SeriesInstanceUID") or f"unnamed-{number}")
    kind: SeriesKind = "enhanced" if is_enhanced(dataset) else "mosaic" if is_mosaic(dataset) else "classic"
    description = str(dataset.get("SeriesDescription") or "")
    return found.setdefault(uid, FoundSeries(number, uid, description, kind))


def _frames(dataset: Dataset, file: Path) -> list[Frame]:
    if is_enhanced(dataset):
        return enhanced_frames(dataset, file)
    if is_mosaic(dataset):
        return mosaic_frames(dataset, file)
    return [single_frame(dataset, file)]
