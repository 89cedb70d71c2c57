"""Enhanced multi-frame MR: many frames in one file, placed by functional groups that are shared or a frame's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from voxtempo.errors import ScanError
from voxtempo.scans.dicom.frame import Frame, clock, directions, number, seconds, vector, whole
from voxtempo.scans.dicom.parse import ECHO_DIGITS, image_type, scale_of, spacing_of, stored_type


def is_enhanced(dataset: Dataset) -> bool:
    """Return whether the file places its frames by functional groups."""
    return "PerFrameFunctionalGroupsSequence" in dataset


def enhanced_frames(dataset: Dataset, path: Path) -> list[Frame]:
    """Return every frame of the file.

    Raises
    ------
    ScanError : a frame has no place in space, or the number of frames is not what the file says.
    """
    own = dataset.PerFrameFunctionalGroupsSequence or []
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    count = whole(dataset.get("NumberOfFrames"))
    if count != len(own):
        raise ScanError(f"{path}: NumberOfFrames is {count}, but PerFrameFunctionalGroupsSequence has {len(own)}")
    dtype = stored_type(dataset, path)
    return [_frame(dataset, _Groups(groups, shared), index, dtype, path) for index, groups in enumerate(own)]


class _Groups:
    """The functional groups of one frame: its own first, then the shared ones."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._sources = (own, shared)

    def group(self, name: str) -> Dataset:
        """Return the group's only item, empty if there is none."""
        for source in self._sources:
            items = source.get(name)
            if items:
                return items[0]
        return Dataset()


def _frame(dataset: Dataset, groups: _Groups, index: int, dtype: Any, path: Path) -> Frame:
    content = groups.group("FrameContentSequence")
    kind = groups.group("MRImageFrameTypeSequence")
    position = groups.group("PlanePositionSequence").get("ImagePositionPatient")
    orientation = groups.group("PlaneOrientationSequence").get("ImageOrientationPatient")
    slope, intercept = scale_of(groups.group("PixelValueTransformationSequence"), path)
    acquired, step = clock(content.get("FrameAcquisitionDateTime"))
    trigger = number(groups.group("CardiacSynchronizationSequence").get("NominalCardiacTriggerDelayTime"))
    echo = number(groups.group("MREchoSequence").get("EffectiveEchoTime"))
    return Frame(
        file=path,
        index=index,
        tile=(0, 0),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        dtype=dtype,
        position=vector(position, 3, f"ImagePositionPatient of frame {index + 1}", path),
        orientation=directions(orientation, path),
        spacing=spacing_of(groups.group("PixelMeasuresSequence"), path),
        slope=slope,
        intercept=intercept,
        temporal_position=whole(content.get("TemporalPositionIndex")),
        acquired=acquired,
        clock_step=step,
        trigger_time=None if trigger is None else trigger / 1000,
        instance=(whole(dataset.get("InstanceNumber")) or 0) * 1_000_000 + index,
        contrast=(
            image_type(kind.get("FrameType") or dataset.get("ImageType")),
            None if echo is None else round(echo, ECHO_DIGITS),
        ),
        repetition_time=seconds(groups.group("MRTimingAndRelatedParametersSequence").get("RepetitionTime")),
        temporal_resolution=seconds(dataset.get("TemporalResolution")),
    )
